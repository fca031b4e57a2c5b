"""The real distributions that lessons need: locked by hash in `mirror.txt`, fetched once, then there without a network.

pip fetches them, from wherever this machine's own configuration says; the hashes say whether it was given the right files.
Without them the course still runs on its fixtures: a missing mirror is no error, only building from source is then impossible.
"""

from __future__ import annotations

__all__ = ["Locked", "fetch_mirror", "lock_mirror", "locked_wheels", "mirror_wheels"]

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from autograder.exceptions import CourseError
from autograder.index.known import bundled_wheels
from autograder.index.store import Held, Store, describe

_HERE = Path(__file__).parent
_BATCH = 6
"""So many at once: what an earlier batch fetched survives when the network goes away."""
_SECONDS = 600
_AGAIN = "run `python -m autograder.index --fetch-mirror` again: it goes on where it stopped."


@dataclass(frozen=True)
class Locked:
    """One line of `mirror.txt`."""

    requirement: str
    """Such as `pip==26.3`."""
    sha256: str
    filename: str

    def __str__(self) -> str:
        """Write it as a line that pip reads too."""
        return f"{self.requirement} --hash=sha256:{self.sha256}  # {self.filename}"


def locked_wheels(text: str | None = None) -> list[Locked]:
    """Read `mirror.txt`, or the text given.

    Raises:
        CourseError: a line is neither a comment nor a locked wheel.
    """
    if text is None:
        text = (_HERE / "mirror.txt").read_text("utf-8")
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([\w.-]+==[\w.!+-]+) --hash=sha256:([0-9a-f]{64})  # ([\w.+-]+-none-any\.whl)", line)
        if match is None:
            raise CourseError(
                f"Line {number} of the index's mirror.txt is no locked wheel.",
                "Write the file anew by `python -m autograder.index --lock-mirror`.",
            )
        found.append(Locked(match[1], match[2], match[3]))
    return found


def mirror_wheels(store: Store, wanted: Sequence[Locked] | None = None) -> list[Held]:
    """Give those wheels of the mirror (or of `wanted`) that have been fetched."""
    found = []
    for locked in locked_wheels() if wanted is None else wanted:
        try:
            found += store.table(f"mirror-{locked.sha256}", lambda: [_described(store, locked)])  # noqa: B023
        except FileNotFoundError:
            continue
    return found


def _described(store: Store, locked: Locked) -> Held:
    path = store.path(locked.sha256)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != locked.sha256:
        path.unlink(missing_ok=True)
        raise FileNotFoundError(path)
    held, metadata = describe(locked.filename, data, origin="mirror")
    return store.keep(held, data, metadata)


def fetch_mirror(store: Store, say: Callable[[str], None] = print, wanted: Sequence[Locked] | None = None) -> list[str]:
    """Fetch what is missing of the mirror into the store; gives the names of the files that came.

    Can be broken off and called again at any time, also by several processes at once. `say` is told of the progress.

    Raises:
        CourseError: pip couldn't fetch something, or gave other files than the locked ones.
    """
    wanted = locked_wheels() if wanted is None else wanted
    have = {held.file.sha256 for held in mirror_wheels(store, wanted)}
    missing = [locked for locked in wanted if locked.sha256 not in have]
    if not missing:
        say(f"mirror: all {len(wanted)} distributions are here")
        return []
    came: list[str] = []
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        done = len(wanted) - len(missing) + start
        names = ", ".join(locked.requirement for locked in batch)
        say(f"mirror: {done} of {len(wanted)} distributions are here, fetching {names}")
        with _folder(store) as folder:
            lines = [f"{locked}\n" for locked in batch]
            _download(lines, folder)
            for locked in batch:
                path = folder / "wheels" / locked.filename
                if not path.is_file():
                    raise CourseError(f"pip ended well but did not fetch {locked.filename}.", f"Please {_AGAIN}")
                store.put(path.read_bytes())
                came.append(locked.filename)
    got = {held.file.sha256 for held in mirror_wheels(store, wanted)}
    if wrong := [locked.filename for locked in wanted if locked.sha256 not in got]:
        raise CourseError(
            f"The mirror got other files than the locked ones: {', '.join(wrong)}.",
            f"Look at pip's configuration (`pip config list`), then {_AGAIN}",
        )
    say(f"mirror: all {len(wanted)} distributions are here")
    return came


@contextmanager
def _folder(store: Store) -> Iterator[Path]:
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".fetch-", dir=store.folder))
    except OSError as error:
        raise CourseError(
            f"The index can't write to its cache at {store.folder}: {error.strerror or error}.",
            "Free some space or set WHEELHOUSE_CACHE to a folder that can be written.",
        ) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-P", "-m", "pip"]
    # An environment made by uv has no pip: the one that Python carries for ensurepip runs from its wheel.
    for wheel in bundled_wheels():
        if wheel.name.startswith("pip-"):
            return [sys.executable, str(wheel / "pip")]
    raise CourseError(
        "This Python has no pip to fetch the mirror with.",
        "Install pip into this environment (`uv pip install pip`), then " + _AGAIN,
    )


def _download(lines: list[str], folder: Path) -> None:
    """Let pip download into `<folder>/wheels` what the requirement lines say."""
    (folder / "requirements.txt").write_text("".join(lines), "utf-8")
    command = [*_pip(), "download", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command += ["--dest", str(folder / "wheels"), "--requirement", str(folder / "requirements.txt")]
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            # The machine's own configuration counts, except where it would refuse to work outside an environment.
            env={**os.environ, "PIP_REQUIRE_VIRTUALENV": "0"},
        )
    except subprocess.TimeoutExpired:
        raise CourseError(
            f"The mirror could not be fetched: pip was not done after {_SECONDS} s.",
            f"Look at the network, then {_AGAIN}",
        ) from None
    if ran.returncode:
        said = [line for line in ran.stderr.splitlines() if line.startswith("ERROR:")]
        why = said[-1].removeprefix("ERROR:").strip().rstrip(".") if said else "it did not say why"
        raise CourseError(
            f"The mirror could not be fetched: pip ended with status {ran.returncode}: {why}.",
            "Look at the network and at pip's configuration (`pip config list`), then "
            f"{_AGAIN} Without it the course runs, but nothing can be built from source.",
        )


def lock_mirror() -> None:
    """Write `mirror.txt` anew from `mirror.in`; for authors, needs uv and a network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = folder / "full.txt"
        options = "-q --no-annotate --no-emit-index-url --universal --python-version 3.11 --generate-hashes --no-header"
        subprocess.run(
            ["uv", "pip", "compile", *options.split(), str(_HERE / "mirror.in"), "-o", str(full)],
            check=True,
        )
        # What only Windows needs (it has a marker) is never asked for where the course runs.
        entries = re.split(r"\n(?=\S)", full.read_text("utf-8").strip())
        _download([f"{entry}\n" for entry in entries if "os_name == 'nt'" not in entry], folder)
        lines = []
        for path in sorted((folder / "wheels").iterdir()):
            project, version = path.name.split("-")[:2]
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(str(Locked(f"{project.replace('_', '-')}=={version}", digest, path.name)))
    comment = "# Written by `python -m autograder.index --lock-mirror` from mirror.in: one pure wheel a line.\n"
    text = comment + "\n".join(lines) + "\n"
    locked_wheels(text)
    (_HERE / "mirror.txt").write_text(text, "utf-8")
