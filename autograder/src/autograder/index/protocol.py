"""Which page answers which address: a request in, an answer out, no socket in sight.

::

    /                                     the indexes
    /SITE/                                all projects of one, for people; /SITE/search/?q=WORD some of them
    /SITE/project/NAME/[VERSION/]         a project, for people
    /SITE/help/                           what refusals of an upload mean, for people
    /SITE/simple/[NAME/]                  for installers
    /SITE/pypi/NAME/[VERSION/]json        the JSON API
    /SITE/files/SHA256/FILENAME           a file; with `.metadata` after it, its METADATA
    /SITE/integrity/NAME/VERSION/FILENAME/provenance
    /osv/v1/…                             what is known to be vulnerable

Links and redirects are relative, so all is right under whatever name and port the server is reached.
"""

from __future__ import annotations

__all__ = ["Answer", "Site", "answer"]

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, quote, unquote

from packaging.utils import canonicalize_name

from autograder.index.advisories import answer_osv
from autograder.index.answers import PLAIN_HTML, Answer, document, media_type, missing, moved, page, shown, stream
from autograder.index.simple_api import written
from autograder.index.site import Site

_NOTHING = "There is nothing at this address."


def answer(sites: Mapping[str, Site], target: str, headers: Mapping[str, str], origin: str = "") -> Answer:
    """Answer a GET (or HEAD) of `target`; `headers` has names in title case, such as `If-None-Match`.

    `origin` is where the index that is asked for begins for the client, where that isn't `http://HOST/SITE`.
    """
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        return missing(_NOTHING)
    first, *rest = path[1:].split("/")
    if path == "/":
        from autograder.index.project_pages import front_page

        return _for_people(front_page(sites), headers)
    if first == "osv":
        return answer_osv(sites["pypi"].advisories, "GET", path.removeprefix("/osv"), b"", headers)
    site = sites.get(first)
    if site is None:
        return missing(f"There is no index at /{shown(first)}; there is {', '.join(sites)}.")
    return _of_site(site, rest, query, headers, origin or f"http://{_host(headers)}/{first}")


def _host(headers: Mapping[str, str]) -> str:
    host = headers.get("Host", "")
    return (
        host if re.fullmatch(r"[A-Za-z0-9.-]{1,200}(:\d{1,5})?|\[[0-9a-f:]{2,40}\](:\d{1,5})?", host) else "127.0.0.1"
    )


def _of_site(site: Site, rest: Sequence[str], query: str, headers: Mapping[str, str], origin: str) -> Answer:
    match rest:
        case []:
            return moved(f"{site.name}/")
        case ["simple"]:
            return moved("simple/")
        case ["simple", ""]:
            media = media_type(query, headers)
            return page(written(site, "", media, origin), media, headers, keep=site.keep)
        case ["simple", name] | ["simple", name, ""]:
            project = canonicalize_name(unquote(name))
            if project not in site.projects:
                return missing(f"The index has no project {shown(project)}.")
            if rest != ["simple", project, ""]:
                return _moved_to(project, rest, query)
            media = media_type(query, headers)
            return page(written(site, project, media, origin), media, headers, keep=site.keep)
        case ["files", sha256, filename]:
            return _file(site, sha256, unquote(filename), headers)
        case ["integrity", _, _, filename, "provenance"]:
            return _provenance(site, unquote(filename), headers)
        case ["pypi", name, "json"] | ["pypi", name, "json", ""]:
            return _described(site, name, "", headers, origin)
        case ["pypi", name, version, "json"] | ["pypi", name, version, "json", ""]:
            return _described(site, name, version, headers, origin)
        case ["pypi"] if parse_qs(query).get(":action") == ["list_classifiers"]:
            return _classifiers(headers)
    return _page_for_people(site, rest, query, headers)


def _moved_to(project: str, rest: Sequence[str], query: str) -> Answer:
    up = "../" if rest[-1] == "" else ""
    return moved(f"{up}{project}/" + (f"?{quote(query, safe='=&%+/')}" if query else ""))


def _file(site: Site, sha256: str, filename: str, headers: Mapping[str, str]) -> Answer:
    if (file := site.files.get((sha256, filename))) is not None:
        return stream(site.open, file.sha256, "application/octet-stream", headers)
    file = site.files.get((sha256, filename.removesuffix(".metadata")))
    if file is None or not file.metadata_sha256:
        return missing("The index has no such file.")
    return stream(site.open, file.metadata_sha256, "text/plain; charset=utf-8", headers)


def _provenance(site: Site, filename: str, headers: Mapping[str, str]) -> Answer:
    sha256 = next((digest for digest, name in site.files if name == filename), "")
    if sha256 not in site.provenance:
        return document({"message": f"No provenance available for {shown(filename)}"}, headers, status=404)
    reply = stream(site.open, site.provenance[sha256], "application/vnd.pypi.integrity.v1+json", headers)
    reply.headers["Cache-Control"] = f"max-age={site.keep}"
    return reply


def _described(site: Site, name: str, version: str, headers: Mapping[str, str], origin: str) -> Answer:
    from autograder.index.json_api import project_document

    project = canonicalize_name(unquote(name))
    found = project_document(site, project, unquote(version), origin)
    return document(found or {"message": "Not Found"}, headers, status=200 if found else 404)


def _classifiers(headers: Mapping[str, str]) -> Answer:
    """Give the classifiers that exist: flit looks whether it knows those of a project."""
    try:
        from trove_classifiers import sorted_classifiers
    except ImportError:
        return missing("The list of classifiers is not installed here.")
    return page("\n".join(sorted_classifiers), "text/plain; charset=utf-8", headers)


def _page_for_people(site: Site, rest: Sequence[str], query: str, headers: Mapping[str, str]) -> Answer:
    from autograder.index.project_pages import project_page, search_page

    match rest:
        case [""]:
            return _for_people(search_page(site, top="./"), headers)
        case ["search", ""]:
            return _for_people(search_page(site, parse_qs(query).get("q", [""])[0], top="../"), headers)
        case ["search"]:
            return moved("search/")
        case ["help", ""]:
            from autograder.index.help_page import help_page

            return _for_people(help_page(site, top="../"), headers)
        case ["help"]:
            return moved("help/")
        case ["project", name] | ["project", name, ""] | ["project", name, _] | ["project", name, _, ""]:
            project, version = canonicalize_name(unquote(name)), unquote(rest[2]) if len(rest) > 2 else ""
            body = project_page(site, project, version, top="../../../" if version else "../../")
            if body is None:
                return missing(f"The index has no project {shown(project)}{version and ' ' + shown(version)}.")
            if rest[-1]:
                return moved(f"{quote(rest[-1])}/")
            return _for_people(body, headers)
    return missing(_NOTHING)


def _for_people(body: str, headers: Mapping[str, str]) -> Answer:
    from autograder.index.project_pages import POLICY

    reply = page(body, PLAIN_HTML, headers)
    reply.headers |= {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
    return reply
