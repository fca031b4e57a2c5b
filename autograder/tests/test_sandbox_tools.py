"""The sandbox's tools: installed once from a lock, and used by learners on their own things, offline, in each tier."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from autograder.exceptions import CourseError
from autograder.index import PackageIndex, mirror
from autograder.sandbox import Completed, Limits, Place, Sandbox, tools
from sandbox_places import new_place, sandbox_of

WAYS = ["strong", "basic"]
"""The tiers that lay the tools out differently; in the medium one they stand as in the basic one, and test_sandbox_medium.py works with them."""


class Lab:
    """A tier's sandbox around one place."""

    def __init__(self, box: Sandbox, place: Place) -> None:
        """Use this sandbox, in this place."""
        self.box, self.place = box, place

    def run(self, text: str, folder: str = "") -> Completed:
        """Run lines of bash from a folder of the project, made if need be."""
        (self.place.project / folder).mkdir(parents=True, exist_ok=True)
        return self.box.run(["bash", "-ec", text], self.place, cwd=folder, limits=Limits(wall_seconds=200))

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.place.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")


@pytest.fixture(scope="module")
def ready() -> None:
    """The real tools and the whole mirror."""
    try:
        tools.provide_tools()
        if PackageIndex.open().missing:
            PackageIndex.fetch_mirror(say=lambda _: None)
    except CourseError as error:
        pytest.skip(f"the tools or the mirror can't be had: {error}")


@pytest.fixture(scope="module", params=WAYS)
def lab(request: pytest.FixtureRequest, ready: None, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A place in each tier."""
    return Lab(sandbox_of(request.param), new_place(tmp_path_factory.mktemp(request.param)))


@pytest.fixture
def strong(ready: None, tmp_path: Path) -> Lab:
    """A place in the strong tier, of this test's own."""
    return Lab(sandbox_of("strong"), new_place(tmp_path))


def test_all_are_there(lab: Lab) -> None:
    """Each tool stands on PATH and says its version."""
    assert tools.tool_names() == sorted(tools.COMMANDS)
    assert not tools.lacking("twine")
    done = lab.run(f"for name in {' '.join(tools.COMMANDS)}; do $name --version | grep -c '[0-9]' || echo $name; done")
    assert [count.isdigit() for count in done.output.split()] == [True] * len(tools.COMMANDS), done.output


def test_no_environment_contains_them(lab: Lab) -> None:
    """Neither the system Python nor a new environment lists any of them, nor can import them."""
    done = lab.run(
        "python3 -m venv .venv && python3 -m pip list && .venv/bin/python -m pip list && uv pip list -p .venv && ls .venv/bin",
        "listed",
    )
    assert done.exit_status == 0
    for name in ("twine", "build", "zizmor", "pip-tools", "requests", "rich"):
        assert name not in done.output, name
    assert lab.run("python3 -c 'import twine'", "listed").exit_status == 1


def test_what_learners_break_does_not_break_them(lab: Lab) -> None:
    """A module in the folder, on PYTHONPATH, in the system Python or in the environment in force is not theirs."""
    done = lab.run(
        """
        for name in requests rich packaging twine; do echo 'raise SystemExit("polluted")' > $name.py; done
        cp *.py "$(python3 -c 'import site; print(site.getsitepackages()[0])')"
        export PYTHONPATH=$PWD
        twine --version
        cd "$(python3 -c 'import site; print(site.getsitepackages()[0])')" && rm requests.py rich.py packaging.py twine.py
        """,
        "broken",
    )
    assert done.exit_status == 0, done.output
    assert "polluted" not in done.output


def test_a_learner_s_own_comes_first(lab: Lab) -> None:
    """What a learner installs is found before the tool of the same name."""
    done = lab.run(
        "mkdir -p ~/.local/bin; printf '#!/bin/sh\\necho mine\\n' > ~/.local/bin/twine; chmod +x ~/.local/bin/twine;"
        "twine; rm ~/.local/bin/twine; hash -r; twine --version",
    )
    assert done.output.startswith("mine\ntwine version"), done.output


def test_nobody_can_change_them(strong: Lab) -> None:
    """In the strong tier they are read-only."""
    done = strong.run(
        "cd /opt/tools; for f in lib/x bin/x bin/twine venv/pyvenv.cfg; do echo > $f && echo written; done; true"
    )
    assert (done.exit_status, "written" in done.output) == (0, False)


def test_pip_sync_without_a_target_is_refused(lab: Lab) -> None:
    """pip-sync without an environment would change its own: it says what to type instead."""
    lab.write("sync/requirements.txt", "")
    done = lab.run("pip-sync requirements.txt", "sync")
    assert done.exit_status == 2
    assert "pip-sync --python-executable .venv/bin/python" in done.output
    assert lab.run("pip-sync --help", "sync").exit_status == 0


def test_compile_and_sync(lab: Lab) -> None:
    """A lock with hashes is written, and an environment is brought to exactly what it says."""
    lab.write("lock/requirements.in", "requests==2.31.0\n")
    done = lab.run(
        """
        python3 -m venv .venv
        .venv/bin/python -m pip install -q click
        pip-compile -q --generate-hashes --strip-extras requirements.in
        pip-sync -q --python-executable .venv/bin/python requirements.txt
        .venv/bin/python -m pip list --format freeze
        """,
        "lock",
    )
    assert done.exit_status == 0, done.output
    text = (lab.place.project / "lock" / "requirements.txt").read_text("utf-8")
    assert text.count("--hash=sha256:") == text.count("==") == 5
    for name in ("requests==2.31.0", "urllib3==2", "idna==", "certifi==", "charset-normalizer=="):
        assert name in text
        assert name in done.output
    assert "click" not in done.output


def test_check_descriptions(lab: Lab) -> None:
    """A README that an index could not show is named by twine, one that it can show is accepted."""
    lab.write(
        "readme/pyproject.toml",
        PROJECT.format(requires='"flit_core"', backend="flit_core.buildapi", more='version = "1"'),
    )
    lab.write("readme/src/tag/__init__.py", "")
    lab.write("readme/README.rst", "Title\n=====\n")
    assert lab.run("pyproject-build --sdist && twine check --strict dist/*", "readme").exit_status == 0
    lab.write("readme/README.rst", "Title\n=====\n\n.. nonsense::\n")
    done = lab.run(
        "pyproject-build --no-isolation 2>/dev/null || pyproject-build; twine check --strict dist/*", "readme"
    )
    assert done.exit_status == 1
    assert "FAILED" in done.output


def test_workflows(lab: Lab) -> None:
    """A workflow is judged by zizmor and check-jsonschema without a network."""
    workflow = """\
        name: publish
        on: push
        permissions: {}
        jobs:
          build:
            runs-on: ubuntu-latest
            steps:
              - run: %s
        """
    lab.write("flow/bad.yml", workflow % '"echo ${{ github.event.head_commit.message }}"')
    lab.write("flow/good.yml", workflow % "echo built")
    lab.write("flow/wrong.yml", workflow.replace("runs-on", "run-on") % "echo built")
    bad = lab.run("zizmor --offline bad.yml", "flow")
    assert bad.exit_status > 0
    assert "template-injection" in bad.output
    assert lab.run("zizmor --offline good.yml", "flow").exit_status == 0
    judge = "check-jsonschema --builtin-schema vendor.github-workflows"
    assert lab.run(f"{judge} good.yml", "flow").exit_status == 0
    wrong = lab.run(f"{judge} wrong.yml", "flow")
    assert (wrong.exit_status, "run-on" in wrong.output) == (1, True)


def test_tests_run(lab: Lab) -> None:
    """The tests of a folder are found and run by pytest."""
    lab.write("tests/test_sum.py", "def test_sum(): assert 1 + 1 == 2\n")
    done = lab.run("pytest -q -p no:cacheprovider", "tests")
    assert (done.exit_status, "1 passed" in done.output) == (0, True), done.output


def test_the_mirror_holds_what_its_distributions_need(strong: Lab) -> None:
    """Each paragraph of mirror.in can be installed into a new environment from the index alone, by uv and so by pip."""
    text = Path(mirror.__file__).with_name("mirror.in").read_text("utf-8")
    for paragraph in re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n", "", text).strip()):
        done = strong.run(
            f"uv venv -q --clear x; uv pip install -p x --dry-run --only-binary :all: {' '.join(paragraph.split())}"
        )
        assert done.exit_status == 0, done.output


def test_uvx(lab: Lab) -> None:
    """A command is run from the index without being installed, by uvx as by `uv tool run`; the system's own folders stay as they are."""
    for words in ("uvx", "uv tool run"):
        done = lab.run(
            f"{words} --with rich --from flit-core==4.2.0 python -c 'import flit_core, rich; print(flit_core.__version__)'"
        )
        assert (done.exit_status, done.output.strip().endswith("4.2.0")) == (0, True), done.output


def test_locking_for_all_systems(strong: Lab) -> None:
    """A lock that holds on every system can be made, though nothing is installed here of what only Windows needs."""
    done = strong.run(
        "uv init -q --bare && uv add -q --no-sync flask requests pytest rich build twine && grep -c '^name = ' uv.lock"
    )
    assert done.exit_status == 0, done.output


def test_a_learner_s_own_twine(strong: Lab) -> None:
    """The tools can be installed into an environment, too, as most tutorials do."""
    done = strong.run("uv venv -q .venv; uv pip install -q -p .venv twine build; .venv/bin/python -m twine --version")
    assert (done.exit_status, "twine version" in done.output) == (0, True), done.output


PROJECT = """\
[build-system]
requires = [{requires}]
build-backend = "{backend}"

[project]
name = "tag"
description = "Price tags"
readme = "README.rst"
{more}
"""
BACKENDS = {
    "setuptools": ('"setuptools>=77"', "setuptools.build_meta", 'version = "1.4.0"'),
    "hatchling": ('"hatchling"', "hatchling.build", 'version = "1.4.0"'),
    "flit-core": ('"flit_core>=3.12"', "flit_core.buildapi", 'version = "1.4.0"'),
    "poetry-core": ('"poetry-core>=2"', "poetry.core.masonry.api", 'version = "1.4.0"'),
    "pdm-backend": ('"pdm-backend"', "pdm.backend", 'version = "1.4.0"'),
    "uv-build": ('"uv_build>=0.13,<0.14"', "uv_build", 'version = "1.4.0"'),
    "setuptools-scm": (
        '"setuptools", "setuptools-scm"',
        "setuptools.build_meta",
        'dynamic = ["version"]\n[tool.setuptools_scm]',
    ),
    "hatch-vcs": (
        '"hatchling", "hatch-vcs"',
        "hatchling.build",
        'dynamic = ["version"]\n[tool.hatch.version]\nsource = "vcs"',
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_builds(strong: Lab, backend: str) -> None:
    """A project is built offline, in isolation, with each backend; two of them take the version from git's tag."""
    requires, entry, more = BACKENDS[backend]
    strong.write("pyproject.toml", PROJECT.format(requires=requires, backend=entry, more=more))
    strong.write("README.rst", "Price tags\n==========\n")
    strong.write("src/tag/__init__.py", "")
    done = strong.run(
        "git init -q && git add . && git commit -qm start && git tag v1.4.0 && pyproject-build && twine check dist/*"
    )
    assert done.exit_status == 0, done.output
    built = sorted(path.name for path in (strong.place.project / "dist").iterdir())
    assert [name.split("-")[1].removesuffix(".tar.gz") for name in built] == ["1.4.0", "1.4.0"]
    assert {name.rpartition(".")[2] for name in built} == {"gz", "whl"}


def test_builds_without_the_system_s_pip(strong: Lab) -> None:
    """The build tool needs nothing of the learner's system Python; nor does one that a learner installs into an environment."""
    strong.write(
        "pyproject.toml", PROJECT.format(requires='"flit_core"', backend="flit_core.buildapi", more='version = "1"')
    )
    strong.write("README.rst", "Title\n")
    strong.write("src/tag/__init__.py", "")
    done = strong.run(
        """
        python3 -m venv .venv && .venv/bin/pip install -q build && .venv/bin/python -m build
        python3 -m pip uninstall -q -y pip && pyproject-build
        """
    )
    assert done.exit_status == 0, done.output


@pytest.mark.parametrize("tier", WAYS)
def test_without_them_the_rest_works(tier: str, unknown: Path, tmp_path: Path) -> None:
    """Where they were not fetched, the sandbox works, and a tool is a command that is not found."""
    lab = Lab(sandbox_of(tier), new_place(tmp_path / "place"))
    assert (tools.tool_names(), tools.tools_mark()) == ([], "")
    assert tools.lacking("twine")
    assert not tools.lacking("cat")
    assert lab.run("python3 -m pip --version").exit_status == 0
    assert lab.run("zizmor --version").exit_status == 127


@pytest.fixture
def unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Another lock than the course's: one distribution of the fixtures, for which nothing is installed yet, and a cache of its own."""
    index = PackageIndex.open()
    wheel = next(
        file for file in reversed(index.files("leftpad")) if file.filename.endswith(".whl") and not file.yanked
    )
    (tmp_path / "tools.in").write_text("# one\nleftpad\n", "utf-8")
    text = f"leftpad=={wheel.version} \\\n    --hash=sha256:{wheel.sha256}\n"
    (tmp_path / "tools.txt").write_text(text, "utf-8")
    monkeypatch.setattr(tools, "_LOCK", tmp_path / "tools.txt")
    monkeypatch.setattr(tools, "COMMANDS", ("twine", "leftpad"))
    # only the tools': seeds and indexes are the course's
    monkeypatch.setattr(tools, "cache", lambda: tmp_path / "cache")
    tools.tools_key.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    tools.tools_key.cache_clear()


@pytest.fixture
def origin(unknown: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A machine whose pip and uv are configured to use an index of fixtures, and nothing else."""
    for name in os.environ:
        if name.startswith(("PIP_", "UV_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(unknown / "uv"))
    for retries in ("PIP_RETRIES", "UV_HTTP_RETRIES"):
        monkeypatch.setenv(retries, "0")
    index = PackageIndex.open()
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/pypi/simple/"
        monkeypatch.setenv("PIP_INDEX_URL", url)
        monkeypatch.setenv("UV_DEFAULT_INDEX", url)
        yield url


@pytest.mark.parametrize("way", ["uv", "pip", "pip where uv fails"])
def test_installed_once(origin: str, way: str, unknown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are installed by uv or pip, of which is told; the second time there is nothing to do, and settings can't lead astray."""
    monkeypatch.setenv("PIP_TARGET", str(unknown / "astray"))
    if way == "pip":
        monkeypatch.setattr(tools, "course_uv", lambda: None)
    elif way == "pip where uv fails":
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"{origin}nothing/here/")
    said: list[str] = []
    folder = tools.provide_tools(said.append)
    assert tools.provide_tools(said.append) == folder == tools.tools()
    assert [line.split()[1] for line in said] == ["fetching", "compiling", "leftpad"]
    assert tools.tool_names() == ["leftpad"]
    assert (folder / "lib" / "leftpad.py").exists() or (folder / "lib" / "leftpad").is_dir()
    assert not list(folder.parent.glob(".*"))
    assert not (unknown / "astray").exists()


@pytest.mark.parametrize("tier", WAYS)
def test_half_removed_ones_are_made_again(origin: str, tier: str, tmp_path: Path) -> None:
    """Where someone removed half of them they count as missing, and are made anew."""
    folder = tools.provide_tools()
    shutil.rmtree(folder / "bin")
    assert tools.tools() is None
    tools.provide_tools()
    lab = Lab(sandbox_of(tier), new_place(tmp_path / "place"))
    done = lab.run("command -v leftpad")
    assert done.exit_status == 0
    assert "tools" in done.output


def test_no_network(origin: str, unknown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network there is one sentence and the next step, and nothing half made stays."""
    monkeypatch.setenv("PIP_INDEX_URL", f"{origin}nothing/here/")
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"{origin}nothing/here/")
    with pytest.raises(CourseError) as caught:
        tools.provide_tools()
    assert "could not be fetched" in caught.value.message
    assert "\n" not in caught.value.message
    assert "course index fetch" in caught.value.next_step
    assert tools.tools() is None
    assert not list((unknown / "cache" / "tools").glob(".making-*"))


def test_a_wrong_file_is_refused(origin: str, unknown: Path) -> None:
    """A distribution with another hash than the locked one is not installed."""
    lock = unknown / "tools.txt"
    lock.write_text(lock.read_text("utf-8").partition("sha256:")[0] + "sha256:" + "0" * 64 + "\n", "utf-8")
    with pytest.raises(CourseError, match="could not be fetched"):
        tools.provide_tools()


def test_key_follows_the_lock(unknown: Path) -> None:
    """Other tools have another key."""
    before = tools.tools_key()
    (unknown / "tools.txt").write_text("", "utf-8")
    tools.tools_key.cache_clear()
    assert tools.tools_key() != before


@pytest.mark.parametrize("name", ["plain", "with a space and 'quotes'", "x" * 150])
def test_first_lines(tmp_path: Path, name: str) -> None:
    """A launcher starts whatever the path of its Python is like, with its words unchanged, cut off from variables."""
    (tmp_path / name).mkdir()
    python = tmp_path / name / "python"
    python.symlink_to(sys.executable)
    script = tmp_path / "script"
    text = "import sys\nprint(sys.flags.isolated, sys.argv[1:])\n"
    script.write_text(tools._first_lines(PurePosixPath(python)) + text, "utf-8")
    script.chmod(0o755)
    said = os.popen(shlex.join([str(script), "a b", "$c"])).read()
    assert said == "1 ['a b', '$c']\n"


def test_lock_is_clean() -> None:
    """The real lock pins every tool with hashes and names no host; nothing in it needs a desktop's key ring."""
    text = tools._LOCK.read_text("utf-8")
    for name in ("build", "check-jsonschema", "pip-audit", "pip-tools", "pytest", "twine", "zizmor"):
        assert f"\n{name}==" in text
    assert "://" not in text
    assert "\ncryptography==" not in text
