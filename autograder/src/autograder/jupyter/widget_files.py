"""The scripts and styles of our widgets: several files of `static/` joined, so that what they share is written once.

A widget's script is one text without imports: a kernel sends it, and no server that knows our folders need be there.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["STATIC", "script", "style"]

STATIC = Path(__file__).parent / "static"


def script(*names: str) -> str:
    """Join scripts, `nodes.js` first; the last ends in `export default { render }`."""
    return "\n".join((STATIC / f"{name}.js").read_text("utf-8") for name in ("nodes", *names))


def style(*names: str) -> str:
    """Join styles."""
    return "\n".join((STATIC / f"{name}.css").read_text("utf-8") for name in names)
