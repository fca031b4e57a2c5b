"""What the tests of snapshots share: an index that knows nothing, and snapshots made by hand."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import PurePosixPath
from typing import Any

from autograder.distribution import KnownWheel
from autograder.facts import Facts
from autograder.snapshot import SnapshotTree

HOME = PurePosixPath("/home/learner/project")
FACTS = Facts(HOME, "/usr/local/bin", "3.11.7")
HASH = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
"""Of `hello`, the content of snapshots made by hand."""


class Nothing:
    """An index that knows nothing."""

    def wheels(self, name: str, version: str) -> list[KnownWheel]:
        """Know no release."""
        return []

    def wheel(self, filename: str) -> None:
        """Know no file."""
        return None

    def served(self, sha256: str) -> None:
        """Know no file of an index."""
        return None

    def content(self, sha256: str) -> None:
        """Know no content."""
        return None


def valid(change: Any = None, contents: bytes = b"hello") -> bytes:
    """Make a snapshot by hand, from a manifest that `change` may spoil."""
    manifest: dict[str, Any] = {
        "format": "wheelhouse-snapshot",
        "version": 1,
        "exercise": "06-virtual-environments",
        "facts": {"root": "/home/learner/project", "python_home": "/usr/local/bin", "python_version": "3.11.7"},
        "trees": {"project": {"folders": [["", [["a", HASH, 5], ["l", "b"], ["p"]]], ["d", []]], "placed": []}},
        "wheels": [],
        "contents": [[HASH, 5]],
    }
    if change:
        change(manifest)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("contents", contents)
    return buffer.getvalue()


def folders(*rows: Any) -> Any:
    """Replace the list of folders."""
    return lambda manifest: manifest["trees"]["project"].update(folders=list(rows))


def put(**fields: Any) -> Any:
    """Replace fields of the manifest."""
    return lambda manifest: manifest.update(fields)


def hostile(*rows: Any) -> SnapshotTree:
    """Open a snapshot with these folders."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["trees"]["project"]["folders"] = [["", [["a", HASH, 5]]], *rows]

    return SnapshotTree.open(valid(change), Nothing())
