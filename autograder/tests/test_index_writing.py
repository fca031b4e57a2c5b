"""Wheels and sdists of the fixtures: the same bytes everywhere, and correct by the standards."""

from __future__ import annotations

import base64
import configparser
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from autograder.index import writing
from autograder.index.fixtures import Release, read_fixtures, texts
from autograder.index.writing import distributions, sdist, wheel

RELEASES = read_fixtures(texts())
WHEELS = [(release, tag) for release in RELEASES if "wheel" in release.formats for tag in release.tags]
SDISTS = [release for release in RELEASES if "sdist" in release.formats]
DIGEST = """
import hashlib
from autograder.index.fixtures import read_fixtures, texts
from autograder.index.writing import distributions
digest = hashlib.sha256()
for release in read_fixtures(texts()):
    for name, data in distributions(release):
        digest.update(name.encode() + data)
print(digest.hexdigest())
"""


def name_of(value: object) -> str:
    """Name a test by its release."""
    return value.stem if isinstance(value, Release) else str(value)


def digest_in_another_process(python: str, umask: int, load: str = "", **variables: str) -> str:
    """Write all fixtures in another process and give the hash of them all."""
    source = Path(writing.__file__).parents[2]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1", **variables}
    code = f"import os; os.umask({umask})\n{load}{DIGEST}"
    ran = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True, check=True)
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
package = types.ModuleType("autograder.index")
package.__path__ = [{str(Path(writing.__file__).parent)!r}]
sys.modules["autograder.index"] = package
"""
    assert digest_in_another_process(python, 0o022, load) == digest_in_another_process(sys.executable, 0o022)


def test_all_are_written_in_a_moment() -> None:
    """Reading and writing all fixtures takes less than two tenths of a second of processor time, on a slow machine a little more."""
    taken = []
    for _ in range(3):
        start = time.process_time()
        for release in read_fixtures(texts()):
            list(distributions(release))
        taken.append(time.process_time() - start)
    assert min(taken) < 0.4


@pytest.mark.parametrize(("release", "tag"), WHEELS, ids=name_of)
def test_wheel_is_correct(release: Release, tag: str) -> None:
    """Its name parses, it is stored, RECORD lists and measures every file, METADATA is valid, the modules compile."""
    filename, data = wheel(release, tag)
    name, version, _, tags = parse_wheel_filename(filename)
    assert (name, version) == (canonicalize_name(release.name), Version(release.version))
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
    assert (read.metadata_version, read.name, read.version) == ("2.4", release.name, Version(release.version))
    assert read.license_expression == "MIT"
    assert files[f"{info}/licenses/LICENSE"]
    about = message_from_bytes(files[f"{info}/WHEEL"])
    assert set(about.get_all("Tag", [])) == set(map(str, tags))
    assert about["Root-Is-Purelib"] == str(all(each.platform == "any" for each in tags)).lower()
    for path, data in files.items():
        if path.endswith(".py"):
            code = compile(data, path, "exec")
            assert code.co_consts[0], f"{path} has no docstring"
    points = configparser.ConfigParser(delimiters=("=",))
    points.read_string(files.get(f"{info}/entry_points.txt", b"").decode())
    assert set(points.sections()) == set(release.entry_points) | ({"console_scripts"} if release.scripts else set())
    for section in points.sections():
        for target in points[section].values():
            module = target.partition(":")[0].replace(".", "/")
            assert {f"{module}.py", f"{module}/__init__.py"} & set(files), f"{target} leads nowhere"


@pytest.mark.parametrize("release", SDISTS, ids=name_of)
def test_sdist_is_correct(release: Release) -> None:
    """Its name parses, gzip can read it, and PKG-INFO and pyproject.toml agree."""
    filename, data = sdist(release)
    name, version = parse_sdist_filename(filename)
    assert (name, version) == (canonicalize_name(release.name), Version(release.version))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        members = {member.name: archive.extractfile(member) for member in archive}
    files = {path: member.read() for path, member in members.items() if member}
    assert all(path.startswith(f"{release.stem}/") for path in files)
    read = Metadata.from_email(files[f"{release.stem}/PKG-INFO"])
    assert (read.name, read.version) == (release.name, Version(release.version))
    if release.sdist_files:
        assert {f"{release.stem}/pyproject.toml", f"{release.stem}/setup.py"} & set(files)
        return
    project = tomllib.loads(files[f"{release.stem}/pyproject.toml"].decode())["project"]
    assert (project["name"], project["version"]) == (read.name, str(read.version))
    plain = [requirement for requirement in read.requires_dist or [] if "extra" not in str(requirement.marker)]
    assert sorted(map(str, plain)) == sorted(str(Requirement(text)) for text in project["dependencies"])
    assert set(project.get("optional-dependencies", {})) == set(read.provides_extra or [])


def test_wheel_lists_each_tag_of_its_name() -> None:
    """A name with several tags in one stands for all their combinations, as PEP 425 has it."""
    filename, data = wheel(RELEASES[0], "py2.py3-none-any")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (about,) = (archive.read(path).decode() for path in archive.namelist() if path.endswith("/WHEEL"))
    assert filename.endswith("-py2.py3-none-any.whl")
    assert "Root-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n" in about


def test_large_sdist_spans_several_stored_blocks() -> None:
    """A file longer than one stored block of 65,535 bytes comes out whole."""
    data = bytes(range(256)) * 600
    assert gzip.decompress(writing._gzip(data)) == data
    assert gzip.decompress(writing._gzip(b"")) == b""
