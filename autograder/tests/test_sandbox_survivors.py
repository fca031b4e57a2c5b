"""What a killed supervisor leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox.survivors import began, end_survivors, started_in

FAMILY = "sleep 100 & (sleep 100 & kill -STOP $BASHPID; wait) & echo begun; wait"


@pytest.fixture
def family(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A shell with children and a grandchild, one of them stopped, whose environment names a folder."""
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        ["bash", "-c", FAMILY], env=environment, stdout=subprocess.PIPE, start_new_session=True
    ) as shell:
        assert shell.stdout is not None
        shell.stdout.readline()
        yield shell
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)


def test_they_are_known_by_their_folder_for_temporary_files(family: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """All that has it in its environment, and nobody else; the time at which each began tells it from a successor."""
    found = started_in(tmp_path)
    assert family.pid in found
    assert len(found) >= 3
    assert os.getpid() not in found
    assert found[family.pid] == began(family.pid) != ""
    assert started_in(tmp_path / "other") == {}


def test_the_whole_family_is_ended(family: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """From one of its members on, those who are stopped too."""
    end_survivors({family.pid: began(family.pid)})
    assert family.wait(5) == -9
    assert [pid for pid in started_in(tmp_path) if began(pid)] == []


def test_another_process_of_the_same_number_is_left_alone(family: subprocess.Popen[bytes]) -> None:
    """Numbers are given again: one that began at another time is somebody else."""
    end_survivors({family.pid: "1", 4_194_305: "", os.getpid(): "2"})
    assert family.poll() is None
