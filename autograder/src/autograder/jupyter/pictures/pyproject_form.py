"""The form for a pyproject.toml: the file as it is typed, what `packaging` says of it, and on demand the wheel of a real backend.

Checking happens here at each change, building in the sandbox; all that was found stays in the page.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import traitlets

from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter import session
from autograder.jupyter.pictures.picture import Picture, script, style
from autograder.jupyter.project_form import BACKENDS, FIELDS, build, clean, problems, write_toml
from autograder.jupyter.words import inline_html, plain, show

__all__ = ["PyprojectForm", "pyproject_form"]


class PyprojectForm(Picture):
    """The picture: fields on the left, the file and what was built of it on the right."""

    _esm = script("pyproject_form")
    _css = style("pyproject_form")

    fields: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    """What `toml` and `problems` are about."""
    backends: traitlets.List[str] = traitlets.List(list(BACKENDS)).tag(sync=True)
    toml = traitlets.Unicode().tag(sync=True)
    problems: traitlets.List[dict[str, str]] = traitlets.List().tag(sync=True)
    built: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    """The last build; empty before the first one."""

    def __init__(self, live: LiveWorkspace, fields: dict[str, str]) -> None:
        """Show these fields and what is to be said of them; nothing is built before it is asked for."""
        self._workspace = live
        super().__init__()
        self._look_at(fields)

    def _look_at(self, fields: dict[str, Any]) -> None:
        cleaned = clean(fields)
        with self.hold_sync():
            self.fields = cleaned
            self.toml = write_toml(cleaned)
            self.problems = [asdict(one) for one in problems(cleaned)]

    def answer(self, question: dict[str, Any]) -> None:
        """Check other fields, and build them if that is asked for."""
        fields = question.get("fields")
        if not isinstance(fields, dict):
            raise UsageError("That is no question this picture knows.")
        self._look_at(fields)
        if question.get("build") is True:
            self.built = asdict(build(self._workspace, self.fields))

    def recordings(self) -> Iterator[list[dict[str, Any]]]:
        """Look at the fields as they are with each backend, and build them with it."""
        for backend in self.backends:
            fields = {**self.fields, "backend": backend}
            yield [{"fields": fields, "build": False}]
            yield [{"fields": fields, "build": True}]

    def as_text(self) -> str:
        """Give the file, what is wrong with it, and what was built."""
        lines = [self.toml.rstrip(), "", *(f"! {one['field']}: {plain(one['says'])}" for one in self.problems)]
        lines += [] if self.problems else ["packaging has nothing to say against it."]
        for title, text in self._parts():
            lines += ["", f"{title}:", *(f"    {line}" for line in text.splitlines())]
        return "\n".join(lines)

    def _parts(self) -> list[tuple[str, str]]:
        """Give what was built, as titles and texts."""
        if not self.built:
            return []
        backend = self.built["backend"]
        if self.built["stopped"]:
            return [(f"{backend} stopped", self.built["stopped"])]
        parts = [
            (f"METADATA, by {backend}", self.built["metadata"]),
            ("entry_points.txt", self.built["entry_points"] or "(none)"),
        ]
        return parts + [(one["name"], "\n".join(one["names"])) for one in self.built["files"]]

    def as_html(self) -> str:
        """Give the same as HTML without script."""
        told = "".join(
            f"<li><strong>{html.escape(one['field'])}</strong>: {inline_html(one['says'])}</li>"
            for one in self.problems
        )
        parts = "".join(
            f"<details open><summary>{html.escape(title)}</summary><pre>{html.escape(text)}</pre></details>"
            for title, text in self._parts()
        )
        said = f"<ul>{told}</ul>" if told else "<p>✓ <code>packaging</code> has nothing to say against it.</p>"
        return (
            "<section aria-label='A pyproject.toml and what is built from it'>"
            f"<p><strong>pyproject.toml</strong></p><pre>{html.escape(self.toml)}</pre>{said}{parts}</section>"
        )


def pyproject_form(**fields: str) -> None:
    """Show the form; fields may be given beforehand: `pyproject_form(license="MIT License", backend="hatchling")`.

    Raises:
        UsageError: there is no such field, or no such backend.
    """
    if session.grading():
        return
    if unknown := set(fields).difference(FIELDS):
        raise UsageError(f"There is no field {sorted(unknown)[0]!r}.", f"There are: {', '.join(FIELDS)}.")
    show(PyprojectForm(session.here(), {**FIELDS, **fields}))
