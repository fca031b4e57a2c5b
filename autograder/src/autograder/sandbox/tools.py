"""Tools beside Python: twine, build, pip-tools and others, as commands on PATH which no environment contains, as pipx does it.

::

    cache/tools/<key>/          made once, never written to again; the strong tier shows it in /opt/tools
      bin/twine …               what stands on PATH
      lib/                      the distributions of `tools.txt`, locked by hash
      venv/                     an environment around lib/, in which the commands run: sys.executable is its Python
    cache/tools/<key>-<seed>/   the same for the basic tier: bin/ and venv/ with this machine's paths around the same lib/

A learner's polluted system Python or a broken environment can't break them, and they appear in nobody's `pip list`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath

from autograder.exceptions import SandboxError
from autograder.index.mirror import why_pip_failed
from autograder.places import cache
from autograder.sandbox import made_once
from autograder.sandbox.seed import executable_name, library_name, seed
from autograder.sandbox.system_python import STRONG_PYTHON_HOME, course_uv

__all__ = [
    "COMMANDS",
    "STRONG_TOOLS",
    "basic_tools",
    "install_locked",
    "lacking",
    "provide_tools",
    "tool_names",
    "tools",
    "tools_key",
    "tools_mark",
]

COMMANDS = ("check-jsonschema", "pip-audit", "pip-compile", "pip-sync", "pyproject-build", "pytest", "twine", "zizmor")
"""What stands on PATH; whatever else the distributions bring does not."""

STRONG_TOOLS = PurePosixPath("/opt/tools")
"""Where the strong tier shows them."""
_FORMAT = "1"
_LOCK = Path(__file__).with_name("tools.txt")
_SECONDS = 900
_ASTRAY = (
    "TARGET",
    "PREFIX",
    "ROOT",
    "USER",
    "REQUIREMENT",
    "CONSTRAINT",
    "PYTHON",
    "NO_DEPS",
    "DRY_RUN",
    "SYSTEM_PYTHON",
)
"""Settings of pip and uv that would lead the installation away from its folder."""
_LONGEST_FIRST_LINE = 120

_LAUNCHER = """\
import os
import sys

# nobody's key ring is asked: inside there is none, and outside it is none of our business
os.environ.setdefault("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
{guard}from {module} import {first}

if __name__ == "__main__":
    sys.exit({function}())
"""
_GUARDS = {
    # alone it would change the tools' own environment
    "pip-sync": """\
known = ("--python-executable", "--version", "--help", "-h")
if not any(word.partition("=")[0] in known for word in sys.argv[1:]):
    print("pip-sync stands apart from all environments here, so tell it which one to change:", file=sys.stderr)
    print("  pip-sync --python-executable .venv/bin/python requirements.txt", file=sys.stderr)
    sys.exit(2)
""",
}


@functools.cache
def tools_key() -> str:
    """Name the tools by all that they are made from: what is true of one key's tools stays true."""
    digest = hashlib.sha256(_LOCK.read_bytes())
    for part in (
        _FORMAT,
        _LAUNCHER,
        repr(_GUARDS),
        repr(COMMANDS),
        sysconfig.get_platform(),
        sys.implementation.cache_tag,
    ):
        digest.update(f"{part}\n".encode())
    return f"{platform.python_version()}-{digest.hexdigest()[:16]}"


def tools() -> Path | None:
    """Give the folder which the strong tier shows in /opt/tools; None if the tools were not fetched."""
    folder = cache() / "tools" / tools_key()
    return folder if (folder / "bin").is_dir() else None


def tools_mark() -> str:
    """Say which tools a command finds that runs now: what it does may depend on them. Empty if they were not fetched."""
    return tools_key() if tools() else ""


def lacking(command: str) -> bool:
    """Say whether a command is one of the tools, and they were not fetched: then it is no fault of a learner's."""
    return command in COMMANDS and tools() is None


def tool_names() -> list[str]:
    """Name the commands that are there, sorted."""
    folder = tools()
    return sorted(path.name for path in (folder / "bin").iterdir()) if folder else []


def provide_tools(say: Callable[[str], None] = lambda _: None) -> Path:
    """Give the folder of the tools; fetch and install them first if they aren't there, of which `say` is told.

    Can be broken off and called again at any time, also by several processes at once.

    Raises:
        SandboxError: they can't be had, with the reason.
    """
    folder = cache() / "tools" / tools_key()
    made: list[Path] = []

    def make(fresh: Path) -> None:
        _make(fresh, say)
        made.append(fresh)

    try:
        made_once.made_once(folder, make, vital=("bin",))
    except (OSError, subprocess.SubprocessError, shutil.Error) as error:
        raise SandboxError(
            f"The sandbox's tools can't be installed in {folder.parent}: {error}.",
            "Free some space or set WHEELHOUSE_CACHE to a folder that can be written, then run `course index fetch`.",
        ) from error
    if not made:
        return folder
    say(f"tools: {', '.join(tool_names())} are here")
    return folder


def _make(folder: Path, say: Callable[[str], None]) -> None:
    library = folder / "lib"
    library.mkdir(parents=True)
    count = sum(line[:1].isalnum() for line in _LOCK.open(encoding="utf-8"))
    say(f"tools: fetching and installing up to {count} distributions (some seconds, once on this machine) …")
    install_locked(library, _LOCK)
    inside = STRONG_TOOLS / "venv" / "lib" / library_name() / "site-packages"
    say("tools: compiling them …")
    compiling = [sys.executable, "-I", "-m", "compileall", "-q", "-j", "0", "-s", str(library), "-p", str(inside)]
    subprocess.run([*compiling, str(library)], check=False, capture_output=True, timeout=_SECONDS)
    _make_commands(folder, library, STRONG_PYTHON_HOME / executable_name(), STRONG_TOOLS, link="../../../lib")
    shutil.rmtree(library / "bin", ignore_errors=True)  # they begin with the path of another Python
    for path in library.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o444)


def install_locked(library: Path, lock: Path) -> None:
    """Install a lock into an empty folder, with uv, or, where uv can't, with pip: each knows another part of a machine's configuration.

    Raises:
        SandboxError: it can't be fetched, with the reason.
    """
    options = ["--target", str(library), "--require-hashes", "--no-deps", "--quiet", "--requirement", str(lock)]
    commands = []
    if (uv := course_uv()) is not None:
        # copies: a link would let a cache shared with others be changed from here
        commands.append(
            [str(uv), "pip", "install", "--python", sys.executable, "--link-mode", "copy", "--no-build", *options]
        )
    if importlib.util.find_spec("pip") is not None:
        pip = [
            sys.executable,
            "-P",
            "-m",
            "pip",
            "install",
            "--no-input",
            "--disable-pip-version-check",
            "--no-compile",
        ]
        commands.append([*pip, "--only-binary", ":all:", *options])
    variables = {
        name: value
        for name, value in os.environ.items()
        if name.removeprefix("PIP_").removeprefix("UV_") not in _ASTRAY and name != "VIRTUAL_ENV"
    }
    variables.setdefault("UV_SYSTEM_CERTS", "1")  # a company's own authority is in the system's list
    variables.setdefault("UV_NATIVE_TLS", variables["UV_SYSTEM_CERTS"])
    variables["PIP_REQUIRE_VIRTUALENV"] = "0"
    said = "there is neither uv nor pip"
    for command in commands:
        try:
            ran = subprocess.run(
                command,
                env=variables,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            said = f"{Path(command[0]).name} was not done after {_SECONDS} s"
            continue
        if ran.returncode == 0:
            return
        said = why_pip_failed(ran.stderr)
        shutil.rmtree(library)
        library.mkdir()
    raise SandboxError(
        f"The sandbox's tools could not be fetched: {said}.",
        "Look at the network and at pip's configuration (`pip config list`), then run `course index fetch` again. "
        "Without them the course runs, but twine, build, pip-tools, zizmor and others are missing in its shell.",
    )


def basic_tools() -> Path | None:
    """Give the folder of the basic tier's commands, made if it isn't there; None if the tools were not fetched.

    Raises:
        SandboxError: it can't be made, with the reason.
    """
    strong = tools()
    if strong is None:
        return None
    source = seed()
    folder = strong.with_name(f"{strong.name}-{source.name.rpartition('-')[2]}")

    def make(fresh: Path) -> None:
        python = PurePosixPath(source, "bin", executable_name())
        _make_commands(fresh, strong / "lib", python, PurePosixPath(folder), link=str(strong / "lib"))
        for native in (strong / "bin").iterdir():
            if not (fresh / "bin" / native.name).exists():
                (fresh / "bin" / native.name).symlink_to(native)

    try:
        made_once.made_once(folder, make, vital=("bin",))
    except OSError as error:
        raise SandboxError(
            f"The sandbox's tools can't be made ready in {folder.parent}: {error}.", "Run `course doctor`."
        ) from error
    return folder


def _make_commands(folder: Path, library: Path, python: PurePosixPath, appears: PurePosixPath, *, link: str) -> None:
    """Make the environment around a library, and the commands that run in it; `appears` is where they will stand."""
    packages = folder / "venv" / "lib" / library_name() / "site-packages"
    for made in (packages.parent, folder / "venv" / "bin", folder / "bin"):
        made.mkdir(parents=True)
    packages.symlink_to(link)
    (folder / "venv" / "bin" / "python").symlink_to(python)
    for alias in ("python3", executable_name()):
        (folder / "venv" / "bin" / alias).symlink_to("python")
    (folder / "venv" / "pyvenv.cfg").write_text(
        f"home = {python.parent}\ninclude-system-site-packages = false\nversion = {platform.python_version()}\n"
        f"executable = {python}\n",
        encoding="utf-8",
    )
    for name, text in _launchers(library):
        script = folder / "bin" / name
        script.write_text(_first_lines(appears / "venv" / "bin" / "python") + text, encoding="utf-8")
        script.chmod(0o555)
    for native in _natives(library):
        if native.is_file():
            native.rename(folder / "bin" / native.name)
            (folder / "bin" / native.name).chmod(0o555)


def _first_lines(python: PurePosixPath) -> str:
    """Write what starts a script with this Python, cut off from variables and the folder where it is typed.

    The kernel bounds the length of a first line and takes no space in it; sh has no bound, and Python takes its line for a string.
    """
    if len(str(python)) < _LONGEST_FIRST_LINE and " " not in str(python):
        return f"#!{python} -I\n"
    quoted = str(python).replace("'", "'\"'\"'")
    return f"#!/bin/sh\n'''exec' '{quoted}' -I \"$0\" \"$@\"\n' '''\n"


def _wanted(library: Path) -> Iterator[Distribution]:
    """Give the distributions that tools.in asks for; what came along with them offers no commands."""
    for line in _LOCK.with_name("tools.in").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield next(iter(Distribution.discover(name=line.strip(), path=[str(library)])))


def _launchers(library: Path) -> Iterator[tuple[str, str]]:
    """Give the commands written in Python: name, text."""
    for distribution in _wanted(library):
        for entry in distribution.entry_points.select(group="console_scripts"):
            if entry.name in COMMANDS:
                text = _LAUNCHER.format(
                    module=entry.module,
                    first=entry.attr.partition(".")[0],
                    function=entry.attr,
                    guard=_GUARDS.get(entry.name, ""),
                )
                yield entry.name, text


def _natives(library: Path) -> Iterator[Path]:
    """Give the commands that are programs of the machine, which a wheel puts beside its launchers."""
    for distribution in _wanted(library):
        named = {entry.name for entry in distribution.entry_points}
        for file in distribution.files or ():
            if file.name in COMMANDS and PurePosixPath(file).parent.name == "bin" and file.name not in named:
                with contextlib.suppress(OSError):
                    yield library / "bin" / file.name
