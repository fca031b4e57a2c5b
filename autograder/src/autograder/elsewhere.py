"""Find a distribution that was installed beside an environment instead of into it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import PurePosixPath

from autograder.distribution import folder_name
from autograder.tree import Tree

__all__ = ["find_elsewhere"]

LARGEST_PTH = 64_000
MOST_FOLDERS_SEARCHED = 400


def find_elsewhere(
    tree: Tree, wanted: str, environment: str, site_packages: str, root: PurePosixPath
) -> tuple[str, str] | None:
    """Find it in the project's folder: in another environment, by a `.pth` line, in a `--target` folder.

    Other projects of the workspace may well have it: that is no clue.
    Paths are relative to the workspace, whose top the learner's commands saw at `root`.
    Gives its name with its version, and the folder that holds it; None if there is none.
    """
    for folder in [*_pth_folders(tree, site_packages, root), *_folders(tree, posixpath.dirname(environment))]:
        if folder == site_packages:
            continue
        for name in tree.names(folder):
            label = folder_name(name)
            if label is not None and label[0] == wanted and label[1]:
                return " ".join(label), folder or "."
    return None


def _pth_folders(tree: Tree, site_packages: str, root: PurePosixPath) -> Iterator[str]:
    for name in tree.names(site_packages):
        if not name.endswith(".pth"):
            continue
        try:
            text = tree.read(f"{site_packages}/{name}", LARGEST_PTH).decode("utf-8", "replace")
        except FileNotFoundError:
            continue
        for line in text.splitlines():
            line = line.strip()
            if not line or line.startswith(("#", "import ", "import\t")) or "\0" in line:
                continue
            absolute = PurePosixPath(posixpath.normpath(str(root / site_packages / line)))
            if absolute.is_relative_to(root):
                yield str(absolute.relative_to(root))


def _folders(tree: Tree, top: str) -> Iterator[str]:
    """List the folders from `top` on, nearest first, at most 400 and no bytecode; of environments only their site-packages."""
    todo, count = [top], 0
    while todo and count < MOST_FOLDERS_SEARCHED:
        folder = todo.pop(0)
        count += 1
        yield folder
        if folder_name(posixpath.basename(folder)):
            continue
        for name in tree.names(folder):
            path = f"{folder}/{name}" if folder else name
            entry = tree.entry(path)
            if entry is None or entry.kind != "folder" or name in ("__pycache__", ".git", "node_modules"):
                continue
            if tree.entry(f"{path}/pyvenv.cfg") is None:
                todo.append(path)
                continue
            for series in tree.names(f"{path}/lib"):
                yield f"{path}/lib/{series}/site-packages"
