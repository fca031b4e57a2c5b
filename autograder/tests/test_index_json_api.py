"""PyPI's JSON API, without a socket."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from autograder.index import PackageIndex
from autograder.index.answers import Answer
from autograder.index.json_api import project_document
from autograder.index.protocol import answer
from autograder.index.site import Site

ORIGIN = "http://127.0.0.1:8080/pypi"


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Site]:
    """The fixtures' sites, in a cache of this module's own."""
    return dict(PackageIndex.open(tmp_path_factory.mktemp("cache")).contents().sites())


def described(sites: dict[str, Site], project: str, version: str = "", site: str = "pypi") -> dict[str, Any]:
    """Describe a project or a release that is there."""
    found = project_document(sites[site], project, version, ORIGIN)
    assert found is not None
    return found


def body(reply: Answer) -> bytes:
    """Read a short answer."""
    assert isinstance(reply.body, bytes)
    return reply.body


def test_every_project_is_described(sites: dict[str, Site]) -> None:
    """Each project that installers may see is described with the keys that PyPI gives, and its files are those of the Simple API."""
    for site in sites.values():
        for project in site.projects:
            files = site.offered(project)
            found = project_document(site, project, "", ORIGIN)
            if not files:
                assert found is None
                continue
            assert found is not None
            assert found.keys() == {
                *("info", "last_serial", "ownership", "releases", "urls", "vulnerabilities"),
            }
            assert {"name", "version", "summary", "requires_dist", "requires_python", "yanked"} <= found["info"].keys()
            told = {file["digests"]["sha256"]: file for group in found["releases"].values() for file in group}
            assert told.keys() == {file.sha256 for file in files}
            assert found["urls"] == found["releases"][found["info"]["version"]]
            for file in files:
                row = told[file.sha256]
                assert row["url"] == f"{ORIGIN}/files/{file.sha256}/{file.filename}"
                assert (row["size"], row["yanked"]) == (file.size, file.yanked is not None)
                with site.open(file.sha256) as content:
                    data = content.read()
                assert row["md5_digest"] == hashlib.md5(data, usedforsecurity=False).hexdigest()
                assert row["digests"]["blake2b_256"] == hashlib.blake2b(data, digest_size=32).hexdigest()


def test_release_says_what_its_metadata_say(sites: dict[str, Site]) -> None:
    """Requirements, extras, licence and README stand in the description of one release, which names no others."""
    found = described(sites, "webfw", "2.0")
    assert "releases" not in found
    assert "netcore>=2.0" in found["info"]["requires_dist"]
    assert 'orm>=1.0; extra == "storage"' in found["info"]["requires_dist"]
    assert "storage" in found["info"]["provides_extra"]
    assert found["info"]["license_expression"] == "MIT"
    assert found["info"]["description_content_type"] == "text/markdown"
    assert found["info"]["description"].startswith("# webfw")
    assert {file["packagetype"] for file in found["urls"]} == {"bdist_wheel", "sdist"}
    assert {file["python_version"] for file in found["urls"]} == {"py3", "source"}


def test_sdist_alone_is_described(sites: dict[str, Site]) -> None:
    """A release without a wheel is described from the sdist's own metadata."""
    found = described(sites, "till-scales")
    assert [file["packagetype"] for file in found["urls"]] == ["sdist"]
    assert found["info"]["summary"]


def test_newest_good_release_stands_for_the_project(sites: dict[str, Site]) -> None:
    """Yanked releases and pre-releases are listed but don't stand for the project."""
    found = described(sites, "pricetag")
    assert (found["info"]["version"], "2.0rc1" in found["releases"]) == ("1.1", True)
    yanked = described(sites, "shoplib", "1.4")["info"]
    assert (yanked["yanked"], yanked["yanked_reason"]) == (True, "total() leaves out the last price")


def test_vulnerabilities(sites: dict[str, Site]) -> None:
    """A vulnerable release says so, with the release that is not; the fixed one doesn't."""
    (told,) = described(sites, "customer-login", "1.1")["vulnerabilities"]
    assert (told["id"], told["fixed_in"]) == ("PYSEC-2026-90001", ["1.2"])
    assert told["aliases"] == ["CVE-2026-990001"]
    assert described(sites, "customer-login", "1.2")["vulnerabilities"] == []


@pytest.mark.parametrize(
    "path", ["nobody", "leftpad/9.9", "leftpad/%00", "leftpad/not-a-version", "..", "free-coupons", "%ff"]
)
def test_what_is_not_there(sites: dict[str, Site], path: str) -> None:
    """Unknown projects and releases, and one in quarantine, get PyPI's 404."""
    reply = answer(sites, f"/pypi/pypi/{path}/json", {})
    assert reply.status == 404
    assert json.loads(body(reply)) == {"message": "Not Found"}


def test_names_and_versions_may_be_written_in_many_ways(sites: dict[str, Site]) -> None:
    """`LEFTPAD` is leftpad and 1.2.0 is 1.2, with or without a slash at the end."""
    one, other = (
        json.loads(body(answer(sites, f"/pypi/pypi/{path}", {})))
        for path in ("LeftPad/1.2.0/json/", "leftpad/1.2/json")
    )
    assert one == other


@pytest.mark.parametrize(
    ("headers", "origin", "expected"),
    [
        ({"Host": "127.0.0.1:8123"}, "", "http://127.0.0.1:8123/pypi/files/"),
        ({"Host": "evil.example/<script>"}, "", "http://127.0.0.1/pypi/files/"),
        ({}, "", "http://127.0.0.1/pypi/files/"),
        ({"Host": "shop.example"}, "https://index.example", "https://index.example/files/"),
    ],
)
def test_addresses_are_whole(sites: dict[str, Site], headers: dict[str, str], origin: str, expected: str) -> None:
    """Files' addresses begin where the client sees the index, whatever door it came by."""
    reply = answer(sites, "/pypi/pypi/leftpad/json", headers, origin)
    assert json.loads(body(reply))["urls"][0]["url"].startswith(expected)
    assert reply.headers["Content-Type"] == "application/json"


def test_lost_file_is_still_described(tmp_path: Path) -> None:
    """Where a file can't be opened its own hash is told, and nothing breaks."""
    index = PackageIndex.open(tmp_path)
    whole = index.contents().sites()["pypi"]

    def lost(sha256: str) -> Any:
        raise FileNotFoundError(sha256)

    found = project_document(Site("Test", whole.projects, lost), "leftpad", "1.2", ORIGIN)
    assert found is not None
    assert found["info"]["summary"] == ""
    assert all(file["digests"].keys() == {"sha256"} for file in found["urls"])
