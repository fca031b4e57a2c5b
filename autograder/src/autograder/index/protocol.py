"""What the index answers, as pure functions: a request in, an answer out, no socket in sight.

The Simple API in HTML (PEP 503, 592, 658, 714, 792) and JSON (PEP 691, 700, 792), with validators and ranges (RFC 9110).
Links are relative, so the same page is right under whatever name and port the server is reached.
"""

from __future__ import annotations

__all__ = ["Answer", "Site", "answer"]

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs, quote, unquote

from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.index.store import IndexFile

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN_HTML = "text/html"
API_VERSION = "1.4"
_LATEST = {
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
}


@dataclass
class Site:
    """One index: its files by project, and a way to open one by its hash."""

    title: str
    projects: Mapping[str, Sequence[IndexFile]]
    """Normalised name -> files."""
    open: Callable[[str], BinaryIO]
    """Open a file by its SHA-256; raises FileNotFoundError."""
    pages: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Pages written before: (project, media type) -> body."""

    def __post_init__(self) -> None:
        """Index the files by hash and name."""
        self.files = {(file.sha256, file.filename): file for files in self.projects.values() for file in files}


@dataclass
class Answer:
    """What to send: `body` is bytes, or an open file positioned at the first of `length` bytes."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | BinaryIO = b""
    length: int = 0

    def __post_init__(self) -> None:
        """Count a body of bytes."""
        if isinstance(self.body, bytes):
            self.length = len(self.body)


def answer(sites: Mapping[str, Site], target: str, headers: Mapping[str, str]) -> Answer:
    """Answer a GET (or HEAD) of `target`; `headers` has names in title case, such as `If-None-Match`."""
    path, _, query = target.partition("?")
    if path == "/":
        return _page(_listing("Indexes", ((f"{name}/", name) for name in sites)), PLAIN_HTML, headers)
    if not path.startswith("/"):
        return _missing("There is nothing at this address.")
    first, *rest = path[1:].split("/")
    site = sites.get(first)
    if site is None:
        return _missing(f"There is no index at /{_shown(first)}; there is {', '.join(sites)}.")
    match rest:
        case []:
            return _moved(f"/{first}/")
        case [""]:
            links = [("simple/", "simple: all projects")]
            return _page(_listing(site.title, links), PLAIN_HTML, headers)
        case ["simple"]:
            return _moved(f"/{first}/simple/")
        case ["simple", ""]:
            media = _media(query, headers)
            return _page(_once(site, "", media), media, headers)
        case ["simple", name] | ["simple", name, ""]:
            project = canonicalize_name(unquote(name))
            if project not in site.projects:
                return _missing(f"The index has no project {_shown(project)}.")
            if rest != ["simple", project, ""]:
                return _moved(f"/{first}/simple/{project}/" + (f"?{quote(query, safe='=&%+/')}" if query else ""))
            media = _media(query, headers)
            return _page(_once(site, project, media), media, headers)
        case ["files", sha256, filename]:
            return _file(site, sha256, unquote(filename), headers)
    return _missing("There is nothing at this address.")


def _shown(text: str) -> str:
    return re.sub(r"[^\w.-]", "?", text)[:80]


# --- pages


def _once(site: Site, project: str, media: str) -> bytes:
    key = (project, media)
    if key not in site.pages:
        files = site.projects[project] if project else ()
        if project and media == JSON:
            body = project_json(project, files)
        elif project:
            body = project_html(project, files)
        elif media == JSON:
            body = projects_json(site.projects)
        else:
            body = projects_html(site.projects)
        site.pages[key] = body.encode()
    return site.pages[key]


def projects_json(projects: Iterable[str]) -> str:
    """Write the list of all projects (PEP 691)."""
    names = [{"name": project} for project in sorted(projects)]
    return json.dumps({"meta": {"api-version": API_VERSION}, "projects": names})


def projects_html(projects: Iterable[str]) -> str:
    """Write the list of all projects (PEP 503)."""
    return _listing("Simple index", ((f"{project}/", project) for project in sorted(projects)))


def _sorted(files: Iterable[IndexFile]) -> list[IndexFile]:
    return sorted(files, key=lambda file: (Version(file.version), file.filename))


def _url(file: IndexFile) -> str:
    return f"../../files/{file.sha256}/{quote(file.filename)}"


def project_json(project: str, files: Iterable[IndexFile]) -> str:
    """Write a project's page (PEP 691, 700, 714, 792)."""
    ordered = _sorted(files)
    rows = []
    for file in ordered:
        metadata = {"sha256": file.metadata_sha256} if file.metadata_sha256 else False
        row: dict[str, object] = {
            "filename": file.filename,
            "url": _url(file),
            "hashes": {"sha256": file.sha256},
            "size": file.size,
            "core-metadata": metadata,
            # pip 22.3 to 23.0 (Debian 12 has it) breaks on PEP 658's own key with a table; so it is called what PyPI calls it (PEP 714).
            "data-dist-info-metadata": metadata,
            "yanked": False if file.yanked is None else file.yanked or True,
        }
        if file.requires_python:
            row["requires-python"] = file.requires_python
        if file.uploaded:
            row["upload-time"] = file.uploaded
        rows.append(row)
    page = {
        "meta": {"api-version": API_VERSION},
        "name": project,
        "project-status": {"status": "active"},
        "versions": list(dict.fromkeys(file.version for file in ordered)),
        "files": rows,
    }
    return json.dumps(page)


def project_html(project: str, files: Iterable[IndexFile]) -> str:
    """Write a project's page (PEP 503, 592, 658, 714, 792)."""

    def link(file: IndexFile) -> str:
        attributes = {"href": f"{_url(file)}#sha256={file.sha256}"}
        if file.requires_python:
            attributes["data-requires-python"] = file.requires_python
        if file.yanked is not None:
            attributes["data-yanked"] = file.yanked
        if file.metadata_sha256:
            attributes["data-core-metadata"] = f"sha256={file.metadata_sha256}"
            attributes["data-dist-info-metadata"] = f"sha256={file.metadata_sha256}"
        written = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
        return f"<a {written}>{html.escape(file.filename)}</a><br>"

    status = '<meta name="pypi:project-status" content="active">\n'
    return _document(f"Links for {project}", map(link, _sorted(files)), status)


def _listing(title: str, links: Iterable[tuple[str, str]]) -> str:
    return _document(title, (f'<a href="{html.escape(url)}">{html.escape(text)}</a><br>' for url, text in links))


def _document(title: str, lines: Iterable[str], head: str = "") -> str:
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f'<meta name="pypi:repository-version" content="{API_VERSION}">\n{head}'
        f"<title>{html.escape(title)}</title>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n"
        + "\n".join(lines)
        + "\n</body>\n</html>\n"
    )


# --- negotiation, validators, ranges


def _media(query: str, headers: Mapping[str, str]) -> str:
    """Choose a media type; `?format=` (PEP 691) lets a browser ask for JSON."""
    wanted = parse_qs(query).get("format", [""])[0]
    return negotiate(wanted or headers.get("Accept", ""))


def negotiate(accept: str) -> str:
    """Choose what the client likes best (RFC 9110, 12.5.1); HTML where it says nothing or wants something we don't have."""
    best, best_quality = PLAIN_HTML, 0.0
    for part in accept[:2000].split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        media = _LATEST.get(media, media)
        if media in ("*/*", "text/*"):
            media = PLAIN_HTML
        if media in (JSON, HTML, PLAIN_HTML) and quality > best_quality:
            best, best_quality = media, quality
    return best


def _page(body: str | bytes, media: str, headers: Mapping[str, str]) -> Answer:
    data = body.encode() if isinstance(body, str) else body
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    common = {"ETag": etag, "Vary": "Accept", "Cache-Control": "max-age=0"}
    if _matches(headers.get("If-None-Match", ""), etag):
        return Answer(304, common)
    charset = "; charset=utf-8" if media == PLAIN_HTML else ""
    return Answer(200, {"Content-Type": media + charset, **common}, data)


def _missing(sentence: str) -> Answer:
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    return Answer(404, headers, f"{sentence}\n".encode())


def _moved(place: str) -> Answer:
    return Answer(301, {"Location": place, "Cache-Control": "max-age=0"})


def _matches(condition: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return etag in tags or "*" in tags


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """Read a Range header as (first, length) in bytes; None to send everything.

    Raises:
        ValueError: it can't be satisfied (416).
    """
    match = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", text.strip())
    if match is None or match[0] == "bytes=-":
        return None  # several ranges or another unit: a server may ignore them
    if not match[1]:
        length = min(int(match[2]), size)
        first = size - length
    else:
        first = int(match[1])
        last = min(int(match[2] or size - 1), size - 1)
        if match[2] and int(match[2]) < first:
            return None
        length = last - first + 1
    if length <= 0 or first >= size:
        raise ValueError(text)
    return first, length


def _file(site: Site, sha256: str, filename: str, headers: Mapping[str, str]) -> Answer:
    file = site.files.get((sha256, filename))
    media = "application/octet-stream"
    if file is not None:
        digest = file.sha256
    else:
        file = site.files.get((sha256, filename.removesuffix(".metadata")))
        if file is None or not file.metadata_sha256:
            return _missing("The index has no such file.")
        digest = file.metadata_sha256
        media = "text/plain; charset=utf-8"
    etag = f'"{digest}"'
    common = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "max-age=365000000, immutable, public",
    }
    if _matches(headers.get("If-None-Match", ""), etag):
        return Answer(304, common)
    try:
        body = site.open(digest)
    except OSError:
        return _missing("The index has lost this file. Start the course again: it will be made anew.")
    size = body.seek(0, 2)
    common["Content-Type"] = media
    try:
        asked = headers.get("Range", "") if headers.get("If-Range", etag) == etag else ""
        part = byte_range(asked, size)
    except ValueError:
        body.close()
        return Answer(416, {"Content-Range": f"bytes */{size}"})
    first, length = part or (0, size)
    body.seek(first)
    if part is None:
        return Answer(200, common, body, size)
    common["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
    return Answer(206, common, body, length)
