"""Tests of `autograder.jupyter.graph_drawing`: boxes beside one another, arrows from edge to edge."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET

from autograder.jupyter.graph_drawing import HEIGHT, draw, svg


def test_boxes_do_not_overlap_and_lie_in_the_drawing() -> None:
    """However many there are, and however long their names."""
    for count in range(1, 17):
        names = [f"package{number}.a_rather_long_module"[: 6 + 2 * number] for number in range(count)]
        drawing = draw(names, [])

        for box in drawing.boxes:
            assert box.width / 2 <= box.x <= drawing.width - box.width / 2
            assert HEIGHT / 2 <= box.y <= drawing.height - HEIGHT / 2
        for one, other in itertools.combinations(drawing.boxes, 2):
            apart = abs(one.x - other.x) >= (one.width + other.width) / 2 or abs(one.y - other.y) >= HEIGHT
            assert apart, (count, one, other)


def test_arrows_run_from_edge_to_edge_and_apart() -> None:
    """There and back are two curves, and so are two imports of the same module."""
    drawing = draw(["a", "b"], [("a", "b"), ("b", "a"), ("a", "b")])
    a, b = drawing.boxes

    assert len({arrow.path for arrow in drawing.arrows}) == 3
    x, y, _, _, end_x, end_y = (float(number) for number in re.findall(r"[\d.]+", drawing.arrows[0].path))
    assert abs(y - a.y) <= HEIGHT / 2 + 3
    assert abs(x - a.x) <= a.width / 2 + 3
    assert HEIGHT / 2 < abs(end_y - b.y) <= HEIGHT / 2 + 10 or b.width / 2 < abs(end_x - b.x) <= b.width / 2 + 10


def test_the_svg_is_well_formed_and_tells_a_circle_without_colour() -> None:
    """Names are text in it, a circle's arrows are thick and have a sign, other lines are broken."""
    drawing = draw(["a", "<script>"], [("a", "<script>"), ("<script>", "a")])
    root = ET.fromstring(svg(drawing, [("import", True), ("call", False)], 'two "files"'))

    assert root.get("aria-label") == 'two "files"'
    texts = [one.text for one in root.iter("text")]
    assert texts == ["↻", "a", "<script>"]
    first, second = root.iter("path")
    assert (first.get("stroke-width"), first.get("stroke-dasharray")) == ("3", None)
    assert (second.get("stroke-width"), second.get("stroke-dasharray")) == ("1.2", "7 5")
    assert len(list(root.iter("polygon"))) == 2
