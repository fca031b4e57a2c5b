"""How an exercise starts, ready to be copied: made once by its real commands, then kept.

Where every workspace appears at the same path (the strong tiers), one start serves all of them and lies in the cache,
made in a folder of its own by the very commands of `begin.sh`. Environments hold absolute paths; so where a workspace appears where it is
(medium, basic), a start serves that one only and lies beside it, copied from what the commands made there.

Files keep their times: byte code names its source's, and a copy of both is as good as the two.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autograder.exceptions import BrokenExercise, CourseError
from autograder.exercise import Exercise
from autograder.folder.live import LiveWorkspace, index
from autograder.places import cache
from autograder.sandbox import ISOLATING, Limits, Place
from autograder.sandbox.made_once import made_once
from autograder.sandbox.plan import Item, Plan, discard, plan_of, put_right, read_plan, write_plan
from autograder.sandbox.pythons import PLAIN, Pythons, choose_second, read_pythons
from autograder.sandbox.seed import seed
from autograder.sandbox.system_python import course_uv, make_system, system_plan
from autograder.sandbox.tools import tools_mark
from autograder.variants import Variant

__all__ = ["Start", "keep_start", "kept_start", "make_really", "pythons_of"]

_FORMAT = "1"
_PARTS = ("project", "home", "published")


@dataclass(frozen=True)
class Start:
    """What a workspace begins with."""

    key: str
    """Names all that it is made from."""
    project: Plan = field(default_factory=dict)
    home: Plan = field(default_factory=dict)
    published: Plan = field(default_factory=dict)
    beyond: Mapping[str, Plan] = field(default_factory=dict)
    """What stands in the system Python besides its own, by part."""


def pythons_of(live: LiveWorkspace) -> Pythons:
    """Say which Pythons its exercise asks for."""
    return read_pythons(live.exercise.folder) if live.exercise else PLAIN


def kept_start(live: LiveWorkspace) -> Start | None:
    """Give the start of a workspace, made first where one serves many; None where its commands must be run in place.

    Raises:
        BrokenExercise: its commands fail.
        CourseError: it can't be made.
    """
    exercise = live.exercise
    if exercise is None:
        return Start("free")
    key = _key(live, exercise)
    if exercise.begin_script is None and not exercise.variants:
        return Start(key, plan_of(exercise.start) if exercise.start.is_dir() else {})
    if live.sandbox.tier not in ISOLATING:
        return _read(key, live.state / "start", live)
    try:
        kept = made_once(cache() / "starts" / key, lambda fresh: _make(fresh, live), vital=("project.json",))
    except (OSError, shutil.Error) as error:
        raise CourseError(
            f"The start of {exercise.id} can't be kept in {cache()}: {error}.",
            "Make room on the disk, or set WHEELHOUSE_CACHE to a folder that can be written.",
        ) from error
    start = _read(key, kept, live)
    if start is None:
        raise CourseError(f"The start of {exercise.id} can't be read.", f"Remove {kept}.")
    return start


def make_really(live: LiveWorkspace, place: Place) -> None:
    """Make the start in empty folders by the exercise's own files and commands.

    Raises:
        BrokenExercise: the commands fail.
    """
    exercise = live.exercise
    if exercise is None:
        return
    if exercise.start.is_dir():
        shutil.copytree(exercise.start, place.project, dirs_exist_ok=True, symlinks=True)
        _fill(place.project, exercise.variant)
    if exercise.begin_script is not None:
        script = exercise.variant.fill(exercise.begin_script.read_text("utf-8"))
        done = live.sandbox.run(
            ["bash", "-euo", "pipefail", "-c", script],
            place,
            limits=Limits(wall_seconds=120),
            variables={"WHEELHOUSE_PLACE": exercise.id},
        )
        if done.exit_status != 0:
            raise BrokenExercise(
                f"The start of {exercise.id} can't be made: {done.output.strip()[-300:]} {done.stopped}".strip(),
                "Run `course doctor`, and tell us what it says.",
            )


def _fill(folder: Path, variant: Variant) -> None:
    """Put this learner's values into the files that name them; the files keep their times."""
    for path in sorted(folder.rglob("*")) if variant else ():
        if path.is_file() and not path.is_symlink() and b"{{" in (data := path.read_bytes()):
            state = path.stat()
            path.write_text(variant.fill(data.decode("utf-8")), "utf-8")
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def keep_start(live: LiveWorkspace) -> None:
    """Keep what commands made in place as the start of this one workspace.

    Raises:
        OSError: it can't be written.
    """
    fresh, kept = live.state / "start.new", live.state / "start"
    discard(fresh, live.state)
    fresh.mkdir()
    if live.exercise is None or not _take(live, live.place, fresh, copy=True):
        return
    (fresh / "key").write_text(_key(live, live.exercise), encoding="utf-8")
    discard(kept, live.state)
    fresh.rename(kept)


def _key(live: LiveWorkspace, exercise: Exercise) -> str:
    """Name a start by all that goes into it."""
    digest = hashlib.sha256()
    files = [path for path in sorted(exercise.start.rglob("*")) if path.is_file() and not path.is_symlink()]
    files += [path for path in (exercise.begin_script, exercise.folder / "pythons.toml") if path and path.is_file()]
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(exercise.folder)} {path.stat().st_mode} {len(content)}\n".encode() + content)
    box = live.sandbox
    facts = [_FORMAT, exercise.id, seed().name, tools_mark(), index().mark, box.tier, box.door]
    facts += [str(box.root(live.place)), str(box.python_home(live.place))]
    facts += [repr(sorted(row.items())) for _, row in sorted(exercise.variant.items())]
    if pythons_of(live).second:
        live.place.system.mkdir(parents=True, exist_ok=True)
        facts.append(choose_second(live.place.system).seed.name)
    if (uv := course_uv()) is not None:
        facts += [f"{uv.stat().st_size} {int(uv.stat().st_mtime)}"]  # an image keeps whole seconds
    digest.update("\n".join(facts).encode())
    return f"{exercise.id}-{digest.hexdigest()[:16]}"


def _make(fresh: Path, live: LiveWorkspace) -> None:
    fresh.mkdir(parents=True)
    place = Place(fresh / "project", fresh / "home", fresh / "system", published=fresh / "published")
    for folder in (place.project, place.home, place.system, fresh / "published"):
        folder.mkdir()
    make_system(place.system, pythons_of(live))
    make_really(live, place)
    if not _take(live, place, fresh, copy=False):
        raise BrokenExercise(
            f"The start of {live.name} removes something from the system Python.", "Leave to it what it came with."
        )
    shutil.rmtree(place.system)


def _take(live: LiveWorkspace, place: Place, kept: Path, *, copy: bool) -> bool:
    """Write down what was made at a place, and with `copy` take a copy of it; False if the system Python lost something."""
    found: dict[str, tuple[Plan, Path]] = {}
    for name, folder in zip(_PARTS, (place.project, place.home, live.state / "published"), strict=True):
        folder = folder if copy else kept / name
        found[name] = (plan_of(folder) if folder.is_dir() else {}, folder)
    beyond: dict[str, Plan] = {}
    for part, plan in system_plan(place.system, live.sandbox.python_home(place)).items():
        there = plan_of(place.system / part)
        if plan.keys() - there.keys():
            return False
        beyond[part] = {path: item for path, item in there.items() if not _same(item, plan.get(path))}
    for name, (plan, folder) in found.items():
        if copy:
            (kept / name).mkdir()
            put_right(kept / name, plan, {}, kept)
            plan = plan_of(kept / name)
            folder = kept / name
        write_plan(plan, kept / f"{name}.json", folder)
    (kept / "beyond").mkdir()
    (kept / "beyond" / "parts").write_text("\n".join(beyond), encoding="utf-8")
    for part, plan in beyond.items():
        above = {str(parent): Item("folder") for path in plan for parent in reversed(Path(path).parents)}
        whole = {path: item for path, item in {**above, **plan}.items() if path != "."}
        target = kept / "beyond" / part
        target.mkdir(parents=True)
        put_right(target, whole, {}, kept)
        write_plan(plan_of(target), target.with_name(f"{target.name}.json"), target)
    return True


def _same(item: Item, planned: Item | None) -> bool:
    """Say whether what stands in a system Python is what was put there: only its own commands change it, and leave other times."""
    if planned is None or item.kind != planned.kind:
        return False
    if item.kind == "file" and planned.content is not None:
        return Path(item.source).read_bytes() == planned.content
    return item.kind != "file" or (item.size == planned.size and planned.mtime in (0, item.mtime))


def _read(key: str, kept: Path, live: LiveWorkspace) -> Start | None:
    if not (kept / "project.json").is_file():
        return None
    if (kept / "key").is_file() and (kept / "key").read_text("utf-8") != key:
        return None
    try:
        plans = {name: read_plan(kept / f"{name}.json", kept / name) for name in _PARTS}
        above = kept / "beyond"
        parts = (above / "parts").read_text("utf-8").splitlines()
        beyond = {part: read_plan(above / f"{part}.json", above / part) for part in parts}
    except (OSError, ValueError, TypeError):
        return None
    return Start(key, plans["project"], plans["home"], plans["published"], beyond)
