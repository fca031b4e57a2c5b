"""What people see of an index: the list of its projects, and a page for each project and release."""

from __future__ import annotations

__all__ = ["front_page", "project_page", "search_page"]

import functools
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from packaging.metadata import RawMetadata
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.index.core_metadata import core_metadata, of_version, shown_version
from autograder.index.readme import rendered
from autograder.index.site import Site, Status, in_order
from autograder.index.store import IndexFile

_STATUSES = {
    "archived": "This project is archived: no new release is to be expected.",
    "quarantined": "This project is in quarantine: nobody can install it until it has been looked at.",
    "deprecated": "This project is deprecated: use something else.",
}
_YOURS = (
    '<p class="yours"><strong>This project is yours.</strong> '
    "What the real index lets you do by its buttons, <code>pypi-manage</code> does in the sandboxed shell.</p>"
)
_STRANGE = "This project has a status that this page doesn't know."
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
"""The Content-Security-Policy of all these pages: nothing but their own style and forms."""


@functools.cache
def _style() -> str:
    return Path(__file__).with_suffix(".css").read_text("utf-8")


def frame(title: str, body: str, *, site: Site | None = None, top: str = "") -> str:
    """Write a whole page; `top` leads from it to where the index begins, such as `../../`; without it there is no way round."""
    head = ""
    if site is not None and top:
        head = (
            f'<header><a class="home" href="{top}">{_e(site.title)}</a>'
            f'<form role="search" action="{top}search/"><input type="search" name="q" aria-label="Find a project" '
            'placeholder="Find a project"><button>Find</button></form></header>'
        )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n<meta name="color-scheme" content="light dark">\n'
        f"<title>{_e(title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n{head}<main>\n{body}\n</main>\n"
        "<footer>This index exists only in the course: what is done here changes nothing on the internet.</footer>\n</body>\n</html>\n"
    )


_e = html.escape


def front_page(sites: Mapping[str, Site]) -> str:
    """List the indexes."""
    rows = "".join(
        f'<li><a href="{_e(name)}/">{_e(name)}</a><p>{_e(site.title)}: {len(site.projects)} projects.</p></li>'
        for name, site in sites.items()
    )
    return frame("Indexes", f'<h1>Indexes</h1>\n<ul class="projects">{rows}</ul>')


def search_page(site: Site, wanted: str = "", *, top: str) -> str:
    """List the projects in whose name or summary `wanted` occurs, or all of them."""
    words = wanted.strip().lower()[:80]
    rows = []
    for project, files in sorted(site.projects.items()):
        offered = site.offered(project)
        version = shown_version(offered)
        metadata = core_metadata(site, of_version(offered, version))
        name, summary = metadata.get("name") or project, metadata.get("summary") or ""
        if words and not (canonicalize_name(words) in project or words in summary.lower()):
            continue
        address = f"{top}project/{project}/"
        mark = _mark(site.status(project), files)
        rows.append(
            f'<li><a href="{address}">{_e(name)}</a> <span class="version">{_e(version)}</span>{mark}'
            f"<p>{_e(summary)}</p></li>"
        )
    count = f"{len(rows)} project{'s' * (len(rows) != 1)}"
    title = f"{count} with “{wanted.strip()[:80]}”" if words else f"{count} on this index"
    more = f'<p><a href="{top}simple/">What installers read</a></p>' if not words else ""
    body = f'<h1>{_e(title)}</h1>\n{more}<ul class="projects">{"".join(rows)}</ul>'
    return frame(f"{title} · {site.title}", body, site=site, top=top)


def _mark(status: Status, files: Sequence[IndexFile]) -> str:
    if status.marker != "active":
        return f' <span class="mark warn">{_e(status.marker)}</span>'
    return "" if any(file.yanked is None for file in files) else ' <span class="mark warn">yanked</span>'


def project_page(site: Site, project: str, version: str = "", *, top: str = "") -> str | None:
    """Write the page of a project, or of one release of it; None if there is none.

    `top` leads to where the index begins; without it the page has no links to others, as in a notebook.
    """
    if project not in site.projects:
        return None
    everything = in_order(site.projects[project])
    chosen = version or shown_version(everything)
    files = of_version(everything, chosen)
    if version and not files:
        return None
    metadata = core_metadata(site, files)
    name = metadata.get("name") or project
    number = files[0].version if files else ""
    shut = site.status(project).marker == "quarantined"
    parts = [
        f'<div class="title"><h1>{_e(name)} <span class="version">{_e(number)}</span></h1>',
        f'<p class="summary">{_e(metadata.get("summary") or "")}</p>',
        "" if shut or not files else f'<pre class="install">{_e(_command(site, project, version))}</pre>',
        "</div>",
        *_notices(site, project, files, newest=shown_version(everything), top=top),
        '<div class="columns"><div class="wide">',
        _section("Project description", _description(metadata)),
        _section("Release history", _history(site, project, everything, number, top)),
        _section(f"Files of {number}" if number else "Files", _files(site, [] if shut else files, top)),
        f"</div>\n<aside>{_facts(metadata, files)}",
        _YOURS if project in site.own else "",
        "</aside></div>",
    ]
    return frame(f"{name} {number} · {site.title}", "\n".join(filter(None, parts)), site=site, top=top)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{_e(title)}</h2>\n{body}</section>"


def _command(site: Site, project: str, version: str) -> str:
    where = {"testpypi": "--index-url $WHEELHOUSE_TESTPYPI ", "company": "--index-url $WHEELHOUSE_COMPANY "}
    return f"pip install {where.get(site.name, '')}{project}" + (f"=={version}" if version else "")


def _notices(site: Site, project: str, files: Sequence[IndexFile], *, newest: str, top: str) -> Iterable[str]:
    status = site.status(project)
    if status.marker != "active":
        yield _notice(_STATUSES.get(status.marker, _STRANGE), status.reason)
    if not files:
        yield _notice("This project has no release.")
        return
    version = files[0].version
    if all(file.yanked is not None for file in files):
        yield _notice(
            "This release was yanked: installers take it only where they are told to take just this one.",
            files[0].yanked,
        )
    for advisory in site.advisories.on(project, version):
        names = ", ".join([advisory["id"], *advisory["aliases"]])
        fixed = [event["fixed"] for event in advisory["affected"][0]["ranges"][0]["events"] if "fixed" in event]
        cure = f" Fixed in {fixed[0]}." if fixed else " There is no fixed release yet."
        yield _notice(f"This release is vulnerable ({names}).", more=f"{advisory['summary'].rstrip('.')}.{cure}")
    if Version(version) < Version(newest):
        link = f'<a href="{top}project/{project}/">{_e(newest)}</a>' if top else _e(newest)
        yield f'<p class="note">There is a newer release: {link}.</p>'


def _notice(sentence: str, reason: str | None = "", *, more: str = "") -> str:
    quoted = f" <q>{_e(reason)}</q>" if reason else ""
    return f'<p class="notice" role="note"><strong>{_e(sentence)}</strong>{quoted} {_e(more)}</p>'


def _description(metadata: RawMetadata) -> str:
    text = metadata.get("description") or ""
    if not text.strip():
        return "<p>The author of this release has written no description.</p>"
    return f'<div class="readme">{rendered(text, metadata.get("description_content_type") or "")}</div>'


def _history(site: Site, project: str, files: Sequence[IndexFile], shown: str, top: str) -> str:
    rows = []
    for version in reversed(dict.fromkeys(file.version for file in files)):
        own = [file for file in files if file.version == version]
        marks = ['<span class="mark">pre-release</span>'] if Version(version).is_prerelease else []
        if all(file.yanked is not None for file in own):
            marks.append(f'<span class="mark warn">yanked</span> {_e(own[0].yanked or "no reason given")}')
        if site.advisories.on(project, version):
            marks.append('<span class="mark warn">vulnerable</span>')
        if version == shown:
            marks.insert(0, '<span class="mark here">shown here</span>')
        day = min((file.uploaded for file in own if file.uploaded), default="")[:10]
        text = f'<a href="{top}project/{project}/{quote(version)}/">{_e(version)}</a>' if top else _e(version)
        rows.append(f"<tr><th scope='row'>{text}</th><td>{_e(day)}</td><td>{' '.join(marks)}</td></tr>")
    return f"<table><tbody>{''.join(rows)}</tbody></table>" if rows else "<p>Nothing was released yet.</p>"


def _files(site: Site, files: Sequence[IndexFile], top: str) -> str:
    rows = []
    for file in files:
        address = f"{top}files/{file.sha256}/{quote(file.filename)}"
        name = f'<a href="{address}">{_e(file.filename)}</a>' if top else _e(file.filename)
        kind = "wheel" if file.filename.endswith(".whl") else "source"
        told = [
            kind,
            _size(file.size),
            file.uploaded[:16].replace("T", " "),
            file.requires_python and f"Python {file.requires_python}",
        ]
        links = [f'<a href="{address}.metadata">metadata</a>'] if top and file.metadata_sha256 else []
        if top and file.sha256 in site.provenance:
            where = f"{top}integrity/{file.project}/{quote(file.version)}/{quote(file.filename)}/provenance"
            links.append(f'<a href="{where}">provenance</a>')
        rows.append(
            f'<li><span class="file">{name}</span> <span class="facts">{_e(" · ".join(filter(None, told)))} {" ".join(links)}</span>'
            f'<code class="hash">sha256:{file.sha256}</code></li>'
        )
    return f'<ul class="files">{"".join(rows)}</ul>' if rows else "<p>There is no file to download.</p>"


def _size(count: int) -> str:
    return (
        f"{count} B"
        if count < 1024
        else f"{count / 1024:.1f} KiB"
        if count < 1 << 20
        else f"{count / (1 << 20):.1f} MiB"
    )


def _facts(metadata: RawMetadata, files: Sequence[IndexFile]) -> str:
    """Write the margin: what the release says about itself."""
    python = next((file.requires_python for file in files if file.requires_python), "")
    links = "".join(f"<li>{_link(name, url)}</li>" for name, url in (metadata.get("project_urls") or {}).items())
    needs = "".join(f"<li><code>{_e(one)}</code></li>" for one in metadata.get("requires_dist") or ())
    kinds = "".join(f"<li>{_e(one)}</li>" for one in metadata.get("classifiers") or ())
    rows = {
        "Requires Python": _e(python),
        "Licence": _e(metadata.get("license_expression") or metadata.get("license") or "")[:200],
        "Author": _e(metadata.get("author_email") or metadata.get("author") or ""),
        "Maintainer": _e(metadata.get("maintainer_email") or metadata.get("maintainer") or ""),
        "Needs": needs and f"<ul>{needs}</ul>",
        "Extras": _e(", ".join(metadata.get("provides_extra") or ())),
        "Keywords": _e(", ".join(metadata.get("keywords") or ())),
        "Links": links and f"<ul>{links}</ul>",
        "Classifiers": kinds and f"<ul>{kinds}</ul>",
    }
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{told}</dd>" for name, told in rows.items() if told) + "</dl>"


def _link(name: str, url: str) -> str:
    if not re.match(r"https?://", url, re.I):
        return f"{_e(name)}: {_e(url)}"
    return f'<a href="{_e(url)}" rel="nofollow noreferrer">{_e(name)}</a>'
