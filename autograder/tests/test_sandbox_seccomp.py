"""The system call filter, run step by step as the kernel would."""

from __future__ import annotations

import errno
import struct

import pytest

from autograder.sandbox.seccomp import ARCHITECTURES, filter_program

ALLOWED, KILLED, REFUSED = 0x7FFF0000, 0x80000000, 0x00050000


def verdict(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Run the filter on one system call (man 2 seccomp: struct seccomp_data)."""
    program = filter_program(machine)
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
        else:
            holds = {0x15: register == value, 0x35: register >= value, 0x45: bool(register & value)}
            place += if_true if holds[code] else if_false
    raise AssertionError("the filter doesn't end")


CALLS = {  # name: (x86_64, aarch64)
    "clone": (56, 220),
    "clone3": (435, 435),
    "execve": (59, 221),
    "ioctl": (16, 29),
    "mount": (165, 40),
    "ptrace": (101, 117),
    "read": (0, 63),
    "socket": (41, 198),
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
        ("socket", (16,), ALLOWED),
        ("socket", (17,), REFUSED | errno.EAFNOSUPPORT),
        ("socket", (38,), REFUSED | errno.EAFNOSUPPORT),
        ("socket", (40,), REFUSED | errno.EAFNOSUPPORT),
    ],
)
def test_a_call_gets_its_verdict(machine: str, name: str, arguments: tuple[int, ...], answer: int) -> None:
    """Ordinary calls pass; new namespaces, mounts, tracing, TIOCSTI and odd sockets are refused, on both processors."""
    number = CALLS[name][list(ARCHITECTURES).index(machine)]
    assert verdict(machine, number, *arguments) == answer


def test_another_system_call_table_does_not_slip_past() -> None:
    """A 32-bit or x32 program would give every number another meaning."""
    assert verdict("x86_64", 0, architecture=0x40000003) == KILLED
    assert verdict("x86_64", 0x40000000 + 165) == REFUSED | errno.ENOSYS


def test_a_processor_without_a_table_gets_no_filter() -> None:
    """No filter means no strong tier; a filter with another processor's numbers would be worse."""
    assert filter_program("riscv64") is None
