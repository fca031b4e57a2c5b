"""Stock clients publish to the index: twine, uv, flit, hatch, poetry. By the real names and with TLS see `test_sandbox_way`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from autograder.index import PackageIndex
from index_clients import UV, client, needs_uv, variables
from index_publishing import Served, sdist, serving, wheel

PYPROJECT = """\
[build-system]
requires = ["flit_core>=3.11"]
build-backend = "flit_core.buildapi"

[project]
name = "till-slip"
version = "0.2"
description = "A draft"
license = "MIT"
license-files = ["LICENSE"]
classifiers = ["Topic :: Office/Business"]
requires-python = ">=3.9"
dependencies = ["leftpad>=1.0"]
authors = [{ name = "The shop team", email = "team@shop.example" }]
urls = { Home = "https://shop.example/till-slip" }
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def served(index: PackageIndex, tmp_path: Path) -> Iterator[Served]:
    """The index, served for a new workspace, with a project and its first release ready in dist/."""
    with serving(index, tmp_path / "published") as served:
        project = tmp_path / "project"
        (project / "dist").mkdir(parents=True)
        (project / "pyproject.toml").write_text(PYPROJECT)
        (project / "LICENSE").write_text("MIT\n")
        (project / "till_slip.py").write_text('"""A draft."""\n')
        for filename, data in (wheel("till-slip", "0.1"), sdist("till-slip", "0.1")):
            (project / "dist" / filename).write_bytes(data)
        yield served


def run(served: Served, *argv: str | Path, fails: bool = False, told: Mapping[str, str] | None = None) -> str:
    """Run a client in the project; gives all it said, in one line."""
    home = served.published.parent
    ran = subprocess.run(
        [str(part) for part in argv],
        cwd=home / "project",
        env=variables(home) | {"COLUMNS": "500"} | dict(told or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert (ran.returncode != 0) == fails, ran.stdout
    return " ".join(ran.stdout.split())


def twine(served: Served, token: str, *more: str, fails: bool = False, user: str = "__token__") -> str:
    """Run `twine upload`."""
    where = ("--repository-url", served.url("/testpypi/legacy/"), "--disable-progress-bar", "--non-interactive")
    return run(served, client("twine"), "upload", *where, "-u", user, "-p", token, *more, fails=fails)


def other_wheel(served: Served) -> str:
    """Put a different wheel of the same name into dist/; gives its path."""
    filename, data = wheel("till-slip", "0.1", files={"more.py": "x = 1\n"})
    (served.published.parent / "project" / "dist" / filename).write_bytes(data)
    return f"dist/{filename}"


def test_twine(served: Served) -> None:
    """Twine publishes, may repeat the same files, and shows every reason of a refusal."""
    token = served.token("testpypi")
    twine(served, token, "dist/till_slip-0.1.tar.gz", "dist/till_slip-0.1-py3-none-any.whl")
    assert len(served.filenames("till-slip", "testpypi")) == 2
    twine(served, token, "dist/till_slip-0.1.tar.gz")
    other = other_wheel(served)
    said = twine(served, token, other, fails=True)
    assert "400 Bad Request" in said
    assert "File already exists ('till_slip-0.1-py3-none-any.whl', with blake2_256 hash" in said
    assert "Invalid or non-existent authentication information" in twine(served, "pypi-wrong", other, fails=True)
    said = twine(served, "password", other, fails=True, user="learner")
    assert "Username/Password authentication is no longer supported." in said
    served.manage("project/till-slip/release/0.1/", "testpypi", action="delete")
    assert "previously used by a file that has since been deleted" in twine(served, token, other, fails=True)
    assert [event.site for event in served.events("upload")] == ["testpypi"] * 2


@needs_uv
def test_uv(served: Served) -> None:
    """`uv publish` publishes, skips what is there when told to look, and shows the reason of a refusal."""
    assert UV is not None
    publish = (UV, "publish", "--publish-url", served.url("/pypi/legacy/"), "--token")
    token = served.token()
    run(served, *publish, token)
    assert len(served.filenames("till-slip")) == 2
    run(served, *publish, token)
    other = other_wheel(served)
    assert '"code": "400 File already exists (' in run(served, *publish, token, other, fails=True)
    assert '"code": "403 Invalid or non-existent' in run(served, *publish, "pypi-wrong", other, fails=True)
    filename, data = wheel("till-slip", "0.2")
    (served.published.parent / "project" / "dist" / filename).write_bytes(data)
    look = ("--check-url", served.url("/pypi/simple/"), "dist/till_slip-0.1.tar.gz", f"dist/{filename}")
    run(served, *publish, token, *look)
    assert len(served.filenames("till-slip")) == 3


def test_flit(served: Served) -> None:
    """`flit publish` builds and publishes with all its metadata."""
    told = {"FLIT_INDEX_URL": served.url("/pypi/legacy/"), "FLIT_USERNAME": "__token__"}
    run(served, client("flit"), "publish", told=told | {"FLIT_PASSWORD": served.token()})
    assert len(served.filenames("till-slip")) == 2
    built = served.page("till-slip")["files"][0]
    assert built["requires-python"] == ">=3.9"
    info = served.ask("GET", "/pypi/pypi/till-slip/json").json["info"]
    assert (info["requires_dist"], info["license_expression"]) == (["leftpad>=1.0"], "MIT")
    assert "403" in run(served, client("flit"), "publish", told=told | {"FLIT_PASSWORD": "pypi-wrong"}, fails=True)


def test_hatch(served: Served) -> None:
    """`hatch publish` publishes what lies in dist/, and stops where a token isn't known."""
    publish = (client("hatch"), "publish", "-n", "-r", served.url("/company/legacy/"), "-u", "__token__", "-a")
    assert "success" in run(served, *publish, served.token("company"))
    assert len(served.filenames("till-slip", "company")) == 2
    other = other_wheel(served)
    assert "403" in run(served, *publish, "pypi-wrong", other, fails=True)


def test_poetry(served: Served) -> None:
    """`poetry publish` publishes what lies in dist/, and shows the reason of a refusal."""
    project = served.published.parent / "project"
    (project / "pyproject.toml").write_text(PYPROJECT.replace('"0.2"', '"0.1"'))
    where = {"POETRY_REPOSITORIES_SHOP_URL": served.url("/company/legacy/")}
    publish = (client("poetry"), "publish", "-r", "shop", "-u", "__token__", "-p")
    run(served, *publish, served.token("company"), told=where)
    assert len(served.filenames("till-slip", "company")) == 2
    other_wheel(served)
    said = run(served, *publish, served.token("company"), fails=True, told=where)
    assert "File already exists" in said


def test_installers_see_what_was_published(served: Served) -> None:
    """Pip and uv take a new release at once, leave out a yanked one but for its exact version, and tell the reason."""
    token = served.token("company")
    for version in ("0.1", "0.2"):
        assert served.upload(wheel("till-slip", version), token, site="company").status == 200
    pip = (
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--index-url",
        served.url("/company/simple/"),
        "-d",
        "got",
    )
    assert "till_slip-0.2-py3-none-any.whl" in run(served, *pip, "till-slip")
    served.manage("project/till-slip/release/0.2/", "company", action="yank", reason="Prints no total")
    assert "Saved ./got/till_slip-0.1-py3-none-any.whl" in run(served, *pip, "till-slip")
    said = run(served, *pip, "till-slip==0.2")
    assert "Reason for being yanked: Prints no total" in said
    if UV is not None:
        compiling = (UV, "pip", "compile", "-q", "--default-index", served.url("/company/simple/"), "wanted.in")
        (served.published.parent / "project" / "wanted.in").write_text("till-slip\n")
        assert "till-slip==0.1" in run(served, *compiling)
        served.manage("project/till-slip/release/0.2/", "company", action="unyank")
        assert "till-slip==0.2" in run(served, *compiling, "--refresh")
