"""Descriptions as HTML that can't do anything."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.index.readme import rendered

MARKDOWN = "text/markdown"
ALLOWED = {
    *(
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "s",
    ),
    *("span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}


class Seen(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        """Read the page."""
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag and its attributes."""
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        self.text += data


def test_markdown_is_rendered() -> None:
    """Headings, code, tables and links become what they mean."""
    page = rendered(
        "# Till\n\n```python\nx < 1\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n[us](https://shop.example/?a&b)",
        MARKDOWN,
    )
    assert "<h1>Till</h1>" in page
    assert "x &lt; 1" in page
    assert "<td>2</td>" in page
    assert '<a href="https://shop.example/?a&amp;b" rel="nofollow noreferrer">us</a>' in page


def test_words_in_html_stay_and_tags_go() -> None:
    """What people write between tags can be read; the tags do nothing."""
    page = rendered(
        '<p align="center">\n<b onclick="x()">Welcome</b> <!-- hidden --></p>\n\nTo <kbd>us</kbd>', MARKDOWN
    )
    assert "Welcome" in page
    assert "To us" in page
    assert "hidden" not in page
    assert "onclick" not in page


def test_pictures_are_told_in_words() -> None:
    """Nothing is loaded from elsewhere: a picture is shown by its words."""
    page = rendered("![a *till*](https://spy.example/x.png)", MARKDOWN)
    assert "spy.example" not in page
    assert "a *till*" in page


def test_links_lead_to_the_web_or_nowhere() -> None:
    """A link beside the README in its repository leads nowhere."""
    assert "href" not in rendered("[more](docs/more.md)", MARKDOWN)
    assert 'href="#usage"' in rendered("[down](#usage)", MARKDOWN)


@pytest.mark.parametrize("content_type", ["", "text/plain", "text/x-rst", "text/html", "nonsense"])
def test_other_types_are_shown_as_written(content_type: str) -> None:
    """What isn't Markdown is shown, not understood."""
    assert rendered("<b>Till</b>\n====", content_type) == '<pre class="plain">&lt;b&gt;Till&lt;/b&gt;\n====</pre>'


def test_long_and_deep_descriptions_are_bounded() -> None:
    """A description that is too long or nested too deeply costs little."""
    assert len(rendered("x" * 1_000_000, "text/plain")) < 300_000
    assert rendered("> " * 5000 + "x", MARKDOWN)
    assert rendered("[" * 20_000, MARKDOWN)


ATTACKS = st.lists(
    st.sampled_from(
        [
            *(
                "<script>",
                "</script>",
                "<img src=x onerror=y>",
                "<svg/onload=x>",
                "<style>",
                "<iframe srcdoc='",
                "<a href=",
            ),
            *(
                "javascript:x",
                "data:text/html,x",
                "](",
                "[a](",
                "![b](",
                "<javascript:x>",
                "`",
                "```\n",
                "\n",
                "\n\n",
                "> ",
            ),
            *(
                "&lt;script&gt;",
                "<!--",
                "-->",
                "<![CDATA[",
                "]]>",
                "<?",
                "'",
                '"',
                "<",
                ">",
                "| a | b |\n|---|---|\n",
                "x",
            ),
        ]
    ),
    max_size=14,
)


@given(ATTACKS.map("".join) | st.text(max_size=60))
def test_nothing_in_a_description_can_act(text: str) -> None:
    """Whatever is written, the page has harmless tags, and no attribute but a web address, a style's name and the like."""
    seen = Seen(rendered(text, MARKDOWN))
    assert seen.tags <= ALLOWED
    for name, value in seen.attributes:
        assert name in ("href", "rel", "class", "style", "start")
        if name == "href":
            assert str(value).lower().startswith(("http://", "https://", "mailto:", "#"))
        if name == "style":
            assert str(value).startswith("text-align:")
