"""The package explorer: a small project whose files can be changed by tick boxes, and what its readers see then.

Every state was tried in the sandbox before the picture is shown (`package_readers`), so it goes on working when the kernel is gone.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import traitlets

from autograder import folder
from autograder.exceptions import UsageError
from autograder.jupyter import package_readers, session
from autograder.jupyter.package_readers import FILES, READERS, SWITCHES, Results, key, project, recorded_with
from autograder.jupyter.pictures.picture import Picture, script, style
from autograder.jupyter.words import inline_html, plain, show

__all__ = ["PackageExplorer", "package_explorer"]

SIGNS = {"good": "✓", "lacking": "✗", "odd": "≠", "quiet": "…"}


class PackageExplorer(Picture):
    """The picture: tick boxes and files on the left, what each reader sees on the right."""

    _esm = script("package_explorer")
    _css = style("package_explorer")

    switches: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    files: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    """The files with when they are there, and their pieces."""
    readers: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    """Who looks at it; `recorded` is the version of a tool that was asked in advance."""
    results: traitlets.Dict[str, Any] = traitlets.Dict().tag(sync=True)
    on: traitlets.List[str] = traitlets.List().tag(sync=True)
    """The switches that are on."""

    def __init__(self, results: Results, on: Iterable[str]) -> None:
        """Show what was found, beginning in the state in which these switches are on."""
        versions = recorded_with()
        super().__init__(
            switches=[asdict(one) for one in SWITCHES],
            files=[
                {"path": path, **asdict(whole), "pieces": [asdict(piece) for piece in pieces]}
                for path, (whole, pieces) in FILES.items()
            ],
            readers=[{**asdict(one), "recorded": versions.get(one.name, "")} for one in READERS],
            results=results,
            on=list(on),
        )

    def as_text(self) -> str:
        """Tell the files and what each reader sees, in the state that is shown."""
        on = frozenset(self.on)
        lines = ["The project:", *(f"    {path}" for path in project(on)), ""]
        for reader in READERS:
            lines.append(f"{reader.title} ({reader.command}{', recorded' if reader.recorded else ''})")
            lines += [f"    {SIGNS[tone]} {plain(words)}" for tone, words in self.results[reader.name][key(reader, on)]]
        return "\n".join(lines)

    def as_html(self) -> str:
        """Give the state that is shown, and each that differs from the whole by one switch, as HTML without script."""
        whole = frozenset(one.name for one in SWITCHES)
        states = {"As chosen": frozenset(self.on), "With everything": whole}
        for switch in SWITCHES:
            states[f"With everything but this: {switch.label}"] = whole - {switch.name}
        body = "".join(
            f"<details{' open' if number == 0 else ''}><summary>{inline_html(title)}</summary>{self._table(on)}</details>"
            for number, (title, on) in enumerate(states.items())
        )
        return f"<section aria-label='Package explorer'><p><strong>What readers see of a package</strong></p>{body}</section>"

    def _table(self, on: frozenset[str]) -> str:
        files = ", ".join(f"<code>{html.escape(path)}</code>" for path in project(on))
        rows = "".join(
            f"<tr><th scope='row'>{html.escape(reader.title)}</th><td><code>{html.escape(reader.command)}</code>"
            f"{' (recorded)' if reader.recorded else ''}</td><td>"
            + "<br>".join(
                f"{SIGNS[tone]} {inline_html(words)}" for tone, words in self.results[reader.name][key(reader, on)]
            )
            + "</td></tr>"
            for reader in READERS
        )
        head = "<tr><th>Reader</th><th>Asked by</th><th>It sees</th></tr>"
        return f"<p>{files}</p><table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def package_explorer(*, without: Iterable[str] = ()) -> None:
    """Show the package explorer; the switches named in `without` are off at first: `package_explorer(without=["init"])`.

    Raises:
        UsageError: there is no such switch.
    """
    if session.grading():
        return
    names = [one.name for one in SWITCHES]
    off = set(without)
    if unknown := off.difference(names):
        raise UsageError(f"There is no switch {sorted(unknown)[0]!r}.", f"There are: {', '.join(names)}.")
    live: folder.LiveWorkspace = session.here()
    show(PackageExplorer(package_readers.read_project(live), [name for name in names if name not in off]))
