"""`course index …`: look at the course's indexes, serve them, and read what a workspace has published.

Everything is written as plain columns, without colour, so that it can be read in any terminal and by other programs.
"""

from __future__ import annotations

import argparse
import difflib
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.exceptions import CourseError, UsageError

if TYPE_CHECKING:
    from autograder.index.journal import Event
    from autograder.index.site import Site
    from autograder.index.store import IndexFile

__all__ = ["add_commands", "list_projects"]

# Imports of the package's own modules stand in the functions: `course --help` starts at once.

NAMES = ("pypi", "testpypi", "company")
_ORIGINS = {"fixture": "ours", "published": "published"}


def _say(text: str = "") -> None:
    """Print a line; what a terminal would obey in a text of strangers is made visible."""
    print("".join(one if one.isprintable() else "�" for one in text), flush=True)


def add_commands(index: argparse.ArgumentParser) -> None:
    """Add the commands to `course index`, which lists when none of them is given."""
    index.set_defaults(run=list_projects, index="pypi", exercise=None)
    commands = index.add_subparsers(title="commands", metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str, example: str) -> argparse.ArgumentParser:
        one: argparse.ArgumentParser = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=f"Example: {example}"
        )
        one.set_defaults(run=run, parser=one)
        return one

    def workspace(one: argparse.ArgumentParser) -> None:
        one.add_argument(
            "--with", dest="exercise", metavar="EX", help="with what that exercise's workspace has published"
        )

    one = add("list", list_projects, "list the projects of an index", "course index list --index company")
    one.add_argument("--index", choices=NAMES, default="pypi", help="which one (default: pypi)")
    workspace(one)
    one = add("show", _show, "tell all that the indexes know of a project", "course index show leftpad")
    one.add_argument("name", metavar="NAME", help="the project's name, however it is written")
    workspace(one)
    one = add(
        "serve",
        _serve,
        "serve the indexes to this machine's own tools and browser, until Ctrl-C",
        "course index serve --port 8080",
    )
    one.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: 8080)")
    one.add_argument(
        "--max-age",
        metavar="SECONDS",
        type=int,
        default=0,
        help="let tools keep pages so long without asking again, as PyPI does for 600 seconds (default: 0)",
    )
    workspace(one)
    one = add("journal", _journal, "tell what an exercise's workspace has published", "course index journal 14")
    one.add_argument("exercise", metavar="EX", help="a number, an id, or any part of it only one has")
    add("fetch", _fetch, "fetch the real distributions that the index mirrors, and the tools", "course index fetch")
    one = add(
        "lock", _lock, "for authors: choose the real distributions anew (needs uv and a network)", "course index lock"
    )
    one.add_argument("--company", action="store_true", help="choose those of your own that wheelhouse.toml names")


def _published(name: str | None) -> Path | None:
    from autograder import folder
    from autograder.exercise import find_exercise

    return folder.open_workspace(find_exercise(name)).place.published if name else None


def _sites(exercise: str | None) -> Mapping[str, Site]:
    from autograder.folder import index

    return index().contents(_published(exercise)).sites()


def _columns(rows: Iterable[Sequence[str]]) -> None:
    """Print rows in columns; the last one may be as long as it likes."""
    table = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)][:-1] if table else []
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        _say("  ".join([*cells, row[-1]]).rstrip())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


# --- list and show


def list_projects(arguments: argparse.Namespace) -> int:
    """List the projects of one index, a line each; gives the exit status."""
    from autograder.index.core_metadata import core_metadata, of_version, shown_version

    site = _sites(arguments.exercise)[arguments.index]
    rows = [("PROJECT", "NEWEST", "RELEASES", "FROM", "SUMMARY")]
    for project, files in sorted(site.projects.items()):
        version = shown_version(files)
        summary = core_metadata(site, of_version(files, version)).get("summary") or ""
        marker = site.status(project).marker
        origins = {_ORIGINS.get(file.origin, "real") for file in files}
        rows.append(
            (
                project,
                version,
                str(len({file.version for file in files})),
                "+".join(sorted(origins)),
                summary if marker == "active" else f"({marker}) {summary}",
            )
        )
    _columns(rows)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from packaging.utils import canonicalize_name

    sites, project = _sites(arguments.exercise), canonicalize_name(arguments.name)
    there = [site for site in sites.values() if project in site.projects]
    if not there:
        names = {name for site in sites.values() for name in site.projects}
        near = difflib.get_close_matches(project, names, n=1)
        raise UsageError(
            f"No index has a project called {arguments.name}.",
            f"Did you mean {near[0]}?" if near else "Run `course index list` to see what there is.",
        )
    for site in there:
        _say(f"{project} on {site.name}")
        _show_on(site, project)
    return 0


def _show_on(site: Site, project: str) -> None:
    from autograder.folder import index
    from autograder.index.core_metadata import core_metadata, of_version
    from autograder.index.site import in_order

    if purpose := index().purpose(project, site.name):
        _say(f"  {purpose}")
    status = site.status(project)
    if status.marker != "active":
        _say(f"  status: {status.marker}{f' ({status.reason})' if status.reason else ''}")
    files = in_order(site.projects[project])
    for version in dict.fromkeys(file.version for file in files):
        own = of_version(files, version)
        metadata = core_metadata(site, own)
        _say()
        _say(f"  {version}{_told_of(own)}")
        _say(f"    {metadata.get('summary') or ''}")
        for requirement in metadata.get("requires_dist") or ():
            _say(f"    needs {requirement}")
        for advisory in site.advisories.on(project, version):
            _say(f"    vulnerable: {advisory['id']}, {advisory['summary']}")
        for file in own:
            _say(f"    {file.filename}  {file.size} bytes  sha256:{file.sha256}")
    if not files:
        _say("  nothing is released")
    _say()


def _told_of(files: Sequence[IndexFile]) -> str:
    first = files[0]
    told = [
        f"uploaded {first.uploaded[:10]}" if first.uploaded else "",
        f"for Python {first.requires_python}" if first.requires_python else "",
        f"yanked: {first.yanked or 'no reason given'}" if first.yanked is not None else "",
    ]
    return "".join(f", {one}" for one in told if one)


# --- serve


def _serve(arguments: argparse.Namespace) -> int:
    from autograder.folder import index

    published = _published(arguments.exercise)
    with _listener(arguments.port) as listener:
        catalogue = index()
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        with catalogue.serve(listener, published, keep=arguments.max_age):
            _tell(f"http://127.0.0.1:{listener.getsockname()[1]}", catalogue.missing, arguments.exercise)
            stop.wait()
    _say("Stopped.")
    return 0


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise UsageError(
            f"Port {port} can't be used: {error.strerror}.",
            "Take another one, or `--port 0` for any that is free.",
        ) from error
    except OverflowError:
        raise UsageError(f"{port} is no port.", "Ports go from 0 to 65535.") from None


def _tell(address: str, missing: Sequence[str], exercise: str | None) -> None:
    _say("The course's indexes are served to this machine alone, until Ctrl-C.")
    for name in NAMES:
        _say(f"  {name:9} browser: {address}/{name}/   installers: {address}/{name}/simple/")
    _say(f"  Try: pip install --index-url {address}/pypi/simple/ leftpad")
    if exercise:
        _say(f"  Uploads go into the workspace of {exercise}, at {address}/testpypi/legacy/ and so on.")
    else:
        _say(
            "  Nothing can be uploaded; `--with EX` serves what an exercise's workspace published, and takes uploads for it."
        )
    if missing:
        _say(
            f"  {_count(len(missing), 'real distribution')} can't be had: `course index fetch` fetches what is missing."
        )


# --- journal


def _journal(arguments: argparse.Namespace) -> int:
    from autograder.exercise import find_exercise
    from autograder.index.journal import Journal

    published = _published(arguments.exercise)
    events = Journal(published).events() if published else []
    if not events:
        _say(f"Nothing was published from {find_exercise(arguments.exercise).id} yet.")
        return 0
    _columns([("WHEN (UTC)", "INDEX", "WHAT", "PROJECT", "DETAILS"), *map(_event_row, events)])
    return 0


def _event_row(event: Event) -> tuple[str, str, str, str, str]:
    details = [event.filename or event.version]
    if event.size:
        details.append(f"{event.size} bytes")
    if event.sha256:
        details.append(f"sha256:{event.sha256[:12]}…")
    if event.reason:
        details.append(f"because: {event.reason}")
    if event.actor:
        details.append(f"by {event.actor}")
    details += [
        f"{key}={value}" for key, value in event.details.items() if key in ("name", "status", "repository", "workflow")
    ]
    when = event.when[:19].replace("T", " ")
    return when, event.site, event.kind, event.project or "-", "  ".join(filter(None, details))


# --- what authors need


def _fetch(_: argparse.Namespace) -> int:
    from autograder.index import PackageIndex
    from autograder.sandbox.bubblewrap_wheel import provide_where_lacking
    from autograder.sandbox.tools import provide_tools

    problems: dict[Callable[..., object], Exception] = {}
    in_order = (PackageIndex.fetch_mirror, provide_tools, provide_where_lacking)

    def try_each(*ways: Callable[..., object]) -> None:
        for fetch in ways:  # what fails of one is told when all were tried
            try:
                fetch(say=_say)
            except Exception as problem:
                problems[fetch] = problem

    # beside one another: the first mostly waits for the network, the second for the processor; Ctrl-C ends the whole
    beside = threading.Thread(target=try_each, args=in_order[1:], daemon=True)
    beside.start()
    try_each(in_order[0])
    beside.join()
    told = [problem for fetch in in_order if isinstance(problem := problems.get(fetch), CourseError)]
    for problem in problems.values():
        if problem not in told:
            raise problem
    if told:
        raise CourseError(" ".join(problem.message for problem in told), told[0].next_step)
    return 0


def _lock(arguments: argparse.Namespace) -> int:
    if arguments.company:
        from autograder.index.company import lock_company

        _say(f"{lock_company()} is written: `course index fetch` fetches what it names.")
        return 0
    from autograder.index.mirror_lock import lock_mirror

    lock_mirror()
    _say("mirror.txt is written anew: `course index fetch` fetches what it names.")
    return 0
