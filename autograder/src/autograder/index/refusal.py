"""A request that is refused: the sentence goes into the reason phrase, which twine shows, and into the body, which uv shows."""

from __future__ import annotations

__all__ = ["Refused", "refuse"]

import html
import http.client
import json
import re
from collections.abc import Mapping

from autograder.index.answers import Answer

_KINDS = ("text/html", "application/json", "text/plain")


class Refused(Exception):
    """The request is refused with this status, in this sentence."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        """Refuse; `headers` go with the answer."""
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.headers = dict(headers or {})


def refuse(refused: Refused, accept: str) -> Answer:
    """Write the answer in the kind of text that the client likes best, as PyPI does."""
    title = http.client.responses.get(refused.status, "")
    line = f"{refused.status} {refused.sentence}"
    kind = _liked(accept)
    if kind == "application/json":
        body = json.dumps({"message": f"{title}\n\n\n{refused.sentence}\n\n", "code": line, "title": title})
    elif kind == "text/plain":
        body = f"{line}\n\n{refused.sentence}\n"
    else:
        shown = html.escape(line)
        body = (
            f"<html>\n <head>\n  <title>{shown}</title>\n </head>\n <body>\n  <h1>{shown}</h1>\n"
            f"  {html.escape(refused.sentence)}\n </body>\n</html>\n"
        )
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": "no-store", **refused.headers}
    # What the client sent stands in the sentence: no line break may end the status line, no other letter than Latin-1 is allowed in it.
    reason = (
        re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", refused.sentence[:1000]).encode("latin-1", "replace").decode("latin-1")
    )
    return Answer(refused.status, headers, body.encode("utf-8", "replace"), reason=reason)


def _liked(accept: str) -> str:
    best, most = _KINDS[0], 0.0
    for part in accept[:2000].split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if re.fullmatch(r"q=[\d.]{1,6}", parameter):
                quality = float(parameter[2:]) if parameter.count(".") < 2 else 0.0
        if media in _KINDS and quality > most:
            best, most = media, quality
    return best
