"""Hear from outside when a shell in the sandbox shows its prompt again: what was typed, how it ended, where the shell stands.

The hooks in startup.py write a message of NUL-ended fields to a pipe, whose other end a thread of ours reads:
the shell, exit status, time begun and ended (microseconds, or seconds with a point), folder, command, exported variables …, `\\x1e`.
Whatever runs in the sandbox can write to that pipe too: all of this is a help for the learner and proves nothing.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import re
import select
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["DESCRIPTOR", "Hear", "Prompt", "PromptPipe", "read_messages"]

DESCRIPTOR = 199
"""By which number the shells know the pipe: one that no shell and no usual program takes for itself."""
LARGEST = 1 << 20
"""More bytes than this without an end are no message."""
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031  # Linux
_END = b"\x1e"


@dataclass(frozen=True)
class Prompt:
    """One return of a prompt."""

    shell: str
    """`bash`, `zsh` or `cell`; `command` for one that ran without a shell, `ended` for a shell that was ended."""
    status: int
    """The exit status of what ran before it."""
    cwd: str
    """Where the shell stands now."""
    command: str = ""
    """What was typed; empty where nothing was, or where it was not to be remembered."""
    hidden: bool = False
    """Whether something ran that was not to be remembered: it was typed with a leading space."""
    began: float | None = None
    """When it began, in seconds since 1970; None where the shell can't tell, or nothing ran."""
    ended: float | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What is exported: environment variables of the next command."""
    stopped: str = ""
    """The bound that ended the shell itself, as a sentence: then no prompt returned, and none will."""


Hear = Callable[[Sequence[Prompt]], None]
"""Takes the prompts that came since the last call, oldest first."""


def _moment(text: str) -> float | None:
    if re.fullmatch(r"\d{16,17}", text):
        return int(text) / 1e6
    return float(text) if re.fullmatch(r"\d{9,11}[.,]\d{1,10}", text.replace(",", ".")) else None


_DECLARED = re.compile(
    r"""^declare\ -\w*x\w*\ (?P<name>\w+)(?:=(?:"(?P<plain>(?:[^"\\]|\\.)*)"|\$'(?P<ansi>(?:[^'\\]|\\.)*)'))?$""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_ANSI = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}


def _ansi(match: re.Match[str]) -> str:
    text = match[1]
    if text[0] in "01234567":  # a byte, maybe one of several that make a letter
        byte = int(text, 8) & 0xFF
        return chr(byte if byte < 0x80 else 0xDC00 + byte)
    return _ANSI.get(text, text)


def _declared(text: str) -> dict[str, str]:
    """Read what `declare -xp` prints."""
    found = {}
    for match in _DECLARED.finditer(text):
        if match["plain"] is not None:
            found[match["name"]] = re.sub(r"\\(.)", r"\1", match["plain"], flags=re.DOTALL)
        elif match["ansi"] is not None:
            text = re.sub(r"\\([0-7]{1,3}|.)", _ansi, match["ansi"], flags=re.DOTALL)
            found[match["name"]] = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return found


class _Reader:
    """Makes prompts of one shell's messages; remembers how far its history was."""

    def __init__(self) -> None:
        self._rest = b""
        self._number: str | None = None

    def feed(self, data: bytes) -> list[Prompt]:
        """Take some bytes, and give the prompts that are whole now."""
        *whole, self._rest = (self._rest + data).split(b"\0" + _END + b"\0")
        if len(self._rest) > LARGEST:
            self._rest = b""
        return [prompt for one in whole if (prompt := self._read(one)) is not None]

    def _read(self, message: bytes) -> Prompt | None:
        shell, *fields = message.decode("utf-8", "surrogateescape").split("\0")
        if shell not in ("bash", "zsh", "cell") or len(fields) < 5 or not re.fullmatch(r"\d{1,3}", fields[0]):
            return None
        status, began, ended, cwd, typed, *rest = fields
        start = _moment(began)
        if shell == "zsh":
            variables = dict(one.split("=", 1) for one in rest if "=" in one)
        else:
            variables = _declared(rest[0] if rest else "")
        ran = start is not None
        if shell == "bash":
            match = re.match(r"\s*(\d+)[ *]+(.*)", typed, re.DOTALL)
            number, typed = (match[1], match[2]) if match else ("", "")
            fresh = self._number is not None and number != self._number
            self._number, typed = number, typed if fresh else ""
            ran = ran or fresh
        command = "" if typed.startswith((" ", "\t")) else typed.strip()
        return Prompt(shell, int(status), cwd, command, ran and not command, start, _moment(ended), variables)


def read_messages(data: bytes) -> list[Prompt]:
    """Read all the messages of one shell."""
    return _Reader().feed(data)


class PromptPipe:
    """A pipe from one shell, and the thread that reads it."""

    def __init__(self, hear: Hear) -> None:
        """Make the pipe; `hear` is called from a thread of its own, and whatever it raises is passed over."""
        self._hear = hear
        self._read, self._write = os.pipe()
        with contextlib.suppress(OSError, ValueError):  # lest a pasted page of commands wait for us
            fcntl.fcntl(self._write, _F_SETPIPE_SZ, _PIPE_BYTES)
        self._reading = threading.Lock()
        self._open = True

    @property
    def descriptors(self) -> dict[int, int]:
        """The descriptor to pass, by its number inside."""
        return {DESCRIPTOR: self._write}

    def started(self) -> None:
        """Let go of the writing end, which the shell has now, and listen."""
        os.close(self._write)
        threading.Thread(target=self._listen, name="wheelhouse-prompts", daemon=True).start()

    def failed(self) -> None:
        """Close both ends: there is no shell."""
        os.close(self._write)
        os.close(self._read)
        self._open = False

    def _listen(self) -> None:
        reader = _Reader()
        while True:
            select.select([self._read], [], [])
            with self._reading:
                data = os.read(self._read, _PIPE_BYTES)
                if not data:
                    os.close(self._read)
                    self._open = False
                    return
                prompts = reader.feed(data)
                if prompts:
                    with contextlib.suppress(Exception):
                        self._hear(prompts)

    def settle(self, seconds: float = 1.0) -> bool:
        """Wait until all that was told is heard; False if it takes longer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._reading.acquire(timeout=max(0.0, end - time.monotonic())):
                try:
                    if not self._open or not self._waiting():
                        return True
                finally:
                    self._reading.release()
            time.sleep(0.001)
        return False

    def _waiting(self) -> int:
        count = array.array("i", [0])
        fcntl.ioctl(self._read, termios.FIONREAD, count)
        return count[0]
