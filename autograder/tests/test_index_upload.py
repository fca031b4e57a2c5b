"""Uploads: what becomes part of a release, and what an index never allows. For rule by rule see its two neighbours."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urljoin

import pytest

from autograder.index import PackageIndex
from autograder.index import upload as module
from autograder.index.journal import Event
from index_publishing import Served, metadata, sdist, serving, wheel


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def served(index: PackageIndex, tmp_path: Path) -> Iterator[Served]:
    """The index, served for a new workspace."""
    with serving(index, tmp_path / "published") as served:
        yield served


@pytest.fixture
def token(served: Served) -> str:
    """A token for the whole account."""
    return served.token()


def test_upload_is_seen_at_once(served: Served, token: str) -> None:
    """A wheel and an sdist appear on the project's page with all their facts, and the journal tells how they came."""
    assert served.page("till-slip") is None
    for file in (wheel("till-slip", "1.0"), sdist("till-slip", "1.0")):
        reply = served.upload(file, token, name="Till.Slip", requires_python=">=3.9")
        assert (reply.status, reply.body) == (200, b"")
    page = served.page("till-slip")
    assert [file["filename"] for file in page["files"]] == ["till_slip-1.0-py3-none-any.whl", "till_slip-1.0.tar.gz"]
    built = page["files"][0]
    assert built["hashes"]["sha256"] == hashlib.sha256(wheel("till-slip", "1.0")[1]).hexdigest()
    assert built["requires-python"] == ">=3.9"
    assert built["core-metadata"]["sha256"] == hashlib.sha256(metadata("till-slip", "1.0").encode()).hexdigest()
    assert abs(datetime.now(UTC) - datetime.fromisoformat(built["upload-time"])) < timedelta(minutes=1)
    assert served.ask("GET", urljoin("/pypi/simple/till-slip/", built["url"])).body == wheel("till-slip", "1.0")[1]
    told = served.ask("GET", urljoin("/pypi/simple/till-slip/", built["url"]) + ".metadata")
    assert told.body.decode() == metadata("till-slip", "1.0")
    assert [event.project for event in served.events("create")] == ["till-slip"]
    assert [event.filename for event in served.events("upload")] == [file["filename"] for file in page["files"]]


def test_nothing_secret_is_in_the_journal(served: Served, token: str) -> None:
    """Neither a token nor what it is signed with stands in the journal."""
    served.upload(wheel("till-slip", "1.0"), token)
    written = served.journal.path.read_bytes()
    raw = base64.urlsafe_b64decode(token.removeprefix("pypi-") + "==")
    assert token.encode() not in written
    assert raw[-32:].hex().encode() not in written
    assert (served.published / "secret").stat().st_mode & 0o777 == 0o600
    assert (served.published / "secret").read_bytes() not in written


def test_sites_are_apart(served: Served, token: str) -> None:
    """A token of one index is refused by the others, and a file on one isn't on another."""
    file = wheel("till-slip", "1.0")
    for site in ("testpypi", "company"):
        reply = served.upload(file, token, site=site)
        assert reply.status == 403
        assert "Invalid or non-existent authentication information." in reply.reason
    assert served.upload(file, token).status == 200
    assert served.filenames("till-slip", "testpypi") == []
    assert served.upload(file, served.token("testpypi"), site="testpypi").status == 200
    assert served.filenames("till-slip", "testpypi") == [file[0]]


def test_identical_file_is_accepted_again(served: Served, token: str) -> None:
    """The same bytes under the same name are no error and no second file."""
    file = wheel("till-slip", "1.0")
    for _ in range(2):
        assert served.upload(file, token).status == 200
    assert len(served.events("upload")) == 1


def test_file_is_never_overwritten(served: Served, token: str) -> None:
    """Other bytes under a name that is taken, and the same bytes under another name, are refused; what was there stays."""
    first = wheel("till-slip", "1.0")
    other = wheel("till-slip", "1.0", files={"more.py": "x = 1\n"})
    assert served.upload(first, token).status == 200
    reply = served.upload(other, token)
    assert reply.status == 400
    assert reply.reason.startswith(f"File already exists ('{first[0]}', with blake2_256 hash '")
    reply = served.upload(("till_slip-1.1-py3-none-any.whl", first[1]), token)
    assert reply.reason.startswith("File already exists ('till_slip-1.1-py3-none-any.whl'")
    (file,) = served.page("till-slip")["files"]
    assert served.ask("GET", urljoin("/pypi/simple/till-slip/", file["url"])).body == first[1]


@pytest.mark.parametrize("how", ["release", "file", "project"])
def test_deleted_name_is_burned(served: Served, token: str, how: str) -> None:
    """Whatever was deleted, its file names can't be used again, not even for the same bytes."""
    file = wheel("till-slip", "1.0")
    served.upload(file, token)
    path = {"release": "release/1.0/", "file": f"file/{file[0]}/", "project": "delete/"}[how]
    assert served.manage(f"project/till-slip/{path}", action="delete").status == 200
    assert served.filenames("till-slip") == []
    for again in (file, wheel("till-slip", "1.0", files={"more.py": ""})):
        reply = served.upload(again, token)
        assert reply.status == 400
        assert reply.reason.startswith(
            "This filename was previously used by a file that has since been deleted. Use a different version."
        )
    assert served.upload(wheel("till-slip", "1.0.post1"), token).status == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("text/html, application/json;q=0.5", "text/html"),
        ("*/*", "text/html"),
        ("text/plain;q=0.9, text/html;q=nonsense", "text/html"),
        ("text/plain", "text/plain"),
    ],
)
def test_refusal_is_told_in_all_ways(served: Served, accept: str, kind: str) -> None:
    """The reason stands in the reason phrase and in a body of the kind that the client likes."""
    reply = served.upload(wheel("till-slip", "1.0"), "pypi-nonsense", accept=accept)
    assert reply.status == 403
    assert reply.headers["Content-Type"].startswith(kind)
    assert reply.reason.startswith("Invalid or non-existent authentication information.")
    if kind == "application/json":
        assert reply.json["code"] == f"403 {reply.reason}"
    else:
        assert f"403 {reply.reason}".encode() in reply.body


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("json", "The name 'json' isn't allowed (conflict with Python Standard Library module name)."),
        ("1eft-pad", "The name '1eft-pad' is too similar to an existing project."),
    ],
)
def test_name_that_nobody_gets(served: Served, token: str, name: str, sentence: str) -> None:
    """Names of the standard library's modules, and names that look like one that is taken, are refused."""
    reply = served.upload(wheel(name, "1.0"), token, name=name)
    assert (reply.status, reply.reason.startswith(sentence)) == (400, True), reply.reason


def test_project_of_a_stranger(served: Served, token: str) -> None:
    """A project that somebody else owns takes no upload; on the company's index the learner is one of the team."""
    reply = served.upload(wheel("leftpad", "9.0"), token)
    assert reply.status == 403
    assert reply.reason.startswith("The user 'learner' isn't allowed to upload to project 'leftpad'.")


def test_team_shares_the_companys_projects(served: Served) -> None:
    """On the company's index everybody on the team may publish a new version of what is there."""
    names = list(served.index.contents().sites()["company"].projects)
    if not names:
        pytest.skip("the company's index has no project yet")
    token = served.token("company")
    assert served.upload(wheel(names[0], "99.0"), token, name=names[0], site="company").status == 200


def test_one_sdist_a_release(served: Served, token: str) -> None:
    """A second sdist is refused, a second wheel is not."""
    served.upload(sdist("till-slip", "1.0"), token)
    second = sdist("till-slip", "1.0", files=["PKG-INFO", "other.py"])
    told = {"version": "1.0", "filetype": "sdist", "pyversion": "source"}
    reply = served.upload(("till_slip-1.0.zip", second[1]), token, **told)
    assert reply.reason == "Only one sdist may be uploaded per release."
    for tag in ("py3-none-any", "cp313-cp313-manylinux_2_28_x86_64"):
        assert served.upload(wheel("till-slip", "1.0", tag=tag), token).status == 200


def test_old_release_is_closed(served: Served, token: str) -> None:
    """After two weeks nothing can be added to a release, but a new one can be made."""
    long_ago = (datetime.now(UTC) - timedelta(days=15)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    served.upload(wheel("till-slip", "1.0"), token)
    lines = served.journal.events()
    served.journal.path.unlink()
    for event in lines:
        served.journal.append(Event(**{**vars(event), "when": long_ago}))
    reply = served.upload(sdist("till-slip", "1.0"), token)
    assert reply.reason == "Uploading new files to releases older than 14 days is not allowed."
    assert served.upload(sdist("till-slip", "1.1"), token).status == 200


def test_archived_project_takes_nothing(served: Served, token: str) -> None:
    """An archived project refuses uploads until it is active again."""
    served.upload(wheel("till-slip", "1.0"), token)
    served.manage("project/till-slip/status/", status="archived")
    assert served.upload(wheel("till-slip", "1.1"), token).status == 403
    served.manage("project/till-slip/status/", status="active")
    assert served.upload(wheel("till-slip", "1.1"), token).status == 200


@pytest.mark.parametrize("deflate", [True, False])
def test_sizes_are_bounded(served: Served, token: str, monkeypatch: pytest.MonkeyPatch, deflate: bool) -> None:
    """A file that is too large, alone or with the others of its project, is refused; so is one that unpacks to too much."""
    large = wheel("till-slip", "1.0", files={"large.txt": "0" * (18 << 20)})
    reply = served.upload(large, token)
    assert reply.reason.startswith("File too large. Limit for project 'till-slip' is 16 MB.")
    bomb = wheel("till-slip", "1.0", files={"large.txt": "0" * (80 << 20)}, deflate=True)
    assert served.upload(bomb, token).reason == "Invalid distribution file. File exceeds compression ratio of 50"
    monkeypatch.setattr(module, "MOST_PROJECT_BYTES", 1500)
    assert served.upload(wheel("till-slip", "1.0", deflate=deflate), token).status == 200
    reply = served.upload(wheel("till-slip", "1.1"), token)
    assert reply.reason.startswith("Project size too large. Limit for project 'till-slip' total size is")
    monkeypatch.setattr(module, "MOST_SITE_BYTES", 1500)
    reply = served.upload(wheel("price-gun", "1.0"), token)
    assert (reply.status, reply.reason) == (403, "Read-only mode: Uploads are temporarily disabled.")


def test_concurrent_uploads_of_one_name(served: Served, token: str) -> None:
    """Of many different files of one name that come at once exactly one is published."""
    files = [wheel("till-slip", "1.0", files={"number.py": f"n = {number}\n"}) for number in range(6)]
    replies: list[int] = []
    threads = [
        threading.Thread(target=lambda file=file: replies.append(served.upload(file, token).status)) for file in files
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(replies) == [200, 400, 400, 400, 400, 400]
    assert len(served.events("upload")) == len(served.events("create")) == 1


def test_index_without_a_workspace_takes_nothing(index: PackageIndex) -> None:
    """Without a place for what is published an upload is refused in a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener):
        served = Served(index, listener.getsockname()[1], Path("/nowhere"))
        reply = served.upload(wheel("till-slip", "1.0"), "pypi-x")
        assert (reply.status, reply.reason) == (403, "Read-only mode: Uploads are temporarily disabled.")
        assert served.manage("account/token/").status == 405


def test_wrong_address_is_told(served: Served, token: str) -> None:
    """An upload without the last slash, or to the address of the Simple API, is told what is wrong."""
    reply = served.ask("POST", "/pypi/legacy", b"x")
    assert (reply.status, reply.headers["Location"]) == (308, served.url("/pypi/legacy/"))
    assert "with a trailing slash" in reply.reason
    assert served.ask("POST", "/pypi/simple/", b"x").status == 405
    assert served.ask("POST", "/nowhere/legacy/", b"x").status == 404


def test_two_servers_share_a_workspace(index: PackageIndex, tmp_path: Path) -> None:
    """What is published through one server is seen, and protected, by another one of the same workspace."""
    with serving(index, tmp_path / "p") as one, serving(index, tmp_path / "p") as other:
        token = one.token()
        assert other.page("till-slip") is None
        assert one.upload(wheel("till-slip", "1.0"), token).status == 200
        assert other.filenames("till-slip") == ["till_slip-1.0-py3-none-any.whl"]
        reply = other.upload(wheel("till-slip", "1.0", files={"x": ""}), token)
        assert reply.reason.startswith("File already exists")
