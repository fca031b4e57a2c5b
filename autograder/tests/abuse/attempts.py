"""The attempts themselves: one function each, run inside a sandbox by `attempts.py WORLD ROW…`; standard library only.

Each gets the row's part of the world (see world.py): where things lie, never what is in them. It returns what it got as text, nothing if
it got nothing, and may raise. What it says is only believed where nobody outside can see: world.py judges by secrets and by traces.
Every row runs in a process of its own, and its report says that it was tried to the end: what never ran is not "blocked".
"""

# The table says what each is, and the system's own calls are what is tried:
# ruff: noqa: D103, PTH100, PTH101, PTH104, PTH108, PTH109, PTH116, PTH119, PTH120, PTH211

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

World = dict[str, Any]
_libc = ctypes.CDLL(None, use_errno=True)
_AT_ONCE = 12  # most of them wait for an answer that never comes
_ARM = os.uname().machine == "aarch64"


def _call(number: int, *arguments: Any) -> int:
    """Make a system call by its number; raises OSError."""
    ctypes.set_errno(0)
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _first(paths: list[str], need: str = "") -> str:
    for path in paths:
        with contextlib.suppress(OSError):
            content = Path(path).read_bytes().decode("utf-8", "replace")
            if need in content and content:
                return content[:20_000]
    return ""


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


# files of this machine


def read_a_secret(w: World) -> str:
    return Path(w["file"]).read_text()


def list_a_folder(w: World) -> str:
    return " ".join(os.listdir(Path(w["file"]).parent))


def learn_that_a_file_is_there(w: World) -> str:
    return str(os.stat(w["file"]).st_size)


def append_to_a_file(w: World) -> str:
    with Path(w["file"]).open("a") as file:
        file.write("pwned")
    return ""


def truncate_a_file(w: World) -> str:
    os.truncate(w["file"], 0)
    return ""


def change_a_mode(w: World) -> str:
    Path(w["file"]).chmod(0)
    return ""


def change_a_time(w: World) -> str:
    os.utime(w["file"], (1, 1))
    return ""


def change_an_attribute(w: World) -> str:
    os.setxattr(w["file"], "user.pwned", b"1")
    return ""


def remove_a_file(w: World) -> str:
    os.unlink(w["file"])
    return ""


def move_a_file_in(w: World) -> str:
    os.rename(w["file"], "moved")
    return Path("moved").read_text()


def put_a_file_outside(w: World) -> str:
    Path(w["file"]).with_name("planted").write_text("pwned")
    return ""


def follow_a_link_out(w: World) -> str:
    os.symlink(w["file"], "link-out")
    return Path("link-out").read_text()


def climb_by_a_link_to_a_folder(w: World) -> str:
    os.symlink(Path(w["file"]).parent, "folder-out")
    Path("folder-out/planted").write_text("pwned")
    return ""


def make_a_hard_link(w: World) -> str:
    os.link(w["file"], "hard")
    return Path("hard").read_text()


def climb_by_dotdot(w: World) -> str:
    return Path("../" * 40 + w["file"].lstrip("/")).read_text()


def read_by_proc_root(w: World) -> str:
    found = _first([f"/proc/{pid}/root{w['file']}" for pid in _pids()])
    return found or _first([f"/proc/{pid}/cwd/{'../' * 40}{w['file']}" for pid in _pids()])


def read_open_files_by_proc(w: World) -> str:
    paths = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            paths += [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]
    return "".join(_read_now(path) for path in paths[:3000])


def _read_now(path: str) -> str:
    with contextlib.suppress(OSError):
        if os.stat(path).st_mode & 0o170000 == 0o100000:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                return os.pread(file.fileno(), 200, 0).decode("utf-8", "replace")
    return ""


def read_by_file_handle(w: World) -> str:
    handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    number = (264, 265) if _ARM else (303, 304)
    _call(number[0], -100, w["file"].encode(), handle, ctypes.byref(mount), 0)
    top = os.open(Path(w["file"]).parent, os.O_RDONLY)
    return os.read(_call(number[1], top, handle, os.O_RDONLY), 200).decode()


def read_the_machines_secrets(w: World) -> str:
    return _first(
        [
            "/etc/shadow",
            "/etc/gshadow",
            "/root/.bashrc",
            "/etc/ssl/private/ssl-cert-snakeoil.key",
            "/sys/class/dmi/id/product_uuid",
        ]
    )


def learn_the_machines_id(w: World) -> str:
    return _first(["/etc/machine-id", "/var/lib/dbus/machine-id"])


def open_system_files_for_writing(w: World) -> str:
    got = []
    for path in (
        sys.base_prefix + "/lib",
        "/",
        "/etc",
        "/usr",
        "/usr/bin",
        "/usr/local",
        "/dev",
        "/home",
        "/run",
        "/var",
        "/opt",
    ):
        with contextlib.suppress(OSError):
            Path(path, w["mark"]).mkdir()
            Path(path, w["mark"]).rmdir()
            got.append(path)
    for path in ("/etc/passwd", "/etc/ld.so.preload", "/etc/hosts", os.__file__, "/usr/bin/env"):
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY))
            got.append(path)
    return " ".join(got)


def change_the_seed(w: World) -> str:
    got = []
    for top in (w["seed"], "/run/wheelhouse"):
        for folder, _, names in os.walk(top):
            for name in names:
                with contextlib.suppress(OSError):
                    os.close(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_NOFOLLOW))
                    got.append(name)
            with contextlib.suppress(OSError):
                Path(folder, w["mark"]).touch()
                Path(folder, w["mark"]).unlink()
                got.append(folder)
    return " ".join(got[:5])


def poison_the_cache(w: World) -> str:
    for name in ("acting", "index", "tools"):
        with contextlib.suppress(OSError):
            Path(w["cache"], name).mkdir(parents=True, exist_ok=True)
            Path(w["cache"], name, w["mark"]).write_text("pwned")
    return ""


def fill_and_read_the_courses_shared_memory(w: World) -> str:
    Path("/dev/shm", w["mark"]).write_text("pwned")
    return _first([w["shared"]])


# devices, privileges, the kernel


def make_devices(w: World) -> str:
    got = []
    for name, kind, major, minor in (("mem", 0o020000, 1, 1), ("sda", 0o060000, 8, 0)):
        with contextlib.suppress(OSError):
            os.mknod(name, 0o600 | kind, os.makedev(major, minor))
            got.append(name)
    for path in (
        "/dev/mem",
        "/dev/kmsg",
        "/dev/sda",
        "/dev/vda",
        "/dev/nvme0n1",
        "/dev/fuse",
        "/dev/kvm",
        "/dev/net/tun",
        "/dev/loop0",
        "/dev/loop-control",
    ):
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_NONBLOCK))
            got.append(path)
    return " ".join(got)


def leave_a_setuid_program(w: World) -> str:
    Path("setuid").write_text("#!/bin/sh\n")
    for attempt in (
        lambda: os.chmod("setuid", 0o4755),
        lambda: os.fchmod(os.open("setuid", os.O_RDONLY), 0o4755),
        lambda: os.close(os.open("setuid2", os.O_CREAT | os.O_WRONLY, 0o4755)),
        lambda: os.mknod("setuid3", 0o104755),
        lambda: _call(452, -100, b"setuid", 0o4755, 0),
        lambda: _call(437, -100, b"setuid4", struct.pack("QQQ", os.O_CREAT | os.O_WRONLY, 0o4755, 0), 24),
    ):
        with contextlib.suppress(OSError):
            attempt()
    return ""


def leave_a_program_with_capabilities(w: World) -> str:
    Path("capable").write_text("#!/bin/sh\n")
    os.setxattr("capable", "security.capability", struct.pack("<IIIII", 0x02000001, 1 << 21, 0, 0, 0))
    return "set"


def gain_privileges_by_setuid_programs(w: World) -> str:
    if "NoNewPrivs:\t1" not in Path("/proc/self/status").read_text():
        return "setuid programs gain privileges"
    return ""


def have_capabilities(w: World) -> str:
    lines = Path("/proc/self/status").read_text().splitlines()
    return " ".join(line for line in lines if line.startswith("CapEff") and line.split()[1].strip("0"))


def _unshare(flags: int) -> Callable[[World], str]:
    def attempt(w: World) -> str:
        if _libc.unshare(flags) != 0:
            number = (220 if _ARM else 56, 435)
            pid = _call(number[0], flags | signal.SIGCHLD, 0, 0, 0, 0)
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        return f"got namespace {flags:x}"

    return attempt


make_a_user_namespace = _unshare(0x10000000)
make_a_mount_namespace = _unshare(0x00020000)
make_a_network_namespace = _unshare(0x40000000)


def make_a_namespace_by_clone3(w: World) -> str:
    arguments = struct.pack("QQQQQQQQ", 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0)
    pid = _call(435, arguments, len(arguments))
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "got a namespace"


def nest_bubblewrap(w: World) -> str:
    done = subprocess.run(
        ["bwrap", "--unshare-user", "--bind", "/", "/", "--dev", "/dev", "echo", "nested"],
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    )
    return done.stdout


def enter_another_namespace(w: World) -> str:
    for pid in (1, w["victim"]):
        for kind in ("net", "mnt", "user"):
            with contextlib.suppress(OSError):
                descriptor = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
                if _libc.setns(descriptor, 0) == 0:
                    return f"entered {kind}"
    return ""


def mount_something(w: World) -> str:
    Path("mnt").mkdir()
    for source, kind, flags in ((b"x", b"tmpfs", 0), (b"/proc", None, 4096), (b"proc", b"proc", 0)):
        if _libc.mount(source, b"mnt", kind, flags, None) == 0:
            _libc.umount2(b"mnt", 2)
            return f"mounted {kind!r}"
    return ""


def mount_by_the_new_calls(w: World) -> str:
    tried = []
    for number, arguments in ((430, (b"tmpfs", 0)), (428, (-100, b"/", 1))):
        with contextlib.suppress(OSError):
            os.close(_call(number, *arguments))
            tried.append(str(number))
    return " ".join(tried)


def change_the_root(w: World) -> str:
    child = os.fork()
    if child == 0:
        os._exit(_libc.chroot(b".") != 0)
    return "" if os.waitpid(child, 0)[1] else "it could"


def remount_read_only_folders(w: World) -> str:
    for path in ("/", "/usr", "/usr/local", "/proc", "/run/wheelhouse"):
        with contextlib.suppress(OSError):
            read_only = os.statvfs(path).f_flag & os.ST_RDONLY
            if read_only and _libc.mount(None, path.encode(), None, 32 | 4096, None) == 0:
                return path
    return ""


def _kernel(name: str, numbers: tuple[int, int], *arguments: Any) -> Callable[[World], str]:
    def attempt(w: World) -> str:
        try:
            _call(numbers[_ARM], *arguments)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES):
                raise
            return f"{name} was let through: {error}"  # the kernel looked at the arguments, which are nonsense
        return name

    return attempt


use_io_uring = _kernel("io_uring_setup", (425, 425), 0, 0)
use_bpf = _kernel("bpf", (321, 280), 5, 0, 0)
use_userfaultfd = _kernel("userfaultfd", (323, 282), 1)
use_keyrings = _kernel("keyctl", (250, 219), 0, -4, 0)
use_perf = _kernel("perf_event_open", (298, 241), 0, 0, -1, -1, 0)
use_memfd_secret = _kernel("memfd_secret", (447, 447), 0)
use_fanotify = _kernel("fanotify_init", (300, 262), 0, 0)
load_a_module = _kernel("init_module", (175, 105), 0, 0, 0)
load_a_kernel = _kernel("kexec_load", (246, 104), 0, 0, 0, 0)
read_the_kernels_log = _kernel("syslog", (103, 116), 10, 0, 0)
compare_processes = _kernel("kcmp", (312, 272), os.getpid(), os.getpid(), 0, 0, 0)


def use_the_other_system_call_table(w: World) -> str:
    if _ARM:
        raise OSError(errno.ENOSYS, "none on this processor")
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if _call(0x40000000 + 39) > 0 else 1)  # getpid of the x32 table
        except OSError:
            os._exit(1)
    return "x32" if os.waitpid(child, 0)[1] == 0 else ""


def find_a_key_of_the_users(w: World) -> str:
    number = _call(219 if _ARM else 250, 10, -4, b"user", w["key"].encode(), 0)  # KEYCTL_SEARCH in the user's keyring
    buffer = ctypes.create_string_buffer(200)
    _call(219 if _ARM else 250, 11, number, buffer, 200)
    return buffer.value.decode()


def change_the_kernels_settings(w: World) -> str:
    got = []
    for path in (
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/modprobe",
        "/sys/kernel/uevent_helper",
    ):
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY))
            got.append(path)
    return " ".join(got)


def set_the_clock(w: World) -> str:
    timex = (ctypes.c_long * 32)()
    number = 171 if _ARM else 159
    _call(number, timex)  # read
    timex[0] = 0x4000  # ADJ_TICK, with the value that it has: needs the right, changes nothing
    _call(number, timex)
    return "could set the clock"


def leave_the_control_group(w: World) -> str:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, inside = line.split(":", 2)
        for top in ("/sys/fs/cgroup", f"/sys/fs/cgroup/{controllers}"):
            for folder in (top + inside, top + os.path.dirname(inside), top):
                with contextlib.suppress(OSError):
                    os.close(os.open(folder + "/cgroup.procs", os.O_WRONLY))
                    return folder
    return ""


def raise_the_bounds(w: World) -> str:
    got = []
    for name in ("NPROC", "AS", "FSIZE", "NOFILE", "CPU", "CORE"):
        number = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(number)
        if hard == resource.RLIM_INFINITY:
            got.append(f"{name} has no bound")
            continue
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(number, (hard + 1, hard + 1))
            got.append(name)
    return " ".join(got)


def get_ahead_of_others(w: World) -> str:
    got = []
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -5)
        got.append("priority")
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        got.append("real time")
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("-999")
        got.append("out of memory last")
    return " ".join(got)


def dump_core(w: World) -> str:
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30))
    child = os.fork()
    if child == 0:
        os.abort()
    _, status = os.waitpid(child, 0)
    return "core dumped" if os.WCOREDUMP(status) else ""


# processes


def see_other_processes(w: World) -> str:
    return "".join(_first([f"/proc/{pid}/cmdline"]) for pid in _pids())


def read_other_environments(w: World) -> str:
    return "".join(_first([f"/proc/{pid}/environ"]) for pid in _pids())


def read_my_own_environment(w: World) -> str:
    return repr(os.environb)


def read_where_process_1_came_from(w: World) -> str:
    said = _first(["/proc/1/environ"]) + _first(["/proc/1/cmdline"])
    for name in ("cwd", "exe", "root"):
        with contextlib.suppress(OSError):
            said += os.readlink(f"/proc/1/{name}") + "\n"
    said += os.getcwd()
    return said if os.path.dirname(w["outside"]) in said else ""


def learn_paths_from_mounts(w: World) -> str:
    said = _first(["/proc/self/mountinfo"])
    return (
        said
        if os.path.basename(os.path.dirname(w["outside"])) in said
        or os.getcwd().startswith(os.path.dirname(w["outside"]))
        else ""
    )


def signal_another_process(w: World) -> str:
    os.kill(w["victim"], signal.SIGUSR1)
    return ""


def signal_by_descriptor(w: World) -> str:
    descriptor = os.pidfd_open(w["victim"])
    signal.pidfd_send_signal(descriptor, signal.SIGUSR2)
    return ""


def signal_everything(w: World) -> str:
    os.kill(-1, signal.SIGURG)  # ignored by whoever doesn't ask for it
    return ""


def signal_the_supervisor(w: World) -> str:
    pid = os.getppid()
    while pid > 1:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGWINCH)  # ignored by whoever doesn't ask for it
        pid = int(fields[1])
    return ""


def trace_another_process(w: World) -> str:
    _call(117 if _ARM else 101, 0x4206, w["victim"], 0, 0)  # PTRACE_SEIZE: doesn't stop it
    return "traced"


def read_another_memory(w: World) -> str:
    address, size = w["memory"]
    with contextlib.suppress(OSError), Path(f"/proc/{w['victim']}/mem").open("rb", 0) as file:
        file.seek(address)
        return file.read(size).decode()
    buffer = ctypes.create_string_buffer(size)
    here = struct.pack("PN", ctypes.addressof(buffer), size)
    there = struct.pack("PN", address, size)
    _call(270 if _ARM else 310, w["victim"], here, 1, there, 1, 0)
    return buffer.value.decode()


def take_another_descriptor(w: World) -> str:
    descriptor = os.pidfd_open(w["victim"])
    return os.pread(_call(438, descriptor, w["descriptor"], 0), 200, 0).decode()


def use_inherited_descriptors(w: World) -> str:
    got = ""
    for number in range(3, 2000):
        with contextlib.suppress(OSError):
            os.fstat(number)
            with contextlib.suppress(OSError):
                got += os.pread(number, 200, 0).decode("utf-8", "replace")
            got += f" {number}"
    return got


# networks


def _tcp(w: World, address: tuple[str, int] | str, family: int = socket.AF_INET, protocol: int = 0) -> str:
    with socket.socket(family, socket.SOCK_STREAM, protocol) as client:
        client.settimeout(3)
        client.connect(address)
        client.sendall(w["row"].encode())
        return client.recv(200).decode()


def call_a_service_of_the_machine(w: World) -> str:
    return _tcp(w, ("127.0.0.1", w["tcp"]))


def call_by_the_machines_own_address(w: World) -> str:
    return _tcp(w, (w["address"], w["tcp"]))


def call_by_ipv6(w: World) -> str:
    return _tcp(w, ("::1", w["tcp6"]), socket.AF_INET6)


def call_by_multipath_tcp(w: World) -> str:
    return _tcp(w, ("127.0.0.1", w["tcp"]), protocol=262)


def call_by_fast_open(w: World) -> str:
    with socket.socket() as client:
        for option in (
            socket.SO_RCVTIMEO,
            socket.SO_SNDTIMEO,
        ):  # without Python's own waiting, which ends in EINPROGRESS
            client.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", 3, 0))
        client.sendto(w["row"].encode(), 0x20000000, ("127.0.0.1", w["tcp"]))
        return client.recv(200).decode()


def call_by_udp(w: World) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.sendto(w["row"].encode(), ("127.0.0.1", w["udp"]))
        return client.recv(200).decode()


def call_by_a_unix_socket(w: World) -> str:
    return _tcp(w, w["unix"], socket.AF_UNIX)


def call_by_an_abstract_socket(w: World) -> str:
    return _tcp(w, "\0" + w["abstract"], socket.AF_UNIX)


def call_by_a_unix_datagram(w: World) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(w["row"].encode(), w["unixgram"])
    return ""


def reach_the_clouds_metadata(w: World) -> str:
    with socket.create_connection(("169.254.169.254", 80), 2):
        return "connected"


def reach_the_internet(w: World) -> str:
    with socket.create_connection(("192.0.2.1", 443), 2):
        return "connected"


def wait_for_a_name(w: World) -> str:
    begun = time.monotonic()
    with contextlib.suppress(OSError):
        return str(socket.getaddrinfo("example.invalid", 80))
    return "hung" if time.monotonic() - begun > 4 else ""


def be_called_from_outside(w: World) -> str:
    with socket.create_server(("0.0.0.0", w["offer"])) as server:
        server.settimeout(2.5)
        client, _ = server.accept()
        client.sendall(w["row"].encode())
        client.close()
    return ""


def open_unusual_sockets(w: World) -> str:
    got = []
    for name, family, kind, protocol in (
        ("raw", 2, 3, 1),
        ("packet", 17, 3, 0),
        ("vsock", 40, 1, 0),
        ("crypto", 38, 5, 0),
        ("bluetooth", 31, 3, 1),
        ("can", 29, 3, 1),
        ("key", 15, 3, 2),
        ("tipc", 30, 1, 0),
        ("rds", 21, 5, 0),
        ("xdp", 44, 3, 0),
        ("ping", 2, 2, 1),
        ("sctp", 2, 1, 132),
        ("netfilter", 16, 3, 12),
        ("audit", 16, 3, 9),
    ):
        with contextlib.suppress(OSError):
            socket.socket(family, kind, protocol).close()
            got.append(name)
    return " ".join(got)


def change_the_network(w: World) -> str:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        # RTM_NEWLINK for loopback with no change: needs the right, changes nothing
        netlink.send(struct.pack("IHHII", 32, 16, 5, 1, 0) + struct.pack("BBHiII", 0, 0, 0, 1, 0, 0))
        answer = netlink.recv(4096)
    code = struct.unpack_from("i", answer, 16)[0]
    if code:
        raise OSError(-code, os.strerror(-code))
    return "could change an interface"


def forge_the_index(w: World) -> str:
    """Listen where the index does, and see who is called."""
    server = socket.socket()
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        server.setsockopt(socket.SOL_SOCKET, option, 1)
    port = int(os.environ["WHEELHOUSE_LOOPBACK"].rpartition(":")[2])
    server.bind(("127.0.0.1", port))
    server.listen(64)
    if os.fork() == 0:
        while True:
            client, _ = server.accept()
            client.sendall(b"HTTP/1.0 200 OK\r\n\r\nforged")
            client.close()
    server.close()
    seen = ""
    for _ in range(30):
        with socket.create_connection(("127.0.0.1", port), 3) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            seen += client.recv(200).decode("utf-8", "replace")
    return "forged" if "forged" in seen else ""


def take_the_port_for_tls(w: World) -> str:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 443))
        server.listen()
    return "listened"


def join_shared_memory(w: World) -> str:
    number = _libc.shmget(w["shm"], 0, 0)
    if number < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    _libc.shmat.restype = ctypes.c_void_p
    at = _libc.shmat(number, None, 0o10000)
    return ctypes.string_at(at).decode()


def join_a_message_queue(w: World) -> str:
    librt = ctypes.CDLL("librt.so.1", use_errno=True) if not hasattr(_libc, "mq_open") else _libc
    if librt.mq_open(w["queue"].encode(), os.O_RDONLY | os.O_NONBLOCK) < 0:
        raise OSError(ctypes.get_errno(), "mq_open")
    return "opened"


def _report(row: str, world: World) -> None:
    signal.alarm(12)
    error, said = "", ""
    try:
        said = str(globals()[row](world | world["rows"].get(row, {}) | {"row": row}))
    except BaseException as trouble:
        error = f"{type(trouble).__name__} {trouble}"
    Path(world["loot"], row).write_text(json.dumps({"said": said[:500_000], "error": error[:300]}))
    os._exit(0)


def main() -> None:
    """Try each, in a process and a folder of its own."""
    world = json.loads(Path(sys.argv[1]).read_text())
    world["loot"] = os.path.abspath("loot")
    running: set[int] = set()
    for row in sys.argv[2:]:
        Path("tried", row).mkdir(parents=True)
        child = os.fork()
        if child == 0:
            os.chdir(f"tried/{row}")
            _report(row, world)
        running.add(child)
        while len(running) >= _AT_ONCE:
            running.discard(os.wait()[0])
    while running:
        running.discard(os.wait()[0])


if __name__ == "__main__":
    main()
