"""Move and remove what a learner left, whatever it is: deep, unwritable, too much, in use."""

from __future__ import annotations

import os
from pathlib import Path

from autograder.sandbox.plan import discard, let_owner_in, remove

__all__ = ["move_aside", "move_contents", "real_folder", "remove_tree"]

_MANY = 2000


def remove_tree(folder: Path) -> None:
    """Remove a folder whatever a learner left in it: unwritable folders, trees too deep for `shutil.rmtree`."""
    remove(folder)


def real_folder(folder: Path, rubbish: Path) -> None:
    """See to it that a folder is there, is one and can be written to; where it is already, it stays the same folder.

    What stood in its place, a link or a file, goes.
    """
    if folder.is_symlink() or not folder.is_dir():
        discard(folder, rubbish)
        folder.mkdir(parents=True)
    let_owner_in(folder)


def move_contents(source: Path, target: Path) -> None:
    """Move all that is in a folder into another one on the same disk, but not the folder: a shell open in it shall see what comes next.

    A name that the other has already gets a number. Where there are thousands of names, the folder is moved as a whole,
    since each takes its time: `source` is another folder then.
    """
    if not source.is_dir() or source.is_symlink():
        return
    let_owner_in(source)
    names = os.listdir(source)
    if len(names) > _MANY:
        _move(source, target / source.name)
        source.mkdir()
        return
    for name in names:
        _move(source / name, target / name)


def _move(path: Path, target: Path) -> None:
    let_owner_in(path)
    path.rename(_free(target, " "))


def _free(path: Path, between: str) -> Path:
    """Give this path, or one with a number if something stands there."""
    number, free = 1, path
    while os.path.lexists(free):
        number += 1
        free = path.with_name(f"{path.name}{between}{number}")
    return free


def move_aside(folder: Path) -> None:
    """Keep what isn't ours and has a workspace's name under another one."""
    if os.path.lexists(folder):
        number = 1
        while os.path.lexists(aside := folder.with_name(f"{folder.name}.before-{number}")):
            number += 1
        folder.rename(aside)
