"""Tests of `autograder.doctor`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from autograder import doctor
from autograder.exceptions import SandboxError
from autograder.index import PackageIndex
from autograder.sandbox import choose
from autograder.sandbox.choice import TIERS


def test_everything_is_looked_at_and_every_complaint_has_a_next_step(labs: Path) -> None:
    """Sandbox, tiers, Python, index, disk and tools; nothing is called bad without saying what to do."""
    findings = list(doctor.examine())

    abouts = [one.about for one in findings]
    assert {"Python", "sandbox", "index", "disk", "git"} <= set(abouts)
    assert [about for about in abouts if about.startswith("tier ")] == [f"tier {tier}" for tier in TIERS]
    assert [one.about for one in findings if not one.good and not one.next_step] == []


def test_the_door_to_the_index_is_named(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where certificates can't be made, commands are told a bare address, and the doctor says why."""
    (door,) = [one for one in doctor.examine() if one.about == "door"]
    assert door.good
    assert "names" in door.found

    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(labs / "empty-cache"))
    bare = PackageIndex.open()
    monkeypatch.setattr(doctor, "index", lambda: bare)
    monkeypatch.setattr(doctor, "sandbox", lambda: choose(bare))
    (door,) = [one for one in doctor.examine() if one.about == "door"]
    assert not door.good
    assert "`cryptography`" in door.found
    assert "make lab" in door.next_step


def test_little_room_is_seen(labs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with less room than an exercise may need is named before it is full."""
    monkeypatch.setattr(doctor, "ROOM", 10**18)

    (disk,) = [one for one in doctor.examine() if one.about == "disk"]

    assert not disk.good
    assert "WHEELHOUSE_LABS" in disk.next_step


@pytest.mark.parametrize(
    ("tier", "good", "words"),
    [("strong", True, ""), ("medium", True, "--unsafe-medium"), ("basic", False, "--unsafe-basic")],
)
def test_the_tier_in_force_is_named_with_what_it_is_enough_for(
    labs: Path, monkeypatch: pytest.MonkeyPatch, tier: str, good: bool, words: str
) -> None:
    """One's own work is done in each tier; where strangers' isn't, the doctor says by which words it would be."""
    monkeypatch.setenv("WHEELHOUSE_TIER", tier)
    try:
        taken = choose(PackageIndex.open())
    except SandboxError as error:
        pytest.skip(error.message)
    monkeypatch.setattr(doctor, "sandbox", lambda: taken)
    (found,) = [one for one in doctor.examine() if one.about == "sandbox"]
    assert found.found.startswith(f"{tier} is in force, as WHEELHOUSE_TIER asks for")
    assert found.good == good
    assert words in found.found
    assert ("unsafe" in found.found) == bool(words)


def test_a_changed_system_python_is_named(labs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the sandbox's Python that isn't what was made is said, with what to remove; and which the second one is."""
    told = {one.about: one for one in doctor.examine()}
    assert told["system Python"].good
    assert "second Python" in told

    monkeypatch.setattr(doctor, "seed_amiss", lambda: "lib/python3.11/os.py was changed")
    python = next(one for one in doctor.examine() if one.about == "system Python")
    assert not python.good
    assert "os.py was changed" in python.found
    assert "Remove the folder" in python.next_step


@pytest.mark.parametrize(
    ("text", "good", "found", "next_step"),
    [
        ("", True, "nothing is set", ""),
        (
            "[course]\nexercises = [1, 6]\n[policy]\ncooldown-days = 7",
            True,
            "^exercises 01, 06; releases wait 7 days",
            "",
        ),
        ("[course]\ntrack = 'operations'", True, r"exercises 06, .*\(track operations\)", ""),
        ("[policy]\npython = '>=3.99'", False, r"The Python of the course is 3\.\d+", "make lab PYTHON="),
        ("[policy]\ncooldown = 7", False, "no `cooldown`", "cooldown-days"),
        ("[index]\ndistributions = ['our-library']", False, "never locked", "course index lock --company"),
    ],
)
def test_what_a_company_set_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, good: bool, found: str, next_step: str
) -> None:
    """`wheelhouse.toml` is told in words; what can't be so on this machine, or can't be read, comes with what to do."""
    monkeypatch.setenv("WHEELHOUSE_COURSE", str(tmp_path))
    (tmp_path / "wheelhouse.toml").write_text(text)

    (told,) = doctor._company()

    assert told.good is good
    assert re.search(found, f"{told.found} {told.next_step}")
    assert next_step in told.next_step
