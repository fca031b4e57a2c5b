"""Stock uv, pip-tools, pipenv, poetry, hatch, build, twine and pip-audit, offline, under the names that they know the indexes by.

They are led there by a proxy, as on machines that have no namespaces; nothing else tells them that this isn't the real thing.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.index import PackageIndex
from autograder.sandbox.way import Way
from index_clients import Clients, client, installed_in, needs_uv, variables, way_to, whole_index

PROJECT = """
[project]
name = "shop-kiosk"
version = "1.0"
requires-python = ">=3.11,<4"
dependencies = ["webfw[storage]>=2", "customer-login<1.2", "shoplib<1.9"]
"""
RESOLVED = {"webfw": "2.0", "netcore": "2.0", "orm": "1.3", "customer-login": "1.1", "shoplib": "1.5"}


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's own index, with the mirror if it can be had."""
    return whole_index()


@pytest.fixture(scope="module")
def way(index: PackageIndex) -> Iterator[Way]:
    """The way to the index while this module's tests run."""
    with way_to(index) as way:
        if way.doors is None:
            pytest.skip(f"the index has no names here: {index.why_no_doors}")
        yield way


@pytest.fixture
def clients(tmp_path: Path, way: Way) -> Clients:
    """Clients that are told nothing but a proxy and whom to trust."""
    environment = variables(tmp_path) | way.variables()
    environment["PATH"] = f"{client('')}:{environment['PATH']}"
    environment["POETRY_VIRTUALENVS_IN_PROJECT"] = "true"
    return Clients(tmp_path, way.simple("pypi"), [], environment)


def hashes(index: PackageIndex, releases: dict[str, str]) -> set[str]:
    """Give the hashes of all files of these releases."""
    return {file.sha256 for name, version in releases.items() for file in index.files(name) if file.version == version}


def environment(clients: Clients, *requirements: str) -> Path:
    """Make an environment with this in it; gives its folder."""
    clients.uv("venv", "-q", "venv")
    clients.uv("pip", "install", "-q", "-p", "venv", *requirements)
    return clients.folder / "venv"


@needs_uv
def test_uv_locks_syncs_and_audits(clients: Clients, index: PackageIndex) -> None:
    """With uv a project is locked with our hashes, installed and audited: it names what is vulnerable and what is deprecated."""
    (clients.folder / "pyproject.toml").write_text(PROJECT.replace('"shoplib<1.9"', '"shoplib<1.9", "till-classic"'))
    clients.uv("lock")
    lock = tomllib.loads((clients.folder / "uv.lock").read_text())
    locked = {package["name"]: package["version"] for package in lock["package"]}
    assert locked.items() >= RESOLVED.items()
    told = {wheel["hash"].removeprefix("sha256:") for package in lock["package"] for wheel in package.get("wheels", [])}
    assert hashes(index, {"webfw": "2.0", "shoplib": "1.5"}) & told
    clients.uv("sync", "--frozen")
    assert installed_in(clients.folder / ".venv").items() >= RESOLVED.items()
    said = clients.uv("audit", fails=True)
    assert "PYSEC-2026-90001" in said
    assert "deprecated" in said
    assert "Use shopfront instead." in said


def test_pip_tools(clients: Clients, index: PackageIndex) -> None:
    """A lock by pip-compile has all hashes of each release; pip-sync makes an environment just so."""
    place = environment(clients, "pip", "leftpad")
    (clients.folder / "requirements.in").write_text("webfw[storage]>=2\n")
    clients.run("pip-compile", "-q", "--generate-hashes", "requirements.in")
    lock = (clients.folder / "requirements.txt").read_text()
    assert all(digest in lock for digest in hashes(index, {"webfw": "2.0", "netcore": "2.0", "orm": "1.3"}))
    clients.run("pip-sync", "--python-executable", place / "bin" / "python", "requirements.txt")
    assert installed_in(place).keys() - {"pip"} == {"webfw", "netcore", "orm"}


def test_pipenv(clients: Clients, index: PackageIndex) -> None:
    """A Pipfile that names no index is locked and installed by pipenv."""
    (clients.folder / "Pipfile").write_text('[packages]\nwebfw = {extras = ["storage"], version = ">=2"}\n')
    clients.run("pipenv", "lock")
    locked = json.loads((clients.folder / "Pipfile.lock").read_text())["default"]
    assert {name: entry["version"] for name, entry in locked.items()} == {
        "webfw": "==2.0",
        "netcore": "==2.0",
        "orm": "==1.3",
    }
    assert {digest.removeprefix("sha256:") for digest in locked["orm"]["hashes"]} == hashes(index, {"orm": "1.3"})
    clients.run("pipenv", "sync")
    assert installed_in(clients.folder / ".venv").keys() >= {"webfw", "netcore", "orm"}


def test_poetry(clients: Clients, index: PackageIndex) -> None:
    """From its default source, which reads PyPI's JSON API, poetry locks and installs; a set that can't be is explained."""
    place = clients.folder / "pyproject.toml"
    place.write_text(f"{PROJECT}\n[tool.poetry]\npackage-mode = false\n")
    clients.run("poetry", "lock")
    lock = tomllib.loads((clients.folder / "poetry.lock").read_text())
    assert {package["name"]: package["version"] for package in lock["package"]} == RESOLVED
    told = {file["hash"].removeprefix("sha256:") for package in lock["package"] for file in package["files"]}
    assert told == hashes(index, RESOLVED)
    clients.run("poetry", "sync")
    assert installed_in(clients.folder / ".venv").items() >= RESOLVED.items()
    place.write_text(place.read_text().replace('"shoplib<1.9"', '"shoplib<1.9", "moderntool"'))
    assert "moderntool" in clients.run("poetry", "lock", fails=True)


def test_pip_audit(clients: Clients, index: PackageIndex, way: Way) -> None:
    """What is vulnerable is found by pip-audit, asking PyPI, OSV, or an address it is given."""
    place = environment(clients, "customer-login==1.1", "leftpad")
    path = str(next(place.glob("lib/python*/site-packages")))
    for service in (["-s", "pypi"], ["-s", "osv"], ["-s", "osv", "--osv-url", f"{way.loopback}/osv/v1/query"]):
        said = clients.run("pip-audit", "-f", "json", "--progress-spinner", "off", *service, "--path", path, fails=True)
        told = json.loads(said[said.index("{") :])["dependencies"]
        bad = {entry["name"]: entry["vulns"] for entry in told if entry["vulns"]}
        assert bad.keys() == {"customer-login"}
        assert (bad["customer-login"][0]["id"], bad["customer-login"][0]["fix_versions"]) == (
            "PYSEC-2026-90001",
            ["1.2"],
        )
    (clients.folder / "requirements.txt").write_text("customer-login==1.2\n")
    said = clients.run("pip-audit", "--no-deps", "--disable-pip", "-r", "requirements.txt")
    assert "No known vulnerabilities found" in said


def test_build_and_twine_check(clients: Clients, index: PackageIndex) -> None:
    """A backend is fetched from the index by build, for an isolated build; twine has nothing to say about the result."""
    if index.missing:
        pytest.skip("the mirror has not been fetched")
    (clients.folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "shop-kiosk"\nversion = "1.0"\nrequires-python = ">=3.11"\ndescription = "D"\nreadme = "README.md"\n'
    )
    (clients.folder / "README.md").write_text("# Kiosk\n")
    (clients.folder / "shop_kiosk.py").write_text("")
    clients.run("pyproject-build")
    files = sorted((clients.folder / "dist").iterdir())
    assert [file.name for file in files] == ["shop_kiosk-1.0-py3-none-any.whl", "shop_kiosk-1.0.tar.gz"]
    assert clients.run("twine", "check", "--strict", *files).count("PASSED") == 2


def test_hatch(clients: Clients) -> None:
    """An environment of hatch gets what it needs."""
    (clients.folder / "pyproject.toml").write_text(
        '[project]\nname = "shop-kiosk"\nversion = "1.0"\n'
        '[tool.hatch.envs.default]\nskip-install = true\ninstaller = "uv"\n'
        'dependencies = ["leftpad==1.1"]\n'
    )
    assert clients.run("hatch", "-q", "run", "leftpad", "5", "3", "0").endswith("005\n")
