"""The seed of the sandbox's system Python: a copy of the interpreter that runs the course, made once a machine.

::

    cache/system-python/<key>/       never written to again
      bin/python3.11                 a copy of the base interpreter
      lib/python3.11/                its standard library, without what was ever installed into it
      lib/python3.11/ensurepip/_unpacked/   what stock ensurepip installs, unpacked (see fast_ensurepip.py)
      lib/libpython3.11.so.1.0       if the interpreter is linked to it
      etc/                           files which the strong tier shows in /etc
      managed/python3.11/            the same library as links, with a place for the marker of PEP 668
      still/                         a new system Python that nobody may change, for checks which need none of their own
      inner.py                       the first program inside
      .seal                          what was made (see made_once.py)

The base interpreter and its folders are only read.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from autograder.exceptions import SandboxError
from autograder.places import cache
from autograder.sandbox import configuration, fast_ensurepip, made_once, startup
from autograder.sandbox.bases import Base, own_base
from autograder.sandbox.distributor import rewrite, undo_distributor
from autograder.sandbox.made_once import forget_unused, locked, note_use
from autograder.sandbox.plan import plan_of, put_right, write_plan
from autograder.sandbox.system_parts import STRONG_PYTHON_HOME, UNPACKED_PLAN, course_uv, parts

__all__ = [
    "STRONG_PORT",
    "executable_name",
    "forget_unused",
    "library_name",
    "locked",
    "note_use",
    "require_sound_seed",
    "seed",
    "seed_amiss",
    "still_system",
    "system_python_version",
]

STRONG_PORT = 8080
_FORMAT = "9"
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "EXTERNALLY-MANAGED"}
_LEFT_OUT_PATTERNS = ("*.opt-1.pyc", "*.opt-2.pyc", "*.a", "*.o")
_RPATH_INSIDE = b"$ORIGIN/../lib"
_STRONG_PREFIX = "/usr/local"
_STILL = "still"
_SOURCES = (
    *("inner.py", "fast_ensurepip.py", "configuration.py", "startup.py", "distributor.py", "seed.py"),
    *("system_parts.py", "pypi_manage.py", "course_asks.py"),
)


def system_python_version() -> str:
    """Give the version of the sandbox's system Python: "3.11.7"."""
    return own_base().version


def library_name() -> str:
    """Give the name of the standard library's folder: "python3.11"."""
    return own_base().name


def executable_name() -> str:
    """Give the name of the executable: "python3.11"."""
    return own_base().name


@functools.cache
def _key(base: Base, prefix: str) -> str:
    """Name the seed by all it is made from."""
    status = base.executable.stat()
    # whole seconds: an image that went through a registry keeps no more of a time
    made = f"{status.st_size} {int(status.st_mtime)}"
    words = [_FORMAT, base.full_version, base.prefix, str(base.executable), made]
    words += [prefix, f"uv {course_uv() is not None}", *sorted(file.name for file in base.wheels.glob("*.whl"))]
    digest = hashlib.sha256("\n".join(words).encode())
    for name in _SOURCES:
        digest.update(Path(__file__).with_name(name).read_bytes())
    return f"{base.version}-{digest.hexdigest()[:16]}"


def _place(base: Base | None, prefix: str) -> tuple[Base, Path, tuple[str, ...]]:
    base = base or own_base()
    library = f"lib/{base.name}"
    inside = ("os.py", "site.py", "ensurepip/__init__.py", "ensurepip/_fast.py")
    vital = ("inner.py", UNPACKED_PLAN, f"bin/{base.name}", *(f"{library}/{name}" for name in inside))
    return base, cache() / "system-python" / _key(base, prefix), vital


def seed(
    say: Callable[[str], None] = lambda _: None, *, base: Base | None = None, prefix: str = _STRONG_PREFIX
) -> Path:
    """Give the seed; make it first if it isn't there or isn't whole (some seconds, once a machine), which `say` tells beforehand.

    It is made of the interpreter that runs the course, or of another `base`; the strong tier shows it at `prefix`.

    Raises:
        SandboxError: it can't be made, with the reason.
    """
    base, folder, vital = _place(base, prefix)
    try:
        return made_once.made_once(
            folder,
            lambda fresh: _make_seed(fresh, base, prefix),
            vital=vital,
            say=say,
            announcement="Making the sandbox's own Python (some seconds, once on this machine) …",
        )
    except (OSError, subprocess.SubprocessError, shutil.Error) as error:
        raise SandboxError(
            f"The sandbox's Python can't be made in {folder.parent}: {error}.",
            "Run `course doctor`; WHEELHOUSE_CACHE moves the folder.",
        ) from error


def still_system() -> Path:
    """Give a new system Python for `Place.system` which a sandbox shows read-only, so that one serves all.

    Raises:
        SandboxError: the seed that holds it can't be made.
    """
    return seed() / _STILL


def seed_amiss() -> str:
    """Compare the seed, file by file, with what was made; empty if it fits or was never made, else a clause that says what doesn't."""
    _, folder, _ = _place(None, _STRONG_PREFIX)
    return made_once.amiss(folder) if folder.is_dir() else ""


@functools.cache
def require_sound_seed() -> None:
    """Make sure, once in a process, that the seed is byte for byte what was made: others' work is judged by it, and we run it ourselves.

    Raises:
        SandboxError: it isn't, with the first thing that differs.
    """
    if changed := seed_amiss():
        raise SandboxError(
            f"The sandbox's own Python is not what was made, so nothing is graded with it: {changed}.",
            f"See who may write to {cache() / 'system-python'}, remove that folder, and run the command again.",
        )


def _make_seed(folder: Path, base: Base, prefix: str) -> None:
    if not base.can_make_environments:
        raise SandboxError(
            f"The Python that runs the course ({base.prefix}) has no ensurepip, so it can't make virtual environments.",
            "On Debian and Ubuntu run `sudo apt install python3-venv`, then the command again.",
        )
    library = folder / "lib" / base.name
    shutil.copytree(base.library, library, ignore=_leave_out, ignore_dangling_symlinks=True)
    (library / "site-packages").mkdir()
    _copy_executable(folder, base)
    _copy_headers(folder, base)
    undo_distributor(library, base, prefix)
    python = str(folder / "bin" / base.name)
    _compile(python, library)
    for made in ("share", "etc/uv", "etc/named/uv", "etc/zsh"):
        (folder / made).mkdir(parents=True)
    _fill_ensurepip(folder, base)
    _make_managed(folder, base)
    _write_configuration(folder / "etc")
    # venv copies the modes of its scripts too: `rm -r .venv` would ask about each of them, which it does nowhere else.
    templates = library / "venv" / "scripts"
    for file in library.rglob("*"):
        if file.is_file() and not file.is_symlink() and not file.is_relative_to(templates):
            file.chmod(0o555 if os.access(file, os.X_OK) else 0o444)
    shutil.copyfile(Path(__file__).with_name("inner.py"), folder / "inner.py")
    if prefix == _STRONG_PREFIX:
        for part, plan in parts(folder, base.name, STRONG_PYTHON_HOME).items():
            (folder / _STILL / part).mkdir(parents=True)
            put_right(folder / _STILL / part, plan, {}, folder)


def _make_managed(folder: Path, base: Base) -> None:
    """Make another standard library, of links, with a place for the marker of PEP 668: in the library itself it would stand for all."""
    managed = folder / "managed" / base.name
    managed.mkdir(parents=True)
    for entry in (folder / "lib" / base.name).iterdir():
        if entry.name != "site-packages":
            (managed / entry.name).symlink_to(Path("/run/wheelhouse/lib", base.name, entry.name))
    (managed / "site-packages").mkdir()
    (managed / "EXTERNALLY-MANAGED").touch()


def _leave_out(folder: str, names: list[str]) -> set[str]:
    """Leave out what was installed, tests, and byte code of other optimisation levels."""
    left = shutil.ignore_patterns(*_LEFT_OUT_PATTERNS)(folder, names) | (_LEFT_OUT & set(names))
    if "sitecustomize.py" in names:  # a distributor's own start-up hook
        left.add("sitecustomize.py")
    return left


def _copy_executable(folder: Path, base: Base) -> None:
    """Copy the executable, and the libraries it is linked to which are no business of the system's, and let the copy find the copy."""
    (folder / "bin").mkdir()
    executable = folder / "bin" / base.name
    content = base.executable.read_bytes()
    for place in base.library_folders if base.shared_library else ():
        found = Path(place, base.shared_library)
        if found.is_file():
            shutil.copyfile(found, folder / "lib" / base.shared_library)
            for rpath in sorted(set(base.library_folders), key=len):
                content = _move_rpath(content, rpath.encode())
            break
    executable.write_bytes(content)
    executable.chmod(0o755)
    for alias in ("python3", "python"):
        (folder / "bin" / alias).symlink_to(base.name)
    _copy_neighbours(folder, base)


def _copy_neighbours(folder: Path, base: Base) -> None:
    """Copy the libraries that conda puts beside its Python: extension modules look for them two folders up."""
    beside = Path(base.prefix, "lib").resolve()
    modules = [str(base.executable), *map(str, (base.library / "lib-dynload").glob("*.so"))]
    if not shutil.which("ldd") or beside in (Path("/usr/lib"), Path("/lib")):
        return
    said = subprocess.run(["ldd", *modules], capture_output=True, text=True, check=False, timeout=60).stdout
    for path in sorted(set(re.findall(r"=> (/\S+)", said))):
        if Path(path).parent.resolve() == beside and not (folder / "lib" / Path(path).name).exists():
            shutil.copyfile(path, folder / "lib" / Path(path).name)


def _move_rpath(content: bytes, old: bytes) -> bytes:
    """Make an executable look for its library beside itself, by writing over the path it was linked with.

    The strings of an ELF file end with NUL and keep their places, so a shorter one fits.
    """
    at = content.find(b"\0" + old + b"\0")
    if len(old) < len(_RPATH_INSIDE) or at < 0:
        return content
    end = at + 1 + len(old)
    return content[: at + 1] + _RPATH_INSIDE.ljust(len(old), b"\0") + content[end:]


def _copy_headers(folder: Path, base: Base) -> None:
    target = folder / "include" / base.include.name
    if base.include.is_dir():
        shutil.copytree(base.include, target, ignore=shutil.ignore_patterns("site"), ignore_dangling_symlinks=True)
    else:
        target.mkdir(parents=True)


def _compile(python: str, library: Path) -> None:
    """Compile what has no byte code: the library is read-only inside, so nobody could later."""
    command = [python, "-I", "-S", "-m", "compileall", "-qq", "-r", "20", str(library)]
    subprocess.run(command, env={"LANG": "C.UTF-8"}, check=False, timeout=600, capture_output=True)


def _fill_ensurepip(folder: Path, base: Base) -> None:
    """Let stock ensurepip install pip once, keep what it wrote, and hook the copy in."""
    python = str(folder / "bin" / base.name)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        subprocess.run(
            [python, "-I", "-m", "venv", f"{scratch}/stock"],
            env={"PATH": "/usr/bin:/bin", "HOME": scratch, "LANG": "C.UTF-8"},
            check=True,
            timeout=300,
            capture_output=True,
        )
        ensurepip = folder / "lib" / base.name / "ensurepip"
        unpacked = ensurepip / "_unpacked"
        stock = Path(scratch, "stock")
        shutil.copytree(stock / "lib" / base.name / "site-packages", unpacked / "site-packages")
        (unpacked / "scripts").mkdir()
        for script in (stock / "bin").glob("pip*"):
            first, _, rest = script.read_bytes().partition(b"\n")
            if first == b"#!/bin/sh" and rest.startswith(b"'''exec'"):
                # a cache whose path is too long for a first line: the interpreter takes two lines more
                first, _, rest = rest.split(b"\n", 2)
            if b"python" not in first:
                raise SandboxError(f"ensurepip wrote a script of an unknown kind: {script.name}.")
            (unpacked / "scripts" / script.name).write_bytes(rest)
    packages = unpacked / "site-packages"
    write_plan(plan_of(packages), folder / UNPACKED_PLAN, packages)
    shutil.copyfile(Path(fast_ensurepip.__file__), ensurepip / "_fast.py")
    package = ensurepip / "__init__.py"
    rewrite(
        package,
        package.read_text("utf-8")
        + "\n\n# Added by Wheelhouse, for speed: see _fast.py.\n"
        + "_stock_bootstrap = _bootstrap\n\n\n"
        + "def _bootstrap(**options):\n"
        + "    from ensurepip import _fast\n\n"
        + "    return _fast.bootstrap(_stock_bootstrap, options)\n",
    )
    _compile(python, ensurepip)


def _write_configuration(etc: Path) -> None:
    """Write what stands in /etc: for `named`, the index is where pip and uv look for it by themselves."""
    loopback = f"http://127.0.0.1:{STRONG_PORT}/pypi/simple/"
    for name, text in {
        **configuration.NETWORK_FILES,
        "gitconfig": configuration.GITCONFIG,
        "pip.conf": configuration.pip_configuration(index=loopback),
        "uv/uv.toml": configuration.uv_configuration(index=loopback),
        "named/pip.conf": configuration.pip_configuration(bundle=configuration.STRONG_BUNDLE),
        "named/uv/uv.toml": configuration.uv_configuration(),
        "terminal.bashrc": startup.TERMINAL_RC,
        "cells.bashrc": startup.SHELL_CELLS_RC,
        "zsh/.zshrc": startup.ZSH_RC,
    }.items():
        (etc / name).write_text(text, encoding="utf-8")
