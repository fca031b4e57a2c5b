"""What learners and strangers may try, against the strong tier; each attack is a program that says what it got."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox import Completed, Limits, Place, Sandbox
from autograder.sandbox.system_python import empty_folder, executable_name, make_system, seed
from sandbox_places import new_place, sandbox_of


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The tier that promises something."""
    return sandbox_of("strong")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place that may be destroyed, even by folders too deep for pytest to remove."""
    yield new_place(tmp_path / "place")
    empty_folder(tmp_path)


def bash(sandbox: Sandbox, place: Place, text: str, *arguments: str) -> Completed:
    """Run a line of bash."""
    return sandbox.run(["bash", "-c", text, "bash", *arguments], place, limits=Limits(wall_seconds=60))


def python(sandbox: Sandbox, place: Place, text: str, *arguments: str) -> str:
    """Run a program and give what it says."""
    return sandbox.run(["python", "-c", text, *arguments], place).output


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the user who runs the course."""
    file = tmp_path / "secret.txt"
    file.write_text("sesame\n")
    return file


@pytest.fixture
def local_service() -> Iterator[int]:
    """A server on this machine's loopback, as Jupyter is."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_files_of_this_machine_are_not_there(sandbox: Sandbox, place: Place, secret: Path) -> None:
    """Neither the user's files, nor the course's, nor the machine's accounts and keys."""
    course = str(Path(__file__).resolve().parents[2])
    done = bash(
        sandbox,
        place,
        'for f in "$@"; do [ -e "$f" ] && echo "$f"; done; cat /proc/self/mounts > mounts; true',
        *(str(secret), course, str(Path.home()), "/root", "/etc/shadow", "/etc/ssl/private"),
        *("/etc/machine-id", "/var/lib", "/sys", "/run/docker.sock", "/proc/1/root/etc/shadow"),
    )
    assert done == Completed(0, "", "")


def test_a_link_out_of_the_workspace_leads_nowhere(sandbox: Sandbox, place: Place, secret: Path) -> None:
    """A symbolic link is followed inside, where its target is not; a hard link can't be made."""
    (place.project / "link").symlink_to(secret)
    done = bash(sandbox, place, 'cat link || ln "$1" hard || echo nothing', str(secret))
    assert done.output.endswith("nothing\n")
    assert "sesame" not in done.output


def test_the_course_does_not_leak_through_proc(sandbox: Sandbox, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bubblewrap is process 1 inside: neither its environment nor its arguments tell of this machine."""
    monkeypatch.setenv("WHEELHOUSE_TEST_SECRET", "sesame")
    done = bash(sandbox, place, "cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; ls /proc/1/fd /proc/1/cwd 2>&1")
    assert "sesame" not in done.output
    assert str(place.project) not in done.output
    assert str(Path.home()) not in done.output or str(Path.home()) == "/"


def test_other_processes_are_out_of_sight(sandbox: Sandbox, place: Place) -> None:
    """Processes of this machine can neither be seen nor signalled."""
    with subprocess.Popen(["sleep", "100"]) as victim:
        said = bash(sandbox, place, 'ls -d /proc/[0-9]* | wc -l; kill -9 "$1"; kill -9 -1', str(victim.pid)).output
        assert victim.poll() is None
        victim.kill()
    assert int(said.split()[0]) < 8


@pytest.mark.parametrize(
    "target",
    [
        "/usr/bin/x",
        "/etc/passwd",
        "/x",
        "/dev/x",
        "/run/wheelhouse/inner.py",
        "/usr/local/lib/python3/x",
        "/usr/local/x",
        "/home/x",
        "/proc/sys/kernel/hostname",
        "/proc/self/oom_score_adj",
    ],
)
def test_the_system_cannot_be_written_to(sandbox: Sandbox, place: Place, target: str) -> None:
    """Only the project, HOME, `/tmp` and the system Python's own parts are writable."""
    done = bash(sandbox, place, f"echo pwned > {target}")
    assert done.exit_status == 1
    assert "Read-only file system" in done.output or "No such file" in done.output or "denied" in done.output


def test_this_machines_kernel_settings_cannot_be_changed(sandbox: Sandbox, place: Place) -> None:
    """Where root runs the course, the kernel lets its user write them, capabilities or not: only the mount refuses."""
    settings = "/proc/sys/kernel/core_pattern /proc/sys/vm/overcommit_memory /proc/sysrq-trigger"
    done = bash(sandbox, place, f"for f in {settings}; do [ -w $f ] && echo $f; done; true")
    assert done == Completed(0, "", "")


def test_the_interpreter_and_its_library_cannot_be_replaced(sandbox: Sandbox, place: Place) -> None:
    """The first program inside runs with them, so they are not the learner's; a trap laid beside them does nothing."""
    bash(
        sandbox,
        place,
        "rm -f /usr/local/bin/python3.1*; mkdir -p ~/evil/lib/python3.11; echo 'raise SystemExit(99)' > ~/evil/lib/python3.11/os.py;"
        "echo 'home = /home/learner/evil' > /usr/local/bin/pyvenv.cfg; echo 'raise SystemExit(99)' > /usr/local/bin/marshal.py",
    )
    done = bash(sandbox, place, "ulimit -u; echo $WHEELHOUSE_TIER")
    assert done == Completed(0, f"{Limits().processes + 8}\nstrong\n", "")


def test_nothing_on_the_network_but_the_index(sandbox: Sandbox, place: Place, local_service: int) -> None:
    """Neither this machine's own services, nor the internet, nor a cloud's metadata; and each attempt fails at once."""
    program = """
import socket, sys, time
for host, port in [("127.0.0.1", int(sys.argv[1])), ("1.1.1.1", 443), ("169.254.169.254", 80), ("10.0.0.1", 22), ("example.org", 80)]:
    begun = time.monotonic()
    try:
        socket.create_connection((host, port), 5)
        print("reached", host)
    except OSError:
        pass
    if time.monotonic() - begun > 2:
        print("slow", host)
socket.create_connection(("127.0.0.1", 8080), 5)
for family, kind in [(socket.AF_PACKET, socket.SOCK_RAW), (socket.AF_INET, socket.SOCK_RAW), (40, socket.SOCK_STREAM), (38, socket.SOCK_SEQPACKET)]:
    try:
        socket.socket(family, kind)
        print("made", family, kind)
    except OSError:
        pass
print("index only")
"""
    assert python(sandbox, place, program, str(local_service)) == "index only\n"


def test_the_kernel_is_out_of_reach(sandbox: Sandbox, place: Place) -> None:
    """No new namespaces, mounts, tracing, keyrings, io_uring or BPF; no privileges by setuid programs."""
    program = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for name, number in {"io_uring_setup": 425, "bpf": 321, "userfaultfd": 323, "keyctl": 250, "perf": 298, "open_tree": 428}.items():
    if libc.syscall(number, 0, 0, 0, 0, 0) >= 0:
        print("got", name)
for flags in (0x10000000, 0x20000, 0x40000000):
    if libc.unshare(flags) == 0:
        print("got namespace", hex(flags))
if libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0:
    print("got mount")
if libc.ptrace(16, 1, 0, 0) == 0:
    print("got ptrace")
status = open("/proc/self/status").read()
print("NoNewPrivs:\\t1" in status, "CapEff:\\t0000000000000000" in status)
"""
    assert python(sandbox, place, program).strip() == "True True"


@pytest.mark.parametrize("folder", ["/dev/shm", "/tmp", "/var/tmp"])
def test_memory_backed_folders_are_bounded(sandbox: Sandbox, place: Place, folder: str) -> None:
    """A full `/tmp` is the sandbox's, not the machine's memory."""
    done = bash(sandbox, place, f"cd {folder}; for i in 1 2 3 4; do head -c 250M /dev/zero > big$i || exit 9; done")
    assert done.exit_status == 9
    assert "No space left on device" in done.output


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf ~",
        "rm -rf ~ /usr/local /tmp",
        "rm -rf --no-preserve-root /",
        "chmod -R 000 ~ /usr/local/bin /usr/local/lib/python3*/site-packages; cd; chmod 000 . project",
        "cd ~; mkdir -p $(printf 'd/%.0s' {1..1500}); cd /usr/local/share; mkdir -p $(printf 'd/%.0s' {1..1500})",
        "pip uninstall -y pip; pip install leftpad==1.1 --target /usr/local/bin",
        "mv /usr/local/bin/pip ~; ln -s /etc /usr/local/bin/x; mkfifo /usr/local/bin/pip; ln -s / ~/.pip",
    ],
)
def test_what_a_learner_destroys_is_made_again(sandbox: Sandbox, place: Place, secret: Path, command: str) -> None:
    """The machine and the course are fine, and so is the system Python after a reset."""
    before = sorted(path.name for path in (seed() / "lib").rglob("*.py"))
    bash(sandbox, place, command)
    assert secret.read_text() == "sesame\n"
    assert sorted(path.name for path in (seed() / "lib").rglob("*.py")) == before
    for folder in (place.project, place.home):
        folder.chmod(0o755)
    make_system(place.system)
    done = bash(sandbox, place, "python -m venv v && v/bin/pip --version && pip --version && ls /usr/local/bin")
    assert done.exit_status == 0, done.output
    version = executable_name().removeprefix("python")
    commands = {"pip", "pip3", f"pip{version}", "python", "python3", f"python{version}"}
    there = set(done.output.splitlines()[2:])
    assert commands <= there <= commands | {"pypi-manage", "uv", "uvx"}


def test_a_home_full_of_traps_does_not_move_the_project(sandbox: Sandbox, place: Place, secret: Path) -> None:
    """The project is mounted in HOME, which a learner fills: a link there must not lead the mount away."""
    (place.home / "project").symlink_to(secret.parent)
    (place.project / "mine").touch()
    assert bash(sandbox, place, "ls ~/project").output == "mine\n"
