"""The anatomy of a virtual environment: what its files are and say, and what breaks without each of them.

The files are those of a real environment in this notebook's workspace, read when the cell is run. "Delete it" is really done,
on a copy in the sandbox, and the same commands are run before and after: nothing is told that was not seen.
"""

from __future__ import annotations

import contextlib
import html
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import traitlets

from autograder import folder
from autograder.environment import Environment
from autograder.exceptions import CourseError, Failed, UsageError
from autograder.jupyter import session
from autograder.jupyter.pictures.picture import Picture, script, style
from autograder.jupyter.words import inline_html, show
from autograder.sandbox import Limits, Place
from autograder.sandbox.system_python import make_system
from autograder.snapshot import restore
from autograder.tree import FolderTree

__all__ = ["Anatomy", "Part", "Trial", "anatomy", "dissect", "try_without"]

MOST_CHARACTERS = 6_000
"""Of a file's content that are shown."""
MOST_PARTS = 60
MARK = "--- wheelhouse "

ABOUT = {
    "pyvenv.cfg": "Makes the folder an environment. Python looks for it beside or one above its own executable; `home` says which "
    "Python lends its standard library.",
    ".gitignore": "Keeps the environment out of git: the rule `*` ignores everything here, this file included.",
    "bin": "The commands of the environment. Activating does little more than putting this folder first on `PATH`.",
    "bin/python": "The interpreter: a link to the Python that made the environment, not a copy of it. "
    "Started by this name it finds `pyvenv.cfg` one folder up.",
    "bin/activate": "Sets `VIRTUAL_ENV`, `PATH` and the prompt *of the shell that reads it*. A convenience: `bin/python` works without.",
    "bin/pip": "A small script. Its first line names one Python by its absolute path: that is why a moved environment has a broken `pip`.",
    "lib": "Holds `site-packages` and nothing else: the standard library stays in the Python that made the environment.",
    "lib64": "A link to `lib`, for systems that look for compiled modules there.",
    "include": "For C headers that a few distributions install. Usually empty.",
    "site-packages": "What `import` finds, and beside it what installers noted down.",
    "METADATA": "Name, version and requirements: what `pip show` reads.",
    "RECORD": "Every installed file with its hash: what `pip uninstall` goes by.",
    "INSTALLER": "Which tool installed it.",
    "REQUESTED": "There if somebody asked for this distribution by name; missing if it came along as a requirement of another.",
    "WHEEL": "From what kind of wheel it came.",
    "entry_points.txt": "The commands that the installer made scripts in `bin` for.",
    "direct_url.json": "There if it was installed from an address or a folder instead of an index.",
    "top_level.txt": "An old list of the packages inside.",
}


@dataclass(frozen=True)
class Part:
    """One file, folder or link of an environment."""

    path: str
    """Relative to the environment."""
    kind: str
    """`file`, `folder` or `link`."""
    about: str
    """What it is for, in Markdown."""
    content: str = ""
    """A file's text (cut), or where a link points."""
    size: int = 0
    """In bytes; 0 for folders and links."""

    @property
    def name(self) -> str:
        """The last piece of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def level(self) -> int:
        """How deep it lies: 1 at the top."""
        return self.path.count("/") + 1


@dataclass(frozen=True)
class Trial:
    """One command, tried with everything there and again with one part deleted."""

    command: str
    before: str
    """The last line of what it printed."""
    after: str
    outcome: str
    """`same`, `differs` or `breaks` (it succeeded before and fails now)."""


def _about(path: str, name: str) -> str:
    if path in ABOUT:
        return ABOUT[path]
    if path.startswith("bin/"):
        if name.startswith("python"):
            return "Another name of the same interpreter."
        if name.lower().startswith("activate") or name.endswith((".ps1", ".fish", ".csh")):
            return "The same as `activate`, for another shell."
        if name.startswith("pip"):
            return "The same script as `pip`, under a longer name."
        return "A command that came with an installed distribution. Its first line names this environment's Python."
    if name.endswith(".dist-info"):
        return "What the installer noted down. Without it the files are there, but no installer knows of them."
    if path.endswith("/site-packages"):
        return ABOUT["site-packages"]
    if "/site-packages/" in path and ".dist-info/" in path:
        return ABOUT.get(name, "")
    if "/site-packages/" in path:
        return "What `import` finds."
    return (
        "The version is part of the path: another Python would look into another folder."
        if path.startswith("lib/")
        else ""
    )


def dissect(tree: FolderTree, environment: str) -> list[Part]:
    """Read the parts of an environment that are worth showing, top down; folders of packages are not opened."""

    def walk(path: str) -> Iterator[Part]:
        names = tree.names(f"{environment}/{path}" if path else environment)
        for name in sorted(names, key=_order):
            here = f"{path}/{name}" if path else name
            entry = tree.entry(f"{environment}/{here}")
            if entry is None or name == "__pycache__" or entry.kind == "other":
                continue
            content = entry.target
            if entry.kind == "file":
                content = tree.read(f"{environment}/{here}", MOST_CHARACTERS).decode("utf-8", "replace")
                content = "(not text)" if "\0" in content else content
            yield Part(here, entry.kind, _about(here, name), content, entry.size)
            inside_package = "/site-packages/" in here and ".dist-info" not in here
            if entry.kind == "folder" and not inside_package and here != "include":
                yield from walk(here)

    parts = []
    for part in walk(""):
        parts.append(part)
        if len(parts) == MOST_PARTS:
            break
    return parts


def _order(name: str) -> tuple[int, str]:
    first = ["pyvenv.cfg", "bin", "python", "activate", "pip", "lib"]
    return (first.index(name) if name in first else len(first), name)


def _commands(found: Environment) -> list[str]:
    """Choose what to try: the interpreter, pip both ways, activation, and something that was installed."""
    at = shlex.quote(found.path)
    tried = [
        f"{at}/bin/python -c 'import sys; print(sys.prefix)'",
        f"source {at}/bin/activate && command -v python",
    ]
    others = []
    for one in found.distributions:
        with contextlib.suppress(Failed):  # a damaged one can't be asked what it holds
            if one.name == "pip":
                tried += [f"{at}/bin/python -m pip list --format=freeze | tail -n 1", f"{at}/bin/pip --version"]
            elif one.name not in ("setuptools", "wheel"):
                others.append(one)
    if others:
        module = next(iter(sorted(others[0].top_level)), others[0].name.replace("-", "_"))
        tried.append(f"{at}/bin/python -c 'import {module}; print({module}.__file__)'")
    return tried


def try_without(live: folder.LiveWorkspace, environment: str, part: str) -> list[Trial]:
    """Delete one part of an environment in a copy of the workspace, and run the same commands before and after.

    Raises:
        UsageError: there is no environment, or no such part in it.
    """
    found = _environment(live, environment)
    if live.tree.entry(f"{environment}/{part}") is None:
        raise UsageError(f"There is no {part} in {environment} any more.", "Run this cell again.")
    commands = _commands(found)
    with tempfile.TemporaryDirectory(prefix="wheelhouse-") as scratch:
        place = Place(Path(scratch) / "project", Path(scratch) / "home", Path(scratch) / "system")
        for one in (place.project, place.home, place.system):
            one.mkdir()
        make_system(place.system)
        box = live.sandbox
        restore(
            live.tree,
            place.project,
            facts=live.facts,
            root=box.root(place),
            python_home=str(box.python_home(place)),
        )
        probes = "\n".join(f"( {one} ) 2>&1 | tail -n 1; echo '{MARK}'${{PIPESTATUS[0]}}" for one in commands)
        target = shlex.quote(f"{environment}/{part}")
        script = f"set +e\n{probes}\nrm -rf -- {target}\nhash -r\n{probes}\n"
        done = box.run(["bash", "-c", script], place, limits=Limits(wall_seconds=60))
        root = str(box.root(place))
        folder.remove_tree(place.project)
    results = [(text.strip()[-300:].replace(root, "~/project"), int(status)) for text, status in _split(done.output)]
    if len(results) != 2 * len(commands):
        raise CourseError(f"The trial did not come to its end. {done.stopped}".strip(), "Press the button again.")
    trials = []
    for words, (before, fine), (after, now) in zip(
        commands, results[: len(commands)], results[len(commands) :], strict=True
    ):
        outcome = "breaks" if fine == 0 != now else "same" if before == after else "differs"
        trials.append(Trial(words, before, after, outcome))
    return trials


def _split(output: str) -> Iterator[tuple[str, str]]:
    text: list[str] = []
    for line in output.splitlines():
        if line.startswith(MARK):
            yield "\n".join(text), line.removeprefix(MARK)
            text = []
        else:
            text.append(line)


def _environment(live: folder.LiveWorkspace, path: str) -> Environment:
    try:
        return Environment(live.tree, path, live.facts, folder.index().known)
    except Failed as failed:
        raise UsageError(failed.found, f"Make one first: `python -m venv {path}` in a %%shell cell.") from None


class Anatomy(Picture):
    """The picture: a tree on the left, the chosen part on the right."""

    _esm = script("anatomy")
    _css = style("anatomy")

    environment = traitlets.Unicode().tag(sync=True)
    parts: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    trials = traitlets.Dict().tag(sync=True)
    """By part: what was tried."""

    def __init__(self, live: folder.LiveWorkspace, environment: str) -> None:
        """Read an environment of a workspace; raises UsageError if there is none."""
        _environment(live, environment)
        self._workspace = live
        parts = [{**asdict(part), "name": part.name, "level": part.level} for part in dissect(live.tree, environment)]
        super().__init__(environment=environment, parts=parts)

    def answer(self, question: dict[str, Any]) -> None:
        """Delete one part in a copy, and show what broke."""
        part = question.get("part")
        if any(one["path"] == part for one in self.parts):
            found = try_without(self._workspace, self.environment, str(part))
            self.trials = {**self.trials, str(part): [asdict(one) for one in found]}

    def recordings(self) -> Iterator[list[dict[str, Any]]]:
        """Delete each part once, but for the files that only say what a distribution is."""
        return ([{"part": part["path"]}] for part in self.parts if ".dist-info/" not in part["path"])

    def as_text(self) -> str:
        """Give the tree as plain text, and what was tried."""
        lines = [self.environment]
        for part in self.parts:
            arrow = f" -> {part['content']}" if part["kind"] == "link" else "/" if part["kind"] == "folder" else ""
            lines.append(f"{'    ' * part['level']}{part['name']}{arrow}")
        for path, rows in self.trials.items():
            lines.append(f"Without {path}:")
            lines += [f"    {row['outcome']:8}{row['command']}  {row['after']}" for row in rows]
        return "\n".join(lines)

    def as_html(self) -> str:
        """Give the tree as HTML without script: every part unfolds to what it says."""
        rows = []
        for part in self.parts:
            inner = f"<p>{inline_html(part['about'])}</p>" if part["about"] else ""
            if part["kind"] == "link":
                inner += f"<p>A link to <code>{html.escape(part['content'])}</code>.</p>"
            elif part["kind"] == "file":
                inner += f"<pre>{html.escape(part['content'])}</pre>"
            inner += _trials_html(part["path"], self.trials.get(part["path"], []))
            slash = "/" if part["kind"] == "folder" else ""
            rows.append(
                f"<details style='margin-left:{1.4 * part['level']:g}em'>"
                f"<summary><code>{html.escape(part['name'])}{slash}</code></summary>{inner}</details>"
            )
        return (
            f"<section aria-label='Anatomy of {html.escape(self.environment, quote=True)}'>"
            f"<p><strong>Anatomy of <code>{html.escape(self.environment)}</code></strong></p>{''.join(rows)}</section>"
        )


def _trials_html(path: str, rows: Sequence[dict[str, str]]) -> str:
    if not rows:
        return ""
    body = "".join(
        f"<tr><td><code>{html.escape(row['command'])}</code></td><td>{row['outcome']}</td><td><code>{html.escape(row['after'])}</code></td></tr>"
        for row in rows
    )
    return (
        f"<table><caption>Without <code>{html.escape(path)}</code></caption>"
        f"<thead><tr><th>Command</th><th>What happens</th><th>It then prints</th></tr></thead><tbody>{body}</tbody></table>"
    )


def anatomy(environment: str = ".venv", *, without: Sequence[str] = ()) -> None:
    """Show the anatomy of an environment in this notebook's workspace.

    The parts named in `without` are tried at once: `anatomy(without=["pyvenv.cfg"])`.

    Raises:
        UsageError: there is no such environment.
    """
    if session.grading():
        return
    picture = Anatomy(session.here(), environment)
    for part in without:
        picture.ask({"part": part})
    show(picture)
