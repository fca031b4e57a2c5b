"""Whether everybody can use it: axe-core on all that is ours, keyboard alone, narrow and enlarged, without motion, with forced colours.

The pictures of the lessons have the same in `test_browser_pictures.py`, the page of feedback in `test_grading_feedback_page.py`.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autograder.index import PackageIndex
from autograder.index.help_page import help_page
from autograder.index.project_pages import front_page, project_page, search_page
from autograder.jupyter import checklist
from autograder.places import course_root
from browsing import MARKS, chromium, jupyterlab, open_lab, open_notebook, page_of, photograph, run_all, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = MARKS

WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
FRONT = ".jp-NotebookPanel:not(.lm-mod-hidden)"
STATIC = Path(checklist.__file__).parent / "static"

TOO_WIDE = """(selector) => [...document.querySelectorAll(selector)].filter((one) => {
  const scrolls = (node) => node && node.matches && (/(auto|scroll)/.test(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  return one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline' && !scrolls(one)
    && getComputedStyle(one).overflowX === 'visible' && one.clientWidth > 1;
}).map((one) => `${one.tagName}.${one.className}: ${one.scrollWidth} > ${one.clientWidth}`)"""

FOCUS = """(top) => {
  const one = document.activeElement;
  const seen = getComputedStyle(one);
  const name = one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent || one.title || '';
  const box = one.getBoundingClientRect();
  return {
    inside: Boolean(one.closest(top)) && one.tagName !== 'BODY', name: name.trim(),
    y: box.top - (one.closest(top)?.getBoundingClientRect().top ?? 0),
    seen: (seen.outlineStyle !== 'none' && parseFloat(seen.outlineWidth) >= 1) || seen.boxShadow !== 'none',
  };
}"""


def _axe(page: Page, context: str | None, *, practice: bool = False, least: int = 1) -> None:
    """Let axe-core look; it must have looked at the colours of some elements, or it saw nothing."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    rules = {
        "runOnly": {"type": "tag", "values": [*WCAG, *(["best-practice"] if practice else [])]},
        "rules": {"target-size": {"enabled": True}},
    }
    found = Axe().run(page, context=context, options=rules)
    assert found.violations_count == 0, found.generate_report()
    seen = next((len(one["nodes"]) for one in found.response["passes"] if one["id"] == "color-contrast"), 0)
    assert seen >= least, f"axe-core looked at the colours of {seen} elements only"


# --- the pages of the index


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Those of the twin of PyPI: its front page, a search, its help, and a project of each kind."""
    sites = dict(PackageIndex.open().contents().sites())
    pypi = sites["pypi"]
    found = {
        "front": front_page(sites),
        "search": search_page(pypi, "shop", top=""),
        "help": help_page(pypi, top=""),
    }
    for name in ("shoplib", "requests"):
        text = project_page(pypi, name, top="")
        if text is not None:
            found[name] = text
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def plain(browser: Browser) -> Iterator[Page]:
    """A page with nothing in it yet."""
    with page_of(browser) as page:
        page.context.set_offline(True)
        yield page


def test_the_pages_of_the_index_are_for_everybody(plain: Page, pages: dict[str, str]) -> None:
    """In the light and in the dark; at 320 points, as at 400 %, nothing must be scrolled sideways; the focus is seen on each link."""
    page = plain
    assert {"shoplib", "requests"} <= set(pages)
    for name, text in pages.items():
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 320)):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.set_content(text)
            photograph(page, f"index-{name}-{scheme}-{width}")
            _axe(page, None, practice=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        stops: list[str] = []
        for _ in range(200):
            page.keyboard.press("Tab")
            here = page.evaluate(FOCUS, "body")
            if not here["inside"]:
                break
            assert here["name"], f"{name}: the stop after {stops} has no name"
            assert here["seen"], f"{name}: nobody sees that {here['name']} has the focus"
            stops.append(here["name"])
        assert stops or "<a " not in text


# --- what is ours in JupyterLab


CELLS = {
    "start.ipynb": ["%load_ext autograder\nprogress()", "health()"],
    "exercise.ipynb": [
        '%load_ext autograder\nbegin("06")',
        "%%shell\nmkdir new; echo one > new/file; pip install --quiet leftpad",
        "changed()",
    ],
}
"""Small notebooks of this module's own; lesson 06 is the course's."""
LESSON_CELLS = 12
"""How many cells of lesson 06 are run: all kinds of its outputs."""


def _notebook(sources: list[str]) -> str:
    code: dict[str, Any] = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
    cells = [{**code, "id": f"cell-{number}", "source": text} for number, text in enumerate(sources)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the course in which nobody has done anything yet, with small notebooks."""
    root = course_root()
    assert root is not None
    made = tmp_path_factory.mktemp("access") / "course"
    made.mkdir()
    shutil.copy(root / "nbgrader_config.py", made)
    shutil.copytree(root / "notebooks", made / "notebooks")
    shutil.copytree(root / "exercises", made / "exercises", ignore=shutil.ignore_patterns("*.snapshot"))
    for name, sources in CELLS.items():
        (made / "notebooks" / name).write_text(_notebook(sources), "utf-8")
    told = json.loads((made / "notebooks" / "06-virtual-environments.ipynb").read_text("utf-8"))
    sources = ["".join(cell["source"]) for cell in told["cells"] if cell["cell_type"] == "code"]
    (made / "notebooks" / "lesson.ipynb").write_text(_notebook(sources[:LESSON_CELLS]), "utf-8")
    yield made
    subprocess.run(["rm", "-rf", str(made.parent)], check=False)


@pytest.fixture(scope="module")
def lab(browser: Browser, course: Path) -> Iterator[Page]:
    """JupyterLab as somebody starts it who uses a screen reader, open in a page."""
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WHEELHOUSE_SCREEN_READER", "1")
            address = stack.enter_context(jupyterlab(course, course.parent))
        page = stack.enter_context(page_of(browser))
        page.set_viewport_size({"width": 1500, "height": 1600})
        open_lab(page, address)
        yield page


DO = """async (code) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const future = kernel.requestExecute({ code });
  let said = '';
  future.onIOPub = (one) => { if (one.content.ename) said = `${one.content.ename}: ${one.content.evalue}`; };
  await future.done;
  return said;
}"""
FREEZE = """
from autograder.jupyter import checklist as _module
_one = next(iter(_module._live.values()))
_one._show = lambda *_: False
with _one._showing:  # what is being shown just now has been shown
    pass
_words = dict(expected="There is a file `a.txt`.", found="There is **no** such file.", next_step="Run `ls -A`.")
_tasks = [dict(task) for task in _one.tasks]
for _number, _task in enumerate(_tasks):
    _state = {states!r}[_number % len({states!r})]
    _task["state"] = _state
    _task["score"] = _task["points"] if _state == "passed" else 0
    _told = _words if _state in ("failed", "error") else dict.fromkeys(_words)
    _task["checks"] = [{{**check, **_told, "state": _state}} for check in _task["checks"]]
_one.tasks = _tasks
_one.score = sum(task["score"] for task in _tasks)
_one.hints = {{"1": "**Hint 1 of 3:** Look at `ls -A`."}}
_one.message = "Something to be read."
"""
"""Shows the tasks in the given states, one after another, as the runner would tell them; what is found from now on isn't shown."""
STATES = ("failed", "passed", "waiting", "running", "error")


def _show(page: Page, name: str, scheme: str) -> None:
    """Turn the whole page light or dark."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    light = "true" if scheme == "light" else "false"
    page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")
    page.locator("#jupyterlab-splash").wait_for(state="detached")
    photograph(page, f"access-{name}-{scheme}")


def _look(page: Page, selector: str, name: str, *, least: int = 5) -> None:
    for scheme in ("dark", "light"):
        _show(page, name, scheme)
        _axe(page, f"{FRONT} {selector}", least=least)


def _run(page: Page, notebook: str, last: str) -> None:
    """Run a whole notebook, and wait for what its last cell shows."""
    open_notebook(page, f"notebooks/{notebook}")
    run_all(page)
    page.locator(f"{FRONT} {last}").last.wait_for()
    until(
        page,
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status",
        lambda seen: bool(seen == "idle"),
    )


def _narrow(page: Page, selector: str, name: str) -> None:
    """See that nothing runs over where the list has 320 points, as on a small window at 400 %, or letters are twice as large."""
    for label, style in (
        ("320", f"{selector} {{ width: 320px !important; max-width: 320px !important; }}"),
        ("200", f"{selector} {{ font-size: 28px !important; }}"),
    ):
        tag = page.add_style_tag(content=style)
        photograph(page, f"access-{name}-{label}")
        assert page.evaluate(TOO_WIDE, f"{selector}, {selector} *") == [], label
        tag.evaluate("node => node.remove()")


def _stops(page: Page, top: str) -> list[dict[str, Any]]:
    """Walk through with Tab, in and out again."""
    stops: list[dict[str, Any]] = []
    for _ in range(150):
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUS, top)
        if here["inside"]:
            assert here["name"], f"the stop after {[one['name'] for one in stops]} has no name"
            assert here["seen"], f"nobody sees that {here['name']} has the focus"
            stops.append(here)
        elif stops:
            return stops
    raise AssertionError(f"no way in, or no way out: {[one['name'] for one in stops]}")


def test_the_start_page_is_for_everybody(lab: Page) -> None:
    """Axe-core has nothing to say, every control is reached and seen, nothing runs over in 320 points."""
    _run(lab, "start.ipynb", ".jp-RenderedHTMLCommon table")
    _look(lab, ".jp-OutputArea-output", "start")
    assert _stops(lab, f"{FRONT} .jp-OutputArea-output")


def test_a_lessons_outputs_are_for_everybody(lab: Page) -> None:
    """What the cells of lesson 06 show, in the light and in the dark."""
    usual = lab.viewport_size
    assert usual is not None
    lab.set_viewport_size({**usual, "height": 9000})  # JupyterLab draws only the cells that can be seen
    try:
        _run(lab, "lesson.ipynb", ".jp-Cell:last-child .jp-OutputArea-output")
        assert lab.locator(f"{FRONT} .jp-CodeCell .jp-OutputArea-output").count() >= LESSON_CELLS - 2
        _look(lab, ".jp-OutputArea-output", "lesson")
    finally:
        lab.set_viewport_size(usual)


@pytest.fixture
def exercise(lab: Page) -> Iterator[Page]:
    """The page with the exercise's notebook in front, which was run."""
    if lab.locator(f"{FRONT} .wh-checklist").count():
        lab.evaluate("() => { window.jupyterapp.shell.currentWidget.content.node.scrollTop = 0; }")
    else:
        _run(lab, "exercise.ipynb", ".wheelhouse-changes")
    yield lab
    lab.emulate_media(forced_colors="none", reduced_motion="no-preference", color_scheme="light")


def _freeze(page: Page, *states: str) -> None:
    assert page.evaluate(DO, FREEZE.format(states=states)) == ""
    for state in states:
        page.locator(f'{FRONT} .wh-task[data-state="{state}"]').first.wait_for()
    page.locator(f"{FRONT} .wh-message", has_text="Something to be read.").wait_for()


def test_what_changed_is_for_everybody(exercise: Page) -> None:
    """The answer of `changed()` as an output."""
    exercise.locator(f"{FRONT} .wheelhouse-changes").last.scroll_into_view_if_needed()
    _look(exercise, ".wheelhouse-changes", "changed", least=3)


def test_the_checklist_is_for_everybody_in_every_state(exercise: Page) -> None:
    """Failed, passed, waiting, not tried, our error, with a hint and a message: each has a word of its own; narrow and enlarged too."""
    _freeze(exercise, *STATES)
    words = exercise.locator(f"{FRONT} .wh-checklist .wh-check .wh-word").all_inner_texts()
    assert len(set(words)) == len(STATES)
    assert all(words)
    _look(exercise, ".wh-checklist", "checklist")
    _narrow(exercise, f"{FRONT} .wh-checklist", "checklist")


def test_the_checklist_by_keyboard_with_forced_colours_and_without_motion(exercise: Page) -> None:
    """Every control is reached in the order in which it is read, its focus is seen, also in forced colours; a tick doesn't move."""
    _freeze(exercise, "failed")
    exercise.emulate_media(forced_colors="active", reduced_motion="reduce", color_scheme="light")
    exercise.locator("#jupyterlab-splash").wait_for(state="detached")
    photograph(exercise, "access-forced")
    exercise.locator(f"{FRONT} .jp-Cell .cm-content").first.click()
    exercise.keyboard.press("Escape")
    stops = _stops(exercise, f"{FRONT} .wh-checklist")
    names = [one["name"] for one in stops]
    assert {"Open the shell", "Check now", "Start over", "Hint for task 1"} <= set(names), names
    rows = [round(one["y"]) for one in stops]
    later = [(names[at], names[at + 1]) for at in range(len(rows) - 1) if rows[at + 1] < rows[at] - 40]
    assert later == []
    _freeze(exercise, "passed")
    moving = "(top) => document.querySelector(top).getAnimations({ subtree: true }).length"
    assert exercise.evaluate(moving, f"{FRONT} .wh-checklist") == 0


def test_a_list_that_is_stale_is_for_everybody(exercise: Page) -> None:
    """After a restart it says so in words, in colours that can be read."""
    exercise.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
    exercise.get_by_role("status").filter(has_text="Not live: run this cell again.").wait_for()
    _look(exercise, ".wh-checklist", "stale")


def test_the_terminal_can_be_read_aloud(lab: Page) -> None:
    """With WHEELHOUSE_SCREEN_READER=1 its text is in the page, and the prompt has no colours and no ornament."""
    lab.evaluate("() => window.jupyterapp.commands.execute('terminal:open', { name: 'ex06' })")
    lab.locator(".jp-Terminal .xterm-accessibility").first.wait_for(state="attached")
    text = "() => document.querySelector('.jp-Terminal .xterm-accessibility')?.textContent || ''"
    seen = until(lab, text, lambda seen: "ex06 ~/project $" in seen.replace("\xa0", " "))
    assert "ex06:" not in seen
    lab.locator(".jp-Terminal .xterm-screen").first.click()
    lab.keyboard.type("course list\n")
    until(lab, text, lambda seen: "Packages" in seen.replace("\xa0", " "))
    photograph(lab, "access-terminal")


def test_a_button_leads_to_the_terminals_settings(lab: Page) -> None:
    """One press from the start page to where Screen Reader Mode is switched on and off."""
    if not lab.get_by_role("button", name="Settings of the terminal").count():
        _run(lab, "start.ipynb", ".jp-RenderedHTMLCommon table")
    lab.get_by_role("button", name="Settings of the terminal").first.focus()
    lab.keyboard.press("Enter")
    switch = lab.get_by_role("checkbox", name="Screen Reader Mode")
    switch.wait_for()
    assert switch.is_checked()
    switch.uncheck()
    lab.locator(".jp-Terminal .xterm-accessibility").wait_for(state="detached")
    photograph(lab, "access-settings")


def test_nothing_of_ours_moves_unasked() -> None:
    """Every animation and transition stands where the user has not asked for less motion."""
    for sheet in sorted(STATIC.glob("*.css")):
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text("utf-8"), flags=re.DOTALL)
        quiet = re.sub(
            r"@media[^{]*prefers-reduced-motion: no-preference[^{]*\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}", "", text
        )
        assert re.findall(r"(?:animation|transition|scroll-behavior)[\w-]*:(?! none)[^;]+", quiet) == [], sheet.name
