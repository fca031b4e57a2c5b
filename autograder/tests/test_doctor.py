"""Tests of `autograder.doctor`."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder import doctor


def test_everything_is_looked_at_and_every_complaint_has_a_next_step(labs: Path) -> None:
    """Sandbox, tiers, Python, index, disk and tools; nothing is called bad without saying what to do."""
    findings = list(doctor.examine())

    assert {"Python", "sandbox", "tier strong", "tier basic", "index", "disk", "git"} <= {one.about for one in findings}
    assert [one.about for one in findings if not one.good and not one.next_step] == []


def test_little_room_is_seen(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with less room than an exercise may need is named before it is full."""
    monkeypatch.setattr(doctor, "ROOM", 10**18)

    (disk,) = [one for one in doctor.examine() if one.about == "disk"]

    assert not disk.good
    assert "WHEELHOUSE_LABS" in disk.next_step
