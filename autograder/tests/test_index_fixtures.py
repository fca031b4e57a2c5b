"""What is said about the fixtures: read as it is meant, complete, and a slip is named with its place."""

from __future__ import annotations

import re

import pytest

from autograder.exceptions import CourseError
from autograder.index.fixtures import Project, Release, read_fixtures, read_projects, texts

PROJECTS = read_projects(texts())
RELEASES = [release for project in PROJECTS for release in project.releases]
SMALL = """
[project.shop-x]
summary = "x"
[[project.shop-x.release]]
version = "1.0"
uploaded = 2024-01-01T00:00:00Z
files."shop_x.py" = "x = 1"
"""


def read(text: str) -> list[Release]:
    """Read the releases of one text."""
    return read_fixtures({"small.toml": text})


def project(text: str) -> Project:
    """Read the one project of a text."""
    (found,) = read_projects({"small.toml": text})
    return found


def test_stories_needed_by_lessons_are_there() -> None:
    """The releases that lessons 06 and 07 name exist, with the kinds of release that installers treat in their own way."""
    stems = {release.stem for release in RELEASES}
    assert {"leftpad-1.0", "leftpad-1.1", "leftpad-1.2", "shoplib-1.5", "shoplib-2.3", "shopfront-1.0"} <= stems
    assert {"pricetag-1.0", "legacytool-1.0", "legacytool-1.1", "moderntool-1.0", "netcore-1.1", "orm-1.0"} <= stems
    assert any(release.yanked for release in RELEASES)
    assert any(release.formats == ["sdist"] for release in RELEASES)
    assert any(release.requires_python == ">=3.99" for release in RELEASES)
    assert any(release.extras for release in RELEASES)
    assert {release.uploaded.year for release in RELEASES} == {2024, 2025, 2026}


def test_project_speaks_for_its_releases() -> None:
    """A release takes over what its project says, replaces single keys and adds files."""
    text = SMALL.replace('summary = "x"', 'summary = "x"\nrequires = ["a"]\nfiles."shop_x/extra.txt" = "@VERSION@"')
    (release,) = read(text)
    assert (release.requires, set(release.files)) == (["a"], {"shop_x/extra.txt", "shop_x.py"})
    (other,) = read(text.replace('version = "1.0"', 'version = "1.0"\nrequires = []'))
    assert other.requires == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[project", "[[project", "line|Cannot|Invalid"),
        ('summary = "x"', "", "small.toml: project shop-x, release 1.0: `summary` is missing"),
        ('summary = "x"', "summary = 3", "`summary` must be of type str"),
        ('summary = "x"', 'summery = "x"', "`summery` is no known key"),
        ("00:00:00Z", "00:00:00", "needs a time zone"),
        ("00:00:00Z", "00:00:00Z\nformats = ['egg']", "not egg"),
        ('files."shop_x.py" = "x = 1"', "", "it has no files"),
        ('files."shop_x.py"', 'files."a.py" = "1"\nfiles."b.py"', "exactly one module"),
        ("[[project", SMALL.partition('x"\n')[2] + "[[project", "pypi has it twice"),
    ],
)
def test_mistake_in_the_description_is_named(old: str, new: str, says: str) -> None:
    """An author who mistypes something is told the place and what is wrong with it."""
    with pytest.raises(CourseError) as caught:
        read(SMALL.replace(old, new, 1))
    assert re.search(says, caught.value.message)
    assert "index/fixtures/" in caught.value.next_step
