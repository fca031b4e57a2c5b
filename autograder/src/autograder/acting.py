"""What checks run: a copy of the workspace in the sandbox, and the results that were kept of it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autograder import __version__
from autograder.exceptions import SandboxError
from autograder.exercise import Check, Exercise
from autograder.folder import index, sandbox
from autograder.places import cache
from autograder.sandbox import ISOLATING, Limits, Place, Sandbox
from autograder.sandbox.pythons import PLAIN, Pythons
from autograder.sandbox.scratch import scratch_folder
from autograder.sandbox.seed import require_sound_seed, still_system
from autograder.sandbox.system_python import make_system, system_python_version, writable_parts
from autograder.sandbox.tools import lacking, tools_mark
from autograder.snapshot import ContentStore, SnapshotTree, open_store, restore, restore_published
from autograder.verdict import Outcome
from autograder.workspace import Ran

__all__ = ["Cancelled", "Onlooker", "Stage", "keep", "kept_at", "recall"]


class Cancelled(BaseException):
    """Whoever waited for a check has had enough. No check and no handler of errors takes it for a result."""


@dataclass(frozen=True)
class Onlooker:
    """Somebody who waits for the checks that run something."""

    tell: Callable[[Check, int, int], None] = lambda *_: None
    """Is told which one runs now, the how manieth it is, and of how many."""
    enough: Callable[[], bool] = lambda: False
    """Is asked some times a second whether to stop."""


SCRATCH = "wheelhouse-acting-"
"""How the folders of copies are called."""
_ALLOWED = {"": (), "medium": ("medium",), "basic": ("medium", "basic")}
"""Which tiers somebody accepts in words, besides those that isolate."""


def _marks(folder: Path) -> str:
    """Tell whether anything below a folder was written: a program can set sizes and times of change back, but not inodes and ctimes."""
    found = hashlib.sha256()
    todo = [str(folder)]
    while todo:
        with contextlib.suppress(OSError), os.scandir(todo.pop()) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                state = entry.stat(follow_symlinks=False)
                mark = f"{entry.path}\0{state.st_mode}"
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                else:
                    mark += f"\0{state.st_size}\0{state.st_ino}\0{state.st_ctime_ns}"
                found.update(f"{mark}\n".encode(errors="surrogateescape"))
    return found.hexdigest()


class Stage:
    """Where the acting checks of a snapshot run: the workspace put together again, in the sandbox, when first asked for.

    None of them meets what another left behind: where one changed anything, the next gets a copy of its own (`clear`).
    """

    def __init__(
        self,
        tree: SnapshotTree,
        tier: str | None,
        *,
        trusted: bool,
        unsafe: str = "",
        pythons: Pythons = PLAIN,
        onlooker: Onlooker | None = None,
        still: bool = False,
    ) -> None:
        """Be ready to put `tree` together; unless it is `trusted`, only in a tier that isolates, or in one that `unsafe` allows.

        `still` does without a system Python of its own where the tier can show one that stays as it is: most of a copy is that.
        """
        self.tree = tree
        self.tier = tier
        self.trusted = trusted
        self.unsafe = unsafe
        self.pythons = pythons
        self.onlooker = onlooker or Onlooker()
        self._still = still and pythons == PLAIN
        self.missing: tuple[str, ...] = ()
        self._made = contextlib.ExitStack()
        self._place: Place | None = None
        self._mark: tuple[str, ...] = ()

    def __enter__(self) -> Stage:
        """Make nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the copy."""
        self._remove()

    def clear(self) -> None:
        """Throw the copy away if anything in it was changed, bytecode too: the next command would run it."""
        if self._place is not None and self._state(self._place) != self._mark:
            self._remove()

    @staticmethod
    def _state(place: Place) -> tuple[str, ...]:
        """Look at what a command may change; the sandbox's own lock beside it is none of its business."""
        seen = [place.project, place.home]
        if not place.read_only_system:
            seen += [place.system / part for part in writable_parts()]
        if place.published is not None:
            seen.append(place.published)
        return tuple(_marks(folder) for folder in seen)

    def _remove(self) -> None:
        self._made.close()
        self._place = None

    @functools.cached_property
    def _box(self) -> Sandbox:
        box = sandbox(self.tier)
        if not self.trusted and box.tier not in (*ISOLATING, *_ALLOWED[self.unsafe]):
            raise SandboxError(
                f"Other people's work is run in the strong sandbox only; this machine has only the {box.tier} one.",
                f"See `course doctor` for how to get it, or accept the risk in words: `--unsafe-{box.tier}`.",
            )
        if not self.trusted:
            require_sound_seed()
        return box

    @property
    def in_force(self) -> str:
        """The tier in which commands run, where that is one that doesn't isolate; empty otherwise, and where none works."""
        try:
            return "" if self._box.tier in ISOLATING else self._box.tier
        except SandboxError:
            return ""

    def _prepared(self) -> Place:
        if self._place is None:
            box = self._box
            folder = self._made.enter_context(scratch_folder(SCRATCH))
            project, home, system, published = (folder / name for name in ("project", "home", "system", "published"))
            for one in (project, home, published):
                one.mkdir()
            isolated = box.tier in ISOLATING
            if still := self._still and isolated:
                system = still_system()
            else:
                make_system(system, self.pythons)
            # without namespaces a folder can't be shown elsewhere than where it is
            root = self.tree.facts.root if isolated else None
            place = Place(project, home, system, root=root, read_only_system=still, published=published)
            self.missing = restore(
                self.tree,
                project,
                facts=self.tree.facts,
                root=box.root(place),
                python_home=str(box.python_home(place)),
                store=_store(),
                sealed=True,
            )
            if self.tree.published is not None:
                restore_published(self.tree.published, published)
            box.run(["true"], place)  # so that what the sandbox itself puts there is no change of a check's
            self._mark = self._state(place)
            self._place = place
        return self._place

    def act(self, argv: tuple[str, ...], cwd: str = "") -> Ran:
        """Run one command, from a folder of the workspace.

        Raises:
            Cancelled: the onlooker has had enough.
            SandboxError: this machine can't run it.
        """
        if lacking(argv[0]):
            raise SandboxError(
                f"This machine lacks `{argv[0]}`, with which this is tried.", "Run `course index fetch`."
            )
        enough = self.onlooker.enough
        if enough():
            raise Cancelled
        place = self._prepared()
        done = self._box.run(list(argv), place, limits=Limits(wall_seconds=60, enough=enough), cwd=cwd)
        if enough():
            raise Cancelled
        return Ran(done.exit_status, done.output, done.stopped)

    def judge(self, outcome: Outcome) -> Outcome:
        """Don't blame the learner for a failure where this machine lacks files of their installed distributions.

        That is so where the workspace was made by another patch release of Python, whose bundled pip this one doesn't have,
        or where the mirror was not fetched.
        """
        lacking = [path for path in self.missing if "/site-packages/" in path]
        if outcome.state != "failed" or not lacking:
            return outcome
        return Outcome(
            outcome.check,
            "error",
            None,
            f"This machine lacks {len(lacking)} files of what is installed in the workspace (`{lacking[0]}` is the first), "
            "so it can't try this.",
            f"Run `course index fetch`, or check with Python {self.tree.facts.python_version}, which made the workspace.",
        )


@functools.cache
def _store() -> ContentStore:
    """Open the store of known contents once a process."""
    return open_store(index().known)


@functools.cache
def _source(exercise: Exercise) -> str:
    """Hash what a check's result depends on besides the state: the checks' own text, and that of the modules beside them."""
    beside = [*sorted(exercise.folder.glob("*.py")), *exercise.folder.glob("pythons.toml")]
    texts = [path.read_bytes() for path in beside if path.name not in ("mistakes.py", "alternatives.py")]
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


@functools.cache
def _judges() -> str:
    """Hash the modules that put a workspace together, run commands in it and read what came of it: a mended one tries again."""
    package = Path(__file__).parent
    chosen = [*package.glob("*.py"), *(path for part in _PARTS for path in (package / part).rglob("*.py"))]
    found = hashlib.sha256()
    for path in sorted(chosen):
        found.update(f"{path.relative_to(package)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


_PARTS = ("index", "sandbox", "snapshot")


def kept_at(exercise: Exercise, one: Check, state: str, tier: str = "") -> Path:
    """Say where the result of an acting check is kept: by the state it saw, its own text, and the tools that tried it.

    `tier` is that of `Stage.in_force`: what was found where nothing isolates is believed only there.
    """
    tools = f"{__version__} {_judges()} {system_python_version()} {tools_mark()} {tier}"
    variant = hashlib.sha256(repr([(name, sorted(row.items())) for name, row in exercise.variant.items()]).encode())
    whole = f"{exercise.id} {one.name} {_source(exercise)} {variant.hexdigest()} {state} {tools}"
    return cache() / "acting" / hashlib.sha256(whole.encode()).hexdigest()


def recall(one: Check, kept: Path) -> Outcome | None:
    """Give the result that was kept for this check; None if there is none, or it can't be read."""
    try:
        record = json.loads(kept.read_bytes())
        return Outcome(one, **record)
    except (OSError, ValueError, TypeError):
        return None


def keep(outcome: Outcome, kept: Path) -> None:
    """Keep a result for whoever has the same state; our own errors are tried again."""
    if outcome.state not in ("passed", "failed"):
        return
    record = {name: getattr(outcome, name) for name in ("state", "expected", "found", "next_step", "evidence")}
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_name(f"{kept.name}.{os.getpid()}")
        fresh.write_text(json.dumps(record), encoding="utf-8")
        fresh.replace(kept)
    except OSError:  # a full disk costs speed here, not the result
        return
