"""Tests of `autograder.sandbox.pythons`: the marker that refuses installing, and the second interpreter."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autograder import folder
from autograder.exceptions import BrokenExercise
from autograder.exercise import Exercise, find_exercise
from autograder.sandbox import Place, Sandbox
from autograder.sandbox.pythons import (
    PLAIN,
    Pythons,
    marker,
    pythons_asked_for,
    read_pythons,
    remembered,
    write_pythons,
)
from autograder.sandbox.system_python import (
    STRONG_PYTHON_HOME,
    library_name,
    make_system,
    second_of,
    system_python_version,
    with_second,
)
from sandbox_places import TIERS, new_place, sandbox_of

SITE_PACKAGES = f"lib/{library_name()}/site-packages"


@pytest.fixture(scope="module", params=TIERS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each tier."""
    return sandbox_of(request.param)


@pytest.fixture
def managed(tmp_path: Path) -> Place:
    """A place whose system Python refuses."""
    place = new_place(tmp_path / "place")
    make_system(place.system, pythons_asked_for(managed=True))
    return place


def bash(sandbox: Sandbox, place: Place, script: str) -> tuple[int, str]:
    """Run a script."""
    done = sandbox.run(["bash", "-c", script], place)
    return done.exit_status, done.output


def test_the_marker_refuses_and_the_cures_work(sandbox: Sandbox, managed: Place) -> None:
    """Pip and `uv pip install --system` refuse with our words; an environment, `uv tool` and the override help, without sudo."""
    for command in ("pip install -q leftpad", "uv pip install -q --system leftpad", "pip uninstall -qy pip"):
        status, said = bash(sandbox, managed, command)
        assert status != 0, command
        assert "This Python belongs to the machine" in said, command
    assert not (managed.system / SITE_PACKAGES / "leftpad").exists()
    for cure in (
        "python -m venv .venv && .venv/bin/pip install -q leftpad && .venv/bin/leftpad a 3",
        "uv venv -q other && uv pip install -q --python other/bin/python leftpad && other/bin/leftpad a 3",
        "uv tool install -q leftpad && ~/.local/bin/leftpad a 3",
        "pip install -q --break-system-packages leftpad && leftpad a 3",
    ):
        status, said = bash(sandbox, managed, cure)
        assert status == 0, (cure, said)
    assert (managed.system / SITE_PACKAGES / "leftpad").exists() or list(
        (managed.system / SITE_PACKAGES).glob("leftpad*")
    )


def test_the_marker_stands_where_tools_look(sandbox: Sandbox, managed: Place) -> None:
    """In the standard library's folder, as PEP 668 has it; and everything else of the library is there."""
    program = "import sysconfig, os, json, email, encodings.idna; print(open(sysconfig.get_path('stdlib') + '/EXTERNALLY-MANAGED').read())"
    status, said = bash(
        sandbox, managed, f'python3 -c "{program}" && python3 -m venv --without-pip v && v/bin/python -c "import json"'
    )
    assert status == 0, said
    assert said.startswith("[externally-managed]\nError=")


def test_a_reset_takes_the_marker_away_or_brings_it(managed: Place) -> None:
    """It depends on what is asked for, not on what was."""
    sandbox = sandbox_of("strong")
    make_system(managed.system)
    assert bash(sandbox, managed, "pip install -q leftpad")[0] == 0
    make_system(managed.system, Pythons(managed="Not here."))
    status, said = bash(sandbox, managed, "pip install -q leftpad")
    assert status == 1
    assert "Not here." in said


def test_a_second_interpreter(sandbox: Sandbox, tmp_path: Path) -> None:
    """A whole system Python of its own: own prefix, own site-packages, own pip; a reset empties it too."""
    place = new_place(tmp_path / "place")
    make_system(place.system, pythons_asked_for(second="first"))
    second = second_of(place.system)
    assert second is not None
    program = "import sys; print(sys.prefix == sys.base_prefix, sys.prefix, sys.version.split()[0])"
    home = sandbox.python_home(place)
    status, said = bash(
        sandbox,
        place,
        f'python=$WHEELHOUSE_SECOND_PYTHON; "$python" -c "{program}"; pip install -q leftpad 2>&1 | grep -v WARNING; type -p python3;'
        f'"$python" -c "import leftpad" && ! {home}/python3 -c "import leftpad" 2>/dev/null && echo apart',
    )
    prefix = "/opt/python" if str(home) == "/usr/local/bin" else f"{place.system}/second"
    assert (status, said.splitlines()) == (
        0,
        [f"True {prefix} {second.base.version}", f"{prefix}/bin/python3", "apart"],
    )
    make_system(place.system, pythons_asked_for(second="first"))
    assert bash(sandbox, place, '"$WHEELHOUSE_SECOND_PYTHON" -c "import leftpad"')[0] == 1


@pytest.mark.parametrize(
    ("where", "path"), [("first", "/opt/python/bin:/a:/b"), ("last", "/a:/b:/opt/python/bin"), ("beside", "/a:/b")]
)
def test_it_stands_on_path_where_asked_for(tmp_path: Path, where: str, path: str) -> None:
    """And never otherwise; a variable says where it is."""
    write_pythons(tmp_path, pythons_asked_for(second=where))
    told = with_second({"PATH": "/a:/b"}, tmp_path, STRONG_PYTHON_HOME)
    assert told["PATH"] == path
    assert told["WHEELHOUSE_SECOND_PYTHON"].startswith("/opt/python/bin/python3.")


def test_there_is_none_unless_asked_for(sandbox: Sandbox, tmp_path: Path) -> None:
    """Nothing of it is seen, also after one was there."""
    place = new_place(tmp_path / "place")
    make_system(place.system, pythons_asked_for(second="first"))
    make_system(place.system)
    assert bash(sandbox, place, 'echo "$WHEELHOUSE_SECOND_PYTHON"; ls -d /opt/python 2>/dev/null') == (2, "\n")
    assert not (place.system / "second").exists()


def test_the_same_version_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with one Python gets a second prefix of it, under another path, and its packages are others."""
    monkeypatch.setenv("WHEELHOUSE_SECOND_PYTHON", "none")
    place = new_place(tmp_path / "place")
    make_system(place.system, pythons_asked_for(second="beside"))
    second = second_of(place.system)
    assert second is not None
    assert second.base.version == system_python_version()
    status, said = bash(
        sandbox_of("strong"),
        place,
        '"$WHEELHOUSE_SECOND_PYTHON" -m pip install -q leftpad; python3 -c "import leftpad"',
    )
    assert status == 1, said
    assert "leftpad" in said


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", PLAIN),
        ("managed = false", PLAIN),
        ('managed = "Go away."\nsecond = "first"', Pythons("Go away.", "first")),
        ('second = "beside"', Pythons(second="beside")),
    ],
)
def test_an_exercise_asks_in_its_folder(tmp_path: Path, text: str, wanted: Pythons) -> None:
    """In `pythons.toml`; what was asked for is remembered beside the system Python."""
    (tmp_path / "pythons.toml").write_text(text)
    assert read_pythons(tmp_path) == wanted
    write_pythons(tmp_path, wanted)
    assert remembered(tmp_path) == wanted


@pytest.mark.parametrize(
    "text", ["managed = 3", "secnd = 'first'", "second = 'somewhere'", "second = [1]", "managed", "\xff"]
)
def test_a_wrong_wish_is_the_authors_fault(tmp_path: Path, text: str) -> None:
    """And said in a sentence."""
    (tmp_path / "pythons.toml").write_text(text, encoding="latin-1")
    with pytest.raises(BrokenExercise):
        read_pythons(tmp_path)


def test_the_marker_is_what_pep_668_says() -> None:
    """A text of several paragraphs survives in the ini format."""
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(marker(Pythons("One.\n\nTwo 100% sure.\n")))
    assert [line.strip() for line in parser["externally-managed"]["Error"].splitlines()] == [
        "One.",
        "",
        "Two 100% sure.",
    ]


def test_an_exercise_begins_with_what_it_asks_for(labs: Path, tmp_path: Path) -> None:
    """`pythons.toml` in its folder is enough: the workspace has both, also after a reset, and with what `begin.sh` installed."""
    exercise = find_exercise("01")
    edition = tmp_path / exercise.folder.name
    shutil.copytree(exercise.folder, edition)
    (edition / "pythons.toml").write_text('managed = "Nour looks after this one."\nsecond = "last"\n')
    (edition / "begin.sh").write_text('"$WHEELHOUSE_SECOND_PYTHON" -m pip install -q leftpad 2>/dev/null\n')
    asking = Exercise(exercise.id, exercise.title, exercise.minutes, edition, exercise.tasks)
    for live in (folder.begin(asking), folder.reset(asking)):
        status, said = bash(live.sandbox, live.place, '"$WHEELHOUSE_SECOND_PYTHON" -m leftpad a 3; pip install leftpad')
        assert "Nour looks after this one." in said
        assert status == 1
        assert bash(live.sandbox, live.place, '"$WHEELHOUSE_SECOND_PYTHON" -c "import leftpad"') == (0, "")
