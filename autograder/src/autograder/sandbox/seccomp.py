"""A seccomp filter which takes from the sandbox what no lesson needs and attacks do.

Written with `struct` alone, so that no library must be there.
It forbids: new namespaces and mounts, other processes' memory, keyrings, BPF, io_uring, userfaultfd, kernel modules,
typing into the terminal behind the learner's back (TIOCSTI, TIOCLINUX), setuid files, which would be of use to others outside,
and all but the usual families of sockets: AF_VSOCK would reach a virtual machine's host past the network namespace.

The medium tier has no network namespace, and Landlock governs connections of plain TCP only; so its variant (`confined`) leaves just these,
and closes what else would lead past it: UDP, IPv6, Multipath TCP, TCP Fast Open (which connects without `connect`), servers, unix sockets
other than a connected pair, System V and POSIX queues and shared memory, by which processes of one user can talk. And it keeps commands
from setting the bounds and priorities of the user's other programs, which would be a way to end them.

Sources: man 2 seccomp; linux/filter.h, linux/seccomp.h, linux/audit.h; each architecture's system call table;
landlock-lsm/linux, issues 41 and 54, for what its rules on TCP don't see.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Collection

__all__ = ["ARCHITECTURES", "filter_program"]

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENT_0, _ARGUMENT_1, _ARGUMENT_2, _ARGUMENT_3 = 0, 4, 16, 24, 32, 40
_NEW_NAMESPACE = 0x7E020000 | 0x80  # CLONE_NEWUSER, NEWPID, NEWNET, NEWIPC, NEWUTS, NEWCGROUP, NEWNS, NEWTIME
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_SOCKET_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6
_AF_NETLINK, _NETLINK_ROUTE = 16, 0  # how libc lists interfaces; the other protocols lead far into the kernel
_S_ISUID, _O_CREAT, _O_TMPFILE = 0o4000, 0o100, 0o20000000
_X32 = 0x40000000  # the x86-64 kernel's second table, in which every number below would be another

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_FORBIDDEN = {  # name: (x86_64, aarch64)
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_by_handle_at": (304, 265),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "open_tree": (428, 428),
    "mount_setattr": (442, 442),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "syslog": (103, 116),
    "memfd_create": (319, 279),  # memory that belongs to no process, and so to no bound
    "memfd_secret": (447, 447),
    "vmsplice": (278, 75),
}
_CLONE, _CLONE3, _IOCTL, _SOCKET = (56, 220), (435, 435), (16, 29), (41, 198)

_FORBIDDEN_CONFINED = {
    "listen": (50, 201),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
}
_SENDING = {  # name: (x86_64, aarch64), and where its flags stand
    "sendto": ((44, 206), _ARGUMENT_3),
    "sendmsg": ((46, 211), _ARGUMENT_2),
    "sendmmsg": ((307, 269), _ARGUMENT_3),
}
_OTHERS_BOUNDS = {  # name: (x86_64, aarch64), and where the number of a process stands; 0 is the caller itself
    "prlimit64": ((302, 261), _ARGUMENT_0),
    "setpriority": ((141, 140), _ARGUMENT_1),
    "ioprio_set": ((251, 30), _ARGUMENT_1),
    "sched_setscheduler": ((144, 119), _ARGUMENT_0),
    "sched_setparam": ((142, 118), _ARGUMENT_0),
    "sched_setattr": ((314, 274), _ARGUMENT_0),
}
_SOCKETPAIR, _TRUNCATE, _KILL = (53, 199), (76, 45), (62, 129)
_AF_UNIX, _AF_INET, _SOCK_STREAM, _SOCK_SEQPACKET, _KIND_OF_SOCKET = 1, 2, 1, 5, 0xF
_IPPROTO_TCP, _MSG_FASTOPEN = 6, 0x20000000
_WITH_MODE = (  # (x86_64, aarch64; -1: has none), where the mode stands, and where the flags by which there is one
    ((90, -1), _ARGUMENT_1, None),  # chmod
    ((91, 52), _ARGUMENT_1, None),  # fchmod
    ((268, 53), _ARGUMENT_2, None),  # fchmodat
    ((452, 452), _ARGUMENT_2, None),  # fchmodat2
    ((133, -1), _ARGUMENT_1, None),  # mknod
    ((259, 33), _ARGUMENT_2, None),  # mknodat
    ((85, -1), _ARGUMENT_1, None),  # creat
    ((2, -1), _ARGUMENT_2, _ARGUMENT_1),  # open
    ((257, 56), _ARGUMENT_3, _ARGUMENT_2),  # openat
)
_OPENAT2 = 437
_EVERYTHING = 0xFFFFFFFF  # kill's -1


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)


def _only_tcp(column: int) -> list[bytes]:
    """Let through sockets of plain TCP over IPv4, sending without Fast Open, and connected pairs."""
    program = [
        _step(_IF_EQUAL, _SOCKET[column], 0, 11),
        _step(_LOAD, _ARGUMENT_0),
        _step(_IF_EQUAL, _AF_INET, 1, 0),
        _refuse(errno.EAFNOSUPPORT),
        _step(_LOAD, _ARGUMENT_1),
        _step(_AND, _KIND_OF_SOCKET),
        _step(_IF_EQUAL, _SOCK_STREAM, 0, 4),
        _step(_LOAD, _ARGUMENT_2),
        _step(_IF_EQUAL, 0, 1, 0),
        _step(_IF_EQUAL, _IPPROTO_TCP, 0, 1),
        _step(_RETURN, _ALLOW),
        _refuse(errno.EACCES),
        # One of a pair of datagram sockets could be turned to another by `connect` or `sendto`; the other kinds can't.
        # Rust's library starts programs with a pair of SOCK_SEQPACKET, asyncio has one of SOCK_STREAM.
        _step(_IF_EQUAL, _SOCKETPAIR[column], 0, 8),
        _step(_LOAD, _ARGUMENT_0),
        _step(_IF_EQUAL, _AF_UNIX, 0, 5),
        _step(_LOAD, _ARGUMENT_1),
        _step(_AND, _KIND_OF_SOCKET),
        _step(_IF_EQUAL, _SOCK_SEQPACKET, 1, 0),
        _step(_IF_EQUAL, _SOCK_STREAM, 0, 1),
        _step(_RETURN, _ALLOW),
        _refuse(errno.EACCES),
    ]
    for numbers, flags in _SENDING.values():
        program += [
            _step(_IF_EQUAL, numbers[column], 0, 4),
            _step(_LOAD, flags),
            _step(_IF_ANY_BIT, _MSG_FASTOPEN, 0, 1),
            _refuse(errno.EACCES),
            _step(_RETURN, _ALLOW),
        ]
    for numbers in _FORBIDDEN_CONFINED.values():
        program += [_step(_IF_EQUAL, numbers[column], 0, 1), _refuse(errno.EACCES)]
    for numbers, process in _OTHERS_BOUNDS.values():
        program += [
            _step(_IF_EQUAL, numbers[column], 0, 4),
            _step(_LOAD, process),
            _step(_IF_EQUAL, 0, 1, 0),
            _refuse(errno.EPERM),
            _step(_RETURN, _ALLOW),
        ]
    return program


def _no_setuid(column: int) -> list[bytes]:
    """Refuse every way to a setuid file; openat2 hides its mode in a structure, and whoever misses it takes openat."""
    program = [_step(_IF_EQUAL, _OPENAT2, 0, 1), _refuse(errno.ENOSYS)]
    for numbers, mode, flags in _WITH_MODE:
        if numbers[column] < 0:
            continue
        refusal = [_step(_LOAD, mode), _step(_IF_ANY_BIT, _S_ISUID, 0, 1), _refuse(errno.EPERM)]
        if flags is not None:
            refusal = [_step(_LOAD, flags), _step(_IF_ANY_BIT, _O_CREAT | _O_TMPFILE, 0, len(refusal)), *refusal]
        program += [_step(_IF_EQUAL, numbers[column], 0, len(refusal) + 1), *refusal, _step(_RETURN, _ALLOW)]
    return program


def filter_program(machine: str = "", *, confined: bool = False, instead: Collection[str] = ()) -> bytes | None:
    """Give the filter as `bwrap --seccomp` wants it; None for a machine whose system calls aren't listed here.

    `confined` is for where no namespace is around; `instead` names what an old Landlock doesn't govern (`landlock.closed_by_filter`).
    """
    machine = machine or platform.machine()
    if machine not in ARCHITECTURES:
        return None
    column = list(ARCHITECTURES).index(machine)
    program = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_IF_EQUAL, ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        program += [_step(_IF_AT_LEAST, _X32, 0, 1), _refuse(errno.ENOSYS)]
    for numbers in _FORBIDDEN.values():
        program += [_step(_IF_EQUAL, numbers[column], 0, 1), _refuse(errno.EPERM)]
    # A filter can't look into clone3's structure; told that it is missing, libc uses clone.
    program += [_step(_IF_EQUAL, _CLONE3[column], 0, 1), _refuse(errno.ENOSYS)]
    program += [
        _step(_IF_EQUAL, _CLONE[column], 0, 4),
        _step(_LOAD, _ARGUMENT_0),
        _step(_IF_ANY_BIT, _NEW_NAMESPACE, 0, 1),
        _refuse(errno.EPERM),
        _step(_RETURN, _ALLOW),
        _step(_IF_EQUAL, _IOCTL[column], 0, 5),
        _step(_LOAD, _ARGUMENT_1),
        _step(_IF_EQUAL, _TIOCSTI, 1, 0),
        _step(_IF_EQUAL, _TIOCLINUX, 0, 1),
        _refuse(errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]
    program += _no_setuid(column)
    if "truncate" in instead:
        program += [_step(_IF_EQUAL, _TRUNCATE[column], 0, 1), _refuse(errno.EACCES)]
    if "kill everything" in instead:
        program += [
            _step(_IF_EQUAL, _KILL[column], 0, 4),
            _step(_LOAD, _ARGUMENT_0),
            _step(_IF_EQUAL, _EVERYTHING, 0, 1),
            _refuse(errno.EPERM),
            _step(_RETURN, _ALLOW),
        ]
    if confined:
        return b"".join((*program, *_only_tcp(column), _step(_RETURN, _ALLOW)))
    families = [
        _step(_IF_EQUAL, family, len(_SOCKET_FAMILIES) - place, 0) for place, family in enumerate(_SOCKET_FAMILIES)
    ]
    sockets = [
        _step(_LOAD, _ARGUMENT_0),
        _step(_IF_EQUAL, _AF_NETLINK, 0, 4),
        _step(_LOAD, _ARGUMENT_2),
        _step(_IF_EQUAL, _NETLINK_ROUTE, 0, 1),
        _step(_RETURN, _ALLOW),
        _refuse(errno.EPROTONOSUPPORT),
        *families,
        _refuse(errno.EAFNOSUPPORT),
    ]
    program += [_step(_IF_EQUAL, _SOCKET[column], 0, len(sockets)), *sockets, _step(_RETURN, _ALLOW)]
    return b"".join(program)
