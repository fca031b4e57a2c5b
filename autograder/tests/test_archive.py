"""Tests of `autograder.archive`: real wheels and sdists, and what only pretends to be one."""

from __future__ import annotations

import gzip
import io
import tarfile
import time
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from autograder import archive
from autograder.archive import Sdist, Wheel, find_archives
from autograder.exceptions import Failed
from autograder.facts import Facts
from autograder.folder import index
from autograder.tree import FolderTree
from autograder.workspace import Workspace


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A folder dist with the releases of leftpad, as the course's index has them."""
    folder = tmp_path / "dist"
    folder.mkdir()
    here = index()
    for file in here.files("leftpad"):
        with here._open_file(file.sha256) as source:
            (folder / file.filename).write_bytes(source.read())
    (folder / "notes.txt").write_text("not a distribution")
    return folder


@pytest.fixture
def work(dist: Path) -> Workspace:
    """A workspace with that folder."""
    facts = Facts(PurePosixPath("/home/learner/project"), "/usr/local/bin", "3.11.7")
    return Workspace(FolderTree(dist.parent), facts, index().known)


def test_a_wheel_tells_what_it_is(work: Workspace) -> None:
    """Name, version, what it installs, its commands and its metadata are read from the newest wheel."""
    wheel = work.wheel("LeftPad")

    assert (wheel.project, str(wheel.version)) == ("leftpad", "1.2")
    assert wheel.installed == {"leftpad.py"}
    assert wheel.entry_points["console_scripts"] == {"leftpad": "leftpad:main"}
    assert wheel.metadata["license_expression"] == "MIT"
    assert b"def pad" in wheel.read("leftpad.py")
    wheel.require_valid()


def test_an_sdist_tells_what_it_is(work: Workspace) -> None:
    """Its files are named without the folder that holds them all."""
    sdist = work.sdist("leftpad")

    assert str(sdist.version) == "1.2"
    assert {"PKG-INFO", "pyproject.toml"} <= sdist.names
    assert sdist.metadata["name"] == "leftpad"
    sdist.require_valid()


def test_what_is_found_is_ordered_by_version(dist: Path) -> None:
    """1.10 comes after 1.9, and what belongs to another project is left out."""
    for name in ("teacup-1.9.tar.gz", "teacup-1.10.tar.gz", "tea_cup-2.0.tar.gz", "teacup.tar.gz"):
        (dist / name).touch()

    found = find_archives(FolderTree(dist.parent), "dist", "teacup")

    assert [path for _, path in found] == ["dist/teacup-1.9.tar.gz", "dist/teacup-1.10.tar.gz"]


def test_what_is_missing_is_told(work: Workspace) -> None:
    """No wheel, and no such file in a wheel: what is there instead is named."""
    with pytest.raises(Failed) as failed:
        work.wheel("teacup")
    assert "leftpad-1.0-py3-none-any.whl" in failed.value.found
    with pytest.raises(Failed) as failed:
        work.sdist("teacup", "build")
    assert failed.value.found == "There is no sdist in `build`."
    with pytest.raises(Failed) as failed:
        work.wheel("leftpad").read("other/leftpad.py")
    assert "There is `leftpad.py`." in failed.value.found


def _bomb() -> bytes:
    return gzip.compress(bytes(50_000_000))


def _wide() -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.txt", bytes(20_000_000))
    return made.getvalue()


def _pipe() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        one = tarfile.TarInfo("teacup-1.0/pipe")
        one.type = tarfile.FIFOTYPE
        archive.addfile(one)
    return made.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("teacup-1.0.tar.gz", _bomb(), "too much"),
        ("teacup-1.0.tar.gz", b"", "damaged"),
        ("teacup-1.0.tar.gz", b"\x1f\x8b\x08broken", "damaged"),
        ("teacup-1.0-py3-none-any.whl", _wide(), "too much"),
        ("teacup-1.0-py3-none-any.whl", b"PK\x05\x06", "damaged"),
        ("teacup.whl", b"", "not how such a file is called"),
    ],
)
def test_what_is_no_distribution_is_refused(name: str, data: bytes, says: str) -> None:
    """A bomb, an empty or a damaged file, and a name that is none: each in a sentence, in bounded memory."""
    with pytest.raises(Failed) as failed:
        (Wheel if name.endswith(".whl") else Sdist)(f"dist/{name}", data)

    assert says in failed.value.found


def test_only_regular_files_count() -> None:
    """What is no regular file in an sdist is as if it weren't there, and metadata can then be missing."""
    sdist = Sdist("teacup-1.0.tar.gz", _pipe())

    assert sdist.names == set()
    with pytest.raises(Failed):
        _ = sdist.metadata


def test_invalid_metadata_is_told(tmp_path: Path) -> None:
    """Metadata that no index would take is named with what is wrong in it."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        meta = "Metadata-Version: 2.4\nName: teacup\nVersion: 1.0\nLicense-Expression: Whatever You Like\n"
        archive.writestr("teacup-1.0.dist-info/METADATA", meta)
    wheel = Wheel("dist/teacup-1.0-py3-none-any.whl", made.getvalue())

    with pytest.raises(Failed) as failed:
        wheel.require_valid()

    assert "Whatever You Like" in failed.value.found
    assert wheel.entry_points == {}


def test_extended_headers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tar file whose headers are made to be slow is read for so long and no longer, and then counts as damaged."""
    monkeypatch.setattr(archive, "SECONDS", 0.5)
    for digits, times in ((8000, 500), (1_000_000, 1)):
        member = tarfile.TarInfo("x")
        member.type, member.size = tarfile.XHDTYPE, digits
        header = member.tobuf(tarfile.PAX_FORMAT) + (b"1" * digits).ljust(-(-digits // 512) * 512, b"\0")
        begun = time.perf_counter()
        with pytest.raises(Failed):
            Sdist("dist/x-1.0.tar.gz", gzip.compress(header * times))
        assert time.perf_counter() - begun < 10
