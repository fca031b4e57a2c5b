"""Search for releases that fit, and let the real pip do the same: run by a Python in the sandbox (see resolver_search.py).

The search is done by `resolvelib`, the library inside of pip, of the sandbox's own pip; what is ours is the *provider*, which tells it
which releases there are and in which order to look at names. It tells what happened as one line of JSON after a mark.
"""

# mypy: ignore-errors
# ruff: noqa: ANN001, ANN003, ANN201, ANN202, ANN204, D102, D107

import collections
import importlib.metadata
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pip
from pip._vendor import resolvelib
from pip._vendor.packaging.requirements import Requirement
from pip._vendor.packaging.version import Version

Candidate = collections.namedtuple("Candidate", "name version")
MOST_ROUNDS = 200


class Index:
    """The releases there are: newest first, each with what it needs, and why it may not be taken at all."""

    def __init__(self, projects):
        self.projects = projects

    def needs(self, candidate):
        return [Requirement(text) for text in self.projects[candidate.name][candidate.version]["requires"]]

    def excluded(self, name, version, requirements):
        """Say why a release is out of the question before anybody limits it; empty if it isn't."""
        about = self.projects[name][version]
        named = any(
            one.operator in ("==", "===") and not one.version.endswith(".*")
            for r in requirements
            for one in r.specifier
        )
        if about["python"]:
            return f"needs Python {about['python']}"
        if about["yanked"] and not named:
            return "withdrawn (yanked)"
        finals = [v for v in self.projects[name] if not Version(v).is_prerelease]
        asked = any(r.specifier.prereleases for r in requirements)
        return "a pre-release" if Version(version).is_prerelease and finals and not asked else ""


class Provider(resolvelib.AbstractProvider):
    """What `resolvelib` asks; pip's own is longer, since it also fetches and builds."""

    def __init__(self, index, wanted, installed):
        self.index = index
        self.order = {one.name: number for number, one in reversed(list(enumerate(wanted)))}
        self.installed = installed

    def identify(self, requirement_or_candidate):
        return requirement_or_candidate.name

    def get_preference(self, identifier, resolutions, candidates, information, backtrack_causes):
        """Names with exact versions first, then what caused the last trouble, then as asked for."""
        about = list(information[identifier])
        exact = any(one.operator == "==" for info in about for one in info.requirement.specifier)
        culprits = {one.requirement.name for one in backtrack_causes}
        culprits |= {one.parent.name for one in backtrack_causes if one.parent}
        return (not exact, identifier not in culprits, self.order.get(identifier, 1000), identifier)

    def find_matches(self, identifier, requirements, incompatibilities):
        asked = list(requirements[identifier])
        given_up = {one.version for one in incompatibilities[identifier]}
        found = [
            Candidate(identifier, version)
            for version in self.index.projects[identifier]
            if version not in given_up
            and not self.index.excluded(identifier, version, asked)
            and all(r.specifier.contains(version, prereleases=True) for r in asked)
        ]
        return sorted(found, key=lambda one: self.installed.get(one.name) != one.version)  # what is there is kept

    def is_satisfied_by(self, requirement, candidate):
        return requirement.specifier.contains(candidate.version, prereleases=True)

    def get_dependencies(self, candidate):
        return self.index.needs(candidate)


class Recorder(resolvelib.BaseReporter):
    """Writes down what `resolvelib` does."""

    def __init__(self, index, installed):
        self.index, self.installed = index, installed
        self.steps = []
        self.pins, self.crossed, self.wants = {}, {}, {}
        self.stuck = False

    def add(self, kind, **more):
        self.steps.append({"kind": kind, "pins": dict(self.pins), "crossed": self.crossed, "wants": self.wants, **more})

    def rejecting_candidate(self, criterion, candidate):
        about = list(criterion.information)
        name = about[0].requirement.name
        self.add("reject", name=candidate.name, version=candidate.version, because=_because(about))
        crossed = {**self.crossed, name: self.cells(name, about, ())}  # as it would be with this candidate
        self.steps[-1].update(crossed=crossed, wants={**self.wants, name: _because(about)})

    def pinning(self, candidate):
        kept = self.installed.get(candidate.name) == candidate.version
        needs = [str(one) for one in self.index.needs(candidate)]
        self.add("take", name=candidate.name, version=candidate.version, needs=needs, kept=kept)

    def resolving_conflicts(self, causes):
        self.stuck = True

    def ending_round(self, index, state):
        before, self.pins = self.pins, {one.name: one.version for one in state.mapping.values()}
        self.look(state.criteria)
        if self.stuck:
            gone = [[name, version] for name, version in before.items() if self.pins.get(name) != version]
            self.add("back", gave_up=gone)
        else:
            self.steps[-1].update(pins=dict(self.pins), crossed=self.crossed, wants=self.wants)
        self.stuck = False

    def look(self, criteria):
        """Note who wants what now, and which cells that crosses out."""
        self.crossed = {}
        self.wants = {name: _because(one.information) for name, one in criteria.items()}
        for name in self.index.projects:
            about = list(criteria[name].information) if name in criteria else []
            given_up = {one.version for one in criteria[name].incompatibilities} if name in criteria else set()
            self.crossed[name] = self.cells(name, about, given_up)

    def cells(self, name, about, given_up):
        """Say for each release of a project that can't be taken why."""
        cells = {}
        for version in self.index.projects[name]:
            against = [one for one in about if not one.requirement.specifier.contains(version, prereleases=True)]
            out = self.index.excluded(name, version, [one.requirement for one in about])
            if against:
                cells[version] = " and ".join(f"{who} wants {text}" for text, who in _because(against))
            elif out:
                cells[version] = out
            elif version in given_up:
                cells[version] = "tried, and given up"
        return cells


def _because(information):
    """Give each requirement with who has it, each once."""
    found = [
        (str(one.requirement), f"{one.parent.name} {one.parent.version}" if one.parent else "you")
        for one in information
    ]
    return [list(one) for one in dict.fromkeys(found)]


def search(index, words, installed):
    """Resolve one command."""
    wanted = [Requirement(word) for word in words]
    recorder = Recorder(index, installed)
    recorder.look({})
    recorder.add("ask", words=words)
    failed = []
    try:
        found = resolvelib.Resolver(Provider(index, wanted, installed), recorder).resolve(wanted, MOST_ROUNDS)
        recorder.pins = {one.name: one.version for one in found.mapping.values()}
        recorder.look({name: found.criteria[name] for name in found.mapping})
        recorder.add("done")
    except resolvelib.ResolutionImpossible as error:
        failed = _because(error.causes)
        recorder.add("impossible", because=failed)
    except resolvelib.ResolutionTooDeep:
        recorder.add("deep")
        failed = [["too many rounds", "the board"]]
    return recorder.steps, recorder.pins, failed


def broken(index, installed):
    """List what isn't served in a set of installed releases: name, version, its requirement, and what is there."""
    found = []
    for name, version in installed.items():
        for one in index.needs(Candidate(name, version)):
            there = installed.get(one.name)
            if there is None or not one.specifier.contains(there, prereleases=True):
                found.append([name, version, str(one), there or ""])
    return found


def model(index, commands):
    """Resolve the commands one after the other; each finds installed what those before it have chosen."""
    steps, installed, failed = [], {}, []
    for number, words in enumerate(commands):
        more, pins, failed = search(index, words, installed)
        steps += [{**step, "command": number, "installed": dict(installed)} for step in more]
        if failed:
            break
        installed = {**installed, **pins}
    return {"steps": steps, "installed": installed, "failed": failed, "broken": broken(index, installed)}


def real(commands):
    """Let pip do it, in an environment of its own which is thrown away."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch, "environment")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
        tool = [sys.executable, "-m", "pip", "--python", str(home), "--no-color"]
        report = Path(scratch, "report.json")
        dry = ["--dry-run"] if len(commands) == 1 else []
        statuses, said = [], []
        for words in commands:
            done = _run([*tool, "install", *dry, "--report", str(report), *words])
            statuses.append(done.returncode)
            said += [
                line.strip()
                for line in done.stdout.splitlines()
                if " depends on " in line or " which is incompatible" in line
            ]
            if done.returncode:
                said += [
                    line.strip()
                    for line in done.stdout.splitlines()
                    if "The user requested" in line or "No matching" in line
                ]
                break
        if len(commands) == 1:
            items = json.loads(report.read_text())["install"] if not statuses[-1] else []
            installed = {one["metadata"]["name"]: one["metadata"]["version"] for one in items}
            checked = None
        else:
            site = next(home.glob("lib/python*/site-packages"))
            installed = {
                one.metadata["Name"]: one.version for one in importlib.metadata.distributions(path=[str(site)])
            }
            checked = _run([*tool, "check"]).returncode
    return {"statuses": statuses, "said": said, "installed": installed, "check": checked}


def _run(words):
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def main(given, mark):
    """Do both, and tell."""
    task = json.loads(given)
    told = {"model": model(Index(task["projects"]), task["commands"]), "pip": real(task["commands"])}
    told["versions"] = [pip.__version__, resolvelib.__version__]
    print(f"\n{mark}{json.dumps(told)}")
