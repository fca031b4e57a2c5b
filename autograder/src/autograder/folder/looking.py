"""Tell in milliseconds whether anything in a folder may have changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ["signature"]


def signature(folder: Path) -> str:
    """Tell in milliseconds whether anything may have changed: names, modes, sizes, times; no content is read.

    Bytecode of installed packages is no part of the state.
    """
    found = hashlib.sha256()
    todo = [str(folder)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in sorted(entries, key=lambda one: one.name):
                    if entry.name == "__pycache__" and "/site-packages/" in entry.path:
                        continue
                    state = entry.stat(follow_symlinks=False)
                    mark = f"{entry.path}\0{state.st_mode}"
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)  # its own time changes with what is skipped in it, too
                    else:
                        mark += f"\0{state.st_size}\0{state.st_mtime_ns}"
                    found.update(f"{mark}\n".encode(errors="surrogateescape"))
        except OSError:
            continue
    return found.hexdigest()
