"""The mirror's lock: what it holds, which of it fits this machine, and how it is written."""

from __future__ import annotations

import datetime
import os
import re
import shutil
import socket
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.tags import sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename

from autograder.exceptions import CourseError
from autograder.index import PackageIndex
from autograder.index.mirror_lock import Locked, fitting, lock_mirror, read_lock


def _locked(name: str, *wheels: str) -> list[Locked]:
    return [Locked(f"{name}==1", f"{number:064x}", f"{name}-1-{wheel}.whl") for number, wheel in enumerate(wheels)]


def test_every_line_is_a_wheel_of_its_requirement() -> None:
    """Name and version stand in each line twice and agree; no file is there twice; each was uploaded in the past."""
    locked = read_lock()
    assert len({one.sha256 for one in locked}) == len({one.filename for one in locked}) == len(locked)
    now = datetime.datetime.now(datetime.UTC)
    for one in locked:
        name, version, _, _ = parse_wheel_filename(one.filename)
        wanted = Requirement(one.requirement)
        assert (canonicalize_name(wanted.name), True) == (name, wanted.specifier.contains(version, prereleases=True))
        assert datetime.datetime.fromisoformat(one.uploaded) < now


def test_a_line_is_written_as_it_is_read() -> None:
    """A locked file survives being written and read, with its moment and without."""
    locked = [
        Locked("a==1", "0" * 64, "a-1-py3-none-any.whl"),
        Locked("b==1!2", "1" * 64, "b-1!2-x.whl".replace("!", "_"), "2026-01-02T03:04:05Z"),
    ]
    assert read_lock("".join(f"{one}\n" for one in locked)) == locked


def test_lock_that_was_edited_is_named() -> None:
    """A line that is no locked wheel is told by its number."""
    with pytest.raises(CourseError, match="Line 2 "):
        read_lock("# comment\npip==26.3\n")


def test_pip_s_choice() -> None:
    """Of the wheels of a version, the one is taken that stands first in this Python's list of tags."""
    best, worse = (str(tag) for tag in list(sys_tags())[:2])
    wheels = _locked("thing", "cp27-cp27m-win32", worse, best, "py2-none-any")
    assert fitting(wheels) == [wheels[2]]


def test_what_fits_nowhere_here_is_not_wanted() -> None:
    """A distribution without a wheel for this machine is not asked for."""
    assert fitting(_locked("thing", "cp311-cp311-win32", "py2-none-any")) == []


def test_pure_wheels_fit() -> None:
    """A pure wheel fits every Python, however it is written."""
    wheels = [*_locked("one", "py3-none-any"), *_locked("two", "py2.py3-none-any")]
    assert fitting(wheels) == wheels


@pytest.mark.parametrize("python", ["cp311", "cp312", "cp313", "cp314"])
def test_every_python_and_system_is_served(python: str) -> None:
    """What has no pure wheel is locked for each system that asks for it, on both processors, for each Python of the course."""
    linux = ("manylinux.*x86_64", "manylinux.*aarch64", "musllinux.*x86_64")
    macos = ("macosx.*(x86_64|universal2)", "macosx.*(arm64|universal2)")
    platform = [one for one in read_lock() if not one.filename.endswith("-none-any.whl")]
    for requirement in {one.requirement for one in platform}:
        names = [one.filename for one in platform if one.requirement == requirement]
        for system in (*linux, *(macos if "macosx" in "".join(names) else ())):
            fits = re.compile(rf"-({python}-{python}|py3-none|cp3\d+-abi3)-.*{system}")
            assert any(fits.search(name) for name in names), (requirement, python, system)


def test_uv_and_its_backend_go_together() -> None:
    """What `uv init` writes into a new project's build-system can be had from the mirror."""
    root = Path(__file__).parents[2]
    uv = re.search(r"^uv==([\d.]+)", (root / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    backend = next(one for one in read_lock() if one.project == "uv-build")
    assert uv is not None
    major, minor = map(int, uv[1].split(".")[:2])
    wanted = Requirement(f"uv_build>={uv[1]},<{major}.{minor + 1}.0")
    assert wanted.specifier.contains(backend.requirement.partition("==")[2]), (
        "pin uv in requirements.in to uv-build's version"
    )


@pytest.fixture
def configured_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PackageIndex:
    """A machine whose uv is configured to use an index of fixtures, and nothing else."""
    for name in os.environ:
        if name.startswith("UV_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    return PackageIndex.open(tmp_path / "origin")


@pytest.mark.skipif(shutil.which("uv") is None, reason="authors write the lock with uv")
def test_lock(configured_uv: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paragraphs are resolved apart, requirements come along, hashes and moments are the index's, no host is named."""
    source, target = tmp_path / "mirror.in", tmp_path / "mirror.txt"
    source.write_text("# two versions\nleftpad==1.1\n\nleftpad==1.0\n", "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener, configured_uv.serve(listener):
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{listener.getsockname()[1]}/pypi/simple/")
        lock_mirror(source, target)
        files = {file.filename: file for file in configured_uv.files("leftpad")}
        text = target.read_text("utf-8")
        locked = read_lock(text)
        assert [one.requirement for one in locked] == ["leftpad==1.0", "leftpad==1.1"]
        for one in locked:
            assert one.sha256 == files[one.filename].sha256
            assert one.uploaded[:19] == files[one.filename].uploaded[:19]
        assert "://" not in text
        source.write_text("leftpad==99\n", "utf-8")
        with pytest.raises(CourseError, match="uv can't resolve leftpad==99"):
            lock_mirror(source, target)
    assert target.read_text("utf-8") == text
