"""What is known about vulnerable releases, as the OSV service tells it: pip-audit and `uv audit` ask it.

The part of OSV's API that they use: `/v1/query`, `/v1/querybatch`, `/v1/vulns/ID`.
"""

from __future__ import annotations

__all__ = ["NO_ADVISORIES", "Advisories", "answer_osv"]

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from autograder.index.answers import Answer, document

MOST_QUERIES = 1000
"""In one batch; OSV's own bound."""


class Advisories:
    """All advisories on the projects of the twin of PyPI."""

    def __init__(self, records: Iterable[Mapping[str, Any]] = ()) -> None:
        """Know these: each is a table with a `project` and the keys of `fixtures.Advisory`, its moment in ISO format."""
        self._records = tuple(dict(record) for record in records)

    def on(self, project: str, version: str = "") -> list[dict[str, Any]]:
        """Give the advisories on a project, or on one version of it, as OSV writes them."""
        try:
            wanted = Version(version) if version else None
        except InvalidVersion:
            return []
        name = canonicalize_name(project)
        return [
            _osv(record)
            for record in self._records
            if canonicalize_name(record["project"]) == name and (wanted is None or _affects(record, wanted))
        ]

    def by_id(self, name: str) -> dict[str, Any] | None:
        """Give the advisory with this id; None if there is none."""
        return next((_osv(record) for record in self._records if record["id"] == name), None)


NO_ADVISORIES = Advisories()


def _affects(record: Mapping[str, Any], version: Version) -> bool:
    introduced, fixed = record.get("introduced", "0"), record.get("fixed", "")
    return (introduced == "0" or version >= Version(introduced)) and (not fixed or version < Version(fixed))


def _osv(record: Mapping[str, Any]) -> dict[str, Any]:
    """Write an advisory in OSV's schema, 1.7."""
    published = _moment(record["published"])
    events = [{"introduced": record.get("introduced") or "0"}]
    if record.get("fixed"):
        events.append({"fixed": record["fixed"]})
    name = canonicalize_name(record["project"])
    advisory: dict[str, Any] = {
        "schema_version": "1.7.3",
        "id": record["id"],
        "published": published,
        "modified": published,
        "aliases": list(record.get("aliases", ())),
        "summary": record["summary"],
        "details": record["details"],
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": name, "purl": f"pkg:pypi/{name}"},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
        "references": [],
    }
    if severity := record.get("severity"):
        advisory["severity"] = [{"type": "CVSS_V4" if severity.startswith("CVSS:4") else "CVSS_V3", "score": severity}]
    return advisory


def _moment(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def answer_osv(advisories: Advisories, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Answer a request to the OSV service; `path` begins with `/v1/`."""
    if method in ("GET", "HEAD") and (match := re.fullmatch(r"/v1/vulns/([\w.-]{1,80})", path)):
        found = advisories.by_id(match[1])
        return document(found, headers) if found else _problem(404, 5, "Bug not found.")
    if path not in ("/v1/query", "/v1/querybatch"):
        return _problem(404, 5, "Not Found")
    if method != "POST":
        return _problem(405, 12, "Ask with POST.")
    try:
        asked = json.loads(body)
        if path == "/v1/query":
            return document(_found(advisories, asked), headers)
        queries = asked["queries"]
        if len(queries) > MOST_QUERIES:
            return _problem(400, 3, "Too many queries.")
        results = [_found(advisories, query) for query in queries]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _problem(400, 3, "Invalid query.")
    for result in results:
        # A batch gives only the ids: who wants more asks for each.
        if "vulns" in result:
            result["vulns"] = [{"id": one["id"], "modified": one["modified"]} for one in result["vulns"]]
    return document({"results": results}, headers)


def _found(advisories: Advisories, query: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one query: a package by name or purl, and a version."""
    package, version = query["package"], query.get("version", "")
    if purl := package.get("purl", ""):
        match = re.fullmatch(r"pkg:pypi/([^@?#/]+)(?:@([^?#]+))?", purl)
        name, version = (match[1], match[2] or version) if match else ("", version)
    else:
        name = package["name"] if package.get("ecosystem") == "PyPI" else ""
    vulns = advisories.on(name, version)
    return {"vulns": vulns} if vulns else {}


def _problem(status: int, code: int, message: str) -> Answer:
    return document({"code": code, "message": message}, {}, status=status)
