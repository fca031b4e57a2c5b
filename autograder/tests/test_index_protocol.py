"""What the index answers, without a socket."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import parse_sdist_filename, parse_wheel_filename

from autograder.index import PackageIndex
from autograder.index.answers import JSON, Answer
from autograder.index.protocol import answer
from autograder.index.site import Site
from autograder.index.store import IndexFile

STRANGE = IndexFile(
    filename="odd-1.0-py3-none-any.whl",
    project="odd",
    version="1.0",
    origin="mirror",
    sha256="a" * 64,
    size=3,
    requires_python='>=3.9,<"4"',
    yanked="<b>broken</b> & bad",
    metadata_sha256="b" * 64,
)
SITES = {"pypi": Site("Test", {"odd": [STRANGE]}, lambda sha256: io.BytesIO(b"abc" if sha256[0] == "a" else b"meta"))}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def sites(index: PackageIndex) -> dict[str, Site]:
    """The real index as a site."""
    projects = {name: index.files(name) for name in index.projects}
    return {"pypi": Site("Test", projects, index._open_file)}


def read(reply: Answer) -> bytes:
    """Read an answer's body as the server would send it."""
    if isinstance(reply.body, bytes):
        return reply.body
    with reply.body as file:
        return file.read(reply.length)


class Links(HTMLParser):
    """The links of a page, and its meta tags."""

    def __init__(self, page: bytes) -> None:
        """Read the page."""
        super().__init__()
        self.links: list[dict[str, str | None]] = []
        self.texts: list[str] = []
        self.meta: dict[str | None, str | None] = {}
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the attributes of links and meta tags."""
        if tag == "a":
            self.links.append(dict(attrs))
        if tag == "meta":
            self.meta[dict(attrs).get("name")] = dict(attrs).get("content")

    def handle_data(self, data: str) -> None:
        """Keep the texts."""
        self.texts.append(data)


def test_html_and_json_say_the_same(sites: dict[str, Site]) -> None:
    """For every project both pages list the same files with the same facts, and every link leads to what it promises."""
    for project in sites["pypi"].projects:
        here = f"/pypi/simple/{project}/"
        page = Links(read(answer(sites, here, {})))
        told = json.loads(read(answer(sites, here, {"Accept": JSON})))
        assert page.meta["pypi:repository-version"] == told["meta"]["api-version"] == "1.4"
        assert len(page.links) == len(told["files"]) > 0
        for link, file in zip(page.links, told["files"], strict=True):
            url, fragment = urldefrag(str(link["href"]))
            assert url == file["url"]
            assert fragment == f"sha256={file['hashes']['sha256']}"
            assert link.get("data-requires-python") == file.get("requires-python")
            yanked = link.get("data-yanked")
            assert file["yanked"] == (False if yanked is None else yanked or True)
            content = answer(sites, urljoin(here, url), {})
            assert (content.status, len(read(content))) == (200, file["size"])
            metadata = answer(sites, urljoin(here, url) + ".metadata", {})
            if file["filename"].endswith(".whl"):
                assert link["data-core-metadata"] == f"sha256={file['core-metadata']['sha256']}"
                assert "dist-info-metadata" not in file, "pip 23.0 breaks on it"
                assert read(metadata).startswith(b"Metadata-Version: ")
                assert str(parse_wheel_filename(file["filename"])[1]) in told["versions"]
            else:
                assert file["core-metadata"] is False
                assert metadata.status == 404
                assert str(parse_sdist_filename(file["filename"])[1]) in told["versions"]


def test_list_of_projects(sites: dict[str, Site]) -> None:
    """Both lists name every project, by its normalised name."""
    page = Links(read(answer(sites, "/pypi/simple/", {"Accept": "text/html"})))
    told = json.loads(read(answer(sites, "/pypi/simple/", {"Accept": JSON})))
    assert [link["href"] for link in page.links] == [f"{row['name']}/" for row in told["projects"]]
    assert [row["name"] for row in told["projects"]] == sorted(sites["pypi"].projects)


def test_upload_time_is_that_of_pep_700(sites: dict[str, Site]) -> None:
    """Fixtures tell when they were uploaded, in the one format allowed; wheels of which nobody knows it tell nothing."""
    told = json.loads(read(answer(sites, "/pypi/simple/leftpad/", {"Accept": JSON})))
    assert {file["upload-time"] for file in told["files"] if "-1.0" in file["filename"]} == {
        "2024-02-12T09:30:00.000000Z"
    }
    bundled = json.loads(read(answer(sites, "/pypi/simple/pip/", {"Accept": JSON})))
    assert "upload-time" not in bundled["files"][0]


def test_text_of_strangers_is_escaped() -> None:
    """Reasons and specifiers can't break out of the page."""
    body = read(answer(SITES, "/pypi/simple/odd/", {}))
    assert b"<b>" not in body
    (link,) = Links(body).links
    assert link["data-yanked"] == STRANGE.yanked
    assert link["data-requires-python"] == STRANGE.requires_python


def test_format_in_the_address() -> None:
    """A browser may ask for JSON in the address (PEP 691)."""
    reply = answer(SITES, f"/pypi/simple/odd/?format={JSON.replace('+', '%2B')}", {"Accept": "text/html"})
    assert reply.headers["Content-Type"] == JSON


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_ranges_that_hold_nothing(asked: str) -> None:
    """A range outside the file is refused, with the file's size."""
    file = f"/pypi/files/{STRANGE.sha256}/{STRANGE.filename}"
    reply = answer(SITES, file, {"Range": "bytes=3-"})
    assert (reply.status, reply.headers["Content-Range"]) == (416, "bytes */3")


def test_part_of_a_file() -> None:
    """A part is sent as such, unless the file is another one by now."""
    file = f"/pypi/files/{STRANGE.sha256}/{STRANGE.filename}"
    reply = answer(SITES, file, {"Range": "bytes=1-"})
    assert (reply.status, reply.headers["Content-Range"], read(reply)) == (206, "bytes 1-2/3", b"bc")
    reply = answer(SITES, file, {"Range": "bytes=1-", "If-Range": '"other"'})
    assert (reply.status, read(reply)) == (200, b"abc")


@pytest.mark.parametrize(
    "target", ["/pypi/simple/", "/pypi/simple/odd/", f"/pypi/files/{STRANGE.sha256}/{STRANGE.filename}"]
)
def test_validators(target: str) -> None:
    """Who has a page or file already is told so, without the body."""
    first = answer(SITES, target, {})
    etag = first.headers["ETag"]
    for condition in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        assert answer(SITES, target, {"If-None-Match": condition}).status == 304
    assert answer(SITES, target, {"If-None-Match": '"x"'}).status == 200
    read(first)


def test_pages_differ_by_media_type() -> None:
    """Caches must not mix HTML and JSON up."""
    page, told = (answer(SITES, "/pypi/simple/odd/", {"Accept": accept}) for accept in ("text/html", JSON))
    assert page.headers["ETag"] != told.headers["ETag"]
    assert page.headers["Vary"] == told.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/pypi", "/pypi/"),
        ("/pypi/simple", "/pypi/simple/"),
        ("/pypi/simple/Odd/", "/pypi/simple/odd/"),
        ("/pypi/simple/odd", "/pypi/simple/odd/"),
        ("/pypi/simple/%4Fdd?format=x", "/pypi/simple/odd/?format=x"),
        ("/pypi/search", "/pypi/search/"),
        ("/pypi/project/odd", "/pypi/project/odd/"),
        ("/pypi/project/odd/1.0", "/pypi/project/odd/1.0/"),
    ],
)
def test_redirects(target: str, leads_to: str) -> None:
    """Other ways to write an address lead to the one that counts, and are relative: right behind every door."""
    reply = answer(SITES, target, {})
    assert reply.status == 301
    assert not reply.headers["Location"].startswith("/")
    assert urljoin(target, reply.headers["Location"]) == leads_to


@pytest.mark.parametrize(
    "target",
    [
        "/nowhere/simple/",
        "/pypi/simple/nobody/",
        "/pypi/simple/odd/more/",
        "/pypi/simple/../odd/",
        "/pypi/simple/%2e%2e/",
        "/pypi/files/",
        f"/pypi/files/{'c' * 64}/{STRANGE.filename}",
        f"/pypi/files/{STRANGE.sha256}/other.whl",
        f"/pypi/files/{STRANGE.sha256}/..%2f..%2fetc%2fpasswd",
        "/pypi/files/../../etc/passwd",
        "/pypi/files/%00/x",
        "/etc/passwd",
        "//evil.example/",
        "*",
        "http://evil.example/",
    ],
)
def test_nothing_else_is_there(target: str) -> None:
    """Addresses that name nothing, tricks included, get 404 and a sentence."""
    reply = answer(SITES, target, {})
    assert reply.status == 404
    assert read(reply).endswith(b".\n")


def test_front_pages() -> None:
    """A curious person finds the way down from the top to every project, and back up."""
    assert Links(read(answer(SITES, "/", {}))).links == [{"href": "pypi/"}]
    down = [link["href"] for link in Links(read(answer(SITES, "/pypi/", {}))).links]
    assert down == ["./", "./simple/", "./project/odd/"]
    up = Links(read(answer(SITES, "/pypi/project/odd/", {}))).links[0]["href"]
    assert urljoin("/pypi/project/odd/", str(up)) == "/pypi/"


def test_file_that_was_lost(tmp_path: Path) -> None:
    """A file that vanished from the cache is a 404 with a sentence; a fixture comes back by itself."""
    index = PackageIndex.open(tmp_path)
    (file,) = (file for file in index.files("orm") if file.filename == "orm-1.0-py3-none-any.whl")
    sites = {"pypi": Site("Test", {"orm": [file]}, index._open_file)}
    blob = tmp_path / "index" / "files" / file.sha256[:2] / file.sha256
    blob.unlink()
    assert len(read(answer(sites, f"/pypi/files/{file.sha256}/{file.filename}", {}))) == file.size
    lost = {"pypi": Site("Test", {"odd": [STRANGE]}, index._open_file)}
    reply = answer(lost, f"/pypi/files/{STRANGE.sha256}/{STRANGE.filename}", {})
    assert reply.status == 404
    assert b"lost" in read(reply)


@given(
    st.text(max_size=80)
    | st.from_regex(r"/(pypi/(simple|files|pypi|project|search|integrity)|osv/v1)[/?][ -~]{0,60}", fullmatch=True),
    st.dictionaries(st.sampled_from(["Accept", "Range", "If-None-Match", "If-Range"]), st.text(max_size=60)),
)
def test_no_request_is_a_surprise(target: str, headers: dict[str, str]) -> None:
    """Whatever is asked, the answer is one of a few, and its headers fit on their lines."""
    reply = answer(SITES, target, headers)
    assert reply.status in (200, 206, 301, 304, 404, 405, 416)
    assert all(name.isascii() and "\n" not in value and "\r" not in value for name, value in reply.headers.items())
    assert all(value.encode("latin-1") for value in reply.headers.values() if value)
    read(reply)
