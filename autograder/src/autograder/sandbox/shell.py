"""A bash that lives from notebook cell to notebook cell: folder, variables, functions and activation stay.

bash runs on a terminal of its own, so that job control and ^C work as they do by hand.
A cell goes in through descriptor 8 and ends with NUL; exit statuses come out of descriptor 9.
After each cell bash also writes a mark to the terminal: all that stands before the mark belongs to the cell.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import re
import secrets
import select
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping

from autograder.exceptions import SandboxError
from autograder.sandbox.place import Limits
from autograder.sandbox.processes import KILLED, Running
from autograder.sandbox.watch import Watcher

__all__ = ["CellShell"]

_CELLS, _STATUSES = 8, 9
_COLUMNS = 200
_GRACE = 3.0  # seconds between ^C and the end of the shell
_START = 30.0
_STEP = 0.1
_DEAF = "The command did not answer the interrupt, so its shell was ended; the next cell starts a new one."
_RUN_A_CELL = b' __wheelhouse_read; eval "$__wheelhouse_cell" </dev/null 7>&- 8<&- 9>&-\n'


class CellShell:
    """See `autograder.sandbox.place.Shell`."""

    def __init__(self, launch: Callable[[int, Mapping[int, int], str], Running], limits: Limits) -> None:
        """Remember how to start; the first cell does it."""
        self._launch = launch
        self._limits = limits
        self._bash: _Bash | None = None
        self._turn = threading.Lock()

    @property
    def alive(self) -> bool:
        """Say whether the next cell will find what the last one left."""
        return self._bash is not None and self._bash.running.process.poll() is None

    def close(self) -> None:
        """End the shell and everything it started."""
        bash, self._bash = self._bash, None
        if bash is not None:
            bash.close()

    def run(self, text: str, write: Callable[[str], None]) -> int:
        """Run a cell, hand its output to `write` as it comes, and give its exit status.

        An interrupt (KeyboardInterrupt) or a bound ends the cell; the shell lives on unless it doesn't answer.

        Raises:
            SandboxError: the sandbox can't be made, or the text holds a NUL.
        """
        if "\0" in text:
            raise SandboxError("A cell can't hold a NUL character.")
        with self._turn:
            if self._bash is not None and not self.alive:
                why = self._bash.stopped
                self.close()
                write(f"{why}\nThe shell had ended; this cell starts a new one.\n".lstrip("\n"))
            if self._bash is None:
                self._bash = _Bash(self._launch, self._limits)
            sink = _Sink(write, self._limits.output_bytes)
            status = self._bash.run(text.replace("\r\n", "\n"), sink)
            self._bash.running.settle()
            if status is None:
                why = self._bash.stopped  # what the kernel ended is known until the group it ran in is removed
                ended = self._bash.close()
                sink.stopped = sink.stopped or why or self._bash.stopped
                self._bash = None
                sink.line(sink.stopped or f"The shell has ended (exit status {ended}); the next cell starts a new one.")
                return KILLED if sink.stopped else ended
            if sink.stopped:
                sink.line(sink.stopped)
                return status or KILLED
            return status


class _Sink:
    """Where a cell's output goes: as text, in lines that end in a line feed only, up to a bound."""

    def __init__(self, write: Callable[[str], None], room: int) -> None:
        self._write = write
        self._decode = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._last = "\n"
        self._room = room
        self._total = room
        self.stopped = ""

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Take some bytes; a carriage return waits for what follows it."""
        if not self._room:
            return
        if len(data) > self._room:
            self.stopped = f"stopped: more than {self._total:,} bytes of output"
        data = data[: self._room]
        self._room -= len(data)
        text = self._held + self._decode.decode(data, final)
        self._held = ""
        if text.endswith("\r") and not final:
            text, self._held = text[:-1], "\r"
        text = re.sub(r"\r+\n", "\n", text)
        if text:
            self._write(text)
            self._last = text[-1]

    def line(self, sentence: str) -> None:
        """Write a sentence of ours on a line of its own."""
        self.feed(b"", final=True)
        self._write(("" if self._last == "\n" else "\n") + sentence + "\n")


class _Bash:
    """One bash and its terminal."""

    def __init__(self, launch: Callable[[int, Mapping[int, int], str], Running], limits: Limits) -> None:
        self._limits = limits
        mark = secrets.token_hex(8)
        self._mark = f"\x1e{mark}\x1e".encode()
        self._pending = b""
        self._closed = False
        self._terminal, terminal = os.openpty()
        read_cells, self._cells = os.pipe()
        self._statuses, write_statuses = os.pipe()
        try:
            _set_up(terminal)
            self.running = launch(terminal, {_CELLS: read_cells, _STATUSES: write_statuses}, mark)
        except BaseException:
            for descriptor in (self._terminal, self._cells, self._statuses):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (terminal, read_cells, write_statuses):
                os.close(descriptor)
        self._watch = self.running.watched()
        self._watcher = Watcher(self._watch, self.running)
        self._watcher.start()
        said: list[str] = []
        sink = _Sink(said.append, 10_000)
        if self._wait(sink, time.monotonic() + _START) is None:
            self.close()
            raise SandboxError(f"The shell doesn't start. {''.join(said)}".strip(), "Run `course doctor`.")

    def close(self) -> int:
        """End everything in it, and give bash's exit status."""
        self._watcher.end()
        status = self.running.stop()
        if not self._closed:
            self._closed = True
            for descriptor in (self._terminal, self._cells, self._statuses):
                os.close(descriptor)
        return status

    def run(self, text: str, sink: _Sink) -> int | None:
        """Run a cell; None if the shell is no more."""
        self._watch.begin()
        wall = self._limits.wall_seconds
        deadline = None if wall is None else time.monotonic() + wall
        try:
            os.write(self._terminal, _RUN_A_CELL)
            view = memoryview(text.encode("utf-8", "surrogateescape") + b"\0")
            while view:
                view = view[os.write(self._cells, view) :]
        except OSError:
            return None
        status = self._wait(sink, deadline)
        if status:
            sink.stopped = sink.stopped or self._watch.kernels(status)
        return status

    @property
    def stopped(self) -> str:
        """Give the sentence of the bound that ended the shell, if it was one: of the kernel's, too, which may be quicker than we look."""
        ended = None if self._closed else self.running.process.poll()
        return self._watcher.stopped or (self._watch.kernels(ended) if ended else "")

    def _wait(self, sink: _Sink, deadline: float | None) -> int | None:
        """Pass on output until the cell has ended; None if the shell is no more, or no more to be trusted.

        Whatever must end the cell first asks by ^C; what hasn't ended some seconds later ends with the shell.
        """
        status: int | None = None
        marked = asked = False
        while status is None or not marked:
            try:
                ready, _, _ = select.select([self._terminal, self._statuses], [], [], _STEP)
                if self._terminal in ready:
                    marked = self._read(sink) or marked
                if self._statuses in ready:
                    raw = os.read(self._statuses, 4096)
                    if not raw:
                        self._read_rest(sink)
                        return None
                    status = int(raw.split(b"\0")[-2])
                must_end = bool(sink.stopped)
            except KeyboardInterrupt:
                must_end, ready = True, []
            if status is not None:
                if not ready:
                    break  # the mark never comes: the cell has done something to its terminal
                continue
            if not ready and self.running.process.poll() is not None:
                self._read_rest(sink)
                return None
            if not self._watcher.is_alive():
                return None
            late = deadline is not None and time.monotonic() > deadline
            if asked and late:
                sink.stopped = sink.stopped or _DEAF
                return None
            if (must_end or late) and not asked:
                if late:
                    sink.stopped = f"stopped: longer than {self._limits.wall_seconds:g} s"
                asked, deadline = True, time.monotonic() + _GRACE
                with contextlib.suppress(OSError):
                    os.write(self._terminal, b"\x03")
        return status

    def _read(self, sink: _Sink) -> bool:
        """Pass on what the terminal has; True if the mark was in it."""
        try:
            data = self._pending + os.read(self._terminal, 1 << 16)
        except OSError:  # EIO: nobody has the other side open any more
            return True
        before, mark, after = data.partition(self._mark)
        if mark:
            sink.feed(before)
            self._pending = after
            return True
        # The mark may be cut in two.
        kept = max(
            (size for size in range(1, len(self._mark)) if data.endswith(self._mark[:size])),
            default=0,
        )
        self._pending = data[len(data) - kept :]
        sink.feed(data[: len(data) - kept])
        return False

    def _read_rest(self, sink: _Sink) -> None:
        self.running.process.wait()
        while select.select([self._terminal], [], [], 0)[0]:
            if self._read(sink):
                break


def _set_up(terminal: int) -> None:
    """No echo, no translation of line ends, and wide."""
    modes = termios.tcgetattr(terminal)
    modes[1] &= ~termios.OPOST
    modes[3] &= ~(termios.ECHO | termios.ECHOE | termios.ECHOK | termios.ECHONL | termios.ECHOCTL)
    termios.tcsetattr(terminal, termios.TCSANOW, modes)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, _COLUMNS, 0, 0))
