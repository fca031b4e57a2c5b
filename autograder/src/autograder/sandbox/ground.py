"""Read and write among files which a learner owns, and may have turned into traps: links out, pipes that nobody writes to, endless devices.

Whatever runs outside the sandbox and touches a folder that is writable inside does it by these functions.
Paths are relative to a folder that is ours; no name below it is followed if it is a link, not even for a moment,
since each folder is opened by its parent's descriptor (man 2 openat, O_NOFOLLOW).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["read_beneath", "remove_beneath", "replace_beneath"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def _parent(top: Path, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """Give the descriptor of the folder that holds `path`, and the last name; with `make`, what isn't a folder on the way becomes one.

    Raises:
        OSError: a folder on the way is none, or can't be entered.
    """
    *folders, last = path.split("/")
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in folders:
            try:
                below = os.open(name, _FOLDER, dir_fd=here)
            except OSError:
                if not make:
                    raise
                # a notebook and a terminal may start at once: what another has made meanwhile is as good
                with contextlib.suppress(FileNotFoundError, IsADirectoryError, PermissionError):
                    os.unlink(name, dir_fd=here)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=here)
                below = os.open(name, _FOLDER, dir_fd=here)
            os.close(here)
            here = below
        yield here, last
    finally:
        os.close(here)


def read_beneath(top: Path, path: str, *, most: int = 1 << 20, executable: bool = False) -> bytes | None:
    """Give the content of a regular file of at most `most` bytes; None for anything else, or if its owner may not execute it and should."""
    try:
        with _parent(top, path) as (folder, name):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode) or (executable and not state.st_mode & stat.S_IXUSR):
                return None
            content = file.read(most + 1)
    except OSError:
        return None
    return content if len(content) <= most else None


def replace_beneath(top: Path, path: str, content: bytes, *, mode: int = 0o644) -> None:
    """Put a file there as a whole, whatever stood there before; folders on the way are made.

    Raises:
        OSError: it can't be written.
    """
    with _parent(top, path, make=True) as (folder, name):
        fresh = f".wheelhouse-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(fresh, flags, mode, dir_fd=folder), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
        try:
            os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:  # a folder stands there, perhaps a very deep one, which only a program like rm can remove
            subprocess.run(["rm", "-rf", f"./{name}"], preexec_fn=lambda: os.fchdir(folder), check=False)
            os.replace(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)


def remove_beneath(top: Path, path: str) -> None:
    """Remove a file or a link, if it is there and can be."""
    with contextlib.suppress(OSError), _parent(top, path) as (folder, name):
        os.unlink(name, dir_fd=folder)
