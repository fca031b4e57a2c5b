"""The page that a learner gets back, in a real Chromium: it loads and runs nothing, and reads well on a phone, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from attacks import notebooks, pages
from attacks.attack import ATTACKS
from attacks.classroom import EXERCISE, Classroom
from browsing import MARKS, chromium, page_of, photograph

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog

pytestmark = MARKS

CHOSEN = ("N22", "N27", "F01", "F02", "F06")
assert notebooks
assert pages


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    """A class that was graded and given feedback."""
    made = Classroom(tmp_path_factory.mktemp("feedback") / "room")
    made.begin()
    made.fill([one for one in ATTACKS if one.id in CHOSEN])
    made.type("course", "grade", EXERCISE)
    made.type("nbgrader", "generate_feedback", EXERCISE)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with chromium() as one:
        yield one


def _at(room: Classroom, learner: str) -> str:
    return (room.grading / "feedback" / learner / EXERCISE / f"{EXERCISE}.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("learner", ["mm-partial", "f02", "n22"])
def test_it_reads_well_on_a_phone(room: Classroom, browser: Browser, learner: str, scheme: str) -> None:
    """On 360 points nothing runs over the edge, and axe-core finds nothing to say, in the light and in the dark."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    with page_of(browser, scheme) as page:
        page.context.set_offline(True)
        page.set_viewport_size({"width": 360, "height": 740})
        page.goto(_at(room, learner))
        photograph(page, f"feedback-{learner}-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        # the page's own policy forbids scripts: axe-core has to be let in
        found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]})
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("learner", [name.lower() for name in CHOSEN])
def test_nothing_of_a_learners_runs_or_is_loaded(room: Classroom, browser: Browser, learner: str) -> None:
    """No dialog opens, nothing is asked for over the network, and what was written stands there as text."""
    with page_of(browser) as page:
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))

        def heard(dialog: Dialog) -> None:
            said.append(dialog.message)
            dialog.dismiss()

        page.on("dialog", heard)
        page.goto(_at(room, learner))
        for summary in page.locator("summary").all():
            summary.click()
        assert asked == [_at(room, learner)]
        assert said == []
        if learner == "f01":
            assert "<script>alert(1)</script>" in page.inner_text("body")
            assert page.locator("script, img, svg, iframe, style:not(head style)").count() == 0


def test_each_check_says_what_to_do_next(room: Classroom, browser: Browser) -> None:
    """Whoever failed reads what was expected, what was found and one next step, without opening anything."""
    with page_of(browser) as page:
        page.goto(_at(room, "mm-partial"))
        said = page.inner_text("main")
        assert "4 of 18 points" in said  # with the question that a human grades
        assert said.count("✓ passed") >= 3
        first = page.locator("li.failed").first
        assert [word for word in ("expected:", "found:", "next step:") if word not in first.inner_text()] == []
        assert page.locator("nav a").count() == 5
        assert Path(room.grading).exists()
