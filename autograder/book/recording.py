"""Record what a picture shows and answers, so that it works in a page without a kernel; runs inside a lesson's kernel.

A record is `{"picture": name, "first": traits, "answers": {question: {"problem", "change"}}}` where the answers don't depend on each other.
Where they do it has `states`, a list of what differs from `first`, and `answers` is `{number of a state: {question: {"problem", "state"}}}`.
Questions are keys as sorted JSON, as `site/book.js` writes them.
"""

from __future__ import annotations

import json
from typing import Any

from autograder.jupyter.pictures.picture import Picture

__all__ = ["MIME", "record", "start"]

MIME = "application/vnd.wheelhouse.picture+json"


def start() -> None:
    """Let every picture of this kernel be shown as its record, instead of as a widget."""
    Picture._repr_mimebundle_ = _bundle  # type: ignore[method-assign, assignment]


def _bundle(picture: Picture, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    still = {"text/plain": picture.as_text(), "text/html": picture.as_html()}
    return {**still, MIME: record(picture)}, {}


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _shown(picture: Picture) -> dict[str, Any]:
    """Give what the page would know of a picture now."""
    left_out = {"heard", "answered", "problem", "layout", "tabbable", "tooltip", "comm"}
    names = sorted(name for name in picture.trait_names(sync=True) if not name.startswith("_") and name not in left_out)
    shown: dict[str, Any] = json.loads(json.dumps({name: getattr(picture, name) for name in names}))
    return shown  # in the order in which the picture gives its keys: that of its rows and buttons


def record(picture: Picture) -> dict[str, Any]:
    """Ask a picture all that it wants to be asked, and give what a page needs to answer the same."""
    first = _shown(picture)
    name = type(picture).__module__.rpartition(".")[2]
    done: dict[str, Any] = {"picture": name, "first": first, "answers": {}}
    if not picture.remembers:
        for series in picture.recordings():
            picture.begin_again(first)
            for question in series:
                picture.ask(dict(question))
                change = _changed(first, _shown(picture))
                done["answers"][_key(question)] = {"problem": picture.problem, "change": change}
    else:
        states: list[dict[str, Any]] = [{}]
        for series in picture.recordings():
            picture.begin_again(first)
            at = 0
            for question in series:
                picture.ask(dict(question))
                state = _changed(first, _shown(picture))
                if state not in states:
                    states.append(state)
                answers = done["answers"].setdefault(str(at), {})
                at = states.index(state)
                answers[_key(question)] = {"problem": picture.problem, "state": at}
        done["states"] = states
    picture.begin_again(first)
    return done


def _changed(first: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in now.items() if value != first[name]}
