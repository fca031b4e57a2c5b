"""What a command sees in the strong tiers, as bubblewrap wants to be told: whose it is, which files, and which it may write to."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from autograder.sandbox import configuration
from autograder.sandbox.place import Place
from autograder.sandbox.pythons import STRONG_SECOND
from autograder.sandbox.system_python import course_uv, executable_name, library_name, second_of, writable_parts
from autograder.sandbox.tools import STRONG_TOOLS, tools
from autograder.sandbox.way import Way

__all__ = ["HOME", "SCRATCH", "mounts", "namespaces"]

HOME = "/home/learner"
_TMP_BYTES = 512 << 20
_SHARED_MEMORY_BYTES = 16 << 20
_FROM_ETC = (
    "alternatives",
    "bash_completion.d",
    "debian_version",
    "inputrc",
    "ld.so.cache",
    "localtime",
    "nanorc",
    "os-release",
    "protocols",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "vim",
)

SCRATCH = {"/tmp": _TMP_BYTES, "/dev/shm": _SHARED_MEMORY_BYTES}  # noqa: S108
"""The folders in memory, and their sizes in bytes."""


def namespaces(*, pod: bool) -> list[str]:
    """Give the options that part a command from this machine's users, processes and networks."""
    # A pod's /proc/sys is read-only; there only the filter forbids commands to make namespaces of their own.
    sealed = () if pod else ("--disable-userns", "--assert-userns-disabled")
    return [
        *("--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup-try", *sealed),
        *("--die-with-parent", "--uid", "1000", "--gid", "1000", "--hostname", "wheelhouse"),
    ]


def mounts(place: Place, seed: Path, way: Way, root: PurePosixPath, *, pod: bool) -> list[str]:
    """Give the options that make the tree of files, in which the project stands at `root`.

    In a `pod` its own `/proc` is shown, since none can be mounted.
    """

    def read(source: object, target: str) -> list[str]:
        return ["--ro-bind", str(source), target]

    def write(source: object, target: str) -> list[str]:
        return ["--bind", str(source), target]

    options = read("/usr", "/usr")
    for top in ("/etc", "/home", "/run", "/var"):
        options += ["--perms", "0755", "--dir", top]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        folder = Path("/", name)
        if folder.is_symlink():
            options += ["--symlink", os.readlink(folder), str(folder)]
        elif folder.is_dir():
            options += read(folder, str(folder))
    options += [
        *read(seed, "/run/wheelhouse"),
        *("--tmpfs", "/usr/local"),
        *read(seed / "lib", "/usr/local/lib"),
        *read(seed / "include", "/usr/local/include"),
    ]
    library = library_name()
    if (marker := place.system / "lib" / library / "EXTERNALLY-MANAGED").is_file():
        options += read(seed / "managed" / library, f"/usr/local/lib/{library}")
        options += read(marker, f"/usr/local/lib/{library}/EXTERNALLY-MANAGED")
    show = read if place.read_only_system else write
    for part in writable_parts():
        options += show(place.system / part, f"/usr/local/{part}")
    options += [
        *read(seed / "bin" / executable_name(), f"/usr/local/bin/{executable_name()}"),
    ]
    if (uv := course_uv()) is not None:
        options += read(uv, "/usr/local/bin/uv")
    if (second := second_of(place.system)) is not None:
        options += ["--perms", "0755", "--dir", str(STRONG_SECOND.parent), "--tmpfs", str(STRONG_SECOND)]
        for part in ("lib", "include"):
            options += read(second.seed / part, str(STRONG_SECOND / part))
        for part in second.parts:
            options += write(place.system / "second" / part, str(STRONG_SECOND / part))
        name = f"bin/{second.base.name}"
        options += [*read(second.seed / name, str(STRONG_SECOND / name)), "--remount-ro", str(STRONG_SECOND)]
    if (there := tools()) is not None:
        options += ["--perms", "0755", "--dir", str(STRONG_TOOLS.parent), *read(there, str(STRONG_TOOLS))]
    for name in _FROM_ETC:
        options += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    settings = seed / "etc" / "named" if way.doors else seed / "etc"
    for name in (*configuration.NETWORK_FILES, "gitconfig"):
        options += read(seed / "etc" / name, f"/etc/{name}")
    for name in ("pip.conf", "uv"):
        options += read(settings / name, f"/etc/{name}")
    if way.doors:
        options += read(way.doors.authority, "/etc/ssl/certs")
    if way.doors and way.door == "names":
        options += read(way.doors.hosts_file, "/etc/hosts")
    options += [
        *(read("/proc", "/proc") if pod else ("--proc", "/proc")),
        *("--dev", "/dev"),
        *("--size", str(_SHARED_MEMORY_BYTES), "--perms", "1777", "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--size", str(_TMP_BYTES), "--perms", "1777", "--tmpfs", "/tmp"),  # noqa: S108
        *("--symlink", "../tmp", "/var/tmp"),  # noqa: S108
        *write(place.home, HOME),
    ]
    bind = "--ro-bind" if place.read_only_project else "--bind"
    options += [bind, str(place.project), str(root)]
    for top in ("/proc", "/usr/local", "/dev", "/"):
        options += ["--remount-ro", top]
    return options
