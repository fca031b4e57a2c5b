"""What Sphinx is told: no network, no CDN, no script but our own; `building.py` puts this beside the pages."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pygments.lexer import Lexer  # type: ignore[import-untyped]
from pygments.lexers.python import PythonLexer  # type: ignore[import-untyped]
from pygments.lexers.shell import BashLexer  # type: ignore[import-untyped]
from pygments.token import Comment, _TokenType  # type: ignore[import-untyped]

project = "Wheelhouse"
author = "The Wheelhouse authors"
language = "en"
extensions = ["myst_nb"]
exclude_patterns = ["descriptions.json"]

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}
nb_merge_streams = True
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]

html_theme = "furo"
html_title = "Wheelhouse"
html_static_path = ["_static"]
html_css_files = ["book.css", "pictures.css"]
html_js_files = [("pictures.js", {"defer": "defer"}), ("book.js", {"defer": "defer"})]
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_theme_options = {"navigation_with_keys": False, "footer_icons": []}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
smartquotes = False


class CellLexer(Lexer):  # type: ignore[misc]
    """Colours a cell: after the line `%%shell …` it is bash, else it is Python."""

    name = "Wheelhouse"
    aliases = ("wheelhouse",)

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, _TokenType, str]]:
        """Give the cell's tokens with their places."""
        first, newline, rest = text.partition("\n")
        if not re.match(r"%%?\w", first):
            yield from PythonLexer().get_tokens_unprocessed(text)
            return
        yield 0, Comment, first + newline
        lexer = BashLexer() if first.startswith("%%shell") else PythonLexer()
        for at, kind, value in lexer.get_tokens_unprocessed(rest):
            yield at + len(first) + len(newline), kind, value


def describe(app: Any, name: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the page's description into its head, for search engines."""
    told = json.loads(Path(app.srcdir, "descriptions.json").read_text("utf-8")).get(name, "")
    if told:
        context["metatags"] = (
            context.get("metatags", "") + f'<meta name="description" content="{html.escape(told, quote=True)}" />'
        )


def setup(app: Any) -> None:
    """Tell Sphinx of both."""
    app.add_lexer("wheelhouse", CellLexer)
    app.connect("html-page-context", describe)
