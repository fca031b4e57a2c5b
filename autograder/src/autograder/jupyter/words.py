"""Say things in a notebook: as a note, and errors as sentences instead of tracebacks.

Nothing is ever written to stderr: nbgrader gives 0 points for a cell that did.
"""

from __future__ import annotations

import contextlib
import html
import io
import re
import warnings
from collections.abc import Iterator
from typing import Any

from IPython.display import display

from autograder.exceptions import CourseError

__all__ = ["inline_html", "note", "plain", "quiet_stderr", "show", "show_in_words"]

_INLINE = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*|(?<![\w*])\*([^*\s][^*]*)\*")


def inline_html(text: str) -> str:
    """Give one line of Markdown (code, strong, emphasis) as HTML; all else in it is text."""
    done, at = [], 0
    for match in _INLINE.finditer(text):
        done.append(html.escape(text[at : match.start()]))
        code, strong, emphasis = match.groups()
        tag, inner = ("code", code) if code else ("strong", strong) if strong else ("em", emphasis)
        done.append(f"<{tag}>{html.escape(inner)}</{tag}>")
        at = match.end()
    return "".join([*done, html.escape(text[at:])])


def plain(text: str) -> str:
    """Give one line of Markdown without its marks, except those around code."""
    return re.sub(r"\*\*(.+?)\*\*", r"\1", text)


def show(given: Any) -> None:
    """Put an object, or a dict of representations by MIME type, in the output of the cell."""
    display(given, raw=isinstance(given, dict))  # type: ignore[no-untyped-call]


def note(*sentences: str, kind: str = "note") -> None:
    """Show sentences (Markdown, one paragraph each) in the output of the cell; `kind` is `note` or `problem`."""
    colour = "var(--jp-error-color1, #b00020)" if kind == "problem" else "var(--jp-border-color1, gray)"
    body = "".join(f"<p style='margin:2px 0'>{inline_html(one)}</p>" for one in sentences if one)
    show(
        {
            "text/plain": "\n".join(plain(one) for one in sentences if one),
            "text/html": f"<div style='border-left:4px solid {colour};padding:2px 0 2px 10px'>{body}</div>",
        }
    )


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Let nothing that Python code writes meanwhile reach stderr, warnings included."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def show_in_words(shell: Any) -> None:
    """Make IPython tell our own errors in their sentences; the cell still counts as failed, so Run All stops."""

    def handler(
        _shell: Any, _kind: type[BaseException], error: BaseException, _trace: Any, tb_offset: Any = None
    ) -> list[str]:
        assert isinstance(error, CourseError)
        note(error.message, error.next_step, kind="problem")
        return [str(error)]

    shell.set_custom_exc((CourseError,), handler)
