"""The medium tier: what a stranger may try in it, and what learners do with stock tools."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.exceptions import SandboxError
from autograder.sandbox import Completed, Limits, Place, Sandbox, landlock, medium
from autograder.sandbox.basic import Confinement
from autograder.sandbox.system_python import seed
from autograder.sandbox.tools import tool_names
from sandbox_places import alive, gone, new_place, sandbox_of


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The tier."""
    return sandbox_of("medium")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place from which something can be published."""
    (tmp_path / "published").mkdir()
    return replace(new_place(tmp_path), published=tmp_path / "published")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the user who runs the course."""
    file = tmp_path / "secret.txt"
    file.write_text("sesame\n")
    return file


def bash(sandbox: Sandbox, place: Place, text: str, *arguments: str, **limits: float) -> Completed:
    """Run some lines of bash."""
    bounds = Limits(**{"wall_seconds": 120, **limits})  # type: ignore[arg-type]
    return sandbox.run(["bash", "-c", text, "bash", *arguments], place, limits=bounds)


def python(sandbox: Sandbox, place: Place, text: str, *arguments: str) -> str:
    """Run a program and give what it says."""
    return sandbox.run(["python", "-c", text, *arguments], place).output


def test_files_of_this_machine_are_closed(sandbox: Sandbox, place: Place, secret: Path) -> None:
    """They can't be read, changed, cut off, replaced, linked to or listed, by name or by a link; that they exist can be seen."""
    attempts = """
    cat "$1"; echo x >> "$1"; : > "$1"; truncate -s 0 "$1"; rm -f "$1"; mv "$1" .; mv ../home/.pip "$1"; ln "$1" hard; ln -s "$1" soft; cat soft
    ls "${1%/*}"; mkdir "${1%/*}/new"; touch /tmp/wheelhouse-$$; cp /etc/shadow .; ls /root /home; cat /proc/1/environ; cat ~root/.bashrc
    true"""
    said = bash(sandbox, place, attempts, str(secret)).output
    assert "sesame" not in said
    assert secret.read_text() == "sesame\n"
    assert secret.stat().st_nlink == 1
    assert not (secret.parent / "new").exists()
    assert sorted(path.name for path in place.project.iterdir()) == ["soft"]
    assert said.count("ermission denied") >= 12


def test_the_course_and_the_system_cannot_be_changed(sandbox: Sandbox, place: Place) -> None:
    """Neither what the first program inside runs with, nor the settings, nor the tools, nor the published journal."""
    trials = """
    for top in "$@"; do echo x 2>/dev/null > "$top/wheelhouse-trial" && echo "$top"; done; rm -rf "$1" "$2" 2>/dev/null; true"""
    assert place.published is not None
    tops = [place.system, place.system / "etc", place.published, seed(), seed() / "lib", Path("/usr/bin")]
    tops += [Path("/etc"), Path("/dev/shm"), Path("/tmp"), Path(__file__).parent]
    assert bash(sandbox, place, trials, *map(str, tops)) == Completed(0, "", "")
    assert (place.system / "etc" / "uv" / "uv.toml").is_file()


def test_a_link_in_the_place_of_a_writable_folder_is_not_followed(
    sandbox: Sandbox, place: Place, tmp_path: Path
) -> None:
    """Should ever a folder of the place be a link, the run is refused rather than what it leads to opened."""
    (tmp_path / "elsewhere").mkdir()
    shutil.rmtree(place.home)
    place.home.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SandboxError, match="a link stands in its place"):
        bash(sandbox, place, "true")
    assert list((tmp_path / "elsewhere").glob("[!.]*")) == []


NETWORK = """
import socket, sys, time
from socket import AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM
own, other, path = int(sys.argv[1].rpartition(":")[2]), int(sys.argv[2]), sys.argv[3]
def attempt(name, does):
    begun = time.monotonic()
    try:
        does()
        print("reached", name)
    except OSError as error:
        pass
    if time.monotonic() - begun > 5:
        print("slow", name)
def listen():
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", own))
def listen_anywhere():
    with socket.socket() as server:
        server.listen()
def deferred():
    with socket.socket() as one:
        one.setsockopt(socket.IPPROTO_TCP, 30, 1)
        one.connect(("127.0.0.1", other))
        one.send(b"x")
attempt("another port", lambda: socket.create_connection(("127.0.0.1", other), 3))
attempt("the internet", lambda: socket.create_connection(("1.1.1.1", 443), 3))
attempt("a cloud's metadata", lambda: socket.create_connection(("169.254.169.254", 80), 3))
attempt("a name", lambda: socket.getaddrinfo("wheelhouse.example", 80))
attempt("UDP", lambda: socket.socket(AF_INET, SOCK_DGRAM))
attempt("IPv6", lambda: socket.socket(AF_INET6, SOCK_STREAM))
attempt("Multipath TCP", lambda: socket.socket(AF_INET, SOCK_STREAM, 262))
attempt("raw", lambda: socket.socket(AF_INET, SOCK_RAW, 1))
attempt("Fast Open", lambda: socket.socket().sendto(b"x", 0x20000000, ("127.0.0.1", other)))
attempt("Fast Open by sendmsg", lambda: socket.socket().sendmsg([b"x"], [], 0x20000000, ("127.0.0.1", other)))
attempt("Fast Open by connect", deferred)
attempt("a unix socket", lambda: socket.socket(AF_UNIX).connect(path))
attempt("an abstract one", lambda: socket.socket(AF_UNIX).connect("\\0" + path))
attempt("a pair turned round", lambda: socket.socketpair(AF_UNIX, SOCK_DGRAM)[0].sendto(b"x", path))
attempt("the index's own port", listen)
attempt("a port", listen_anywhere)
socket.create_connection(("127.0.0.1", own), 5).close()
socket.socketpair()
print("done")
"""


def test_nothing_on_the_network_but_the_index(sandbox: Sandbox, place: Place, tmp_path: Path) -> None:
    """Each way past a rule on TCP is closed, and a name that leads nowhere says so at once; nobody can pose as the index."""
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.socket(socket.AF_UNIX) as listener,
        contextlib.chdir(tmp_path),
    ):
        listener.bind("unix")
        listener.listen()
        text = 'exec python - "$WHEELHOUSE_LOOPBACK" "$@"'
        done = sandbox.run(
            ["bash", "-c", text, "bash", str(other.getsockname()[1]), str(tmp_path / "unix")],
            place,
            stdin=NETWORK.encode(),
        )
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert done.output == "done\n"


def test_other_processes_can_neither_be_looked_into_nor_ended(sandbox: Sandbox, place: Place) -> None:
    """Not by a signal to one, nor to the supervisor, nor to all, nor by a bound set to it; names are all that is seen of them."""
    environment = {**os.environ, "WHEELHOUSE_TEST_SECRET": "sesame"}
    with subprocess.Popen(["sleep", "100"], env=environment) as victim:
        text = """
        for n in "$1" "$PPID"; do kill -9 $n; done 2>/dev/null
        cat /proc/[0-9]*/environ /proc/$1/maps /proc/$1/mem 2>/dev/null | grep -ac sesame
        prlimit --pid "$1" --cpu=1 --nofile=0 2>&1 | grep -vi permitted
        renice -n 19 -p "$1" >/dev/null 2>&1 && echo reniced
        readlink /proc/$1/fd/1 /proc/$1/cwd /proc/$1/exe
        kill -9 -1
        echo lives"""
        done = bash(sandbox, place, text, str(victim.pid))
        assert victim.poll() is None
        victim.kill()
    assert done.output in ("0\n", "0\nlives\n")
    assert done.exit_status in (0, 137)


def test_a_terminal_of_the_user_cannot_be_opened(sandbox: Sandbox, place: Place) -> None:
    """Else a command could read what is typed into it, or write to its screen."""
    ours, theirs = os.openpty()
    try:
        said = bash(sandbox, place, 'echo x > "$1"; cat "$1"; echo x > /dev/ptmx', os.ttyname(theirs)).output
    finally:
        os.close(ours)
        os.close(theirs)
    assert said.count("ermission denied") == 3


def test_shared_memory_of_the_user_cannot_be_had(sandbox: Sandbox, place: Place) -> None:
    """System V's by its key, POSIX's by its name, and queues."""
    program = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for call in (lambda: libc.shmget(1, 10, 0o1600), lambda: libc.semget(1, 1, 0o1600), lambda: libc.msgget(1, 0o1600),
             lambda: libc.shm_open(b"/wheelhouse", 0o102, 0o600), lambda: libc.mq_open(b"/wheelhouse", 0o102, 0o600, None)):
    print(call(), end=" ")
"""
    assert python(sandbox, place, program) == "-1 -1 -1 -1 -1 "


def test_what_is_given_up_stays_given_up(sandbox: Sandbox, place: Place, secret: Path) -> None:
    """No privileges, no setuid program that gives any, the same in children and grandchildren."""
    text = """
    grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t' | tr '\\n' ' '
    setsid bash -c '(bash -c "cat $1; unshare -U true; su -c true" bash "$1")' bash "$1" </dev/null 2>&1 | grep -v sesame | wc -l"""
    said = bash(sandbox, place, text, str(secret)).output
    assert said.startswith("CapEff:0000000000000000 CapBnd:")
    assert "NoNewPrivs:1 Seccomp:2 " in said
    assert int(said.split()[-1]) >= 3


def test_temporary_files_end_with_the_run(sandbox: Sandbox, place: Place) -> None:
    """Each run has a folder of its own, gone after it with all that was shut in it; what a killed course left is swept."""
    left = place.system / "tmp" / "4194305-0"  # more than Linux's largest process number
    (left / "deep").mkdir(parents=True)
    text = 'cd "$(mktemp -d)" && mkdir -p a/b && touch a/b/c && chmod 000 a/b && python -c "import tempfile; print(tempfile.gettempdir())"'
    assert bash(sandbox, place, text).output.startswith(f"{place.system}/tmp/{os.getpid()}-")
    assert list((place.system / "tmp").iterdir()) == []


def test_daemons_die_with_the_run(sandbox: Sandbox, place: Place) -> None:
    """Those that left the session, those that stopped, and those that hop from process to process."""
    mark = f"{700_000 + os.getpid() % 100_000}.5"
    text = f"setsid -f sleep {mark}; (sleep {mark} & kill -STOP $!); (setsid bash -c 'while :; do sleep {mark} & sleep 0.01; wait -n & done' &) ; sleep 0.3"
    bash(sandbox, place, text, processes=40)
    assert gone(mark), alive(mark)


TOOLS = r"""
set -eo pipefail
python -m venv .venv
. .venv/bin/activate
pip install -q requests==2.31.0
uv venv -q uv-env && uv pip install -q -p uv-env requests
pip uninstall -q -y requests && pip list > list && ! grep -qi requests list
git init -q . && printf '.venv\nuv-env\ndist\n' > .gitignore
printf '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n[project]\nname = "till-slip"\nversion = "0.1"\ndescription = "Slips"\n' > pyproject.toml
echo 'print("slip")' > till_slip.py
git add . && git commit -qm "Begin" && git clone -q . ../home/clone && git -C ../home/clone log --oneline > log && grep -q Begin log
echo requests > in.txt && pip-compile -q in.txt -o out.txt --strip-extras && grep ^requests== out.txt
pyproject-build --outdir dist . > build.log 2>&1 || { cat build.log; exit 1; }
twine check dist/*
token=$(pypi-manage token --testpypi --name slips)
TWINE_USERNAME=__token__ TWINE_PASSWORD=$token twine upload --non-interactive --disable-progress-bar -r testpypi dist/* > upload.log 2>&1 || { cat upload.log; exit 1; }
pip install -q -i "$WHEELHOUSE_TESTPYPI" till-slip==0.1 && python -m till_slip
"""


def test_stock_tools_work_unchanged(sandbox: Sandbox, place: Place) -> None:
    """venv, pip, uv, git, pip-compile, build, twine: from an environment to a release that installs."""
    if not tool_names():
        pytest.skip("the tools were not fetched")
    done = bash(sandbox, place, TOOLS)
    assert done.exit_status == 0, done.output
    assert done.output.endswith("slip\n")


def test_a_filter_that_the_kernel_refuses_stops_the_command(
    sandbox: Sandbox, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be closed in doesn't run; the sentence says why."""
    monkeypatch.setattr(medium, "filter_program", lambda **_: b"\xff" * 8)
    done = bash(sandbox, place, "echo ran")
    assert done == Completed(126, "wheelhouse: the sandbox can't be closed: Invalid argument\n", "")


def test_a_ruleset_that_the_kernel_refuses_stops_the_command(
    sandbox: Sandbox, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A descriptor that isn't a ruleset, as where Landlock went away."""
    with Path("/dev/null").open() as other:
        monkeypatch.setattr(
            medium.MediumSandbox,
            "_confinement",
            lambda *_: Confinement(other.fileno(), b""),
        )
        done = bash(sandbox, place, "echo ran")
    assert done.exit_status == 126
    assert done.output.startswith("wheelhouse: the sandbox can't be closed: ")


def test_runs_side_by_side_are_out_of_each_others_reach(sandbox: Sandbox, tmp_path: Path) -> None:
    """Two learners' commands at once, by threads of one process: neither reads what the other writes."""
    places = [new_place(tmp_path / name) for name in ("one", "two")]
    said: dict[int, str] = {}

    def work(number: int) -> None:
        other = places[1 - number].project
        text = f"echo {number} > mine; for i in 1 2 3 4 5; do cat {other}/mine 2>&1; sleep 0.1; done"
        said[number] = bash(sandbox, places[number], text).output

    threads = [threading.Thread(target=work, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [said[number].count("ermission denied") >= 1 for number in (0, 1)] == [True, True]
    assert "0\n" not in said[1]
    assert "1\n" not in said[0]


def test_landlock_that_goes_away_after_the_trial_stops_all(
    sandbox: Sandbox, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error of ours in words, and no command is started."""
    monkeypatch.setattr(landlock, "landlock_abi", lambda: 0)
    with pytest.raises(SandboxError, match="no Landlock"):
        bash(sandbox, place, "touch ran")
    assert not (place.project / "ran").exists()
