"""A project's page on one of the indexes, in a notebook: what a browser would show, with what this workspace has published."""

from __future__ import annotations

import difflib
import html

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from autograder import folder
from autograder.exceptions import UsageError
from autograder.jupyter import session
from autograder.jupyter.words import show

__all__ = ["project_page"]


def project_page(name: str, version: str | None = None, *, index: str = "pypi", height: int = 480) -> None:
    """Show the page of a project, or of one release of it, on the index `pypi`, `testpypi` or `company`.

    The page can do nothing: it runs no script, asks no server and has no links to other pages.

    Raises:
        UsageError: there is no such index, project or release.
    """
    from autograder.index import project_pages

    sites = folder.index().contents(session.here().place.published).sites()
    if index not in sites:
        raise UsageError(f"There is no index called {index!r}.", f"There are {', '.join(sites)}.")
    site, project = sites[index], canonicalize_name(str(name))
    if project not in site.projects:
        near = difflib.get_close_matches(project, site.projects, n=1)
        elsewhere = [other for other, one in sites.items() if project in one.projects]
        hint = f"It is on {' and '.join(elsewhere)}." if elsewhere else near and f"Did you mean `{near[0]}`?"
        raise UsageError(f"There is no project {str(name)!r} on {index}.", hint or "Look how its name is written.")
    page = project_pages.project_page(site, project, _version(version))
    if page is None:
        there = ", ".join(dict.fromkeys(file.version for file in site.projects[project]))
        raise UsageError(f"{project} has no release {version} on {index}.", f"There are {there}.")
    show(
        {
            "text/plain": f"The page of {project}{f' {version}' if version else ''} on {index}.",
            "text/html": (
                f'<iframe sandbox="" title="{html.escape(project)} on {index}" srcdoc="{html.escape(page)}" '
                f'style="width:100%;height:{int(height)}px;border:1px solid gray;border-radius:6px"></iframe>'
            ),
        }
    )


def _version(text: str | None) -> str:
    """Give the version as the index writes it; one that can't be is looked for, and not found, as it is."""
    if text is None:
        return ""
    try:
        return str(Version(str(text)))
    except InvalidVersion:
        raise UsageError(f"{text!r} is no version.", "Versions are written like `1.0` or `2.0rc1`.") from None
