"""Read a workflow file of a code forge, as far as exercise 14 judges it.

All values are texts here (`yaml.BaseLoader`): so `on:` stays `on` and isn't the truth value which YAML 1.1 makes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml  # type: ignore[import-untyped]

from autograder.exceptions import Failed
from autograder.wording import code, command, seen

__all__ = ["Job", "Workflow"]

LARGEST = 64_000
_BUILDS = re.compile(r"\b(python3? -m build|pyproject-build|uv build|hatch build|flit build|poetry build|pdm build)\b")
_PUBLISHES = re.compile(r"\b(twine upload|uv publish|hatch publish|flit publish|poetry publish|pdm publish)\b")
_PUBLISHER = "pypa/gh-action-pypi-publish"
_DIST = re.compile(r"(\./)?dist(/|/\*{1,2})?")


@dataclass(frozen=True)
class Job:
    """One job of a workflow."""

    name: str
    told: Mapping[str, Any]

    @property
    def steps(self) -> list[Mapping[str, Any]]:
        """Its steps, in order."""
        steps = self.told.get("steps")
        return [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []

    @property
    def uses(self) -> list[str]:
        """The actions, and the other workflow, that it uses."""
        every = [self.told.get("uses"), *(step.get("uses") for step in self.steps)]
        return [one for one in every if isinstance(one, str)]

    @property
    def commands(self) -> str:
        """All that its steps run, without comments."""
        # Only texts: aliases can make a value that is small here and endless when written out.
        runs = [step.get("run") for step in self.steps]
        lines = "\n".join(one for one in runs if isinstance(one, str)).splitlines()
        return "\n".join(re.sub(r"(^|\s)#.*", "", line) for line in lines)

    @property
    def builds(self) -> bool:
        """Whether it makes distributions."""
        return bool(_BUILDS.search(self.commands))

    @property
    def publishes(self) -> bool:
        """Whether it uploads distributions."""
        return bool(_PUBLISHES.search(self.commands)) or any(one.lower().startswith(_PUBLISHER) for one in self.uses)

    @property
    def unpacks_beside_dist(self) -> bool:
        """Whether it unpacks what it fetches at the top of its folder, though what publishes looks into `dist`."""
        fetched = self._given("actions/download-artifact@")
        # Without a name each artifact is unpacked into a folder of its own, and a command may move what it likes.
        at_the_top = [one.get("name") and one.get("path", ".") in (".", "./") for one in fetched]
        elsewhere = any("packages-dir" in one or "packages_dir" in one for one in self._given(_PUBLISHER))
        return bool(fetched) and all(at_the_top) and not elsewhere and not self.commands

    @property
    def hands_over_the_content_of_dist(self) -> bool:
        """Whether all that it hands over is what lies in `dist`, without the folder itself."""
        given = self._given("actions/upload-artifact@")
        paths = [one.get("path") for one in given]
        return bool(paths) and all(isinstance(one, str) and _DIST.fullmatch(one.strip()) for one in paths)

    def _given(self, action: str) -> list[Mapping[str, Any]]:
        """Give what each use of an action has under `with`."""
        every = [
            step.get("with")
            for step in self.steps
            if isinstance(uses := step.get("uses"), str) and uses.lower().startswith(action)
        ]
        return [one if isinstance(one, dict) else {} for one in every]

    @property
    def needs(self) -> list[str]:
        """The jobs which must have ended well before it starts."""
        needs = self.told.get("needs")
        return [needs] if isinstance(needs, str) else [one for one in needs or [] if isinstance(one, str)]

    @property
    def environment(self) -> str:
        """The environment that it runs in; empty if none."""
        found = self.told.get("environment")
        name = found.get("name") if isinstance(found, dict) else found
        return name.strip() if isinstance(name, str) else ""

    @property
    def may_ask_for_identity(self) -> bool:
        """Whether its own permissions let it ask who it is."""
        return grants_identity(self.told.get("permissions"))


def grants_identity(permissions: object) -> bool:
    """Say whether these `permissions` hold `id-token: write`."""
    if isinstance(permissions, dict):
        return permissions.get("id-token") == "write"
    return permissions == "write-all"


class Workflow:
    """A workflow file."""

    def __init__(self, path: str, text: str) -> None:
        """Read its text.

        Raises:
            Failed: it is no YAML, or no workflow.
        """
        self.path = path
        self.text = text
        try:
            if len(text) > LARGEST:
                raise yaml.YAMLError
            told = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but texts, lists and dicts
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = mark.line + 1 if mark else 1
            self._refuse(f"{code(path)} is no YAML: whoever reads it gives up in line {line}.", line)
        except (yaml.YAMLError, RecursionError, ValueError):
            told = None
        jobs = told.get("jobs") if isinstance(told, dict) else None
        if not isinstance(told, dict) or not isinstance(jobs, dict):
            self._refuse(f"{code(path)} is no workflow: it has no `jobs`.")
        self.told: Mapping[str, Any] = told
        self.jobs = [Job(str(name), job) for name, job in jobs.items() if isinstance(job, dict)]

    def _refuse(self, found: str, line: int = 0) -> NoReturn:
        raise Failed(
            expected=f"{code(self.path)} is a workflow in YAML.",
            found=found
            + (" A colon with a space behind it, in a line that isn't quoted, is a frequent reason." * (line > 0)),
            next_step=f"Run {command('check-jsonschema', '--builtin-schema', 'vendor.github-workflows', self.path)} to see what a checker makes of it.",
            evidence="(?i)fail|error",
        )

    @property
    def publishing(self) -> list[Job]:
        """The jobs that upload distributions."""
        return [job for job in self.jobs if job.publishes]

    def before(self, job: Job) -> Iterator[Job]:
        """Give the jobs that have to end well before this one starts."""
        todo, known = [*job.needs], {job.name}
        while todo:
            name = todo.pop()
            found = [one for one in self.jobs if one.name == name and name not in known]
            known.add(name)
            for one in found:
                todo += one.needs
                yield one

    @property
    def lines(self) -> list[str]:
        """Its lines without comments."""
        return [re.sub(r"(^|\s)#.*", "", line) for line in self.text.splitlines()]

    def see(self, pattern: str, what: str) -> tuple[str, str]:
        """Give the command that shows the lines with a pattern, as a next step, and its evidence."""
        return f"Run {command('grep', '-n', '-E', pattern, self.path)} to see {what}.", seen(":")
