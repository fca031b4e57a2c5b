"""Make of paths that are not as they were what a person would say: which distributions, commands, environments and files."""

from __future__ import annotations

import difflib
import json
import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from packaging.version import InvalidVersion, Version

from autograder.changes.change import Area, Change, How
from autograder.changes.listing import Listing, Stamp, environments_in, is_folder, read_small, real_path
from autograder.distribution import folder_name
from autograder.folder import LiveWorkspace
from autograder.index.journal import Event
from autograder.sandbox.redaction import redact

__all__ = ["Differences", "compare"]

Differences = Mapping[str, tuple[Stamp | None, Stamp | None]]

_SITE = re.compile(r"lib/python3\.\d+/site-packages/(.+)")
_MOST_FILES = 6
_MOST_LINES = 8
_LONGEST_LINE = 200
_KNOWN_FILES = {
    ".config/pip/pip.conf": "pip's settings, for all your projects",
    ".pip/pip.conf": "pip's settings, for all your projects",
    ".config/uv/uv.toml": "uv's settings, for all your projects",
    ".pypirc": "twine reads from it where to upload, and as whom",
    ".netrc": "pip and others read passwords from it",
    ".gitconfig": "git's settings, for all your projects",
    ".bashrc": "every new bash reads it",
    ".profile": "every login reads it",
    ".zshrc": "every new zsh reads it",
}
_REPOSITORY = "git keeps its records there"


@dataclass
class _Site:
    """A folder with `bin` and `lib`: an environment, the system Python, the user's own."""

    area: Area
    where: str
    found: dict[str, tuple[Stamp | None, Stamp | None]] = field(default_factory=dict)


def compare(live: LiveWorkspace, before: Listing, after: Listing, found: Differences) -> list[Change]:
    """Say what differences between two listings mean; `found` may be a part of them."""
    sites: dict[str, _Site] = {}
    environments = {one.rstrip("/") for one in environments_in([*before.files, *after.files])} if found else set()
    files: dict[str, tuple[Stamp | None, Stamp | None]] = {}
    caches: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    changes: list[Change] = []
    for path, pair in found.items():
        top = next((one for one in (path, *_above(path)) if one in environments), "")
        if top:
            area: Area = "environment" if top.startswith("project/") else "user"
            sites.setdefault(f"{top}/", _Site(area, _shown(top))).found[path] = pair
        elif path.startswith("system/"):
            sites.setdefault("system/", _Site("system", "")).found[path] = pair
        elif path.startswith(("home/.local/lib/", "home/.local/bin/")):
            sites.setdefault("home/.local/", _Site("user", "")).found[path] = pair
        elif path.startswith("home/.cache/"):
            cache = caches[path.split("/")[2]]
            cache[0] += 1 if pair[0] is None else 0
            cache[1] += (pair[1][1] if pair[1] else 0) - (pair[0][1] if pair[0] else 0)
        elif path.startswith("published/"):
            if path == "published/journal.jsonl":
                changes += _published(live, pair)
        elif not path.startswith("home/.local/share/uv/") or "/." not in path[21:]:
            files[path] = pair
    for prefix, site in sites.items():
        changes += _site(live, prefix, site, before, after)
    changes += _files(files, found, before, after)
    changes += [
        Change("cache", "cache", "changed", name, count=count, size=size)
        for name, (count, size) in caches.items()
        if size or count
    ]
    return changes


def _above(path: str) -> Iterator[str]:
    """Give the folders above a path, innermost first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _shown(path: str) -> str:
    """Give a listed path as the learner knows it: relative to the project, or from their HOME."""
    top, _, rest = path.partition("/")
    return {"project": rest or ".", "home": f"~/{rest}", "system": f"/usr/local/{rest}"}.get(top, rest)


def _how(pair: tuple[Stamp | None, Stamp | None]) -> How:
    return "added" if pair[0] is None else "removed" if pair[1] is None else "changed"


# An environment, the system Python or the user's own site


def _site(live: LiveWorkspace, prefix: str, site: _Site, before: Listing, after: Listing) -> Iterator[Change]:
    config = site.found.get(f"{prefix}pyvenv.cfg")
    made = config is not None and config[0] is None
    if config is not None and config[1] is None:
        yield Change(site.area, "environment", "removed", site.where, site.where, count=_number_of_files(site))
        return
    if made:
        count, python = _number_of_files(site), _python_of(live, prefix)
        yield Change(site.area, "environment", "added", site.where, site.where, after=python, count=count)
    elif config is not None:
        again = f"{prefix}bin/activate" in site.found
        note = "made again" if again else "`pyvenv.cfg` was written"
        yield Change(
            site.area, "environment", "changed", site.where, site.where, after=_python_of(live, prefix), note=note
        )
    distributions = list(_distributions(live, prefix, site, quiet=made))
    yield from distributions
    yield from _commands(prefix, site, quiet=made)
    yield from _startup(prefix, site, quiet=made)
    if not distributions and not made:
        yield from _by_hand(prefix, site, after)


def _number_of_files(site: _Site) -> int:
    return sum(not _is_folder(pair) for pair in site.found.values())


def _python_of(live: LiveWorkspace, prefix: str) -> str:
    text = read_small(real_path(live, f"{prefix}pyvenv.cfg")) or ""
    match = re.search(r"^version(?:_info)?\s*=\s*(\d+\.\d+(?:\.\d+)?)", text, re.MULTILINE)
    return f"Python {match[1]}" if match else ""


def _distributions(live: LiveWorkspace, prefix: str, site: _Site, *, quiet: bool) -> Iterator[Change]:
    came: dict[str, tuple[str, str]] = {}
    went: dict[str, str] = {}
    again: dict[str, tuple[str, str]] = {}
    for path, pair in site.found.items():
        match = _SITE.fullmatch(path.removeprefix(prefix))
        if not match:
            continue
        first, _, rest = match[1].partition("/")
        if (named := folder_name(first)) is None:
            continue
        name, version = named
        folder = path.removesuffix(f"/{rest}") if rest else path
        if not rest and pair[0] is None:
            came[name] = (version, folder)
        elif not rest and pair[1] is None:
            went[name] = version
        elif rest in ("RECORD", "INSTALLER") and pair[0] and pair[1]:
            again[name] = (version, folder)
    for name in sorted(came.keys() | went.keys() | again.keys()):
        if name in came:
            version, folder = came[name]
            old = went.get(name, "")
            note = _how_it_came(live, folder)
            if quiet and not old and name in ("pip", "setuptools", "wheel"):
                note = "came with it"
            direction = _direction(old, version) if old else ""
            yield Change(
                site.area, "distribution", "changed" if old else "added", name, site.where,
                before=old, after=version, note="; ".join(filter(None, (direction, note))),
            )  # fmt: skip
        elif name in went:
            yield Change(site.area, "distribution", "removed", name, site.where, before=went[name])
        else:
            version, _ = again[name]
            yield Change(
                site.area,
                "distribution",
                "changed",
                name,
                site.where,
                before=version,
                after=version,
                note="installed again",
            )


def _how_it_came(live: LiveWorkspace, folder: str) -> str:
    """Say by PEP 610's and PEP 376's records whether a distribution is editable, from an address, or only a dependency."""
    direct = read_small(real_path(live, f"{folder}/direct_url.json"))
    try:
        told = json.loads(direct or "{}")
        if told.get("dir_info", {}).get("editable"):
            return "editable: runs from its own folder"
        if url := str(told.get("url", "")):
            kind = "a git commit" if "vcs_info" in told else "your disk" if url.startswith("file:") else "an address"
            return f"from {kind}, not from an index"
    except (ValueError, AttributeError, RecursionError):
        pass
    installer = (read_small(real_path(live, f"{folder}/INSTALLER")) or "").strip()
    if installer in ("pip", "uv") and read_small(real_path(live, f"{folder}/REQUESTED")) is None:
        return "as a dependency"
    return ""


def _direction(before: str, after: str) -> str:
    try:
        return "a newer version" if Version(after) > Version(before) else "an older version"
    except InvalidVersion:
        return ""


def _commands(prefix: str, site: _Site, *, quiet: bool) -> Iterator[Change]:
    for path, pair in sorted(site.found.items()):
        folder, name = posixpath.split(path)
        if folder != f"{prefix}bin" or quiet:
            continue
        how = _how(pair)
        if how != "changed" or (pair[0] and pair[1] and pair[0][1] != pair[1][1]):
            yield Change(site.area, "command", how, name, site.where)


def _startup(prefix: str, site: _Site, *, quiet: bool) -> Iterator[Change]:
    """Name what runs at each start of Python: few know that a distribution can bring such a file."""
    for path, pair in sorted(site.found.items()):
        match = _SITE.fullmatch(path.removeprefix(prefix))
        if match and "/" not in match[1] and match[1].endswith((".pth", "sitecustomize.py", "usercustomize.py")):
            if match[1].startswith(("__editable__", "_editable", "_virtualenv", "distutils-precedence")) or quiet:
                continue
            note = "Python reads it at every start" if pair[1] else ""
            yield Change(site.area, "startup", _how(pair), match[1], site.where, note=note)


def _by_hand(prefix: str, site: _Site, after: Listing) -> Iterator[Change]:
    """What is in site-packages without an installer: edited or copied files."""
    touched = []
    for path, pair in sorted(site.found.items()):
        inner = path.removeprefix(prefix)
        if inner.startswith("bin/") or inner == "pyvenv.cfg" or _is_folder(pair) or path.endswith(".pth"):
            continue
        touched.append((path, pair))
    for path, pair in touched[:_MOST_FILES]:
        note = "no installer did that" if _SITE.fullmatch(path.removeprefix(prefix)) else ""
        yield Change(site.area, "file", _how(pair), _shown(path), site.where, note=note)
    if len(touched) > _MOST_FILES:
        yield Change(site.area, "file", "changed", "", site.where, count=len(touched) - _MOST_FILES)


def _is_folder(pair: tuple[Stamp | None, Stamp | None]) -> bool:
    return any(stamp is not None and is_folder(stamp) for stamp in pair)


# Files of the project and of HOME


def _files(files: Differences, found: Differences, before: Listing, after: Listing) -> Iterator[Change]:
    rest: dict[str, tuple[Stamp | None, Stamp | None]] = {}
    records: dict[str, int] = defaultdict(int)
    for path, pair in files.items():
        head, git, _ = f"{path}/".partition("/.git/")
        if git:
            records[f"{head}/.git"] += 1
        else:
            rest[path] = pair
    for path, count in sorted(records.items()):
        pair = files.get(path, ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0)))
        yield Change(_area(path), "folder", _how(pair), _shown(path), note=_REPOSITORY, count=count)
    whole = _whole_folders(rest)
    filled = {folder for path in found for folder in _above(path)}
    for folder, inside in sorted(whole.items()):
        yield Change(_area(folder), "folder", _how(rest[folder]), _shown(folder), count=inside)
    for path, pair in sorted(rest.items()):
        if any(folder in whole for folder in (path, *_above(path))):
            continue
        if _is_folder(pair):
            if path not in filled:  # else what is in it says enough
                yield Change(_area(path), "folder", _how(pair), _shown(path))
            continue
        one = _file(path, pair, before, after)
        yield replace(one, lines=()) if one.change == "added" and len(rest) > _MOST_FILES else one


def _area(path: str) -> Area:
    return "project" if path.startswith("project/") else "home"


def _whole_folders(files: Differences) -> dict[str, int]:
    """Give the folders that came or went whole and hold more files than can be named, outermost first, with their numbers."""
    inside = Counter(folder for path, pair in files.items() if not _is_folder(pair) for folder in _above(path))
    found: dict[str, int] = {}
    for path, pair in sorted(files.items()):
        if not _is_folder(pair) or _how(pair) == "changed" or any(outer in found for outer in _above(path)):
            continue
        if inside[path] > _MOST_FILES:
            found[path] = inside[path]
    return found


def _file(path: str, pair: tuple[Stamp | None, Stamp | None], before: Listing, after: Listing) -> Change:
    shown, note = _shown(path), ""
    lines: tuple[str, ...] = ()
    how = _how(pair)
    if path.startswith("home/"):
        note = _KNOWN_FILES.get(path.removeprefix("home/"), "") if pair[1] else ""
    old, new = before.texts.get(path), after.texts.get(path)
    if how == "changed" and old is not None and new is not None:
        if old == new:
            mode = pair[0] and pair[1] and pair[0][0] != pair[1][0]
            note = "other permissions" if mode else "saved again, with the same text"
        lines = _lines(old, new)
    elif how == "added" and new is not None and new.count("\n") <= _MOST_LINES:
        lines = _lines("", new)
    size = (pair[1][1] if pair[1] else 0) - (pair[0][1] if pair[0] else 0)
    return Change(_area(path), "file", how, shown, note=note, lines=lines, size=size)


def _lines(old: str, new: str) -> tuple[str, ...]:
    found: list[str] = []
    for line in list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))[2:]:
        if line.startswith("@@"):
            continue
        found.append(f"{line[0]} {redact(line[1:])[:_LONGEST_LINE]}")
    if len(found) > _MOST_LINES:
        found = [*found[:_MOST_LINES], f"… and {len(found) - _MOST_LINES} lines more"]
    return tuple(found)


# What others can see from now on


def _published(live: LiveWorkspace, pair: tuple[Stamp | None, Stamp | None]) -> Iterator[Change]:
    if pair[1] is None:
        return
    try:
        with (live.state / "published" / "journal.jsonl").open("rb") as file:
            file.seek(pair[0][1] if pair[0] else 0)
            data = file.read(1 << 20)
    except OSError:
        return
    for line in data.splitlines(keepends=True)[:50]:
        event = Event.read(line) if line.endswith(b"\n") else None
        if event is not None:
            site = {"pypi": "PyPI", "testpypi": "TestPyPI", "company": "the company's index"}.get(
                event.site, event.site
            )
            what = event.filename or " ".join(filter(None, (event.project, event.version)))
            if event.kind in ("token", "revoke") or not what:
                what = "token" if event.kind in ("token", "revoke") else event.kind
            how: How = "removed" if event.kind in ("delete", "revoke", "unpublisher") else "added"
            if event.kind != "identity":
                yield Change("index", "upload", how, what, where=site, note=event.kind)
