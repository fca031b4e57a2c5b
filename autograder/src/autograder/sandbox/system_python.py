"""One workspace's system Python: a prefix of its own, which a careless `pip install` may really pollute.

::

    <place.system>/
      bin/  share/  lib/python3.11/site-packages/   these three the strong tier shows in /usr/local
      lib/python3.11/                links to the seed, which make the folder a prefix of its own in the basic tier
      etc/                           settings of the basic tier

Not a virtual environment in disguise: `sys.prefix == sys.base_prefix`, as pip, uv and PEP 668 expect of a system Python.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path, PurePosixPath

from autograder.exceptions import SandboxError
from autograder.sandbox import fast_ensurepip
from autograder.sandbox.ground import read_beneath, replace_beneath
from autograder.sandbox.seed import (
    STRONG_PORT,
    executable_name,
    library_name,
    locked,
    seed,
    system_python_version,
)

__all__ = [
    "STRONG_PORT",
    "STRONG_PYTHON_HOME",
    "course_uv",
    "empty_folder",
    "executable_name",
    "library_name",
    "make_system",
    "seed",
    "settle_system",
    "system_python_version",
    "writable_parts",
]

STRONG_PYTHON_HOME = PurePosixPath("/usr/local/bin")


def course_uv() -> Path | None:
    """Find the course's own uv, which stands beside the interpreter that runs the course."""
    uv = Path(sysconfig.get_path("scripts"), "uv")
    return uv.resolve() if uv.is_file() else None


def writable_parts() -> tuple[str, str, str]:
    """Name the folders of a system Python which are the learner's, relative to it.

    A sandbox shows each by itself and never a folder above one:
    else a learner could put a link in its place, and the next run would show, writable, what that leads to.
    """
    return "bin", "share", f"lib/{library_name()}/site-packages"


def empty_folder(folder: Path) -> None:
    """Empty a folder, or make it, but keep the folder itself: a sandbox that runs shows this one, not its successor."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    if any(folder.iterdir()):
        command = ["find", str(folder), "-mindepth", "1", "-delete"]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            subprocess.run(["chmod", "-R", "u+rwX", str(folder)], capture_output=True, check=False)
            subprocess.run(command, capture_output=True, check=True)


def make_system(folder: Path) -> None:
    """Make one workspace's system Python as new, in place: what was installed into it before is gone.

    Raises:
        SandboxError: it can't be made, with the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            _make(folder)
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError) as error:
        raise SandboxError(
            f"The system Python can't be made in {folder}: {error}.",
            "Make room on the disk, or see who owns the folder.",
        ) from error


def _make(folder: Path) -> None:
    source, name, mark = seed(), library_name(), folder / ".home"
    home = STRONG_PYTHON_HOME
    if mark.is_file() and mark.read_text("utf-8") == str(folder / "bin"):
        home = PurePosixPath(folder, "bin")  # a terminal of the basic tier may be open on it
    for entry in folder.iterdir():
        if entry.name not in {"bin", "share", "lib", "include", "etc", ".lock"}:
            _clear(entry)
    for part in writable_parts():
        empty_folder(folder / part)
    for entry in (folder / "lib" / name).iterdir():
        if entry.name != "site-packages":
            _clear(entry)
    scripts, packages = folder / "bin", folder / "lib" / name / "site-packages"
    _place_executables(source, scripts)
    fast_ensurepip.install_unpacked(
        str(source / "lib" / name / "ensurepip" / "_unpacked"),
        str(packages),
        str(scripts),
        str(home / executable_name()),
    )
    mark.write_text(str(home), encoding="utf-8")
    _link_library(source, folder)
    _settle(folder, home)


def _place_executables(source: Path, scripts: Path) -> None:
    """Put the interpreter and its two aliases there, if anything is amiss with them."""
    executable = scripts / executable_name()
    original = source / "bin" / executable_name()
    if (
        executable.is_symlink()
        or not executable.is_file()
        or executable.stat().st_size != original.stat().st_size
        or not os.access(executable, os.X_OK)
    ):
        fresh = scripts.with_name(f".python-{os.getpid()}")
        shutil.copyfile(original, fresh)
        fresh.chmod(0o755)
        _clear(executable)
        fresh.replace(executable)
    for alias in ("python3", "python"):
        if not os.path.lexists(scripts / alias):
            (scripts / alias).symlink_to(executable_name())
    # it stands for an index's web pages, and finds its Python beside itself: sh runs the second line, Python takes it for a string
    first = f"#!/bin/sh\n'''exec' \"${{0%/*}}/{executable_name()}\" -I \"$0\" \"$@\"\n' '''\n"
    _place_command(scripts / "pypi-manage", first + Path(__file__).with_name("pypi_manage.py").read_text("utf-8"))
    if course_uv() is not None:
        _place_command(scripts / "uvx", '#!/bin/sh\nexec "${0%/*}/uv" tool uvx "$@"\n')


def _place_command(command: Path, text: str) -> None:
    """Put one of our scripts there, unless it is there unchanged; the folder is the learner's, who may have laid traps in it."""
    if read_beneath(command.parent, command.name, executable=True) != text.encode():
        replace_beneath(command.parent, command.name, text.encode(), mode=0o755)


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        empty_folder(path)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _link_library(source: Path, folder: Path) -> None:
    """Make the folder a prefix whose standard library is the seed's."""
    name = library_name()
    library = folder / "lib" / name
    for entry in (source / "lib" / name).iterdir():
        link = library / entry.name
        if entry.name != "site-packages" and not (link.is_symlink() and link.readlink() == entry):
            _clear(link)
            link.symlink_to(entry)
    for outer in ("lib", "include"):
        (folder / outer).mkdir(exist_ok=True)
        for entry in (source / outer).iterdir():
            link = folder / outer / entry.name
            if entry.name != name or outer == "include":
                _clear(link)
                link.symlink_to(entry)


def settle_system(folder: Path, python_home: PurePosixPath) -> Path:
    """Make ready what a run needs of a system Python, whatever the last run left of it, and give the seed.

    The course's uv is linked to in the basic tier; in the strong tier a file stands there for it to cover.
    Scripts that begin with the other tier's path get this one's.

    Raises:
        SandboxError: it can't be made ready.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):  # a terminal and a notebook may start at once
            return _settle(folder, python_home)
    except (OSError, UnicodeDecodeError, subprocess.SubprocessError) as error:
        raise SandboxError(
            f"The system Python in {folder} can't be made ready: {error}.",
            "Run `course reset` with the exercise's number.",
        ) from error


def _settle(folder: Path, python_home: PurePosixPath) -> Path:
    source, uv = seed(), course_uv()
    basic = python_home != STRONG_PYTHON_HOME
    if not all((folder / part).is_dir() and not (folder / part).is_symlink() for part in writable_parts()):
        _make(folder)
    for part in writable_parts():
        if (folder / part).stat().st_mode & 0o700 != 0o700:
            (folder / part).chmod(0o755)
    scripts = folder / "bin"
    _place_executables(source, scripts)
    there = scripts / "uv"
    if uv is None:
        _clear(there)
    elif not basic:
        if there.is_symlink() or not there.is_file():
            _clear(there)
            os.close(os.open(there, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o755))
    elif not there.is_symlink() or there.readlink() != uv:
        _clear(there)
        there.symlink_to(uv)
    mark = folder / ".home"
    before = mark.read_text("utf-8") if mark.is_file() else str(STRONG_PYTHON_HOME)
    if before != str(python_home):
        _relocate(scripts, before, str(python_home))
        mark.write_text(str(python_home), encoding="utf-8")
    if basic:
        (folder / "lib" / library_name()).mkdir(parents=True, exist_ok=True)
        landmark = folder / "lib" / library_name() / "os.py"
        if not landmark.exists() or landmark.resolve().parent.parent.parent != source.resolve():
            _link_library(source, folder)
    return source


def _relocate(scripts: Path, before: str, after: str) -> None:
    old, new = f"#!{before}/".encode(), f"#!{after}/".encode()
    for script in scripts.iterdir():
        with contextlib.suppress(OSError):  # above all of a link, which is not to be followed
            descriptor = os.open(script, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "r+b") as file:
                content = file.read(1 << 20)
                if content.startswith(old) and len(content) < 1 << 20:
                    file.seek(0)
                    file.truncate()
                    file.write(new + content[len(old) :])
