"""One workspace's system Python: a prefix of its own, which a careless `pip install` may really pollute.

::

    <place.system>/
      bin/  share/  lib/python3.11/site-packages/   these three the strong tier shows in /usr/local
      lib/python3.11/                links to the seed, which make the folder a prefix of its own in the basic tier
      etc/                           settings of the basic tier
      second/                        the same for a second interpreter, where one was asked for (see pythons.py)
      .marks                         what was put there, so that a reset touches only what was changed (see plan.py)

Not a virtual environment in disguise: `sys.prefix == sys.base_prefix`, as pip, uv and PEP 668 expect of a system Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from autograder.exceptions import SandboxError
from autograder.sandbox.bases import own_base
from autograder.sandbox.made_once import locked
from autograder.sandbox.plan import Marks, Plan, put_right, remove, sweep
from autograder.sandbox.pythons import (
    PLAIN,
    SECOND_VARIABLE,
    STRONG_SECOND,
    Pythons,
    Second,
    choose_second,
    marker,
    remembered,
    write_pythons,
)
from autograder.sandbox.seed import (
    STRONG_PORT,
    executable_name,
    library_name,
    seed,
    system_python_version,
)
from autograder.sandbox.system_parts import STRONG_PYTHON_HOME, clear, course_uv, parts, place_executables

__all__ = [
    "STRONG_PORT",
    "STRONG_PYTHON_HOME",
    "course_uv",
    "empty_folder",
    "executable_name",
    "library_name",
    "make_system",
    "second_of",
    "seed",
    "settle_system",
    "system_plan",
    "system_python_version",
    "with_second",
    "writable_parts",
]


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
    for entry in folder.iterdir():
        remove(entry)


def make_system(folder: Path, pythons: Pythons = PLAIN, beyond: Mapping[str, Plan] | None = None) -> None:
    """Make one workspace's system Python as new, in place: what was installed into it before is gone.

    `beyond` says, by part (see `system_plan`), what shall stand there besides: what an exercise starts with.

    Raises:
        SandboxError: it can't be made, with the reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock"):
            write_pythons(folder, pythons)
            _make(folder, beyond or {})
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise SandboxError(
            f"The system Python can't be made in {folder}: {error}.",
            "Make room on the disk, or see who owns the folder.",
        ) from error


_KEPT = {"bin", "share", "lib", "include", "etc", "second", "tmp", ".lock", ".home", ".marks", ".pythons", ".second"}


def _make(folder: Path, beyond: Mapping[str, Plan]) -> None:
    home, mark = STRONG_PYTHON_HOME, folder / ".home"
    if mark.is_file() and mark.read_text("utf-8") == str(folder / "bin"):
        home = PurePosixPath(folder, "bin")  # a terminal of the basic tier may be open on it
    for entry in folder.iterdir():
        if entry.name not in _KEPT:
            clear(entry)
    source, pythons = seed(), remembered(folder)
    _make_parts(folder, source, own_base().name, home, beyond)
    mark.write_text(str(home), encoding="utf-8")
    _link_library(source, folder, own_base().name, marker(pythons))
    if pythons.second:
        second, prefix = choose_second(folder), folder / "second"
        (prefix / "lib" / second.base.name).mkdir(parents=True, exist_ok=True)
        more = {part.removeprefix("second/"): plan for part, plan in beyond.items() if part.startswith("second/")}
        _make_parts(prefix, second.seed, second.base.name, _second_home(folder, home), more, main=False)
        _link_library(second.seed, prefix, second.base.name, "")
    elif (folder / "second").exists():
        clear(folder / "second")
    _settle(folder, home)


def _make_parts(
    folder: Path, source: Path, name: str, home: PurePosixPath, beyond: Mapping[str, Plan], *, main: bool = True
) -> None:
    """Make the three folders that are the learner's like new."""
    memory = folder / ".marks"
    known: dict[str, Marks] = {}
    moved = True
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        said = json.loads(memory.read_bytes())
        if said["seed"] == source.name:
            known, moved = said["marks"], said["home"] != str(home)
    memory.unlink(missing_ok=True)
    made = {}
    for part, plan in parts(source, name, home, main=main).items():
        top = folder / part
        if top.is_symlink() or not top.is_dir():
            clear(top)
            top.mkdir(parents=True)
        top.chmod(0o755)
        more = beyond.get(part, {})
        # what is written and not copied holds the path of the executables
        anew = more.keys() | {path for path, item in plan.items() if moved and item.content is not None}
        marks = {path: mark for path, mark in known.get(part, {}).items() if path not in anew}
        made[part] = put_right(top, plan | more, marks, folder)
        for path in more:
            made[part].pop(path, None)  # the next time it may be another exercise's
    memory.write_text(json.dumps({"seed": source.name, "home": str(home), "marks": made}), encoding="utf-8")
    sweep(folder)


def system_plan(folder: Path, home: PurePosixPath) -> dict[str, Plan]:
    """Plan the folders that are the learner's, of a new system Python, by part; `home` is where commands find its executables."""
    planned = parts(seed(), own_base().name, home)
    if (second := second_of(folder)) is not None:
        others = parts(second.seed, second.base.name, _second_home(folder, home), main=False)
        planned |= {f"second/{part}": plan for part, plan in others.items()}
    return planned


def _link_library(source: Path, folder: Path, name: str, refusal: str) -> None:
    """Make the folder a prefix whose standard library is the seed's, but for a marker with a text that refuses installing."""
    library, seeds = f"{folder}/lib/{name}", f"{source}/lib/{name}"
    there = set(os.listdir(seeds)) - {"site-packages"}
    for entry in set(os.listdir(library)) - there - {"site-packages"}:
        clear(Path(library, entry))
    for entry in there:
        link = f"{library}/{entry}"  # plain texts: there are some hundred
        with contextlib.suppress(OSError):
            if os.readlink(link) == f"{seeds}/{entry}":
                continue
        clear(Path(link))
        Path(link).symlink_to(f"{seeds}/{entry}")
    if refusal:
        Path(library, "EXTERNALLY-MANAGED").write_text(refusal, encoding="utf-8")
    for outer in ("lib", "include"):
        (folder / outer).mkdir(exist_ok=True)
        for above in (source / outer).iterdir():
            beside = folder / outer / above.name
            if (above.name != name or outer == "include") and not (beside.is_symlink() and beside.readlink() == above):
                clear(beside)
                beside.symlink_to(above)


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
    second = second_of(folder)
    tops = [folder / part for part in writable_parts()]
    tops += [folder / "second" / part for part in (second.parts if second else ())]
    if not all(top.is_dir() and not top.is_symlink() for top in tops):
        _make(folder, {})
    for part in tops:
        if part.stat().st_mode & 0o700 != 0o700:
            part.chmod(0o755)
    scripts = folder / "bin"
    place_executables(source, scripts, own_base().name)
    if second:
        place_executables(second.seed, folder / "second" / "bin", second.base.name, main=False)
    there = scripts / "uv"
    if uv is None:
        clear(there)
    elif not basic:
        if there.is_symlink() or not there.is_file():
            clear(there)
            os.close(os.open(there, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o755))
    elif not there.is_symlink() or there.readlink() != uv:
        clear(there)
        there.symlink_to(uv)
    mark = folder / ".home"
    before = PurePosixPath(mark.read_text("utf-8")) if mark.is_file() else STRONG_PYTHON_HOME
    if before != python_home:
        _relocate(scripts, str(before), str(python_home))
        if second:
            homes = (str(_second_home(folder, home)) for home in (before, python_home))
            _relocate(folder / "second" / "bin", *homes)
        mark.write_text(str(python_home), encoding="utf-8")
    if basic:
        (folder / "lib" / library_name()).mkdir(parents=True, exist_ok=True)
        landmark = folder / "lib" / library_name() / "os.py"
        if not landmark.exists() or landmark.resolve().parent.parent.parent != source.resolve():
            _link_library(source, folder, own_base().name, marker(remembered(folder)))
    return source


def _second_home(folder: Path, home: PurePosixPath) -> PurePosixPath:
    return STRONG_SECOND / "bin" if home == STRONG_PYTHON_HOME else PurePosixPath(folder, "second", "bin")


def second_of(folder: Path) -> Second | None:
    """Give the second interpreter of a system Python; None if none was asked for.

    Raises:
        SandboxError: its seed can't be made.
    """
    return choose_second(folder) if remembered(folder).second else None


def with_second(environment: dict[str, str], folder: Path, home: PurePosixPath) -> dict[str, str]:
    """Tell a command where the second interpreter is, if there is one, and put it on PATH where that was asked for.

    `home` is the folder of the system Python's executables, as the command sees it.
    """
    second = second_of(folder)
    if second is None:
        return environment
    where, path = _second_home(folder, home), environment["PATH"]
    paths = {"first": f"{where}:{path}", "last": f"{path}:{where}"}
    return {
        **environment,
        "PATH": paths.get(remembered(folder).second, path),
        SECOND_VARIABLE: str(where / second.base.name),
    }


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
