"""The sandboxed terminal, through a real pseudo-terminal, in each tier."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.sandbox import Place, Sandbox
from sandbox_places import FORK_BOMB, TIERS, alive, gone, new_place, sandbox_of

PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sandbox_places import sandbox_of
from autograder.sandbox import Place
folder = Path(sys.argv[3])
place = Place(folder / "project", folder / "home", folder / "system")
zsh = sys.argv[4:] == ["zsh"]
heard = (folder / "heard").open("w")
def hear(prompts):
    for one in prompts:
        told = [one.shell, one.status, one.command or one.hidden, one.cwd, one.variables.get("X"), one.stopped]
        print(*told[: 6 if one.stopped else 5], file=heard, flush=True)
argv = None if zsh else sys.argv[4:] or None
status = sandbox_of(sys.argv[2]).interactive(place, argv, title="06-virtual-environments", zsh=zsh, hear=hear)
print("LEFT", status, flush=True)
"""


class Terminal:
    """A learner at a terminal."""

    def __init__(self, tier: str, folder: Path, *argv: str) -> None:
        """Open the sandboxed terminal as JupyterLab does: as the first process of a new session."""
        self.seen = ""
        environment = {**os.environ, "TERM": "xterm-256color"}
        here = str(Path(__file__).parent)
        command = [sys.executable, "-c", PROGRAM, here, tier, str(folder), *argv]
        self.descriptor, inside = os.openpty()
        # Not pty.fork(): pytest's process has threads by now, and what is forked of it may hang before it runs anything.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command], stdin=inside, stdout=inside, stderr=inside, env=environment
        )
        os.close(inside)
        self.pid = self.process.pid
        self.resize(30, 100)

    def resize(self, rows: int, columns: int) -> None:
        """Pull at the window's corner."""
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.descriptor, text.encode())

    def expect(self, pattern: str, seconds: float = 20.0) -> str:
        """Wait until something appears, and take all up to it from what is seen."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < end, f"{pattern!r} did not appear in {self.seen!r}"
            if select.select([self.descriptor], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self.descriptor, 1 << 16).decode("utf-8", "replace")
                except OSError:
                    assert re.search(pattern, self.seen), f"{pattern!r} is not in {self.seen!r}"
        taken, self.seen = self.seen[: found.end()], self.seen[found.end() :]
        return taken

    def command(self, text: str) -> str:
        """Type a command and give what it writes."""
        self.type(text + "; echo D''ONE\n")
        return self.expect(r"DONE\r\n").replace("\r\n", "\n")

    def close(self) -> None:
        """Close the window, and end what is left."""
        with contextlib.suppress(OSError):
            os.close(self.descriptor)
        end = time.monotonic() + 10
        while True:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self.pid, os.WNOHANG)[0] == 0:
                    if time.monotonic() > end:
                        os.kill(self.pid, signal.SIGKILL)
                    time.sleep(0.02)
                    continue
            return


@pytest.fixture(scope="module", params=TIERS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each tier."""
    return sandbox_of(request.param)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Place:
    """A place which the tests share."""
    return new_place(tmp_path_factory.mktemp(sandbox.tier))


@pytest.fixture
def terminal(sandbox: Sandbox, place: Place) -> Iterator[Terminal]:
    """A terminal that shows its first prompt."""
    made = Terminal(sandbox.tier, place.project.parent)
    made.expect("ex06")
    yield made
    made.close()


def test_it_greets_and_says_where_one_is(sandbox: Sandbox, place: Place) -> None:
    """A few lines as wide as the window, and a prompt; the tier that only guards against accidents says so."""
    terminal = Terminal(sandbox.tier, place.project.parent)
    try:
        greeting = terminal.expect(r"ex06.*[$#] ")
        assert "sandbox of 06-virtual-environments" in greeting
        assert ("nothing you type here can reach" in greeting) == (sandbox.tier == "strong")
        assert ("guards against accidents" in greeting) == (sandbox.tier == "basic")
        *lines, _ = greeting.splitlines()
        assert len(lines) == 6
        assert max(map(len, lines)) <= 100
        if sandbox.tier == "strong":
            assert ":\x1b[34m~/project\x1b[0m$ " in greeting
        assert f"{sandbox.tier}\n" in terminal.command("echo $WHEELHOUSE_TIER")
    finally:
        terminal.close()


def test_leaving_gives_the_status(terminal: Terminal) -> None:
    """`exit 3` is the status of `course shell`."""
    terminal.type("exit 3\n")
    terminal.expect("LEFT 3\r\n")


def test_control_c_interrupts_the_command_only(terminal: Terminal) -> None:
    """The prompt comes back; the course's process, which serves the index, is not hit."""
    terminal.type("sleep 60\n")
    time.sleep(0.5)
    terminal.type("\x03")
    terminal.expect("ex06")
    assert "130\n" in terminal.command("echo $?")


def test_job_control_works(terminal: Terminal) -> None:
    """^Z stops, `bg` goes on behind, `fg` comes back."""
    terminal.type("sleep 60\n")
    time.sleep(0.5)
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.expect("ex06")
    assert "Running" in terminal.command("bg; jobs")
    terminal.type("fg\n")
    time.sleep(0.5)
    terminal.type("\x03")
    terminal.expect("ex06")
    assert "sleep" not in terminal.command("jobs").partition("D''ONE")[2]


def test_the_window_may_be_resized(terminal: Terminal) -> None:
    """Programs inside see the size at once."""
    terminal.resize(40, 132)
    assert "40 132\n" in terminal.command("stty size")
    assert "132\n" in terminal.command("echo $COLUMNS")


def test_the_prompt_shows_the_environment(terminal: Terminal) -> None:
    """`activate` puts the environment's name in front, `deactivate` takes it away."""
    terminal.command("cd ~/; cd -; python -m venv .venv && source .venv/bin/activate")
    terminal.expect(r"\(\.venv\) .*ex06")
    assert "leftpad-1.1" in terminal.command("pip install leftpad==1.1")
    terminal.command("deactivate")
    assert "(.venv)" not in terminal.expect("ex06")


def test_history_is_kept(sandbox: Sandbox, place: Place) -> None:
    """The arrow key brings back a command of the last terminal, even one that was closed without `exit`."""
    first = Terminal(sandbox.tier, place.project.parent)
    first.expect("ex06")
    first.command("echo remember-$((40+2))")
    first.expect("ex06")
    first.close()
    second = Terminal(sandbox.tier, place.project.parent)
    try:
        second.expect("ex06")
        second.type("\x1b[A\n")
        second.expect("remember-42")
    finally:
        second.close()


def test_nothing_can_type_into_the_terminal(sandbox: Sandbox, terminal: Terminal) -> None:
    """TIOCSTI would let a program type a command for the shell outside."""
    said = terminal.command("python -c 'import fcntl; fcntl.ioctl(0, 0x5412, b\"x\")' 2>&1 | tail -1")
    if sandbox.tier != "basic":
        assert "Operation not permitted" in said


def test_a_command_instead_of_bash(sandbox: Sandbox, place: Place) -> None:
    """`course shell EX -- COMMAND` has the terminal too; ^C reaches it and does not kill the sandbox."""
    terminal = Terminal(
        sandbox.tier,
        place.project.parent,
        *("python", "-c", "import time\ntry: print('waiting'); time.sleep(60)\nexcept KeyboardInterrupt: exit(7)"),
    )
    try:
        terminal.expect("waiting")
        terminal.type("\x03")
        terminal.expect("LEFT 7\r\n")
    finally:
        terminal.close()


@pytest.mark.parametrize("how", ["hang up", "terminate", "kill"])
def test_closing_the_window_ends_everything(sandbox: Sandbox, place: Place, how: str) -> None:
    """No process survives its terminal, however it ends."""
    number = ["hang up", "terminate", "kill"].index(how)
    mark = f"{600_000 + os.getpid() % 100_000}.{TIERS.index(sandbox.tier)}{number}"
    terminal = Terminal(sandbox.tier, place.project.parent)
    try:
        terminal.expect("ex06")
        terminal.command(f"setsid -f sleep {mark}; (trap '' HUP; exec sleep {mark}) & sleep 0.5")
        assert len(alive(mark)) == 2
        if how == "terminate":
            os.kill(terminal.pid, signal.SIGTERM)
        elif how == "kill":
            os.kill(terminal.pid, signal.SIGKILL)
    finally:
        terminal.close()
    assert gone(mark)


def test_a_fork_bomb_ends_the_terminal(sandbox: Sandbox, place: Place) -> None:
    """It is stopped and named, in the terminal and to whoever hears of prompts, and the terminal is usable again."""
    terminal = Terminal(sandbox.tier, place.project.parent)
    try:
        terminal.expect("ex06")
        terminal.type(FORK_BOMB + "\n")
        terminal.expect("stopped: more than 256 processes")
        terminal.expect("LEFT 137")
        assert heard_in(place, last="stopped: more than 256 processes")[-1].startswith("ended 137 ")
    finally:
        terminal.close()


def heard_in(place: Place, seconds: float = 20.0, *, last: str) -> list[str]:
    """Wait until what was told of a prompt ends in `last`, and give all that was told."""
    end = time.monotonic() + seconds
    while not (told := (place.project.parent / "heard").read_text().splitlines()) or not told[-1].endswith(last):
        assert time.monotonic() < end, told
        time.sleep(0.02)
    return told


def test_the_terminal_tells_of_its_prompts(sandbox: Sandbox, place: Place, terminal: Terminal) -> None:
    """What was typed, how it ended, where the shell stands and what it exports is heard outside, before anybody asks."""
    terminal.type("export X=1\n")
    terminal.expect("ex06")
    terminal.type("cd /; (exit 7)\n")
    first, *_, one, two = heard_in(place, last=" / 1")

    assert first == f"bash 0 False {sandbox.root(place)} None"
    assert one == f"bash 0 export X=1 {sandbox.root(place)} 1"
    assert two == "bash 7 cd /; (exit 7) / 1"


def test_a_command_has_no_descriptor_but_its_own(terminal: Terminal) -> None:
    """What the hook writes to is there once; nothing else of the course's is left open for those inside."""
    said = terminal.command("python -c 'import os; print(sorted(map(int, os.listdir(\"/proc/self/fd\"))))'")
    open_ones = [int(one) for one in re.findall(r"\d+", said[said.rindex("[") :])]
    assert [one for one in open_ones if one > 2] in ([3, 199], [199])


needs_zsh = pytest.mark.skipif(shutil.which("zsh", path="/usr/bin:/bin") is None, reason="this machine has no zsh")


@pytest.fixture
def zsh(sandbox: Sandbox, place: Place) -> Iterator[Terminal]:
    """A terminal with zsh in it, that shows its first prompt."""
    made = Terminal(sandbox.tier, place.project.parent, "zsh")
    made.expect("ex06")
    yield made
    made.close()


@needs_zsh
def test_zsh_gets_the_same_lab(sandbox: Sandbox, place: Place, zsh: Terminal) -> None:
    """The same prompt, an environment's name in it, job control, and prompts that tell the same as bash's."""
    if sandbox.tier == "strong":
        zsh.expect(r"~/project\x1b\[39m\$ ")
    zsh.command("python -m venv .venv; source .venv/bin/activate")
    zsh.expect(r"\(\.venv\) .*ex06")
    assert "zsh" in zsh.command("echo $SHELL $ZSH_NAME")
    zsh.expect("ex06")
    zsh.type("export X='a b'  # a comment, and leftpad[extra]\n")
    zsh.expect("ex06")
    zsh.type(" echo not recorded\n")
    zsh.expect("ex06")
    zsh.type("sleep 60\n")
    time.sleep(0.5)
    zsh.type("\x1a")
    zsh.expect("suspended")
    zsh.type("kill %1; cd /; (exit 7)\n")
    told = heard_in(place, last=" / a b")

    assert told[-1] == "zsh 7 kill %1; cd /; (exit 7) / a b"
    assert [line for line in told if line.startswith("zsh 0 True")], "a leading space keeps it off the record"
    assert not [line for line in told if "not recorded" in line]


@needs_zsh
def test_zsh_completes(zsh: Terminal) -> None:
    """The tab key completes the name of a folder."""
    zsh.command("mkdir -p longname")
    zsh.expect("ex06")
    zsh.type("cd long\t")
    zsh.expect(r"longname\S*/")


def test_bash_completes(terminal: Terminal) -> None:
    """The tab key completes the name of a folder."""
    terminal.command("mkdir -p longname")
    terminal.expect("ex06")
    terminal.type("cd long\t")
    terminal.expect("longname/")
