"""Run a command as a container runtime would, on an image of layers: its own root, /dev, /proc, processes; seccomp and no rights for users.

An image is a stack of folders, an overlay as Docker's: what is moved, linked or written behaves as there.
The limits of a pod (memory, one CPU) are control groups, of version 1 or 2, where they may be made.
"""

from __future__ import annotations

import configparser
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proofs.machine import CannotRunHere
from proofs.reach import Reach

__all__ = ["HIDDEN", "PODS", "Group", "Way", "container", "mounted", "whole_seconds"]

PODS = Path(__file__).resolve().parents[1] / "tests" / "pods.py"
HIDDEN = "/mnt"
"""Where a container meets what is the proof's and not the image's; nothing of it is in the image."""

_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_GROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def mounted(layers: Sequence[Path], upper: Path, at: Path, work: Path) -> Iterator[Path]:
    """Mount layers, the lowest first, under a writable folder; gone at the end.  Raises `CannotRunHere` without overlays."""
    for folder in (upper, at, work):
        folder.mkdir(parents=True, exist_ok=True)
    lower = ":".join(str(one) for one in reversed(layers))
    command = ["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work}", str(at)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotRunHere(f"no overlay can be mounted here: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-l", str(at)], check=False)
        subprocess.run(["rm", "-rf", str(work)], check=False)


@dataclass
class Way:
    """The way of this machine to its indexes, for the time of a build: files in `HIDDEN`, variables which name them."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    shown: list[Path] = field(default_factory=list)
    """Folders of this machine that are shown under their own paths."""

    @classmethod
    def of(cls, reach: Reach, folder: Path) -> Way:
        """Write what is needed into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        bundle = f"{HIDDEN}/authorities.crt"
        way = cls(folder)
        texts = [*reach.files.items(), *reach.home_files.items()]
        pip = configparser.RawConfigParser()
        pip.read([path for name, path in texts if name.endswith("pip.conf")], encoding="utf-8")
        with (folder / "pip.conf").open("w", encoding="utf-8") as file:
            pip.write(file)
        settings = (folder / "pip.conf").read_text("utf-8").replace(_BUNDLE, bundle)
        (folder / "pip.conf").write_text(settings, encoding="utf-8")
        names = {name: value.replace(_BUNDLE, bundle) for name, value in reach.variables.items()}
        names.pop("SSL_CERT_DIR", None)
        if Path(_BUNDLE).exists():
            (folder / "authorities.crt").write_bytes(Path(_BUNDLE).read_bytes())
            for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                names[name] = bundle
        way.variables = {**names, "PIP_CONFIG_FILE": f"{HIDDEN}/pip.conf"}
        for name in ("pip.conf", "authorities.crt"):
            if (folder / name).exists():
                way.words += ["--ro-bind", str(folder / name), f"{HIDDEN}/{name}"]
        for name in ("/etc/resolv.conf", "/etc/hosts"):
            way.words += ["--ro-bind", name, name]
        way.shown = reach.folders
        for path in way.shown:
            way.words += ["--ro-bind", str(path), str(path)]
        return way


def container(
    root: Path,
    command: Sequence[str],
    *,
    folder: str,
    profile: str = "",
    uid: int = 0,
    more: Sequence[str] = (),
    network: bool = True,
) -> list[str]:
    """Give the words that run a command in a container; without a profile as its root, else in that pod of `tests/pods.py` as `uid`."""
    inside = [*command]
    if profile:
        inside = ["/usr/bin/python3", "-I", "-S", f"{HIDDEN}/pods.py", profile, "--uid", str(uid), "--", *command]
    shared = "/dev/shm"  # noqa: S108
    return [
        *("/usr/bin/bwrap", "--die-with-parent", "--bind", str(root), "/"),
        *("--dev", "/dev", "--tmpfs", shared, "--proc", "/proc", "--tmpfs", HIDDEN),
        *("--ro-bind", str(PODS), f"{HIDDEN}/pods.py"),
        *more,
        *("--chmod", "1777", shared),
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", "jupyter-wheelhouse"),
        *([] if network else ["--unshare-net"]),
        *("--cap-add", "ALL", "--chdir", folder, "--"),
        *inside,
    ]


@dataclass
class Group:
    """A control group with a pod's limits: memory in bytes, processors; `folders` is empty where none can be made."""

    folders: dict[str, Path]
    second: bool
    memory: int

    @classmethod
    @contextlib.contextmanager
    def made(cls, name: str, memory: int, cpus: float = 1.0) -> Iterator[Group]:
        """Make one, and at the end kill what is left in it and remove it."""
        second = (_GROUPS / "cgroup.controllers").exists()
        tops = {"": _GROUPS} if second else {kind: _GROUPS / kind for kind in ("memory", "cpu", "cpuacct")}
        group = cls({kind: top / name for kind, top in tops.items()}, second, memory)
        period = 100_000
        quota = int(cpus * period)
        limits = (
            [("", "memory.max", str(memory)), ("", "cpu.max", f"{quota} {period}")]
            if second
            else [
                ("memory", "memory.limit_in_bytes", str(memory)),
                ("cpu", "cpu.cfs_period_us", str(period)),
                ("cpu", "cpu.cfs_quota_us", str(quota)),
                (
                    "cpu",
                    "cpu.shares",
                    "3072",
                ),  # on a busy machine, what its three busiest processes would get by themselves
            ]
        )
        try:
            try:
                if second:
                    with contextlib.suppress(OSError):
                        (_GROUPS / "cgroup.subtree_control").write_text("+memory +cpu")
                for folder in group.folders.values():
                    folder.mkdir()
                for kind, file, value in limits:
                    (group.folders[kind] / file).write_text(value)
            except OSError:
                group._remove()
                group.folders = {}
            yield group
        finally:
            group._remove()

    def join(self) -> None:
        """Put the process that calls this in the group, and with it all that it starts."""
        for folder in self.folders.values():
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def _main(self) -> Path | None:
        return self.folders.get("" if self.second else "memory")

    def used(self) -> int:
        """Give the bytes that can't be had back by dropping cached files: what a pod is killed for."""
        main = self._main()
        if main is None:
            return 0
        rows = dict(line.split() for line in (main / "memory.stat").read_text().splitlines())
        files = ("inactive_file", "active_file") if self.second else ("total_inactive_file", "total_active_file")
        total = int((main / ("memory.current" if self.second else "memory.usage_in_bytes")).read_text())
        return total - sum(int(rows[one]) for one in files)

    def killed(self) -> int:
        """Count the processes which the kernel killed for want of memory."""
        main = self._main()
        if main is None:
            return 0
        file = main / ("memory.events" if self.second else "memory.oom_control")
        return int(dict(line.split() for line in file.read_text().splitlines()).get("oom_kill", 0))

    def processor(self) -> float:
        """Give the seconds of processor time which it has used."""
        if not self.folders:
            return 0.0
        if self.second:
            rows = (self.folders[""] / "cpu.stat").read_text().splitlines()
            return int(dict(line.split() for line in rows)["usage_usec"]) / 1e6
        return int((self.folders["cpuacct"] / "cpuacct.usage").read_text()) / 1e9

    def processes(self) -> list[int]:
        """Give the ids of the processes in it."""
        main = self._main()
        if main is None or not main.is_dir():
            return []
        return [int(one) for one in (main / "cgroup.procs").read_text().split()]

    def _remove(self) -> None:
        end = time.monotonic() + 20
        while (left := self.processes()) and time.monotonic() < end:
            for one in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(one, signal.SIGKILL)
            time.sleep(0.05)
        for folder in self.folders.values():
            with contextlib.suppress(OSError):
                folder.rmdir()


def whole_seconds(folder: Path) -> int:
    """Cut all times below a folder to whole seconds, and give the bytes of its files, those with several names once."""
    size, seen, waiting = 0, set(), [str(folder)]
    while waiting:
        top = waiting.pop()
        with os.scandir(top) as entries:
            for entry in entries:
                told = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                if told.st_ino not in seen and entry.is_file(follow_symlinks=False):
                    seen.add(told.st_ino)
                    size += told.st_size
                if told.st_mtime_ns % 10**9:
                    second = told.st_mtime_ns // 10**9 * 10**9
                    os.utime(entry.path, ns=(second, second), follow_symlinks=False)
    return size
