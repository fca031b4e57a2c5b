"""The real distributions that lessons need: locked by hash in `mirror.txt`, fetched once, then there without a network.

pip fetches them, from wherever this machine's own configuration says; the hashes say whether it was given the right files.
Without them the course still runs on its fixtures: a missing mirror is no error, only building from source is then impossible.
"""

from __future__ import annotations

__all__ = ["Locked", "bar", "fetch_mirror", "locked_wheels", "mirror_wheels", "why_pip_failed"]

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from autograder.exceptions import CourseError
from autograder.index.known import bundled_wheels
from autograder.index.mirror_lock import Locked, fitting, read_lock
from autograder.index.store import Held, Store, describe

_BATCH = 6
"""So many with one pip, and twice as many where there are many: what an earlier batch fetched survives when the network goes away."""
_AT_ONCE = 3
"""So many pips at once: most of the time each waits for the network."""
_SECONDS = 600
_AGAIN = "run `course index fetch` again: it goes on where it stopped."


def locked_wheels(text: str | None = None) -> list[Locked]:
    """Give those files of `mirror.txt`, or of the text given, that fit the Python that runs; see `read_lock`."""
    return fitting(read_lock(text))


def mirror_wheels(
    store: Store, wanted: Sequence[Locked] | None = None, sites: tuple[str, ...] = ("pypi",)
) -> list[Held]:
    """Give those wheels of the mirror (or of `wanted`) that have been fetched, to stand on these indexes."""
    found = []
    for locked in locked_wheels() if wanted is None else wanted:
        # the moment is part of the table, and of its name, so that a better lock is believed
        moment = "".join(filter(str.isdigit, locked.uploaded))
        where = "mirror" if sites == ("pypi",) else "-".join(sites)
        try:
            found += store.table(f"{where}-{locked.sha256}-{moment}", lambda: [_described(store, locked, sites)])  # noqa: B023
        except FileNotFoundError:
            continue
    return found


def _described(store: Store, locked: Locked, sites: tuple[str, ...]) -> Held:
    path = store.path(locked.sha256)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != locked.sha256:
        path.unlink(missing_ok=True)
        raise FileNotFoundError(path)
    held, metadata = describe(locked.filename, data, origin="mirror", uploaded=locked.uploaded, sites=sites)
    return store.keep(held, data, metadata)


def bar(done: int, whole: int) -> str:
    """Draw how far we are: `[#######-------------]  7 of 20`."""
    filled = 20 * done // max(whole, 1)
    return f"[{'#' * filled}{'-' * (20 - filled)}] {done:>{len(str(whole))}} of {whole}"


def fetch_mirror(
    store: Store, say: Callable[[str], None] = print, wanted: Sequence[Locked] | None = None, url: str = ""
) -> list[str]:
    """Fetch what is missing of the mirror into the store; gives the names of the files that came.

    `url` is that of the Simple API to fetch from; empty: wherever this machine's pip looks.
    Can be broken off and called again at any time, also by several processes at once. `say` is told of the progress.

    Raises:
        CourseError: pip couldn't fetch something, or gave other files than the locked ones; all that could be had is there.
    """
    wanted = locked_wheels() if wanted is None else wanted
    have = {held.file.sha256 for held in mirror_wheels(store, wanted)}
    missing = [locked for locked in wanted if locked.sha256 not in have]
    if missing:
        say(f"mirror {bar(len(have), len(wanted))} distributions")
    came: list[Locked] = []
    failed: list[tuple[list[Locked], CourseError]] = []

    def fetch(batches: list[list[Locked]]) -> None:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while batches and (came or not failed):  # when nothing at all can be had, it is the network
                now = [batches.pop(0) for _ in batches[:_AT_ONCE]]
                for batch, problem in zip(now, pool.map(lambda one: _fetch(store, one, url), now), strict=True):
                    if problem is None:
                        came.extend(batch)
                        say(f"mirror {bar(len(have) + len(came), len(wanted))} distributions")
                    else:
                        failed.append((batch, problem))

    fetch(_batches(missing))
    if came and (again := [locked for batch, _ in failed if len(batch) > 1 for locked in batch]):
        # the network works, so it is one of each batch that can't be had, not all of it
        failed = [entry for entry in failed if len(entry[0]) == 1]
        fetch([[locked] for locked in again])
    if failed:
        raise failed[0][1]
    got = {held.file.sha256 for held in mirror_wheels(store, wanted)}
    if wrong := [locked.filename for locked in wanted if locked.sha256 not in got]:
        raise CourseError(
            f"The mirror got other files than the locked ones: {', '.join(wrong)}.",
            f"Look at pip's configuration (`pip config list`), then {_AGAIN}",
        )
    say(f"mirror: all {len(wanted)} distributions are here")
    return [locked.filename for locked in missing]


def _batches(missing: Sequence[Locked]) -> list[list[Locked]]:
    """Divide the files; none holds two versions of one distribution, which pip would take for a contradiction."""
    made: list[list[Locked]] = []
    most = _BATCH if len(missing) < 6 * _BATCH else 2 * _BATCH  # starting a pip takes a second of the processor
    for locked in missing:
        for batch in made:
            if len(batch) < most and locked.project not in {other.project for other in batch}:
                batch.append(locked)
                break
        else:
            made.append([locked])
    return made


def _fetch(store: Store, batch: Sequence[Locked], url: str) -> CourseError | None:
    """Fetch a few files; gives the reason where one of them can't be had."""
    try:
        with _folder(store) as folder:
            _download([f"{locked}\n" for locked in batch], folder, url)
            for locked in batch:
                path = folder / "wheels" / locked.filename
                if not path.is_file():
                    return CourseError(f"pip ended well but did not fetch {locked.filename}.", f"Please {_AGAIN}")
                store.put(path.read_bytes())
    except CourseError as error:
        return error
    return None


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


def _download(lines: list[str], folder: Path, url: str) -> None:
    """Let pip download into `<folder>/wheels` what the requirement lines say."""
    (folder / "requirements.txt").write_text("".join(lines), "utf-8")
    command = [*_pip(), "download", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    command += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command += ["--index-url", url] if url else []
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
        raise CourseError(
            f"The mirror could not be fetched: pip ended with status {ran.returncode}: {why_pip_failed(ran.stderr)}.",
            "Look at the network and at pip's configuration (`pip config list`), then "
            f"{_AGAIN} Without it the course runs, but nothing can be built from source.",
        )


def why_pip_failed(said: str) -> str:
    """Find the reason in what pip, or uv, wrote; where pip found nothing at all, it was the network rather than the distribution."""
    lines = [line.removeprefix("ERROR:").strip().rstrip(".") for line in said.splitlines() if line.strip()]
    errors = [
        line.removeprefix("ERROR:").strip().rstrip(".") for line in said.splitlines() if line.startswith("ERROR:")
    ]
    why = (errors or lines or ["it did not say why"])[-1]
    return f"{why}; no index answers" if "(from versions: none)" in said else why
