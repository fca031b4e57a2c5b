"""Somebody else on the machine: a process with secrets, which offers services and notes who calls. Started by world.py."""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGURG)


def main() -> None:
    """Serve until standard input ends: the command line is a folder of ours and the port that attempts may offer something on."""
    folder, token, key = Path(sys.argv[1]), os.environ["WHEELHOUSE_ABUSE_VICTIM"], int(sys.argv[2])
    events = (folder / "events").open("a", buffering=1)
    about: dict[str, Any] = {"victim": os.getpid()}

    def note(kind: str, text: str) -> None:
        events.write(json.dumps([kind, text]) + "\n")

    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    threading.Thread(target=_listen, args=(note,), daemon=True).start()
    waiting = selectors.DefaultSelector()
    for name, family, address in (
        ("tcp", socket.AF_INET, ("0.0.0.0", 0)),
        ("tcp6", socket.AF_INET6, ("::1", 0)),
        ("unix", socket.AF_UNIX, str(folder / "unix")),
        ("abstract", socket.AF_UNIX, f"\0wheelhouse-abuse-{os.getpid()}"),
    ):
        try:
            server = socket.socket(family, socket.SOCK_STREAM)
            if name == "tcp":
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 8)
            server.bind(address)
        except OSError:
            about[name] = 1
            continue
        server.listen(16)
        about[name] = server.getsockname()[1] if family != socket.AF_UNIX else str(address).strip("\0")
        waiting.register(server, selectors.EVENT_READ, "stream")
    for name, family, address in (
        ("udp", socket.AF_INET, ("127.0.0.1", 0)),
        ("unixgram", socket.AF_UNIX, str(folder / "unixgram")),
    ):
        box = socket.socket(family, socket.SOCK_DGRAM)
        box.bind(address)
        about[name] = box.getsockname()[1] if name == "udp" else str(address)
        waiting.register(box, selectors.EVENT_READ, "datagram")
    memory = ctypes.create_string_buffer(token.encode())
    about["memory"] = [ctypes.addressof(memory), len(token)]
    (folder / "held").write_text(token)
    about["descriptor"] = os.open(folder / "held", os.O_RDONLY)
    (folder / "held").unlink()  # nobody reads it but by this process
    libc = ctypes.CDLL(None, use_errno=True)
    about["shm"] = key
    segment = libc.shmget(key, 4096, 0o1600)
    libc.shmat.restype = ctypes.c_void_p
    if segment >= 0:
        ctypes.memmove(libc.shmat(segment, None, 0), token.encode() + b"\0", len(token) + 1)
    about["queue"] = f"/wheelhouse-abuse-{key}"
    queues = libc if hasattr(libc, "mq_open") else ctypes.CDLL("librt.so.1")
    queues.mq_open(about["queue"].encode(), os.O_CREAT | os.O_RDWR, 0o600, None)
    about["key"] = f"wheelhouse-abuse-{key}"
    number = libc.syscall(
        217 if os.uname().machine == "aarch64" else 248, b"user", about["key"].encode(), token.encode(), len(token), -4
    )
    sys.stdout.write(json.dumps(about) + "\n")
    sys.stdout.flush()
    waiting.register(sys.stdin, selectors.EVENT_READ, "end")
    try:
        while True:
            for ready, _ in waiting.select():
                if ready.data == "end":
                    return
                try:
                    _answer(ready.fileobj, ready.data, token, note)  # type: ignore[arg-type]
                except OSError:
                    time.sleep(0)
    finally:
        if segment >= 0:
            libc.shmctl(segment, 0, None)
        queues.mq_unlink(about["queue"].encode())
        if number >= 0:
            libc.syscall(219 if os.uname().machine == "aarch64" else 250, 9, number, -4)  # KEYCTL_UNLINK


def _listen(note: Any) -> None:
    while True:
        got = signal.sigwaitinfo(SIGNALS)
        if not _foreign(got.si_pid):
            note("signal", signal.Signals(got.si_signo).name)


def _foreign(pid: int) -> bool:
    """Whether a sender was certainly not started by these tests: another run of them, as root and in no sandbox, signals everybody."""
    if pid == 0:
        # Of a pod it lies outside.  Elsewhere it tells nothing: a signal to everything names nobody once it has met another namespace.
        return b"pods.py" in Path("/proc/1/cmdline").read_bytes()
    try:
        while pid > 1:
            if pid == os.getppid():
                return False
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return False
    return True


def _answer(channel: socket.socket, kind: str, token: str, note: Any) -> None:
    if kind == "datagram":
        text, sender = channel.recvfrom(200)
        note("call", text.decode("utf-8", "replace"))
        if sender:
            channel.sendto(token.encode(), sender)
        return
    client, _ = channel.accept()
    with client:
        client.settimeout(2)
        note("call", client.recv(200).decode("utf-8", "replace"))
        client.sendall(token.encode())


if __name__ == "__main__":
    main()
