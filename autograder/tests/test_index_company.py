"""Tests of `autograder.index.company`: a company's own distributions, from its own index onto the twin of it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.exceptions import CourseError, UsageError
from autograder.index import PackageIndex
from autograder.index.company import LOCK, company_lock, company_wheels, fetch_company, lock_company
from autograder.index.store import Store


def _wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """Write a wheel with one empty module, and the page that offers it, as the Simple API wants it (PEP 503)."""
    module, info = name.replace("-", "_"), f"{name.replace('-', '_')}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    place = folder / name
    place.mkdir(parents=True)
    filename = f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(place / filename, "w") as wheel:
        wheel.writestr(f"{module}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"{module}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    digest = hashlib.sha256((place / filename).read_bytes()).hexdigest()
    (place / "index.html").write_text(f'<a href="{filename}#sha256={digest}">{filename}</a>')


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A course whose company has an index of its own, on this machine, and wants `our-till` taken along."""
    for name in os.environ:
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("WHEELHOUSE_COURSE", str(tmp_path))
    _wheel(tmp_path / "theirs" / "simple", "our-till", "2.1", "our-words>=1")
    _wheel(tmp_path / "theirs" / "simple", "our-words", "1.4")
    handler = functools.partial(_Quiet, directory=str(tmp_path / "theirs"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/simple/"
        (tmp_path / "wheelhouse.toml").write_text(f'[index]\nurl = "{url}"\ndistributions = ["our-till"]\n')
        yield tmp_path
        server.shutdown()


def test_they_are_locked_fetched_and_offered(company: Path) -> None:
    """From their names to files on the twin of the company's index, with what they need; PyPI's twin has no more than before."""
    cache = company / "cache"
    with pytest.raises(UsageError, match="never locked") as caught:
        fetch_company(Store(cache, "key"))
    assert "course index lock --company" in caught.value.next_step

    assert lock_company() == company / LOCK
    text = (company / LOCK).read_text()
    assert "our-till==2.1" in text
    assert "our-words==1.4" in text
    assert "://" not in text

    before = PackageIndex.open(cache)
    assert before.files("our-till", "company") == []
    store = before._store
    said: list[str] = []
    assert sorted(fetch_company(store, said.append)) == sorted(one.filename for one in company_lock())
    assert fetch_company(store, said.append) == []
    after = PackageIndex.open(cache)
    assert [file.sites for file in after.files("our-till", "company")] == [("company",)]
    assert after.files("our-words", "company")
    assert after.projects == before.projects
    assert after.mark != before.mark
    assert len(company_wheels(store)) == 2


def test_another_file_than_the_locked_one_is_refused(company: Path) -> None:
    """Their index can't slip in something else later."""
    lock_company()
    text = (company / LOCK).read_text()
    first = company_lock()[0].sha256
    (company / LOCK).write_text(text.replace(first, "0" * 64))
    with pytest.raises(CourseError, match="could not be fetched"):
        fetch_company(PackageIndex.open(company / "cache")._store, lambda _: None)


def test_without_any_there_is_nothing_to_do(company: Path) -> None:
    """A course without such a company asks nobody; locking says how to name them."""
    (company / "wheelhouse.toml").unlink()
    store = Store(company / "cache", "key")
    assert (company_lock(), company_wheels(store), fetch_company(store)) == ([], [], [])
    with pytest.raises(UsageError, match="No distributions of your own") as caught:
        lock_company()
    assert "distributions = [" in caught.value.next_step


def test_a_damaged_lock_is_said(company: Path) -> None:
    """With the command that writes it anew."""
    (company / LOCK).write_text("our-till\n")
    with pytest.raises(CourseError, match="no locked wheel") as caught:
        company_lock()
    assert "--company" in caught.value.next_step
