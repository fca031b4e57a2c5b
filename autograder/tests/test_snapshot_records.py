"""Tests of `autograder.snapshot.records`: what RECORD says again of the manifest."""

from __future__ import annotations

import pytest

from autograder.snapshot.records import full, thin
from autograder.snapshot.state import Node
from snapshots import HASH


def test_records_are_thinned_and_filled() -> None:
    """What is left out can be said again, and a lie about its size is found out."""
    nodes = {"site/a.py": Node("file", HASH, 5), "bin/a": Node("file", HASH, 5)}
    line = b"LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ,5"
    text = b"a.py,sha256=%s\r\n../bin/a,sha256=%s\r\nb.py,sha256=%s\nx,,\n" % (line, line, line)
    record = "site/a-1.dist-info/RECORD"
    short = thin(text, record, nodes)
    assert short == b"a.py,*\r\n../bin/a,*\r\nb.py,sha256=%s\nx,,\n" % line
    assert full(short, record, nodes, len(text)) == text
    with pytest.raises(ValueError, match="another size"):
        full(short * 1000, record, nodes, len(text))
    with pytest.raises(ValueError, match="isn't there"):
        full(b"c.py,*\n", record, nodes, 100)
    assert thin(b"a.py,*\n" + text, record, nodes) is None
