"""The shell behind %%shell cells, in each tier."""

from __future__ import annotations

import _thread
import os
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.exceptions import SandboxError
from autograder.sandbox import Limits, Place, Sandbox, Shell
from sandbox_places import FORK_BOMB, TIERS, alive, gone, new_place, sandbox_of


@pytest.fixture(scope="module", params=TIERS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each tier."""
    return sandbox_of(request.param)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Place:
    """A place which the tests share."""
    return new_place(tmp_path_factory.mktemp(sandbox.tier))


@pytest.fixture
def shell(sandbox: Sandbox, place: Place) -> Iterator[Shell]:
    """A shell with short bounds."""
    made = sandbox.shell(place, limits=Limits(wall_seconds=20, output_bytes=20_000))
    yield made
    made.close()


def cell(shell: Shell, text: str) -> tuple[int, str]:
    """Run a cell and collect what it writes."""
    said: list[str] = []
    status = shell.run(text, said.append)
    return status, "".join(said)


def test_state_stays_from_cell_to_cell(shell: Shell) -> None:
    """Folder, variables, functions, aliases, options and the last status are as the last cell left them."""
    assert cell(shell, "x=5; export y=6; f() { echo f$1; }; alias g='f 2'\nmkdir -p in; cd in; set -u; false") == (
        1,
        "",
    )
    assert cell(shell, "echo $? $x $(bash -c 'echo $y') $(basename \"$PWD\"); f 1; g; set +u") == (
        0,
        "1 5 6 in\nf1\nf2\n",
    )


def test_activation_stays(shell: Shell) -> None:
    """`activate` and `deactivate` work as in a terminal, to the prompt."""
    assert cell(shell, "python -m venv .venv && source .venv/bin/activate")[0] == 0
    status, said = cell(shell, 'echo "$PS1"; command -v python; python -c "import sys; print(sys.prefix)"')
    assert status == 0
    assert said.startswith("(.venv) ")
    assert said.count("/.venv") == 2
    assert "venv" not in cell(shell, 'deactivate; echo "$PS1"; command -v python')[1]


def test_output_streams_while_the_cell_runs(shell: Shell) -> None:
    """A learner sees progress, not a result minutes later."""
    times: list[float] = []
    shell.run("echo one; sleep 1; echo two", lambda text: times.append(time.monotonic()))
    assert times[-1] - times[0] > 0.5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("printf 'a\\r\\nb\\rc\\n'", "a\nb\rc\n"),
        ("printf 'no line end'", "no line end"),
        ("printf 'héé \\xff\\n'", "héé \ufffd\n"),
        ("cat <<'X'\n$one\n  two\nX", "$one\n  two\n"),
        ("echo a\r\necho b", "a\nb\n"),
        ("echo out; echo err >&2", "out\nerr\n"),
        ("tty -s || echo no input; test -t 1 && echo a terminal", "no input\na terminal\n"),
        ("echo '!!' \"$TERM\" $COLUMNS", "!! dumb 200\n"),
        ("for i in 1 2\ndo echo $i\ndone # comment", "1\n2\n"),
        ("# nothing", ""),
        ("", ""),
    ],
)
def test_text_comes_out_as_written(shell: Shell, text: str, said: str) -> None:
    """No echo, no prompt, no carriage return at line ends; bytes that are no UTF-8 don't stop it."""
    assert cell(shell, text) == (0, said)


def test_a_syntax_error_is_bashs_own(shell: Shell) -> None:
    """The shell says so and lives."""
    status, said = cell(shell, "x=1\nif then")
    assert status != 0
    assert "syntax error" in said
    assert cell(shell, "echo here") == (0, "here\n")


def test_much_text_goes_in(shell: Shell) -> None:
    """A cell may be larger than a pipe."""
    assert cell(shell, "x='" + "y" * 100_000 + "'; echo ${#x}") == (0, "100000\n")


def test_a_background_process_does_not_hold_the_cell(shell: Shell) -> None:
    """A server started in one cell is there for the next."""
    begun = time.monotonic()
    status, _ = cell(shell, "sleep 60 &")
    assert (status, time.monotonic() - begun < 5) == (0, True)
    assert "Running" in cell(shell, "jobs")[1]
    assert "Running" not in cell(shell, "kill %1; wait; jobs")[1]


def test_a_question_does_not_hang(shell: Shell) -> None:
    """Nobody can answer in a cell, so input is empty, and pip says what it would have asked."""
    assert cell(shell, "read x || echo none") == (0, "none\n")
    status, said = cell(shell, "pip uninstall pip")
    assert status != 0
    assert "No input was expected" in said
    assert "Traceback (most recent call last)" not in said or "No input" in said


def test_an_interrupt_ends_the_command_and_keeps_the_shell(shell: Shell) -> None:
    """Jupyter's stop button: the rest of the cell doesn't run, variables are kept."""
    assert cell(shell, "kept=yes")[0] == 0
    threading.Timer(0.5, _thread.interrupt_main).start()
    begun = time.monotonic()
    status, said = cell(shell, "sleep 15; echo not this")
    assert (status, said.strip()) == (130, "")
    assert time.monotonic() - begun < 10
    assert cell(shell, "echo $kept") == (0, "yes\n")


def test_a_cell_that_is_too_long_ends_and_keeps_the_shell(sandbox: Sandbox, place: Place) -> None:
    """The bound is named in the output."""
    shell = sandbox.shell(place, limits=Limits(wall_seconds=0.5))
    try:
        assert cell(shell, "kept=yes") == (0, "")
        status, said = cell(shell, "sleep 15; echo not this")
        assert status != 0
        assert said.endswith("stopped: longer than 0.5 s\n")
        assert cell(shell, "echo $kept") == (0, "yes\n")
    finally:
        shell.close()


def test_a_deaf_command_ends_with_its_shell(sandbox: Sandbox, place: Place) -> None:
    """What ignores the interrupt is killed after some seconds; the next cell has a new shell."""
    shell = sandbox.shell(place, limits=Limits(wall_seconds=0.5))
    try:
        status, said = cell(shell, "old=1; trap '' INT; while :; do sleep 1; done")
        assert status == 137
        assert said.endswith("stopped: longer than 0.5 s\n")
        assert cell(shell, "echo [$old]") == (0, "[]\n")
    finally:
        shell.close()


def test_endless_output_is_cut(shell: Shell) -> None:
    """The bound is named, and the shell lives."""
    status, said = cell(shell, "kept=1; yes")
    assert status != 0
    assert said.endswith("\nstopped: more than 20,000 bytes of output\n")
    assert len(said) < 20_100
    assert cell(shell, "echo $kept") == (0, "1\n")


def test_a_fork_bomb_ends_with_its_shell(sandbox: Sandbox, place: Place) -> None:
    """It can't be interrupted, so it is killed as a whole."""
    shell = sandbox.shell(place, limits=Limits(wall_seconds=30, processes=40))
    try:
        status, said = cell(shell, FORK_BOMB)
        assert status == 137
        assert said.endswith("stopped: more than 40 processes\n")
        assert cell(shell, "echo here") == (0, "here\n")
    finally:
        shell.close()


@pytest.mark.parametrize("text", ["exit 4", "set -e; (exit 4)", "exec bash -c 'exit 4'"])
def test_a_cell_that_ends_the_shell_says_so(shell: Shell, text: str) -> None:
    """The next cell starts a new one; what was set is gone."""
    cell(shell, "old=1")
    status, said = cell(shell, text)
    assert status == 4
    assert said.endswith("The shell has ended (exit status 4); the next cell starts a new one.\n")
    assert not shell.alive
    assert cell(shell, "echo [$old]") == (0, "[]\n")
    assert shell.alive


def test_redirections_of_a_cell_do_not_lose_its_end(shell: Shell) -> None:
    """A cell may send the shell's own output to a file, or break the terminal's settings."""
    assert cell(shell, "exec 3>&1 >log 2>&1; echo to the log") == (0, "")
    assert cell(shell, "exec >&3 2>&3; cat log; rm log") == (0, "to the log\n")
    assert cell(shell, "stty sane < /dev/tty; echo after") == (0, "after\n")


def test_a_cell_cannot_hold_nul(shell: Shell) -> None:
    """NUL ends a cell on its way in, so it is refused with a sentence."""
    with pytest.raises(SandboxError, match="NUL"):
        shell.run("echo \0", print)


def test_close_kills_everything(sandbox: Sandbox, place: Place) -> None:
    """When the notebook is closed nothing runs on; closing twice is nothing special."""
    mark = f"{500_000 + os.getpid() % 100_000}.{TIERS.index(sandbox.tier)}5"
    shell = sandbox.shell(place)
    cell(shell, f"setsid -f sleep {mark}; sleep {mark} & disown; sleep 0.5")
    assert len(alive(mark)) == 2
    shell.close()
    assert gone(mark, 0.5)
    assert not shell.alive
    shell.close()


def test_a_shell_outlives_the_thread_that_started_it(sandbox: Sandbox, place: Place) -> None:
    """Bubblewrap dies with the thread that started it, so a shell is started by one that stays."""
    shell = sandbox.shell(place)
    try:
        thread = threading.Thread(target=cell, args=(shell, "kept=1"))
        thread.start()
        thread.join()
        time.sleep(0.2)
        assert cell(shell, "echo $kept") == (0, "1\n")
    finally:
        shell.close()


def test_a_shell_reaches_the_index(shell: Shell) -> None:
    """The index is served for as long as the shell lives."""
    assert cell(
        shell, "python -m venv v && v/bin/pip install -q leftpad==1.1 && v/bin/leftpad ab 5 >/dev/null; echo $?"
    )[1].endswith("0\n")


def test_a_cell_is_quick(shell: Shell) -> None:
    """What a cell costs beside its command must not be felt."""
    cell(shell, "true")
    took = []
    for _ in range(15):
        begun = time.perf_counter()
        cell(shell, "true")
        took.append(time.perf_counter() - begun)
    assert statistics.median(took) < 0.05


def test_the_workspace_is_where_it_starts(sandbox: Sandbox, place: Place, shell: Shell) -> None:
    """A new shell stands at the top of the workspace."""
    assert cell(shell, "pwd")[1] == f"{sandbox.root(place)}\n"
    assert Path(place.project).is_dir()
