"""What stands in the learner's part of a system Python when it is new: the interpreter, pip, and our own commands."""

from __future__ import annotations

import functools
import os
import shutil
import sysconfig
from pathlib import Path, PurePosixPath

from autograder.sandbox import fast_ensurepip
from autograder.sandbox.ground import read_beneath, replace_beneath
from autograder.sandbox.plan import Item, Plan, read_plan, remove

__all__ = ["STRONG_PYTHON_HOME", "UNPACKED_PLAN", "clear", "course_uv", "parts", "place_executables"]

STRONG_PYTHON_HOME = PurePosixPath("/usr/local/bin")
UNPACKED_PLAN = "unpacked.json"
"""The file that lists what `ensurepip` installs, with modes and times: reading it is ten times as quick as looking at them all."""


@functools.cache
def course_uv() -> Path | None:
    """Find the course's own uv, which stands beside the interpreter that runs the course."""
    uv = Path(sysconfig.get_path("scripts"), "uv")
    return uv.resolve() if uv.is_file() else None


def parts(source: Path, name: str, home: PurePosixPath, *, main: bool = True) -> dict[str, Plan]:
    """Plan the three folders that are the learner's: the interpreter, its aliases, and pip as stock `ensurepip` installs it."""
    unpacked = source / "lib" / name / "ensurepip" / "_unpacked"
    packages = read_plan(source / UNPACKED_PLAN, unpacked / "site-packages")
    executable = source / "bin" / name
    scripts: Plan = {name: Item("file", 0o755, 0, executable.stat().st_size, source=str(executable))}
    scripts |= {alias: Item("link", target=name) for alias in ("python3", "python")}
    records: dict[str, str] = {}
    for script in (unpacked / "scripts").iterdir():
        content = fast_ensurepip.first_lines(str(home / name)) + script.read_bytes()
        scripts[script.name] = Item("file", 0o755, content=content)
        records[f"/{script.name}"] = fast_ensurepip.recorded(content)
    for path, item in packages.items():
        if path.endswith(".dist-info/RECORD"):
            content = fast_ensurepip.with_scripts(Path(item.source).read_bytes(), records)
            packages[path] = Item("file", item.mode, item.mtime, content=content)
    if main:
        scripts |= _own_commands(name)
        if (
            uv := course_uv()
        ) is not None:  # the strong tier shows it over an empty file; one that is shown must not be removed
            basic = home != STRONG_PYTHON_HOME
            scripts["uv"] = Item("link", target=str(uv)) if basic else Item("file", 0o755, content=b"")
    return {"bin": scripts, "share": {}, f"lib/{name}/site-packages": packages}


def _own_commands(name: str) -> Plan:
    """Plan our own commands, which stand beside the first interpreter."""
    # they find their Python beside themselves: sh runs the second line, Python takes it for a string
    first = f"#!/bin/sh\n'''exec' \"${{0%/*}}/{name}\" -I \"$0\" \"$@\"\n' '''\n"
    scripts = {"pypi-manage": "pypi_manage.py", "course": "course_asks.py"}
    texts = {command: first + Path(__file__).with_name(file).read_text("utf-8") for command, file in scripts.items()}
    if course_uv() is not None:
        texts["uvx"] = '#!/bin/sh\nexec "${0%/*}/uv" tool uvx "$@"\n'
    return {command: Item("file", 0o755, content=text.encode()) for command, text in texts.items()}


def place_executables(source: Path, scripts: Path, name: str, *, main: bool = True) -> None:
    """Put the interpreter and its two aliases there, if anything is amiss with them."""
    executable = scripts / name
    original = source / "bin" / name
    if (
        executable.is_symlink()
        or not executable.is_file()
        or executable.stat().st_size != original.stat().st_size
        or not os.access(executable, os.X_OK)
    ):
        fresh = scripts.with_name(f".python-{os.getpid()}")
        shutil.copyfile(original, fresh)
        fresh.chmod(0o755)
        clear(executable)
        fresh.replace(executable)
    for alias in ("python3", "python"):
        if not os.path.lexists(scripts / alias):
            (scripts / alias).symlink_to(name)
    for command, item in _own_commands(name).items() if main else ():
        _place_command(scripts / command, item.content or b"")


def _place_command(command: Path, text: bytes) -> None:
    """Put one of our scripts there, unless it is there unchanged; the folder is the learner's, who may have laid traps in it."""
    if read_beneath(command.parent, command.name, executable=True) != text:
        replace_beneath(command.parent, command.name, text, mode=0o755)


def clear(path: Path) -> None:
    """Remove what stands at a path, if anything does."""
    if path.is_dir() and not path.is_symlink():
        remove(path)
    else:
        path.unlink(missing_ok=True)
