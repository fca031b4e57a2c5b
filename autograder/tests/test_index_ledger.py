"""What a journal amounts to: random histories never break a promise, and a journal from a stranger breaks nothing."""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from autograder.index import PackageIndex
from autograder.index.answers import Answer
from autograder.index.contents import Contents, Seed
from autograder.index.desk import Desk
from autograder.index.journal import Event, Journal
from autograder.index.ledger import MOST_EVENTS
from autograder.index.protocol import answer
from autograder.index.request import Body, Request
from autograder.index.store import IndexFile
from autograder.index.tokens import PROJECT_NAME, Macaroon
from index_publishing import encode, fields, wheel

SITES = ("pypi", "testpypi")
STRANGERS = IndexFile(
    filename="strangers-1.0-py3-none-any.whl",
    project="strangers",
    version="1.0",
    origin="fixture",
    sha256="a" * 64,
    size=1,
)


@functools.cache
def draft(name: str, version: str, tag: str, content: int) -> tuple[str, bytes]:
    """A wheel; the same name may have different content."""
    return wheel(name, version, tag=tag, files={"content.py": f"content = {content}\n"})


def contents(folder: Path) -> Contents:
    """Sites with one project of somebody else."""

    def no_file(sha256: str) -> io.BytesIO:
        raise FileNotFoundError(sha256)

    seed = Seed("Test", {"strangers": [STRANGERS]})
    return Contents(dict.fromkeys(SITES, seed), no_file, Journal(folder))


def post(desk: Desk, path: str, body: bytes, **headers: str) -> Answer:
    """Hand something in without a socket."""
    told = {name.replace("_", "-"): value for name, value in headers.items()} | {"Content-Length": str(len(body))}
    return desk.post(Request("POST", path, told, "http://index.example/x"), Body(io.BytesIO(body).read, len(body)))


@dataclass(frozen=True)
class Holding:
    """A token, and what we believe it is good for."""

    token: str
    site: str
    projects: frozenset[str] | None
    """None: all of the account."""
    generation: int
    """Which project of the name it was made for."""


class Histories(RuleBasedStateMachine):
    """Uploads, yanks and deletions in any order, by any token, on two sites."""

    def __init__(self) -> None:
        """Begin with a new workspace and a token for each account."""
        super().__init__()
        import tempfile

        self.place = tempfile.TemporaryDirectory()
        self.contents = contents(Path(self.place.name, "published"))
        self.desk = Desk(self.contents)
        self.live: dict[tuple[str, str], tuple[str, str, bytes]] = {}  # (site, file name) -> project, version, content
        self.gone: set[tuple[str, str]] = set()
        self.generations: dict[tuple[str, str], int] = {}
        self.yanked: set[tuple[str, str, str]] = set()
        self.holdings: list[Holding] = []
        for site in SITES:
            self._mint(site, None)

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.place.cleanup()

    def _mint(self, site: str, project: str | None) -> None:
        form = urlencode({"project": project or ""}).encode()
        reply = post(self.desk, f"/{site}/manage/account/token/", form)
        mine = project is None or self._exists(site, project)
        assert reply.status == (200 if mine else 404)
        if mine:
            assert isinstance(reply.body, bytes)
            generation = self.generations.get((site, project or ""), 0)
            projects = None if project is None else frozenset([project])
            self.holdings.append(Holding(json.loads(reply.body)["token"], site, projects, generation))

    def _exists(self, site: str, project: str) -> bool:
        return self.generations.get((site, project), 0) % 2 == 1

    # What is likely to meet is chosen often: else nearly all that happens is a refusal for one reason.
    sites = st.sampled_from(["pypi", "pypi", "pypi", "testpypi"])
    projects = st.sampled_from(["till-slip", "till-slip", "till-slip", "price-gun", "strangers"])
    versions = st.sampled_from(["1.0", "1.0", "1.1"])
    tags = st.sampled_from(["py3-none-any", "py3-none-any", "py3-none-win32"])
    chosen = st.sampled_from([0, 0, 0, 0, *range(1, 12)])
    """Which token; the first is for all of PyPI's account."""

    @rule(site=sites, project=projects)
    def make_token(self, site: str, project: str) -> None:
        """Make a token for one project."""
        self._mint(site, project)

    @rule(which=chosen, project=projects)
    def narrow_token(self, which: int, project: str) -> None:
        """Narrow a token down without asking."""
        held = self.holdings[which % len(self.holdings)]
        token = Macaroon.read(held.token).narrowed([PROJECT_NAME, [project]]).token()
        projects = frozenset([project]) if held.projects is None else held.projects & {project}
        self.holdings.append(Holding(token, held.site, projects, held.generation if held.projects else -1))

    @rule(which=chosen)
    def forge_token(self, which: int) -> None:
        """Take the caveats of a token away, which leaves it good for nothing."""
        macaroon = Macaroon.read(self.holdings[which % len(self.holdings)].token)
        forged = Macaroon(macaroon.location, macaroon.identifier, macaroon.caveats[:-1], macaroon.signature)
        self.holdings.append(Holding(forged.token(), "nowhere", None, 0))

    @rule(site=sites, project=projects, version=versions, tag=tags, content=st.integers(0, 1), which=chosen)
    def upload(self, site: str, project: str, version: str, tag: str, content: int, which: int) -> None:
        """Upload a file, with whatever token."""
        held = self.holdings[which % len(self.holdings)]
        filename, data = draft(project, version, tag, content)
        kind, body = encode(fields(project, version, filename, data), filename, data)
        secret = base64.b64encode(f"__token__:{held.token}".encode()).decode()
        reply = post(self.desk, f"/{site}/legacy/", body, Content_Type=kind, Authorization=f"Basic {secret}")
        allowed = held.site == site and project != "strangers"
        if held.projects is not None:
            allowed &= project in held.projects
            if held.generation >= 0:
                allowed &= held.generation == self.generations.get((site, project), 0)
        key = (site, filename)
        if not allowed:
            assert reply.status == 403, reply
        elif key in self.live:
            assert reply.status == (200 if self.live[key][2] == data else 400)
        elif key in self.gone:
            assert reply.status == 400
        else:
            assert reply.status == 200, reply
            if not self._exists(site, project):
                self.generations[site, project] = self.generations.get((site, project), 0) + 1
            self.live[key] = (project, version, data)

    @rule(site=sites, project=projects, version=versions, action=st.sampled_from(["yank", "unyank", "delete"]))
    def change_release(self, site: str, project: str, version: str, action: str) -> None:
        """Yank, un-yank or delete a release."""
        form = urlencode({"action": action}).encode()
        reply = post(self.desk, f"/{site}/manage/project/{project}/release/{version}/", form)
        there = [key for key, held in self.live.items() if (key[0], *held[:2]) == (site, project, version)]
        if not there:
            assert reply.status == 404
            return
        release = (site, project, version)
        assert reply.status == (400 if action != "delete" and (action == "yank") == (release in self.yanked) else 200)
        if action == "yank":
            self.yanked.add(release)
        else:
            self.yanked.discard(release)
        if action == "delete":
            self._bury(there)

    @rule(site=sites, project=projects)
    def delete_project(self, site: str, project: str) -> None:
        """Delete a project with all its files."""
        reply = post(self.desk, f"/{site}/manage/project/{project}/delete/", b"")
        assert reply.status == (200 if self._exists(site, project) else 404)
        if self._exists(site, project):
            self.generations[site, project] += 1
            self.yanked = {release for release in self.yanked if release[:2] != (site, project)}
            self._bury([key for key, held in self.live.items() if (key[0], held[0]) == (site, project)])

    def _bury(self, keys: list[tuple[str, str]]) -> None:
        for key in keys:
            del self.live[key]
            self.gone.add(key)

    @precondition(lambda self: self.live)
    @rule()
    def restart(self) -> None:
        """Serve the same workspace anew: only what is on the disk counts."""
        self.contents = contents(Path(self.place.name, "published"))
        self.desk = Desk(self.contents)

    @invariant()
    def pages_tell_the_truth(self) -> None:
        """What is offered is what was accepted first under each name and not deleted, to the byte."""
        sites = self.contents.sites()
        for name, site in sites.items():
            offered = {(name, file.filename): file for files in site.projects.values() for file in files}
            del offered[name, STRANGERS.filename]
            assert offered.keys() == {key for key in self.live if key[0] == name}
            for key, file in offered.items():
                project, version, data = self.live[key]
                assert file.sha256 == hashlib.sha256(data).hexdigest()
                with site.open(file.sha256) as stored:
                    assert stored.read() == data
                assert (file.yanked is not None) == ((name, project, version) in self.yanked)


Histories.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHistories = Histories.TestCase


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["till-slip", "1.0", "a" * 64]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
STRANGE = st.fixed_dictionaries(
    {
        "site": st.sampled_from(SITES),
        "kind": st.sampled_from(
            [
                "create",
                "upload",
                "yank",
                "unyank",
                "delete",
                "status",
                "token",
                "revoke",
                "publisher",
                "unpublisher",
                "identity",
                "nonsense",
            ]
        ),
        "when": st.just("2026-11-21T12:00:00.000000Z"),
    },
    optional={
        "project": st.sampled_from(["till-slip", "strangers", "../x", "", "<b>"]),
        "version": st.sampled_from(["1.0", "", "nonsense", "1.00"]),
        "filename": st.sampled_from(["till_slip-1.0-py3-none-any.whl", "../../x", "", "<script>", "\n"]),
        "sha256": st.sampled_from(["a" * 64, "b" * 64, "../../etc/passwd", ""]),
        "size": st.integers(-1, 10),
        "reason": st.text(max_size=5),
        "details": st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "name",
                    "caveats",
                    "status",
                    "jti",
                    "metadata_sha256",
                    "provenance_sha256",
                    "repository",
                    "workflow",
                ]
            ),
            ANYTHING,
            max_size=5,
        ),
    },
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(STRANGE, max_size=12))
def test_journal_of_a_stranger(tmp_path_factory: pytest.TempPathFactory, told: list[dict[str, object]]) -> None:
    """Whatever a journal from elsewhere says, all pages can be written, and no file outside is opened."""
    folder = tmp_path_factory.mktemp("strange")
    lines = [{"site": "pypi", "kind": "create", "when": "", "project": "till-slip"}, *told]
    (folder / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    offered = contents(folder)
    desk = Desk(offered)
    for name, site in offered.sites().items():
        assert desk.get(Request("GET", f"/{name}/manage/", {}, "http://index.example")) is not None
        for project in site.projects:
            for accept in ("text/html", "application/vnd.pypi.simple.v1+json"):
                assert answer({name: site}, f"/{name}/simple/{project}/", {"Accept": accept}).status == 200
        for file in site.files.values():
            with pytest.raises(FileNotFoundError):
                site.open(file.sha256)


def test_no_hash_of_a_stranger_becomes_a_path(tmp_path: Path) -> None:
    """Where a journal says a path in place of a hash, the index serves no file from there."""
    (tmp_path / "hidden").write_text("private")
    journal = Journal(tmp_path / "published")
    away = {"metadata_sha256": "../hidden", "provenance_sha256": str(tmp_path / "hidden")}
    journal.append(Event(site="pypi", kind="create", project="till-slip"))
    told = {"project": "till-slip", "version": "1.0", "filename": "till_slip-1.0-py3-none-any.whl", "sha256": "b" * 64}
    journal.append(Event(site="pypi", kind="upload", **told, details=away))  # type: ignore[arg-type]
    offered = PackageIndex.open().contents(journal.folder)
    (file,) = offered.sites()["pypi"].projects["till-slip"]
    assert file.metadata_sha256 == ""
    assert offered.sites()["pypi"].provenance == {}
    for path in away.values():
        with pytest.raises(FileNotFoundError):
            offered.open(path)


def test_long_history_costs_little(tmp_path: Path) -> None:
    """A journal made to be slow is gone through in a bounded time, and what is too much of it is left out."""
    journal = Journal(tmp_path / "published")
    lines = [Event(site="pypi", kind="create", project="x").line()]
    for number in range(MOST_EVENTS):
        told = {"project": "x", "version": "1.0", "filename": f"x-{number}.whl", "sha256": "b" * 64}
        kind = ("upload", "yank", "upload", "unyank", "upload", "delete")[number % 6]
        if kind == "delete":
            told["version"] = "2.0"
        lines.append(Event(site="pypi", kind=kind, **told).line())  # type: ignore[arg-type]
    journal.folder.mkdir()
    journal.path.write_bytes(b"".join(lines))
    begun = time.perf_counter()
    offered = contents(journal.folder)
    assert len(offered.sites()["pypi"].projects["x"]) == MOST_EVENTS // 2
    assert time.perf_counter() - begun < 20
    desk = Desk(offered)
    assert post(desk, "/pypi/manage/account/token/", b"").status == 403
    assert post(desk, "/testpypi/manage/account/token/", b"").status == 200


def test_damaged_event_is_skipped(tmp_path: Path) -> None:
    """An upload whose version or hash makes no sense is left out, the rest is there."""
    journal = Journal(tmp_path / "published")
    journal.append(Event(site="pypi", kind="create", project="till-slip"))
    for version, sha256 in (("1.0", "b" * 64), ("nonsense", "c" * 64), ("1.1", "short")):
        journal.append(
            Event(
                site="pypi",
                kind="upload",
                project="till-slip",
                version=version,
                filename=f"{version}.whl",
                sha256=sha256,
            )
        )
    (file,) = contents(journal.folder).sites()["pypi"].projects["till-slip"]
    assert file.version == "1.0"
