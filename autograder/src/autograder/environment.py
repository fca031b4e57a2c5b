"""Read a virtual environment from its files, whoever made it: `venv`, `uv venv` or `virtualenv`.

Sources: PEP 405, CPython's `site` and `venv`, and what uv and virtualenv write (tests make real ones with all three).
Nothing is run and no link is followed out of the workspace: a link that leads out is a fact like any other.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from functools import cached_property

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from autograder.distribution import Distribution, Known, folder_name
from autograder.elsewhere import find_elsewhere
from autograder.exceptions import Failed
from autograder.facts import Facts
from autograder.scripts import Script, read_scripts
from autograder.source import starts
from autograder.tree import Outside, Tree, resolve
from autograder.wording import code, command, leaving, listing, seen, unseen

__all__ = ["Environment", "find_environments"]

LARGEST_CONFIG = 64_000
MOST_FOLDERS_SEARCHED = 400


class Environment:
    """A virtual environment in a workspace."""

    def __init__(self, tree: Tree, path: str, facts: Facts, known: Known) -> None:
        """Read the environment at `path`; raises Failed, naming what is wrong, if there is none that works."""
        self._tree = tree
        self._facts = facts
        self._known = known
        self.path = posixpath.normpath(path)
        """As the check asked for it, relative to the workspace."""
        self._folder = self._find()
        self.config = self._read_config()
        """pyvenv.cfg: values by key in small letters."""
        self._require_this_python()
        self.site_packages = self._find_site_packages()
        """Its folder of installed packages, relative to the workspace."""

    def __repr__(self) -> str:
        """Name the path."""
        return f"<Environment {self.path}>"

    @property
    def home(self) -> str:
        """The folder of the Python it was made from (`home` in pyvenv.cfg)."""
        return self.config["home"]

    @property
    def python_version(self) -> str:
        """That Python's version, as in `3.11.7`; empty if pyvenv.cfg doesn't say.

        venv and virtualenv write `version`, uv `version_info`; virtualenv's `version_info` ends in `.final.0`.
        """
        text = self.config.get("version") or self.config.get("version_info") or ""
        found = re.match(r"\d+\.\d+(\.\d+)?", text)
        return found[0] if found else ""

    @property
    def sees_system_packages(self) -> bool:
        """Whether packages installed into the system Python can be imported in it."""
        return self.config.get("include-system-site-packages", "").lower() == "true"

    @cached_property
    def scripts(self) -> tuple[Script, ...]:
        """The commands in `bin` that name an interpreter in their first line, sorted by name."""
        return tuple(read_scripts(self._tree, f"{self._folder}/bin", f"{self.path}/bin", self._facts.root))

    @cached_property
    def distributions(self) -> tuple[Distribution, ...]:
        """All that has a dist-info, sorted by name; `label` is always readable, the rest may raise Failed."""
        found = [
            Distribution(self._tree, self.path, self.site_packages, name, self._known)
            for name in self._names
            if folder_name(name) is not None
            and (entry := self._tree.entry(f"{self.site_packages}/{name}")) is not None
            and entry.kind in ("folder", "link")
        ]
        return tuple(sorted(found, key=lambda one: one.label))

    @cached_property
    def _names(self) -> list[str]:
        return self._tree.names(self.site_packages)

    def distribution(self, name: str, specifier: str = "") -> Distribution:
        """Give an installed distribution.

        Raises:
            Failed: it isn't installed, was copied by hand, was edited, has other files than it should, or is another version.
        """
        wanted = canonicalize_name(name)
        expected = f"{_wanted(wanted, specifier)} is installed in {code(self.path)}."
        found = [one for one in self.distributions if _folder_project(one) == wanted]
        if not found:
            raise self._not_installed(wanted, expected)
        if len(found) > 1:
            raise Failed(
                expected=expected,
                found=f"{code(self.path)} holds {len(found)} records of {code(wanted)}: {listing(one.folder_name for one in found)}. "
                "An installer keeps only one.",
                next_step=f"Run {command('ls', self.site_packages)} to see them, then uninstall the distribution and install it again.",
                evidence=seen(found[0].folder_name),
            )
        one = found[0]
        one.require_whole()
        if not SpecifierSet(specifier).contains(one.version, prereleases=True):
            raise Failed(
                expected=expected,
                found=f"{code(wanted)} {one.version} is installed in {code(self.path)}.",
                next_step=f"Run {command('ls', self.site_packages)} to see what is installed and in which version.",
                evidence=seen(one.folder_name),
            )
        return one

    def without(self, name: str) -> None:
        """Raise Failed if a distribution, or what can be imported by its name, is there."""
        wanted = canonicalize_name(name)
        expected = f"{code(self.path)} has no {code(wanted)}."
        for one in self.distributions:
            if _folder_project(one) == wanted:
                raise Failed(
                    expected=expected,
                    found=f"{code(one.label)} is installed in {code(self.path)}.",
                    next_step=f"Run {command('ls', self.site_packages)} to see what is installed.",
                    evidence=seen(one.folder_name),
                )
        for left in self._importable_as(wanted):
            if not self._owners(left):
                raise Failed(
                    expected=expected,
                    found=f"{code(f'{self.site_packages}/{left}')} can still be imported, though nothing is recorded of it any more.",
                    next_step=f"Run {command('ls', self.site_packages)} to see what is left.",
                    evidence=seen(left),
                )

    def in_place(self) -> None:
        """Raise Failed if a script in `bin` starts another Python than this environment's: it was moved or copied.

        A script which names `/bin/sh`, `/usr/bin/env` or the like is nobody's business here.
        """
        for script in self.scripts:
            program = posixpath.basename(script.interpreter)
            if not program.startswith(("python", "pypy")):
                continue
            bin_folder = str(self._facts.root / self._folder / "bin")
            here = posixpath.dirname(script.interpreter) in (
                bin_folder,
                str(self._facts.root / self.path / "bin"),
            )
            exists = here and self._tree.entry(f"{self._folder}/bin/{program}") is not None
            if not exists:
                shown = self._facts.show(script.interpreter)
                raise Failed(
                    expected=f"Every command in {code(f'{self.path}/bin')} starts the Python beside it.",
                    found=f"The first line of {code(script.path)} still names {code(shown)}.",
                    next_step=f"Run {command('head', '-n', '2', script.path)} to see which Python it starts.",
                    evidence=seen(script.interpreter),
                )

    def command(self, name: str, project: str) -> None:
        """Raise Failed unless `bin/<name>` is the command of an installed distribution: it calls what that offers, and does no more.

        A file of that name can be written by hand, and print or return whatever it likes.
        """
        shown = f"{self.path}/bin/{name}"
        expected = f"{code(shown)} is the command that an installer writes for {code(project)}."
        offered = self.distribution(project).entry_points
        calls = {one.value.replace(" ", "") for one in offered if (one.group, one.name) == ("console_scripts", name)}
        where = resolve(self._tree, f"{self._folder}/bin/{name}")
        entry = self._tree.entry(where) if isinstance(where, str) else None
        if entry is None or isinstance(where, Outside):
            raise Failed(
                expected=expected,
                found=f"There is no {code(shown)}.",
                next_step=f"Run {command('ls', f'{self.path}/bin')} to see which commands there are.",
                evidence=unseen(name),
            )
        for other in self._tree.names(f"{self._folder}/bin"):
            leads = resolve(self._tree, f"{self._folder}/bin/{other}")
            beside = self._tree.entry(leads) if isinstance(leads, str) else None
            package = beside is not None and beside.kind == "folder" and other != "__pycache__"
            if package or (other.endswith((".py", ".pyc", ".so")) and other != "activate_this.py"):
                raise Failed(
                    expected=expected,
                    found=f"Beside it lies {code(f'{self.path}/bin/{other}')}: a command imports what is in its own folder first.",
                    next_step=f"Run {command('ls', '-l', f'{self.path}/bin')} to see it.",
                    evidence=seen(other),
                )
        try:
            text = self._tree.read(where, LARGEST_CONFIG) if entry.executable else b""
        except FileNotFoundError:
            text = b""
        if starts(text) not in calls:
            is_now = "does something else than that" if entry.executable else "may not be executed"
            raise Failed(
                expected=expected,
                found=f"{code(shown)} {is_now}.",
                next_step=f"Run {command('ls', '-l', shown)} and {command('cat', shown)} to see it, then let an installer write it anew.",
                evidence=seen(name),
            )

    # Is it an environment, and of this Python?

    def _find(self) -> str:
        expected = f"There is a virtual environment {code(self.path)}."
        where = resolve(self._tree, self.path)
        if isinstance(where, Outside):
            raise Failed(
                expected=f"There is a virtual environment {code(self.path)} in the workspace itself.",
                found=leaving(self._tree, where),
                next_step=f"Run {command('ls', '-ld', where.link)} to see where it points, then make an environment here.",
                evidence=seen(" -> "),
            )
        entry = self._tree.entry(where)
        if entry is None:
            folder, name = posixpath.split(self.path)
            # one in another project's folder is no news; one in this folder, or of this name a floor higher, may be a slip
            others = [one for one in find_environments(self._tree) if posixpath.dirname(one) == folder or one == name]
            found = f"There is no {code(self.path)}."
            if others:
                found = f"There is no {code(self.path)}, but an environment in {listing(others)}."
            raise Failed(
                expected=expected,
                found=found,
                next_step=f"Run {command('ls', '-A', *([] if others else [folder] if folder else []))} to see what is there.",
                evidence=seen(others[0].split("/")[0]) if others else unseen(name),
            )
        if entry.kind != "folder":
            raise Failed(
                expected=expected,
                found=f"{code(self.path)} is a {'file' if entry.kind == 'file' else 'pipe or device'}, not a folder.",
                next_step=f"Run {command('ls', '-ld', self.path)} to see it.",
                evidence=seen(posixpath.basename(self.path)),
            )
        config = self._tree.entry(f"{where}/pyvenv.cfg")
        if config is None:
            found = f"{code(self.path)} is a folder, but no virtual environment: it has no `pyvenv.cfg`."
            if self._tree.entry(f"{where}/conda-meta") is not None:
                found = (
                    f"{code(self.path)} is an environment of conda, not a virtual environment: it has no `pyvenv.cfg`."
                )
            raise Failed(
                expected=expected,
                found=found,
                next_step=f"Run {command('ls', '-A', self.path)} to see what is in it.",
                evidence=unseen("pyvenv.cfg"),
            )
        return where

    def _read_config(self) -> Mapping[str, str]:
        path = f"{self._folder}/pyvenv.cfg"
        found: dict[str, str] = {}
        try:
            text = self._tree.read(path, LARGEST_CONFIG).decode("utf-8-sig")
        except (FileNotFoundError, UnicodeDecodeError):
            raise Failed(
                expected=f"{code(f'{self.path}/pyvenv.cfg')} is as the maker of the environment wrote it.",
                found=f"{code(f'{self.path}/pyvenv.cfg')} is no text file that Python could read.",
                next_step=f"Run {command('ls', '-l', f'{self.path}/pyvenv.cfg')} to see it, then make the environment anew.",
                evidence=seen("pyvenv.cfg"),
            ) from None
        for line in text.splitlines():
            key, equals, value = line.partition("=")
            key = key.strip().lower()
            if equals and (
                key != "home" or key not in found
            ):  # Python takes the first home, and the last of the others
                found[key] = value.strip()
        if not found.get("home"):
            raise Failed(
                expected=f"{code(f'{self.path}/pyvenv.cfg')} names the `home` of the Python that made the environment.",
                found=f"{code(f'{self.path}/pyvenv.cfg')} has no `home`, so Python doesn't take the folder for an environment.",
                next_step=f"Run {command('cat', f'{self.path}/pyvenv.cfg')} to see what it says, then make the environment anew.",
            )
        return found

    def _require_this_python(self) -> None:
        config = f"{self.path}/pyvenv.cfg"
        expected = f"{code(self.path)} is an environment of the course's Python {self._facts.python_version}."
        version = self.python_version
        if version and not _same_python(version, self._facts.python_version):
            raise Failed(
                expected=expected,
                found=f"{code(self.path)} belongs to another Python: `pyvenv.cfg` says {code(version)}.",
                next_step=f"Run {command('cat', config)} to see which Python made it.",
                evidence=seen(version),
            )
        if posixpath.normpath(self.home) != posixpath.normpath(self._facts.python_home):
            raise Failed(
                expected=expected,
                found=f"{code(self.path)} belongs to another Python: `home` in `pyvenv.cfg` is {code(self._facts.show(self.home))}.",
                next_step=f"Run {command('cat', config)} to see which Python made it.",
                evidence=seen(self.home),
            )
        self._require_interpreter(expected)

    def _require_interpreter(self, expected: str) -> None:
        path = f"{self._folder}/bin/python"
        shown = f"{self.path}/bin/python"
        where = resolve(self._tree, path)
        if isinstance(where, Outside):
            if posixpath.dirname(where.target) == posixpath.normpath(self._facts.python_home):
                return
            raise Failed(
                expected=expected,
                found=f"{code(shown)} leads to another Python: {code(where.target)}.",
                next_step=f"Run {command('ls', '-l', f'{self.path}/bin')} to see where each `python` points.",
                evidence=seen(" -> "),
            )
        entry = self._tree.entry(where)
        if entry is None:
            raise Failed(
                expected=expected,
                found=f"{code(shown)} is missing, or a link to nothing.",
                next_step=f"Run {command('ls', '-lA', self.path)} to see what is left of the environment, then make it anew.",
                evidence="pyvenv",
            )
        if entry.kind != "file" or not entry.executable or self._starts_as_script(where):
            raise Failed(
                expected=expected,
                found=f"{code(shown)} is not a Python interpreter.",
                next_step=f"Run {command('ls', '-lL', shown)} to see what it is, then make the environment anew.",
                evidence=seen("python"),
            )

    def _starts_as_script(self, path: str) -> bool:
        try:
            return self._tree.read(path, 2) == b"#!"
        except FileNotFoundError:
            return False  # a copied interpreter (`venv --copies`) is too large to travel

    def _find_site_packages(self) -> str:
        series = f"python{self._facts.python_series}"
        path = f"{self._folder}/lib/{series}/site-packages"
        where = resolve(self._tree, path)
        if isinstance(where, Outside):
            raise Failed(
                expected=f"{code(self.path)} has a `site-packages` of its own.",
                found=leaving(self._tree, where),
                next_step=f"Run {command('ls', '-ld', where.link)} to see where it points, then make the environment anew.",
                evidence=seen(" -> "),
            )
        entry = self._tree.entry(where)
        if entry is None or entry.kind != "folder":
            others = [name for name in self._tree.names(f"{self._folder}/lib") if name.startswith("python")]
            found = f"{code(self.path)} has no folder {code(f'lib/{series}/site-packages')}."
            if others:
                found = f"{code(self.path)} belongs to another Python: its packages are in {listing(f'lib/{name}' for name in others)}."
            raise Failed(
                expected=f"{code(self.path)} is an environment of the course's Python {self._facts.python_version}.",
                found=found,
                next_step=f"Run {command('ls', f'{self.path}/lib')} to see for which Python it has packages, then make it anew.",
                evidence=seen(others[0]) if others else "",
            )
        return where

    # Why something isn't installed

    def _not_installed(self, wanted: str, expected: str) -> Failed:
        in_site_packages = command("ls", self.site_packages)
        for one in self.distributions:
            try:
                really = one.name
            except Failed:
                continue
            if really == wanted:
                return Failed(
                    expected=expected,
                    found=f"{code(one.folder)} says in its `METADATA` that it is {code(wanted)}: it was renamed or edited by hand.",
                    next_step=f"Run {command('grep', '-m', '1', '^Name:', f'{one.folder}/METADATA')} to see it, then let an installer put it right.",
                    evidence="Name:",
                )
        for name in self._importable_as(wanted):
            if not self._owners(name):
                return Failed(
                    expected=expected,
                    found=f"{code(f'{self.site_packages}/{name}')} was copied there by hand: no installer has a record (`dist-info`) of it.",
                    next_step=f"Run {in_site_packages} and look for a `dist-info` of {code(wanted)}.",
                    evidence=seen(name),
                )
        elsewhere = find_elsewhere(self._tree, wanted, self.path, self.site_packages, self._facts.root)
        if elsewhere is not None:
            label, place = elsewhere
            return Failed(
                expected=expected,
                found=f"{code(label)} is not in {code(self.path)}, but in {code(place)}.",
                next_step=f"Run {command('ls', place)} to see it there.",
                evidence=seen(wanted[0]),
            )
        there = listing(one.label for one in self.distributions)
        found = f"{code(wanted)} is not installed in {code(self.path)}; installed: {there}."
        return Failed(
            expected=expected,
            found=found,
            next_step=f"Run {in_site_packages} to see what is installed.",
            evidence=seen(self.distributions[0].folder_name) if self.distributions else unseen(wanted),
        )

    def _importable_as(self, wanted: str) -> list[str]:
        """List what `import` would find under a distribution's name, be it spelt with `-`, `_` or `.`."""
        found = []
        for name in self._names:
            stem = name.partition(".")[0] if name.endswith((".py", ".so")) else name
            if stem.isidentifier() and canonicalize_name(stem) == wanted:
                entry = self._tree.entry(f"{self.site_packages}/{name}")
                if entry is not None and self._holds_something(name, entry.kind):
                    found.append(name)
        return found

    def _holds_something(self, name: str, kind: str) -> bool:
        """Bytecode that an uninstall left behind is nothing."""
        if kind != "folder":
            return True
        return any(one != "__pycache__" for one in self._tree.names(f"{self.site_packages}/{name}"))

    def _owners(self, name: str) -> list[str]:
        """Name the distributions whose RECORD lists a file or folder of site-packages."""
        found = []
        for one in self.distributions:
            try:
                if any(line.path.partition("/")[0] == name for line in one.record):
                    found.append(one.label)
            except Failed:
                continue
        return found


def find_environments(tree: Tree) -> list[str]:
    """List the folders of the workspace, at most three deep, that hold a `pyvenv.cfg`, sorted."""
    found, todo = [], [""]
    count = 0
    while todo and count < MOST_FOLDERS_SEARCHED:
        folder = todo.pop(0)
        count += 1
        for name in tree.names(folder):
            path = f"{folder}/{name}" if folder else name
            entry = tree.entry(path)
            if entry is None or entry.kind != "folder":
                continue
            if tree.entry(f"{path}/pyvenv.cfg") is not None:
                found.append(path)
            elif path.count("/") < 2 and name not in (".git", "__pycache__", "node_modules"):
                todo.append(path)
    return sorted(found)


def _folder_project(one: Distribution) -> str:
    label = folder_name(one.folder_name)
    return label[0] if label else ""


def _wanted(name: str, specifier: str) -> str:
    if not specifier:
        return code(name)
    exact = re.fullmatch(r"==\s*([^*,\s]+)", specifier.strip())
    return f"{code(name)} {exact[1]}" if exact else f"{code(name)} in a version that fits {code(specifier)}"


def _same_python(one: str, other: str) -> bool:
    """Compare as far as both go: uv may give only `3.11`."""
    return all(a == b for a, b in zip(one.split("."), other.split("."), strict=False))
