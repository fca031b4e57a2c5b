"""Names and certificates are made once, kept to ourselves, shared, and replaced in time."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.exceptions import CourseError
from autograder.index import PackageIndex
from autograder.index import doors as module
from autograder.index.doors import open_doors

DAY = 86400.0


def test_they_are_made_once_and_kept(tmp_path: Path) -> None:
    """The second question costs a look at a few files."""
    first = open_doors(tmp_path)
    begun = time.perf_counter()
    again = open_doors(tmp_path)
    assert time.perf_counter() - begun < 1
    assert again == first
    assert first.good()
    assert [file.name for file in first.folder.parent.iterdir() if file.name.startswith(".")] == []


def test_nobody_else_can_read_the_key(tmp_path: Path) -> None:
    """And what a sandbox is shown has none in it."""
    doors = open_doors(tmp_path)
    assert stat.S_IMODE((doors.folder / "chain.pem").stat().st_mode) == 0o600
    assert b"PRIVATE" not in doors.bundle.read_bytes()
    assert {file.name for file in doors.authority.iterdir()} > {"ca-certificates.crt"}
    assert not (doors.authority / "chain.pem").exists()


def test_processes_at_once_get_the_same(tmp_path: Path) -> None:
    """A notebook and a terminal which start together trust one authority."""
    program = (
        "import sys; from pathlib import Path; from autograder.index.doors import open_doors;"
        "print(open_doors(Path(sys.argv[1])).folder)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    told = {process.communicate(timeout=60)[0] for process in started}
    assert [process.returncode for process in started] == [0] * 4
    assert len(told) == 1


@pytest.mark.parametrize("days", [-400.0, -10.0, 325.0, 400.0])
def test_a_new_one_is_made_before_the_old_one_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    """Also when the clock was wrong when the old one was made; what has ended is cleared away."""
    old = open_doors(tmp_path)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + days * DAY)
    assert not old.good()
    monkeypatch.undo()
    told = old.folder / "door.json"
    told.write_text(
        told.read_text()
        .replace(str(old.begins), str(old.begins - days * DAY))
        .replace(str(old.ends), str(old.ends - days * DAY))
    )
    new = open_doors(tmp_path)
    assert new.folder != old.folder
    assert new.good()
    assert old.folder.exists() == (days < 360)


def test_one_lasts_for_months(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JupyterLab that stays open for weeks serves what it began with."""
    doors = open_doors(tmp_path)
    now = time.time
    for days in (-2.0, 100.0, 300.0):
        monkeypatch.setattr(time, "time", lambda days=days: now() + days * DAY)
        assert doors.good()


@pytest.mark.parametrize("damage", ["all", "bundle", "told"])
def test_an_emptied_cache_is_filled_again(tmp_path: Path, damage: str) -> None:
    """It may be deleted at any time, also by halves, also under an index that is open."""
    index = PackageIndex.open(tmp_path)
    first = index.doors
    assert first is not None
    if damage == "all":
        shutil.rmtree(tmp_path / "doors")
    elif damage == "bundle":
        first.bundle.unlink()
    else:
        first.bundle.unlink()
        (first.folder / "door.json").write_text("{")
    again = index.doors
    assert again is not None
    assert again.good()
    assert again.context.cert_store_stats() is not None


def test_without_the_library_there_are_no_doors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index says why, with a next step, and serves as before."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    index = PackageIndex.open(tmp_path)
    assert index.doors is None
    assert index.why_no_doors is not None
    assert "`cryptography`" in index.why_no_doors.message
    assert index.why_no_doors.next_step


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With what to do."""
    (tmp_path / "doors").write_text("a file where a folder should be")
    with pytest.raises(CourseError, match="certificates can't be kept") as caught:
        open_doors(tmp_path)
    assert "WHEELHOUSE_CACHE" in caught.value.next_step
    assert os.listdir(tmp_path) == ["doors"]


def test_a_pip_of_a_new_kind_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that can't be read are our fault, and said so."""

    def read() -> None:
        raise LookupError("pip-99.0 doesn't say where the indexes are")

    monkeypatch.setattr(module, "read_hosts", read)
    with pytest.raises(CourseError, match=r"pip-99\.0"):
        open_doors(tmp_path)


def test_only_our_names_have_a_prefix(tmp_path: Path) -> None:
    """Whatever else a Host header or CONNECT says stands for nothing."""
    doors = open_doors(tmp_path)
    assert doors.prefix("packages.shop.example") == "/company"
    assert doors.prefix("Packages.Shop.Example.:443") == "/company"
    for other in (
        "",
        "shop.example",
        "x.packages.shop.example",
        "packages.shop.example:80",
        "127.0.0.1:443",
        "a:b:443",
    ):
        assert doors.prefix(other) is None
