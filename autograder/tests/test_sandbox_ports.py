"""A port to which nobody inside has a right, listened on from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox import ports
from autograder.sandbox.ports import TLS_PORT, listen_inside
from sandbox_places import bubblewrap_here, new_place, sandbox_of


@pytest.fixture(scope="module", autouse=True)
def _strong_tier() -> None:
    if sandbox_of("strong").door != "names":
        pytest.skip("no port below 1024 can be listened on in a sandbox of this machine")


@pytest.fixture
def inside() -> Iterator[int]:
    """A process in a network of its own, which it shares with nobody."""
    command = [bubblewrap_here(), "--unshare-user", "--unshare-net", "--ro-bind", "/", "/", "--dev", "/dev"]
    process = subprocess.Popen(
        [*command, "--", "sh", "-c", "echo $$; exec sleep 60"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield int(process.stdout.readline())
    process.kill()
    process.wait()


def listen_once(process: int, port: int) -> socket.socket | None:
    """Ask for one port."""
    listeners = listen_inside(process, port)
    return listeners[0] if listeners else None


def test_a_socket_comes_back_that_listens_there(inside: int) -> None:
    """Not in our own network: the port is free here before and after, and can be taken there once only."""
    with listen_once(inside, TLS_PORT) or pytest.fail("none came") as listener:
        assert listener.getsockname() == ("127.0.0.1", TLS_PORT)
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", TLS_PORT), 5)
        assert listen_once(inside, TLS_PORT) is None
    again = listen_once(inside, TLS_PORT)
    assert again is not None
    again.close()


def test_what_cannot_be_entered_gives_none() -> None:
    """Our own network is not ours to enter from below; and a process may be gone."""
    assert listen_once(os.getpid(), 0) is None
    assert listen_once(2**22 + 1, TLS_PORT) is None


def test_a_killed_helper_is_replaced(inside: int) -> None:
    """At the next request at the latest."""
    assert listen_once(inside, TLS_PORT) is not None
    keeper = ports._doorkeeper
    assert keeper is not None
    os.kill(keeper._process.pid, signal.SIGKILL)
    keeper._process.wait()
    listener = listen_once(inside, TLS_PORT + 1)
    assert listener is not None
    listener.close()
    assert ports._doorkeeper is not keeper


def test_a_fork_has_a_helper_of_its_own(inside: int) -> None:
    """Two processes that talked to one would get each other's answers."""
    listener = listen_once(inside, 900)
    assert listener is not None
    child = os.fork()
    if child == 0:
        try:
            mine = listen_once(inside, 901)
            os._exit(0 if mine is not None and mine.getsockname()[1] == 901 else 1)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert listen_once(inside, 902) is not None
    listener.close()


def test_the_helper_ends_with_us(tmp_path: Path) -> None:
    """Even if we are killed."""
    program = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from sandbox_places import new_place, sandbox_of\n"
        "from autograder.sandbox import ports\n"
        "sandbox_of('strong').run(['true'], new_place(Path(sys.argv[2])))\n"
        "print(ports._doorkeeper._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    helper = int(process.stdout.readline())
    assert Path("/proc", str(helper)).exists()
    process.kill()
    process.wait()
    process.stdout.close()
    for _ in range(250):
        try:
            os.kill(helper, 0)
        except ProcessLookupError:
            break
        if Path("/proc", str(helper), "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            break  # ended; whoever inherits it here doesn't look after it
        time.sleep(0.02)
    else:
        pytest.fail("the helper lives")


def test_nobody_inside_gets_the_right(tmp_path: Path) -> None:
    """The command has no more capabilities than before, and can't take a port below 1024 itself."""
    sandbox, place = sandbox_of("strong"), new_place(tmp_path)
    done = sandbox.run(
        [
            "bash",
            "-c",
            "grep CapEff /proc/self/status; python -c 'import socket; socket.create_server((\"127.0.0.1\", 444))'",
        ],
        place,
    )
    assert "0000000000000000" in done.output
    assert "Permission denied" in done.output


def test_several_ports_come_together_or_not_at_all(inside: int) -> None:
    """One that is taken spoils the lot, and none of it stays open."""
    first, second = listen_inside(inside, 903, 904) or pytest.fail("none came")
    assert (first.getsockname()[1], second.getsockname()[1]) == (903, 904)
    first.close()
    assert listen_inside(inside, 903, 904) is None
    again = listen_once(inside, 903)
    assert again is not None
    for listener in (again, second):
        listener.close()
