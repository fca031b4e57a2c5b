"""What the pages of reports have in common: one file, no script, no network, light and dark, for a screen, a phone and paper.

Texts come from learners and from strangers' files: whatever is put on a page goes through `text` or `inline`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from autograder import __version__
from autograder.progress.learner import legible

__all__ = ["cell", "inline", "page", "table", "text"]

_SPANS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
_CLASS = re.compile(r"[a-z -]*")


def text(given: str, most: int = 2_000) -> str:
    """Give a text as HTML: nothing of it is a tag, steers anything or turns the direction of writing."""
    return html.escape(legible(given, most), quote=True)


def inline(given: str) -> str:
    """Give a text as HTML, with the little Markdown that checks use (`code` and **strong**); everything else is text."""

    def span(match: re.Match[str]) -> str:
        code, strong = match.groups()
        return f"<code>{code}</code>" if code is not None else f"<strong>{strong}</strong>"

    return _SPANS.sub(span, text(given))


def cell(content: str, kind: str = "", *, head: bool = False) -> str:
    """Give a cell of a table from HTML; `head` is one that names its row."""
    assert _CLASS.fullmatch(kind)
    tag, scope = ("th", ' scope="row"') if head else ("td", "")
    named = f' class="{kind}"' if kind else ""
    return f"<{tag}{scope}{named}>{content}</{tag}>"


def table(
    title: str, heads: Sequence[tuple[str, str]], rows: Iterable[str], *, kind: str = "", groups: str = ""
) -> str:
    """Give a table from HTML: `heads` are names with their class, `rows` cells; it scrolls by itself where it is too wide.

    `groups` is a first row of heads, over those.
    """
    named = f' class="{kind}"' if kind else ""
    row = "".join(
        f'<th scope="col"{f" class={chr(34)}{one}{chr(34)}" if one else ""}>{name}</th>' for name, one in heads
    )
    body = "\n".join(f"<tr>{cells}</tr>" for cells in rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{html.escape(title, quote=True)}">'
        f"<table{named}><caption>{html.escape(title)}</caption><thead>{groups}<tr>{row}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def page(title: str, subtitle: str, body: str, notes: Iterable[str], *, wide: bool = False) -> str:
    """Give the whole page; `title` is a text, all else is HTML."""
    style = (Path(__file__).parent / "page.css").read_text("utf-8")
    said = "".join(f"<p>{one}</p>" for one in notes)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{text(title)}: progress in Wheelhouse</title>
<style>
{style}</style>
</head>
<body{' class="wide"' if wide else ""}>
<header>
<h1>{text(title)}</h1>
<p class="quiet">{subtitle}</p>
</header>
<main>
{body}
</main>
<footer>
{said}
<p>Wheelhouse {text(__version__)}. This page is one file: it runs no script and fetches nothing.</p>
</footer>
</body>
</html>
"""
