"""What both tiers do alike: run a command to its end, hold a shell for cells, hand over the terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import termios
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from autograder.exceptions import SandboxError
from autograder.sandbox.place import (
    DEFAULT_LIMITS,
    Completed,
    Door,
    Limits,
    Place,
    Shell,
    Tier,
    relative_folder,
)
from autograder.sandbox.processes import KILLED, Running, anonymous_file, collect, wait_for_end
from autograder.sandbox.prompts import Hear, Prompt, PromptPipe
from autograder.sandbox.questions import Ask, QuestionChannel
from autograder.sandbox.shell import CellShell
from autograder.sandbox.watch import Watch, writable_folders

__all__ = ["CommandSandbox", "Launch"]

_TERMINAL_LIMITS = Limits(wall_seconds=None, cpu_seconds=4 * 3600, disk_bytes=8 << 30, new_files=200_000)
"""Somebody works there for hours."""


class _Ended(BaseException):
    """A signal that means the end of the terminal."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One process to start in a sandbox, and how."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    streams: tuple[Any, Any, Any]
    """Its standard input, output and error, as `subprocess` takes them."""
    limits: Limits
    cwd: str = ""
    """Relative to the project."""
    descriptors: Mapping[int, int] = field(default_factory=dict)
    """Further descriptors of ours, by the number that each has inside."""
    terminal: bool = False
    """Whether its standard input is to become the terminal that it controls."""
    share_session: bool = False
    """Whether it stays in the caller's session, as what uses the caller's terminal must."""
    ignore: Sequence[str] = ()
    """Names of signals that it is born ignoring."""
    lasting: bool = False
    """Whether it may outlive the thread that starts it."""


class CommandSandbox(ABC):
    """A tier which can launch a process; all else follows from that."""

    @property
    @abstractmethod
    def tier(self) -> Tier:
        """Name the tier."""

    @property
    @abstractmethod
    def door(self) -> Door:
        """Say how commands get to the index."""

    @abstractmethod
    def root(self, place: Place) -> PurePosixPath:
        """Say where the project appears inside."""

    @abstractmethod
    def python_home(self, place: Place) -> PurePosixPath:
        """Give the folder of the system Python's executables, as seen inside."""

    @abstractmethod
    def _startup_file(self, name: str, place: Place) -> str: ...

    @abstractmethod
    def _environment(self, place: Place, *, terminal: bool, title: str) -> dict[str, str]: ...

    @abstractmethod
    def _launch(self, launch: Launch, place: Place) -> Running: ...

    def _start_watched(self, launch: Launch, place: Place) -> Running:
        """Launch, with somebody to look after the bounds: what was added to the folders is counted from before."""
        watch = Watch(launch.limits, writable_folders(place))
        running = self._launch(launch, place)
        try:
            running.watch = watch.over(running)
        except BaseException:
            running.stop()
            raise
        return running

    def run(
        self,
        argv: Sequence[str],
        place: Place,
        *,
        limits: Limits = DEFAULT_LIMITS,
        cwd: str = "",
        variables: Mapping[str, str] | None = None,
        stdin: bytes = b"",
    ) -> Completed:
        """Run one command to its end; every process it started is dead when this returns.

        Raises:
            SandboxError: the sandbox can't be made.
        """
        environment = self._environment(place, terminal=False, title=place.project.name)
        given = anonymous_file(stdin) if stdin else subprocess.DEVNULL
        output, write = os.pipe()
        try:
            launch = Launch(
                argv=argv,
                limits=limits,
                cwd=relative_folder(cwd),
                environment={**environment, **(variables or {})},
                streams=(given, write, write),
            )
            running = self._start_watched(launch, place)
        except SandboxError as error:
            os.close(write)
            said = os.read(output, 4096).decode("utf-8", "replace").strip()
            os.close(output)
            raise SandboxError(f"{error.message} {said}".strip(), error.next_step) from error
        except BaseException:
            os.close(write)
            os.close(output)
            raise
        finally:
            if stdin:
                os.close(given)
        os.close(write)
        return collect(running, output, limits)

    def shell(
        self, place: Place, *, limits: Limits = DEFAULT_LIMITS, hear: Hear | None = None, ask: Ask | None = None
    ) -> Shell:
        """Give a bash for cells, which starts with the first one; the limits hold for each cell.

        `hear` is told of each cell that has ended; it has returned before the next one begins.
        `ask` answers the command `course`, from a thread of its own.
        """

        def launch(terminal: int, descriptors: Mapping[int, int], mark: str) -> Running:
            environment = self._environment(place, terminal=False, title=place.project.name)
            environment |= {"PAGER": "cat", "GIT_PAGER": "cat", "WHEELHOUSE_CELL_MARK": mark}
            # Nobody can answer a question in a cell: pip says so instead of failing at the end of its input.
            environment |= {"PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off"}
            rc = self._startup_file("cells.bashrc", place)
            bash = Launch(
                argv=["bash", "--noprofile", "--noediting", "--rcfile", rc, "-i"],
                limits=limits,
                environment=environment,
                streams=(terminal, terminal, terminal),
                descriptors=descriptors,
                terminal=True,
                lasting=True,
            )
            return self._launch_heard(bash, place, hear, ask)

        return CellShell(launch, limits)

    def _launch_heard(self, launch: Launch, place: Place, hear: Hear | None, ask: Ask | None) -> Running:
        """Launch a shell, listen to its prompts, and answer its questions."""
        channels: list[PromptPipe | QuestionChannel] = []
        try:
            pipe = PromptPipe(hear) if hear is not None else None
            channels += [pipe] if pipe is not None else []
            channels += [QuestionChannel(ask)] if ask is not None else []
            for one in channels:
                launch = replace(launch, descriptors={**launch.descriptors, **one.descriptors})
            running = self._start_watched(launch, place)
        except BaseException:
            for one in channels:
                one.failed()
            raise
        for one in channels:
            one.started()
        if pipe is not None:
            running.settle = pipe.settle
        return running

    def has_zsh(self) -> bool:
        """Say whether commands find a zsh."""
        return shutil.which("zsh", path="/usr/bin:/bin") is not None

    def interactive(
        self,
        place: Place,
        argv: Sequence[str] | None = None,
        *,
        title: str = "",
        zsh: bool = False,
        hear: Hear | None = None,
        ask: Ask | None = None,
    ) -> int:
        """Hand the caller's terminal to a bash (or a zsh), or to a command, and give its exit status.

        Meanwhile this process serves the index, and leaves ^C, ^\\ and ^Z to those inside.
        `hear` is told of each prompt, and `ask` answers the command `course`, each from a thread of its own.

        Raises:
            SandboxError: the sandbox can't be made.
        """
        environment = self._environment(place, terminal=True, title=title or place.project.name)
        shell = ["bash", "--noprofile", "--rcfile", self._startup_file("terminal.bashrc", place), "-i"]
        if zsh:  # with -d the machine's own start-up files are not read
            shell = ["zsh", "-d", "-i"]
            environment |= {"SHELL": "/bin/zsh", "ZDOTDIR": self._startup_file("zsh", place)}
        with _terminal_handed_over():
            running: Running | None = None
            try:
                launch = Launch(
                    argv=list(argv) if argv else shell,
                    limits=_TERMINAL_LIMITS,
                    environment=environment,
                    streams=(None, None, None),
                    share_session=True,
                    # A lone command has no shell that could wake it after ^Z.
                    ignore=("SIGTSTP",) if argv else (),
                )
                running = self._launch_heard(launch, place, None if argv else hear, ask)
                stopped = wait_for_end(running)
                running.stop()
                if stopped := stopped or running.stopped:
                    print(f"\r\n{stopped}\r")
                    if hear is not None and not argv:
                        running.settle()
                        hear([Prompt("ended", KILLED, "", stopped=stopped)])
            except _Ended as end:
                if running is not None:
                    running.stop()
                return 128 + end.number
            finally:
                if running is not None:
                    running.stop()
                    running.settle()
            return running.stop()


@contextlib.contextmanager
def _terminal_handed_over() -> Iterator[None]:
    """Ignore the keys that are meant for those inside; end on a hang-up; put the terminal back in order afterwards."""

    def end(number: int, frame: object) -> None:
        raise _Ended(number)

    handlers: dict[int, Any] = {
        signal.SIGINT: signal.SIG_IGN,
        signal.SIGQUIT: signal.SIG_IGN,
        signal.SIGTSTP: signal.SIG_IGN,
        signal.SIGTTOU: signal.SIG_IGN,
        signal.SIGHUP: end,
        signal.SIGTERM: end,
    }
    in_main_thread = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, handler) for number, handler in handlers.items() if in_main_thread}
    try:
        modes = termios.tcgetattr(0)
    except (termios.error, OSError):
        modes = None
    sys.stdout.flush()
    try:
        yield
    finally:
        if modes is not None:
            with contextlib.suppress(termios.error, OSError):
                os.tcsetpgrp(0, os.getpgrp())
                termios.tcsetattr(0, termios.TCSADRAIN, modes)
        for number, handler in before.items():
            signal.signal(number, handler)
