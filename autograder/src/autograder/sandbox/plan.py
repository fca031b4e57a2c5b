"""Make a folder like a plan by touching only what differs: what a learner left alone costs one look, not one copy.

A plan says what shall stand at each path. What was put there is remembered by inode, time of change, size and mode:
the time of change is the kernel's, nobody sets it, so a file that still has all four is the very file that was put there.
(But for one that was written to through a mapping on a tmpfs, which leaves no time, or within the same tick of the clock: a few milliseconds.)

Folders are walked by descriptor and no link is followed: a learner's shell may be open on them meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

__all__ = [
    "Item",
    "Marks",
    "Plan",
    "discard",
    "let_owner_in",
    "plan_of",
    "put_right",
    "read_plan",
    "remove",
    "sweep",
    "write_plan",
]

Marks = dict[str, list[int]]
"""Path -> inode, time of change (ns), size, mode of what was put there."""

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_RUBBISH = ".gone-"
_CROWD = 2000
"""How many strange names in one folder are removed one by one."""


class Item(NamedTuple):
    """What shall stand at one path."""

    kind: str
    """`file`, `folder` or `link`."""
    mode: int = 0o755
    mtime: int = 0
    """In nanoseconds; 0 leaves it (files only)."""
    size: int = 0
    target: str = ""
    """Where a link points."""
    source: str = ""
    """The file to copy."""
    content: bytes | None = None
    """What to write where nothing is to be copied."""


Plan = dict[str, Item]
"""Path, relative and with `/` -> what shall stand there; a folder stands before what is in it."""


def plan_of(folder: Path) -> Plan:
    """Plan a folder like this one. Pipes and the like, which nobody keeps in a template, are left out."""
    plan: Plan = {}
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        with os.scandir(folder / inside) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                path = f"{inside}/{entry.name}" if inside else entry.name
                told = entry.stat(follow_symlinks=False)
                mode = stat.S_IMODE(told.st_mode)
                if stat.S_ISLNK(told.st_mode):
                    plan[path] = Item("link", target=os.readlink(entry.path))
                elif stat.S_ISDIR(told.st_mode):
                    plan[path] = Item("folder", mode)
                    waiting.append(path)
                elif stat.S_ISREG(told.st_mode):
                    plan[path] = Item("file", mode, told.st_mtime_ns, told.st_size, source=entry.path)
    return plan


def write_plan(plan: Plan, file: Path, above: Path) -> None:
    """Write a plan down; the sources of its files, which all lie below `above`, relative to that."""
    rows = {
        path: [one.kind, one.mode, one.mtime, one.size, one.target, one.source and os.path.relpath(one.source, above)]
        for path, one in plan.items()
    }
    file.write_text(json.dumps(rows), encoding="utf-8")


def read_plan(file: Path, above: Path) -> Plan:
    """Read what `write_plan` wrote.

    Raises:
        OSError, ValueError, TypeError: it can't be read.
    """
    top = str(above)
    rows: dict[str, list[Any]] = json.loads(file.read_bytes())
    return {
        path: Item(kind, mode, mtime, size, target, f"{top}/{source}" if source else "")
        for path, (kind, mode, mtime, size, target, source) in rows.items()
    }


def put_right(folder: Path, plan: Plan, marks: Marks, rubbish: Path) -> Marks:
    """Make a folder, which is there, like a plan, and give the marks of what stands there now.

    Folders that are too much are moved into the folder `rubbish`, on the same disk: removing them may take long.
    Where thousands of files are too much, a folder is replaced as a whole, and who has it open sees the old one.

    Raises:
        OSError: something can't be written, or is taken away meanwhile.
    """
    children: dict[str, dict[str, Item]] = {"": {}}
    for path, item in plan.items():
        above, _, name = path.rpartition("/")
        children.setdefault(above, {})[name] = item
    work = _Work(children, marks, rubbish)
    try:
        try:
            _visit_top(folder, work)
        except _CrowdedError:
            discard(folder, rubbish)
            folder.mkdir()
            _visit_top(folder, work)
    finally:
        work.close()
    return work.made


def _visit_top(folder: Path, work: _Work) -> None:
    descriptor = os.open(folder, _OPEN_FOLDER)
    try:
        work.visit(descriptor, "")
    finally:
        os.close(descriptor)


class _CrowdedError(Exception):
    """A folder holds so much that doesn't belong there that another one is made sooner."""


class _Work:
    """One folder being put right."""

    def __init__(self, children: dict[str, dict[str, Item]], marks: Marks, rubbish: Path) -> None:
        self.children = children
        self.marks = marks
        self.made: Marks = {}
        self._rubbish = rubbish
        self._rubbish_at: int | None = None
        self._thrown = 0

    def close(self) -> None:
        if self._rubbish_at is not None:
            os.close(self._rubbish_at)

    def visit(self, at: int, inside: str) -> None:
        wanted = self.children.get(inside, {})
        left = dict(wanted)
        strange = 0
        with os.scandir(at) as entries:
            for entry in entries:
                item = wanted.get(entry.name)
                path = f"{inside}/{entry.name}" if inside else entry.name
                if item is not None and self._is(at, entry, item, path):
                    del left[entry.name]
                else:
                    strange += 1
                    if strange > _CROWD:
                        raise _CrowdedError
                    self._throw_away(at, entry.name, folder=entry.is_dir(follow_symlinks=False))
        for name, item in left.items():
            self._put(at, name, item, f"{inside}/{name}" if inside else name)
        for name, item in wanted.items():
            if item.kind == "folder":
                path = f"{inside}/{name}" if inside else name
                try:
                    self._go_into(at, name, path)
                except _CrowdedError:
                    self._throw_away(at, name, folder=True)
                    self._put(at, name, item, path)
                    self._go_into(at, name, path)

    def _go_into(self, at: int, name: str, path: str) -> None:
        below = os.open(name, _OPEN_FOLDER, dir_fd=at)
        try:
            self.visit(below, path)
        finally:
            os.close(below)

    def _is(self, at: int, entry: os.DirEntry[str], item: Item, path: str) -> bool:
        """Say whether what stands there is what shall; a folder's mode is put right on the way."""
        if item.kind == "link":
            return entry.is_symlink() and os.readlink(entry.name, dir_fd=at) == item.target
        told = entry.stat(follow_symlinks=False)
        if item.kind == "folder":
            if not stat.S_ISDIR(told.st_mode):
                return False
            if stat.S_IMODE(told.st_mode) != item.mode:
                _set_mode(at, entry.name, item.mode)
            return True
        mark = [told.st_ino, told.st_ctime_ns, told.st_size, told.st_mode]
        if self.marks.get(path) != mark or told.st_nlink != 1:
            return False
        self.made[path] = mark
        return True

    def _throw_away(self, at: int, name: str, *, folder: bool) -> None:
        if not folder:
            os.unlink(name, dir_fd=at)
            return
        with contextlib.suppress(OSError):
            os.rmdir(name, dir_fd=at)
            return
        if self._rubbish_at is None:
            self._rubbish.mkdir(parents=True, exist_ok=True)
            self._rubbish_at = os.open(self._rubbish, _OPEN_FOLDER)
        while True:
            self._thrown += 1
            aside = f"{_RUBBISH}{os.getpid()}-t{self._thrown}"
            try:
                os.rename(name, aside, src_dir_fd=at, dst_dir_fd=self._rubbish_at)
            except OSError as error:
                if error.errno == errno.EACCES and self._thrown < 1000:
                    _set_mode(at, name, 0o700)
                elif error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
            else:
                return

    def _put(self, at: int, name: str, item: Item, path: str) -> None:
        if item.kind == "folder":
            os.mkdir(name, 0o700, dir_fd=at)
            _set_mode(at, name, item.mode)
        elif item.kind == "link":
            os.symlink(item.target, name, dir_fd=at)
        else:
            new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=at)
            try:
                if item.content is not None:
                    _write_all(new, item.content)
                else:
                    _copy_content(item.source, new)
                os.fchmod(new, item.mode)
                if item.mtime:
                    os.utime(new, ns=(item.mtime, item.mtime))
                told = os.fstat(new)
                self.made[path] = [told.st_ino, told.st_ctime_ns, told.st_size, told.st_mode]
            finally:
                os.close(new)


def _set_mode(at: int, name: str, mode: int) -> None:
    """Set a folder's mode; where a link stands in its place by now, nothing."""
    if sys.platform == "linux":
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
        try:
            _change_mode(descriptor, mode)
        finally:
            os.close(descriptor)
    else:
        os.chmod(name, mode, dir_fd=at, follow_symlinks=False)


def _change_mode(descriptor: int, mode: int) -> None:
    """Set the mode of a folder that was opened as a path only, which fchmod doesn't take."""
    try:
        os.chmod(".", mode, dir_fd=descriptor)
    except PermissionError:  # without `x` even its owner finds no "." in it
        os.chmod(f"/proc/self/fd/{descriptor}", mode)  # noqa: PTH101


def let_owner_in(folder: Path) -> None:
    """Let its owner do everything in a folder, without which it can't be moved; nothing where a link stands in its place by now.

    Raises:
        OSError: it is another's.
    """
    if sys.platform != "linux":
        if folder.is_dir() and not folder.is_symlink():
            folder.chmod(stat.S_IMODE(folder.lstat().st_mode) | stat.S_IRWXU, follow_symlinks=False)
        return
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        _change_mode(descriptor, mode | stat.S_IRWXU)
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _copy_content(source: str, target: int) -> None:
    """Copy a file; on a disk that can share blocks until one of the two is written to (btrfs, xfs), nothing is copied at all."""
    descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size > 1 << 16 and hasattr(os, "copy_file_range"):
            with contextlib.suppress(OSError):  # between disks
                while size and (done := os.copy_file_range(descriptor, target, size)):
                    size -= done
        while chunk := os.read(descriptor, 1 << 20):
            _write_all(target, chunk)
    finally:
        os.close(descriptor)


# --- rubbish


def discard(path: Path, above: Path, seconds: float = 2.0) -> None:
    """Take a file or folder away at once, and remove it within `seconds`, or what is left of it at the next `sweep`.

    It is moved into the folder `above`, on the same disk.

    Raises:
        OSError: it can't be moved.
    """
    if not os.path.lexists(path):
        return
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_dir():
            path.unlink()
        else:
            path.rmdir()
        return
    above.mkdir(parents=True, exist_ok=True)
    number = 0
    while True:
        number += 1
        aside = above / f"{_RUBBISH}{os.getpid()}-{number}"
        if os.path.lexists(aside):
            continue
        let_owner_in(path)
        path.rename(aside)
        break
    remove(aside, seconds)


def sweep(above: Path, seconds: float = 2.0) -> None:
    """Remove what lies in `above` and was to be gone, for so many seconds at most."""
    for left in _rubbish_in(above):
        remove(left, seconds)


def _rubbish_in(above: Path) -> Iterator[Path]:
    try:
        yield from list(above.glob(f"{_RUBBISH}*"))
    except OSError:
        return


def remove(path: Path, seconds: float | None = None) -> None:
    """Remove a file or folder whatever is in it: unwritable folders, trees too deep for `shutil.rmtree`. Given up after `seconds`."""
    commands: list[tuple[str, ...]] = [("rm", "-rf"), ("chmod", "-R", "u+rwX"), ("rm", "-rf")]
    with contextlib.suppress(subprocess.TimeoutExpired):
        for command in commands:
            if not os.path.lexists(path):
                return
            subprocess.run(
                [*command, str(path)], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=seconds
            )
