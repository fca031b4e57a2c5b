"""Draw boxes and arrows: where each box stands, and along which curve each arrow goes; and all of it as SVG text.

Boxes stand on an ellipse, so that a circle of arrows looks like one; there are never many.
"""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Arrow", "Box", "Drawing", "draw", "svg"]

HEIGHT = 30
MARGIN = 26
"""Around the boxes: curves swing out a little."""
GAP = 34
"""Between two boxes at least, so that arrows there and back can be told apart."""
LETTER = 8.6
"""How wide a letter of the box's text is, generously: fonts differ."""

DASHES = {"import": "", "call": "7 5", "run": "14 5", "never": "2 5"}
"""How an arrow's line is broken, by when the import is executed."""


@dataclass(frozen=True)
class Box:
    """A box with a name, by its middle."""

    name: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Arrow:
    """A curve from one box's edge to another's, as SVG writes it, and a place for a sign beside its middle."""

    path: str
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """Boxes, and arrows in the order in which they were asked for."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    def as_data(self) -> dict[str, Any]:
        """Give it as the page wants it."""
        return asdict(self)


def draw(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Drawing:
    """Put boxes on an ellipse in the order of `names`, and an arrow for each pair of them."""
    widths = {name: round(len(name) * LETTER + 20, 1) for name in names}
    across, down = (max(150.0, 26.0 * len(names)), max(110.0, 18.0 * len(names))) if len(names) > 1 else (0.0, 0.0)
    boxes = _around(widths, across, down)
    while any(_touch(one, other) for one, other in itertools.combinations(boxes.values(), 2)):
        across, down = across * 1.1, down * 1.04
        boxes = _around(widths, across, down)
    width = max((box.x + box.width / 2 for box in boxes.values()), default=0.0) + MARGIN
    height = max((box.y for box in boxes.values()), default=0.0) + HEIGHT / 2 + MARGIN
    drawn: dict[tuple[str, str], int] = {}
    arrows = []
    for start, end in pairs:
        before = drawn.get((start, end), 0)
        drawn[start, end] = before + 1
        arrows.append(_arrow(boxes[start], boxes[end], 0.14 + 0.12 * before))
    return Drawing(round(width, 1), round(height, 1), tuple(boxes.values()), tuple(arrows))


def _around(widths: dict[str, float], across: float, down: float) -> dict[str, Box]:
    """Put boxes on an ellipse, the first one on top, so that all of them lie right of and below the margin."""
    turns = [2 * math.pi * place / len(widths) - math.pi / 2 for place in range(len(widths))]
    left = min(
        (across * math.cos(turn) - width / 2 for turn, width in zip(turns, widths.values(), strict=True)), default=0
    )
    return {
        name: Box(
            name,
            round(across * math.cos(turn) - left + MARGIN, 1),
            round(down * (1 + math.sin(turn)) + HEIGHT / 2 + MARGIN, 1),
            width,
        )
        for turn, (name, width) in zip(turns, widths.items(), strict=True)
    }


def _touch(one: Box, other: Box) -> bool:
    return abs(one.x - other.x) < (one.width + other.width) / 2 + GAP and abs(one.y - other.y) < HEIGHT + GAP


def _arrow(start: Box, end: Box, bend: float) -> Arrow:
    """Bend an arrow to one side, so that there and back are two curves."""
    dx, dy = end.x - start.x, end.y - start.y
    cx, cy = (start.x + end.x) / 2 - dy * bend, (start.y + end.y) / 2 + dx * bend
    ax, ay = _edge(start, cx, cy, 2)
    bx, by = _edge(end, cx, cy, 9)  # room for the arrow's head
    away = math.hypot(dx, dy) or 1.0
    mx, my = (ax + 2 * cx + bx) / 4 - 12 * dy / away, (ay + 2 * cy + by) / 4 + 12 * dx / away
    return Arrow(f"M{ax:.1f} {ay:.1f} Q{cx:.1f} {cy:.1f} {bx:.1f} {by:.1f}", round(mx, 1), round(my, 1))


def _edge(box: Box, x: float, y: float, gap: float) -> tuple[float, float]:
    """Give the point where a line from the box's middle towards (x, y) leaves it."""
    dx, dy = x - box.x, y - box.y
    if not dx and not dy:
        return box.x, box.y
    sideways = (box.width / 2 + gap) / abs(dx) if dx else math.inf
    upright = (HEIGHT / 2 + gap) / abs(dy) if dy else math.inf
    share = min(sideways, upright)
    return box.x + dx * share, box.y + dy * share


def svg(drawing: Drawing, arrows: Sequence[tuple[str, bool]], label: str) -> str:
    """Write a drawing as SVG without script; for each arrow, when its import is executed and whether it is part of a circle.

    It takes its colour from the text around it, and tells a circle by the line's thickness and a sign.
    """
    parts = [
        f'<svg role="img" aria-label="{html.escape(label, quote=True)}" viewBox="0 0 {drawing.width} {drawing.height}" '
        f'style="max-width:{drawing.width:.0f}px;width:100%;height:auto" font-family="monospace" font-size="14" '
        'fill="none" stroke="currentColor">'
    ]
    for arrow, (when, circling) in zip(drawing.arrows, arrows, strict=True):
        dash = f' stroke-dasharray="{DASHES[when]}"' if DASHES[when] else ""
        parts.append(f'<path d="{arrow.path}" stroke-width="{3 if circling else 1.2}"{dash}/>{_head(arrow.path)}')
        if circling:
            parts.append(
                f'<text x="{arrow.x}" y="{arrow.y}" text-anchor="middle" dominant-baseline="central" '
                'fill="currentColor" stroke="none">↻</text>'
            )
    for box in drawing.boxes:
        parts.append(
            f'<rect x="{box.x - box.width / 2:.1f}" y="{box.y - HEIGHT / 2}" width="{box.width}" height="{HEIGHT}" rx="5"/>'
            f'<text x="{box.x}" y="{box.y}" text-anchor="middle" dominant-baseline="central" '
            f'fill="currentColor" stroke="none">{html.escape(box.name)}</text>'
        )
    return "".join(parts) + "</svg>"


def _head(path: str) -> str:
    """Draw an arrow's head at the end of its curve: without `marker`, whose names would have to differ in each page."""
    numbers = [float(number) for number in path.translate(str.maketrans("MQ", "  ")).split()]
    cx, cy, x, y = numbers[2:]
    length = math.hypot(x - cx, y - cy) or 1.0
    ux, uy = (x - cx) / length, (y - cy) / length
    tip = (x + 7 * ux, y + 7 * uy)
    left, right = (x - 4 * uy, y + 4 * ux), (x + 4 * uy, y - 4 * ux)
    points = " ".join(f"{px:.1f},{py:.1f}" for px, py in (tip, left, right))
    return f'<polygon points="{points}" fill="currentColor" stroke="none"/>'
