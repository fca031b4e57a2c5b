"""Stock pip and stock uv, unchanged, against the index on a real port, each in an environment made from nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.index import PackageIndex
from autograder.index.known import bundled_wheels
from index_clients import Clients, bundled_pip, make_clients, needs_uv, unpacked, way_to, whole_index


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's own index, with the mirror if it can be had."""
    return whole_index()


@pytest.fixture(scope="module")
def url(index: PackageIndex) -> Iterator[str]:
    """Where the index is served while this module's tests run."""
    with way_to(index) as way:
        yield f"{way.loopback}/pypi/simple/"


@pytest.fixture(scope="module")
def old_pip(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The pip that came with this Python."""
    return bundled_pip(tmp_path_factory.mktemp("bundled"))


@pytest.fixture(scope="module")
def new_pip(index: PackageIndex, old_pip: list[str], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The mirror's pip, if the mirror can be had."""
    files = [file for file in index.files("pip") if file.origin == "mirror"]
    return unpacked(index._store.place(files[-1]), tmp_path_factory.mktemp("newest")) if files else old_pip


@pytest.fixture
def clients(tmp_path: Path, url: str, new_pip: list[str]) -> Clients:
    """Clients with the newest pip."""
    return make_clients(tmp_path, url, new_pip)


def test_old_pip(tmp_path: Path, url: str, old_pip: list[str]) -> None:
    """The pip that came with this Python installs what is needed, leaves yanked releases alone, and finds a conflict."""
    clients = make_clients(tmp_path, url, old_pip)
    clients.install("shoplib<1.9", "pricetag")
    assert {"shoplib": "1.5", "pricetag": "1.1", "leftpad": "1.2"}.items() <= clients.installed.items()
    assert "ResolutionImpossible" in clients.install("legacytool==1.0", "moderntool", fails=True)


def test_pip_installs_with_dependencies_and_scripts(clients: Clients) -> None:
    """What is needed comes along, and the console scripts run."""
    clients.install("shopfront", "pricetag")
    assert clients.installed == {"shopfront": "1.1", "shoplib": "2.3", "pricetag": "1.1", "leftpad": "1.2"}
    scripts = clients.python.parent
    assert clients.run(scripts / "shopfront", "apple=120", "pear=90") == "2 things, 2.10\n"
    assert clients.run(scripts / "pricetag", "1299") == "....12.99\n"
    assert clients.run(scripts / "leftpad", "5", "3", "0") == "005\n"


def test_pip_obeys_what_the_index_says(clients: Clients) -> None:
    """Yanked, pre-release and too-new releases are left alone; asking for them by name brings them, with the reason."""
    clients.install("shoplib<2", "shelf-labels", "pricetag")
    assert {"shoplib": "1.9", "shelf-labels": "1.0", "pricetag": "1.1"}.items() <= clients.installed.items()
    assert "total() leaves out the last price" in clients.install("shoplib==1.4")
    clients.install("--pre", "--upgrade", "pricetag")
    assert clients.installed["pricetag"] == "2.0rc1"
    assert "3.99" in clients.install("shelf-labels==2.0", fails=True)


def test_pip_finds_the_conflict(clients: Clients) -> None:
    """The old and the new report can't be together; a newer release of the old one can."""
    said = clients.install("legacytool==1.0", "moderntool", fails=True)
    assert "ResolutionImpossible" in said
    clients.install("legacytool", "moderntool", "webfw[storage]")
    assert {"legacytool": "1.1", "shoplib": "2.3", "orm": "1.3"}.items() <= clients.installed.items()
    scripts = clients.python.parent
    assert clients.run(scripts / "legacytool") == "sold 3 things for 4.60\n"
    assert clients.run(scripts / "moderntool") == "sold for 4.50, most of it apple\n"
    said = clients.run(*clients.pip, "--python", clients.python, "check")
    assert "No broken requirements" in said


def test_pip_needs_no_wheel_to_see_a_conflict(clients: Clients) -> None:
    """The resolver reads METADATA beside the wheels and downloads none of them."""
    said = clients.install("-v", "legacytool==1.0", "moderntool", fails=True)
    if re.search(r"Using pip (22\.|23\.[01]\b)", said):
        pytest.skip("this pip looks for METADATA only under the name that it breaks on (PEP 714)")
    assert ".whl.metadata" in said
    assert not re.search(r"Downloading \S+\.whl ", said)


def test_pip_requires_hashes(clients: Clients, index: PackageIndex) -> None:
    """A hash of the index is accepted, another one is refused."""
    (file,) = (file for file in index.files("leftpad") if file.filename == "leftpad-1.1-py3-none-any.whl")
    lock = clients.folder / "requirements.txt"
    lock.write_text(f"leftpad==1.1 --hash=sha256:{file.sha256}\n")
    clients.install("--require-hashes", "-r", "requirements.txt")
    assert clients.installed == {"leftpad": "1.1"}
    lock.write_text(f"leftpad==1.1 --hash=sha256:{'0' * 64}\n")
    said = clients.install(
        "--force-reinstall", "--no-cache-dir", "--require-hashes", "-r", "requirements.txt", fails=True
    )
    assert "DO NOT MATCH" in said.upper()


def test_pip_downloads_and_lists(clients: Clients, index: PackageIndex) -> None:
    """`pip download` brings the very files, wheel or sdist; `pip index versions` lists the releases."""
    clients.run(*clients.pip, "download", "-d", "got", "pricetag")
    names = {path.name for path in (clients.folder / "got").iterdir()}
    assert names == {"leftpad-1.2-py3-none-any.whl", "pricetag-1.1-py3-none-any.whl"}
    said = clients.run(*clients.pip, "index", "versions", "leftpad")
    assert "1.2, 1.1, 1.0" in said
    assert "No matching distribution" in clients.install("nobody-made-this", fails=True)


def test_pip_builds_what_has_no_wheel(clients: Clients, index: PackageIndex) -> None:
    """An sdist is built in isolation, by a build backend from the mirror."""
    if index.missing:
        pytest.skip("the mirror has not been fetched")
    clients.install("till-scales")
    said = clients.run(clients.python, "-c", "import till_scales; print(till_scales.grams('W 0420 g'))")
    assert said == "420\n"


@needs_uv
def test_sdists_build_what_their_wheels_hold(clients: Clients, index: PackageIndex) -> None:
    """Building a fixture's sdist gives the same modules, licence, requirements and scripts as its wheel has."""
    if index.missing:
        pytest.skip("the mirror has not been fetched")
    releases = (("webfw", "2.0"), ("leftpad", "1.2"), ("shoplib", "2.3"))
    options = [part for name, version in releases for part in ("--no-binary", name, f"{name}=={version}")]
    clients.uv("pip", "install", "-p", "venv", "--no-deps", *options)
    (site_packages,) = clients.folder.glob("venv/lib/python*/site-packages")
    for name, version in releases:
        (known,) = index.known.wheels(name, version)
        for path, digest in known.files.items():
            content = index.known.content(digest)
            assert content is not None
            if path.endswith((".py", "LICENSE")):
                assert (site_packages / path).read_bytes() == content
            if path.endswith(("METADATA", "entry_points.txt")):
                assert _facts((site_packages / path).read_text()) == _facts(content.decode())


def _facts(text: str) -> list[str]:
    keys = "Name|Version|Summary|License-Expression|Requires-Python|Provides-Extra|Requires-Dist|leftpad *="
    found: list[str] = re.findall(rf"^(?:{keys}).*", text, re.M)
    return sorted(re.sub(r"[\s'\"()]", "", line) for line in found)


def test_pip_reinstalls_itself(clients: Clients) -> None:
    """A broken pip can be put back from the index, mirror or not: it offers the one that came with this Python."""
    wheel = next(path for path in bundled_wheels() if path.name.startswith("pip-"))
    version = wheel.name.split("-")[1]
    clients.install("--no-deps", f"pip=={version}")
    assert f"pip {version} " in clients.run(clients.python.parent / "pip", "--version")


@needs_uv
def test_uv_installs(clients: Clients) -> None:
    """`uv venv` and `uv pip install`, with yanked, pre-release and too-new releases left alone."""
    clients.uv("venv", "--clear", "venv")
    clients.uv("pip", "install", "-p", "venv", "shopfront", "pricetag", "shelf-labels", "webfw[storage]")
    expected = {"shopfront": "1.1", "shoplib": "2.3", "pricetag": "1.1", "leftpad": "1.2"}
    expected |= {"shelf-labels": "1.0", "webfw": "2.0", "netcore": "2.0", "orm": "1.3"}
    assert clients.installed == expected
    assert clients.run(clients.python.parent / "shopfront", "apple=120") == "1 things, 1.20\n"
    assert "total() leaves out the last price" in clients.uv("pip", "install", "-p", "venv", "shoplib==1.4")
    assert "unsatisfiable" in clients.uv("pip", "install", "-p", "venv", "legacytool==1.0", "moderntool", fails=True)


@needs_uv
def test_uv_seeds_an_environment(clients: Clients) -> None:
    """`uv venv --seed` puts the index's pip into the environment."""
    clients.uv("venv", "--clear", "--seed", "venv")
    assert "pip" in clients.installed


@needs_uv
def test_uv_cooldown(clients: Clients) -> None:
    """Upload times let uv leave out what is too new."""
    clients.uv("pip", "install", "-p", "venv", "--exclude-newer", "2025-12-31", "leftpad")
    assert clients.installed == {"leftpad": "1.1"}


def test_pip_cooldown(clients: Clients) -> None:
    """Upload times let a pip that has the option leave out what is too new."""
    cooldown = ["--uploaded-prior-to", "2025-12-31T00:00:00Z"]
    if "--uploaded-prior-to" not in clients.run(*clients.pip, "install", "--help"):
        assert "no such option" in clients.install(*cooldown, "leftpad", fails=True)
        return
    clients.install(*cooldown, "leftpad")
    assert clients.installed == {"leftpad": "1.1"}


@needs_uv
def test_uv_project(clients: Clients) -> None:
    """`uv init`, `add`, `lock --check`, `sync` and `pip compile` with hashes."""
    clients.uv("init", "--bare", "shop")
    clients.uv("add", "--project", "shop", "shopfront", "pricetag>=1.0")
    lock = (clients.folder / "shop" / "uv.lock").read_text()
    assert 'name = "leftpad"' in lock
    assert "2026-05-18T11:40:00Z" in lock
    clients.uv("lock", "--project", "shop", "--check")
    clients.uv("sync", "--project", "shop")
    assert (clients.folder / "shop" / ".venv" / "bin" / "shopfront").exists()
    (clients.folder / "requirements.in").write_text("webfw[storage]\n")
    said = clients.uv("pip", "compile", "--generate-hashes", "requirements.in")
    assert "netcore==2.0" in said
    assert "--hash=sha256:" in said


def test_virtualenv_from_the_mirror(clients: Clients, index: PackageIndex) -> None:
    """The real virtualenv installs from the index, and the pip it puts into an environment is known."""
    if index.missing:
        pytest.skip("the mirror has not been fetched")
    clients.install("virtualenv")
    clients.run(clients.python, "-m", "virtualenv", "--no-download", "--app-data", "data", "other")
    (info,) = clients.folder.glob("other/lib/python*/site-packages/pip-*.dist-info")
    version = info.name.removeprefix("pip-").removesuffix(".dist-info")
    assert "mirror" in [wheel.origin for wheel in index.known.wheels("pip", version)]
