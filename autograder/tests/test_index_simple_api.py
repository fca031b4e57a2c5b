"""What the Simple API's pages say of projects and files that are out of the ordinary."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest

from autograder.index.answers import HTML, JSON
from autograder.index.simple_api import written
from autograder.index.site import Site, Status
from autograder.index.store import IndexFile

WHEEL = IndexFile(
    filename="odd-1.0-py3-none-any.whl",
    project="odd",
    version="1.0",
    origin="fixture",
    sha256="a" * 64,
    size=3,
    uploaded="2026-01-02T03:04:05.000000Z",
    metadata_sha256="b" * 64,
)
SDIST = replace(WHEEL, filename="odd-1.0.tar.gz", sha256="c" * 64, metadata_sha256="")
ORIGIN = "https://index.example"


def site(*files: IndexFile, status: Status | None = None, provenance: dict[str, str] | None = None) -> Site:
    """Make a site with one project."""
    statuses = {"odd": status} if status else {}
    return Site(
        "Test", {"odd": files}, lambda _: io.BytesIO(), statuses=statuses, provenance=provenance or {}, serial=7
    )


def read(of: Site) -> tuple[str, dict[str, object]]:
    """Read the project's page in both forms."""
    return written(of, "odd", HTML, ORIGIN).decode(), json.loads(written(of, "odd", JSON, ORIGIN))


@pytest.mark.parametrize("marker", ["archived", "deprecated"])
def test_status_and_reason(marker: str) -> None:
    """How a project stands, and why, is told in both forms; its files stay (PEP 792)."""
    page, told = read(site(WHEEL, status=Status(marker, 'Because "so" & <so>')))
    assert told["project-status"] == {"status": marker, "reason": 'Because "so" & <so>'}
    assert f'<meta name="pypi:project-status" content="{marker}">' in page
    assert '<meta name="pypi:project-status-reason" content="Because &quot;so&quot; &amp; &lt;so&gt;">' in page
    assert WHEEL.filename in page
    assert told["versions"] == ["1.0"]


def test_quarantine_shows_no_file() -> None:
    """Nobody can install a project in quarantine: its page is there, and empty."""
    page, told = read(site(WHEEL, SDIST, status=Status("quarantined", "Malware")))
    assert (told["files"], told["versions"]) == ([], [])
    assert "<a " not in page
    assert "quarantined" in page


def test_active_needs_no_reason() -> None:
    """An ordinary project is active, without a reason."""
    page, told = read(site(WHEEL))
    assert told["project-status"] == {"status": "active"}
    assert "reason" not in page
    assert told["meta"] == {"api-version": "1.4", "_last-serial": 7}


def test_provenance_has_a_whole_address() -> None:
    """A file that was published with attestations says where they are, as the client sees the index (PEP 740)."""
    of = site(WHEEL, SDIST, provenance={WHEEL.sha256: "d" * 64})
    address = f"{ORIGIN}/integrity/odd/1.0/{WHEEL.filename}/provenance"
    page, told = read(of)
    assert page.count("data-provenance") == 1
    assert f'data-provenance="{address}"' in page
    files = told["files"]
    assert isinstance(files, list)
    assert [file.get("provenance") for file in files] == [address, None]
    other = written(of, "odd", JSON, "http://127.0.0.1:8080/pypi").decode()
    assert "http://127.0.0.1:8080/pypi/integrity/odd/" in other


def test_addresses_of_clients_cost_no_memory() -> None:
    """However many names a client gives the server, pages are kept once."""
    of = site(WHEEL, provenance={WHEEL.sha256: "d" * 64})
    plain = site(WHEEL)
    for number in range(50):
        written(of, "odd", JSON, f"http://{number}.example")
        written(plain, "odd", JSON, f"http://{number}.example")
    assert (len(of.pages), len(plain.pages)) == (0, 1)


def test_yank_without_a_reason() -> None:
    """A yank needs no reason: it is `true`, or an empty attribute (PEP 592)."""
    page, told = read(site(replace(WHEEL, yanked="")))
    assert re.search(r' data-yanked="" ', page)
    assert '"yanked": true' in json.dumps(told)


def test_files_are_in_the_order_of_versions() -> None:
    """1.10 comes after 1.9, and final releases after their candidates."""
    files = [
        replace(WHEEL, version=version, filename=f"odd-{version}-py3-none-any.whl")
        for version in ("1.10", "1.9", "1.10rc1")
    ]
    assert read(site(*files))[1]["versions"] == ["1.9", "1.10rc1", "1.10"]
