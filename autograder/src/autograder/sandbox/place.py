"""What a sandbox is asked for, and what it gives back."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

from autograder.exceptions import SandboxError
from autograder.sandbox.prompts import Hear
from autograder.sandbox.questions import Ask

__all__ = [
    "DEFAULT_LIMITS",
    "ISOLATING",
    "Completed",
    "Door",
    "Doors",
    "Index",
    "Limits",
    "Place",
    "Sandbox",
    "Shell",
    "Tier",
    "TierReport",
    "folders_exist",
    "relative_folder",
]

Tier = Literal["strong", "strong-pod", "medium", "basic"]
"""From the strongest to the weakest; DESIGN.md, section 6, says what each guarantees."""

ISOLATING: tuple[Tier, ...] = ("strong", "strong-pod")
"""The tiers in which other people's work may be run without somebody having said in words that they take the risk."""

Door = Literal["names", "proxy", "loopback"]
"""How commands get to the index: see `autograder.sandbox.way`."""

_NOT_OVER = re.compile(r"/(usr|etc|proc|dev|sys|boot|run|bin|sbin|lib|lib32|lib64|libx32|libexec)(/|$)")
"""Where the system's own files stand: a workspace must never cover them."""


@dataclass(frozen=True)
class Limits:
    """The bounds of one run, of one cell of a shell, or of a terminal; each one hit is named in `Completed.stopped`.

    The kernel holds what it can hold by itself; `autograder.sandbox.watch` looks after the rest, in every tier.
    """

    wall_seconds: float | None = 120.0
    cpu_seconds: int = 120
    """Of all processes together, and so of each."""
    memory_bytes: int = 4 << 30
    """Addresses of each process, most of which are never used."""
    tree_memory_bytes: int = 2 << 30
    """Memory of all processes together; never more than half of what the machine has."""
    processes: int = 256
    file_bytes: int = 256 << 20
    """Of one file."""
    open_files: int = 1024
    output_bytes: int = 1_000_000
    disk_bytes: int = 2 << 30
    """What may be added to the writable folders."""
    new_files: int = 50_000
    """How many files and folders may be added there."""
    enough: Callable[[], bool] | None = None
    """Says when whoever waits for it has had enough; asked some times a second."""


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Place:
    """The folders which a sandbox may write to, and where the project appears in it."""

    project: Path
    home: Path
    system: Path
    root: PurePosixPath | None = None
    """Where the project must appear; None leaves it to the tier. Only the strong tier can grant a wish."""
    read_only_project: bool = False
    read_only_system: bool = False
    """Whether `system` is another's, such as `seed.still_system()`. Only the strong tiers can grant this."""
    published: Path | None = None
    """What was published from here to the index: see `autograder.index.journal`. None: nothing can be."""

    def __post_init__(self) -> None:
        """Refuse a root that would cover the system's own files: it comes from a snapshot, which is hostile input.

        Raises:
            SandboxError: the root is not an absolute, normal path outside the system's folders.
        """
        if self.root is None:
            return
        text = str(self.root)
        if (
            os.path.normpath(text) != text
            or not text.startswith("/")
            or text.startswith("//")
            or len(text.split("/")) < 3
            or len(os.fsencode(text)) > 1000
            or any(ord(letter) < 32 for letter in text)
            or _NOT_OVER.match(text)
            or text == "/home/learner"
            or "/home/learner/".startswith(text + "/")
        ):
            raise SandboxError(
                f"A workspace can't stand at {text!r} in the sandbox.",
                "The snapshot was made elsewhere or by hand: check the workspace again to write a new one.",
            )


@dataclass(frozen=True)
class Completed:
    """What one run did."""

    exit_status: int
    """The command's own, 128 + number for a signal; 137 when the run was stopped."""
    output: str
    """Standard output and standard error in the order in which they came."""
    stopped: str = ""
    """Empty, or the bound that ended the run, as a sentence: "stopped: longer than 120 s"."""


@dataclass(frozen=True)
class TierReport:
    """What one tier is worth on this machine."""

    tier: Tier
    works: bool
    reason: str
    """Why it doesn't work; empty if it does."""
    guarantees: str
    how_to_get: str
    """The next step towards it; empty if it works."""


class Doors(Protocol):
    """The host names by which the index can be reached with TLS."""

    @property
    def hosts_file(self) -> Path:
        """A file for /etc/hosts."""

    @property
    def authority(self) -> Path:
        """A folder for /etc/ssl/certs, as OpenSSL wants it."""

    @property
    def bundle(self) -> Path:
        """The certificates to trust, in one file of that folder: `ca-certificates.crt`."""

    @property
    def simple(self) -> Mapping[str, str]:
        """Index -> the address of its Simple API."""

    @property
    def legacy(self) -> Mapping[str, str]:
        """Index -> the address which uploads go to."""

    @property
    def forge(self) -> str:
        """The address at which the stand-in for a code forge tells its workflows who they are."""


class Index(Protocol):
    """Whatever answers on the index's address in the sandbox."""

    @property
    def doors(self) -> Doors | None:
        """Its host names; None where it can't be reached by any."""

    def serve(
        self, listener: socket.socket, published: Path | None = None, secure: socket.socket | None = None
    ) -> AbstractContextManager[None]:
        """Serve on a listening socket, and with TLS on a `secure` one, from threads of this process, until the context is left.

        What is uploaded goes into the folder `published`, and is served beside the rest; without it nothing can be uploaded.
        """


class Shell(Protocol):
    """A bash that lives from cell to cell."""

    def run(self, text: str, write: Callable[[str], None]) -> int:
        """Run a cell, hand its output to `write` as it comes, and give its exit status."""

    @property
    def alive(self) -> bool:
        """Say whether the next cell will find what the last one left."""

    def close(self) -> None:
        """End the shell and everything it started."""


class Sandbox(Protocol):
    """A way to run commands within bounds."""

    @property
    def tier(self) -> Tier:
        """Name the tier."""

    @property
    def door(self) -> Door:
        """Say how commands get to the index."""

    def root(self, place: Place) -> PurePosixPath:
        """Say where the project appears inside."""

    def python_home(self, place: Place) -> PurePosixPath:
        """Give the folder of the system Python's executables, as seen inside."""

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
        """Run one command to its end; every process it started is dead when this returns."""

    def shell(
        self, place: Place, *, limits: Limits = DEFAULT_LIMITS, hear: Hear | None = None, ask: Ask | None = None
    ) -> Shell:
        """Start a bash for cells; the limits hold for each cell, `hear` is told of each that has ended, `ask` answers `course`."""

    def has_zsh(self) -> bool:
        """Say whether commands find a zsh."""

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
        """Hand the caller's terminal to a shell, or to a command, and give its exit status.

        `hear` is told of each prompt; `ask` answers the command `course`.
        """


def folders_exist(place: Place) -> None:
    """Check that the project is there; a HOME that is gone, by `rm -rf ~`, is made anew.

    Raises:
        SandboxError: the project is not there.
    """
    if not place.project.is_dir():
        raise SandboxError(f"The folder {place.project} is gone.", "Run `course reset` with the exercise's number.")
    if not place.home.is_dir():
        place.home.unlink(missing_ok=True)
        place.home.mkdir(parents=True, exist_ok=True)


def relative_folder(cwd: str) -> str:
    """Check a folder given relative to the project.

    Raises:
        SandboxError: it is absolute or climbs out.
    """
    if cwd.startswith("/") or ".." in cwd.split("/") or "\0" in cwd:
        raise SandboxError(f"{cwd!r} is not a folder of the workspace.")
    return cwd
