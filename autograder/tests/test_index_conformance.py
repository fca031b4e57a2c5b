"""Do strict readers accept every page? `pypi-simple` parses all in both forms, `packaging` all names, versions and metadata."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from packaging.metadata import Metadata
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from autograder.index import PackageIndex
from autograder.index.journal import Event, Journal
from autograder.index.site import Site
from index_clients import client, variables, way_to

READER = """
import json, sys
from pypi_simple import ACCEPT_HTML_ONLY, ACCEPT_JSON_ONLY, PyPISimple

found = {}
for form, accept in (("html", ACCEPT_HTML_ONLY), ("json", ACCEPT_JSON_ONLY)):
    with PyPISimple(sys.argv[1], accept=accept) as simple:
        index = simple.get_index_page()
        assert index.repository_version == "1.4"
        pages = {name: simple.get_project_page(name) for name in index.projects}
        found[form] = {
            name: {
                "status": page.status, "reason": page.status_reason, "versions": page.versions,
                "files": [{
                    "filename": one.filename, "project": one.project, "version": one.version, "type": one.package_type,
                    "digests": one.digests, "requires": one.requires_python, "size": one.size, "yanked": one.is_yanked,
                    "reason": one.yanked_reason or "", "metadata": bool(one.has_metadata), "metadata_digests": one.metadata_digests,
                    "uploaded": one.upload_time and one.upload_time.isoformat(), "provenance": one.provenance_url,
                } for one in page.packages],
            } for name, page in pages.items()
        }
        for page in pages.values():
            for one in page.packages:
                if one.has_metadata and form == "json":
                    assert simple.get_package_metadata(one).startswith("Metadata-Version: "), one
                if one.provenance_url:
                    assert simple.get_provenance(one)["version"] == 1
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's own index, with as much of the mirror as there is."""
    return PackageIndex.open()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, index: PackageIndex) -> Path:
    """What a workspace published: a release with provenance, a yanked one, and an archived project."""
    journal = Journal(tmp_path_factory.mktemp("published"))
    provenance = journal.keep(json.dumps({"version": 1, "attestation_bundles": []}).encode())
    (wheel,) = (file for file in index.files("leftpad") if file.filename == "leftpad-1.2-py3-none-any.whl")
    with index._open_file(wheel.sha256) as file:
        sha256 = journal.keep(file.read())
    with index._open_file(wheel.metadata_sha256) as file:
        metadata = journal.keep(file.read())
    told = partial(Event, site="testpypi", project="leftpad")
    details = {"metadata_sha256": metadata, "provenance_sha256": provenance, "requires_python": ">=3.9"}
    journal.append(told(kind="create", details={"name": "LeftPad", "id": "6f1b8f6e-4f0e-4b8e-9d0c-0f6f3f6d3a11"}))
    uploaded = partial(told, kind="upload", sha256=sha256, size=wheel.size)
    journal.append(uploaded(version="1.2", filename=wheel.filename, details=details))
    journal.append(told(kind="yank", version="1.2", reason='"quoted" & <marked>'))
    journal.append(told(kind="status", reason="It's done.", details={"status": "archived"}))
    return journal.folder


@pytest.fixture(scope="module")
def sites(index: PackageIndex, published: Path) -> dict[str, Site]:
    """All sites."""
    return dict(index.contents(published).sites())


@pytest.fixture(scope="module", params=["pypi", "testpypi", "company"])
def read(
    request: pytest.FixtureRequest,
    index: PackageIndex,
    published: Path,
    sites: dict[str, Site],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Site, dict[str, Any]]:
    """What `pypi-simple` made of all pages of a site."""
    folder = tmp_path_factory.mktemp("reader")
    with way_to(index, published) as way:
        ran = subprocess.run(
            [client("python"), "-c", READER, f"{way.loopback}/{request.param}/simple/"],
            env=variables(folder),
            cwd=folder,
            capture_output=True,
            text=True,
        )
    assert ran.returncode == 0, ran.stderr
    return sites[request.param], json.loads(ran.stdout)


def test_strict_reader_accepts_every_page(read: tuple[Site, dict[str, Any]]) -> None:
    """Each project, file, hash, yank, time, status and provenance is read as it is, the same from HTML as from JSON."""
    site, found = read
    assert found["html"].keys() == found["json"].keys() == site.projects.keys()
    for project, told in found["json"].items():
        html = found["html"][project]
        assert (told["status"], told["reason"]) == (html["status"], html["reason"])
        assert (told["status"], told["reason"] or "") == (site.status(project).marker, site.status(project).reason)
        only_json = ("size", "uploaded")
        assert [{key: value for key, value in row.items() if key not in only_json} for row in told["files"]] == [
            {key: value for key, value in row.items() if key not in only_json} for row in html["files"]
        ]
        files = site.offered(project)
        assert told["versions"] == list(dict.fromkeys(file.version for file in files))
        for row, file in zip(told["files"], files, strict=True):
            assert (row["filename"], row["digests"]) == (file.filename, {"sha256": file.sha256})
            assert (canonicalize_name(row["project"]), row["size"]) == (project, file.size)
            assert Version(row["version"]) == Version(file.version)
            assert (row["requires"] or "") == file.requires_python
            assert (row["yanked"], row["reason"]) == (file.yanked is not None, file.yanked or "")
            assert (row["metadata_digests"] or {}).get("sha256", "") == file.metadata_sha256
            assert (row["provenance"] is not None) == (file.sha256 in site.provenance)
            assert (row["uploaded"] or "")[:19] == file.uploaded[:19]


def test_packaging_accepts_names_versions_and_metadata(sites: dict[str, Site]) -> None:
    """File names agree with what they stand for, specifiers parse, and the metadata of what we wrote are valid to the letter."""
    for site in sites.values():
        for project, files in site.projects.items():
            assert project == canonicalize_name(project, validate=True)
            for file in files:
                parse = parse_wheel_filename if file.filename.endswith(".whl") else parse_sdist_filename
                assert parse(file.filename)[:2] == (project, Version(file.version))
                assert str(Version(file.version)) == file.version
                SpecifierSet(file.requires_python)
                if file.metadata_sha256:
                    with site.open(file.metadata_sha256) as content:
                        metadata = Metadata.from_email(content.read(), validate=file.origin in ("fixture", "published"))
                    assert canonicalize_name(metadata.name) == project
                    assert str(metadata.requires_python or "") == str(SpecifierSet(file.requires_python))


START = """
import http.client, pathlib, socket, sys, time
from autograder.index import PackageIndex
with socket.create_server(("127.0.0.1", 0)) as listener, PackageIndex.open().serve(listener, pathlib.Path(sys.argv[1])):
    client = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1])
    client.request("GET", "/pypi/simple/leftpad/")
    assert client.getresponse().status == 200
print(time.process_time())
"""


@pytest.mark.usefixtures("index")
def test_starts_quickly(tmp_path: Path) -> None:
    """From nothing to the first answer Python works less than 0.3 s, so that every command in the sandbox may have a server of its own."""
    taken = [
        float(
            subprocess.run([sys.executable, "-c", START, tmp_path], capture_output=True, check=True, text=True).stdout
        )
        for _ in range(3)
    ]
    assert min(taken) < 0.3
