"""Tests of `autograder.requirements`: requirements files as pip reads them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from autograder.exceptions import Failed
from autograder.index import PackageIndex
from autograder.requirements import Requirements
from autograder.tree import FolderTree
from autograder.workspace import Workspace
from real_environments import facts, fails

EVERYTHING = """\
# what the shop needs
--index-url http://127.0.0.1:8080/pypi/simple/   # ours
-c constraints.txt
leftpad==1.1            # pinned
Shop.Lib >= 1.5, < 2 ; python_version < "3.12"
pricetag[fancy]==1.0 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
orm===2.0
wild==1.*
-e ./desk
--editable=git+https://git.example/team/till.git#egg=till
kiosk @ file:///home/learner/project/kiosk
./wheels/labels-1.0-py3-none-any.whl
-r more/dev.txt
"""


@pytest.fixture
def read(tmp_path: Path, index: PackageIndex):  # type: ignore[no-untyped-def]
    """Read the requirements file of this workspace."""
    seen_at = facts(tmp_path)
    return lambda path="requirements.txt": Workspace(FolderTree(tmp_path), seen_at, index.known).requirements(path)


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's index."""
    return PackageIndex.open()


def test_everything_pip_takes(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    """Comments, options, markers, extras, hashes over several lines, editables, places and included files."""
    (tmp_path / "requirements.txt").write_text(EVERYTHING)
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "dev.txt").write_text("pytest\n")
    found = read()
    assert found.names == ("kiosk", "leftpad", "orm", "pricetag", "pytest", "shop-lib", "wild")
    assert found.pins == {"leftpad": Version("1.1"), "pricetag": Version("1.0"), "orm": Version("2.0")}
    assert found.options == ["--index-url http://127.0.0.1:8080/pypi/simple/", "-c constraints.txt", "-r more/dev.txt"]
    assert found.line("PriceTag").hashes == ("sha256:aaaa", "sha256:bbbb")
    assert (found.line("pricetag").number, found.line("orm").number) == (6, 9)
    assert found.line("pytest").file == "more/dev.txt"
    marker = found.line("shop_lib").requirement.marker
    assert not marker.evaluate({"python_version": "3.13"})
    assert [line.editable for line in found.lines].count(True) == 2


def test_what_pip_freezes_is_read(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    """The real `pip freeze` of this environment, editables and all."""
    done = subprocess.run([sys.executable, "-m", "pip", "freeze"], capture_output=True, text=True, check=True)
    (tmp_path / "requirements.txt").write_text(done.stdout)
    assert "packaging" in read().pins


def test_what_powershell_writes_is_read(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    """`pip freeze > requirements.txt` makes UTF-16 there, which pip reads."""
    (tmp_path / "requirements.txt").write_bytes("leftpad==1.1\r\npricetag==1.0\r\n".encode("utf-16"))
    assert read().names == ("leftpad", "pricetag")


def test_missing_file(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    """Nothing there."""
    fails(read, tmp_path, "^There is no file `requirements.txt`")


def test_missing_included_file(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    """What is included isn't there, nor outside the workspace."""
    (tmp_path / "requirements.txt").write_text("-r dev.txt\n")
    fails(read, tmp_path, "no file `dev.txt`")
    (tmp_path / "requirements.txt").write_text("-r ../../etc/dev.txt\n")
    with pytest.raises(Failed):
        read()


def test_files_that_include_each_other(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    """A circle ends."""
    (tmp_path / "requirements.txt").write_text("-r a.txt\n")
    (tmp_path / "a.txt").write_text("leftpad\n-r requirements.txt\n")
    fails(read, tmp_path, "`a.txt` includes `requirements.txt`, which includes it in turn")


@pytest.mark.parametrize(
    "line", ["leftpad=1.1", "left pad", "leftpad==", "pip install leftpad", "leftpad; python_version < 3.12", "=="]
)
def test_bad_line(tmp_path: Path, read, line: str) -> None:  # type: ignore[no-untyped-def]
    """A line that pip wouldn't take is shown, with its number."""
    (tmp_path / "requirements.txt").write_text(f"# pinned\nleftpad==1.1\n{line}\n")
    fails(read, tmp_path, "^Line 3 of `requirements.txt` is no requirement: `")


def test_pins(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    """A pin is found; what isn't one, or is another, is said with its line."""
    (tmp_path / "requirements.txt").write_text("leftpad==1.1\npricetag>=1\nwild==1.*\n")
    found = read()
    assert found.pin("LeftPad") == found.pin("leftpad", "==1.1") == Version("1.1")
    fails(lambda: found.pin("leftpad", "==1.2"), tmp_path, "Line 1 of `requirements.txt` pins `leftpad` to 1.1")
    fails(lambda: found.pin("pricetag"), tmp_path, "Line 2 .* is `pricetag>=1`, which allows more than one version")
    fails(lambda: found.pin("wild", "==1.0"), tmp_path, "Line 3 .* allows more than one version")
    failed = fails(
        lambda: found.pin("shoplib"), tmp_path, "asks for `leftpad`, `pricetag` and `wild`, not for `shoplib`"
    )
    assert failed.expected == "`requirements.txt` asks for `shoplib`."


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(st.binary(max_size=200), st.text("-re= ;#\\\n'\"[]()<>=!~,.@/$abc1", max_size=80).map(str.encode))
)
def test_no_bytes_break_the_reader(content: bytes) -> None:
    """Whatever a requirements file holds, there are requirements or a Failed."""
    with contextlib.suppress(Failed):
        found = Requirements("requirements.txt", lambda path: content)
        assert len(found.names) <= len(found.lines)
        assert all(isinstance(pin, Version) for pin in found.pins.values())
