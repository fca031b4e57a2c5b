"""The pages of reports in a real Chromium: one file each, readable for everybody, on every screen and on paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autograder.exercise import find_exercises
from autograder.progress import class_page, learner_page
from autograder.progress.gathering import gather
from autograder.progress.record import Regraded, account_of, read_record
from browsing import MARKS, chromium, photograph
from recorded import record_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = MARKS

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
NUMBERS = [one.number for one in find_exercises()]
HOSTILE = 'Eve</title><script>document.title="taken"</script><img src=x onerror="document.title=\'taken\'">'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The page of one learner, and that of a class, in which one learner's name is markup."""
    place = tmp_path_factory.mktemp("pages")
    records = {
        "eve": record_of(HOSTILE, {NUMBERS[0]: 2, NUMBERS[1]: 1, NUMBERS[3]: 0}, tries=5, found=HOSTILE),
        "ada": record_of("Ada", {NUMBERS[0]: len(find_exercises()[0].tasks)}, tries=0),
    }
    folder = place / "class"
    folder.mkdir()
    for name, data in records.items():
        (folder / f"{name}.record").write_bytes(data)
    record = read_record(records["eve"])
    graded = [Regraded(find_exercises()[0].id, "", "differs", f"`{HOSTILE}` is otherwise.", 5)]
    learner, everybody = place / "learner.html", place / "class.html"
    learner.write_text(learner_page.as_page(account_of(record, "eve.record"), graded), "utf-8")
    everybody.write_text(class_page.as_page(gather(folder), "2031-05-17 12:00"), "utf-8")
    return {"learner": learner, "class": everybody}


@pytest.mark.parametrize("kind", ["learner", "class"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 360)])
def test_a_page_hinders_nobody(browser: Browser, pages: dict[str, Path], kind: str, scheme: str, width: int) -> None:
    """axe-core finds nothing, the page is no wider than a phone, asks for no file, and runs nothing that a learner wrote."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(pages[kind].as_uri())
        photograph(page, f"report-{kind}-{scheme}-{width}")
        title = page.title()
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        found = Axe().run(page, options=RULES)
        colours = next((len(one["nodes"]) for one in found.response["passes"] if one["id"] == "color-contrast"), 0)
    finally:
        context.close()

    assert found.violations_count == 0, found.generate_report()
    assert colours > 20
    assert wide == 0
    assert asked == [pages[kind].as_uri()]
    assert title.endswith(": progress in Wheelhouse")


def test_the_picture_says_what_it_shows(browser: Browser, pages: dict[str, Path]) -> None:
    """Its name tells from how many points to how many, and on paper nothing is cut off at the side."""
    context = browser.new_context(viewport={"width": 700, "height": 900})
    try:
        page = context.new_page()
        page.goto(pages["learner"].as_uri())
        names = [
            page.get_by_role("img").nth(n).get_attribute("aria-label") for n in range(page.get_by_role("img").count())
        ]
        heights = page.locator("svg.time path.reached").evaluate_all("all => all.map(one => one.getBBox().height)")
        page.emulate_media(media="print")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        paper = page.pdf(format="A4")
    finally:
        context.close()

    assert len(names) == 1 + len(find_exercises())
    assert names[0] is not None
    assert names[0].startswith("Points over the time at work. From 0 to ")
    assert "2 of 4 tasks done, 1 begun" in names
    assert heights[0] > 50
    assert wide == 0
    assert paper.startswith(b"%PDF")
