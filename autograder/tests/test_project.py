"""What the repository promises before anything of it runs: commands, locks, set-up, Binder, and what no file may say."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

COURSE = Path(__file__).resolve().parents[2]
COURSE_LOCK, DEV_LOCK, CLIENTS_LOCK, TOOLS_LOCK, BUBBLEWRAP_LOCK = (
    "requirements.txt",
    "autograder/requirements-dev.txt",
    "autograder/requirements-clients.txt",
    "autograder/src/autograder/sandbox/tools.txt",
    "autograder/src/autograder/sandbox/bubblewrap.txt",
)
LOCKS = (COURSE_LOCK, DEV_LOCK, CLIENTS_LOCK, TOOLS_LOCK, BUBBLEWRAP_LOCK)
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "autograder/README.md")
# in pieces, so that this file doesn't name them either
HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("py" + "pi", "org"),
        ("pythonhosted", "org"),
        ("npm" + "js", "com"),
        ("npm" + "js", "org"),
        ("debian", "org"),
    )
)


def git(*words: str) -> str:
    """Ask git about the repository, which may belong to another user than the one who tests."""
    command = ["git", "-c", f"safe.directory={COURSE}", "-C", str(COURSE), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def committed() -> list[Path]:
    """Give every file that git keeps and that is there."""
    if not (COURSE / ".git").exists():
        pytest.skip("this copy of the course has no history (.git), so which files belong to it can't be told")
    paths = [COURSE / name for name in git("ls-files", "-z").split("\0") if name]
    return [path for path in paths if path.is_file()]


def make(*words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run make with an environment that holds nothing of this machine's."""
    return subprocess.run(
        ["make", *words],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def pins(lock: str) -> dict[str, list[tuple[Requirement, list[str]]]]:
    """Read a lock file: name -> its pins (one, or one for each kind of machine) with their hashes."""
    found: dict[str, list[tuple[Requirement, list[str]]]] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", (COURSE / lock).read_text(encoding="utf-8")):
        if not entry.startswith("#"):
            words = re.sub(r"#.*", "", entry).replace("\\\n", " ")
            pin = Requirement(words.split("--hash")[0].strip())
            hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})(?!\S)", words)
            found.setdefault(canonicalize_name(pin.name), []).append((pin, hashes))
    return found


def asked_for() -> Iterator[tuple[str, Requirement]]:
    """Give each requirement that somebody wrote, and the lock that must hold it."""
    project = tomllib.loads((COURSE / "autograder/pyproject.toml").read_text(encoding="utf-8"))
    lines = [
        line for line in (COURSE / "requirements.in").read_text(encoding="utf-8").splitlines() if line[:1].isalpha()
    ]
    groups = project["project"]["optional-dependencies"]
    extras = [
        line for name, group in groups.items() if name != "cluster" for line in group
    ]  # not on a learner's machine
    for line in (*lines, *extras, *project["project"]["dependencies"], *project["build-system"]["requires"]):
        yield COURSE_LOCK, Requirement(line)
    for name, group in project["dependency-groups"].items():
        for line in group:
            if isinstance(line, str):
                yield CLIENTS_LOCK if name == "clients" else DEV_LOCK, Requirement(line)
    yield from ((DEV_LOCK, Requirement(line)) for line in groups["cluster"])
    for line in (COURSE / TOOLS_LOCK).with_suffix(".in").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            yield TOOLS_LOCK, Requirement(line)


@pytest.fixture(scope="module")
def bootstrap() -> Any:
    """The module that makes `.venv`; it is no part of the package."""
    specification = importlib.util.spec_from_file_location("bootstrap", COURSE / "autograder/bootstrap.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["bootstrap"] = module
    specification.loader.exec_module(module)
    return module


# --- commands


def test_plain_make_prints_the_menu_from_anywhere(tmp_path: Path) -> None:
    """`make` says in one line each what one can do, also when called from another folder, and makes nothing."""
    shown = make("-f", str(COURSE / "Makefile"), cwd=tmp_path)
    assert (shown.returncode, shown.stderr) == (0, "")
    for target in ("lab", "test", "check", "build", "lock", "clean"):
        assert re.search(rf"^  make {target} +\S.{{10,100}}$", shown.stdout, re.M), target
    assert list(tmp_path.iterdir()) == []


def test_make_works_in_a_path_with_spaces(tmp_path: Path) -> None:
    """The folder's name may hold spaces, quotes and letters of any alphabet."""
    folder = tmp_path / "it's a cours é"
    folder.mkdir()
    (folder / "Makefile").write_bytes((COURSE / "Makefile").read_bytes())
    assert "make lab" in make(cwd=folder).stdout


@pytest.mark.parametrize("target", ["lab", "test", "check", "build", "lock"])
def test_old_python_is_refused_in_a_sentence(target: str, tmp_path: Path) -> None:
    """Each command names the version it found and what to do, and stops there."""
    old = tmp_path / "old python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit 0\nexit 1\n')
    old.chmod(0o755)
    refused = make("-f", str(COURSE / "Makefile"), target, f"PYTHON={old}", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[0].startswith(
        "Wheelhouse needs Python 3.11 or newer (here: Python 3.9.2); install one"
    )
    assert len(refused.stderr.splitlines()) == 2  # the other is make's own


def test_commands_in_the_pages_exist() -> None:
    """Each `make …` and `course …` that a page tells people to type is a command."""
    targets = set(re.findall(r"^([a-z]+):", (COURSE / "Makefile").read_text(encoding="utf-8"), re.M))
    helped = subprocess.run(
        [sys.executable, "-m", "autograder.cli", "--help"], capture_output=True, text=True, check=True
    )
    for page in PAGES:
        text = (COURSE / page).read_text(encoding="utf-8")
        typed = re.findall(r"(?:^|`|&& )(make|course) ([a-z]+)", text, re.M)
        for program, word in typed:
            assert word in (targets if program == "make" else helped.stdout.split()), f"{page}: {program} {word}"


def test_links_in_the_pages_lead_somewhere() -> None:
    """A relative link or picture in a page names a file that is there."""
    for page in PAGES:
        path = COURSE / page
        for link in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if "://" not in link and not link.startswith("mailto:"):
                assert (path.parent / link).exists(), f"{page}: {link}"


# --- locks


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_its_hashes(lock: str) -> None:
    """Each line of a lock is one exact version with the hashes of its files."""
    for name, entries in pins(lock).items():
        for pin, hashes in entries:
            assert re.fullmatch(r"==[\w.!+]+", str(pin.specifier)), name
            assert hashes, name


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_do_not_say_where_files_came_from(lock: str) -> None:
    """No index, address or path of the machine that wrote the lock stands in it."""
    text = (COURSE / lock).read_text(encoding="utf-8")
    assert not re.findall(r"^.*(?:://|file:|-index|--find-links|@ | /\w).*$", text, re.M)


def test_locks_hold_what_is_asked_for() -> None:
    """What requirements.in and pyproject.toml ask for is pinned, within what they allow; else `make lock` was forgotten."""
    held = {lock: pins(lock) for lock in LOCKS}
    for lock, requirement in asked_for():
        for pin, _ in held[lock][canonicalize_name(requirement.name)]:
            version = Version(str(pin.specifier).removeprefix("=="))
            assert requirement.specifier.contains(version, prereleases=True), f"{requirement} but {pin} in {lock}"


def test_locks_agree() -> None:
    """A distribution that both locks hold has one version, or they could not be installed together."""
    course, dev = pins(COURSE_LOCK), pins(DEV_LOCK)
    for name in course.keys() & dev.keys():
        versions, others = ({str(pin.specifier) for pin, _ in lock[name]} for lock in (course, dev))
        assert others <= versions, name


# --- what lies in the repository


def test_no_file_names_a_host_of_distributions() -> None:
    """No committed file says from which host distributions come: that is the machine's business."""
    for path in committed():
        text = path.read_bytes().decode("utf-8", errors="replace")
        assert not [host for host in HOSTS if host in text], path.relative_to(COURSE)


def test_tests_of_a_group_share_a_worker(tmp_path: Path) -> None:
    """What is marked to be run by one worker is: an edition of pytest and one of pytest-xdist once didn't agree, and didn't say so."""
    (tmp_path / "test_group.py").write_text(
        "import pathlib, pytest\n"
        "@pytest.mark.xdist_group('one')\n"
        "@pytest.mark.parametrize('number', range(8))\n"
        "def test_it(number, worker_id):\n"
        "    pathlib.Path(f'by-{worker_id}').touch()\n"
    )
    words = [
        *("-p", "no:cacheprovider", "-p", "no:nbmake"),
        *("--numprocesses", "2", "--dist", "loadgroup"),
        str(tmp_path),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    assert len(list(tmp_path.glob("by-gw*"))) == 1


def test_scripts_are_executable_and_parse() -> None:
    """What a machine starts by its name may be started, in every clone, and is no nonsense to its shell."""
    modes = (
        {line.split("\t")[1]: line[:6] for line in git("ls-files", "--stage").splitlines()}
        if (COURSE / ".git").exists()
        else {}
    )
    for script in (".ci/run", ".ci/check", ".ci/test", ".ci/lock", "binder/postBuild", "binder/start"):
        path = COURSE / script
        assert os.access(path, os.X_OK), script
        assert modes.get(script, "100755") == "100755", script
        shell = path.read_text(encoding="utf-8").splitlines()[0].rpartition("/")[2].removeprefix("env ")
        subprocess.run([shell, "-n", str(path)], check=True)


# --- architecture


def floors() -> list[list[str]]:
    """Read CONTRIBUTING's drawing: the modules of each floor, from the top."""
    page = (COURSE / "CONTRIBUTING.md").read_text(encoding="utf-8")
    drawing = page.partition("```text\nfloors\n")[2].partition("```")[0]
    rows = [re.findall(r"[a-z_]{2,}", line) for line in drawing.splitlines()]
    return [row for row in rows if row]


def imported(path: Path) -> set[str]:
    """Give the modules of ours that a file imports, at its top or later."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module] if node.module != "autograder" else [f"autograder.{name.name}" for name in node.names]
        else:
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        found |= {name.split(".")[1] for name in names if name.startswith("autograder.")}
    return found


def test_arrows_point_down() -> None:
    """Each module stands in CONTRIBUTING's drawing and imports nothing from above it; a face imports no other face."""
    rows = floors()
    level = {name: number for number, row in enumerate(rows) for name in row}
    assert rows[0] == ["cli", "jupyter", "nbgrader_plugin", "nbgrader_collect", "nbgrader_release"]
    package = COURSE / "autograder/src/autograder"
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).parts[0].removesuffix(".py")
        if name in ("__init__", "__main__", "catalog"):
            continue
        assert name in level, f"{name} is missing in CONTRIBUTING's drawing"
        for other in imported(path) & level.keys() - {name}:
            allowed = level[other] > level[name] or (level[other] == level[name] > 0)
            assert allowed, f"{name} imports {other}"


def test_package_knows_no_exercise_by_name() -> None:
    """Exercises are found by looking at folders: no module outside the catalogue names one."""
    package = COURSE / "autograder/src/autograder"
    for path in package.rglob("*.py"):
        if "catalog" not in path.relative_to(package).parts:
            words = (
                node.value
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Constant)
            )
            assert not [word for word in words if re.fullmatch(r"(ex\d\d_\w+|\d\d-[a-z-]+)", str(word))], path.name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The package, built from a copy of the files that git keeps."""
    copy = tmp_path_factory.mktemp("copy")
    for path in committed():
        if path.is_relative_to(COURSE / "autograder"):
            target = copy / path.relative_to(COURSE / "autograder")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=False)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    subprocess.run(command, cwd=copy, capture_output=True, check=True)
    return zipfile.ZipFile(next((copy / "dist").glob("*.whl")))


def test_wheel_holds_the_whole_package(wheel: zipfile.ZipFile) -> None:
    """Settings, fixtures and the exercises' first files travel with the code, whatever git or the build backend ignore."""
    package = COURSE / "autograder/src"
    wanted = {path.relative_to(package).as_posix() for path in committed() if path.is_relative_to(package)}
    assert not wanted - set(wheel.namelist())


def test_wheel_says_its_licence_by_its_name(wheel: zipfile.ZipFile) -> None:
    """The licence is an SPDX expression with its text beside it, as the course teaches."""
    folder = next(name for name in wheel.namelist() if name.endswith("/METADATA")).rpartition("/")[0]
    metadata = wheel.read(f"{folder}/METADATA").decode()
    assert "\nLicense-Expression: MIT\n" in metadata
    assert "Classifier: License" not in metadata
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()


# --- the environment


@pytest.fixture
def complete(bootstrap: Any, tmp_path: Path) -> Any:
    """What is wanted for `make lab`, and an environment that has it (but for the distributions, which none of these tests uses)."""
    folder = tmp_path / "the environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    wanted = bootstrap.Wanted.now("lab", folder)
    (folder / bootstrap.STAMP).write_text(json.dumps(wanted.stamp()))
    return wanted


def test_complete_environment_is_kept(bootstrap: Any, complete: Any) -> None:
    """Nothing is done where nothing has changed."""
    assert bootstrap.examine(complete) == ("keep", "")


def test_environment_of_the_course_is_added_to_for_the_tests(bootstrap: Any, complete: Any) -> None:
    """`make test` after `make lab` installs only what the tests need besides."""
    assert bootstrap.examine(bootstrap.Wanted.now("test", complete.folder))[0] == "add"


def test_environment_of_the_tests_serves_the_course(bootstrap: Any, complete: Any) -> None:
    """`make lab` after `make test` has nothing to do."""
    stamp = bootstrap.Wanted.now("test", complete.folder).stamp()
    (complete.folder / bootstrap.STAMP).write_text(json.dumps(stamp))
    assert bootstrap.examine(complete) == ("keep", "")


@pytest.mark.parametrize(
    ("damage", "action", "why"),
    [
        pytest.param(lambda b, f: (f / b.BEING_MADE).touch(), "remake", "half made", id="stopped-half-way"),
        pytest.param(lambda b, f: (f / b.STAMP).write_text("{"), "remake", "damaged record", id="damaged-record"),
        pytest.param(
            lambda b, f: (f / b.STAMP).write_text("[]"), "remake", "damaged record", id="record-of-another-kind"
        ),
        pytest.param(lambda b, f: (f / b.STAMP).unlink(), "set aside", "not made by make", id="somebody-elses"),
        pytest.param(lambda b, f: (f / "bin/python").unlink(), "remake", "lost some", id="no-python"),
        pytest.param(lambda b, f: f.rename(f.with_name("gone")), "remake", "", id="nothing-there"),
    ],
)
def test_damaged_environment_is_mended(bootstrap: Any, complete: Any, damage: Any, action: str, why: str) -> None:
    """Whatever is wrong with the environment is seen and said; only what isn't ours is kept."""
    damage(bootstrap, complete.folder)
    done, said = bootstrap.examine(complete)
    assert done == action
    assert why in said


@pytest.mark.parametrize(
    ("fact", "value", "action", "why"),
    [
        ("locks", {"requirements.txt": "0" * 64}, "remake", "older than the lock"),
        ("python", "3.11.0 /usr/bin/python3", "remake", "another Python"),
        ("folder", "/somewhere/else", "remake", "another place"),
        ("format", 0, "remake", "another place"),
        ("distributions", ["jedi-0.1.dist-info"], "remake", "lost some"),
        ("project", "0" * 64, "refresh", "older autograder"),
    ],
)
def test_change_is_noticed(bootstrap: Any, complete: Any, fact: str, value: Any, action: str, why: str) -> None:
    """An environment made from other facts than today's is made anew, or its part that differs is."""
    stamp = complete.stamp() | {fact: value}
    (complete.folder / bootstrap.STAMP).write_text(json.dumps(stamp))
    done, said = bootstrap.examine(complete)
    assert done == action
    assert why in said


def test_somebody_elses_environment_is_kept(bootstrap: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A `.venv` that make did not make is moved aside, never deleted, also the second time."""
    for number in ("", "-2"):
        folder = tmp_path / ".venv"
        folder.mkdir()
        (folder / "mine").write_text(number)
        bootstrap.put_away(folder, keep=True)
        assert (tmp_path / f".venv.before-make{number}" / "mine").read_text() == number
        assert f".venv.before-make{number}." in capsys.readouterr().out


def run_bootstrap(folder: Path, **variables: str) -> subprocess.Popen[str]:
    """Start making an environment in `folder`, as make does."""
    return subprocess.Popen(
        [sys.executable, str(COURSE / "autograder/bootstrap.py"), "lab", "--folder", str(folder)],
        env={"PATH": os.environ["PATH"], "HOME": str(folder.parent), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_python_without_ensurepip_is_refused_in_a_sentence(tmp_path: Path) -> None:
    """Debian's Python without its venv package is told apart, the package is named, and nothing is left half made."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['ensurepip'] = None\n")
    process = run_bootstrap(tmp_path / ".venv", PYTHONPATH=str(tmp_path))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(said.splitlines()) == 1
    assert f"apt-get install python3.{sys.version_info.minor}-venv`" in said
    assert not (tmp_path / ".venv").exists()


def test_stopped_half_way_is_said_and_seen(bootstrap: Any, tmp_path: Path) -> None:
    """After Ctrl-C while distributions are fetched the next run knows that the environment is half made."""
    programs = tmp_path / "programs"
    programs.mkdir()
    slow = programs / "uv"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    folder = tmp_path / ".venv"
    process = run_bootstrap(folder, PATH=f"{programs}:{os.environ['PATH']}")
    assert process.stdout is not None
    for line in process.stdout:
        if "with uv" in line:
            break
    time.sleep(0.2)  # until uv runs
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.strip()) == (130, "Stopped; the same command goes on.")
    assert bootstrap.examine(bootstrap.Wanted.now("lab", folder)) == ("remake", "was left half made")


def test_two_at_once_take_turns(bootstrap: Any, tmp_path: Path) -> None:
    """While one process makes the environment, another says that it waits, and does."""
    folder = tmp_path / ".venv"
    with bootstrap.alone(folder):
        process = run_bootstrap(folder, PYTHONPATH=str(tmp_path))
        (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['ensurepip'] = None\n")
        assert process.stdout is not None
        assert "waiting" in process.stdout.readline()
        assert process.poll() is None
    process.communicate(timeout=60)


def test_variables_that_lead_an_installer_astray_are_dropped(bootstrap: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where to fetch from stays as the machine says; where to install to does not."""
    monkeypatch.setenv("PIP_TARGET", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("PIP_CERT", "/etc/authority.pem")
    cleaned = bootstrap.clean_variables()
    assert cleaned["PIP_CERT"] == "/etc/authority.pem"
    assert not {"PIP_TARGET", "PYTHONPATH"} & cleaned.keys()
