"""Who a report is about: a name as somebody chose it, made harmless."""

from __future__ import annotations

import os
import unicodedata

__all__ = ["LONGEST_NAME", "NOBODY", "legible", "who"]

LONGEST_NAME = 100
NOBODY = "A learner"
"""Where no name is known."""


def legible(text: str, most: int = LONGEST_NAME) -> str:
    """Give one line of a text that somebody chose: no control characters, nothing that turns the direction of writing, cut."""
    shown = "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") else one
        for one in text
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def who(name: str | None = None) -> str:
    """Give the learner's name: as asked for, else `WHEELHOUSE_LEARNER`, else JupyterHub's; empty where none is known."""
    for known in (name, os.environ.get("WHEELHOUSE_LEARNER"), os.environ.get("JUPYTERHUB_USER")):
        if known and known.strip():
            return legible(known)
    return ""
