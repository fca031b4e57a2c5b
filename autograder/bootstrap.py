"""Make the environment in which everything here runs: `.venv`, exactly as locked, and mend one that is half made.

The Makefile runs this with the machine's own Python before anything is installed, so it needs the standard library only.
It is safe to run twice at once, and after Ctrl-C the same command goes on.

Steps: look at `.venv` -> (nothing to do | add what is missing | make it anew) -> system tools -> the index's mirror.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:
    sys.exit("Wheelhouse needs Linux or macOS; on Windows, install WSL2 (`wsl --install`), and type the same there.")

__all__ = ["Wanted", "examine", "main", "make"]

COURSE = Path(__file__).resolve().parent.parent
LOCKS = {"lab": ["requirements.txt"], "test": ["requirements.txt", "autograder/requirements-dev.txt"]}
STAMP, BEING_MADE = "wheelhouse.json", "wheelhouse-being-made"
FORMAT = 1

# what would lead an installer, or the Python it runs in, away from .venv; where to find distributions stays the machine's business
ASTRAY = (
    *(
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_ROOT",
        "PIP_NO_DEPS",
        "PIP_DRY_RUN",
        "PIP_REQUIREMENT",
        "PIP_CONSTRAINT",
    ),
    *(
        "PIP_IGNORE_INSTALLED",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_PYTHON",
        "PIP_REPORT",
        "PIP_QUIET",
        "PIP_VERBOSE",
        "PIP_LOG",
    ),
    *(
        "UV_SYSTEM_PYTHON",
        "UV_PYTHON",
        "UV_PROJECT_ENVIRONMENT",
        "UV_REQUIRE_HASHES",
        "UV_NO_VERIFY_HASHES",
        "UV_TARGET",
    ),
    *("VIRTUAL_ENV", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONDONTWRITEBYTECODE"),
)


class CannotGoOn(Exception):
    """What is missing, and what to type, in one sentence."""


def say(sentence: str) -> None:
    """Tell how far we are, at once, also when nobody's terminal is at the other end."""
    print(sentence, flush=True)


@dataclass(frozen=True)
class Wanted:
    """What a complete `.venv` is made from; `.venv/wheelhouse.json` holds the same facts about the one that is there."""

    folder: Path
    locks: dict[str, str]
    project: str
    python: str

    @classmethod
    def now(cls, purpose: str, folder: Path) -> Wanted:
        """Read the locks of `purpose` ("lab" or "test") as they are at this moment."""
        locks = {name: digest(COURSE / name) for name in LOCKS[purpose]}
        version = ".".join(map(str, sys.version_info[:3]))
        return cls(folder, locks, digest(COURSE / "autograder/pyproject.toml"), f"{version} {base_python()}")

    def stamp(self) -> dict[str, object]:
        """Give the facts as they are written down, with the names of the distributions that are there now."""
        return {
            "format": FORMAT,
            "folder": str(self.folder),
            "python": self.python,
            "locks": self.locks,
            "project": self.project,
            "distributions": installed(self.folder),
        }


def digest(path: Path) -> str:
    """Give the sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def base_python() -> str:
    """Give the Python behind this one: `.venv` must not be made with the Python of the `.venv` that it replaces."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def python_of(folder: Path) -> Path:
    """Give the Python of the environment in `folder`."""
    return folder / "bin" / "python"


def installed(folder: Path) -> list[str]:
    """Give the names of the `dist-info` folders in the environment, sorted."""
    library = sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)})
    with contextlib.suppress(FileNotFoundError):
        return sorted(name for name in os.listdir(library) if name.endswith(".dist-info"))
    return []


def examine(wanted: Wanted) -> tuple[str, str]:
    """Say what to do about the environment, and why: "keep", "refresh" (our own package), "add", "remake" or "set aside"."""
    folder = wanted.folder
    if not folder.exists():
        return "remake", ""
    if (folder / BEING_MADE).exists():
        return "remake", "was left half made"
    try:
        stamp = json.loads((folder / STAMP).read_bytes())
        found = dict(stamp["locks"])
        missing = set(stamp["distributions"]) - set(installed(folder))
        facts = (stamp["format"], stamp["folder"], stamp["python"])
    except FileNotFoundError:
        return ("set aside", "was not made by make") if any(folder.iterdir()) else ("remake", "is empty")
    except (ValueError, KeyError, TypeError):
        return "remake", "has a damaged record of what is in it"
    if facts[:2] != (FORMAT, str(folder)):
        return "remake", "was made in another place"
    if facts[2] != wanted.python:
        return "remake", f"belongs to another Python ({facts[2]})"
    if missing or not answers(folder):
        return "remake", "has lost some of its files"
    if any(found.get(name, wanted.locks[name]) != wanted.locks[name] for name in wanted.locks):
        return "remake", "is older than the lock files"
    if not wanted.locks.keys() <= found.keys():
        return "add", "lacks what the tests need"
    return ("keep", "") if stamp.get("project") == wanted.project else ("refresh", "has an older autograder")


def answers(folder: Path) -> bool:
    """Tell whether the environment's Python starts, and belongs to it."""
    command = [str(python_of(folder)), "-I", "-c", "import sys; print(sys.prefix)"]
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode == 0 and os.path.realpath(done.stdout.strip()) == os.path.realpath(folder)
    return False


def make(purpose: str, folder: Path) -> None:
    """Bring `.venv` to what the locks say; one process at a time, others wait.

    Raises `CannotGoOn` when `venv` is missing, the disk is full or the distributions can't be had.
    """
    wanted = Wanted.now(purpose, folder)
    with alone(folder):
        for leftover in folder.parent.glob(f"{folder.name}.discarded-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        action, why = examine(wanted)
        if action == "keep":
            return
        if action in ("remake", "set aside"):
            check_venv()
            if folder.exists():
                say(f"{folder.name} {why}; making a new one.")
                put_away(folder, keep=action == "set aside")
            folder.mkdir()
        else:
            say(f"{folder.name} {why}; adding it.")
        marker = folder / BEING_MADE
        marker.touch()
        if action in ("remake", "set aside"):
            say(f"Making the environment {folder.name} with Python {wanted.python} …")
            call([base_python(), "-I", "-m", "venv", str(folder)], "The environment can't be made")
        if action != "refresh":
            install(folder, list(wanted.locks))
        install_ourselves(folder)
        (folder / STAMP).write_text(json.dumps(wanted.stamp(), indent=1), encoding="utf-8")
        marker.unlink()


def check_venv() -> None:
    """Raise `CannotGoOn` unless this Python can make environments: Debian and Ubuntu keep half of `venv` in a package of its own."""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as problem:
        package = f"python3.{sys.version_info.minor}-venv"
        raise CannotGoOn(
            f"Python at {base_python()} has no `{problem.name}`, so it can't make virtual environments; "
            f"on Debian and Ubuntu type `{sudo()}apt-get install {package}`, then the same command again."
        ) from None


def put_away(folder: Path, *, keep: bool) -> None:
    """Move the old environment out of the way in one step, then delete it unless it is somebody's own."""
    aside = folder.with_name(f"{folder.name}.before-make" if keep else f"{folder.name}.discarded-{os.getpid()}")
    number = 1
    while aside.exists():
        number += 1
        aside = aside.with_name(f"{folder.name}.before-make-{number}")
    folder.rename(aside)
    if keep:
        say(f"The old one is kept as {aside.name}.")
    else:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let one process at a time make this environment; on a file system without locks, go on without."""
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is working on the environment; waiting for it …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            pass
        yield


def clean_variables() -> dict[str, str]:
    """Give this machine's variables without those that lead an installer astray: proxies and indexes stay."""
    kept = {name: value for name, value in os.environ.items() if name not in ASTRAY}
    # uv trusts only its own list of authorities unless told: a company's own authority is in the system's
    kept.setdefault("UV_SYSTEM_CERTS", "1")
    kept.setdefault("UV_NATIVE_TLS", kept["UV_SYSTEM_CERTS"])
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PYTHONUTF8": "1"}


def install(folder: Path, locks: Sequence[str]) -> None:
    """Install the locks with uv, the machine's or the one that the lock holds; where uv can't, with the environment's own pip."""
    files = [argument for name in locks for argument in ("-r", str(COURSE / name))]
    count = sum(line[:1].isalnum() for name in locks for line in (COURSE / name).open(encoding="utf-8"))
    variables = clean_variables()
    uv = shutil.which("uv")
    if not uv or Path(uv).resolve().is_relative_to(folder.resolve()):
        uv, variables = uv_from_the_lock(folder), {**pip_settings_for_uv(folder), **variables}
    if uv:
        say(f"Installing up to {count} distributions with uv (some seconds) …")
        command = [uv, "pip", "install", "--python", str(python_of(folder)), "--require-hashes", "--compile-bytecode"]
        # without a network it would ask in vain whether what it has kept is still the newest: the hashes say what it must be
        for more in ([], ["--offline"]):
            with contextlib.suppress(CannotGoOn):
                call([*command, *more, *files], "uv could not install them", tell_uv, variables)
                return
        say("uv could not; trying pip.")
    say(f"Installing up to {count} distributions with pip (about a minute) …")
    command = [*pip_of(folder), "install", "--require-hashes", "--no-deps", "--progress-bar", "off", *files]
    call(command, "The locked distributions can't be installed", Progress(count))


def tell_uv(line: str) -> None:
    """Turn uv's many lines into a few: what is large and being fetched, and what comes after."""
    if line.startswith("Downloading "):
        say(f"  fetching {line.removeprefix('Downloading ')} …")
    elif line.startswith("Prepared "):
        say("  all fetched; putting them in place …")
    elif line.startswith("Installed "):
        say("  compiling them, so that everything starts quickly …")


def pip_of(folder: Path) -> list[str]:
    """Give the words that start the environment's own pip."""
    return [str(python_of(folder)), "-m", "pip"]


def uv_from_the_lock(folder: Path) -> str | None:
    """Install uv, and only uv, as the lock names it: then it does the rest, three times as fast as pip; None where that fails."""
    wanted = pin("uv", COURSE / LOCKS["lab"][0])
    if not wanted:
        return None
    say("Fetching uv, which fetches the rest …")
    requirement = folder / "uv.txt"
    requirement.write_text(wanted, encoding="utf-8")
    # a wheel or nothing: from source it would need Rust and many minutes
    options = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--quiet", "-r", str(requirement)]
    done = subprocess.run(
        [*pip_of(folder), "install", *options],
        env=clean_variables(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    requirement.unlink()
    found = folder / "bin" / "uv"
    return str(found) if done.returncode == 0 and found.exists() else None


def pin(name: str, lock: Path) -> str:
    """Give the lines of a lock that pin one distribution, with their hashes; empty if it has none."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if line.startswith(f"{name}=="):
            end = next((i for i in range(number, len(lines)) if not lines[i].endswith("\\")), len(lines) - 1)
            return "\n".join(lines[number : end + 1]) + "\n"
    return ""


def pip_settings_for_uv(folder: Path) -> dict[str, str]:
    """Give what this machine's pip is configured to, as variables for uv, which doesn't read pip's configuration."""
    listed = subprocess.run(
        [*pip_of(folder), "config", "list"], env=clean_variables(), capture_output=True, text=True, check=False
    ).stdout
    found: dict[str, list[str]] = {}
    for section in ("global.", "install.", ":env:."):  # pip's own order: what comes later wins
        for line in listed.splitlines():  # global.index-url='https://…'
            name, _, value = line.partition("=")
            if name.startswith(section):
                with contextlib.suppress(ValueError, SyntaxError):
                    found[name.removeprefix(section)] = str(ast.literal_eval(value)).split()
    names = {
        **{"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"},
        **{"trusted-host": "UV_INSECURE_HOST", "cert": "SSL_CERT_FILE", "client-cert": "SSL_CLIENT_CERT"},
        **{"proxy": "ALL_PROXY", "timeout": "UV_HTTP_TIMEOUT"},
    }
    variables = {
        names[name]: ("," if name == "find-links" else " ").join(words)
        for name, words in found.items()
        if name in names
    }
    if found.get("no-index") in (["true"], ["1"], ["yes"], ["on"]):
        variables["UV_NO_INDEX"] = "1"
    # pip looks on all indexes; every file is held to its hash, so it doesn't matter whose it is
    return {**variables, "UV_INDEX_STRATEGY": "unsafe-best-match"}


def install_ourselves(folder: Path) -> None:
    """Install the package of this repository, editable, with the build backend that the lock has put there."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--editable", str(COURSE / "autograder")]
    call([*pip_of(folder), "install", *options], "The package in autograder/ can't be installed")


class Progress:
    """Turns pip's many lines into a few: how many distributions are here, then that they are being put in place."""

    def __init__(self, count: int) -> None:
        """Expect about `count` distributions."""
        self.count, self.seen, self.told = count, 0, time.monotonic()

    def __call__(self, line: str) -> None:
        """Take one line of pip's output."""
        if line.startswith(("Collecting ", "Requirement already satisfied", "Ignoring ")):
            self.seen += 1
            if time.monotonic() - self.told > 4:
                self.told = time.monotonic()
                say(f"  fetched {self.seen} of {self.count} …")
        elif line.startswith("Installing collected"):
            say("  all fetched; putting them in place …")


def call(
    command: Sequence[str],
    trouble: str,
    tell: Callable[[str], None] = lambda line: None,
    variables: dict[str, str] | None = None,
) -> None:
    """Run a command, passing its lines to `tell`; when it fails, show its last lines and raise `CannotGoOn`."""
    lines: list[str] = []
    with subprocess.Popen(
        command,
        env=clean_variables() if variables is None else variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                lines.append(line)
                tell(line.strip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        sys.stderr.write("".join(lines[-12:]))
        reason = "the disk is full" if "No space left" in "".join(lines) else "the lines above say why"
        raise CannotGoOn(f"{trouble}: {reason}; once that is mended, the same command goes on.")


@dataclass(frozen=True)
class Tool:
    """A program of the operating system which the course or its tests use when it is there."""

    commands: tuple[str, ...]
    package: str
    without: str
    purposes: tuple[str, ...]
    extra: tuple[str, ...] = ()
    cached: str = ""

    def present(self) -> bool:
        """Tell whether one of its commands is on PATH, or the course has fetched it for itself."""
        cache = Path(os.environ.get("WHEELHOUSE_CACHE") or COURSE / ".cache" / "wheelhouse")
        fetched = bool(self.cached) and any((cache / self.cached).glob("*"))
        return fetched or any(shutil.which(command) for command in self.commands)


TOOLS = (
    Tool(("git",), "git", "exercises on version control can't be done", ("lab", "test")),
    Tool(
        ("bwrap",),
        "bubblewrap",
        "the sandbox protects less (`course doctor` says what it can do here)",
        ("test",),
        cached="bubblewrap",  # a wheel of it is fetched where the system has none
    ),
    Tool(
        ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
        "chromium",
        "the tests in a browser are skipped",
        ("test",),
        extra=("fonts-dejavu-core",),
    ),
    Tool(("zsh",), "zsh", "the tests of the sandbox's zsh are skipped", ("test",)),
)


def missing_tools(purpose: str) -> list[Tool]:
    """Give the system's tools that this purpose needs and that are not there."""
    missing = [tool for tool in TOOLS if purpose in tool.purposes and not tool.present()]
    return [tool for tool in missing if sys.platform != "darwin" or tool.package != "bubblewrap"]


def provide_tools(purpose: str) -> None:
    """Install the system's tools where that needs no question: as root, on Debian or Ubuntu."""
    missing = missing_tools(purpose)
    if missing and sudo() == "" and shutil.which("apt-get"):
        names = [name for tool in missing for name in (tool.package, *tool.extra)]
        say(f"Installing {', '.join(names)} with apt-get, as you are root …")
        apt_install(names)


def tell_missing_tools(purpose: str) -> None:
    """Say which of the system's tools are still missing, what that means, and what to type."""
    for tool in missing_tools(purpose):
        by_apt = f"type `{sudo()}apt-get install {tool.package}`"
        how = by_apt if shutil.which("apt-get") else f"install {tool.package}"
        say(f"Note: without {tool.package} {tool.without}; to have it, {how}.")


def sudo() -> str:
    """Give what has to stand before a command that changes the system."""
    return "" if os.geteuid() == 0 else "sudo "


def apt_install(names: Sequence[str]) -> bool:
    """Install Debian packages without a question, with fresh lists when the old ones don't do; tell whether it worked."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    options = ["-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=2"]
    commands = (
        ["apt-get", *options, "install", "--yes", "--no-install-recommends", *names],
        ["apt-get", *options, "update"],
        ["apt-get", *options, "install", "--yes", "--no-install-recommends", *names],
    )
    for command in commands:
        done = subprocess.run(
            command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and "install" in command:
            return True
    sys.stderr.write(done.stderr[-600:])
    return False


SEED = "from autograder.sandbox.seed import seed; seed(lambda text: print(text, flush=True))"


def provide_the_rest(folder: Path) -> None:
    """Let the course fetch the real distributions of its index and its sandbox's tools; without a network it works with what is there.

    Beside that, which mostly waits for the network, the sandbox's own Python is made. What goes wrong with it is told when it is needed.
    """
    command = [str(folder / "bin" / "course"), "index", "fetch"]
    variables = clean_variables()
    with subprocess.Popen(
        [str(python_of(folder)), "-c", SEED],
        cwd=COURSE,
        env=variables,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as seed:
        try:
            done = subprocess.run(command, cwd=COURSE, env=variables, stdin=subprocess.DEVNULL, check=False)
            seed.wait()
        except BaseException:
            seed.terminate()
            raise
    if done.returncode:
        say(
            "Note: some real distributions or tools are missing; what needs them will say so, and the same command fetches them later."
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the environment for one purpose; exit status 1 when something is missing, 130 when stopped."""
    parser = argparse.ArgumentParser(
        prog="bootstrap.py", description="Make the course's environment, exactly as locked."
    )
    parser.add_argument(
        "purpose", choices=sorted(LOCKS), help="what it is made for: lab (the course), or test (and its tests)"
    )
    parser.add_argument("--folder", type=Path, default=COURSE / ".venv", help="where to make it (default: .venv)")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        make(options.purpose, options.folder.absolute())
        provide_tools(options.purpose)
        provide_the_rest(options.folder.absolute())
        tell_missing_tools(options.purpose)
    except CannotGoOn as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as problem:
        print(
            f"The environment can't be made: {problem}; once that is mended, the same command goes on.", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the same command goes on.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
