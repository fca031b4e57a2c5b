"""`course index …`, as a person uses it."""

from __future__ import annotations

import functools
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import cli
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.index.journal import Event, Journal

Begun = Callable[[Exercise], LiveWorkspace]
COURSE = Path(sys.executable).with_name("course")


def course(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    """Run `course index …` and give what it said."""
    assert cli.main(["index", *words]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


@pytest.fixture
def published(begun: Begun) -> Journal:
    """The journal of a workspace that has published something."""
    place = begun(find_exercise("06")).place
    assert place.published is not None
    journal = Journal(place.published)
    data = b"not a wheel"
    sha256 = journal.keep(data)
    told = functools.partial(Event, site="testpypi", project="shop-till", version="1.0")
    details = {"name": "Shop.Till", "id": "6f1b8f6e-4f0e-4b8e-9d0c-0f6f3f6d3a11"}
    journal.append(told(kind="create", details=details))
    filename = "shop_till-1.0-py3-none-any.whl"
    journal.append(told(kind="upload", filename=filename, sha256=sha256, size=len(data), actor="token:t1"))
    journal.append(told(kind="yank", reason="\x1b[31mred"))
    return journal


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Each project has a line: its newest good release, how many there are, whence it comes, and what it is."""
    lines = course(capsys, "list").splitlines()
    assert lines == course(capsys).splitlines()
    rows = {line.split()[0]: line for line in lines}
    assert rows["leftpad"].endswith("Pad a text on its left")
    assert rows["leftpad"].split()[:4] == ["leftpad", "1.2", "3", "ours"]
    assert rows["pip"].split()[3] == "real"
    assert "(archived)" in rows["paper-catalogue"]
    assert "internal-auth" in course(capsys, "list", "--index", "company")


def test_show(capsys: pytest.CaptureFixture[str]) -> None:
    """All indexes that have the project tell its releases, yanks, vulnerabilities, requirements and files."""
    said = course(capsys, "show", "ShopLib")
    assert "1.4, uploaded 2024-03-20, for Python >=3.9, yanked: total() leaves out the last price" in said
    assert re.search(r"shoplib-1\.4-py3-none-any\.whl  \d+ bytes  sha256:[0-9a-f]{64}", said)
    assert "needs leftpad" in course(capsys, "show", "pricetag")
    assert "its newest release is a pre-release, which installers leave alone. (lessons 06, 07, 08)" in course(
        capsys, "show", "pricetag"
    )
    assert "vulnerable: PYSEC-2026-90001" in course(capsys, "show", "customer-login")
    both = course(capsys, "show", "internal-auth")
    assert "internal-auth on pypi" in both
    assert "internal-auth on company" in both


def test_typing_error_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that nearly exists is suggested; for any other one the list is."""
    assert "Did you mean leftpad?" in course(capsys, "show", "leftpda", status=2)
    assert "course index list" in course(capsys, "show", "zzzzzzzz", status=2)


def test_journal(capsys: pytest.CaptureFixture[str], published: Journal) -> None:
    """What a workspace did stands in its order, in columns, and can't give orders to the terminal."""
    lines = course(capsys, "journal", "06").splitlines()
    assert [line.split()[3] for line in lines[1:]] == ["create", "upload", "yank"]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  testpypi  upload  shop-till  "
        r"shop_till-1\.0-py3-none-any\.whl  11 bytes  sha256:[0-9a-f]{12}…  by token:t1",
        lines[2],
    )
    assert lines[3].endswith("1.0  because: �[31mred")


def test_journal_of_nothing(capsys: pytest.CaptureFixture[str], begun: Begun, labs: Path) -> None:
    """Before anything was published the sentence says so; where no workspace is, what to do."""
    assert "Run" in course(capsys, "journal", "06", status=2)
    begun(find_exercise("06"))
    assert course(capsys, "journal", "06") == "Nothing was published from 06-virtual-environments yet.\n"


def test_what_a_workspace_published_is_shown_with_it(capsys: pytest.CaptureFixture[str], published: Journal) -> None:
    """`--with` adds a workspace's own releases to what is listed and shown; without it they are nobody's."""
    listed = course(capsys, "list", "--index", "testpypi", "--with", "06")
    assert ["shop-till", "1.0", "1", "published"] in [line.split() for line in listed.splitlines()]
    assert "yanked: �[31mred" in course(capsys, "show", "shop_till", "--with", "06")
    assert "No index has a project" in course(capsys, "show", "shop-till", status=2)


def test_serves_until_interrupted(labs: Path) -> None:
    """It says where each index is, serves there, and ends quietly on Ctrl-C."""
    command = [str(COURSE), "index", "serve", "--port", "0", "--max-age", "600"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(6))
        found = re.findall(r"browser: (http://127\.0\.0\.1:\d+/(\w+)/)   installers: (\S+/simple/)", said)
        assert [name for _, name, _ in found] == ["pypi", "testpypi", "company"]
        for browser, _, installers in found:
            with urllib.request.urlopen(browser, timeout=10) as reply:
                assert b"projects" in reply.read() or b"project" in reply.read()
            with urllib.request.urlopen(installers, timeout=10) as reply:
                assert reply.headers["Cache-Control"] == "max-age=600, public"
        assert "Nothing can be uploaded" in said
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=10)[0]
        assert process.returncode == 0
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.communicate()


def test_port_in_use(capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is told in one sentence, with the way out; so is a number that is no port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = course(capsys, "serve", "--port", str(port), status=2)
    assert said.count("\n") == 1
    assert f"Port {port} can't be used" in said
    assert "--port 0" in said
    assert "0 to 65535" in course(capsys, "serve", "--port", "70000", status=2)


@pytest.mark.parametrize("command", ["list", "show", "serve", "journal", "fetch", "lock"])
def test_help_has_an_example(command: str) -> None:
    """Each command explains itself and shows an example, in a narrow terminal without colour too."""
    variables = {**os.environ, "NO_COLOR": "1", "COLUMNS": "80", "TERM": "dumb"}
    ran = subprocess.run(
        [COURSE, "index", command, "--help"], capture_output=True, text=True, env=variables, check=True
    )
    assert f"Example: course index {command}" in ran.stdout
    assert "\x1b" not in ran.stdout
