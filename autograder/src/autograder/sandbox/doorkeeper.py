"""A helper outside every sandbox: enters a sandbox's network, listens there, also on ports below 1024, and hands the sockets back.

Those inside have no right to such a port, and never get it. Only a process without other threads can enter a user namespace,
and it can't come back (man 2 setns); so this one waits, and for each request a child of it goes and ends.

Run by the system Python with `-I -S`, outside the package. Its one argument is the descriptor of a socket; a request is some
ports with the descriptor of a network namespace, its answer "l" with the descriptors of listening sockets, or "e" and the reason.
It ends when the other side of the socket is closed.
"""

from __future__ import annotations

import _socket
import array
import fcntl
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["main"]

_USER, _NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER, CLONE_NEWNET
_OWNER_OF_NAMESPACE = 0xB701  # NS_GET_USERNS (man 2 ioctl_ns)
_IP_FREEBIND = 15  # the sandbox may be so young that its loopback device has no address yet


def _enter(namespace: int, kind: int) -> None:
    if sys.version_info >= (3, 12):
        os.setns(namespace, kind)
    else:
        import ctypes

        if ctypes.CDLL(None, use_errno=True).setns(namespace, kind) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def _listen(network: int, ports: list[int]) -> list[Any]:
    _enter(fcntl.ioctl(network, _OWNER_OF_NAMESPACE), _USER)
    _enter(network, _NETWORK)
    listeners = []
    for port in ports:
        listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        listener.setsockopt(_socket.IPPROTO_IP, _IP_FREEBIND, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        listeners.append(listener)
    return listeners


def _serve(channel: Any, network: int, ports: list[int]) -> None:
    """Answer one request, in a child."""
    try:
        listeners = _listen(network, ports)
    except Exception as error:
        channel.send(b"e" + str(error).encode("utf-8", "replace")[:200])
    else:
        descriptors = array.array("i", [listener.fileno() for listener in listeners])
        channel.sendmsg([b"l"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)])


def main() -> None:
    """Wait for requests."""
    channel = _socket.socket(fileno=int(sys.argv[1]))
    if sys.version_info < (3, 12):
        import ctypes  # noqa: F401  once here, not in each child
    while True:
        try:
            asked, passed, _, _ = channel.recvmsg(64, _socket.CMSG_SPACE(4))
        except OSError:
            return
        if not asked:
            return
        descriptors = array.array("i")
        for _, _, data in passed:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        child = os.fork()
        if child == 0:
            try:
                _serve(channel, descriptors[0], [int(word) for word in asked.split()])
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        for descriptor in descriptors:
            os.close(descriptor)


if __name__ == "__main__":
    main()
