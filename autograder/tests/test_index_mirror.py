"""Fetching the locked wheels, with the real pip from a real index (another one of ours)."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.exceptions import CourseError
from autograder.index import PackageIndex, mirror
from autograder.index.mirror import fetch_mirror, locked_wheels, mirror_wheels
from autograder.index.mirror_lock import Locked
from autograder.index.store import Store


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """The index from which the mirror is fetched: its fixtures stand for the world's distributions."""
    return PackageIndex.open(tmp_path_factory.mktemp("origin"))


@pytest.fixture
def wanted(origin: PackageIndex) -> list[Locked]:
    """A lock of some of its wheels, more than fit in one batch."""
    found = []
    for name in ("leftpad", "shoplib", "shopfront", "pricetag", "netcore", "orm", "moderntool"):
        file = next(file for file in reversed(origin.files(name)) if file.filename.endswith(".whl"))
        found.append(Locked(f"{name}=={file.version}", file.sha256, file.filename))
    return found


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "cache", "key")


@pytest.fixture(autouse=True)
def configured_pip(origin: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose pip is configured to use that index, and no other configuration."""
    for name in os.environ:
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as listener, origin.serve(listener):
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/pypi/simple/")
        yield


def test_fetch_and_fetch_again(store: Store, wanted: list[Locked]) -> None:
    """Everything comes with the progress told; the second time there is nothing to do; nothing temporary stays."""
    said: list[str] = []
    assert fetch_mirror(store, said.append, wanted) == [locked.filename for locked in wanted]
    assert said == [
        "mirror [--------------------] 0 of 7 distributions",
        "mirror [#################---] 6 of 7 distributions",
        "mirror [####################] 7 of 7 distributions",
        "mirror: all 7 distributions are here",
    ]
    held = mirror_wheels(store, wanted)
    assert [(entry.file.sha256, entry.file.origin) for entry in held] == [
        (locked.sha256, "mirror") for locked in wanted
    ]
    assert fetch_mirror(store, said.append, wanted) == []
    assert not list(store.folder.glob(".*"))


def test_goes_on_where_it_stopped(store: Store, wanted: list[Locked]) -> None:
    """Only what is missing or damaged is fetched."""
    fetch_mirror(store, lambda _: None, wanted[:3])
    store.path(wanted[1].sha256).write_bytes(b"damaged")
    came = fetch_mirror(store, lambda _: None, wanted)
    assert came == [locked.filename for locked in [wanted[1], *wanted[3:]]]
    assert len(mirror_wheels(store, wanted)) == 7


def test_one_failure_costs_nothing_else(store: Store, wanted: list[Locked]) -> None:
    """When something can't be had, pip's reason and the next step are told, and all the rest is there."""
    stranger = Locked("nobody-made-this==1.0", "0" * 64, "nobody_made_this-1.0-py3-none-any.whl")
    with pytest.raises(CourseError) as caught:
        fetch_mirror(store, lambda _: None, [stranger, *wanted])
    assert "nobody-made-this==1.0" in caught.value.message
    assert "course index fetch" in caught.value.next_step
    assert len(mirror_wheels(store, wanted)) == 7
    assert not list(store.folder.glob(".*"))


def test_two_versions_of_one(store: Store, origin: PackageIndex) -> None:
    """Two versions of one distribution come together, though pip would take them for a contradiction."""
    files = [file for file in origin.files("leftpad") if file.filename.endswith(".whl")][:2]
    wanted = [Locked(f"leftpad=={file.version}", file.sha256, file.filename) for file in files]
    assert len(fetch_mirror(store, lambda _: None, wanted)) == 2


def test_uploaded_when_the_lock_says(store: Store, wanted: list[Locked]) -> None:
    """A file's moment of upload is the lock's, also when the lock learns it later."""
    fetch_mirror(store, lambda _: None, wanted[:1])
    assert [entry.file.uploaded for entry in mirror_wheels(store, wanted[:1])] == [""]
    better = [dataclasses.replace(wanted[0], uploaded="2026-01-02T03:04:05Z")]
    assert [entry.file.uploaded for entry in mirror_wheels(store, better)] == ["2026-01-02T03:04:05Z"]


def test_wrong_file_is_refused(store: Store, wanted: list[Locked]) -> None:
    """A file with another hash than the locked one never gets in."""
    wrong = Locked(wanted[0].requirement, "0" * 64, wanted[0].filename)
    with pytest.raises(CourseError, match="pip ended with status 1"):
        fetch_mirror(store, lambda _: None, [wrong])
    assert mirror_wheels(store, wanted) == []


def test_no_network(store: Store, wanted: list[Locked], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network there is one sentence, and the index works without the mirror."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        with pytest.raises(CourseError, match="could not be fetched"):
            fetch_mirror(store, lambda _: None, wanted[:1])
    index = PackageIndex.open(store.folder.parent)
    assert index.missing == [locked.filename for locked in locked_wheels()]
    assert "leftpad" in index.projects


def test_two_at_once(store: Store, wanted: list[Locked]) -> None:
    """Two that fetch at the same time both end well."""
    failed: list[BaseException] = []

    def fetch() -> None:
        try:
            fetch_mirror(store, lambda _: None, wanted[:2])
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(mirror_wheels(store, wanted[:2])) == 2


def test_python_without_pip(store: Store, wanted: list[Locked], monkeypatch: pytest.MonkeyPatch) -> None:
    """In an environment without pip, the one that Python carries does it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert fetch_mirror(store, lambda _: None, wanted[:1]) == [wanted[0].filename]


def test_lock_is_clean() -> None:
    """The real lock parses, holds what building and environments need, and names no host."""
    names = {locked.project for locked in locked_wheels()}
    assert {"pip", "virtualenv", "setuptools", "wheel", "hatchling", "flit-core", "poetry-core", "build"} <= names
    text = Path(mirror.__file__).with_name("mirror.txt").read_text("utf-8")
    assert "://" not in text
    assert "index" not in text.replace("course index lock", "")
