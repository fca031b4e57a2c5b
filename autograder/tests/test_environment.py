"""Tests of `autograder.environment`: environments of three makers, and everything that can be wrong with one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.environment import Environment, find_environments
from autograder.exceptions import Failed
from autograder.index import PackageIndex
from autograder.tree import FolderTree
from real_environments import PYTHON, SERIES, SITE, SYSTEM, TOOLS, VERSION, copy, fails, make, run, workspace

MAKERS = ["venv", "uv", "virtualenv"]


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's index."""
    return PackageIndex.open()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, index: PackageIndex) -> Path:
    """A workspace with one environment of each maker; not to be changed."""
    return make(tmp_path_factory.mktemp("made"), index)


@pytest.fixture
def mine(made: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    return copy(made, tmp_path / "mine")


@pytest.fixture
def opened(made: Path, mine: Path, index: PackageIndex) -> Callable[[str], Environment]:
    """Read an environment of the copy, which still believes to be where it was made."""
    return lambda path: workspace(mine, index, made).environment(path)


@pytest.mark.parametrize("maker", MAKERS)
def test_every_maker_is_read(made: Path, index: PackageIndex, maker: str) -> None:
    """Home, version, packages and scripts are found whoever made the environment."""
    environment = workspace(made, index).environment(maker)
    assert (environment.home, environment.python_version) == (str(SYSTEM), VERSION)
    assert environment.site_packages == f"{maker}/{SITE}"
    assert not environment.sees_system_packages
    assert {"leftpad 1.1", "pricetag 1.0"} <= {one.label for one in environment.distributions}
    script = next(one for one in environment.scripts if one.name == "leftpad")
    assert script.executable
    assert script.path == f"{maker}/bin/leftpad"
    assert script.interpreter.startswith(f"{made}/{maker}/bin/python")
    environment.in_place()
    found = environment.distribution("LeftPad", ">=1,<2")
    assert (found.name, str(found.version), found.requested) == ("leftpad", "1.1", True)
    assert found.installer == ("uv" if maker == "uv" else "pip")


@pytest.mark.parametrize("maker", MAKERS)
def test_system_packages_are_seen(made: Path, index: PackageIndex, tmp_path: Path, maker: str) -> None:
    """The option by that name is told from its absence."""
    commands = {
        "venv": (PYTHON, "-m", "venv", "--without-pip"),
        "uv": (TOOLS / "uv", "venv", "-q", "-p", PYTHON),
        "virtualenv": (TOOLS / "virtualenv", "-q", "--no-pip", "-p", PYTHON),
    }
    run(*commands[maker], "--system-site-packages", tmp_path / "env", cwd=tmp_path)
    assert workspace(tmp_path, index).environment("env").sees_system_packages


def test_copied_interpreter_is_accepted(index: PackageIndex, tmp_path: Path) -> None:
    """`venv --copies` makes an environment like any other."""
    run(PYTHON, "-m", "venv", "--without-pip", "--copies", "env", cwd=tmp_path)
    assert workspace(tmp_path, index).environment("env").python_version == VERSION


def test_missing_environment(opened: Callable[[str], Environment], mine: Path) -> None:
    """Nothing there: the environments that are there are named."""
    failed = fails(lambda: opened(".venv"), mine, "no `.venv`, but an environment in `uv`, `venv` and `virtualenv`")
    assert failed.expected == "There is a virtual environment `.venv`."


def test_missing_environment_in_an_empty_workspace(index: PackageIndex, tmp_path: Path) -> None:
    """Nothing there and nothing else either."""
    fails(lambda: workspace(tmp_path, index).environment(), tmp_path, "^There is no `.venv`.$")


def test_file_in_place_of_an_environment(opened: Callable[[str], Environment], mine: Path) -> None:
    """A file by the name of the environment."""
    (mine / ".venv").write_text("")
    fails(lambda: opened(".venv"), mine, "is a file, not a folder")


def test_pipe_in_place_of_an_environment(opened: Callable[[str], Environment], mine: Path) -> None:
    """A pipe by the name of the environment doesn't stop the reader."""
    os.mkfifo(mine / ".venv")
    fails(lambda: opened(".venv"), mine, "is a pipe or device, not a folder")


def test_plain_folder(opened: Callable[[str], Environment], mine: Path) -> None:
    """A folder that nobody made an environment of."""
    (mine / ".venv" / "bin").mkdir(parents=True)
    fails(lambda: opened(".venv"), mine, "no virtual environment: it has no `pyvenv.cfg`")


def test_conda_environment(opened: Callable[[str], Environment], mine: Path) -> None:
    """An environment of conda is named as such."""
    (mine / ".venv" / "conda-meta").mkdir(parents=True)
    fails(lambda: opened(".venv"), mine, "is an environment of conda")


@pytest.mark.parametrize("target", ["../elsewhere", "../../env", "/srv/shared/env"])
def test_link_leaving_the_workspace(opened: Callable[[str], Environment], mine: Path, target: str) -> None:
    """The environment is a link to somewhere else: where to is said, as it is written in the link."""
    (mine / ".venv").symlink_to(target)
    fails(lambda: opened(".venv"), mine, f"^`.venv` is a link that leaves the workspace: it leads to `{target}`.$")


def test_link_within_the_workspace(opened: Callable[[str], Environment], mine: Path) -> None:
    """A link to an environment beside it is as good as the environment."""
    (mine / ".venv").symlink_to("uv")
    assert opened(".venv").distribution("leftpad").version.major == 1


def test_loop_of_links(opened: Callable[[str], Environment], mine: Path) -> None:
    """Links that lead to each other end somewhere for the reader."""
    (mine / ".venv").symlink_to("other")
    (mine / "other").symlink_to(".venv")
    with pytest.raises(Exception, match="leaves the workspace"):
        opened(".venv")


def test_site_packages_elsewhere(opened: Callable[[str], Environment], mine: Path) -> None:
    """An environment whose packages are a link to somewhere else is not its own."""
    shutil.rmtree(mine / "venv" / SITE)
    (mine / "venv" / SITE).symlink_to("/usr/lib/python3/dist-packages")
    fails(lambda: opened("venv"), mine, "leaves the workspace: it leads to `/usr/lib/python3/dist-packages`")


@pytest.mark.parametrize("maker", MAKERS)
def test_environment_of_another_python_by_version(opened: Callable[[str], Environment], mine: Path, maker: str) -> None:
    """pyvenv.cfg tells another version, in each maker's spelling."""
    config = mine / maker / "pyvenv.cfg"
    config.write_text(config.read_text().replace(VERSION, "3.8.2"))
    fails(lambda: opened(maker), mine, r"belongs to another Python: `pyvenv.cfg` says `3\.8\.2`")


@pytest.mark.parametrize("maker", MAKERS)
def test_environment_of_another_python_by_home(opened: Callable[[str], Environment], mine: Path, maker: str) -> None:
    """pyvenv.cfg names the folder of another Python."""
    config = mine / maker / "pyvenv.cfg"
    config.write_text(config.read_text().replace(f"home = {SYSTEM}\n", "home = /opt/strange/bin\n"))
    fails(lambda: opened(maker), mine, r"another Python: `home` in `pyvenv.cfg` is `/opt/strange/bin`")


def test_environment_of_another_python_by_link(opened: Callable[[str], Environment], mine: Path) -> None:
    """pyvenv.cfg was dressed up, but `bin/python` leads to another Python."""
    for name in ("python", "python3", SERIES):
        (mine / "venv" / "bin" / name).unlink()
        (mine / "venv" / "bin" / name).symlink_to("/opt/strange/bin/python3")
    fails(lambda: opened("venv"), mine, "leads to another Python: `/opt/strange/bin/python3`")


def test_environment_of_another_python_by_library(opened: Callable[[str], Environment], mine: Path) -> None:
    """Packages lie in the folder of another version of Python."""
    (mine / "uv" / "lib" / SERIES).rename(mine / "uv" / "lib" / "python3.8")
    fails(lambda: opened("uv"), mine, r"another Python: its packages are in `lib/python3\.8`")


def test_really_another_python(index: PackageIndex, tmp_path: Path) -> None:
    """An environment that another Python of this machine made is told, if there is another."""
    other = Path("/usr/bin/python3")
    if not other.exists() or other.resolve().parent == SYSTEM:
        pytest.skip("this machine has only one Python")
    run(other, "-m", "venv", "--without-pip", ".venv", cwd=tmp_path)
    fails(lambda: workspace(tmp_path, index).environment(), tmp_path, "belongs to another Python")


def test_environment_without_interpreter(opened: Callable[[str], Environment], mine: Path) -> None:
    """`bin` was deleted."""
    shutil.rmtree(mine / "venv" / "bin")
    fails(lambda: opened("venv"), mine, "`venv/bin/python` is missing")


def test_environment_with_a_script_for_an_interpreter(opened: Callable[[str], Environment], mine: Path) -> None:
    """A shell script posing as Python is not one."""
    (mine / "venv" / "bin" / "python").unlink()
    (mine / "venv" / "bin" / "python").write_text("#!/bin/sh\necho leftpad 1.1\n")
    (mine / "venv" / "bin" / "python").chmod(0o755)
    fails(lambda: opened("venv"), mine, "is not a Python interpreter")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "has no `home`"),
        (b"home =\n", "has no `home`"),
        (b"home = \xff\xfe\n", "no text file that Python could read"),
    ],
    ids=["empty", "home without a value", "not UTF-8"],
)
def test_unreadable_pyvenv_cfg(opened: Callable[[str], Environment], mine: Path, content: bytes, found: str) -> None:
    """pyvenv.cfg that Python itself wouldn't take."""
    (mine / "venv" / "pyvenv.cfg").write_bytes(content)
    fails(lambda: opened("venv"), mine, found)


def test_pyvenv_cfg_is_a_pipe(opened: Callable[[str], Environment], mine: Path) -> None:
    """A pipe for pyvenv.cfg doesn't stop the reader."""
    (mine / "venv" / "pyvenv.cfg").unlink()
    os.mkfifo(mine / "venv" / "pyvenv.cfg")
    fails(lambda: opened("venv"), mine, "no text file that Python could read")


def test_pyvenv_cfg_as_python_reads_it(opened: Callable[[str], Environment], mine: Path) -> None:
    """Keys in any case; the first `home` and the last of the others count, as for Python."""
    text = f"HOME = {SYSTEM}\nhome = /other\nversion={VERSION}\nInclude-System-Site-Packages = FALSE\ninclude-system-site-packages = TRUE\n"
    (mine / "venv" / "pyvenv.cfg").write_text(text)
    assert opened("venv").sees_system_packages


@pytest.mark.parametrize("maker", MAKERS)
def test_moved_environment(opened: Callable[[str], Environment], mine: Path, maker: str) -> None:
    """Scripts of an environment that was renamed start the Python of the old folder."""
    (mine / maker).rename(mine / "moved")
    environment = opened("moved")
    assert environment.distribution("leftpad", "==1.1")
    fails(environment.in_place, mine, rf"The first line of `moved/bin/leftpad` still names `{maker}/bin/python")


def test_relocatable_environment_is_in_place_anywhere(index: PackageIndex, tmp_path: Path) -> None:
    """Relocatable environments, which uv makes, find their Python from where they are."""
    uv = TOOLS / "uv"
    run(uv, "venv", "-q", "--relocatable", "-p", PYTHON, "old", cwd=tmp_path)
    wheel = next(one for one in index.files("leftpad") if one.filename.endswith(".whl"))
    with index._open_file(wheel.sha256) as file:
        (tmp_path / wheel.filename).write_bytes(file.read())
    run(uv, "pip", "install", "-q", "--offline", "-p", "old", tmp_path / wheel.filename, cwd=tmp_path)
    (tmp_path / "old").rename(tmp_path / "new")
    environment = workspace(tmp_path, index).environment("new")
    script = next(one for one in environment.scripts if one.name == "leftpad")
    assert script.interpreter.startswith(f"{tmp_path}/new/bin/python")
    environment.in_place()


def test_script_whose_first_line_is_too_long(opened: Callable[[str], Environment], mine: Path) -> None:
    """Installers write two lines where one would be too long for the system; both are read."""
    long = f"/{'d' * 150}/bin/python"
    (mine / "venv" / "bin" / "leftpad").write_text(f"#!/bin/sh\n'''exec' \"{long}\" \"$0\" \"$@\"\n' '''\nimport sys\n")
    script = next(one for one in opened("venv").scripts if one.name == "leftpad")
    assert script.interpreter == long


@pytest.mark.parametrize(
    "content",
    [
        b"#!",
        b"#!\n",
        b"\xff#!",
        b"#!/bin/sh\n'''exec' \"unclosed\n",
        b"#! /usr/bin/env python3\n",
        b"#!/bin/sh\n'''exec'\n",
    ],
)
def test_odd_scripts_are_nobodys_business(opened: Callable[[str], Environment], mine: Path, content: bytes) -> None:
    """Whatever a learner puts into `bin`, the reader goes on."""
    (mine / "venv" / "bin" / "odd").write_bytes(content)
    os.mkfifo(mine / "venv" / "bin" / "pipe")
    environment = opened("venv")
    assert "leftpad" in [one.name for one in environment.scripts]
    environment.in_place()


def test_not_installed(opened: Callable[[str], Environment], mine: Path) -> None:
    """What is installed is named."""
    fails(
        lambda: opened("venv").distribution("shoplib"),
        mine,
        r"`shoplib` is not installed in `venv`; installed: `leftpad 1.1` and `pricetag 1.0`",
    )


def test_wrong_version(opened: Callable[[str], Environment], mine: Path) -> None:
    """The version that is there is named."""
    failed = fails(lambda: opened("uv").distribution("leftpad", "==1.2"), mine, r"`leftpad` 1\.1 is installed in `uv`")
    assert failed.expected == "`leftpad` 1.2 is installed in `uv`."


@pytest.mark.parametrize("maker", MAKERS)
def test_hand_copied_package(opened: Callable[[str], Environment], mine: Path, maker: str) -> None:
    """A module that no installer put there is named."""
    for info in (mine / maker / SITE).glob("leftpad-*"):
        shutil.rmtree(info)
    fails(
        lambda: opened(maker).distribution("leftpad"),
        mine,
        r"site-packages/leftpad.py` was copied there by hand: no installer has a record",
    )


def test_what_belongs_to_another_distribution_is_not_hand_copied(
    opened: Callable[[str], Environment], mine: Path
) -> None:
    """A module that another distribution brought is no copy."""
    record = next((mine / "venv" / SITE).glob("pricetag-*")) / "RECORD"
    record.write_text(record.read_text() + "shoplib/__init__.py,,\n")
    (mine / "venv" / SITE / "shoplib").mkdir()
    (mine / "venv" / SITE / "shoplib" / "__init__.py").write_text("")
    fails(lambda: opened("venv").distribution("shoplib"), mine, "`shoplib` is not installed in `venv`")


def test_leftover_bytecode_is_nothing(opened: Callable[[str], Environment], mine: Path) -> None:
    """A folder in which only bytecode is left can't be what was copied."""
    (mine / "venv" / SITE / "shoplib" / "__pycache__").mkdir(parents=True)
    fails(lambda: opened("venv").distribution("shoplib"), mine, "`shoplib` is not installed in `venv`")


def test_installed_in_another_environment(opened: Callable[[str], Environment], mine: Path) -> None:
    """It is there, but next door."""
    for left in (mine / "venv" / SITE).glob("pricetag*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    fails(lambda: opened("venv").distribution("pricetag"), mine, rf"not in `venv`, but in `uv/{SITE}`")


def test_installed_where_a_pth_file_points(opened: Callable[[str], Environment], made: Path, mine: Path) -> None:
    """It is there, but only by a path file."""
    (mine / "apart").mkdir()
    for maker in MAKERS:
        for left in (mine / maker / SITE).glob("pricetag*"):
            if maker == "venv":
                left.rename(mine / "apart" / left.name)
            else:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    (mine / "venv" / SITE / "more.pth").write_text(f"# a comment\nimport sys\n{made}/apart\n")
    fails(lambda: opened("venv").distribution("pricetag"), mine, "`pricetag 1.0` is not in `venv`, but in `apart`")


def test_installed_twice(opened: Callable[[str], Environment], mine: Path) -> None:
    """Two records of one distribution, one of them copied."""
    site = mine / "venv" / SITE
    shutil.copytree(site / "leftpad-1.1.dist-info", site / "leftpad-1.2.dist-info")
    fails(lambda: opened("venv").distribution("leftpad"), mine, "2 records of `leftpad`")


def test_without(opened: Callable[[str], Environment], mine: Path) -> None:
    """What must not be there is found with its record and without."""
    opened("venv").without("shoplib")
    fails(lambda: opened("venv").without("LeftPad"), mine, r"`leftpad 1.1` is installed in `venv`")
    shutil.rmtree(next((mine / "venv" / SITE).glob("leftpad-*.dist-info")))
    fails(lambda: opened("venv").without("leftpad"), mine, r"/leftpad\.py` can still be imported")


def test_names_with_escape_sequences_are_shown_plainly(opened: Callable[[str], Environment], mine: Path) -> None:
    """Names that steer a terminal, or that are no UTF-8, don't reach the sentence as they are."""
    (mine / "venv" / SITE / "\x1b[31mred`x-1.dist-info").mkdir()
    (mine / "venv" / SITE / "b\udcffd-1.dist-info").mkdir()
    fails(lambda: opened("venv").distribution("shoplib"), mine, r"\?\[31mred'x 1")


def test_workspace_full_of_folders_is_searched_in_bounds(tmp_path: Path) -> None:
    """An environment near the top is found in a very wide workspace, and the search ends."""
    for number in range(450):
        (tmp_path / "many" / str(number)).mkdir(parents=True)
    for place in ("near", "many/zz/far"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "pyvenv.cfg").write_text("")
    assert find_environments(FolderTree(tmp_path)) == ["near"]


@pytest.mark.parametrize("maker", MAKERS)
def test_command_of_an_installer(opened: Callable[[str], Environment], maker: str) -> None:
    """What each of the three makers' installers wrote for `leftpad` is its command."""
    opened(maker).command("leftpad", "leftpad")


def a_program_that_ends_well(folder: Path) -> None:
    """Put a program there which does nothing, with the right first line."""
    script = folder / "bin" / "leftpad"
    script.write_text(script.read_text().splitlines()[0] + "\nprint('leftpad 1.1')\n")


def a_link_to_true(folder: Path) -> None:
    """Put a link to a program of the system there."""
    (folder / "bin" / "leftpad").unlink()
    (folder / "bin" / "leftpad").symlink_to("/bin/true")


def nothing(folder: Path) -> None:
    """Take it away."""
    (folder / "bin" / "leftpad").unlink()


def not_executable(folder: Path) -> None:
    """Take the right to execute it away."""
    (folder / "bin" / "leftpad").chmod(0o644)


def a_module_beside_it(folder: Path) -> None:
    """Put a module beside it that every command imports."""
    (folder / "bin" / "re.py").write_text("raise SystemExit")


def a_package_beside_it(folder: Path) -> None:
    """Put a link to a package beside it."""
    (folder / "bin" / "leftpad.d").mkdir()
    (folder / "bin" / "typing").symlink_to("leftpad.d")


def other_entry_points(folder: Path) -> None:
    """Let the distribution offer something else, and call that."""
    (info,) = folder.glob("lib/*/site-packages/leftpad-*.dist-info")
    (info / "entry_points.txt").write_text("[console_scripts]\nleftpad = os:getcwd\n")
    script = folder / "bin" / "leftpad"
    script.write_text(script.read_text().replace("from leftpad import main", "from os import getcwd as main"))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (a_program_that_ends_well, "does something else"),
        (a_link_to_true, r"There is no `venv/bin/leftpad`"),
        (nothing, r"There is no `venv/bin/leftpad`"),
        (not_executable, "may not be executed"),
        (a_module_beside_it, r"Beside it lies `venv/bin/re\.py`"),
        (a_package_beside_it, r"Beside it lies `venv/bin/"),
        (other_entry_points, r"`entry_points\.txt` in .* was edited"),
    ],
)
def test_command_of_nobody(
    opened: Callable[[str], Environment], mine: Path, spoil: Callable[[Path], None], says: str
) -> None:
    """A file of that name which was written by hand, or would import other things first, is no command of the distribution."""
    spoil(mine / "venv")
    with pytest.raises(Failed, match=says):
        opened("venv").command("leftpad", "leftpad")
