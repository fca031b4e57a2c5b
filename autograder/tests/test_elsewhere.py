"""Tests of `autograder.elsewhere`."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from autograder import elsewhere
from autograder.elsewhere import find_elsewhere
from autograder.tree import FolderTree

SITE = "shop/.venv/lib/python3.11/site-packages"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with one environment, `shop/.venv`, in which nothing is installed."""
    (tmp_path / SITE).mkdir(parents=True)
    (tmp_path / "shop" / ".venv" / "pyvenv.cfg").touch()
    return tmp_path


def find(workspace: Path) -> tuple[str, str] | None:
    """Look for pricetag."""
    return find_elsewhere(FolderTree(workspace), "pricetag", "shop/.venv", SITE, PurePosixPath(workspace))


@pytest.mark.parametrize(
    "folder", ["shop/other/lib/python3.12/site-packages", "shop", "shop/vendor", "shop/a/b/c/vendor"]
)
def test_it_is_found_in_the_project(workspace: Path, folder: str) -> None:
    """In another environment, or where `--target` put it."""
    (workspace / folder / "pricetag-1.0.dist-info").mkdir(parents=True)
    (workspace / "shop" / "other").mkdir(exist_ok=True)
    (workspace / "shop" / "other" / "pyvenv.cfg").touch()
    assert find(workspace) == ("pricetag 1.0", folder)


def test_another_project_is_no_clue(workspace: Path) -> None:
    """What a neighbour's environment holds says nothing about this one; what a path file leads to does."""
    (workspace / "bakery" / "pricetag-1.0.dist-info").mkdir(parents=True)
    assert find(workspace) is None

    (workspace / SITE / "more.pth").write_text(f"# a comment\nimport os\n{workspace}/bakery\n/elsewhere\n")
    assert find(workspace) == ("pricetag 1.0", "bakery")


def test_what_is_installed_here_is_not_elsewhere(workspace: Path) -> None:
    """The environment's own folder isn't looked at."""
    (workspace / SITE / "pricetag-1.0.dist-info").mkdir()
    assert find(workspace) is None


def test_the_search_has_an_end(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a workspace full of folders only the nearest are looked at."""
    monkeypatch.setattr(elsewhere, "MOST_FOLDERS_SEARCHED", 10)
    for number in range(20):
        (workspace / "shop" / f"{number:02}" / "pricetag-1.0.dist-info").mkdir(parents=True)
    assert find(workspace) == ("pricetag 1.0", "shop/00")
    for number in range(12):
        (workspace / "shop" / f"{number:02}" / "pricetag-1.0.dist-info").rmdir()
    assert find(workspace) is None
