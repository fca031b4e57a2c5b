"""A company's own distributions, as `wheelhouse.toml` names them: locked once, fetched with the mirror, on the twin of its index.

They stand on the twin's index `company` only, with all that they need: what lessons and exercises install from the twin of PyPI
is the same everywhere.
"""

from __future__ import annotations

__all__ = ["LOCK", "company_lock", "company_wheels", "fetch_company", "lock_company", "missing_company"]

from collections.abc import Callable, Container
from pathlib import Path

from autograder.exceptions import UsageError
from autograder.index.mirror import fetch_mirror, mirror_wheels
from autograder.index.mirror_lock import Locked, fitting, lock_text, read_lock
from autograder.index.store import Held, Store
from autograder.settings import settings

LOCK = "wheelhouse.lock"
"""Beside `wheelhouse.toml`; written by `course index lock --company`."""
_SITES = ("company",)


def company_lock() -> list[Locked]:
    """Read what was locked for the Python that runs; empty where the company names nothing.

    Raises:
        CourseError: the lock is damaged.
        UsageError: something is named in `wheelhouse.toml`, and there is no lock.
    """
    chosen = settings()
    if chosen.file is None or not chosen.index.distributions:
        return []
    file = chosen.file.with_name(LOCK)
    if not file.is_file():
        raise UsageError(
            f"`{chosen.file.name}` names distributions of your own, and they were never locked.",
            "Run `course index lock --company`, then `course index fetch`.",
        )
    return fitting(read_lock(file.read_text("utf-8")))


def company_wheels(store: Store) -> list[Held]:
    """Give those that have been fetched; none where they were never locked, which `fetch_company` complains of."""
    return mirror_wheels(store, _locked(), _SITES)


def missing_company(there: Container[str]) -> list[str]:
    """Name the files whose hashes aren't `there`; none where they were never locked."""
    return [one.filename for one in _locked() if one.sha256 not in there]


def _locked() -> list[Locked]:
    try:
        return company_lock()
    except UsageError:
        return []


def fetch_company(store: Store, say: Callable[[str], None] = print) -> list[str]:
    """Fetch what is missing of them; gives the names of the files that came.

    Raises:
        CourseError: as `fetch_mirror`, or they were never locked.
    """
    wanted = company_lock()
    return fetch_mirror(store, say, wanted, settings().index.url) if wanted else []


def lock_company() -> Path:
    """Choose their versions and what they need, and write the lock; gives its path. Needs uv, and the company's index.

    Raises:
        UsageError: `wheelhouse.toml` names none.
        CourseError: uv can't resolve them.
    """
    chosen = settings()
    if chosen.file is None or not chosen.index.distributions:
        raise UsageError(
            "No distributions of your own are named.",
            'Write them into `wheelhouse.toml` at the course\'s root: [index] distributions = ["our-library>=2"].',
        )
    comment = "# Written by `course index lock --company` from wheelhouse.toml: one wheel a line.\n"
    target = chosen.file.with_name(LOCK)
    target.write_text(lock_text([chosen.index.distributions], comment, chosen.index.url), "utf-8")
    return target
