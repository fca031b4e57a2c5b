"""The next step towards a stronger tier, by what stood in the way and where the course runs."""

from __future__ import annotations

import platform
import shutil
import sys
from pathlib import Path

import pytest

from autograder.sandbox import advice

NO_NAMESPACES = "bwrap: No permissions to create new namespace, likely because the kernel does not allow"
NO_PROC = "bwrap: Can't mount proc on /newroot/proc: Operation not permitted"
APPARMOR = "bwrap: setting up uid map: Permission denied"
NOT_INSTALLED = "bubblewrap is not installed"
NO_LANDLOCK = "this kernel has no Landlock, or a filter hides it (Function not implemented)"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of where the tests really run."""
    for name in (*advice._BINDER, "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "exists", lambda _: False)
    monkeypatch.setattr(platform, "release", lambda: "6.1.0")
    monkeypatch.setattr(sys, "platform", "linux")


def go(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be somewhere else."""
    match where:
        case "macos":
            monkeypatch.setattr(sys, "platform", "darwin")
        case "wsl1":
            monkeypatch.setattr(platform, "release", lambda: "4.4.0-19041-Microsoft")
        case "wsl2":
            monkeypatch.setattr(platform, "release", lambda: "6.6.87.2-microsoft-standard-WSL2")
        case "binder":
            monkeypatch.setenv("BINDER_REPO_URL", "https://forge.example/shop/course")
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        case "kubernetes":
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        case "container":
            monkeypatch.setattr(Path, "exists", lambda path: str(path) == "/.dockerenv")


@pytest.mark.parametrize("where", ["macos", "wsl1", "wsl2", "binder", "kubernetes", "container", "linux"])
def test_where_the_course_runs_is_seen(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what each leaves there: variables, a file, the kernel's name."""
    go(where, monkeypatch)
    assert advice.surroundings() == where


@pytest.mark.parametrize(
    ("where", "tool", "reason", "words"),
    [
        ("linux", "apt-get", NOT_INSTALLED, "sudo apt install bubblewrap"),
        ("linux", "dnf", NOT_INSTALLED, "sudo dnf install bubblewrap"),
        ("wsl2", "apt-get", NOT_INSTALLED, "sudo apt install bubblewrap"),
        ("linux", "", "bwrap: Unknown option --disable-userns", "0.8 or later"),
        ("binder", "apt-get", NOT_INSTALLED, "binder/apt.txt"),
        ("linux", "apt-get", APPARMOR, "bwrap-userns-restrict"),
        ("linux", "apt-get", "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted", "bwrap-userns-restrict"),
        ("macos", "", NOT_INSTALLED, "Linux container"),
        ("wsl1", "apt-get", NOT_INSTALLED, "--set-version"),
        ("binder", "apt-get", NO_NAMESPACES, "machine of your own"),
        ("kubernetes", "apt-get", NO_PROC, "procMount: Unmasked"),
        ("container", "apt-get", NO_PROC, "systempaths=unconfined"),
        ("linux", "apt-get", NO_NAMESPACES, "user.max_user_namespaces"),
    ],
)
def test_the_step_towards_the_strong_tier(
    monkeypatch: pytest.MonkeyPatch, where: str, tool: str, reason: str, words: str
) -> None:
    """One that can be taken there."""
    go(where, monkeypatch)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if name == tool else None)
    assert words in advice.for_strong(reason)
    assert len(advice.for_strong(reason)) < 300


def test_the_steps_towards_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod needs a profile for strong-pod and nothing for medium; a kernel without Landlock a newer one, or a word at its start."""
    assert "5.13" in advice.for_medium(NO_LANDLOCK)
    assert "lsm=" in advice.for_medium("this kernel was started without Landlock")
    go("wsl2", monkeypatch)
    assert "wsl --update" in advice.for_medium(NO_LANDLOCK)
    go("kubernetes", monkeypatch)
    assert "seccompProfile: {type: Unconfined}" in advice.for_strong_pod(NO_NAMESPACES)
    go("macos", monkeypatch)
    assert "Linux" in advice.for_medium("Landlock needs Linux")
    assert "bash" in advice.for_basic()
