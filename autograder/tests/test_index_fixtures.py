"""What is said about the fixtures: read as it is meant, complete, and a slip is named with its place."""

from __future__ import annotations

import json
import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.exceptions import CourseError
from autograder.index import SITES, fixtures
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


def test_there_is_enough_for_all_lessons() -> None:
    """There are at least 60 releases, of all the kinds that installers and indexes treat in their own way."""
    assert len(RELEASES) >= 60
    stems = {release.stem for release in RELEASES}
    assert {"leftpad-1.0", "leftpad-1.1", "leftpad-1.2", "shoplib-1.5", "shoplib-2.3", "shopfront-1.0"} <= stems
    assert {"pricetag-1.0", "legacytool-1.0", "legacytool-1.1", "moderntool-1.0", "netcore-1.1", "orm-1.0"} <= stems
    assert any(release.yanked for release in RELEASES)
    assert any(release.yanked == "" for release in RELEASES)
    assert any(release.formats == ["sdist"] for release in RELEASES)
    assert any(release.requires_python == ">=3.99" for release in RELEASES)
    assert any(release.extras for release in RELEASES)
    assert any(len(release.tags) > 5 for release in RELEASES)
    assert any(release.days_old == 2 for release in RELEASES)
    assert any("setup.py" in release.sdist_files for release in RELEASES)
    assert any(release.entry_points for release in RELEASES)
    assert any(path.endswith(".pth") for release in RELEASES for path in release.files)
    assert {release.uploaded.year for release in RELEASES} == {2024, 2025, 2026}
    assert {site for release in RELEASES for site in release.sites} == set(SITES) == set(fixtures.SITES)
    assert {project.status for project in PROJECTS} == set(fixtures.STATUSES)


@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: f"{project.name}-{'-'.join(project.sites)}")
def test_project_is_explained(project: Project) -> None:
    """Each says which lessons need it and what for, in one sentence, and its releases came one after the other."""
    assert project.lessons == sorted(set(project.lessons)) != []
    assert set(project.lessons) <= set(range(1, 17))
    assert re.fullmatch(r"\w.{10,140}[.?]", project.why)
    assert project.releases
    for release in project.releases:
        assert not release.summary.endswith(".")
    moments = [release.uploaded for release in sorted(project.releases, key=lambda release: Version(release.version))]
    assert moments == sorted(moments)
    assert (project.status_reason != "") == (project.status != "active")


def test_what_is_required_is_there() -> None:
    """Each requirement of each release is met by some release on the same index, or on the twin of PyPI."""
    offered: dict[tuple[str, str], list[Release]] = {}
    for release in RELEASES:
        for site in release.sites:
            offered.setdefault((site, canonicalize_name(release.name)), []).append(release)
    for release in RELEASES:
        for text in [*release.requires, *(text for extra in release.extras.values() for text in extra)]:
            wanted = Requirement(text)
            name = canonicalize_name(wanted.name)
            found = offered.get((release.sites[0], name), []) or offered.get(("pypi", name), [])
            good = [other for other in found if wanted.specifier.contains(other.version)]
            assert good, f"{release.stem} requires {text}"
            assert wanted.extras <= set(good[-1].extras)


def test_advisories_speak_of_releases_that_are_there() -> None:
    """What is said to be vulnerable exists, what is said to be mended too, and no id is used twice."""
    found = [(project, advisory) for project in PROJECTS for advisory in project.advisories]
    assert len(found) >= 2
    for project, advisory in found:
        versions = [Version(release.version) for release in project.releases]
        assert Version(advisory.introduced) < max(versions)
        assert not advisory.fixed or Version(advisory.fixed) in versions
        assert advisory.summary
    ids = [name for _, advisory in found for name in (advisory.id, *advisory.aliases)]
    assert len(ids) == len(set(ids))
    assert any(not advisory.fixed for _, advisory in found)


def test_new_names_are_of_two_words() -> None:
    """A learner who types a name elsewhere should get nobody's code: new names are of two words from the shop's world."""
    old = {"leftpad", "shoplib", "shopfront", "pricetag", "legacytool", "moderntool", "netcore", "webfw", "orm"}
    one = {canonicalize_name(project.name) for project in PROJECTS if not re.search("[-_.]", project.name)}
    assert one == {*old, "shopfornt"}


def test_project_speaks_for_its_releases() -> None:
    """A release takes over what its project says, replaces single keys and adds files."""
    text = SMALL.replace('summary = "x"', 'summary = "x"\nrequires = ["a"]\nfiles."shop_x/extra.txt" = "@VERSION@"')
    (release,) = read(text)
    assert (release.requires, set(release.files)) == (["a"], {"shop_x/extra.txt", "shop_x.py"})
    assert (release.sites, release.tags, release.days_old) == (("pypi",), ["py3-none-any"], None)
    (other,) = read(text.replace('version = "1.0"', 'version = "1.0"\nrequires = []'))
    assert other.requires == []


def test_one_name_may_be_described_for_two_indexes() -> None:
    """The same name and version may stand on two indexes, with a description each; and one description may serve for both."""
    other = SMALL.replace("project.shop-x", "project.other").replace(
        'summary = "x"', 'name = "shop-x"\nindex = ["company"]\nsummary = "y"'
    )
    assert [(release.stem, release.sites) for release in read(SMALL + other)] == [
        ("shop_x-1.0", ("pypi",)),
        ("shop_x-1.0", ("company",)),
    ]
    assert project(SMALL.replace('summary = "x"', 'summary = "x"\nindex = ["testpypi", "pypi"]')).sites == (
        "testpypi",
        "pypi",
    )


def test_project_tells_what_stands_beside_its_releases() -> None:
    """Its status and its advisories are read, with what they leave out."""
    more = """status = "archived"
status-reason = "Enough."
lessons = [3]
why = "To be read."
[[project.shop-x.advisory]]
id = "PYSEC-2026-1"
summary = "s"
details = "d"
published = 2026-01-01T00:00:00Z
"""
    found = project(SMALL.replace('summary = "x"\n', f'summary = "x"\n{more}'))
    assert (found.status, found.status_reason, found.lessons, found.why) == ("archived", "Enough.", [3], "To be read.")
    (advisory,) = found.advisories
    assert (advisory.id, advisory.introduced, advisory.fixed, advisory.aliases) == ("PYSEC-2026-1", "0", "", [])


def test_facts_can_be_kept_as_json() -> None:
    """What is said beside the files comes back from JSON as it was, by index and normalised name."""
    found = fixtures.facts(PROJECTS)
    assert json.loads(json.dumps(found)) == found
    assert found["statuses"]["pypi"]["free-coupons"] == ["quarantined", "Reported as malware."]
    assert found["purposes"]["pypi"]["shelf-signs-xl"].endswith("the same project. (lessons 08)")
    assert set(found["purposes"]["company"]) == {"internal-auth", "price-rounding"}
    assert {advisory["project"] for advisory in found["advisories"]} == {"customer-login", "guest-wifi"}


def test_defaults_of_one_file_hold_in_all() -> None:
    """`[defaults]` may stand in a file of its own; two files may not describe the same release."""
    first, second = read_fixtures(
        {"a.toml": SMALL, "z.toml": "[defaults]\nauthor = 'A'", "b.toml": SMALL.replace("shop-x", "shop-y")}
    )
    assert (first.author, second.author) == ("A", "A")
    with pytest.raises(CourseError, match="pypi has it twice"):
        read_fixtures({"a.toml": SMALL, "b.toml": SMALL})


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
        ('summary = "x"', 'summary = "x"\nindex = ["npm"]', "`index` may hold pypi, testpypi, company, not npm"),
        ('summary = "x"', 'summary = "x"\nsites = ["pypi"]', "`sites` is no known key"),
        (
            'summary = "x"',
            'summary = "x"\nstatus = "dead"',
            "`status` may be active, archived, quarantined, deprecated, not dead",
        ),
        ('summary = "x"', 'summary = "x"\nadvisory = [{ id = "P" }]', "advisory P: `summary` is missing"),
        ('summary = "x"', 'summary = "x"\nadvisory = [{ ident = "P" }]', "`ident` is no known key"),
        ('summary = "x"', 'summary = "x"\ndays-old = "2"', "`days-old` must be of type int"),
        ('summary = "x"', 'summary = "x"\nlessons = 3', "`lessons` must be of type list"),
        ('summary = "x"', 'summary = "x"\nfiles = 3', "`files` must be of type dict"),
        ("[[project", SMALL.partition('x"\n')[2] + "[[project", "pypi has it twice"),
    ],
)
def test_mistake_in_the_description_is_named(old: str, new: str, says: str) -> None:
    """An author who mistypes something is told the place and what is wrong with it."""
    with pytest.raises(CourseError) as caught:
        read(SMALL.replace(old, new, 1))
    assert re.search(says, caught.value.message)
    assert "index/fixtures/" in caught.value.next_step
