"""How to get a stronger tier: one step, by what stood in the way and by where the course runs."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

__all__ = ["for_basic", "for_medium", "for_proc", "for_strong", "for_strong_pod", "surroundings"]

_BINDER = ("BINDER_SERVICE_HOST", "BINDER_LAUNCH_HOST", "BINDER_REPO_URL")
_INSTALL = {
    "apt-get": "sudo apt install bubblewrap",
    "dnf": "sudo dnf install bubblewrap",
    "pacman": "sudo pacman -S bubblewrap",
    "zypper": "sudo zypper install bubblewrap",
    "apk": "sudo apk add bubblewrap",
}
_LINUX = "Run the course in a Linux container or virtual machine, or on Binder."


def surroundings() -> str:
    """Say where the course runs: "macos", "other", "binder", "kubernetes", "container", "wsl1", "wsl2" or "linux"."""
    if sys.platform != "linux":
        return "macos" if sys.platform == "darwin" else "other"
    if any(name in os.environ for name in _BINDER):
        return "binder"
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "container"
    release = platform.release()
    if "microsoft" in release.lower():
        return "wsl2" if "WSL2" in release or "microsoft-standard" in release else "wsl1"
    return "linux"


def _install() -> str:
    command = next((command for tool, command in _INSTALL.items() if shutil.which(tool)), None)
    if command is None:
        return "Install bubblewrap 0.8 or later with your system's package manager."
    return f"Run `{command}` (0.8 or later is needed)."


def for_proc() -> str:
    """Give the next step where no tier works, since processes can't be counted."""
    return "Mount it with `sudo mount -t proc proc /proc`; in a container, start that with a /proc."


def for_strong(reason: str) -> str:
    """Give the next step towards the strong tier."""
    where = surroundings()
    if where in ("macos", "other"):
        return _LINUX
    if where == "wsl1":
        return "Move to WSL 2 with `wsl --set-version <distribution> 2`, then install bubblewrap in it."
    if "not installed" in reason or "nknown option" in reason:
        if where == "binder":
            return "Add the line `bubblewrap` to `binder/apt.txt` of the repository that Binder builds."
        return _install()
    if "uid map" in reason or "RTM_NEWADDR" in reason:
        return (
            "Ubuntu's AppArmor keeps bubblewrap from making namespaces: run `sudo apt install bubblewrap apparmor-profiles`, "
            "copy `/usr/share/apparmor/extra-profiles/bwrap-userns-restrict` to `/etc/apparmor.d/` "
            "and run `sudo systemctl reload apparmor`."
        )
    match where:
        case "binder":
            return "Binder's pods don't give more: run the course with `make lab` on a Linux machine of your own."
        case "kubernetes":
            return (
                "Kubernetes: give the pod `hostUsers: false`, and this container `seccompProfile: {type: Unconfined}` "
                "and `procMount: Unmasked` in its securityContext."
            )
        case "container":
            return (
                "Start the container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined` (Docker) "
                "or `--security-opt seccomp=unconfined --security-opt unmask=ALL` (Podman)."
            )
    if "namespace" in reason:
        return (
            "This kernel forbids users to make namespaces: see `sysctl user.max_user_namespaces` (0 forbids them) "
            "and, on Debian's older kernels, `kernel.unprivileged_userns_clone` (1 allows them)."
        )
    return "Tell us what `course doctor` says."


def for_strong_pod(reason: str) -> str:
    """Give the next step towards the strong tier without a `/proc` of its own."""
    if surroundings() == "kubernetes" and "namespace" in reason:
        return (
            "Kubernetes: give this container `seccompProfile: {type: Unconfined}` in its securityContext, "
            "or a profile of type Localhost that lets clone, unshare, mount, umount2 and pivot_root through."
        )
    return for_strong(reason)


def for_medium(reason: str) -> str:
    """Give the next step towards the medium tier."""
    match surroundings():
        case "macos" | "other":
            return _LINUX
        case "wsl1" | "wsl2":
            return "Run `wsl --update` in Windows for a newer kernel; WSL 1 has no Landlock."
    if "started without" in reason:
        return "Add `landlock` to the list `lsm=` in the kernel's command line: `/sys/kernel/security/lsm` shows what is there."
    if "no Landlock" in reason:
        return (
            "Landlock came with Linux 5.13: use a newer kernel; in a container, a newer runtime "
            "(the default profiles of old ones hide it, and gVisor has none)."
        )
    return "Tell us what `course doctor` says."


def for_basic() -> str:
    """Give the next step towards any tier at all."""
    return "Install bash with your system's package manager."
