"""Stock tools in the sandbox, typed as in real life: no index is named, and each gets to the course's, and nowhere else.

Where no port below 1024 can be had, and in the basic tier, a proxy leads to the same names; without certificates a bare address does.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from autograder.index import PackageIndex
from autograder.sandbox import Completed, Limits, Place, Sandbox, choose
from autograder.sandbox.strong import StrongSandbox
from autograder.sandbox.tools import tools
from autograder.sandbox.way import Way
from sandbox_places import TIERS, bubblewrap_here, new_place, sandbox_of

WAYS = ["names", "proxy in a namespace", "proxy"]
PROJECT = """\
[build-system]
requires = ["flit_core>=3.2,<5"]
build-backend = "flit_core.buildapi"

[project]
name = "shop-shelf"
version = "0.1"
description = "Labels for the shelves of a shop"
readme = "README.md"
requires-python = ">=3.9"
"""


class Closed(PackageIndex):
    """An index which has no doors."""

    doors = None


def by_way(way: str) -> Sandbox:
    """Give a sandbox whose commands take this way; skip where this machine has none."""
    if way == "proxy":
        return sandbox_of("basic")
    strong = sandbox_of("strong")
    if way == "names":
        if strong.door != "names":
            pytest.skip("no port below 1024 can be listened on in a sandbox of this machine")
        return strong
    return StrongSandbox(PackageIndex.open(), bubblewrap_here(), privileged_port=False)


@pytest.fixture(scope="module", params=WAYS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each way."""
    return by_way(request.param)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place from which something can be published."""
    (tmp_path / "published").mkdir()
    return replace(new_place(tmp_path), published=tmp_path / "published")


def bash(sandbox: Sandbox, place: Place, text: str) -> Completed:
    """Run some lines of bash which end at the first that fails; skip where this machine lacks the curl that they use."""
    if "curl" in text and shutil.which("curl", path="/usr/bin:/bin") is None:
        pytest.skip("curl is not installed")
    return sandbox.run(["bash", "-c", f"set -e\n{text}"], place, limits=Limits(wall_seconds=120))


def needs_tools() -> None:
    """Skip where twine and build are not there."""
    if tools() is None:
        pytest.skip("the sandbox's tools are not installed: run `make lab`")


def test_pip_and_uv_need_no_address(sandbox: Sandbox, place: Place) -> None:
    """`pip install`, `pip download`, `uv pip install`, also in a fresh environment."""
    done = bash(
        sandbox,
        place,
        "pip install leftpad==1.1; pip download -q leftpad; python -m venv .venv; .venv/bin/pip install leftpad==1.0\n"
        "uv venv -q other; VIRTUAL_ENV=other uv pip install leftpad; other/bin/python -c 'import leftpad'",
    )
    assert done.exit_status == 0, done.output
    assert "Successfully installed leftpad-1.1" in done.output
    assert "Successfully installed leftpad-1.0" in done.output
    assert "+ leftpad==" in done.output


def test_a_lock_says_the_same_whatever_the_way(tmp_path: Path) -> None:
    """`uv.lock` made by one way is in force by another, and so are addresses taken from the variables."""
    locks = {}
    boxes = [by_way(way) for way in WAYS]
    first = None
    for number, sandbox in enumerate(boxes):
        here = new_place(tmp_path / str(number))
        done = bash(
            sandbox,
            here,
            "uv init -q --bare --name shop app; cd app; uv add -q leftpad; uv add -q --index shop=$WHEELHOUSE_COMPANY price-rounding\n"
            "uv sync -q --locked; .venv/bin/python -c 'import leftpad'",
        )
        assert done.exit_status == 0, done.output
        app = here.project / "app"
        locks[number] = (app / "pyproject.toml").read_text() + (app / "uv.lock").read_text()
        if first is None:
            first = app
        else:  # what was made there is checked here
            for name in ("pyproject.toml", "uv.lock"):
                (app / name).write_bytes((first / name).read_bytes())
            checked = bash(sandbox, here, "cd app; rm -r .venv; uv lock --check; uv sync -q --frozen; ls .venv/lib")
            assert checked.exit_status == 0, checked.output
    assert len(set(locks.values())) == 1
    assert "127.0.0.1" not in locks[0]


def test_a_first_release_is_typed_as_in_real_life(sandbox: Sandbox, place: Place) -> None:
    """An isolated build, `twine upload -r testpypi`, `uv publish`, and both releases can be installed."""
    needs_tools()
    (place.project / "pyproject.toml").write_text(PROJECT)
    (place.project / "shop_shelf.py").write_text("LABEL = 'bread'\n")
    (place.project / "README.md").write_text("# Labels\n")
    token = "python -c 'import json, sys; print(json.load(sys.stdin)[\"token\"])'"
    done = bash(
        sandbox,
        place,
        "pyproject-build >/dev/null\n"
        f"export TWINE_USERNAME=__token__ TWINE_PASSWORD=$(curl -sS -d name=all ${{WHEELHOUSE_TESTPYPI%simple/}}manage/account/token/ | {token})\n"
        "twine upload --disable-progress-bar -r testpypi dist/*\n"
        f"export UV_PUBLISH_TOKEN=$(curl -sS -d name=all ${{WHEELHOUSE_PYPI%simple/}}manage/account/token/ | {token})\n"
        "uv publish\n"
        "pip install -q -i $WHEELHOUSE_TESTPYPI shop-shelf; uv pip install -q --target there shop-shelf; ls there",
    )
    assert done.exit_status == 0, done.output
    assert re.search(r"View at:\s+https://\S+/project/shop-shelf/0\.1/", done.output)
    assert "shop_shelf.py" in done.output
    assert len(list((place.published or Path()).glob("files/*"))) >= 2


TRUSTED = """
pyproject-build >/dev/null
manage() { curl -sS --fail-with-body -d project=shop-shelf -d repository=shop/shelf -d workflow=release.yml "$@"; echo; }
curl -sS -d repository=shop/shelf -d workflow=release.yml ${WHEELHOUSE_FORGE}runs >run.json
said() { python -c "import json; print(json.load(open('run.json'))['$1'])"; }
export GITHUB_ACTIONS=true ACTIONS_ID_TOKEN_REQUEST_URL=$(said url) ACTIONS_ID_TOKEN_REQUEST_TOKEN=$(said token)
twine upload --disable-progress-bar -r testpypi --non-interactive dist/* 2>&1 | tail -5 || true
manage ${WHEELHOUSE_TESTPYPI%simple/}manage/account/publishing/ >/dev/null
twine upload --disable-progress-bar -r testpypi dist/*
uv publish --trusted-publishing always && exit 1
manage ${WHEELHOUSE_PYPI%simple/}manage/account/publishing/ >/dev/null
uv publish --trusted-publishing always
"""


def test_a_workflow_is_trusted_as_in_real_life(sandbox: Sandbox, place: Place) -> None:
    """Unmodified twine and uv exchange an identity token, which they ask for over TLS only; before it is set up they are refused."""
    needs_tools()
    (place.project / "pyproject.toml").write_text(PROJECT)
    (place.project / "shop_shelf.py").write_text("LABEL = 'bread'\n")
    (place.project / "README.md").write_text("# Labels\n")
    done = bash(sandbox, place, TRUSTED)
    assert done.exit_status == 0, done.output
    assert done.output.count("invalid-pending-publisher") + done.output.count("invalid-publisher") >= 2
    journal = ((place.published or Path()) / "journal.jsonl").read_text()
    assert journal.count('"upload"') == 4, done.output


def test_advisories_are_asked_for_as_in_real_life(sandbox: Sandbox, place: Place) -> None:
    """`pip-audit` and `uv audit` have their hosts built in, and no option was given."""
    needs_tools()
    (place.project / "requirements.txt").write_text("leftpad==1.1\n")
    done = bash(sandbox, place, "pip-audit --progress-spinner off --no-deps --disable-pip -r requirements.txt")
    assert "No known vulnerabilities found" in done.output
    done = bash(
        sandbox, place, "uv init -q --bare --name shop; uv add -q leftpad; uv audit --preview-features audit-command"
    )
    assert done.exit_status == 0, done.output
    assert "no known vulnerabilities" in done.output


STRANGER = "https://www.stranger.example"
BLOCKED = f"""set +e
status() {{ "$@" >>out 2>&1; echo "$? $SECONDS $1"; }}
status curl -sS {STRANGER}/
status pip download -i {STRANGER}/simple/ leftpad
status uv pip install --target there --index-url {STRANGER}/simple/ leftpad
status git clone {STRANGER}/leftpad.git
status python -c 'import urllib.request as u; u.urlopen("{STRANGER}/", timeout=9)'
cat out
"""


def test_nothing_else_can_be_reached(sandbox: Sandbox, place: Place) -> None:
    """And it is said at once: no name is looked up anywhere else, no connection waited for."""
    done = bash(sandbox, place, BLOCKED)
    told = [line.split() for line in done.output.splitlines()[:5]]
    assert [line[2] for line in told] == ["curl", "pip", "uv", "git", "python"]
    assert all(line[0] not in ("0", "127") for line in told), done.output
    says = "403|[Tt]unnel|CONNECT" if sandbox.door == "proxy" else "not known|resolve host|dns error|lookup"
    assert len(re.findall(says, done.output)) >= 5, done.output
    assert int(told[-1][1]) < 40, done.output


def test_the_bare_address_works_too(sandbox: Sandbox, place: Place) -> None:
    """For what heeds no proxy; and a program told nothing at all still trusts the right authority where that can be had."""
    done = bash(
        sandbox,
        place,
        "for site in pypi testpypi company; do curl -sSo /dev/null -w '%{http_code} ' $WHEELHOUSE_LOOPBACK/$site/simple/; done\n"
        "pip download -q --no-cache-dir -i $WHEELHOUSE_LOOPBACK/pypi/simple/ leftpad; ls *.whl",
    )
    assert done.exit_status == 0, done.output
    assert done.output.startswith("200 200 200 ")
    if sandbox.door == "names":
        done = bash(
            sandbox,
            place,
            "env -i python3 -c \"import urllib.request as u; print(u.urlopen('$WHEELHOUSE_PYPI').status)\"; env -i curl -sSI $WHEELHOUSE_COMPANY",
        )
        assert done.output.startswith("200\n")
        assert "200 OK" in done.output


def test_only_the_sandbox_trusts_it(sandbox: Sandbox, place: Place) -> None:
    """It trusts nobody else, and holds no key."""
    done = bash(
        sandbox,
        place,
        "echo $SSL_CERT_FILE; grep -c BEGIN $SSL_CERT_FILE; ls $(dirname $SSL_CERT_FILE); grep -rlsa 'PRIVATE KEY' /etc ~ . || true",
    )
    lines = done.output.splitlines()
    assert lines[1] == "1"
    assert (lines[0] == "/etc/ssl/certs/ca-certificates.crt") == (sandbox.tier == "strong")
    if sandbox.tier == "strong":
        assert len(lines) == 4


@pytest.mark.parametrize("tier", TIERS)
def test_without_doors_the_settings_name_the_bare_address(tmp_path: Path, tier: str) -> None:
    """Both pip and uv still work as typed; nothing is trusted, and no variable speaks of a proxy."""
    sandbox_of(tier)
    index = PackageIndex.open()
    index.__class__ = Closed
    sandbox = choose(index, tier=tier)
    place = new_place(tmp_path)
    assert sandbox.door == "loopback"
    done = bash(
        sandbox,
        place,
        "pip install leftpad==1.0; uv pip install -q --target there leftpad; ls there; env; pip config list",
    )
    assert done.exit_status == 0, done.output
    assert "leftpad.py" in done.output or "leftpad\n" in done.output
    assert "Looking in indexes: http://127.0.0.1:" in done.output
    assert re.search(r"^WHEELHOUSE_COMPANY=http://127\.0\.0\.1:\d+/company/simple/$", done.output, re.MULTILINE)
    assert not re.search(r"_proxy|SSL_CERT_FILE|cert='/", done.output)


def test_variables_name_the_same_address_by_name_and_by_proxy() -> None:
    """Only what is behind them differs."""
    doors = PackageIndex.open().doors
    assert doors is not None
    names, proxy = Way("names", 8080, doors, "/ca").variables(), Way("proxy", 20_001, doors, "/ca").variables()
    for name in names:
        if name not in ("WHEELHOUSE_LOOPBACK", "WHEELHOUSE_FORGE"):
            assert names[name] == proxy[name]
    assert set(proxy) - set(names) == {
        *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    }
    hosts = {urlsplit(value).hostname for name, value in names.items() if name.startswith("WHEELHOUSE_")}
    assert hosts <= {*doors.names, "127.0.0.1"}
