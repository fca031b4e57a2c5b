"""An exercise: what a learner brings about, and what must be true then.

One exercise is one folder (DESIGN.md, section 5); the catalogue is found by looking at folders and none of it is known here by name.
Nothing is said twice: the title, the tasks and their reference answers stand in `exercise.md`, points and hints on the checks, the id in the folder's name.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType

from autograder.exceptions import BrokenExercise, UsageError
from autograder.settings import FILE, settings
from autograder.variants import Variant, Variants
from autograder.workspace import Workspace

__all__ = [
    "Alternative",
    "Check",
    "Exercise",
    "Mistake",
    "Task",
    "check",
    "chosen_exercises",
    "find_exercise",
    "find_exercises",
    "load_exercise",
]

CATALOG = Path(__file__).parent / "catalog"

Function = Callable[[Workspace], None]


@dataclass(frozen=True)
class Check:
    """One thing that must be true; made by `check`."""

    name: str
    says: str
    """The line in the learner's checklist: the function's docstring."""
    task: int
    points: int
    function: Function = field(repr=False)
    after: Check | None = None
    """The check which must have passed before this one is looked at."""
    acts: bool = False
    """Whether it runs something in the sandbox; otherwise it only reads."""
    acts_in: tuple[str, ...] = ()
    """The folders in which it does: it is first tried in a copy of these alone, so that who changes others need not wait; empty: in all."""
    hints: tuple[str, ...] = ()


def check(
    *,
    task: int,
    points: int,
    after: Check | None = None,
    acts: bool = False,
    acts_in: str | Sequence[str] = (),
    hints: Sequence[str] = (),
) -> Callable[[Function], Check]:
    """Make a check of a function that looks at a workspace and raises `Failed` where something isn't so.

    The order of checks is the order in the file.

    Raises:
        BrokenExercise: the function has no docstring, the points are not positive, or it only reads and yet acts in a folder.
    """

    def decorate(function: Function) -> Check:
        says = inspect.cleandoc(function.__doc__ or "")
        name = getattr(function, "__name__", "?")
        if not says:
            raise BrokenExercise(f"The check `{name}` has no docstring.", "Write the line that the learner reads.")
        if points < 1:
            raise BrokenExercise(f"The check `{name}` has no points.", "Give it one at least.")
        folders = (acts_in,) if isinstance(acts_in, str) else tuple(acts_in)
        if folders and not acts:
            raise BrokenExercise(f"The check `{name}` only reads, but names where it acts.", "Add `acts=True`.")
        return Check(name, says, task, points, function, after, acts, folders, tuple(hints))

    return decorate


@dataclass(frozen=True)
class Mistake:
    """A likely wrong answer to one task, given from the untouched start."""

    name: str
    """What the learner did, as a sentence."""
    task: int
    commands: str
    """Typed into the shell at the top of the workspace."""
    caught_by: Check
    """The first of the task's checks to fail."""
    says: str
    """A regular expression that what the learner is told was found must match."""


@dataclass(frozen=True)
class Alternative:
    """Another right answer to one task."""

    name: str
    task: int
    commands: str


@dataclass(frozen=True)
class Task:
    """One thing to bring about."""

    number: int
    title: str
    text: str
    answer: str
    """The reference answer: commands for the shell."""
    checks: tuple[Check, ...]

    @property
    def points(self) -> int:
        """The sum over the checks."""
        return sum(check.points for check in self.checks)


@dataclass(frozen=True)
class Exercise:
    """One folder of the catalogue."""

    id: str
    """As in `06-virtual-environments`."""
    title: str
    minutes: int
    folder: Path
    tasks: tuple[Task, ...]
    variants: Variants = field(default_factory=Variants, compare=False, repr=False)
    """What differs from learner to learner."""
    seed: str = ""
    """What the variant that its texts speak of was drawn from."""
    tracks: tuple[str, ...] = ()
    """For whom it is, as `wheelhouse.toml` may choose: `newcomer`, `library author`, `operations`."""
    _written: Exercise | None = field(default=None, compare=False, repr=False)
    """With its texts as they were written, before anything was drawn."""

    def drawn(self, seed: str) -> Exercise:
        """Give the exercise as one learner has it: answers, hints and the checks' lines with the values drawn from a seed."""
        if not self.variants or (self._written is not None and seed == self.seed):
            return self
        written = self._written or self
        variant = self.variants.draw(seed)
        checks: dict[Check, Check] = {}
        for one in written.checks:
            hints = tuple(variant.fill(hint) for hint in one.hints)
            after = checks.get(one.after, one.after) if one.after else None
            checks[one] = replace(one, says=variant.fill(one.says), hints=hints, after=after)
        tasks = tuple(
            replace(task, answer=variant.fill(task.answer), checks=tuple(checks[one] for one in task.checks))
            for task in written.tasks
        )
        return replace(written, tasks=tasks, seed=seed, _written=written)

    @cached_property
    def variant(self) -> Variant:
        """What was drawn."""
        return self.variants.draw(self.seed)

    @property
    def number(self) -> int:
        """The lesson's number."""
        return int(self.id.split("-")[0])

    @property
    def points(self) -> int:
        """The sum over the tasks."""
        return sum(task.points for task in self.tasks)

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks, task by task."""
        return tuple(check for task in self.tasks for check in task.checks)

    @property
    def start(self) -> Path:
        """The files a learner begins with; the folder need not exist."""
        return self.folder / "start"

    @property
    def begin_script(self) -> Path | None:
        """Commands which finish the start in the sandbox, for what files alone can't hold: environments, repositories."""
        script = self.folder / "begin.sh"
        return script if script.is_file() else None

    @property
    def page(self) -> Path:
        """The page as written."""
        return self.folder / "exercise.md"

    def task(self, number: int) -> Task:
        """Give one task.

        Raises:
            UsageError: there is none of that number.
        """
        for task in self.tasks:
            if task.number == number:
                return task
        raise UsageError(
            f"Exercise {self.id} has no task {number}.",
            f"Its tasks are {', '.join(str(task.number) for task in self.tasks)}.",
        )

    def mistakes(self) -> list[Mistake]:
        """Likely wrong answers."""
        checks = {one.name: one for one in self.checks}
        return [
            replace(
                one, commands=self.variant.fill(one.commands), caught_by=checks.get(one.caught_by.name, one.caught_by)
            )
            for one in _part(self.folder, "mistakes").MISTAKES
        ]

    def alternatives(self) -> list[Alternative]:
        """Other right answers."""
        alternatives = _part(self.folder, "alternatives").ALTERNATIVES
        return [replace(one, commands=self.variant.fill(one.commands)) for one in alternatives]


def _part(folder: Path, name: str) -> ModuleType:
    """Import `checks`, `mistakes` or `alternatives` of an exercise, which may lie outside the package (an author's draft)."""
    package = f"autograder.catalog.{folder.name}"
    if folder.parent.resolve() != CATALOG.resolve():
        # by what stands in it: an author's next version at the same place is another package
        texts = [str(folder.resolve()), *(one.read_bytes() for one in sorted(folder.glob("*.py")))]
        package = f"_exercise_{hashlib.sha256(repr(texts).encode()).hexdigest()[:16]}_{folder.name}"
        if package not in sys.modules:
            module = ModuleType(package)
            module.__path__ = [str(folder)]
            sys.modules[package] = module
    try:
        return importlib.import_module(f"{package}.{name}")
    except BrokenExercise:
        raise
    except Exception as error:
        raise BrokenExercise(
            f"{folder.name}/{name}.py can't be imported: {type(error).__name__}: {error}.",
            "Mend that file.",
        ) from error


_TASK = re.compile(r"^## Task (\d+): (.+)$")
_CELL = re.compile(r"^```\{code-cell\}.*?$(.*?)^```\s*?$", re.MULTILINE | re.DOTALL)


def _answer(section: str, where: str) -> tuple[str, str]:
    """Split a task's section into its text and its reference answer."""
    for cell in _CELL.finditer(section):
        options, _, body = cell.group(1).lstrip("\n").partition("\n\n")
        if re.search(r"^:tags:.*\banswer\b", options, re.MULTILINE):
            lines = body.strip("\n").splitlines()
            if not lines or lines[0].strip() != "%%shell":
                raise BrokenExercise(
                    f"{where}: the [answer] cell doesn't start with %%shell.",
                    "Put a blank line after its options and %%shell below it.",
                )
            text = section[: cell.start()].strip()
            return text, "\n".join(lines[1:]).strip("\n") + "\n"
    raise BrokenExercise(f"{where} has no cell tagged [answer].", "Add the reference answer.")


def load_exercise(folder: Path) -> Exercise:
    """Read one exercise's folder.

    Raises:
        BrokenExercise: the page and the checks don't fit together, or one of them can't be read.
    """
    page = folder / "exercise.md"
    match = re.fullmatch(r"ex(\d\d)_(\w+)", folder.name)
    if match is None:
        raise BrokenExercise(
            f"{folder.name} is no exercise's name.",
            "Name the folder like ex06_virtual_environments.",
        )
    if not page.is_file():
        raise BrokenExercise(f"{folder.name} has no exercise.md.", "Write the page.")
    found = [value for value in vars(_part(folder, "checks")).values() if isinstance(value, Check)]
    text = page.read_text(encoding="utf-8")
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    minutes = re.search(r"^minutes: *(\d+)\s*$", text, re.MULTILINE)
    if title is None or minutes is None:
        raise BrokenExercise(
            f"{folder.name}/exercise.md lacks its title or its `minutes:`.",
            "Begin with front matter, then one # heading.",
        )
    sections = re.split(r"^(?=## Task \d+:)", text, flags=re.MULTILINE)[1:]
    tasks: list[Task] = []
    for section in sections:
        head, _, rest = section.partition("\n")
        heading = _TASK.match(head)
        if heading is None:
            raise BrokenExercise(
                f"{folder.name}/exercise.md: {head!r} is no task's heading.",
                "Write it like `## Task 1: Build it without pip`.",
            )
        number = int(heading.group(1))
        where = f"{folder.name}/exercise.md, task {number}"
        if number != len(tasks) + 1:
            raise BrokenExercise(f"{where}: task {len(tasks) + 1} was due.", "Number them 1, 2, 3 …")
        checks = tuple(one for one in found if one.task == number)
        if not checks:
            raise BrokenExercise(f"{where} has no check.", f"Write one with task={number}.")
        body, answer = _answer(rest, where)
        tasks.append(Task(number, heading.group(2).strip(), body, answer, checks))
    for one in found:
        if not 1 <= one.task <= len(tasks):
            raise BrokenExercise(
                f"{folder.name}/checks.py: `{one.name}` belongs to task {one.task}, which isn't there."
            )
        if one.after is not None and one.after not in found:
            raise BrokenExercise(f"{folder.name}/checks.py: `{one.name}` waits for a check of another exercise.")
    identity = f"{match.group(1)}-{match.group(2).replace('_', '-')}"
    variants = Variants(folder / "variants.toml")
    if variants and (named := next((task for task in tasks if "{{" in task.text), None)):
        raise BrokenExercise(
            f"{folder.name}/exercise.md: the text of task {named.number} names a value that differs from learner to learner.",
            "The page is one for all: let a file of start/ say it, and the page name the file.",
        )
    for_whom = re.search(r"^tracks: *(.+?)\s*$", text, re.MULTILINE)
    tracks = tuple(one.strip() for one in for_whom.group(1).split(",")) if for_whom else ()
    written = Exercise(
        identity, title.group(1).strip(), int(minutes.group(1)), folder, tuple(tasks), variants, tracks=tracks
    )
    return written.drawn("")


@cache
def find_exercises(catalog: Path = CATALOG) -> tuple[Exercise, ...]:
    """Read every exercise in the catalogue, in order of their numbers."""
    return tuple(load_exercise(folder) for folder in sorted(catalog.glob("ex[0-9][0-9]_*")))


def chosen_exercises(catalog: Path = CATALOG) -> tuple[Exercise, ...]:
    """Give those exercises that `wheelhouse.toml` chooses, by a track or by their numbers; all where it chooses none.

    What isn't chosen can still be begun by whoever names it.

    Raises:
        UsageError: it chooses something that there isn't.
    """
    chosen, every = settings(), find_exercises(catalog)
    tracks = sorted({track for one in every for track in one.tracks})
    if chosen.track and chosen.track not in tracks:
        raise UsageError(
            f"`{FILE}` chooses the track {chosen.track!r}, and there is none of that name.",
            f"There are: {', '.join(tracks)}.",
        )
    numbers = [one.number for one in every]
    if lacking := [number for number in chosen.exercises if number not in numbers]:
        raise UsageError(
            f"`{FILE}` chooses exercise {lacking[0]}, and there is none.",
            f"There are: {', '.join(map(str, numbers))}.",
        )
    if chosen.exercises:
        return tuple(one for one in every if one.number in chosen.exercises)
    return tuple(one for one in every if not chosen.track or chosen.track in one.tracks)


def find_exercise(name: str, catalog: Path = CATALOG) -> Exercise:
    """Find an exercise by its number, its id or any part of it that only one has.

    Raises:
        UsageError: none or several fit.
    """
    every = find_exercises(catalog)
    wanted = name.strip().lower()
    by_number = [one for one in every if wanted.isdigit() and one.number == int(wanted)]
    fits = by_number or [one for one in every if wanted and wanted in one.id]
    exact = [one for one in every if one.id == wanted]
    if len(exact or fits) == 1:
        return (exact or fits)[0]
    known = ", ".join(one.id for one in every)
    if fits:
        raise UsageError(
            f"{name!r} fits several exercises: {', '.join(one.id for one in fits)}.",
            "Type more of the name.",
        )
    raise UsageError(f"There is no exercise {name!r}.", f"There are: {known}.")
