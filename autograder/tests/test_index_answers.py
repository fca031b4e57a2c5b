"""HTTP's own part of the answers: media types, ranges, validators."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from autograder.index.answers import HTML, JSON, byte_range, document, matches, negotiate, page, shown, stream


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "text/html"),
        ("*/*", "text/html"),
        (JSON, JSON),
        (HTML, HTML),
        ("application/vnd.pypi.simple.latest+json", JSON),
        (f"{JSON}, {HTML}; q=0.1, text/html; q=0.01", JSON),  # what pip sends
        (f"{JSON}, {HTML};q=0.2, text/html;q=0.01", JSON),  # what uv sends
        (f"text/html, {JSON};q=0.5", "text/html"),
        (f"{JSON};q=0, text/html;q=0.1", "text/html"),
        (f"{JSON};q=much", "text/html"),
        ("image/png", "text/html"),
        ("," * 5000, "text/html"),
    ],
)
def test_negotiation(accept: str, chosen: str) -> None:
    """The client's favourite is served, HTML where it has none."""
    assert negotiate(accept) == chosen


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("bytes=0-1", (0, 2)),
        ("bytes=8-", (8, 2)),
        ("bytes=8-99", (8, 2)),
        ("bytes=-3", (7, 3)),
        ("bytes=-99", (0, 10)),
        ("bytes=-", None),
        ("bytes=5-2", None),
        ("bytes=0-1,3-4", None),
        ("lines=1-2", None),
        ("", None),
    ],
)
def test_ranges(asked: str, sent: tuple[int, int] | None) -> None:
    """Ranges are read as RFC 9110 wants it; what isn't understood is ignored."""
    assert byte_range(asked, 10) == sent


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_ranges_that_hold_nothing(asked: str) -> None:
    """A range outside the file can't be satisfied."""
    with pytest.raises(ValueError, match="bytes"):
        byte_range(asked, 10)


@pytest.mark.parametrize(
    ("condition", "same"),
    [('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True), ('"b"', False), ("", False)],
)
def test_validators_are_compared(condition: str, same: bool) -> None:
    """A condition holds for the same tag, weak or strong, alone or among others."""
    assert matches(condition, '"a"') == same


@pytest.mark.parametrize(("seconds", "told"), [(0, "max-age=0"), (600, "max-age=600, public")])
def test_how_long_a_page_may_be_kept(seconds: int, told: str) -> None:
    """By default everybody asks again; with PyPI's setting nobody does for ten minutes."""
    reply = page("x", "text/html", {}, keep=seconds)
    assert reply.headers["Cache-Control"] == told
    assert (
        page("x", "text/html", {"If-None-Match": reply.headers["ETag"]}, keep=seconds).headers["Cache-Control"] == told
    )


def test_documents() -> None:
    """A document is JSON for whoever asks, with a validator if it is one to keep; an error has its status."""
    reply = document({"a": "ä"}, {})
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body) == {"a": "ä"}
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert document({"a": "ä"}, {"If-None-Match": reply.headers["ETag"]}).status == 304
    wrong = document({}, {}, status=404)
    assert (wrong.status, wrong.headers["Content-Type"]) == (404, "application/json")


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """A file that can't be opened is a 404 with a sentence; one that the client has needn't be opened."""

    def gone(sha256: str) -> io.BufferedReader:
        return (tmp_path / sha256).open("rb")

    assert stream(gone, "a" * 64, "text/plain", {}).status == 404
    assert stream(gone, "a" * 64, "text/plain", {"If-None-Match": f'"{"a" * 64}"'}).status == 304


def test_what_clients_send_is_made_harmless() -> None:
    """Whatever stands in an address may be repeated in a sentence."""
    assert shown("a/<b>\r\n" + "x" * 200) == "a??b???" + "x" * 73
