"""What must be true once the shop's six projects are wheels as they should be."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from packaging.dependency_groups import resolve_dependency_groups
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from autograder import Failed, Workspace, check
from autograder.archive import Wheel
from autograder.catalog.ex12_pyproject.built import Project, require_backend, show
from autograder.source import Source
from autograder.wording import code, command, listing

START = Path(__file__).parent / "start"

# ---- Task 1: From setup.py to pyproject.toml


@check(
    task=1,
    points=1,
    hints=[
        "Everything that `setup()` is given has a place in `[project]`. Some of it has another name there.",
        "Two tables are wanted: one says who builds, the other one what it is. Copy the names of the fields from the lesson; `python_requires` is spelt with a minus now, and the other way round.",
        "`name`, `version`, `description` and `requires-python` are texts in `[project]`. Then build; the top of this page says how.",
    ],
)
def scales_have_a_name(work: Workspace) -> None:
    """A wheel in `scales/dist`, built from its `pyproject.toml`, is `till-scales` 1.4.0 for Python `{{company.python}}`."""
    wheel = Project(work, "scales").wheel("till-scales")
    said = (str(wheel.version), wheel.metadata.get("requires_python", ""))
    wanted = work.variant["company"]["python"]
    if said[0] != "1.4.0" or _pythons(said[1]) != _pythons(wanted):
        raise Failed(
            expected=f"The wheel is version 1.4.0 and wants Python {code(wanted)}, as `setup.py` says.",
            found=f"It is version {code(said[0])}, and wants {code('Python ' + said[1]) if said[1] else 'any Python'}.",
            next_step=f"Run {show('scales')} and look for `Version` and `Requires-Python`.",
            evidence=r"^Version: ",
        )


@check(
    task=1,
    points=1,
    after=scales_have_a_name,
    hints=[
        "Who builds this project, and how would somebody else's computer know?",
        "One table of `pyproject.toml` isn't about the project but about building it. `COMPANY.md` says what may stand there.",
        "The table is named after the system that builds: in it `requires` lists what building needs, and `build-backend` names the module that does it.",
    ],
)
def scales_name_their_backend(work: Workspace) -> None:
    """`scales/pyproject.toml` names its build backend, one that `COMPANY.md` allows."""
    require_backend(Project(work, "scales"), work.variant["company"]["build_backends"].split())


_LINUX = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
_WINDOWS = {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt"}
_MAC = {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"}
_NEEDS = {"leftpad": SpecifierSet(">=1.1"), "netcore": SpecifierSet(">=1.0,<2")}


@check(
    task=1,
    points=2,
    after=scales_have_a_name,
    hints=[
        "What does the till need on Linux, and what on Windows? Read `setup.py` with both in mind.",
        "A wheel is built once and installed everywhere, so it can't hold an `if`. It can hold a requirement with a marker: after a semicolon, where it is wanted.",
        "The marker compares `sys_platform` with a text. Mind the quotes: the whole requirement is in double ones, the text within it in single ones.",
    ],
)
def scales_say_what_they_need(work: Workspace) -> None:
    """The wheel needs what `setup.py` asks for, on every platform."""
    wheel = Project(work, "scales").wheel("till-scales")
    for where, platform, more in (
        ("on Linux", _LINUX, {}),
        ("on Windows", _WINDOWS, {"drawer-lock": SpecifierSet()}),
        ("on a Mac", _MAC, {}),
    ):
        needs, wanted = _needs(wheel, platform), _NEEDS | more
        expected = f"Installed {where}, the wheel brings {listing(_spelt(wanted))}."
        step = f"Run {show('scales')} and look for the lines `Requires-Dist`."
        if not wheel.metadata.get("requires_dist"):
            raise Failed(
                expected=expected,
                found="The wheel has no `Requires-Dist` at all, so nothing would be installed with it. Only `dependencies` in `[project]` gets there.",
                next_step=step,
                evidence=r"\A(?![\s\S]*^Requires-Dist:)",
            )
        if needs != wanted:
            raise Failed(
                expected=expected,
                found=f"Installed {where}, it would bring {listing(_spelt(needs))}. "
                "A wheel is built once and installed everywhere, so it must say what each platform needs.",
                next_step=step,
                evidence=r"^Requires-Dist: ",
            )


@check(
    task=1,
    points=1,
    after=scales_have_a_name,
    hints=[
        "A wheel has no scripts in it. It has a list from which an installer makes commands.",
        "`entry_points` with `console_scripts` has a table of its own now, and needs no list and no group any more.",
        "The table is `scripts`, within `project`. It has one line for each command: its name, `=`, and in quotes the module, a colon and the function.",
    ],
)
def scales_have_their_command(work: Workspace) -> None:
    """The wheel holds `till_scales.py` and makes the command `weigh` of its `main`."""
    _must_make(Project(work, "scales").wheel("till-scales"), "scales", "weigh", "till_scales:main")


@check(
    task=1,
    points=1,
    hints=[
        "Reading a file is not running it. Does anything still run `setup.py`?",
        "setuptools runs a `setup.py` that lies beside `pyproject.toml` whenever it builds. And there should be one place only that says what a project is.",
        "Once `pyproject.toml` says it all, `setup.py` can go. If it was run meanwhile, so must what it left behind.",
    ],
)
def setup_py_was_not_run(work: Workspace) -> None:
    """Nobody has run `setup.py`, and it is gone."""
    if work.tree.entry("scales/setup-was-run.log") is not None:
        raise Failed(
            expected="`setup.py` isn't run, and leaves nothing behind.",
            found="There is a `scales/setup-was-run.log`: somebody ran `setup.py`. A build by setuptools does so, too, as long as the file lies there.",
            next_step="Run `ls scales` to see both, and begin without them.",
            evidence=r"setup-was-run\.log",
        )
    for name in ("setup.py", "setup.cfg"):
        if work.tree.entry(f"scales/{name}") is not None:
            raise Failed(
                expected="`scales/pyproject.toml` alone says what the project is.",
                found=f"`scales/{name}` is still there. With setuptools it would be read at each build, and it says things a second time.",
                next_step="Run `ls scales` to see it.",
                evidence=re.escape(name),
            )


# ---- Task 2: The licence


@check(
    task=2,
    points=2,
    hints=[
        "A licence has a short name which programs understand, too. Which list are these names from?",
        "Since metadata 2.4, `license` is a text: an SPDX expression. A table there is the old way.",
        "`packaging.licenses.canonicalize_license_expression` tells you whether a text is one. The name of this licence has three letters.",
    ],
)
def licence_is_an_expression(work: Workspace) -> None:
    """The wheel of `price-tags` says its licence as the SPDX expression `MIT`."""
    project = Project(work, "tags")
    expected = "The wheel's `License-Expression` is `MIT`."
    said = project.table.get("license")
    if isinstance(said, dict):
        raise Failed(
            expected=expected,
            found="`license` in `tags/pyproject.toml` is a table. A wheel built from it has a field `License:` with the whole text in it, and no `License-Expression`.",
            next_step="Run `grep -n license tags/pyproject.toml` to see it.",
            evidence=r"license\b.*=",
        )
    try:
        expression = canonicalize_license_expression(said if isinstance(said, str) else "")
    except InvalidLicenseExpression:
        raise Failed(
            expected=expected,
            found=f"`license` in `tags/pyproject.toml` is {code(said) if isinstance(said, str) else 'missing'}, which is no SPDX expression.",
            next_step="Run `grep -n -i licen tags/pyproject.toml` to see what it says.",
            evidence=r"\A(?![\s\S]*license = \"MIT\")",
        ) from None
    wheel = project.wheel("price-tags")
    if wheel.metadata.get("license_expression") != "MIT":
        raise Failed(
            expected=expected,
            found=f"Its `License-Expression` is {code(expression)}, which is not the licence that our terms are.",
            next_step="Run `head -n 1 tags/legal/our-terms.txt` to see which licence it is.",
            evidence=r"MIT|our-terms",
        )


@check(
    task=2,
    points=1,
    hints=[
        "The MIT licence says itself what must come with every copy. Does it, in the wheel?",
        "Backends find a file called LICENSE by themselves. Ours has another name.",
        "A field of `[project]`, whose name begins like `license`, takes a list of paths or patterns.",
    ],
)
def licence_text_is_shipped(work: Workspace) -> None:
    """Its wheel holds the text of the licence, and says where."""
    wheel = Project(work, "tags").wheel("price-tags")
    text = (START / "tags/legal/our-terms.txt").read_bytes()  # where it lies is the learner's choice
    named = wheel.metadata.get("license_files", [])
    inside = [name for name in named if f"{wheel.dist_info}/licenses/{name}" in wheel.names]
    if not any(wheel.read(f"{wheel.dist_info}/licenses/{name}") == text for name in inside):
        found = "The wheel has no `License-File`: whoever gets it doesn't get our terms."
        if named:
            found = f"Its `License-File` is {listing(named)}, and none of these has the text of our terms."
        raise Failed(
            expected="`License-File` in the metadata names our terms, and the text is in the wheel's `dist-info/licenses`.",
            found=found,
            next_step=f"Run {show('tags')} and look for `License-File` and `licenses/`.",
            evidence=r"dist-info/METADATA",
        )


@check(
    task=2,
    points=1,
    hints=[
        "Whatever is said twice will contradict itself one day. Where else is the licence named?",
        "Classifiers for licences are deprecated; beside an SPDX expression some backends refuse to build.",
        "Take the one line out of `classifiers` which begins with `License`, and build again.",
    ],
)
def no_licence_classifier(work: Workspace) -> None:
    """Its wheel has no classifier that names a licence."""
    wheel = Project(work, "tags").wheel("price-tags")
    old = [one for one in wheel.metadata.get("classifiers", []) if one.startswith("License ::")]
    if old:
        raise Failed(
            expected="Only `License-Expression` says what the licence is.",
            found=f"The wheel also has the classifier {listing(old)}. Such classifiers are deprecated.",
            next_step=f"Run {show('tags')} and look for `Classifier`.",
            evidence=r"^Classifier: License",
        )


# ---- Task 3: A command


@check(
    task=3,
    points=1,
    hints=[
        "Which file in a wheel tells an installer which commands to make?",
        "`entry_points.txt` is written from a table in `pyproject.toml`. The left side of a line in it is what people will type.",
        "The table is `[project.scripts]`; the left side is `weather`, the right side a module, a colon and a function which is in it.",
    ],
)
def weather_has_a_command(work: Workspace) -> None:
    """The wheel of `weather` makes a command `weather` of a function that is in it."""
    _must_make(Project(work, "weather").wheel("weather"), "weather", "weather", "")


@check(
    task=3,
    points=1,
    acts=True,
    acts_in="weather",
    after=weather_has_a_command,
    hints=[
        "Try what an installer's command does: call the function that you named, and look what appears.",
        "`advice` prints nothing, it gives a text. Somebody has to print it.",
        "Write a second function which calls `advice` and prints what it gets, and let the command be that one.",
    ],
)
def weather_tells(work: Workspace) -> None:
    """Calling it prints the advice and writes `weather.txt`."""
    degrees = secrets.randbelow(90_000) + 10_000
    mark = secrets.token_hex(8)
    _, output = _call(work, degrees, 'echo "$MARK"; cat weather.txt; echo "$MARK"', mark)
    printed, _, rest = output.partition(mark)
    written = rest.partition(mark)[0]
    if str(degrees) not in printed or str(degrees) not in written:
        missing = (
            "prints nothing of the advice" if str(degrees) not in printed else "writes no advice into `weather.txt`"
        )
        raise Failed(
            expected="The command prints the advice for the degrees in `today.txt`, and writes it into `weather.txt`.",
            found=f"Called from the wheel as a command would be, it {missing}.",
            next_step=f"Run {show('weather')} to see which function the command calls, and what is in the wheel.",
            evidence=r"dist-info/METADATA",
        )


@check(
    task=3,
    points=1,
    acts=True,
    acts_in="weather",
    after=weather_has_a_command,
    hints=[
        "A shell asks a command how it went. What does it hear here?",
        "The command which an installer writes is `sys.exit(function())`. What does `sys.exit` do with a text?",
        "`sys.exit` takes `None` and 0 for success. A function without `return` gives `None`.",
    ],
)
def weather_ends_well(work: Workspace) -> None:
    """Its exit status is 0."""
    status, _ = _call(work, 24)
    if status != 0:
        raise Failed(
            expected="The command ends with exit status 0.",
            found=f"It ends with exit status {status}. A command passes what its function returns to `sys.exit`: "
            "`None` is success, a number is the status, and a text is printed as an error, with status 1.",
            next_step=f"Run {show('weather')} to see which function the command calls, and then look what that returns.",
            evidence=r"console_scripts|entry_points|METADATA",
        )


@check(
    task=3,
    points=1,
    acts=True,
    acts_in="weather",
    hints=[
        "The kiosk imports `advice`, too. Does it still get what it got?",
        "A function which serves importers and one which serves a shell have different duties.",
        "Leave `advice` as it was, and write another function beside it.",
    ],
)
def advice_is_still_given(work: Workspace) -> None:
    """`weather.advice()` still gives the text to whoever imports it."""
    degrees, mark = secrets.randbelow(90_000) + 10_000, secrets.token_hex(8)
    code_line = f"from weather import advice; print({mark!r}, advice())"
    _, output = _call(work, degrees, code_line=code_line)
    if not re.search(rf"^{mark} .*{degrees}", output, re.MULTILINE):
        raise Failed(
            expected="`from weather import advice` works, and `advice()` gives the text.",
            found="Imported from the wheel, `advice()` doesn't give the text any more. The kiosk needs it.",
            next_step="Run `cat weather/weather.py` and see what `advice` returns.",
            evidence=r"\S",
        )


_WRAPPER = "import re, sys; from {module} import {first}; sys.argv[0] = 'weather'; sys.exit({function}())"
_CALL = """
wheel=$PWD/$1
cd "$(mktemp -d)"
echo "$2" > today.txt
PYTHONPATH="$wheel" PYTHONDONTWRITEBYTECODE=1 python3 -c "$3" 2>&1
status=$?
MARK=$5
eval "$4"
exit "$status"
"""


def _call(work: Workspace, degrees: int, then: str = ":", mark: str = "", *, code_line: str = "") -> tuple[int, str]:
    """Do what an installer's command does, with the wheel on the path; give its exit status and what it printed."""
    wheel = Project(work, "weather").wheel("weather")
    reference = wheel.entry_points.get("console_scripts", {}).get("weather", "weather:main")
    module, _, function = reference.partition(":")
    if not re.fullmatch(r"[\w.]+:[\w.]+", reference):
        module, function = "weather", "main"
    line = code_line or _WRAPPER.format(module=module, function=function, first=function.partition(".")[0])
    ran = work.run("bash", "-c", _CALL, "call", str(wheel.path), str(degrees), line, then, mark)
    return ran.exit_status, ran.output


# ---- Task 4: Our tools are not theirs


@check(
    task=4,
    points=2,
    hints=[
        "There is a table for what only those who work on the project need. It isn't below `[project]`.",
        "The table `dependency-groups` has one line for each group, a list of requirements. One group can take in another.",
        'Within the list, `{include-group = "…"}` stands for all that is in the other group.',
    ],
)
def tools_are_in_groups(work: Workspace) -> None:
    """Group `test` of `stock/pyproject.toml` gives pytest, and `dev` gives pytest, twine and build."""
    groups = _groups(Project(work, "stock"))
    for group, wanted in (("test", {"pytest"}), ("dev", {"pytest", "twine", "build"})):
        expected = f"The dependency group {code(group)} gives {listing(wanted)}."
        step = "Run `cat stock/pyproject.toml` and look for the groups."
        if group not in {canonicalize_name(one) for one in groups}:
            found = (
                f"There is no group {code(group)}; groups are {listing(groups)}."
                if groups
                else "There is no table `[dependency-groups]` in `stock/pyproject.toml`."
            )
            raise Failed(expected=expected, found=found, next_step=step, evidence=r"\[project\]")
        try:
            got = {canonicalize_name(Requirement(one).name) for one in resolve_dependency_groups(groups, group)}
        except (InvalidRequirement, ValueError, TypeError, LookupError, ExceptionGroup):
            raise Failed(
                expected=expected,
                found=f"The group {code(group)} can't be resolved: each entry must be a requirement, or include a group which is there.",
                next_step=step,
                evidence=r"dependency-groups",
            ) from None
        if got != wanted:
            raise Failed(
                expected=expected,
                found=f"It gives {listing(got)}. A group gives the requirements that stand in it and in the groups it includes; an extra is no group.",
                next_step=step,
                evidence=r"dependency-groups",
            )


@check(
    task=4,
    points=1,
    hints=[
        "Look at the wheel with the eyes of somebody who only wants to count a stock. What does it tell about pytest?",
        "Extras are published: each of them is in the metadata, with all its requirements. Groups are not.",
        "What is in a group now needn't stay among the extras. Then build again.",
    ],
)
def users_see_no_tools(work: Workspace) -> None:
    """The wheel of `stock-list` doesn't mention our tools."""
    wheel = Project(work, "stock").wheel("stock-list")
    extras = [one for one in wheel.metadata.get("provides_extra", []) if one in ("dev", "test")]
    tools = {_name(one) for one in wheel.metadata.get("requires_dist", [])} & {"pytest", "twine", "build"}
    if extras or tools:
        what = f"Users see {listing(extras)} as an extra: extras are published." if extras else ""
        more = f"Its `Requires-Dist` names {listing(tools)}, which every user would be told of." if tools else ""
        raise Failed(
            expected="The wheel's metadata says nothing of tests and tools.",
            found=f"{what} {more}".strip(),
            next_step=f"Run {show('stock')} and look for `Provides-Extra` and `Requires-Dist`.",
            evidence=r"^(Provides-Extra|Requires-Dist): ",
        )


@check(
    task=4,
    points=1,
    hints=[
        "Not everything in that table was ours. What may a user of this project want?",
        "`report` is a feature that users can choose: `pip install 'stock-list[report]'` must go on working.",
        "Extras for users stay where they were.",
    ],
)
def users_keep_their_extra(work: Workspace) -> None:
    """The wheel still offers the extra `report`, and needs `leftpad`."""
    wheel = Project(work, "stock").wheel("stock-list")
    needs = {extra: _needs(wheel, {**_LINUX, "extra": extra}) for extra in ("", "report")}
    wanted = {"leftpad": SpecifierSet(">=1.1")}
    if needs[""] != wanted or needs["report"] != wanted | {"pricetag": SpecifierSet(">=1.0")}:
        raise Failed(
            expected="`stock-list` brings `leftpad`, and `stock-list[report]` brings `pricetag` besides.",
            found=f"`stock-list` would bring {listing(_spelt(needs['']))}, and `stock-list[report]` {listing(_spelt(needs['report']))}.",
            next_step=f"Run {show('stock')} and look for `Provides-Extra` and `Requires-Dist`.",
            evidence=r"dist-info/METADATA",
        )


# ---- Task 5: Installed, but as what?


@check(
    task=5,
    points=1,
    hints=[
        "What does the environment say of the project: which name, which version?",
        "An editable installation reads the *code* from your folder. The metadata was copied when it was installed.",
        "Install it once more, editable, into the same environment: `uv pip install` and `pip install` both know `-e`.",
    ],
)
def chime_is_known(work: Workspace) -> None:
    """`chime/.venv` knows `door-chime` 2.0."""
    environment = work.environment("chime/.venv")
    names = {one.label.partition(" ")[0] for one in environment.distributions}
    if "door-chime" not in names and "door-bell" in names:
        raise Failed(
            expected="`door-chime` 2.0 is installed in `chime/.venv`.",
            found="`chime/.venv` still knows the project as `door-bell`: metadata is a snapshot of the last installation, and nobody has installed it since it was renamed.",
            next_step=f"Run {command('ls', environment.site_packages)} to see which name and version it has.",
            evidence=r"door_bell-",
        )
    environment.distribution("door-chime", "==2.0")


@check(
    task=5,
    points=1,
    after=chime_is_known,
    hints=[
        "Change a line in `door_chime.py`. Does the installed chime know of it?",
        "`direct_url.json` in the `.dist-info` folder says how it was installed.",
        "The option is `--editable`, `-e` for short, and stands before the folder.",
    ],
)
def chime_is_editable(work: Workspace) -> None:
    """It is installed editable: an edit in `chime/` is seen at once."""
    one = work.environment("chime/.venv").distribution("door-chime")
    if not one.editable:
        raise Failed(
            expected="`door-chime` is installed editable from the folder `chime`.",
            found="`chime/.venv` holds a copy of it: your next edit in `chime/` would not be seen there.",
            next_step=f"Run {command('ls', work.environment('chime/.venv').site_packages)}: what lies there was copied.",
            evidence=r"^door_chime\.py$",
        )


@check(
    task=5,
    points=1,
    after=chime_is_known,
    hints=[
        "`dependencies` in `pyproject.toml` has a line that the environment has never heard of.",
        "Dependencies are metadata, too: they are installed when the project is, unless somebody forbids it.",
        "Install without `--no-deps`.",
    ],
)
def chime_has_its_needs(work: Workspace) -> None:
    """`leftpad` is installed with it, and the commands `chime` and `chime-test` are there."""
    environment = work.environment("chime/.venv")
    environment.distribution("leftpad", ">=1.1")
    scripts = {one.name for one in environment.scripts}
    missing = {"chime", "chime-test"} - scripts
    if missing:
        raise Failed(
            expected="The commands `chime` and `chime-test` are in `chime/.venv/bin`.",
            found=f"{listing(missing)} isn't there.",
            next_step="Run `ls chime/.venv/bin` to see which commands there are.",
            evidence=r"python",
        )


@check(
    task=5,
    points=1,
    after=chime_is_known,
    hints=[
        "How many projects does the environment believe in now?",
        "For an installer, another name is another distribution. It doesn't know that the two are one.",
        "Uninstall the old name. Its command goes with it.",
    ],
)
def bell_is_gone(work: Workspace) -> None:
    """The old name, `door-bell`, is no longer installed, and its command is gone."""
    environment = work.environment("chime/.venv")
    if any(one.label.startswith("door-bell ") for one in environment.distributions):
        raise Failed(
            expected="`chime/.venv` has no `door-bell`.",
            found="`door-bell` is still installed in `chime/.venv`: for an installer, another name is another distribution, so it didn't replace the old one.",
            next_step=f"Run {command('ls', environment.site_packages)} to see both.",
            evidence=r"door_bell-",
        )
    environment.without("door-bell")
    if work.file("chime/.venv/bin/bell").exists:
        raise Failed(
            expected="There is no command `bell` in `chime/.venv/bin`.",
            found="`chime/.venv/bin/bell` is still there, though nothing is recorded of it any more.",
            next_step="Run `ls chime/.venv/bin` to see it.",
            evidence=r"^bell$",
        )


# ---- Task 6: The prices are missing

_DATA = "price_list/prices.json"


@check(
    task=6,
    points=2,
    hints=[
        "Build, and look what is in the wheel. Compare it with the folder.",
        "setuptools takes Python files by itself. Other files it takes if it is told to: in a table of `pyproject.toml`, or by `MANIFEST.in`. Other backends take all that lies in the package.",
        "`[tool.setuptools.package-data]` has a line for each package, with a list of patterns. Instead, a `MANIFEST.in` can `include` the file; or choose another backend.",
    ],
)
def prices_are_in_the_wheel(work: Workspace) -> None:
    """The wheel of `price-list` holds `price_list/prices.json`."""
    wheel = Project(work, "prices").wheel("price-list")
    content = work.file("prices/src/price_list/prices.json").content
    if _DATA not in wheel.names or wheel.read(_DATA) != content:
        near = [name for name in wheel.names if name.endswith("prices.json")]
        found = f"`prices.json` isn't in {code(wheel.filename)}: whoever installs it gets a price list without prices."
        if near:
            found = f"In {code(wheel.filename)} there is {listing(near)}, which is not where the package looks for it, or not what it is now."
        raise Failed(
            expected=f"The wheel holds {code(_DATA)}, beside the package's `__init__.py`.",
            found=found,
            next_step=f"Run {show('prices')} to see what is in the wheel.",
            evidence=r"dist-info/METADATA",
        )


@check(
    task=6,
    points=2,
    hints=[
        "There are people who build from the sdist: do they get the prices?",
        "A build can make both, an sdist and a wheel. Which options did you use?",
        "Without further options, both tools make both. Look into the `.tar.gz` as well.",
    ],
)
def prices_are_in_the_sdist(work: Workspace) -> None:
    """The sdist of `price-list` holds it, too."""
    project = Project(work, "prices")
    sdist = work.sdist("price-list", "prices/dist")
    content = work.file("prices/src/price_list/prices.json").content
    if not any(name.endswith(f"/{_DATA}") and sdist.read(name) == content for name in sdist.names):
        raise Failed(
            expected="The sdist holds `src/price_list/prices.json`.",
            found=f"`prices.json` isn't in {code(sdist.filename)}, or not as it is now: a wheel that is built from it can't have it either.",
            next_step=f"Run {show('prices')} to see what is in the sdist.",
            evidence=r"PKG-INFO",
        )
    if str(sdist.version) != str(project.table.get("version", sdist.version)):
        raise Failed(
            expected="The sdist was built from the project as it is now.",
            found=f"The newest sdist is version {sdist.version}, and `prices/pyproject.toml` says another one.",
            next_step=f"Run {show('prices')} to see what was built.",
            evidence=r"PKG-INFO",
        )


# ---- What several tasks look at


def _pythons(text: str) -> set[str]:
    try:
        return {str(one).removesuffix(".0") for one in SpecifierSet(text)}
    except InvalidSpecifier:
        return {text}


def _name(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return text


def _needs(wheel: Wheel, platform: Mapping[str, str]) -> dict[str, SpecifierSet]:
    """Give what a wheel brings on a platform: names and specifiers."""
    environment = {"extra": "", **platform}
    found: dict[str, SpecifierSet] = {}
    for text in wheel.metadata.get("requires_dist", []):
        try:
            one = Requirement(text)
        except InvalidRequirement:
            continue
        try:
            applies = one.marker is None or one.marker.evaluate(environment)
        except ValueError:  # it compares what can't be compared
            continue
        if applies:
            name = canonicalize_name(one.name)
            found[name] = found.get(name, SpecifierSet()) & one.specifier
    return found


def _spelt(needs: Mapping[str, SpecifierSet]) -> Iterable[str]:
    return [f"{name}{specifier}" for name, specifier in needs.items()]


def _groups(project: Project) -> dict[str, list[str]]:
    found = project.data.get("dependency-groups", {})
    return found if isinstance(found, dict) else {}


def _must_make(wheel: Wheel, folder: str, name: str, wanted: str) -> None:
    """Require that the wheel makes a command `name`, of a function that is in it (and of `wanted`, if that says one)."""
    commands = wheel.entry_points.get("console_scripts", {})
    expected = f"The wheel makes a command {code(name)} of {code(wanted) if wanted else 'a function that is in it'}."
    step = f"Run {show(folder)} and look for `entry_points.txt`."
    reference = commands.get(name, "").replace(" ", "")
    if not reference:
        there = f"It makes {listing(commands)}." if commands else "It has no `entry_points.txt` with commands."
        raise Failed(
            expected=expected,
            found=f"The wheel makes no {code(name)}. {there}",
            next_step=step,
            evidence=r"dist-info/METADATA",
        )
    module, colon, function = reference.partition(":")
    stem = module.replace(".", "/")
    path = next((one for one in (f"{stem}.py", f"{stem}/__init__.py") if one in wheel.names), None)
    defined = path is not None and function.partition(".")[0] in Source(f"{folder}/{path}", wheel.read(path)).names
    if not colon or not defined or (wanted and reference != wanted):
        what = (
            "names no function"
            if not colon
            else "is no function in the wheel"
            if not defined
            else "is another function"
        )
        raise Failed(
            expected=expected,
            found=f"It makes it of {code(reference)}, which {what}.",
            next_step=step,
            evidence=re.escape(name),
        )
