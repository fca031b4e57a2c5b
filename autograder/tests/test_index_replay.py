"""Tests of `autograder.index.replay`: what a journal made by hand can't say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.exceptions import Failed
from autograder.index import PackageIndex
from autograder.index.journal import Event
from autograder.index.replay import first_impossible
from autograder.published import Published
from autograder.tree import FolderTree
from index_publishing import Served, sdist, serving, wheel

Events = list[Event]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An index to which two releases were uploaded by tokens for all and for one project; one was yanked, another deleted."""
    folder = tmp_path_factory.mktemp("replay")
    with serving(PackageIndex.open(folder / "cache"), folder / "published") as served:
        token = served.token()
        for version in ("1.0", "1.1", "1.2"):
            assert served.upload(wheel("till-slip", version), token).status == 200
        assert served.upload(sdist("till-slip", "1.0"), token).status == 200
        for version, action in (("1.0", "yank"), ("1.2", "delete")):
            reply = served.manage(f"project/till-slip/release/{version}/", action=action, reason="wrong")
            assert reply.status == 200, reply.body
        yield served


def look(served: Served, events: Events) -> str:
    """Replay these events over the files that were uploaded."""

    def read(sha256: str) -> bytes | None:
        path = served.published / "files" / sha256
        return path.read_bytes() if path.is_file() else None

    return first_impossible("pypi", events, read)


def of(events: Events, kind: str) -> int:
    """Say where the first event of a kind stands."""
    return next(number for number, event in enumerate(events) if event.kind == kind)


def test_what_the_index_wrote_is_possible(served: Served) -> None:
    """A journal that came about by uploading, yanking and deleting is believed, as is an empty one."""
    events = served.journal.events()
    assert [event.kind for event in events] == ["token", "create", *["upload"] * 4, "yank", "delete"]
    assert look(served, events) == ""
    assert look(served, []) == ""
    Published("pypi", FolderTree(served.published)).require_possible()


def changed(kind: str, **fields: object) -> Callable[[Events], Events]:
    """Write something else into the first event of a kind."""

    def change(events: Events) -> Events:
        number = of(events, kind)
        return [*events[:number], replace(events[number], **fields), *events[number + 1 :]]  # type: ignore[arg-type]

    return change


def without(kind: str) -> Callable[[Events], Events]:
    """Leave the first event of a kind out."""
    return lambda events: [event for number, event in enumerate(events) if number != of(events, kind)]


def again(first: str, **fields: object) -> Callable[[Events], Events]:
    """Let the first event of a kind happen once more, at the end."""
    return lambda events: [*events, replace(events[of(events, first)], when=events[-1].when, **fields)]  # type: ignore[arg-type]


OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("token"), "nobody made the token"),
        (without("create"), "no such project"),
        (changed("upload", actor=""), "nobody made the token"),
        (changed("upload", actor="token:stolen"), "nobody made the token"),
        (changed("upload", actor="publisher:nobody"), "nobody registered"),
        (changed("upload", size=5), "another hash or size"),
        (changed("upload", version="9.9"), "Version in filename"),
        (changed("upload", version="01.0"), "not as the index writes it"),
        (changed("upload", filename="other-1.0-py3-none-any.whl"), "Start filename"),
        (changed("upload", filename="till_slip-1.0.exe"), "extension"),
        (changed("upload", details={}), "neither wheel nor sdist"),
        (changed("upload", details={"filetype": "bdist_wheel"}), "METADATA"),
        (changed("upload", when="2001-01-01T00:00:00.000000Z"), "older than"),
        (changed("upload", when="yesterday"), "time is none"),
        (changed("create", project="Till_Slip"), "no name"),
        (changed("token", project="x", details={"id": "t", "caveats": [[1, ["x"]]]}), "nobody made the token"),
        (changed("yank", version="7"), "no such release"),
        (changed("delete", project="others"), "no such project"),
        (again("create"), "there already"),
        (again("upload"), "taken"),
        (again("upload", filename="till_slip-1.2-py3-none-any.whl", version="1.2", sha256=OTHER), "burned"),
        (again("token"), "has its id already"),
        (again("yank"), "changes nothing"),
        (again("yank", kind="grant-points"), "no index does that"),
        (again("yank", kind="revoke", details={"id": "x"}), "no such token"),
    ],
)
def test_what_the_index_never_writes_is_found(served: Served, change: Callable[[Events], Events], says: str) -> None:
    """An event without what it needs, out of its time, or against a rule of uploading, is named with what is wrong."""
    problem = look(served, change(served.journal.events()))
    assert problem.startswith("event ")
    assert any(one in problem for one in says.split("|")), problem


def test_a_token_is_good_for_what_it_was_made_for(served: Served) -> None:
    """An upload by a token for another project, or after its time, is not believed."""
    events = served.journal.events()
    token = events[of(events, "token")]
    for caveat in ([1, ["other"]], [0, 2, 1], [2, ["no id"]]):
        details = {**token.details, "caveats": [caveat]}
        assert "wasn't good for that" in look(served, [replace(token, details=details), *events[1:]])


def test_a_file_that_no_index_takes(served: Served) -> None:
    """A file which is no wheel, though its hash and size are right, is not believed; nor one that isn't there at all."""
    events = served.journal.events()
    number = of(events, "upload")
    fake = replace(events[number], sha256=hashlib.sha256(b"PK").hexdigest(), size=2)
    changed_events = [*events[:number], fake, *events[number + 1 :]]
    assert "Invalid distribution file" in first_impossible("pypi", changed_events, lambda _: b"PK")
    assert "another hash or size" in first_impossible("pypi", events, lambda _: b"")


def test_a_check_says_so(served: Served, tmp_path: Path) -> None:
    """A learner who wrote the journal by hand is told what is wrong with it."""
    (tmp_path / "journal.jsonl").write_bytes(
        b"".join(event.line() for event in without("token")(served.journal.events()))
    )
    with pytest.raises(Failed, match="nobody made the token"):
        Published("pypi", FolderTree(tmp_path)).require_possible()


def test_any_number_of_events_is_bounded(served: Served) -> None:
    """More events than the index writes end the replay."""
    event = Event(site="pypi", kind="identity")
    assert "more than 5,000" in look(served, [event] * 6000)
