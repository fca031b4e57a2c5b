"""A machine in a folder: an empty Debian by debootstrap, on which a proof types commands in a terminal of its own.

Every command runs in namespaces of its own (mounts, processes, on demand a network without network), with the folder as its real
root: nothing is mounted on this machine, and nothing is left when the command, or the proof, is killed.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from proofs.reach import Reach, debian_mirror

__all__ = ["CACHE", "CannotRunHere", "Done", "Machine", "Running", "base", "machine"]

CACHE = Path("/var/cache/wheelhouse-proofs")
USER, UID = "learner", 1000
_RECIPES = Path("/usr/share/debootstrap/scripts")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

# The shell is process 1 there, buries orphans, and what it starts dies with it.
ENTER = r"""
set -e
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind /sys "$root/sys" && mount -o remount,bind,ro "$root/sys"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in $devices; do : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
[ -z "$shm" ] || { mkdir "$root/dev/shm"; mount -t tmpfs -o mode=1777 shm "$root/dev/shm"; }
eval "set -- $shown"
while [ $# -gt 0 ]; do
    mkdir -p "$root$2"
    mount --bind "$1" "$root$2" && mount -o remount,bind,ro "$root$2"
    shift 2
done
[ -z "$small" ] || mount -t tmpfs -o "size=$small,mode=1777" small "$root/small"
[ -z "$offline" ] || ip link set lo up
cd "$root"
pivot_root . .
umount -l .
[ -n "$proc" ] || umount -l /proc  # umount itself needs it, so it goes last
cd "$folder"
set +e
eval "set -- $words"
"$@"
exit $?
"""


class CannotRunHere(Exception):
    """Why a proof can't run on this machine, in one sentence."""


@dataclass(frozen=True)
class Done:
    """How a command ended: exit status, all that it said, seconds, and the longest time (in seconds) in which it said nothing."""

    status: int
    output: str
    seconds: float
    silence: float


@dataclass
class Running:
    """A command at its terminal."""

    process: int
    terminal: int
    began: float
    said: list[tuple[float, str]] = field(default_factory=list)
    status: int | None = None

    def output(self) -> str:
        """Give what was said so far, without colours and the terminal's own line ends."""
        text = "".join(chunk for _, chunk in self.said)
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07|[()=>][A-Z0-9]?)", "", text).replace("\r\n", "\n")

    def seconds(self) -> float:
        """Give the seconds since it began."""
        return time.monotonic() - self.began

    def silence(self) -> float:
        """Give the longest time in which nothing was said, in seconds."""
        times = [self.began, *(when for when, _ in self.said)]
        return max((after - before for before, after in itertools.pairwise(times)), default=0.0)

    def _listen(self, seconds: float) -> bool:
        """Take what is said within `seconds`; False at the end."""
        if not select.select([self.terminal], [], [], max(seconds, 0))[0]:
            return True
        try:
            chunk = os.read(self.terminal, 65536)
        except OSError:  # Linux's way to say that nobody is at the other end
            return False
        self.said.append((time.monotonic(), chunk.decode("utf-8", "replace")))
        return bool(chunk)

    def expect(self, pattern: str, timeout: float) -> re.Match[str]:
        """Wait until a regular expression is found in what was said.  Raises `TimeoutError`, with the last lines."""
        end = time.monotonic() + timeout
        alive = True
        while True:
            if found := re.search(pattern, self.output(), re.M):
                return found
            if not alive or time.monotonic() > end:
                raise TimeoutError(f"no {pattern!r} after {self.seconds():.0f} s; last:\n{self.output()[-1500:]}")
            alive = self._listen(end - time.monotonic())

    def type(self, text: str) -> None:
        """Type at the terminal; "\\x03" is Ctrl-C."""
        with contextlib.suppress(OSError):
            os.write(self.terminal, text.encode())

    def inside(self) -> int:
        """Give the process id, seen from here, of process 1 there."""
        children = Path(f"/proc/{self.process}/task/{self.process}/children").read_text(encoding="ascii").split()
        return int(children[0])

    def work(self) -> float:
        """Give the processors' time (s) that it and all that it started have used so far; unlike `seconds`, it minds no neighbours."""
        ticks, todo = 0, [self.process]
        while todo:
            place = Path(f"/proc/{todo.pop()}")
            with contextlib.suppress(OSError):
                for thread in (place / "task").iterdir():
                    todo += map(int, (thread / "children").read_text(encoding="ascii").split())
                fields = (place / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                ticks += sum(map(int, fields[11:15]))  # its own and its dead children's
        return ticks / os.sysconf("SC_CLK_TCK")

    def look(self, command: Sequence[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command of this machine in the network of that one."""
        into = ["nsenter", f"--net=/proc/{self.inside()}/ns/net", *command]
        return subprocess.run(into, capture_output=True, text=True, timeout=timeout, check=False)

    def kill(self) -> None:
        """End it and all that it started at once, as a power cut would."""
        if self.status is None:
            os.kill(self.process, signal.SIGKILL)
        self.wait(60)

    def wait(self, timeout: float) -> Done:
        """Wait for its end, at most `timeout` seconds, after which it is killed and its status is -9."""
        end = time.monotonic() + timeout
        while self.status is None and self._listen(min(1.0, end - time.monotonic())):
            if time.monotonic() > end:
                os.kill(self.process, signal.SIGKILL)
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
            os.close(self.terminal)
        return Done(self.status, self.output(), self.seconds(), self.silence())


@dataclass
class Machine:
    """A root folder with two people, root and an ordinary user, and this machine's way to its indexes."""

    root: Path
    reach: Reach
    shown: dict[Path, str] = field(default_factory=dict)

    def start(
        self,
        command: str | Sequence[str],
        *,
        user: str = USER,
        folder: str = "",
        offline: bool = False,
        variables: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
        small: str = "",
        around: Sequence[str] = (),
    ) -> Running:
        """Start a command there, a string in its shell.

        `without` takes "proc" and "shm" away; `small` ("100m") gives a file system of that size at /small; `around` are words of
        this machine's put before everything (nice, taskset).
        """
        home = "/root" if user == "root" else f"/home/{user}"
        path = "/usr/local/bin:/usr/bin:/bin"
        own = {
            **{"HOME": home, "USER": user, "LOGNAME": user, "SHELL": "/bin/bash", "LANG": "C.UTF-8"},
            **{"TERM": "xterm", "PATH": f"/usr/local/sbin:/usr/sbin:/sbin:{path}" if user == "root" else path},
        }
        everything = {**own, **self.reach.variables, **(variables or {})}
        wanted = ["sh", "-c", command] if isinstance(command, str) else list(command)
        become = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        words = [*become, "env", "-i", *(f"{name}={value}" for name, value in everything.items()), *wanted]
        shown = [str(one) for pair in self._shown().items() for one in pair]
        settings = {
            **{"root": str(self.root), "folder": folder or home, "devices": " ".join(DEVICES)},
            **{"proc": "" if "proc" in without else "1", "shm": "" if "shm" in without else "1"},
            **{"offline": "1" if offline else "", "small": small},
            **{"words": shlex.join(words), "shown": shlex.join(shown)},
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        enter = [
            *("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"),
            *(["--net"] if offline else []),
            *("/bin/sh", "-c", ENTER),
        ]
        began = time.monotonic()
        process, terminal = pty.fork()
        if process == 0:
            # a proof started in the background ignores Ctrl-C, and Python broken pipes; what it starts shall not
            for one in (signal.SIGINT, signal.SIGQUIT, signal.SIGPIPE, signal.SIGTERM, signal.SIGHUP):
                signal.signal(one, signal.SIG_DFL)
            try:
                os.execvpe([*around, *enter][0], [*around, *enter], settings)
            finally:
                os._exit(127)
        return Running(process, terminal, began)

    def run(self, command: str | Sequence[str], *, timeout: float = 900, **how: object) -> Done:
        """Run a command there to its end."""
        running = self.start(command, **how)  # type: ignore[arg-type]
        try:
            return running.wait(timeout)
        except BaseException:
            running.kill()
            raise

    def must(self, command: str | Sequence[str], *, timeout: float = 900, **how: object) -> Done:
        """Run a command there which is only preparation.  Raises `CannotRunHere` when it fails."""
        done = self.run(command, timeout=timeout, **how)
        if done.status:
            raise CannotRunHere(f"{command!r} ended with {done.status} on the new machine:\n{done.output[-1500:]}")
        return done

    def _shown(self) -> dict[Path, str]:
        return {**{path: str(path) for path in self.reach.folders}, **self.shown}


def base(packages: Sequence[str], name: str, release: str = "") -> Path:
    """Give a tar file of an empty Debian with a few packages, made on the first call and kept in `CACHE`.

    `release` names it as Debian does (`trixie`); by default it is the one of this machine.

    Raises `CannotRunHere` without root's rights, debootstrap or a mirror.
    """
    if os.geteuid() != 0:
        raise CannotRunHere("An empty machine can only be made by root; run the proof with sudo.")
    if not shutil.which("debootstrap"):
        raise CannotRunHere("debootstrap is missing; on Debian and Ubuntu type `apt-get install debootstrap`.")
    try:
        mirror, ours = debian_mirror()
    except OSError as problem:
        raise CannotRunHere(f"{problem}.") from None
    release = release or ours
    CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = CACHE / f"{release}-{name}.tar"
    if kept.exists():
        return kept
    print(f"Fetching an empty {release} with {', '.join(packages)} (once; kept as {kept}) …", flush=True)
    with folder_for_machines() as work:
        root = work / "root"
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", release, str(root), mirror]
        if not (_RECIPES / release).exists():  # a Debian younger than this debootstrap: the recipe is the same
            command.append(str(_RECIPES / "sid"))
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotRunHere(f"debootstrap failed: {(done.stdout + done.stderr)[-800:]}")
        shutil.rmtree(root / "var/cache/apt/archives", ignore_errors=True)
        (root / "var/cache/apt/archives/partial").mkdir(parents=True)
        half = kept.with_suffix(f".{os.getpid()}")
        try:
            subprocess.run(["tar", "-C", root, "--one-file-system", "-cf", half, "."], check=True)
            half.replace(kept)
        finally:
            half.unlink(missing_ok=True)
    return kept


@contextlib.contextmanager
def folder_for_machines(keep: bool = False) -> Iterator[Path]:
    """Give a new folder for roots, which is removed at the end unless `keep`."""
    folder = Path(tempfile.mkdtemp(prefix="wheelhouse-proof-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        if keep:
            print(f"Kept: {folder}", flush=True)
        else:
            subprocess.run(["rm", "-rf", "--one-file-system", folder], check=False)


@contextlib.contextmanager
def machine(tar: Path, *, keep: bool = False, release: str = "") -> Iterator[Machine]:
    """Unpack a machine, with the ordinary user and this machine's way to its indexes; gone at the end unless `keep`.

    `release` is that of `base`: apt's sources are of this machine's Debian where none is named.
    """
    with folder_for_machines(keep) as work:
        root = work / "root"
        root.mkdir()
        subprocess.run(["tar", "-C", root, "-xpf", tar], check=True)
        (root / "small").mkdir()
        reach = Reach.of_this_machine()
        made = Machine(root, reach)
        for name in ("/etc/hosts", "/etc/resolv.conf"):
            if Path(name).exists():
                shutil.copyfile(name, root / name.lstrip("/"))
        made.must(f"useradd --create-home --uid {UID} --shell /bin/bash {USER}", user="root", offline=True)
        reach.give(root, {"/root": 0, f"/home/{USER}": UID})
        if release:
            shutil.rmtree(root / "etc/apt/sources.list.d")
            (root / "etc/apt/sources.list.d").mkdir()
            (root / "etc/apt/sources.list").write_text(f"deb {debian_mirror()[0]} {release} main\n", "utf-8")
        yield made
