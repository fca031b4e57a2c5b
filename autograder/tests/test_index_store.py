"""The index's files in the cache: shared by processes, deleted at any time, damaged by anyone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from autograder.exceptions import CourseError
from autograder.index import PackageIndex
from autograder.index.store import describe


@pytest.fixture
def opened(tmp_path: Path) -> PackageIndex:
    """An index in a cache of its own."""
    return PackageIndex.open(tmp_path)


def shown(index: PackageIndex) -> list[tuple[str, str]]:
    """What an index offers."""
    return [(file.filename, file.sha256) for name in index.projects for file in index.files(name)]


def test_opening_twice_gives_the_same(opened: PackageIndex, tmp_path: Path) -> None:
    """The second opening reads what the first one wrote, and writes nothing."""
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert shown(PackageIndex.open(tmp_path)) == shown(opened)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_several_processes_open_an_empty_cache_at_once(tmp_path: Path) -> None:
    """All of them get the whole index, and no temporary file stays behind."""
    code = "import sys, pathlib; from autograder.index import PackageIndex as P; "
    code += "i = P.open(pathlib.Path(sys.argv[1])); print([f.sha256 for n in i.projects for f in i.files(n)])"
    running = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    said = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0] * 4
    assert len(said) == 1
    assert not list(tmp_path.rglob(".new-*"))


@pytest.mark.parametrize("damage", ["folder gone", "file gone", "file cut", "table cut", "table of another kind"])
def test_damaged_cache_is_mended(opened: PackageIndex, tmp_path: Path, damage: str) -> None:
    """Whatever is missing or damaged is made again when the index is opened."""
    file = next(file for file in opened.files("leftpad") if file.filename.endswith("1.1-py3-none-any.whl"))
    blob = tmp_path / "index" / "files" / file.sha256[:2] / file.sha256
    (table,) = tmp_path.glob("index/tables-*/fixtures.json")
    match damage:
        case "folder gone":
            shutil.rmtree(tmp_path / "index")
        case "file gone":
            blob.unlink()
        case "file cut":
            blob.write_bytes(blob.read_bytes()[:-1])
        case "table cut":
            table.write_bytes(table.read_bytes()[:1000])
        case "table of another kind":
            table.write_text('[{"file": {"name": 1}}]')
    again = PackageIndex.open(tmp_path)
    assert shown(again) == shown(opened)
    assert blob.stat().st_size == file.size
    assert again.known.content(file.sha256) is None  # a wheel is not a file of a wheel
    assert again.known.content(again.known.wheels("leftpad", "1.1")[0].files["leftpad.py"])


def test_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file where the folder should be is told in a sentence, with what to do."""
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(CourseError, match="can't write to its cache") as caught:
        PackageIndex.open(tmp_path / "cache")
    assert "WHEELHOUSE_CACHE" in caught.value.next_step


@pytest.mark.parametrize("filename", ["nonsense.whl", "leftpad-1.0-py3-none-any.whl", "leftpad-1.0.tar.gz", "a.txt"])
def test_damaged_distribution_is_named(filename: str) -> None:
    """A file that is no distribution is told by its name, not by a traceback."""
    with pytest.raises(CourseError, match=f"{filename} is no usable distribution"):
        describe(filename, b"this is no archive", origin="mirror")


def test_projects_and_releases(opened: PackageIndex) -> None:
    """Names are normalised, versions sorted as versions, pre-releases and yanked ones included."""
    assert opened.releases("ShopLib") == ["1.4", "1.5", "1.9", "2.0", "2.3"]
    assert opened.releases("internal-auth") == ["99.0"]
    assert opened.releases("internal-auth", "company") == ["1.0.0", "1.1.0", "1.2.0"]
    assert opened.files("internal-auth", "testpypi") == []
    assert opened.releases("pricetag") == ["1.0", "1.1", "2.0rc1"]
    assert opened.releases("till_scales") == ["0.9"]
    assert opened.releases("nobody-made-this") == []
    assert opened.projects == sorted(opened.projects)
    assert [file.yanked for file in opened.files("shoplib") if file.version == "1.4"] == [
        "total() leaves out the last price"
    ] * 2


def test_purpose_is_told_to_authors(opened: PackageIndex) -> None:
    """What a fixture is good for is known for each index on which it stands; of real distributions nothing is said."""
    assert opened.purpose("internal_auth", "company").startswith("The company's own.")
    assert opened.purpose("internal-auth").startswith("Anybody may register")
    assert opened.purpose("internal-auth").endswith("(lessons 11, 15)")
    assert opened.purpose("pip") == opened.purpose("internal-auth", "testpypi") == ""


def test_young_release_is_as_old_as_it_says(opened: PackageIndex) -> None:
    """A release with days-old seems to have been uploaded at midnight, so many days ago; the others when they say."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ages = {
        file.version: (midnight - datetime.fromisoformat(file.uploaded)).days for file in opened.files("daily-offers")
    }
    assert ages["1.2"] in (2, 3)  # the test may begin before midnight and end after it
    assert ages["1.1"] - ages["1.2"] == 28
    assert {file.uploaded for file in opened.files("daily-offers") if file.version == "1.0"} == {
        "2025-07-14T06:00:00.000000Z"
    }
