"""Tests of `autograder.sandbox.prompts` and of the hooks in `startup`, in a real bash."""

from __future__ import annotations

import os
import subprocess
import threading
import time

import pytest

from autograder.sandbox import startup
from autograder.sandbox.prompts import DESCRIPTOR, Prompt, PromptPipe, read_messages

END = b"\0\x1e\0"


def message(*fields: str) -> bytes:
    """Write what a hook would."""
    return "\0".join(fields).encode("utf-8", "surrogateescape") + END


def bash(typed: str) -> list[Prompt]:
    """Type lines into a bash with the terminal's start-up file, and give what it told."""
    read, write = os.pipe()
    os.dup2(write, DESCRIPTOR)
    try:
        rc = startup.TERMINAL_RC.replace("~/.bashrc", "/nowhere")
        subprocess.run(
            ["bash", "-c", 'exec bash --noprofile --rcfile <(printf "%s" "$RC") -i'],
            input=typed,
            text=True,
            env={"PATH": os.environ["PATH"], "HOME": "/", "RC": rc, "TERM": "dumb", "HISTFILE": "/dev/null"},
            pass_fds=[DESCRIPTOR],
            capture_output=True,
            timeout=60,
            check=False,
        )
    finally:
        os.close(write)
        os.close(DESCRIPTOR)
    with os.fdopen(read, "rb") as file:
        return read_messages(file.read())


def test_bash_tells_what_was_typed() -> None:
    """Each prompt tells command, exit status, folder and exported variables; several lines are one command."""
    first, *told = bash("cd /\nfalse\nexport A='x\"$`\\' B=$'1\\n2\\t\\001é'\nfor i in 1; do\ntrue\ndone\n")

    assert (first.command, first.hidden) == ("", False)
    assert [(one.command.split()[0], one.status, one.cwd) for one in told] == [
        ("cd", 0, "/"),
        ("false", 1, "/"),
        ("export", 0, "/"),
        ("for", 0, "/"),
    ]
    assert told[-1].command == "for i in 1; do true; done"
    assert told[2].variables["A"] == 'x"$`\\'
    assert told[2].variables["B"] == "1\n2\t\x01é"
    assert all(one.began is not None and one.ended is not None and one.began <= one.ended for one in told)


def test_a_leading_space_keeps_a_command_off_the_record() -> None:
    """It is known that something ran, not what; an empty line is nothing."""
    _, hidden, nothing, repeated, again = bash(" echo secret\n\ntrue\ntrue\n")

    assert (hidden.command, hidden.hidden) == ("", True)
    assert (nothing.command, nothing.hidden) == ("", False)
    assert [repeated.command, again.command] == ["true", "true"]


@pytest.mark.parametrize(
    "habit", ["set -u", "set -e", "set -o noclobber", "printf() { :; }; true", f"exec {DESCRIPTOR}>&-; true"]
)
def test_a_shells_own_habits_do_not_break_it(habit: str) -> None:
    """Whatever a learner sets in their shell, the prompt comes back; at worst nothing is told any more."""
    told = bash(f"{habit}\nexport STILL=here\ntrue\n")

    assert len(told) >= 1
    assert told[0].command == ""


def test_nonsense_is_passed_over() -> None:
    """Anything in the sandbox can write to the pipe: what isn't a message is none, and the next one is read."""
    good = message("zsh", "0", "1795280000.5", "1795280001.5", "/p", "ls", "A=1", "B=x=y")
    for junk in (
        b"",
        b"\0" * 50,
        b"\xff" * 1000,
        message("bash"),
        message("sh", "0", "", "", "/", "x"),
        message("bash", "x", "", "", "/", ""),
    ):
        prompts = read_messages(junk + END + good)
        assert [one.command for one in prompts] == ["ls"]
        assert prompts[0].variables == {"A": "1", "B": "x=y"}
        assert prompts[0].ended == 1795280001.5


def test_a_message_without_end_is_dropped() -> None:
    """Memory stays bounded whatever is written."""
    heard: list[Prompt] = []
    pipe = PromptPipe(heard.extend)
    write = os.dup(pipe.descriptors[DESCRIPTOR])
    pipe.started()
    os.set_blocking(write, True)
    for _ in range(40):
        os.write(write, b"x" * 65536)
    os.write(write, END + message("zsh", "0", "", "", "/", "on"))
    os.close(write)

    assert _eventually(lambda: [one.command for one in heard] == ["on"] or len(heard) > 0)


def test_settling_waits_for_whoever_hears() -> None:
    """After `settle` all that was told before it has been heard to the end; an ended shell has nothing to wait for."""
    heard: list[str] = []

    def slowly(prompts: object) -> None:
        time.sleep(0.2)
        heard.append("heard")

    pipe = PromptPipe(slowly)
    write = os.dup(pipe.descriptors[DESCRIPTOR])
    pipe.started()
    os.write(write, message("zsh", "0", "", "", "/", "x"))
    assert pipe.settle(10)
    assert heard == ["heard"]
    os.close(write)
    assert _eventually(lambda: pipe.settle(0.5))


def test_an_error_of_the_hearer_ends_nothing() -> None:
    """What goes wrong outside is no business of the shell's; the next prompt is heard."""
    calls = threading.Semaphore(0)

    def fail(prompts: object) -> None:
        calls.release()
        raise ValueError("ours")

    pipe = PromptPipe(fail)
    write = os.dup(pipe.descriptors[DESCRIPTOR])
    pipe.started()
    for _ in range(2):
        os.write(write, message("zsh", "0", "", "", "/", "x"))
        assert calls.acquire(timeout=20)
    os.close(write)


def _eventually(condition: object, seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False
