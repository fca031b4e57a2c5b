"""Tests of `autograder.sandbox.startup`: what the shells say when they start, and what their prompt looks like."""

from __future__ import annotations

import os
import shutil
import subprocess
import termios
from pathlib import Path, PurePosixPath

import pytest

from autograder.sandbox import configuration
from autograder.sandbox.startup import TERMINAL_RC, ZSH_RC


def start(shell: str, home: Path, terminal: int = subprocess.DEVNULL, /, **variables: str) -> tuple[str, str]:
    """Start a shell as in the terminal (a real one, if given); give what it says first, and its prompt."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    (home / "rc").write_text(TERMINAL_RC if shell == "bash" else ZSH_RC)
    show = 'printf "\\n@%s" "${PS1@P}"' if shell == "bash" else 'print -nP "\\n@$PS1"'
    told = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "WHEELHOUSE_PLACE": "06-environments",
        "WHEELHOUSE_TIER": "strong",
    }
    command = [shell, *(["--noprofile", "--norc"] if shell == "bash" else ["-df"]), "-c", f". {home}/rc; {show}"]
    done = subprocess.run(
        command,
        env={**told, "TERM": "xterm-256color", **variables},
        cwd=home,
        stdin=terminal,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said, _, prompt = done.stdout.rpartition("\n@")
    return said, prompt.replace("\x01", "").replace("\x02", "").replace("\x1b[00m", "")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_prompt_says_where_one_is(shell: str, tmp_path: Path) -> None:
    """In colours on a terminal that has them, without on one that hasn't."""
    _, colourful = start(shell, tmp_path)
    _, dull = start(shell, tmp_path, TERM="dumb")

    assert "\x1b[32mex06" in colourful
    assert dull == ("ex06:~# " if os.getuid() == 0 else "ex06:~$ ")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_prompt_that_is_read_aloud_has_no_ornament(shell: str, tmp_path: Path) -> None:
    """The exercise, the folder, a dollar: no colours, no user, no colon."""
    said, prompt = start(shell, tmp_path, **configuration.READ_ALOUD)

    assert prompt == "ex06 ~ $ "
    assert "*" not in said
    assert "\x1b" not in said


def test_the_greeting_names_the_command_that_works_here(tmp_path: Path) -> None:
    """`course` is no function that says it can't any more, but the command in the sandbox."""
    said, _ = start("bash", tmp_path)

    assert "`course check` says what is done" in said
    assert "course()" not in TERMINAL_RC + ZSH_RC


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_greeting_keeps_words_whole(shell: str, tmp_path: Path) -> None:
    """Beside a lesson the shell is 40 to 60 columns wide: lines are broken between words, and say the same."""
    whole, _ = start(shell, tmp_path)
    keeper, terminal = os.openpty()
    try:
        termios.tcsetwinsize(terminal, (24, 40))
        said, _ = start(shell, tmp_path, terminal)
    finally:
        os.close(terminal)
        os.close(keeper)

    assert max(map(len, said.splitlines())) <= 40 < max(map(len, whole.splitlines()))
    assert said.split() == whole.split()


@pytest.mark.parametrize(("terminal", "there"), [(True, True), (False, False)])
def test_who_listens_is_told_nothing_twice(terminal: bool, there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked by WHEELHOUSE_SCREEN_READER, a terminal's programs draw no bars; what is graded has the same environment as ever."""
    monkeypatch.setenv("WHEELHOUSE_SCREEN_READER", "1")

    built = configuration.environment(
        tier="strong",
        home="/home/learner",
        python_home=PurePosixPath("/usr/local/bin"),
        tools=None,
        terminal=terminal,
    )

    assert (configuration.READ_ALOUD.items() <= built.items()) is there
    assert ("NO_COLOR" in built) is there
