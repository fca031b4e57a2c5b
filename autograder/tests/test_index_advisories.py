"""OSV's answers about the fixtures, without a socket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.index.advisories import MOST_QUERIES, Advisories, answer_osv
from autograder.index.answers import Answer

ONE = {
    "project": "Shop.Till",
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "summary": "Open",
    "details": "Too open",
    "introduced": "1.1",
    "fixed": "1.3",
    "published": "2026-01-02T03:04:05+02:00",
    "severity": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
}
OTHER = {
    "project": "shop-till",
    "id": "PYSEC-2026-2",
    "summary": "S",
    "details": "D",
    "published": "2026-01-01T00:00:00Z",
}
ADVISORIES = Advisories([ONE, OTHER])


def ask(path: str, asked: Any, method: str = "POST") -> tuple[int, Any]:
    """Ask OSV; gives the status and the document."""
    reply = answer_osv(ADVISORIES, method, path, json.dumps(asked).encode(), {})
    return reply.status, document(reply)


def document(reply: Answer) -> Any:
    """Read an answer."""
    assert isinstance(reply.body, bytes)
    assert reply.headers["Content-Type"] == "application/json"
    return json.loads(reply.body)


def query(version: str, name: str = "shop-till", ecosystem: str = "PyPI") -> dict[str, Any]:
    """Write a query as pip-audit does."""
    return {"package": {"name": name, "ecosystem": ecosystem}, "version": version}


@pytest.mark.parametrize(
    ("version", "ids"),
    [
        ("1.0", {2}),
        ("1.1rc1", {2}),
        ("1.1", {1, 2}),
        ("1.2.9", {1, 2}),
        ("1.3", {2}),
        ("9", {2}),
        ("", {1, 2}),
        ("x", set()),
    ],
)
def test_only_affected_versions_are_told(version: str, ids: set[int]) -> None:
    """A version is affected from the first bad to before the first good one; without a fix, from the beginning for ever."""
    told = ask("/v1/query", query(version))[1].get("vulns", [])
    assert {one["id"] for one in told} == {f"PYSEC-2026-{number}" for number in ids}


def test_advisory_is_in_osvs_schema() -> None:
    """An advisory has what the schema requires, moments in UTC, and its range."""
    status, told = ask("/v1/vulns/PYSEC-2026-1", None, "GET")
    assert status == 200
    assert {"id", "modified", "published", "schema_version", "aliases", "summary", "details", "affected"} <= told.keys()
    assert told["published"] == "2026-01-02T01:04:05Z"
    assert told["affected"][0]["package"] == {"ecosystem": "PyPI", "name": "shop-till", "purl": "pkg:pypi/shop-till"}
    assert told["affected"][0]["ranges"][0]["events"] == [{"introduced": "1.1"}, {"fixed": "1.3"}]
    assert told["severity"][0]["type"] == "CVSS_V3"


def test_batch_gives_ids_only() -> None:
    """A batch answers each query in its place, with ids and times, as OSV does."""
    queries = [query("1.1"), query("1.1", "other"), {"package": {"purl": "pkg:pypi/shop-till@1.0"}}]
    _, told = ask("/v1/querybatch", {"queries": queries})
    assert [{one["id"] for one in result.get("vulns", [])} for result in told["results"]] == [
        {"PYSEC-2026-1", "PYSEC-2026-2"},
        set(),
        {"PYSEC-2026-2"},
    ]
    assert told["results"][0]["vulns"][0].keys() == {"id", "modified"}


def test_other_ecosystems_and_names() -> None:
    """Names are compared as the index does; another ecosystem's package is another package."""
    assert "vulns" in ask("/v1/query", query("1.1", "SHOP_till"))[1]
    assert ask("/v1/query", query("1.1", ecosystem="npm"))[1] == {}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/vulns/PYSEC-1", 404),
        ("GET", "/v1/vulns/../x", 404),
        ("GET", "/v1/query", 405),
        ("POST", "/v1/vulns/PYSEC-2026-1", 404),
        ("POST", "/", 404),
    ],
)
def test_what_is_not_there(method: str, path: str, status: int) -> None:
    """Other addresses and methods get an error in OSV's form."""
    found, told = ask(path, None, method)
    assert (found, told.keys()) == (status, {"code", "message"})


def test_batch_is_bounded() -> None:
    """More queries than OSV takes are refused."""
    assert ask("/v1/querybatch", {"queries": [query("1")] * (MOST_QUERIES + 1)})[0] == 400


@given(
    st.sampled_from(["/v1/query", "/v1/querybatch"]),
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.text(max_size=8) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["queries", "package", "name", "version", "purl", "ecosystem"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode()),
)
def test_no_query_is_a_surprise(path: str, body: bytes) -> None:
    """Whatever is asked, the answer is a document or says that the query is invalid."""
    assert answer_osv(ADVISORIES, "POST", path, body, {}).status in (200, 400)
