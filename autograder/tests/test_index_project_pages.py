"""The pages for people, without a socket."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin, urlsplit

import pytest

from autograder.index import PackageIndex
from autograder.index.project_pages import POLICY, project_page, search_page
from autograder.index.protocol import answer
from autograder.index.site import Site, Status

CHROMIUM = Path(os.environ.get("WHEELHOUSE_CHROMIUM", "/usr/bin/chromium"))
VOID = {"meta", "input", "br", "hr"}


class Page(HTMLParser):
    """A page's links and text; knows whether its tags are closed in order."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an address; remember that the tag is open."""
        self.tags.add(tag)
        if tag == "a" and dict(attrs).get("href"):
            self.links.append(str(dict(attrs)["href"]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Site]:
    """The fixtures' sites, in a cache of this module's own."""
    return dict(PackageIndex.open(tmp_path_factory.mktemp("cache")).contents().sites())


def read(sites: dict[str, Site], target: str) -> Page:
    """Read a page that is there."""
    reply = answer(sites, target, {})
    assert (reply.status, reply.headers["Content-Security-Policy"]) == (200, POLICY)
    assert isinstance(reply.body, bytes)
    return Page(reply.body.decode())


def test_every_page_is_sound_and_every_link_leads_somewhere(sites: dict[str, Site]) -> None:
    """From the top, all projects' pages of all indexes are reached; they hold no script, and their own links are good."""
    todo, seen = ["/"], {"/"}
    while todo:
        here = todo.pop()
        page = read(sites, here)
        assert not page.tags & {"script", "img", "link", "iframe", "object"}
        for link in page.links:
            there = urlsplit(urljoin(here, link)).path
            if urlsplit(link).netloc or there in seen or link.startswith(("mailto:", "#")):
                continue
            seen.add(there)
            if "/files/" in there or "/simple/" in there:
                reply = answer(sites, there, {})
                assert reply.status == 200, there
                if not isinstance(reply.body, bytes):
                    reply.body.close()
            else:
                todo.append(there)
    for site in sites.values():
        assert {f"/{site.name}/project/{project}/" for project in site.projects} <= seen


def test_project_tells_all_there_is_to_know(sites: dict[str, Site]) -> None:
    """README, history with yanks and reasons, files with hashes and sizes, Python, licence and the command stand on the page."""
    text = read(sites, "/pypi/project/shoplib/").text
    assert "pip install shoplib" in text
    assert "Release 2 replaced shoplib.total" in text
    assert re.search(r"1\.4\s*2024-03-20\s*yanked total\(\) leaves out the last price", text)
    assert ">=3.9" in text
    assert "MIT" in text
    for file in sites["pypi"].projects["shoplib"]:
        assert (file.sha256 in text) == (file.version == "2.3")
    old = read(sites, "/pypi/project/shoplib/1.4/").text
    assert "This release was yanked" in old
    assert "There is a newer release: 2.3" in old
    assert "pip install shoplib==1.4" in old


def test_vulnerable_release_says_so(sites: dict[str, Site]) -> None:
    """A vulnerable release names the advisory and the cure; in the history it is marked; the fixed one has no warning."""
    bad, good = (read(sites, f"/pypi/project/customer-login/{version}/").text for version in ("1.1", "1.2"))
    assert "PYSEC-2026-90001" in bad
    assert "Fixed in 1.2." in bad
    assert "PYSEC-2026-90001" not in good
    assert "vulnerable" in good
    assert "There is no fixed release yet." in read(sites, "/pypi/project/guest-wifi/").text


@pytest.mark.parametrize(
    ("project", "words"),
    [
        ("paper-catalogue", "archived: no new release"),
        ("till-classic", "deprecated: use something else"),
        ("free-coupons", "in quarantine"),
    ],
)
def test_status_is_told(sites: dict[str, Site], project: str, words: str) -> None:
    """How a project stands is said on its page and in the list; one in quarantine offers no file and no command."""
    page = read(sites, f"/pypi/project/{project}/")
    assert words in page.text
    assert sites["pypi"].status(project).reason in page.text
    assert sites["pypi"].status(project).marker in read(sites, f"/pypi/search/?q={project}").text
    quarantined = words == "in quarantine"
    assert ("no file to download" in page.text) == quarantined
    assert ("pip install" in page.text) != quarantined


def test_search(sites: dict[str, Site]) -> None:
    """Projects are found by their name, however written, and by their summary."""
    assert "leftpad" in read(sites, "/pypi/search/?q=LeftPad").text
    assert "leftpad" in read(sites, "/pypi/search/?q=text%20on%20its").text
    assert "0 projects with “<b>”" in read(sites, "/pypi/search/?q=%3Cb%3E").text


@pytest.mark.parametrize("path", ["nobody/", "leftpad/9.9/", "leftpad/%3Cscript%3E/", "leftpad/1.2/more/", ""])
def test_what_is_not_there(sites: dict[str, Site], path: str) -> None:
    """Other addresses get 404, in plain text."""
    reply = answer(sites, f"/pypi/project/{path}", {})
    assert reply.status == 404
    assert reply.headers["Content-Type"].startswith("text/plain")


def test_text_of_strangers_is_escaped(sites: dict[str, Site]) -> None:
    """Names, reasons and whatever else an uploader writes can't become markup."""
    bad = '<img src=x onerror="y">'
    files = [replace(file, yanked=bad, requires_python=bad) for file in sites["pypi"].projects["leftpad"]]
    site = Site(bad, {"leftpad": files}, sites["pypi"].open, statuses={"leftpad": Status("archived", bad)})
    for text in (project_page(site, "leftpad", "1.2", top="../"), search_page(site, bad, top="")):
        assert text is not None
        assert "img" not in Page(text).tags
        assert bad in Page(text).text


def test_page_for_a_notebook_has_no_way_out(sites: dict[str, Site]) -> None:
    """Without a place in a server the page has no link to another page, and nothing to fill in."""
    text = project_page(sites["pypi"], "leftpad")
    assert text is not None
    assert Page(text).links == []
    assert "form" not in Page(text).tags


def test_project_without_files(tmp_path: Path) -> None:
    """A project of which everything was deleted still has a page, which says so."""
    text = project_page(Site("Test", {"empty": []}, lambda _: (tmp_path / "x").open("rb")), "empty", top="../../")
    assert text is not None
    assert "This project has no release." in Page(text).text


def test_own_projects_are_told(sites: dict[str, Site]) -> None:
    """Whose project it is, and how to change one's own, stands on its page."""
    site = replace(sites["pypi"], own={"leftpad"})
    mine, other = (project_page(site, project, top="../../") or "" for project in ("leftpad", "shoplib"))
    assert "This project is yours. What" in Page(mine).text
    assert "yours" not in Page(other).text


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM.is_file(), reason=f"there is no {CHROMIUM}: WHEELHOUSE_CHROMIUM names another one")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(tmp_path: Path, scheme: Literal["light", "dark"]) -> None:
    """A real browser shows the pages as they are meant, asks nobody else for anything, and finds a project by the keyboard alone."""
    from playwright.sync_api import sync_playwright

    index = PackageIndex.open(tmp_path)
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        index.serve(listener),
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]) as browser,
    ):
        base = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        page = browser.new_page(color_scheme=scheme)
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{base}pypi/")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type("shoplib")
        page.keyboard.press("Enter")
        page.get_by_role("link", name="shoplib", exact=True).click()
        page.get_by_role("link", name="1.4", exact=True).click()
        assert page.get_by_role("note").inner_text().startswith("This release was yanked")
        colours = page.evaluate(
            "() => [getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        ink, paper = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
        assert (ink < 200 < 600 < paper) if scheme == "light" else (paper < 200 < 600 < ink)
        width = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert width == 0
        page.set_viewport_size({"width": 360, "height": 640})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
        assert all(url.startswith(base) for url in asked)
        assert [text for text in said if "favicon" not in text and "404" not in text] == []
