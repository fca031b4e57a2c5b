"""The seed of the sandbox's system Python: a copy of the interpreter that runs the course, made once a machine.

::

    cache/system-python/<key>/       never written to again
      bin/python3.11                 a copy of the base interpreter
      lib/python3.11/                its standard library, without what was ever installed into it
      lib/python3.11/ensurepip/_unpacked/   what stock ensurepip installs, unpacked (see fast_ensurepip.py)
      lib/libpython3.11.so.1.0       if the interpreter is linked to it
      etc/                           files which the strong tier shows in /etc
      inner.py                       the first program inside

The base interpreter and its folders are only read.
"""

from __future__ import annotations

import compileall
import contextlib
import fcntl
import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from autograder.exceptions import SandboxError
from autograder.places import cache
from autograder.sandbox import configuration, fast_ensurepip, startup

__all__ = [
    "STRONG_PORT",
    "executable_name",
    "library_name",
    "locked",
    "seed",
    "system_python_version",
]

STRONG_PORT = 8080
_FORMAT = "8"
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "EXTERNALLY-MANAGED"}
_LEFT_OUT_PATTERNS = ("*.opt-1.pyc", "*.opt-2.pyc", "*.a", "*.o")
_RPATH_INSIDE = b"$ORIGIN/../lib"


_SITE_PACKAGES_TOO = """\
# Added by Wheelhouse: what is installed outside environments is where the Python project puts it.
import os
import site
import sys

if sys.prefix == sys.base_prefix:
    site.addsitedir(os.path.join(sys.prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages"))
"""


def system_python_version() -> str:
    """Give the version of the sandbox's system Python: "3.11.7"."""
    return platform.python_version()


def library_name() -> str:
    """Give the name of the standard library's folder: "python3.11"."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def executable_name() -> str:
    """Give the name of the executable: "python3.11"."""
    return library_name()


def _base_executable() -> Path:
    """Find the interpreter itself, behind any virtual environment."""
    named = Path(sys.base_prefix, "bin", executable_name())
    base = named if named.is_file() else Path(str(getattr(sys, "_base_executable", "")) or sys.executable)
    return base.resolve()


def _standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))


@functools.cache
def _key() -> str:
    """Name the seed by all it is made from."""
    executable = _base_executable()
    status = executable.stat()
    parts = [_FORMAT, sys.version, sys.base_prefix, str(executable), f"{status.st_size} {status.st_mtime_ns}"]
    bundled = sysconfig.get_config_var("WHEEL_PKG_DIR") or _standard_library() / "ensurepip" / "_bundled"
    parts += sorted(file.name for file in Path(bundled).glob("*.whl"))
    digest = hashlib.sha256("\n".join(parts).encode())
    for name in ("inner.py", "fast_ensurepip.py", "configuration.py", "startup.py", "seed.py"):
        digest.update(Path(__file__).with_name(name).read_bytes())
    return f"{platform.python_version()}-{digest.hexdigest()[:16]}"


def seed(say: Callable[[str], None] = lambda _: None) -> Path:
    """Give the seed; make it first if it isn't there (some seconds, once a machine), which `say` tells beforehand.

    Raises:
        SandboxError: it can't be made, with the reason.
    """
    folder = cache() / "system-python" / _key()
    if (folder / "inner.py").is_file():
        note_use(folder)
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder.parent / "lock"):
            if (folder / "inner.py").is_file():
                return folder
            say("Making the sandbox's own Python (some seconds, once on this machine) …")
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as making:
                fresh = Path(making, "seed")
                _make_seed(fresh)
                if folder.exists():  # what is left of a seed that someone half removed
                    folder.rename(Path(making, "old"))
                fresh.rename(folder)
            forget_unused(folder)
    except (OSError, subprocess.SubprocessError, shutil.Error) as error:
        raise SandboxError(
            f"The sandbox's Python can't be made in {folder.parent}: {error}.",
            "Run `course doctor`; WHEELHOUSE_CACHE moves the folder.",
        ) from error
    return folder


UNUSED_DAYS = 30


def note_use(folder: Path) -> None:
    """Note in the time of a folder of the cache that it was used, at most once a day."""
    with contextlib.suppress(OSError):
        if folder.stat().st_mtime < time.time() - 86_400:
            os.utime(folder)


def forget_unused(folder: Path) -> None:
    """Remove what stands beside a folder of the cache and wasn't used for 30 days: it is of an older edition of the course."""
    oldest = time.time() - UNUSED_DAYS * 86_400
    for other in folder.parent.iterdir():
        with contextlib.suppress(OSError):
            if other != folder and other.is_dir() and other.lstat().st_mtime < oldest:
                shutil.rmtree(other, ignore_errors=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process, and one thread of it, work at a time."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_seed(folder: Path) -> None:
    if not (_standard_library() / "ensurepip").is_dir():
        raise SandboxError(
            f"The Python that runs the course ({sys.base_prefix}) has no ensurepip, so it can't make virtual environments.",
            "On Debian and Ubuntu run `sudo apt install python3-venv`, then the command again.",
        )
    name = library_name()
    library = folder / "lib" / name
    shutil.copytree(_standard_library(), library, ignore=_leave_out, ignore_dangling_symlinks=True)
    (library / "site-packages").mkdir()
    _copy_executable(folder)
    _copy_headers(folder)
    _undo_distributor(library)
    _compile(library)
    for made in ("share", "etc/uv", "etc/named/uv", "etc/zsh"):
        (folder / made).mkdir(parents=True)
    _fill_ensurepip(folder)
    _write_configuration(folder / "etc")
    # venv copies the modes of its scripts too: `rm -r .venv` would ask about each of them, which it does nowhere else.
    templates = library / "venv" / "scripts"
    for file in library.rglob("*"):
        if file.is_file() and not file.is_symlink() and not file.is_relative_to(templates):
            file.chmod(0o555 if os.access(file, os.X_OK) else 0o444)
    shutil.copyfile(Path(__file__).with_name("inner.py"), folder / "inner.py")


def _leave_out(folder: str, names: list[str]) -> set[str]:
    """Leave out what was installed, tests, and byte code of other optimisation levels."""
    left = shutil.ignore_patterns(*_LEFT_OUT_PATTERNS)(folder, names) | (_LEFT_OUT & set(names))
    if "sitecustomize.py" in names:  # a distributor's own start-up hook
        left.add("sitecustomize.py")
    return left


def _copy_executable(folder: Path) -> None:
    """Copy the executable, and its library if it is linked to one, and let the copy find the copy."""
    (folder / "bin").mkdir()
    executable = folder / "bin" / executable_name()
    content = _base_executable().read_bytes()
    library = str(sysconfig.get_config_var("INSTSONAME") or "")
    for place in (sysconfig.get_config_var("LIBDIR"), Path(sys.base_prefix, "lib")):
        found = Path(str(place), library)
        if library and sysconfig.get_config_var("Py_ENABLE_SHARED") and found.is_file():
            shutil.copyfile(found, folder / "lib" / library)
            for rpath in sorted({str(place), str(Path(sys.base_prefix, "lib"))}, key=len):
                content = _move_rpath(content, rpath.encode())
            break
    executable.write_bytes(content)
    executable.chmod(0o755)
    for alias in ("python3", "python"):
        (folder / "bin" / alias).symlink_to(executable_name())


def _move_rpath(content: bytes, old: bytes) -> bytes:
    """Make an executable look for its library beside itself, by writing over the path it was linked with.

    The strings of an ELF file end with NUL and keep their places, so a shorter one fits.
    """
    at = content.find(b"\0" + old + b"\0")
    if len(old) < len(_RPATH_INSIDE) or at < 0:
        return content
    end = at + 1 + len(old)
    return content[: at + 1] + _RPATH_INSIDE.ljust(len(old), b"\0") + content[end:]


def _copy_headers(folder: Path) -> None:
    source = Path(sysconfig.get_path("include", vars={"installed_base": sys.base_prefix}))
    target = folder / "include" / source.name
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("site"), ignore_dangling_symlinks=True)
    else:
        target.mkdir(parents=True)


def _undo_distributor(library: Path) -> None:
    """Give Debian's Python the layout which the Python project's own has, and which every lesson describes.

    Debian puts what is installed outside environments into `local/lib/python3.11/dist-packages`.
    Paths of the base interpreter give way to the sandbox's in what `sysconfig` reports.
    """
    for name, old, new in (
        ("sysconfig.py", "prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"),
        ("sysconfig/__init__.py", "prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"),
    ):
        file = library / name
        if file.is_file() and old in (text := file.read_text("utf-8")):
            _rewrite(file, text.replace(old, new))
    if "dist-packages" in (library / "site.py").read_text("utf-8"):
        # Debian's `site` is frozen into the executable, but this hook is not (docs.python.org, site).
        (library / "sitecustomize.py").write_text(_SITE_PACKAGES_TOO, encoding="utf-8")
    prefix = str(sysconfig.get_config_var("prefix") or sys.base_prefix)
    for file in library.glob("_sysconfigdata*.py"):
        text = file.read_text("utf-8")
        for old in {prefix, sys.base_prefix} - {"/usr", "/"}:
            text = re.sub(re.escape(old) + r"(?=[/'\" ])", "/usr/local", text)
        _rewrite(file, text)


def _rewrite(file: Path, text: str) -> None:
    """Replace a file of the library, and its byte code with it."""
    file.unlink()
    file.write_text(text, encoding="utf-8")
    for stale in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        stale.unlink()


def _compile(library: Path) -> None:
    """Compile what has no byte code: the library is read-only inside, so nobody could later."""
    compileall.compile_dir(library, quiet=2, maxlevels=20)


def _fill_ensurepip(folder: Path) -> None:
    """Let stock ensurepip install pip once, keep what it wrote, and hook the copy in."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        subprocess.run(
            [str(folder / "bin" / executable_name()), "-I", "-m", "venv", f"{scratch}/stock"],
            env={"PATH": "/usr/bin:/bin", "HOME": scratch, "LANG": "C.UTF-8"},
            check=True,
            timeout=300,
            capture_output=True,
        )
        ensurepip = folder / "lib" / library_name() / "ensurepip"
        unpacked = ensurepip / "_unpacked"
        stock = Path(scratch, "stock")
        shutil.copytree(stock / "lib" / library_name() / "site-packages", unpacked / "site-packages")
        (unpacked / "scripts").mkdir()
        for script in (stock / "bin").glob("pip*"):
            first, _, rest = script.read_bytes().partition(b"\n")
            if first == b"#!/bin/sh" and rest.startswith(b"'''exec'"):
                # a cache whose path is too long for a first line: the interpreter takes two lines more
                first, _, rest = rest.split(b"\n", 2)
            if b"python" not in first:
                raise SandboxError(f"ensurepip wrote a script of an unknown kind: {script.name}.")
            (unpacked / "scripts" / script.name).write_bytes(rest)
    shutil.copyfile(Path(fast_ensurepip.__file__), ensurepip / "_fast.py")
    package = ensurepip / "__init__.py"
    _rewrite(
        package,
        package.read_text("utf-8")
        + "\n\n# Added by Wheelhouse, for speed: see _fast.py.\n"
        + "_stock_bootstrap = _bootstrap\n\n\n"
        + "def _bootstrap(**options):\n"
        + "    from ensurepip import _fast\n\n"
        + "    return _fast.bootstrap(_stock_bootstrap, options)\n",
    )
    _compile(ensurepip)


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
