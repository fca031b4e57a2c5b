"""PyPI's JSON API: `/pypi/NAME/json` and `/pypi/NAME/VERSION/json`.

Poetry's default source reads requirements there, pip-audit vulnerabilities, and people everything.
"""

from __future__ import annotations

__all__ = ["project_document"]

import functools
import hashlib
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, BinaryIO
from urllib.parse import quote

from packaging.metadata import RawMetadata
from packaging.utils import parse_wheel_filename

from autograder.index.core_metadata import core_metadata, of_version, shown_version
from autograder.index.site import Site
from autograder.index.store import IndexFile


def project_document(site: Site, project: str, version: str, origin: str) -> dict[str, Any] | None:
    """Describe a project, or one release of it where `version` says which; None if there is no such release.

    `origin` is where the index begins for the client, such as `http://127.0.0.1:8080/pypi`: here addresses must be whole.
    """
    files = site.offered(project) if project in site.projects else ()
    own = of_version(files, version or shown_version(files))
    if not own:
        return None
    releases = {
        name: [_file(site, file, origin) for file in group] for name, group in groupby(files, lambda file: file.version)
    }
    chosen = own[0].version
    found: dict[str, Any] = {
        "info": _info(core_metadata(site, own), project, own, origin),
        "last_serial": site.serial,
        "ownership": {"organization": None, "roles": []},
        "urls": releases[chosen],
        "vulnerabilities": [_vulnerability(one) for one in site.advisories.on(project, chosen)],
    }
    if not version:
        found["releases"] = releases
    return found


def _info(metadata: RawMetadata, project: str, files: Sequence[IndexFile], origin: str) -> dict[str, Any]:
    name, version = metadata.get("name") or project, files[0].version
    address = f"{origin}/project/{project}/"
    texts = ("author", "author_email", "maintainer", "maintainer_email", "home_page", "download_url", "license")
    yanked = all(file.yanked is not None for file in files)
    return {
        **{key: metadata.get(key) or "" for key in texts},
        "bugtrack_url": None,
        "classifiers": metadata.get("classifiers") or [],
        "description": metadata.get("description") or "",
        "description_content_type": metadata.get("description_content_type"),
        "docs_url": None,
        "downloads": {"last_day": -1, "last_month": -1, "last_week": -1},
        "dynamic": metadata.get("dynamic"),
        "keywords": ",".join(metadata.get("keywords") or []),
        "license_expression": metadata.get("license_expression"),
        "license_files": metadata.get("license_files"),
        "name": name,
        "package_url": address,
        "platform": ",".join(metadata.get("platforms") or []) or None,
        "project_url": address,
        "project_urls": metadata.get("project_urls"),
        "provides_extra": metadata.get("provides_extra"),
        "release_url": f"{address}{quote(version)}/",
        "requires_dist": metadata.get("requires_dist"),
        "requires_python": metadata.get("requires_python"),
        "summary": metadata.get("summary") or "",
        "version": version,
        "yanked": yanked,
        "yanked_reason": next((file.yanked for file in files if file.yanked), None) if yanked else None,
    }


def _file(site: Site, file: IndexFile, origin: str) -> dict[str, Any]:
    is_wheel = file.filename.endswith(".whl")
    digests = _digests(site.open, file.sha256)
    uploaded = file.uploaded or None
    return {
        "comment_text": None,
        "digests": digests,
        "downloads": -1,
        "filename": file.filename,
        "has_sig": False,
        "md5_digest": digests.get("md5"),
        "packagetype": "bdist_wheel" if is_wheel else "sdist",
        "python_version": _python_tag(file.filename) if is_wheel else "source",
        "requires_python": file.requires_python or None,
        "size": file.size,
        "upload_time": uploaded and uploaded[:19],
        "upload_time_iso_8601": uploaded,
        "url": f"{origin}/files/{file.sha256}/{quote(file.filename)}",
        "yanked": file.yanked is not None,
        "yanked_reason": file.yanked or None,
    }


def _python_tag(filename: str) -> str:
    return ".".join(sorted({tag.interpreter for tag in parse_wheel_filename(filename)[3]}))


@functools.lru_cache(maxsize=2048)
def _digests(open_file: Callable[[str], BinaryIO], sha256: str) -> dict[str, str]:
    """Give all the digests that PyPI tells; only the one we know where the file was lost."""
    md5 = hashlib.md5(usedforsecurity=False)
    blake2 = hashlib.blake2b(digest_size=32)
    try:
        with open_file(sha256) as file:
            while block := file.read(1 << 20):
                md5.update(block)
                blake2.update(block)
    except OSError:
        return {"sha256": sha256}
    return {"blake2b_256": blake2.hexdigest(), "md5": md5.hexdigest(), "sha256": sha256}


def _vulnerability(advisory: dict[str, Any]) -> dict[str, Any]:
    events = [event for affected in advisory["affected"] for part in affected["ranges"] for event in part["events"]]
    return {
        "aliases": advisory["aliases"],
        "details": advisory["details"],
        "fixed_in": [event["fixed"] for event in events if "fixed" in event],
        "id": advisory["id"],
        "link": None,
        "source": "osv",
        "summary": advisory["summary"],
        "withdrawn": None,
    }
