"""A project's description as HTML that can't do anything: no script, no picture from elsewhere, no address but the web's.

Markdown is rendered where markdown-it is installed, as in every environment that `make` makes; anything else is shown as it was written.
"""

from __future__ import annotations

__all__ = ["rendered"]

import html
import re
from collections.abc import Sequence
from typing import Any

MOST_CHARACTERS = 200_000
"""More than this of a description isn't rendered: an upload may hold anything."""


def rendered(text: str, content_type: str) -> str:
    """Give the description as HTML."""
    text = text[:MOST_CHARACTERS]
    if content_type.partition(";")[0].strip().lower() == "text/markdown":
        try:
            return _markdown(text)
        except (ImportError, RecursionError):
            pass
    return f'<pre class="plain">{html.escape(text.strip())}</pre>'


def _markdown(text: str) -> str:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token

    class Safe(RendererHTML):
        """HTML written in the Markdown loses its tags; a picture is shown by its words."""

        def html_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
            return _words(tokens[idx].content)

        html_inline = html_block

        def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
            return f'<span class="picture">{html.escape(tokens[idx].content)}</span>'

        def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
            address = str(tokens[idx].attrs.get("href", ""))
            if not re.match(r"(https?:|mailto:|#)", address, re.I):
                return "<a>"  # a place beside the README in its repository, which isn't here
            return f'<a href="{html.escape(address)}" rel="nofollow noreferrer">'

    parser = MarkdownIt("commonmark", {"html": True, "maxNesting": 30}, renderer_cls=Safe)
    return str(parser.enable(["table", "strikethrough"]).render(text))


def _words(markup: str) -> str:
    """Give what stands between tags, escaped: whatever this leaves over is text."""
    return html.escape(re.sub(r"<!--.*?-->|<[^>]*>", "", markup, flags=re.S))
