"""The Simple API's pages, in HTML (PEP 503, 592, 658, 714, 740, 792) and JSON (PEP 691, 700, 740, 792).

Links are relative, so the same page is right under whatever name and port the server is reached; all but those to provenance.
"""

from __future__ import annotations

__all__ = ["API_VERSION", "listing", "project_html", "project_json", "projects_html", "projects_json", "written"]

import html
import json
from collections.abc import Callable, Iterable
from urllib.parse import quote

from autograder.index.answers import JSON
from autograder.index.site import Site
from autograder.index.store import IndexFile

API_VERSION = "1.4"


def written(site: Site, project: str, media: str, origin: str) -> bytes:
    """Give the page of a project, or of all where `project` is empty; each is written once, if nothing in it depends on `origin`.

    `origin` is where the index begins for the client: addresses of provenance must be whole (PEP 740).
    """
    if not project:
        return _once(site, project, media, lambda: (projects_json if media == JSON else projects_html)(site))

    def write() -> str:
        return (project_json if media == JSON else project_html)(site, project, origin)

    if any(file.sha256 in site.provenance for file in site.projects[project]):
        return write().encode()
    return _once(site, project, media, write)


def _once(site: Site, project: str, media: str, write: Callable[[], str]) -> bytes:
    key = (project, media)
    if key not in site.pages:
        site.pages[key] = write().encode()
    return site.pages[key]


def projects_json(site: Site) -> str:
    """Write the list of all projects (PEP 691)."""
    names = [{"name": project} for project in sorted(site.projects)]
    return json.dumps({"meta": {"api-version": API_VERSION, "_last-serial": site.serial}, "projects": names})


def projects_html(site: Site) -> str:
    """Write the list of all projects (PEP 503)."""
    return listing("Simple index", ((f"{project}/", project) for project in sorted(site.projects)))


def _url(file: IndexFile) -> str:
    return f"../../files/{file.sha256}/{quote(file.filename)}"


def _provenance(site: Site, file: IndexFile, origin: str) -> str:
    if file.sha256 not in site.provenance:
        return ""
    return f"{origin}/integrity/{file.project}/{quote(file.version)}/{quote(file.filename)}/provenance"


def project_json(site: Site, project: str, origin: str) -> str:
    """Write a project's page (PEP 691, 700, 714, 740, 792)."""
    files = site.offered(project)
    rows = []
    for file in files:
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
        if provenance := _provenance(site, file, origin):
            row["provenance"] = provenance
        rows.append(row)
    status = site.status(project)
    page = {
        "meta": {"api-version": API_VERSION, "_last-serial": site.serial},
        "name": project,
        "project-status": {"status": status.marker} | ({"reason": status.reason} if status.reason else {}),
        "versions": list(dict.fromkeys(file.version for file in files)),
        "files": rows,
    }
    return json.dumps(page)


def project_html(site: Site, project: str, origin: str) -> str:
    """Write a project's page (PEP 503, 592, 658, 714, 740, 792)."""

    def link(file: IndexFile) -> str:
        attributes = {"href": f"{_url(file)}#sha256={file.sha256}"}
        if file.requires_python:
            attributes["data-requires-python"] = file.requires_python
        if file.yanked is not None:
            attributes["data-yanked"] = file.yanked
        if file.metadata_sha256:
            attributes["data-core-metadata"] = f"sha256={file.metadata_sha256}"
            attributes["data-dist-info-metadata"] = f"sha256={file.metadata_sha256}"
        if provenance := _provenance(site, file, origin):
            attributes["data-provenance"] = provenance
        text = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
        return f"<a {text}>{html.escape(file.filename)}</a><br>"

    status = site.status(project)
    head = f'<meta name="pypi:project-status" content="{html.escape(status.marker)}">\n'
    if status.reason:
        head += f'<meta name="pypi:project-status-reason" content="{html.escape(status.reason)}">\n'
    return _document(f"Links for {project}", map(link, site.offered(project)), head)


def listing(title: str, links: Iterable[tuple[str, str]]) -> str:
    """Write a page of links: (address, text)."""
    return _document(title, (f'<a href="{html.escape(url)}">{html.escape(text)}</a><br>' for url, text in links))


def _document(title: str, lines: Iterable[str], head: str = "") -> str:
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f'<meta name="pypi:repository-version" content="{API_VERSION}">\n{head}'
        f"<title>{html.escape(title)}</title>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n"
        + "\n".join(lines)
        + "\n</body>\n</html>\n"
    )
