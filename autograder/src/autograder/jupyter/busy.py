"""Let a page be answered while a cell runs."""

from __future__ import annotations

import contextlib
from typing import Any

import anywidget

__all__ = ["answer_while_busy"]


def answer_while_busy(widget: anywidget.AnyWidget) -> None:
    """Take what the page says about a widget in the loop to which the page sent it, which is never the one that runs cells.

    JupyterLab sends it to a loop of its own; ipykernel 7.4 turns it back to the one in which the widget was made, so that a widget
    on which a cell waits is heard there. No cell waits for ours, and a long one would make them deaf. Older kernels don't look at this.
    """

    def as_sent(_data: Any, sent_to: str | None) -> str | None:
        return sent_to

    with contextlib.suppress(AttributeError):  # no kernel, no comm
        widget.comm._reply_subshell_for = as_sent
