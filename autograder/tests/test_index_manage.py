"""What PyPI's users do on its web pages: yanking, deleting, a project's status, publishers; and the command that stands for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.index import PackageIndex, manage
from autograder.sandbox import pypi_manage
from index_publishing import Served, sdist, serving, wheel


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def served(index: PackageIndex, tmp_path: Path) -> Iterator[Served]:
    """The index, served for a new workspace in which a project has two releases."""
    with serving(index, tmp_path / "published") as served:
        token = served.token()
        for file in (wheel("till-slip", "1.0"), sdist("till-slip", "1.0"), wheel("till-slip", "1.1")):
            assert served.upload(file, token).status == 200
        yield served


def command(served: Served, *words: str, fails: bool = False) -> str:
    """Run `pypi-manage` as the sandbox does; gives all it says."""
    ran = subprocess.run(
        [sys.executable, "-I", pypi_manage.__file__, *words],
        env={
            "WHEELHOUSE_LOOPBACK": served.url("").rstrip("/"),
            "PATH": os.environ["PATH"],
            "http_proxy": "http://127.0.0.1:9",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode != 0) == fails, ran.stderr
    return ran.stdout + ran.stderr


def yanked(served: Served) -> dict[str, object]:
    """File name -> what its page says about the yank."""
    return {file["filename"]: file["yanked"] for file in served.page("till-slip")["files"]}


def test_yank_is_for_a_release(served: Served) -> None:
    """All files of a release are yanked with the reason, one that comes later too, and all can be taken back."""
    assert "is yanked on PyPI" in command(served, "yank", "Till.Slip", "1.0", "--reason", "No <total>")
    assert served.upload(wheel("till-slip", "1.0", tag="cp313-cp313-win32"), served.token()).status == 200
    assert yanked(served) == {
        "till_slip-1.0-cp313-cp313-win32.whl": "No <total>",
        "till_slip-1.0-py3-none-any.whl": "No <total>",
        "till_slip-1.0.tar.gz": "No <total>",
        "till_slip-1.1-py3-none-any.whl": False,
    }
    assert "is yanked already" in command(served, "yank", "till-slip", "1.0", fails=True)
    command(served, "unyank", "till-slip", "1.0")
    assert set(yanked(served).values()) == {False}
    assert "isn't yanked" in command(served, "unyank", "till-slip", "1.0", fails=True)


def test_yank_without_a_reason(served: Served) -> None:
    """A yank needs no reason."""
    command(served, "yank", "till-slip", "1.1")
    assert yanked(served)["till_slip-1.1-py3-none-any.whl"] is True


def test_delete_asks_first(served: Served) -> None:
    """Deleting needs a second word, and takes a file, a release or all."""
    assert "can't be undone" in command(served, "delete", "till-slip", fails=True)
    command(served, "delete", "till-slip", "--file", "till_slip-1.0.tar.gz", "--yes")
    assert served.filenames("till-slip") == ["till_slip-1.0-py3-none-any.whl", "till_slip-1.1-py3-none-any.whl"]
    command(served, "delete", "till-slip", "1.0", "--yes")
    assert served.filenames("till-slip") == ["till_slip-1.1-py3-none-any.whl"]
    command(served, "delete", "till-slip", "--yes")
    assert served.page("till-slip") is None
    assert "it doesn't exist" in command(served, "delete", "till-slip", "--yes", fails=True)


def test_status_is_shown(served: Served) -> None:
    """A project's status stands on its page with the reason; of one in quarantine nothing can be installed."""
    command(served, "status", "till-slip", "archived", "--reason", "The kiosk prints now")
    assert served.page("till-slip")["project-status"] == {"status": "archived", "reason": "The kiosk prints now"}
    assert len(served.filenames("till-slip")) == 3
    command(served, "status", "till-slip", "quarantined")
    assert served.filenames("till-slip") == []
    command(served, "status", "till-slip", "active")
    assert len(served.filenames("till-slip")) == 3


def test_everything_is_listed(served: Served) -> None:
    """The list shows projects, releases, tokens and publishers, and never a token itself."""
    token = command(served, "token", "--project", "till-slip", "--name", "for the robot").splitlines()[0]
    assert token.startswith("pypi-")
    command(served, "yank", "till-slip", "1.0", "--reason", "No total")
    command(
        served,
        "publisher",
        "add",
        "till-slip",
        "--repository",
        "shop/till",
        "--workflow",
        "out.yml",
        "--environment",
        "live",
    )
    command(served, "publisher", "add", "price-gun", "--pending", "--repository", "shop/gun", "--workflow", "out.yml")
    said = command(served, "list")
    for part in (
        "till-slip",
        "1.0  yanked: No total",
        "for the robot",
        "shop/till, out.yml, environment live",
        "(pending)",
    ):
        assert part in said
    assert token not in said
    assert "No project." in command(served, "list", "--testpypi")


def test_publisher_rules(served: Served) -> None:
    """Publishers must be well written, belong to a project of one's own or none, and be there once."""
    add = ("publisher", "add", "till-slip", "--repository")
    assert "written owner/name" in command(served, *add, "till", "--workflow", "out.yml", fails=True)
    assert "must end with .yml" in command(served, *add, "a/b", "--workflow", "out.sh", fails=True)
    command(served, *add, "a/b", "--workflow", "out.yml")
    assert "already been registered" in command(served, *add, "A/b", "--workflow", "out.yml", fails=True)
    assert "exists already" in command(served, *add, "a/c", "--workflow", "out.yml", "--pending", fails=True)
    other = ("publisher", "add", "leftpad", "--repository", "a/b", "--workflow", "out.yml")
    assert "belongs to somebody else" in command(served, *other, fails=True)
    (publisher,) = served.events("publisher")
    command(served, "publisher", "remove", publisher.details["id"])
    assert "No trusted publisher" in command(served, "list")


@pytest.mark.parametrize(
    ("path", "told", "status"),
    [
        ("project/leftpad/delete/", {}, 404),
        ("project/leftpad/release/1.0/", {"action": "yank"}, 404),
        ("project/till-slip/release/9/", {"action": "yank"}, 404),
        ("project/till-slip/release/nonsense/", {"action": "yank"}, 404),
        ("project/till-slip/release/1.0/", {"action": "burn"}, 400),
        ("project/till-slip/release/1.0/", {"action": "yank", "reason": "x" * 501}, 400),
        ("project/till-slip/file/nothing.whl/", {"action": "delete"}, 404),
        ("project/till-slip/status/", {"status": "great"}, 400),
        ("project/..%2f..%2fx/delete/", {}, 404),
        ("project/%ff/delete/", {}, 404),
        ("nowhere/", {}, 404),
        ("", {}, 404),
    ],
)
def test_impossible_wishes(served: Served, path: str, told: dict[str, str], status: int) -> None:
    """What can't be done is refused in a sentence and leaves no trace."""
    before = served.journal.path.read_bytes()
    reply = served.manage(path, **told)
    assert (reply.status, bool(reply.reason)) == (status, True)
    assert served.journal.path.read_bytes() == before


def test_accounts_are_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can fill the journal with tokens, publishers or anything else."""
    monkeypatch.setattr(manage, "MOST_TOKENS", 3)
    monkeypatch.setattr(manage, "MOST_PUBLISHERS", 1)
    assert [served.manage("account/token/").status for _ in range(3)] == [200, 200, 400]
    pending = {"repository": "a/b", "workflow": "x.yml"}
    assert served.manage("account/publishing/", project="one-thing", **pending).status == 200
    assert served.manage("account/publishing/", project="two-things", **pending).status == 400
    monkeypatch.setattr(manage, "MOST_JOURNAL_BYTES", 10)
    assert served.manage("project/till-slip/status/", status="archived").status == 403


def test_pages_can_be_read(served: Served) -> None:
    """What is mine can be read as JSON, on each site apart; what isn't mine can't."""
    assert [one["name"] for one in served.ask("GET", "/pypi/manage/").json["projects"]] == ["till-slip"]
    assert served.ask("GET", "/testpypi/manage/").json["projects"] == []
    for reply in (served.ask("GET", "/pypi/manage/"), served.manage("account/token/")):
        assert "Access-Control-Allow-Origin" not in reply.headers
        assert reply.headers["Cache-Control"] == "no-store"
    project = served.ask("GET", "/pypi/manage/project/till-slip/").json
    assert [release["version"] for release in project["releases"]] == ["1.0", "1.1"]
    assert served.ask("GET", "/pypi/manage/project/leftpad/").status == 404
    assert served.ask("GET", "/pypi/manage/elsewhere/").status == 404


def test_command_explains_itself(served: Served) -> None:
    """Help has examples; outside the sandbox, with a wrong word, or without the index the command says what is wrong."""
    said = command(served, "--help")
    assert "Stands for what you click" in said
    assert "pypi-manage token --testpypi" in said
    said = command(served, "brew", fails=True)
    assert "invalid choice" in said
    assert said.endswith("Run `pypi-manage --help` to see how it is used.\n")
    ran = subprocess.run(
        [sys.executable, pypi_manage.__file__, "list"], env={}, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, "inside the course's sandbox" in ran.stderr) == (1, True)
    ran = subprocess.run(
        [sys.executable, pypi_manage.__file__, "list"],
        env={"WHEELHOUSE_LOOPBACK": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, "can't be reached" in ran.stderr) == (1, True)
