"""What a killed course left asleep is found and ended, and nothing else is."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.sandbox import Limits
from autograder.sandbox.processes import anonymous_file
from autograder.sandbox.sleepers import end_sleepers
from pods import pod_command, why_no_pods
from sandbox_places import bubblewrap_here, new_place, sandbox_of


def leave_asleep() -> int:
    """Kill a bubblewrap whose child waits for a word that never comes, and give a handle of the child.

    Here it waits for sure, since the parent itself is told to wait.
    """
    block, hold = os.pipe()
    words = ["--unshare-user", "--unshare-pid", "--die-with-parent", "--ro-bind", "/", "/"]
    words += ["--userns-block-fd", str(block), "--info-fd", "1"]
    arguments = anonymous_file(b"".join(word.encode() + b"\0" for word in words))
    command = [bubblewrap_here(), "--args", str(arguments), "--", "true"]
    process = subprocess.Popen(command, pass_fds=[block, arguments], stdout=subprocess.DEVNULL)
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        end = time.monotonic() + 20
        while not (born := children.read_text().split()):
            assert time.monotonic() < end
            time.sleep(0.01)
        return os.pidfd_open(int(born[0]))
    finally:
        process.kill()
        process.wait()
        for descriptor in (block, hold, arguments):
            os.close(descriptor)


def test_a_bubblewrap_whose_parent_died_at_its_start_is_ended() -> None:
    """Left alone it sleeps on; whoever starts next ends it."""
    sandbox_of("strong")
    for _ in range(20):
        handle = leave_asleep()
        try:
            if select.select([handle], [], [], 0.2)[0]:
                continue  # another course on this machine has just started, and was quicker
            end_sleepers()
            assert select.select([handle], [], [], 20)[0]
            return
        finally:
            os.close(handle)
    raise AssertionError("it never slept")


def test_a_sandbox_that_runs_is_let_be(tmp_path: Path) -> None:
    """While another course, or another thread, starts."""
    box, place = sandbox_of("strong"), new_place(tmp_path / "place")
    shell = box.shell(place, limits=Limits(30))
    try:
        said: list[str] = []
        assert shell.run("echo one", said.append) == 0
        end_sleepers()
        assert shell.run("echo two", said.append) == 0
        assert "two" in "".join(said)
    finally:
        shell.close()


def test_another_containers_sandbox_is_let_be() -> None:
    """Root sees the processes of containers on its machine, where a bubblewrap's parent is none of bubblewrap's either."""
    if reason := why_no_pods():
        pytest.skip(reason)
    bubblewrap = bubblewrap_here()
    script = (
        "import os, subprocess, sys\n"
        "words = ['--unshare-user', '--unshare-pid', '--die-with-parent', '--ro-bind', '/', '/']\n"
        "arguments = os.memfd_create('words')\n"
        "os.write(arguments, b''.join(word.encode() + b'\\0' for word in words))\n"
        "os.lseek(arguments, 0, 0)\n"
        f"sys.exit(subprocess.run([{bubblewrap!r}, '--args', str(arguments), '--', 'sh', '-c', 'echo begun; sleep 1; exit 7'],"
        " pass_fds=[arguments]).returncode)\n"
    )
    with subprocess.Popen([*pod_command("P0"), sys.executable, "-I", "-c", script], stdout=subprocess.PIPE) as pod:
        assert pod.stdout is not None
        assert pod.stdout.readline() == b"begun\n"
        end_sleepers()
        assert pod.wait() == 7
