"""Which page answers which address: a request in, an answer out, no socket in sight."""

from __future__ import annotations

__all__ = ["Answer", "Site", "answer"]

from collections.abc import Mapping
from urllib.parse import quote, unquote

from packaging.utils import canonicalize_name

from autograder.index.answers import PLAIN_HTML, Answer, media_type, missing, moved, page, shown, stream
from autograder.index.simple_api import listing, written
from autograder.index.site import Site


def answer(sites: Mapping[str, Site], target: str, headers: Mapping[str, str]) -> Answer:
    """Answer a GET (or HEAD) of `target`; `headers` has names in title case, such as `If-None-Match`."""
    path, _, query = target.partition("?")
    if path == "/":
        return page(listing("Indexes", ((f"{name}/", name) for name in sites)), PLAIN_HTML, headers)
    if not path.startswith("/"):
        return missing("There is nothing at this address.")
    first, *rest = path[1:].split("/")
    site = sites.get(first)
    if site is None:
        return missing(f"There is no index at /{shown(first)}; there is {', '.join(sites)}.")
    match rest:
        case []:
            return moved(f"/{first}/")
        case [""]:
            links = [("simple/", "simple: all projects")]
            return page(listing(site.title, links), PLAIN_HTML, headers)
        case ["simple"]:
            return moved(f"/{first}/simple/")
        case ["simple", ""]:
            media = media_type(query, headers)
            return page(written(site, "", media), media, headers, keep=site.keep)
        case ["simple", name] | ["simple", name, ""]:
            project = canonicalize_name(unquote(name))
            if project not in site.projects:
                return missing(f"The index has no project {shown(project)}.")
            if rest != ["simple", project, ""]:
                return moved(f"/{first}/simple/{project}/" + (f"?{quote(query, safe='=&%+/')}" if query else ""))
            media = media_type(query, headers)
            return page(written(site, project, media), media, headers, keep=site.keep)
        case ["files", sha256, filename]:
            return _file(site, sha256, unquote(filename), headers)
    return missing("There is nothing at this address.")


def _file(site: Site, sha256: str, filename: str, headers: Mapping[str, str]) -> Answer:
    if (file := site.files.get((sha256, filename))) is not None:
        return stream(site.open, file.sha256, "application/octet-stream", headers)
    file = site.files.get((sha256, filename.removesuffix(".metadata")))
    if file is None or not file.metadata_sha256:
        return missing("The index has no such file.")
    return stream(site.open, file.metadata_sha256, "text/plain; charset=utf-8", headers)
