"""Listen on a port inside a sandbox to which nobody inside has a right; from outside, by the doorkeeper (see doorkeeper.py)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
from pathlib import Path

from autograder.sandbox.processes import spawn
from autograder.sandbox.system_python import executable_name, seed

__all__ = ["TLS_PORT", "listen_inside"]

TLS_PORT = 443
_PATIENCE = 20.0  # seconds, on a machine under load


class _Doorkeeper:
    """The helper, one for this process."""

    def __init__(self) -> None:
        self._of = os.getpid()
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(_PATIENCE)
        program = [str(seed() / "bin" / executable_name()), "-I", "-S"]
        program += [str(Path(__file__).with_name("doorkeeper.py")), str(theirs.fileno())]
        with theirs:
            self._process = spawn(
                program,
                lasting=True,
                env={},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # ^C in the learner's terminal is not for it
            )

    def usable(self) -> bool:
        """Say whether it is this process's own: after a fork two would talk at once."""
        return self._of == os.getpid() and self._process.poll() is None

    def end(self) -> None:
        self.channel.close()
        if self._of == os.getpid():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)


_doorkeeper: _Doorkeeper | None = None
_one_at_a_time = threading.Lock()


def listen_inside(process: int, *ports: int) -> list[socket.socket] | None:
    """Give sockets that listen on these ports of the loopback address in that process's network; None where they can't be had.

    Raises:
        SandboxError: the doorkeeper can't be started.
    """
    global _doorkeeper
    with _one_at_a_time:
        if _doorkeeper is None or not _doorkeeper.usable():
            _doorkeeper = _Doorkeeper()
        keeper = _doorkeeper
        try:
            network = os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                socket.send_fds(keeper.channel, [" ".join(map(str, ports)).encode()], [network])
            finally:
                os.close(network)
            answer, descriptors, _, _ = socket.recv_fds(keeper.channel, 256, len(ports))
        except OSError:  # gone, or silent: what it answers later must not be taken for the answer to another
            _doorkeeper = None
            keeper.end()
            return None
    listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    if answer != b"l" or len(listeners) != len(ports):
        for listener in listeners:
            listener.close()
        return None
    return listeners
