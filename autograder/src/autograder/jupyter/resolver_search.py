"""Search for releases of the course's index that fit together, step by step, and put it into words (for pictures/resolver_board.py).

What there is comes from the METADATA of the index's own wheels. The search and the real pip run in the sandbox (static/resolver_probe.py).
"""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Sequence
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.exceptions import CourseError, UsageError
from autograder.folder import LiveWorkspace, index
from autograder.index import PackageIndex
from autograder.sandbox import Limits

__all__ = ["Projects", "read_projects", "search", "words_of"]

PROBE = Path(__file__).parent / "static" / "resolver_probe.py"
MOST_WORDS = 4
MOST_PROJECTS = 9
MOST_STEPS = 60
LONGEST = 120

Projects = dict[str, dict[str, dict[str, Any]]]
"""By normalised name and version, newest first: `requires`, `yanked`, and the `python` which it needs where this one isn't it."""


def words_of(text: str) -> list[str]:
    """Split what somebody typed after `pip install` into requirements.

    Raises:
        UsageError: it is something else, or more than the board can show.
    """
    words = text.split() if len(text) <= LONGEST else []
    if not 1 <= len(words) <= MOST_WORDS:
        raise UsageError(
            "That is nothing that the board can show.",
            f"Type 1 to {MOST_WORDS} requirements with a space between two of them, like `moderntool legacytool==1.0`.",
        )
    for word in words:
        try:
            one = Requirement(word)
        except InvalidRequirement:
            raise UsageError(
                f"{word!r} is no requirement.", "Write a name, with limits if you like: `shoplib>=1.5,<2`."
            ) from None
        if one.url or one.marker or one.extras:
            raise UsageError(
                f"{word!r} has more than a name and limits.", "The board knows no addresses, markers and extras."
            )
    return words


def read_projects(words: Sequence[str], python: str, site: PackageIndex | None = None) -> Projects:
    """Read from the index's metadata every project that the search may come to; `python` is the full version.

    Raises:
        UsageError: the index has no wheel of one of them, or there are too many.
    """
    site = site or index()
    found: Projects = {}
    todo = [str(canonicalize_name(Requirement(word).name)) for word in words]
    while todo:
        name = todo.pop(0)
        if name in found:
            continue
        found[name] = _releases(site, name, python)
        if len(found) > MOST_PROJECTS:
            raise UsageError(
                f"{' '.join(words)} leads to more distributions than fit on the board.", "Try smaller ones."
            )
        todo += [Requirement(text).name for one in found[name].values() for text in one["requires"]]
    return found


def _releases(site: PackageIndex, name: str, python: str) -> dict[str, dict[str, Any]]:
    releases: dict[str, dict[str, Any]] = {}
    for file in reversed(site.files(name)):
        content = site.known.content(file.metadata_sha256) if file.metadata_sha256 else None
        if content is None or file.version in releases:
            continue
        fits = SpecifierSet(file.requires_python).contains(Version(python), prereleases=True)
        releases[file.version] = {
            "requires": _needs(content, python),
            "yanked": file.yanked is not None,
            "python": "" if fits else file.requires_python,
        }
    if not releases:
        raise UsageError(f"The course's index has no wheel of {name}.", "`course index list` prints what it has.")
    return releases


def _needs(metadata: bytes, python: str) -> list[str]:
    """Read what a release needs on this Python: names in their normal form, no markers, no extras."""
    here = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python, "extra": ""}
    found = []
    for text in BytesHeaderParser().parsebytes(metadata).get_all("Requires-Dist", []):
        one = Requirement(text)
        if one.marker is None or one.marker.evaluate(here):
            found.append(f"{canonicalize_name(one.name)}{one.specifier}")
    return found


def search(live: LiveWorkspace, text: str, *, two: bool) -> dict[str, Any]:
    """Search in one command, or in one for each requirement, and let the real pip do the same.

    Raises:
        UsageError: nothing that the board can show.
        CourseError: the run did not come to its end.
    """
    words = [_normal(word) for word in words_of(text)]
    if two and len(words) < 2:
        raise UsageError("Two commands need two requirements.", "Type one more, like `moderntool legacytool==1.0`.")
    projects = read_projects(words, live.facts.python_version)
    commands = [[word] for word in words] if two else [words]
    mark = secrets.token_hex(12)
    given = json.dumps({"projects": projects, "commands": commands})
    done = live.sandbox.run(
        ["python3", "-"],
        live.place,
        limits=Limits(wall_seconds=60),
        stdin=f"{PROBE.read_text('utf-8')}\n\nmain({given!r}, {mark!r})\n".encode(),
    )
    _, found, told = done.output.rpartition(f"\n{mark}")
    if not found:
        raise CourseError(f"The search did not come to its end. {done.stopped}".strip(), "Try another one.")
    seen = json.loads(told.splitlines()[0])
    return _board(text, words, projects, commands, seen)


def _normal(word: str) -> str:
    one = Requirement(word)
    return f"{canonicalize_name(one.name)}{one.specifier}"


# ---- From what was seen to what is shown


def _board(
    text: str, words: list[str], projects: Projects, commands: list[list[str]], seen: dict[str, Any]
) -> dict[str, Any]:
    model, real = seen["model"], seen["pip"]
    steps = [_step(raw, commands) for raw in model["steps"][:MOST_STEPS]]
    if len(model["steps"]) > MOST_STEPS:
        steps = [*steps[:-1], _step(model["steps"][-1], commands)]
    outcome, damage = _outcome(model)
    if damage:
        steps.append(_damage(outcome, damage, model["installed"], projects))
    theirs = {str(canonicalize_name(name)): version for name, version in real["installed"].items()}
    return {
        "text": text,
        "two": len(commands) > 1,
        "commands": [f"pip install {shlex.join(one)}" for one in commands],
        "columns": [{"name": name, "releases": list(releases)} for name, releases in projects.items()],
        "steps": steps,
        "outcome": outcome,
        "pip": _what_pip_did(real, theirs),
        "same": bool(model["failed"]) == bool(real["statuses"][-1]) and model["installed"] == theirs,
        "tools": f"resolvelib {seen['versions'][1]}, which is inside of pip {seen['versions'][0]}",
        "asked": words,
    }


def _step(raw: dict[str, Any], commands: list[list[str]]) -> dict[str, Any]:
    """Say one step, and which cells are marked by it."""
    kind, says, mark, tried = raw["kind"], "", "", None
    this = f"`{raw.get('name')}` {raw.get('version')}"
    match kind:
        case "ask":
            number = "" if len(commands) == 1 else f"**Command {raw['command'] + 1}.** "
            says = f"{number}You ask for {_listed(raw['words'])}."
            if raw["command"] and raw["installed"]:
                says += " What is installed is looked at only where somebody in this command needs it."
        case "take" if raw["kept"]:
            says, mark = f"{this} is installed, and fits: it is kept.{_needs_too(raw['needs'])}", "yes"
        case "take":
            says, mark = f"Take {this}, the newest that isn't crossed out.{_needs_too(raw['needs'])}", "yes"
        case "reject":
            says, mark, tried = f"Not {this}: {_quarrel(raw['because'])}.", "no", [raw["name"], raw["version"]]
        case "back":
            given_up = _listed([f"{name} {version}" for name, version in raw["gave_up"]])
            verb = "is" if len(raw["gave_up"]) == 1 else "are"
            says, mark = f"Nothing else is left to try here. So go back: {given_up} {verb} taken back.", "back"
        case "done":
            says, mark = f"Everything is decided: {_chosen(raw['pins'])}.", "yes"
        case "impossible":
            says = f"There is nothing left to go back to: {_quarrel(raw['because'])}."
            mark = "bad"
        case _:
            says, mark = "That takes too many steps for this board.", "bad"
    return {
        "kind": kind,
        "says": says,
        "mark": mark,
        "tried": tried,
        "bad": [],
        "pins": raw["pins"],
        "crossed": raw["crossed"],
        "wants": raw["wants"],
        "installed": raw["installed"],
    }


def _damage(outcome: str, damaged: list[str], installed: dict[str, str], projects: Projects) -> dict[str, Any]:
    """Show what is installed in the end, and what all of it wants: the question that no command has asked."""
    wants: dict[str, list[list[str]]] = {}
    for name, version in installed.items():
        for needed in projects[name][version]["requires"]:
            wants.setdefault(Requirement(needed).name, []).append([needed, f"{name} {version}"])
    marks = {"kind": "damage", "says": outcome, "mark": "bad", "tried": None, "bad": damaged}
    return {**marks, "pins": {}, "crossed": {}, "wants": wants, "installed": installed}


def _outcome(model: dict[str, Any]) -> tuple[str, list[str]]:
    """Say how it ends, and which distributions are damaged then."""
    if model["failed"]:
        kept = (
            f" What was there stays: {_chosen(model['installed'])}." if model["installed"] else " Nothing is installed."
        )
        return f"Impossible: {_quarrel(model['failed'])}.{kept}", []
    if model["broken"]:
        parts = [
            f"`{name}` {version} needs `{needed}`, and {f'`{Requirement(needed).name}` {there} is there' if there else 'it is not there'}"
            for name, version, needed, there in model["broken"]
        ]
        return f"Damage: {'; '.join(parts)}.", sorted({one[0] for one in model["broken"]})
    return f"It ends with {_chosen(model['installed'])}.", []


def _what_pip_did(real: dict[str, Any], installed: dict[str, str]) -> dict[str, Any]:
    """Say what the real pip did."""
    status = real["statuses"][-1]
    if real["check"] is None:
        says = f"It would install {_chosen(installed)}" if not status else "It refuses, and installs nothing"
        says += f"; exit status {status}."
    else:
        each = " and ".join(str(one) for one in real["statuses"])
        says = f"It ends with exit status {each}; installed is {_chosen(installed)}; `pip check` ends with {real['check']}."
    return {"says": says, "lines": list(dict.fromkeys(real["said"]))[:8], "status": status}


def _listed(words: Sequence[str]) -> str:
    shown = [f"`{word}`" for word in words]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "nothing"


def _chosen(pins: dict[str, str]) -> str:
    return _listed([f"{name} {version}" for name, version in sorted(pins.items())])


def _needs_too(needs: Sequence[str]) -> str:
    return f" It needs {_listed(needs)}." if needs else " It needs nothing more."


def _quarrel(because: Sequence[Sequence[str]]) -> str:
    """Say who wants what, where no release is left that suits all."""
    return "; ".join(f"{who if who == 'you' else f'`{who}`'} wants `{needed}`" for needed, who in because)
