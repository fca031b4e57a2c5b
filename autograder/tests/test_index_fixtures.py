"""The fixture distributions: the same bytes everywhere, and correct by the standards."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from autograder.exceptions import CourseError
from autograder.index import fixtures
from autograder.index.fixtures import Release, read_fixtures, sdist, wheel

TOML = Path(fixtures.__file__).with_name("fixtures.toml").read_text("utf-8")
RELEASES = read_fixtures(TOML)
WHEELS = [release for release in RELEASES if "wheel" in release.formats]
SDISTS = [release for release in RELEASES if "sdist" in release.formats]
DIGEST = """
import hashlib, pathlib, sys
from autograder.index.fixtures import read_fixtures, sdist, wheel
digest = hashlib.sha256()
for release in read_fixtures(pathlib.Path(sys.argv[1]).read_text("utf-8")):
    for write in (wheel, sdist):
        if write.__name__ in release.formats:
            digest.update(b"".join(part if isinstance(part, bytes) else part.encode() for part in write(release)))
print(digest.hexdigest())
"""
SMALL = """
[project.shop-x]
summary = "x"
[[project.shop-x.release]]
version = "1.0"
uploaded = 2024-01-01T00:00:00Z
files."shop_x.py" = "x = 1"
"""


def name_of(release: Release) -> str:
    """Name a test by its release."""
    return release.stem


def digest_in_another_process(python: str, umask: int, **variables: str) -> str:
    """Write all fixtures in another process and give the hash of them all."""
    source = Path(fixtures.__file__).parents[2]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    toml = Path(fixtures.__file__).with_name("fixtures.toml")
    code = f"import os; os.umask({umask})\n{DIGEST}"
    ran = subprocess.run([python, "-c", code, str(toml)], env=environment, capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_every_machine_writes_the_same_bytes() -> None:
    """Neither umask, time zone, hash seed nor locale changes a byte."""
    here = digest_in_another_process(sys.executable, 0o022, PYTHONHASHSEED="1", TZ="UTC")
    there = digest_in_another_process(sys.executable, 0o077, PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="C")
    assert len(here) == 64
    assert here == there


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_every_python_writes_the_same_bytes(version: str) -> None:
    """Another Python's zipfile and tarfile change no byte."""
    candidates = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), shutil.which(f"python{version}")]
    python = next((str(path) for path in candidates if path), None)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    # `autograder.index` needs `packaging`, which that Python may lack: an empty package stands in for its __init__.
    load = f"""
import sys, types
sys.path.insert(0, {str(Path(fixtures.__file__).parents[2])!r})
package = types.ModuleType("autograder.index")
package.__path__ = [{str(Path(fixtures.__file__).parent)!r}]
sys.modules["autograder.index"] = package
"""
    toml = Path(fixtures.__file__).with_name("fixtures.toml")
    ran = subprocess.run(
        [python, "-B", "-I", "-c", load + DIGEST, str(toml)], env={}, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == digest_in_another_process(sys.executable, 0o022)


@pytest.mark.parametrize("release", WHEELS, ids=name_of)
def test_wheel_is_correct(release: Release) -> None:
    """Its name parses, it is stored, RECORD lists and measures every file, METADATA is valid, the modules compile."""
    filename, data = wheel(release)
    name, version, _, tags = parse_wheel_filename(filename)
    assert (name, str(version)) == (release.name, release.version)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        files = {path: archive.read(path) for path in archive.namelist()}
    info = f"{release.stem}.dist-info"
    lines = files[f"{info}/RECORD"].decode().splitlines()
    recorded = {path: (digest, size) for path, digest, size in (line.rsplit(",", 2) for line in lines)}
    assert set(recorded) == set(files)
    for path, data in files.items():
        digest = "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        assert recorded[path] == (("", "") if path.endswith("RECORD") else (digest, str(len(data))))
    read = Metadata.from_email(files[f"{info}/METADATA"])
    assert (read.metadata_version, read.name, str(read.version)) == ("2.4", release.name, release.version)
    assert read.license_expression == "MIT"
    assert files[f"{info}/licenses/LICENSE"]
    assert f"Tag: {next(iter(tags))}" in files[f"{info}/WHEEL"].decode() or release.tag != "py3-none-any"
    for path, data in files.items():
        if path.endswith(".py"):
            code = compile(data, path, "exec")
            assert code.co_consts[0], f"{path} has no docstring"
    assert ("console_scripts" in files.get(f"{info}/entry_points.txt", b"").decode()) == bool(release.scripts)


@pytest.mark.parametrize("release", SDISTS, ids=name_of)
def test_sdist_is_correct(release: Release) -> None:
    """Its name parses, gzip can read it, and PKG-INFO and pyproject.toml agree."""
    filename, data = sdist(release)
    name, version = parse_sdist_filename(filename)
    assert (name, str(version)) == (release.name, release.version)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        members = {member.name: archive.extractfile(member) for member in archive}
    files = {path: member.read() for path, member in members.items() if member}
    assert all(path.startswith(f"{release.stem}/") for path in files)
    read = Metadata.from_email(files[f"{release.stem}/PKG-INFO"])
    project = tomllib.loads(files[f"{release.stem}/pyproject.toml"].decode())["project"]
    assert (project["name"], project["version"]) == (read.name, str(read.version))
    plain = [str(requirement) for requirement in read.requires_dist or [] if "extra" not in str(requirement)]
    assert sorted(plain) == sorted(map(_normal, project["dependencies"]))
    assert set(project.get("optional-dependencies", {})) == set(read.provides_extra or [])


def _normal(requirement: str) -> str:
    from packaging.requirements import Requirement

    return str(Requirement(requirement))


def test_large_sdist_spans_several_stored_blocks() -> None:
    """A file longer than one stored block of 65,535 bytes comes out whole."""
    data = bytes(range(256)) * 600
    assert gzip.decompress(fixtures._gzip(data)) == data
    assert gzip.decompress(fixtures._gzip(b"")) == b""


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
    (release,) = read_fixtures(text)
    assert (release.requires, set(release.files)) == (["a"], {"shop_x/extra.txt", "shop_x.py"})
    (other,) = read_fixtures(text.replace('version = "1.0"', 'version = "1.0"\nrequires = []'))
    assert other.requires == []
    assert b"1.0" in fixtures._contents(release)["shop_x/extra.txt"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[project", "[[project", "line|Cannot|Invalid"),
        ('summary = "x"', "", "project shop-x, release 1.0: `summary` is missing"),
        ('summary = "x"', "summary = 3", "`summary` must be of type str"),
        ('summary = "x"', 'summery = "x"', "`summery` is no known key"),
        ("00:00:00Z", "00:00:00", "needs a time zone"),
        ("00:00:00Z", "00:00:00Z\nformats = ['egg']", "not egg"),
        ('files."shop_x.py" = "x = 1"', "", "it has no files"),
        ('files."shop_x.py"', 'files."a.py" = "1"\nfiles."b.py"', "exactly one module"),
        ("[[project", SMALL.partition('x"\n')[2] + "[[project", "described twice"),
    ],
)
def test_mistake_in_the_description_is_named(old: str, new: str, says: str) -> None:
    """An author who mistypes something is told the place and what is wrong with it."""
    with pytest.raises(CourseError) as caught:
        read_fixtures(SMALL.replace(old, new, 1))
    assert re.search(says, caught.value.message)
    assert "fixtures.toml" in caught.value.next_step
