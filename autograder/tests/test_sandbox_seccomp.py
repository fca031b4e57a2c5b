"""The system call filter, run step by step as the kernel would."""

from __future__ import annotations

import errno
import struct
from typing import Any

import pytest

from autograder.sandbox.seccomp import ARCHITECTURES, filter_program

ALLOWED, KILLED, REFUSED = 0x7FFF0000, 0x80000000, 0x00050000


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None, **variant: Any) -> int:
    """Run the filter on one system call (man 2 seccomp: struct seccomp_data)."""
    program = filter_program(machine, **variant)
    assert program is not None
    steps = list(struct.iter_unpack("=HBBI", program))
    padded = (list(arguments) + [0] * 6)[:6]
    chosen = ARCHITECTURES[machine] if architecture is None else architecture
    data = struct.pack("=IIQ6Q", number, chosen, 0, *padded)
    register, place = 0, 0
    for _ in range(1000):
        code, if_true, if_false, value = steps[place]
        place += 1
        if code == 0x20:
            register = struct.unpack_from("=I", data, value)[0]
        elif code == 0x06:
            return int(value)
        elif code == 0x54:
            register &= value
        else:
            holds = {0x15: register == value, 0x35: register >= value, 0x45: bool(register & value)}
            place += if_true if holds[code] else if_false
    raise AssertionError("the filter doesn't end")


CALLS = {  # name: (x86_64, aarch64)
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "ioctl": (16, 29),
    "kill": (62, 129),
    "listen": (50, 201),
    "mount": (165, 40),
    "prlimit64": (302, 261),
    "ptrace": (101, 117),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "mknodat": (259, 33),
    "openat": (257, 56),
    "openat2": (437, 437),
    "read": (0, 63),
    "sendmsg": (46, 211),
    "sendto": (44, 206),
    "setpriority": (141, 140),
    "shmget": (29, 194),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "truncate": (76, 45),
    "unshare": (272, 97),
}


@pytest.mark.parametrize("machine", list(ARCHITECTURES))
@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("read", (0,), ALLOWED),
        ("execve", (), ALLOWED),
        ("clone", (0x01200011,), ALLOWED),
        ("clone", (0x003D0F00,), ALLOWED),
        ("clone", (0x10000000,), REFUSED | errno.EPERM),
        ("clone", (0x00020000,), REFUSED | errno.EPERM),
        ("clone3", (), REFUSED | errno.ENOSYS),
        ("unshare", (0x10000000,), REFUSED | errno.EPERM),
        ("mount", (), REFUSED | errno.EPERM),
        ("ptrace", (16,), REFUSED | errno.EPERM),
        ("ioctl", (0, 0x5401), ALLOWED),
        ("ioctl", (0, 0x5412), REFUSED | errno.EPERM),
        ("ioctl", (0, 0x541C), REFUSED | errno.EPERM),
        ("ioctl", (0, 0x1_0000_5412), REFUSED | errno.EPERM),
        ("socket", (1,), ALLOWED),
        ("socket", (2,), ALLOWED),
        ("socket", (10,), ALLOWED),
        ("socket", (16, 3, 0), ALLOWED),
        ("socket", (16, 3, 12), REFUSED | errno.EPROTONOSUPPORT),
        ("fchmod", (3, 0o2775), ALLOWED),
        ("fchmod", (3, 0o4755), REFUSED | errno.EPERM),
        ("fchmodat", (3, 0o4755, 0o644), ALLOWED),
        ("fchmodat", (3, 0, 0o4755), REFUSED | errno.EPERM),
        ("fchmodat2", (3, 0, 0o4755, 0), REFUSED | errno.EPERM),
        ("mknodat", (3, 0, 0o104755), REFUSED | errno.EPERM),
        ("mknodat", (3, 0, 0o010644), ALLOWED),
        ("openat", (3, 0, 0o101, 0o4755), REFUSED | errno.EPERM),
        ("openat", (3, 0, 0o20200002, 0o4755), REFUSED | errno.EPERM),
        ("openat", (3, 0, 0o101, 0o644), ALLOWED),
        ("openat", (3, 0, 0, 0o4755), ALLOWED),
        ("openat2", (), REFUSED | errno.ENOSYS),
        ("socket", (17,), REFUSED | errno.EAFNOSUPPORT),
        ("socket", (38,), REFUSED | errno.EAFNOSUPPORT),
        ("socket", (40,), REFUSED | errno.EAFNOSUPPORT),
    ],
)
def test_a_call_gets_its_verdict(machine: str, name: str, arguments: tuple[int, ...], answer: int) -> None:
    """Ordinary calls pass; new namespaces, mounts, tracing, TIOCSTI and odd sockets are refused, on both processors."""
    number = CALLS[name][list(ARCHITECTURES).index(machine)]
    assert verdict(machine, number, *arguments) == answer


NO_FAMILY, NO_RIGHT = REFUSED | errno.EAFNOSUPPORT, REFUSED | errno.EACCES


@pytest.mark.parametrize("machine", list(ARCHITECTURES))
@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("read", (0,), ALLOWED),
        ("unshare", (0x10000000,), REFUSED | errno.EPERM),
        ("ioctl", (0, 0x5412), REFUSED | errno.EPERM),
        ("socket", (2, 1, 0), ALLOWED),
        ("socket", (2, 0x80801, 6), ALLOWED),
        ("socket", (2, 1, 262), NO_RIGHT),
        ("socket", (2, 2, 0), NO_RIGHT),
        ("socket", (2, 0x80802, 17), NO_RIGHT),
        ("socket", (2, 3, 6), NO_RIGHT),
        ("socket", (2, 5, 132), NO_RIGHT),
        ("socket", (0x1_0000_0002, 1, 0x1_0000_0106), NO_RIGHT),
        ("socket", (1, 1, 0), NO_FAMILY),
        ("socket", (10, 1, 0), NO_FAMILY),
        ("socket", (16, 3, 0), NO_FAMILY),
        ("socket", (40, 1, 0), NO_FAMILY),
        ("socketpair", (1, 0x80001, 0), ALLOWED),
        ("socketpair", (1, 2, 0), NO_RIGHT),
        ("socketpair", (1, 5, 0), ALLOWED),
        ("socketpair", (2, 1, 0), NO_RIGHT),
        ("sendto", (3, 0, 1, 0x4000), ALLOWED),
        ("sendto", (3, 0, 1, 0x20004000), NO_RIGHT),
        ("sendmsg", (3, 0, 0), ALLOWED),
        ("sendmsg", (3, 0, 0x20000000), NO_RIGHT),
        ("listen", (3, 5), NO_RIGHT),
        ("shmget", (1, 1, 0), NO_RIGHT),
        ("prlimit64", (0, 6, 1), ALLOWED),
        ("prlimit64", (17, 6, 1), REFUSED | errno.EPERM),
        ("setpriority", (0, 0, 5), ALLOWED),
        ("setpriority", (0, 17, 5), REFUSED | errno.EPERM),
        ("truncate", (0, 0), ALLOWED),
        ("kill", (-1 & 0xFFFFFFFF, 9), ALLOWED),
    ],
)
def test_where_no_namespace_is_around_only_plain_tcp_is_left(
    machine: str, name: str, arguments: tuple[int, ...], answer: int
) -> None:
    """UDP, Multipath TCP, SCTP, Fast Open, servers, unix sockets and shared memory would all lead past Landlock."""
    number = CALLS[name][list(ARCHITECTURES).index(machine)]
    assert verdict(machine, number, *arguments, confined=True) == answer


@pytest.mark.parametrize("machine", list(ARCHITECTURES))
@pytest.mark.parametrize(
    ("name", "arguments", "answer"),
    [
        ("truncate", (0, 0), NO_RIGHT),
        ("kill", (-1 & 0xFFFFFFFF, 9), REFUSED | errno.EPERM),
        ("kill", (-1 & 0xFFFFFFFFFFFFFFFF, 9), REFUSED | errno.EPERM),
        ("kill", (17, 9), ALLOWED),
        ("socket", (2, 1, 0), ALLOWED),
        ("socket", (2, 2, 0), NO_RIGHT),
    ],
)
def test_what_an_old_landlock_does_not_govern_can_be_refused(
    machine: str, name: str, arguments: tuple[int, ...], answer: int
) -> None:
    """Files cut off by name, and a signal to all at once."""
    number = CALLS[name][list(ARCHITECTURES).index(machine)]
    assert verdict(machine, number, *arguments, confined=True, instead=("truncate", "kill everything")) == answer


def test_another_system_call_table_does_not_slip_past() -> None:
    """A 32-bit or x32 program would give every number another meaning."""
    assert verdict("x86_64", 0, architecture=0x40000003) == KILLED
    assert verdict("x86_64", 0x40000000 + 165) == REFUSED | errno.ENOSYS


def test_a_processor_without_a_table_gets_no_filter() -> None:
    """No filter means no strong tier; a filter with another processor's numbers would be worse."""
    assert filter_program("riscv64") is None
