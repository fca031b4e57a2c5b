"""What lies around a sandbox while it is abused, and what can be seen of it afterwards from outside: secrets that got in, traces that got out.

A secret is a random text of one row, in a file, a process, a service: where the row's loot holds it, the sandbox is open, whatever the
program says. A trace is a change of a file, a signal or a call that the victim noted, a file that appeared somewhere.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.places import cache
from autograder.sandbox import Place
from autograder.sandbox.system_python import make_system, seed

__all__ = ["StillIndex", "World", "new_place", "world"]

Look = tuple[int, int, int, int, bytes]


class StillIndex:
    """An index that answers everything alike, and counts how often."""

    doors = None
    answered = 0

    @contextlib.contextmanager
    def serve(
        self, listener: socket.socket, published: Path | None = None, secure: socket.socket | None = None
    ) -> Iterator[None]:
        """Answer from one thread until the context is left."""
        own = listener.dup()
        ended = threading.Event()

        def work() -> None:
            own.settimeout(0.1)
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    client, _ = own.accept()
                    with client:
                        client.settimeout(1)
                        client.recv(1000)
                        client.sendall(b"HTTP/1.0 200 OK\r\n\r\nhonest")
                        self.answered += 1

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            own.close()


@dataclass
class World:
    """A victim, a folder outside with one file a row, and what they looked like before."""

    folder: Path
    victim: subprocess.Popen[str]
    token: str
    about: dict[str, Any]
    before: dict[str, Look] = field(default_factory=dict)
    heard: list[int] = field(default_factory=list)
    """Signals that came to ourselves."""

    def loot(self, place: Place, row: str) -> tuple[str, str]:
        """Give what a row's attempt says that it got, and what stood in its way; raises LookupError if it was never tried to its end."""
        try:
            told = json.loads((place.project / "loot" / row).read_bytes())
        except (OSError, ValueError) as error:
            raise LookupError(f"{row} was not tried to its end: {error}") from error
        return str(told["said"]), str(told["error"])

    def secret_in(self, said: str, row: str) -> bool:
        """Say whether a secret, the row's own or the victim's, got in."""
        return self.token in said or f"secret-{row}-{self.token[:12]}" in said

    def changed(self, row: str) -> str:
        """Say what became of a row's file outside, or of its neighbours; empty if nothing did."""
        folder = self.folder / row
        names = sorted(os.listdir(folder))
        if names != ["secret"]:
            return f"its folder holds {names}"
        return "" if _look(folder / "secret") == self.before[row] else "it is not as it was"

    def events(self, kind: str) -> list[str]:
        """List what the victim noted."""
        lines = (self.folder / "events").read_text("utf-8").splitlines()
        return [text for what, text in map(json.loads, lines) if what == kind]

    def planted(self) -> list[Path]:
        """Find what was put into folders that are shared with the rest of the machine, and remove it."""
        mark = self.about["mark"]
        shared = [Path("/dev/shm"), *(cache() / name for name in ("acting", "index", "tools"))]
        found = [folder / mark for folder in shared if (folder / mark).exists()]
        for file in found:
            file.unlink()
        return found


def _look(file: Path) -> Look:
    state = file.lstat()
    if not os.access(file, os.R_OK):
        file.chmod(0o600)
    attributes = os.listxattr(file) if hasattr(os, "listxattr") else []
    return (
        state.st_mode,
        state.st_size,
        state.st_mtime_ns,
        state.st_nlink,
        "".join(sorted(attributes)).encode() + file.read_bytes(),
    )


def new_place(folder: Path) -> Place:
    """Make a place as a learner finds it who has just begun."""
    place = Place(folder / "project", folder / "home", folder / "system")
    for made in (place.project, place.home, place.system):
        made.mkdir(parents=True)
    make_system(place.system)
    (place.project / "loot").mkdir()
    return place


def _own_address() -> str:
    """Give this machine's address towards others, without sending anything; loopback where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def world(folder: Path, rows: Iterable[str]) -> Iterator[World]:
    """Make a world in an empty folder; whoever enters it has the secret in its environment and an inheritable descriptor on it."""
    folder.chmod(0o755)
    token, key = secrets.token_hex(16), secrets.randbelow(1 << 30) + 1
    victim = subprocess.Popen(
        [
            sys.executable,
            "-I",
            "-S",
            str(Path(__file__).with_name("victim.py")),
            str(folder),
            str(key),
            "wheelhouse-abuse-" + token,
        ],
        env={"WHEELHOUSE_ABUSE_VICTIM": token},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    (folder / "open").write_text(token)
    descriptor = os.open(folder / "open", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    (folder / "open").unlink()
    os.environ["WHEELHOUSE_ABUSE"] = token
    shared = Path("/dev/shm", f"wheelhouse-abuse-{key}")
    try:
        shared.write_text(token)
        assert victim.stdout is not None
        about = json.loads(victim.stdout.readline())
        made = World(folder, victim, token, about)
        about |= {
            "address": _own_address(),
            "offer": _free_port(),
            "course": os.getpid(),
            "outside": str(folder),
            "seed": str(seed()),
            "cache": str(cache()),
            "shared": str(shared),
            "mark": f"wheelhouse-abuse-mark-{key}",
            "rows": {},
        }
        for row in rows:
            file = folder / row / "secret"
            file.parent.mkdir()
            file.write_text(f"secret-{row}-{token[:12]}\n")
            about["rows"][row] = {"file": str(file)}
            made.before[row] = _look(file)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread:
            listening = signal.signal(signal.SIGWINCH, lambda number, _: made.heard.append(number))
        try:
            yield made
        finally:
            if in_main_thread:
                signal.signal(signal.SIGWINCH, listening)
            made.planted()
    finally:
        del os.environ["WHEELHOUSE_ABUSE"]
        os.close(descriptor)
        shared.unlink(missing_ok=True)
        assert victim.stdin is not None
        victim.stdin.close()
        victim.wait(20)


def odd_files(place: Place) -> list[str]:
    """List devices and setuid programs that were left in a place's folders, as seen from outside."""
    found = []
    for top in (place.project, place.home, place.system):
        for folder, _, names in os.walk(top):
            for name in names:
                state = Path(folder, name).lstat()
                if stat.S_ISBLK(state.st_mode) or stat.S_ISCHR(state.st_mode) or state.st_mode & stat.S_ISUID:
                    found.append(name)
    return found
