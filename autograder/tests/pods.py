"""Put a command where a Kubernetes pod would have it; as a program: `pods.py P0|P1 [--without WORD]… [--show PATH]… [--uid N] -- COMMAND…`.

| profile | what it is |
| --- | --- |
| P0 | no system call filter (the default of Kubernetes), no capabilities, no_new_privs, processes of its own, `/proc` masked as runc does |
| P1 | the same, and a filter that refuses what a container runtime's default profile does: above all, new namespaces |

`--without landlock` makes Landlock's calls look as on a kernel that lacks them, `--without seccomp` refuses further filters,
`--without rules` refuses each rule of Landlock: for tests which must see a tier *not* claimed.

Started by root, the command runs as user 1000, in a user namespace otherwise.
What lies in folders which that user can't enter, such as root's own, is shown nevertheless if it is this interpreter or named by `--show`.
Not imitated: AppArmor, gVisor, a network of its own, control groups.

Sources: the OCI runtime specification's defaults for masked and read-only paths; the list of system calls which moby's
`seccomp/default.json` lets through without capabilities, turned round; seccomp(2), capabilities(7), pid_namespaces(7).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["WITHOUT", "pod_command", "pod_filter", "why_no_pods"]

WITHOUT = ("landlock", "seccomp", "rules")
UID = 1000

_MASKED = ("acpi", "asound", "kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "scsi")
_READ_ONLY = ("bus", "fs", "irq", "sys", "sysrq-trigger")

_REFUSED = {  # name: (x86_64, aarch64); -1 where the processor has no such call
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, -1),
    "iopl": (172, -1),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, -1),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, -1),
    "userfaultfd": (323, 282),
    "ustat": (136, -1),
    "vhangup": (153, 58),
}
_CLONE, _CLONE3, _SOCKET, _PRCTL, _SECCOMP = (56, 220), (435, 435), (41, 198), (157, 167), (317, 277)
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_NEW_NAMESPACE = 0x7E020000
_AF_ALG, _AF_VSOCK = 38, 40
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LOAD, _IF_EQUAL, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NEW_MOUNTS, _NEW_USERS, _NEW_PROCESSES = 0x00020000, 0x10000000, 0x20000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = (
    *(1, 2, 4, 8, 32, 4096, 16384, 1 << 18),
)
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 22, 24, 38


def pod_command(
    profile: str, *, without: Sequence[str] = (), show: Sequence[str | Path] = (), uid: int = UID
) -> list[str]:
    """Give what to write before a command so that it runs in a pod; `show` names what it must reach."""
    words = [word for one in without for word in ("--without", one)]
    words += [word for one in show for word in ("--show", str(one))]
    return [sys.executable, "-I", "-S", str(Path(__file__)), profile, *words, "--uid", str(uid), "--"]


def why_no_pods() -> str:
    """Say why no pod can be imitated here; empty if it can."""
    if sys.platform != "linux" or platform.machine() not in _ARCHITECTURES:
        return f"pods are imitated on Linux only, for {' and '.join(_ARCHITECTURES)}"
    tried = subprocess.run([*pod_command("P1"), "true"], capture_output=True, text=True, check=False)
    return f"no pod can be imitated here: {tried.stderr.strip()}" if tried.returncode else ""


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def pod_filter(profile: str, without: Sequence[str] = ()) -> bytes:
    """Write the profile's filter; empty if it has none."""
    machine = platform.machine()
    column = list(_ARCHITECTURES).index(machine)
    answers: list[tuple[int, int]] = []
    if "landlock" in without:
        answers += [(n, errno.ENOSYS) for n in (_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT)]
    if "rules" in without:
        answers += [(_LANDLOCK_ADD, errno.EINVAL)]
    if "seccomp" in without:
        answers += [(_SECCOMP[column], errno.EPERM)]
    if profile == "P1":
        answers += [(numbers[column], errno.EPERM) for numbers in _REFUSED.values() if numbers[column] >= 0]
        answers += [(_CLONE3[column], errno.ENOSYS)]
    if not answers:
        return b""
    program = [
        _step(_LOAD, 4),
        _step(_IF_EQUAL, _ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _ERRNO | errno.EPERM),
        _step(_LOAD, 0),
    ]
    for number, answer in answers:
        program += [_step(_IF_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | answer)]
    if profile == "P1":
        program += [
            _step(_IF_EQUAL, _CLONE[column], 0, 4),
            _step(_LOAD, 16),
            _step(_IF_ANY_BIT, _NEW_NAMESPACE, 0, 1),
            _step(_RETURN, _ERRNO | errno.EPERM),
            _step(_RETURN, _ALLOW),
            _step(_IF_EQUAL, _SOCKET[column], 0, 5),
            _step(_LOAD, 16),
            _step(_IF_EQUAL, _AF_ALG, 1, 0),
            _step(_IF_EQUAL, _AF_VSOCK, 0, 1),
            _step(_RETURN, _ERRNO | errno.EPERM),
            _step(_RETURN, _ALLOW),
        ]
    if "seccomp" in without:
        program += [
            _step(_IF_EQUAL, _PRCTL[column], 0, 4),
            _step(_LOAD, 16),
            _step(_IF_EQUAL, _PR_SET_SECCOMP, 0, 1),
            _step(_RETURN, _ERRNO | errno.EINVAL),
            _step(_RETURN, _ALLOW),
        ]
    return b"".join((*program, _step(_RETURN, _ALLOW)))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _must(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    encoded = [os.fsencode(word) for word in (source, target, kind, data)]
    _must(_libc().mount(encoded[0], encoded[1], encoded[2], flags, encoded[3]), f"mount {target}")


def _mask_proc() -> None:
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    for name in _MASKED:
        path = f"/proc/{name}"
        if Path(path).is_dir():
            _mount("tmpfs", path, "tmpfs", _MS_RDONLY)
        elif Path(path).exists():
            _mount("/dev/null", path, "", _MS_BIND)
    for name in _READ_ONLY:
        path = f"/proc/{name}"
        if Path(path).exists():
            _mount(path, path, "", _MS_BIND | _MS_REC)
            _mount(path, path, "", _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    if Path("/sys/firmware").is_dir():
        _mount("tmpfs", "/sys/firmware", "tmpfs", _MS_RDONLY)


def _show(paths: Sequence[str]) -> None:
    """Let user 1000 reach these paths, and nothing else of the folders which it may not enter."""
    hidden: dict[Path, list[tuple[Path, int]]] = {}
    for path in {Path(one).resolve() for one in paths}:
        shut = [above for above in reversed(path.parents) if not above.stat().st_mode & 0o001]
        if shut:
            hidden.setdefault(shut[0], []).append((path, os.open(path, os.O_PATH)))
    for shut_folder, below in hidden.items():
        _mount("tmpfs", str(shut_folder), "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=755")
        for path, kept in below:
            path.mkdir(parents=True, exist_ok=True)
            _mount(f"/proc/self/fd/{kept}", str(path), "", _MS_BIND | _MS_REC)
            os.close(kept)


def _drop(uid: int, program: bytes) -> None:
    """Become what a container's first process is."""
    libc = _libc()
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if os.getuid() == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header, nothing = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    _must(libc.capset(header, nothing), "capset")
    _must(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if program:
        buffer = ctypes.create_string_buffer(program, len(program))
        described = struct.pack("@HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
        _must(libc.prctl(_PR_SET_SECCOMP, 2, described, 0, 0), "seccomp")


def _init(command: list[str]) -> int:
    """Be process 1: start the command, bury orphans, end with it."""
    child = os.fork()
    if child == 0:
        try:
            os.execvp(command[0], command)
        finally:
            os._exit(127)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        with contextlib.suppress(InterruptedError):
            pid, status = os.wait()
            if pid == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except OSError as error:
        os.write(2, f"pods.py: {error}\n".encode())
        return 125


def main(arguments: list[str]) -> int:
    """Do as asked; the command's own exit status, or 125 where no pod can be made."""
    mine, command = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    profile, without, show, uid = mine[0], [], [sys.base_prefix], UID
    for option, value in zip(mine[1::2], mine[2::2], strict=True):
        if option == "--without":
            without.append(value)
        elif option == "--show":
            show.append(value)
        else:
            uid = int(value)
    if profile not in ("P0", "P1") or set(without) - set(WITHOUT):
        raise SystemExit(__doc__)
    program = pod_filter(profile, without)
    as_root, user, group = os.getuid() == 0, os.getuid(), os.getgid()

    def inside() -> int:
        _mount("none", "/", "", _MS_REC | _MS_PRIVATE)
        _mask_proc()
        if as_root:
            _show(show)
        _drop(uid, program)
        return _init(command)

    def outside() -> int:
        _must(_libc().unshare((0 if as_root else _NEW_USERS) | _NEW_MOUNTS | _NEW_PROCESSES), "unshare")
        if not as_root:
            Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
        child = os.fork()
        if child == 0:
            _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            os._exit(_guarded(inside))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGTERM))
        while True:
            with contextlib.suppress(InterruptedError):
                code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                return code if code >= 0 else 128 - code

    return _guarded(outside)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
