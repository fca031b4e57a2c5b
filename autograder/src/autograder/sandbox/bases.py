"""The interpreters of this machine that a system Python can be made of: the one that runs the course, and others.

An interpreter is asked by running it, isolated: what it says of itself is so for pyenv's, Debian's, uv's and conda's alike.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Base", "base_at", "describe", "other_bases", "own_base"]

_OLDEST = 9
_NEWEST = 30


@dataclass(frozen=True)
class Base:
    """An interpreter, and where its parts lie."""

    executable: Path
    """The program itself, behind all links and environments."""
    version: str
    """As in "3.11.7"."""
    full_version: str
    """With the compiler and the date."""
    prefix: str
    configured_prefix: str
    """Where it was built to stand; elsewhere where it was moved, as uv's and conda's are."""
    library: Path
    """The standard library."""
    include: Path
    shared_library: str
    """The file name of the library it is linked to; empty if it is not."""
    library_folders: tuple[str, ...]
    """Where that may lie."""
    wheels: Path
    """What `ensurepip` installs."""

    @property
    def name(self) -> str:
        """The name of its executable and of its library's folder: "python3.11"."""
        return "python" + ".".join(self.version.split(".")[:2])

    @property
    def can_make_environments(self) -> bool:
        """Whether it has `ensurepip`, which Debian ships apart."""
        return (self.library / "ensurepip" / "__init__.py").is_file() and any(self.wheels.glob("pip-*.whl"))


def describe() -> dict[str, Any]:
    """Say of the interpreter that runs this what `Base` holds. Its text is also run by others, so it stands alone."""
    import os
    import platform
    import sys
    import sysconfig

    prefix = sys.base_prefix
    named = os.path.join(prefix, "bin", "python%d.%d" % sys.version_info[:2])  # noqa: UP031, PTH118
    ours = named if os.path.isfile(named) else getattr(sys, "_base_executable", "") or sys.executable  # noqa: PTH113
    library = sysconfig.get_path("stdlib", vars={"installed_base": prefix})
    shared = str(sysconfig.get_config_var("INSTSONAME") or "")
    return {
        "executable": os.path.realpath(ours),
        "version": platform.python_version(),
        "full_version": sys.version,
        "prefix": prefix,
        "configured_prefix": str(sysconfig.get_config_var("prefix") or prefix),
        "library": library,
        "include": sysconfig.get_path("include", vars={"installed_base": prefix}),
        "shared_library": shared if sysconfig.get_config_var("Py_ENABLE_SHARED") else "",
        "library_folders": [str(sysconfig.get_config_var("LIBDIR")), os.path.join(prefix, "lib")],  # noqa: PTH118
        "wheels": sysconfig.get_config_var("WHEEL_PKG_DIR") or os.path.join(library, "ensurepip", "_bundled"),  # noqa: PTH118
    }


def _base(said: dict[str, Any]) -> Base:
    paths = {name: Path(said[name]) for name in ("executable", "library", "include", "wheels")}
    return Base(**{**said, **paths, "library_folders": tuple(said["library_folders"])})


@functools.cache
def own_base() -> Base:
    """Describe the interpreter that runs the course, behind any virtual environment."""
    return _base(describe())


@functools.cache
def _ask(executable: str) -> Base | None:
    """Ask another interpreter; None if it is none, can't run, or is itself of an environment's making."""
    program = f"{inspect.getsource(describe)}\nimport json\nprint(json.dumps(describe()))"
    program = program.replace("-> dict[str, Any]", "")
    try:
        done = subprocess.run(
            [executable, "-I", "-S", "-c", program],
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=True,
        )
        return _base(json.loads(done.stdout))
    except (OSError, ValueError, TypeError, KeyError, subprocess.SubprocessError):
        return None


def base_at(path: str) -> Base | None:
    """Describe the interpreter at a path; None if there is none that can make environments."""
    base = _ask(path)
    return base if base is not None and base.can_make_environments else None


def _folders() -> list[Path]:
    """Give the folders in which interpreters stand: those of PATH, and where pyenv, uv, conda and Homebrew put theirs."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python")
    found = [Path(one) for one in os.environ.get("PATH", "").split(":") if one.startswith("/")]
    found += [Path("/usr/local/bin"), Path("/usr/bin"), Path("/opt/homebrew/bin"), Path("/opt/conda/bin")]
    for parent in (pyenv / "versions", uv, Path("/Library/Frameworks/Python.framework/Versions")):
        if parent.is_dir():
            found += sorted((one / "bin" for one in parent.iterdir()), reverse=True)
    return [one for one in dict.fromkeys(found) if one.name != "shims"]


def other_bases() -> Iterator[Base]:
    """Find other interpreters that can make environments, each but once: those of another version first, of them the newest first.

    Each is asked only when its turn comes. `WHEELHOUSE_SECOND_PYTHON` names the only one to look at, or is `none`.
    """
    told = os.environ.get("WHEELHOUSE_SECOND_PYTHON")
    candidates = [(False, 0, told)] if told and told != "none" else []
    for folder in _folders() if not told else []:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            match = re.fullmatch(r"python3\.(\d{1,2})", name)
            minor = int(match.group(1)) if match else 0
            if _OLDEST <= minor <= _NEWEST and os.access(folder / name, os.X_OK):
                candidates.append((minor == sys.version_info.minor, -minor, str(folder / name)))
    seen = {own_base().executable}
    for _, _, path in sorted(candidates, key=lambda one: one[:2]):
        if Path(path).resolve() not in seen:
            seen.add(Path(path).resolve())
            base = _ask(path)
            if base is not None and base.executable == Path(path).resolve() and base.can_make_environments:
                yield base
