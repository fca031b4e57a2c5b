"""The sandbox's system Python: real, fast at environments, pollutable, and made again."""

from __future__ import annotations

import csv
import os
import subprocess
import time
from pathlib import Path

import pytest

from autograder.sandbox import Limits, Place, Sandbox
from autograder.sandbox.made_once import UNUSED_DAYS, forget_unused, note_use
from autograder.sandbox.system_python import (
    empty_folder,
    executable_name,
    library_name,
    make_system,
    seed,
    settle_system,
    system_python_version,
)
from sandbox_places import new_place, sandbox_of

SITE_PACKAGES = f"lib/{library_name()}/site-packages"


@pytest.fixture(scope="module", params=["strong", "basic"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each tier."""
    return sandbox_of(request.param)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place that may be polluted."""
    return new_place(tmp_path / "place")


def test_it_is_a_system_python(sandbox: Sandbox, place: Place) -> None:
    """Not an environment in disguise, of the very version that runs the course, and with nothing of the base's own packages."""
    program = (
        "import sys, sysconfig, os; print(sys.prefix == sys.base_prefix, sys.prefix,"
        " sysconfig.get_path('scripts'), sys.version.split()[0], os.path.dirname(os.__file__));"
        "print(*sorted(m for m in sys.modules if 'hack' in m or 'egress' in m), *sorted(os.listdir(sysconfig.get_path('purelib'))))"
    )
    first, second = sandbox.run(["python3", "-c", program], place).output.splitlines()
    prefix = str(sandbox.python_home(place).parent)
    assert first.split() == [
        *("True", prefix, f"{prefix}/bin", system_python_version(), f"{prefix}/lib/{library_name()}"),
    ]
    assert {name.partition("-")[0] for name in second.split()} <= {
        "pip",
        "setuptools",
        "pkg_resources",
        "_distutils_hack",
        "distutils",
    }


def tree(folder: Path) -> dict[str, bytes | None]:
    """List an environment's files; byte code without its content, which holds the source's time."""
    found: dict[str, bytes | None] = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.fsencode(path.readlink())
        elif path.is_file():
            found[name] = None if path.suffix == ".pyc" else path.read_bytes()
        else:
            found[name] = b"a folder"
    return found


def test_a_fast_environment_is_a_stock_environment(sandbox: Sandbox, place: Place) -> None:
    """Same files, same modes, same RECORD, byte code that Python takes; only sooner."""
    made = place.project / ".venv"
    assert sandbox.run(["python", "-m", "venv", ".venv"], place).exit_status == 0
    fast = tree(made)
    modes = {path: (made / path).lstat().st_mode for path in fast}
    empty_folder(made)
    made.rmdir()
    done = sandbox.run(["python", "-m", "venv", ".venv"], place, variables={"ENSUREPIP_SLOW": "1"})
    assert done.exit_status == 0, done.output
    stock = tree(made)
    assert sorted(fast) == sorted(stock)
    assert [name for name in stock if fast[name] != stock[name]] == []
    assert [name for name in stock if modes[name] != (made / name).lstat().st_mode] == []
    record = next((made / SITE_PACKAGES).glob("pip-*.dist-info/RECORD"))
    assert all((made / SITE_PACKAGES / row[0]).is_file() for row in csv.reader(record.open()))


def test_byte_code_of_a_fast_environment_is_valid(sandbox: Sandbox, place: Place) -> None:
    """Python compares the time in it with the source's: were they unequal, every start would compile."""
    done = sandbox.run(
        [
            "bash",
            "-c",
            "python -m venv .venv; .venv/bin/python -v -c 'import pip._internal.cli.main' 2>&1 | grep -c -e 'wrote' -e 'bytecode is stale'",
        ],
        place,
    )
    assert done.output == "0\n"


def test_environments_are_made_quickly(sandbox: Sandbox, place: Place) -> None:
    """A small part of what stock ensurepip takes."""
    took = {}
    for how in ("", "1"):
        begun = time.perf_counter()
        done = sandbox.run(["python", "-m", "venv", f"v{how}"], place, variables={"ENSUREPIP_SLOW": how})
        assert done.exit_status == 0, done.output
        took[how] = time.perf_counter() - begun
    assert took[""] < took["1"] / 2


@pytest.mark.parametrize("options", ["--without-pip", "--upgrade", "--clear --system-site-packages --prompt x"])
def test_other_ways_to_make_an_environment_work(sandbox: Sandbox, place: Place, options: str) -> None:
    """What the fast way doesn't do is stock's."""
    done = sandbox.run(
        [
            "bash",
            "-c",
            f"set -e; python -m venv .venv; python -m venv {options} .venv; .venv/bin/python -m pip --version",
        ],
        place,
    )
    assert done.exit_status == 0, done.output


def test_ensurepip_repairs_as_stock_does(sandbox: Sandbox, place: Place) -> None:
    """After `pip uninstall pip` in an environment, `python -m ensurepip` brings it back."""
    done = sandbox.run(
        [
            "bash",
            "-c",
            "set -e; python -m venv .venv; . .venv/bin/activate; pip uninstall -qy pip; ! python -m pip --version 2>&1; python -m ensurepip; python -m pip --version",
        ],
        place,
    )
    assert done.exit_status == 0, done.output


def test_what_pollutes_it_is_gone_after_a_reset(sandbox: Sandbox, place: Place) -> None:
    """`pip install` outside an environment really works, is seen by Python, and can be undone as a whole."""
    base = sorted(os.listdir(Path(os.__file__).parent))
    installed = sandbox.run(
        ["bash", "-c", "pip install -q leftpad==1.1 && leftpad a 3 && pip uninstall -qy pip"], place
    )
    assert installed.exit_status == 0, installed.output
    assert sandbox.run(["python", "-c", "import leftpad"], place).exit_status == 0
    make_system(place.system)
    assert sandbox.run(["python", "-c", "import leftpad"], place).exit_status == 1
    assert sandbox.run(["pip", "--version"], place).exit_status == 0
    assert sorted(os.listdir(Path(os.__file__).parent)) == base


def test_a_reset_is_seen_by_a_sandbox_that_runs(sandbox: Sandbox, place: Place) -> None:
    """A terminal may be open: it must not be left with the folders of yesterday."""
    shell = sandbox.shell(place)
    try:
        home = sandbox.python_home(place)
        assert shell.run(f"rm {home}/pip*; ! [ -e {home}/pip ]", print) == 0
        make_system(place.system)
        said: list[str] = []
        assert shell.run(f"{home}/pip --version", said.append) == 0, said
    finally:
        shell.close()


def test_nothing_of_it_refuses_installation(sandbox: Sandbox, place: Place) -> None:
    """There is no EXTERNALLY-MANAGED file unless a lesson puts one there."""
    assert not (seed() / "lib" / library_name() / "EXTERNALLY-MANAGED").exists()
    assert sandbox.run(["python", "-m", "pip", "install", "--dry-run", "-q", "leftpad"], place).exit_status == 0


def test_uv_is_the_courses_own_and_takes_this_python(sandbox: Sandbox, place: Place) -> None:
    """Uv finds the system Python first, downloads none, and can't be overwritten in the strong tier."""
    done = sandbox.run(
        [
            "bash",
            "-c",
            "uv venv -q .venv && grep ^home .venv/pyvenv.cfg; uv python install 3.9 2>&1; uv pip install --system leftpad==1.0 2>&1; python -c 'import leftpad'; echo $?",
        ],
        place,
        limits=Limits(wall_seconds=60),
    )
    assert f"home = {sandbox.python_home(place)}\n" in done.output
    assert done.output.endswith("\n0\n")
    assert "+ leftpad==1.0" in done.output
    assert "Installed Python" not in done.output


def test_a_place_moves_between_tiers(tmp_path: Path) -> None:
    """A system Python made for one tier is put right by the other."""
    place = new_place(tmp_path)
    for tier in ("basic", "strong", "medium", "strong", "basic"):
        sandbox = sandbox_of(tier)
        done = sandbox.run(["bash", "-c", "pip --version && uv --version && pip config list"], place)
        assert done.exit_status == 0, done.output
        assert ("/etc/ssl/" in done.output) == (tier == "strong")


@pytest.mark.parametrize("kind", ["link", "file", "unwritable", "full"])
def test_a_folder_is_emptied_whatever_is_in_it(tmp_path: Path, kind: str) -> None:
    """And nothing beside it."""
    folder, beside = tmp_path / "folder", tmp_path / "beside"
    beside.mkdir()
    (beside / "kept").touch()
    if kind == "link":
        folder.symlink_to(beside)
    elif kind == "file":
        folder.touch()
    else:
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "link").symlink_to(beside)
        (folder / "a" / "b").chmod(0o000 if kind == "unwritable" else 0o755)
    empty_folder(folder)
    assert folder.is_dir()
    assert not folder.is_symlink()
    assert list(folder.iterdir()) == []
    assert (beside / "kept").exists()


def test_settling_does_not_follow_a_learners_links(place: Place, tmp_path: Path) -> None:
    """Scripts are rewritten when the tier changes: a link among them must not lead to a file outside."""
    outside = tmp_path / "outside"
    outside.write_text("#!/usr/local/bin/python3\n")
    (place.system / "bin" / "mine").symlink_to(outside)
    (place.system / "bin" / executable_name()).unlink()
    (place.system / "bin" / executable_name()).symlink_to(outside)
    settle_system(place.system, sandbox_of("basic").python_home(place))
    assert outside.read_text() == "#!/usr/local/bin/python3\n"
    assert not (place.system / "bin" / executable_name()).is_symlink()


def test_half_a_seed_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache may be deleted at any time, also by halves; the base interpreter isn't touched."""
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path))
    first = seed()
    (first / "inner.py").unlink()
    subprocess.run(["rm", "-rf", str(first / "lib")], check=True)
    again = seed()
    assert again == first
    assert (again / "lib" / library_name() / "os.py").is_file()
    assert [entry.name for entry in first.parent.iterdir() if entry.name.startswith(".")] == []


def test_what_was_not_used_for_a_month_goes(tmp_path: Path) -> None:
    """Folders of older editions are removed when a new one is made; what was used this month, and files, stay."""
    new, used, old = (tmp_path / name for name in ("new", "used", "old"))
    month = time.time() - (UNUSED_DAYS + 1) * 86_400
    for folder in (new, used, old):
        (folder / "lib").mkdir(parents=True)
        os.utime(folder, (month, month))
    (tmp_path / "lock").touch()
    os.utime(tmp_path / "lock", (month, month))

    note_use(used)
    forget_unused(new)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "new", "used"]
