"""Tiers are chosen by trying, and a tier that can't work is not claimed."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.exceptions import SandboxError
from autograder.index import PackageIndex
from autograder.sandbox import choice, choose, medium, medium_trial, strong, tiers, trial
from autograder.sandbox.landlock import Ruleset, landlock_abi
from autograder.sandbox.system_python import seed


@pytest.fixture(autouse=True)
def _tried_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("WHEELHOUSE_TIER", raising=False)
    forget()
    yield
    forget()


def forget() -> None:
    """Try all tiers anew."""
    trial.forget_trials()
    medium_trial.forget_medium_trial()


def below_strong() -> str:
    """Name what is taken where bubblewrap can't be had."""
    return "medium" if landlock_abi() else "basic"


@pytest.fixture
def index() -> PackageIndex:
    """The index."""
    return PackageIndex.open()


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program of this text where bubblewrap is looked for."""
    program = folder / "bwrap"
    program.write_text("#!/bin/sh\n" + script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(trial, "find_bubblewrap", lambda: str(program))
    monkeypatch.setattr(trial, "fetched_bubblewrap", lambda: None)


@pytest.mark.parametrize("tier", choice.TIERS)
def test_a_tier_can_be_asked_for(index: PackageIndex, tier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By argument or by variable; the argument wins."""
    if not {report.tier: report for report in tiers(index)}[tier].works:  # type: ignore[index]
        pytest.skip("not on this machine")
    assert choose(index, tier=tier).tier == tier
    monkeypatch.setenv("WHEELHOUSE_TIER", tier)
    assert choose(index).tier == tier
    monkeypatch.setenv("WHEELHOUSE_TIER", "nonsense")
    assert choose(index, tier=tier).tier == tier


def test_an_unknown_tier_is_refused(index: PackageIndex) -> None:
    """With the names there are."""
    with pytest.raises(SandboxError, match="strong, strong-pod, medium and basic"):
        choose(index, tier="titanium")


def test_where_processes_cannot_be_seen_no_tier_is_claimed(
    index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Linux without `/proc`: what runs could not be watched, so nothing runs, and it is said how to get it."""
    monkeypatch.setattr(choice, "_PROC", tmp_path / "stat")
    assert not any(one.works for one in tiers(index))
    with pytest.raises(SandboxError, match="/proc is not mounted") as caught:
        choose(index)
    assert "mount -t proc" in caught.value.next_step


def test_without_bubblewrap_the_next_tier_is_taken(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report says why, and how to get the strong one."""
    monkeypatch.setattr(trial, "find_bubblewrap", lambda: None)
    monkeypatch.setattr(trial, "fetched_bubblewrap", lambda: None)
    assert choose(index).tier == below_strong()
    report = tiers(index)[0]
    assert (report.tier, report.works, report.reason) == ("strong", False, "bubblewrap is not installed")
    assert "bubblewrap" in report.how_to_get
    with pytest.raises(SandboxError, match="strong sandbox doesn't work here: bubblewrap is not installed") as caught:
        choose(index, tier="strong")
    assert "nstall" in caught.value.next_step


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1", "setting up uid map"),
        ("echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "No permissions"),
        ("echo 'bwrap: Unknown option --disable-userns' >&2; exit 1", "Unknown option"),
        ("exit 0", "could not start"),
    ],
)
def test_a_bubblewrap_that_fails_is_not_claimed(
    index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    """Its own words are the reason, with a next step."""
    stand_in(tmp_path, monkeypatch, script)
    report = tiers(index)[0]
    assert not report.works
    assert reason in report.reason
    assert report.how_to_get
    assert choose(index).tier == below_strong()


def test_a_bubblewrap_that_does_not_isolate_is_not_claimed(
    index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that just runs the command, as some do in containers, is found out by the trial."""
    stand_in(
        tmp_path,
        monkeypatch,
        f'while [ "$1" != -- ]; do shift; done; shift 5; exec {seed()}/bin/python3 -I -S {seed()}/inner.py "$@"\n',
    )
    assert not tiers(index)[0].works


def test_a_mechanism_that_is_missing_is_named(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no filter for this processor, or with the system's folders writable, the tier is not claimed."""
    monkeypatch.setattr(trial, "filter_program", lambda: None)
    assert "system call filter" in tiers(index)[0].reason
    monkeypatch.undo()
    forget()
    if not tiers(index)[0].works:
        pytest.skip("the strong tier doesn't work here")
    original = strong.StrongSandbox._mounts

    def writable(self: strong.StrongSandbox, place: object, folder: Path, way: object) -> list[str]:
        mounts = original(self, place, folder, way)  # type: ignore[arg-type]
        return mounts[: mounts.index("--remount-ro")]

    trial.forget_trials()
    monkeypatch.setattr(strong.StrongSandbox, "_mounts", writable)
    assert tiers(index)[0].reason == "the system's own folders are writable in it"


def test_trying_is_quick_and_done_once(index: PackageIndex) -> None:
    """The trial costs tens of milliseconds, the second question nothing."""
    seed()
    begun = time.perf_counter()
    choose(index)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    choose(index)
    again = time.perf_counter() - begun
    assert first < 2
    assert again < first / 3


def test_a_report_says_what_each_tier_is_worth(index: PackageIndex) -> None:
    """For `course doctor`: the strongest first, each with its guarantees."""
    reports = tiers(index)
    assert [report.tier for report in reports] == ["strong", "strong-pod", "medium", "basic"]
    assert "accidents" in reports[-1].guarantees
    assert all(report.works or (report.reason and report.how_to_get) for report in reports)


def test_a_tier_below_is_not_tried_where_a_stronger_one_works(
    index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What isn't needed costs nothing."""
    monkeypatch.setattr(choice, "strong_trial", lambda: trial.Tried("", "/usr/bin/bwrap"))
    monkeypatch.setattr(choice, "strong_pod_trial", lambda: pytest.fail("tried"))
    monkeypatch.setattr(choice, "medium_trial", lambda: pytest.fail("tried"))
    assert choose(index).tier == "strong"


def test_a_confinement_that_does_not_hold_is_not_claimed(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the one or the other half of the medium tier left out, the trial gets out and says where."""
    if not landlock_abi():
        pytest.skip("no Landlock here")
    monkeypatch.setattr(medium, "closed_by_filter", lambda abi: ())
    monkeypatch.setattr(medium, "filter_program", lambda **_: b"\x06\0\0\0\0\0\xff\x7f")  # lets all through
    assert "other sockets" in medium_trial.medium_trial()
    monkeypatch.undo()
    forget()
    allow = Ruleset.allow
    monkeypatch.setattr(Ruleset, "allow", lambda self, path, rights, **_: allow(self, "/", rights))
    assert "files can be read" in medium_trial.medium_trial()
    report = tiers(index)[2]
    assert not report.works
    with pytest.raises(SandboxError, match="medium sandbox doesn't work here: this machine's files"):
        choose(index, tier="medium")


@pytest.mark.parametrize("abi", range(1, 8))
def test_the_medium_tier_holds_what_an_older_kernels_landlock_can(abi: int) -> None:
    """Held to each older ABI, the same trial passes: what Landlock couldn't do then, the filter does, or the report says."""
    if landlock_abi() < abi:
        pytest.skip(f"this kernel's Landlock is older than ABI {abi}")
    assert medium_trial.medium_trial(abi) == ""


def test_a_report_says_what_an_old_landlock_loses(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the ABI of the kernel, in words that a learner can weigh."""
    monkeypatch.setattr(choice, "medium_trial", lambda: "")
    for abi, words in ((7, ""), (6, ""), (5, "Jupyter"), (3, "internet"), (1, "copy")):
        monkeypatch.setattr(choice, "landlock_abi", lambda abi=abi: abi)
        guarantees = tiers(index)[2].guarantees
        assert (f"ABI {abi}" in guarantees) == bool(words)
        assert words in guarantees
