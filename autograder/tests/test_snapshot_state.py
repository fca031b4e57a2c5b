"""Tests of `autograder.snapshot.state`: by what a state is known."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from autograder.snapshot import digest
from autograder.tree import FolderTree, walk
from snapshots import HOME


def test_digest_is_of_lines_of_json(tmp_path: Path) -> None:
    """Results are kept under it: written quicker, it must be what it was."""
    (tmp_path / 'say "hé"\\').write_text("x")
    (tmp_path / "run").write_text("y")
    (tmp_path / "run").chmod(0o755)
    (tmp_path / os.fsdecode(b"\xff\n")).symlink_to(os.fsdecode(b"\xfe\t"))
    os.mkfifo(tmp_path / "pipe")
    tree = FolderTree(tmp_path, HOME)
    found = hashlib.sha256(f"{HOME}\n".encode())
    for path, entry in sorted(walk(tree)):
        hashed = tree.sha256(path) if entry.kind == "file" else ""
        found.update(json.dumps([path, entry.kind, hashed, entry.executable, entry.target]).encode() + b"\n")
    assert digest(tree) == found.hexdigest()
