"""What must be true once the shop's installations agree with one another again."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder import Failed, Workspace, check
from autograder.wording import code, command, listing, seen

# ---- Task 1: Undo the damage


@check(
    task=1,
    points=2,
    hints=[
        "`pip check` compares what the installed distributions need with what is installed. Which of them is not served?",
        "Two commands, two resolutions: the second knew nothing of the first. What if one command is told about both?",
        "Name both in one `pip install`. pip keeps what is installed only as long as a whole set can be made with it; a newer `legacytool` gets along with the `shoplib` that `moderntool` needs.",
    ],
)
def damage_is_undone(work: Workspace) -> None:
    """`reports/.venv` holds `legacytool` and `moderntool`, and every distribution in it has what it needs."""
    environment = work.environment("reports/.venv")
    for name in ("legacytool", "moderntool"):
        environment.distribution(name)
    _all_agree(work, "reports/.venv")


@check(
    task=1,
    points=2,
    acts=True,
    acts_in="reports",
    after=damage_is_undone,
    hints=[
        "Start it with `bash reports/run.sh`, and read what it says.",
        "The environment is sound now. Where else does Python look for a module, and where first?",
        "The folder of the script comes before everything that is installed: is there a file in it which has no business there?",
    ],
)
def both_figures_are_printed(work: Workspace) -> None:
    """`reports/run.sh` succeeds, with the `shoplib` of `reports/.venv`."""
    work.file("reports/day.py").require()
    mark = secrets.token_hex(12)
    line = f"import legacytool, moderntool, shoplib; print({mark[::-1]!r}[::-1], shoplib.__file__, legacytool.report([1, 2]), sep='\\t')"
    ran = work.run("bash", "-c", _START, "start", line)
    expected = "`reports/run.sh` prints both kinds of figures."
    step = "Run `bash reports/run.sh; echo exit status $?` and read what it says."
    if ran.exit_status != 0:
        raise Failed(
            expected=expected,
            found=f"`reports/run.sh` ends with exit status {ran.exit_status}, though all that is installed agrees.",
            next_step=step,
            evidence=r"exit status [1-9]",
        )
    told = re.search(rf"^{mark}\t(.+)\t", ran.output, re.MULTILINE)
    if told is None:
        raise Failed(
            expected=expected,
            found="`reports/run.sh` succeeds, but doesn't run `reports/day.py` to its end.",
            next_step="Run `cat reports/run.sh` to see what it starts.",
            evidence=r"\S",
        )
    root = ran.output.partition("\n")[0]
    if not told[1].startswith(f"{root}/reports/.venv/"):
        place = told[1].removeprefix(f"{root}/") if told[1].startswith(root) else "elsewhere"
        raise Failed(
            expected="`reports/day.py` uses the `shoplib` that is installed in `reports/.venv`.",
            found=f"`reports/day.py` takes `shoplib` from {code(place)}, not from the environment.",
            next_step="Run `ls reports` to see what stands beside it.",
            evidence=r"shoplib",
        )


_START = """
pwd
printf '\\n%s\\n' "$1" >> reports/day.py
exec bash reports/run.sh
"""


# ---- Task 2: Impossible

_KIOSK = "kiosk/requirements.txt"
_ASKED = {"kiosk-screen": "==2.0", "kiosk-printer": "==1.0", "kiosk-fonts": "<3"}


@check(
    task=2,
    points=1,
    hints=[
        "Let pip try to install the file, and read what it says from *The conflict is caused by* on.",
        "Three lines ask for something, and two of them can't be true together. The third one has a reason beside it: read that.",
        "Change one line only, and in it only the version: the other two lines stay as they are.",
    ],
)
def one_line_is_relaxed(work: Workspace) -> None:
    """`kiosk/requirements.txt` asks for the same three, and one line of it differs from the start."""
    requirements = work.requirements(_KIOSK)
    look = f"Run {command('cat', _KIOSK)} to see what it asks for."
    expected = f"{code(_KIOSK)} asks for the same three distributions as before, and one line is relaxed."
    missing = [name for name in _ASKED if name not in requirements.names]
    if missing:
        kept = f"{missing[0]}{_ASKED[missing[0]]}"
        raise Failed(
            expected=expected,
            found=f"The line {code(kept)} is gone: whatever it kept out may come in now.",
            next_step=look,
            evidence=seen(requirements.lines[0].name) if requirements.lines else "",
        )
    extra = [line for line in requirements.lines if line.name not in _ASKED]
    if extra or len(requirements.lines) > len(_ASKED):
        more = extra[0] if extra else requirements.lines[-1]
        raise Failed(
            expected=expected,
            found=f"There is one more line, {code(more.text)}: that asks for more, not for less.",
            next_step=look,
            evidence=seen(more.text.split()[0]),
        )
    changed = [line for line in requirements.lines if _specifier(line.requirement) != SpecifierSet(_ASKED[line.name])]
    if not changed:
        raise Failed(
            expected=expected,
            found=f"{code(_KIOSK)} asks for what it asked for at the start, which nothing can satisfy.",
            next_step=f"Run {command('pip', 'install', '--dry-run', '-r', _KIOSK)} to see what pip makes of it.",
            evidence=r"kiosk-printer 1\.0 depends on kiosk-fonts<2",
        )
    if len(changed) > 1:
        raise Failed(
            expected=expected,
            found=f"{len(changed)} lines were changed: those of {listing(line.name for line in changed)}. "
            "Each limit that goes lets in releases which nobody has tried.",
            next_step=look,
            evidence=seen(changed[0].text.split()[0]),
        )


@check(
    task=2,
    points=3,
    acts=True,
    acts_in="kiosk",
    after=one_line_is_relaxed,
    hints=[
        "pip can tell whether it would work without installing anything: the option is `--dry-run`. Which range does each line leave for `kiosk-fonts`?",
        "Look for another release of the one whose range lies apart from the rest: `pip index versions` names the releases.",
        "That something can be installed doesn't mean that it does the work. Allow the next release, and keep out the one that is a new beginning.",
    ],
)
def both_programs_work(work: Workspace) -> None:
    """A fresh environment can be made from it; in it the screen draws its box and the printer its ticket."""
    mark = secrets.token_hex(6)
    ran = work.run("bash", "-c", _FRESH, "fresh", _KIOSK, mark)
    said = dict(re.findall(rf"^{mark} (\w+) (.+)$", ran.output, re.MULTILINE))
    if "installed" not in said:
        line = next(one for one in work.requirements(_KIOSK).lines if _changed(one.requirement))
        raise Failed(
            expected="The three lines can be satisfied together.",
            found=f"Even with {code(line.text)} nothing satisfies all three lines.",
            next_step=f"Run {command('pip', 'install', '--dry-run', '-r', _KIOSK)} and read the last lines before *To fix this*.",
            evidence=r"depends on|No matching distribution|Could not find",
        )
    for name, what in (("screen", "draws no box"), ("printer", "prints no ticket")):
        if name not in said:
            versions = said["installed"].split(",")
            raise Failed(
                expected="The kiosk's programs work with what is installed.",
                found=f"With {listing(versions)}, which pip takes now, the {name} {what}.",
                next_step=f"Run {command('pip', 'install', '--dry-run', '-r', _KIOSK)} to see which releases would be taken.",
                evidence=r"Would install .*kiosk-",
            )


_FRESH = """
python3 -m venv --without-pip ~/fresh && pip --python ~/fresh/bin/python install --quiet -r "$1" >&2 || exit 1
exec ~/fresh/bin/python - "$2" <<'END'
import importlib.metadata, sys

mark = sys.argv[1]
found = sorted(f"{one.name} {one.version}" for one in importlib.metadata.distributions())
print(mark, "installed", ",".join(found))
try:
    import kiosk_screen
    print(*[mark, "screen", "works"] if mark in kiosk_screen.box(mark) else [])
except Exception:
    pass
try:
    import kiosk_printer
    print(*[mark, "printer", "works"] if kiosk_printer.ticket(mark) == mark else [])
except Exception:
    pass
END
"""


# ---- Task 3: Who holds it back?

_LIMIT = "till/limit.json"
_HOLDER, _HELD, _RANGE = "legacytool", "shoplib", "<2"


@check(
    task=3,
    points=2,
    hints=[
        "`pip show shoplib` names those that need it, but not what exactly they ask for.",
        "Each installed distribution has a file `METADATA` in its `.dist-info`, and `pip inspect` prints all of them. Look for `Requires-Dist`.",
        "Of the three, two would be content with any newer release. `grep` can look through all the `METADATA` at once.",
    ],
)
def the_holder_is_named(work: Workspace) -> None:
    """`till/limit.json` names the distribution that keeps `shoplib` below 2."""
    answer = _text(work, _LIMIT, "distribution", "one distribution, such as `leftpad`")
    expected = f'`"distribution"` in {code(_LIMIT)} is the one that limits `shoplib`.'
    look = "Run `grep Requires-Dist till/.venv/lib/python3*/site-packages/*.dist-info/METADATA` to see what each of them asks for."
    if not answer:
        raise Failed(
            expected=expected,
            found=f"{code(_LIMIT)} names nobody yet.",
            next_step="Run `pip --python till/.venv show shoplib` to see who may be meant.",
            evidence=r"Required-by: .*legacytool",
        )
    if canonicalize_name(answer) == _HELD:
        found = "`shoplib` is what is held back, not who does it."
    elif canonicalize_name(answer) in ("day-ledger", "till-flexi"):
        found = f"{code(answer)} needs `shoplib`, but would take a newer one: `pip show` names three, and only one of them has a limit."
    elif len(answer.replace(",", " ").split()) > 1:
        found = f"{code(answer)} is more than one name, and only one of them has a limit."
    else:
        found = f"{code(answer)} doesn't ask for `shoplib` in `till/.venv`."
    if canonicalize_name(answer) != _HOLDER:
        raise Failed(expected=expected, found=found, next_step=look, evidence=r"Requires-Dist: *shoplib")


@check(
    task=3,
    points=1,
    after=the_holder_is_named,
    hints=[
        "What does it ask for, word for word?",
        "A requirement has a name and a range; it is the range that matters here.",
        "Copy what follows `Requires-Dist:` in the `METADATA` of the one that you named.",
    ],
)
def its_limit_is_told(work: Workspace) -> None:
    """It says what that distribution requires of `shoplib`."""
    answer = _text(work, _LIMIT, "requires", "a requirement, such as `leftpad>=1.1`")
    expected = f'`"requires"` in {code(_LIMIT)} is what {code(_HOLDER)} requires of `shoplib`.'
    look = f"Run `grep Requires-Dist till/.venv/lib/python3*/site-packages/{_HOLDER}-*.dist-info/METADATA` to see it."
    try:
        asked = Requirement(answer if answer[:1].isalpha() else f"{_HELD}{answer}")
        name, specifier = str(canonicalize_name(asked.name)), asked.specifier
    except InvalidRequirement:
        name, specifier = "", SpecifierSet()
    if name != _HELD or specifier != SpecifierSet(_RANGE):
        about = " Which version is installed is another matter." if "==" in str(specifier) else ""
        shown = f"It says {code(answer)}, which isn't what stands there.{about}" if answer else "It says nothing yet."
        raise Failed(expected=expected, found=shown, next_step=look, evidence=r"Requires-Dist: *shoplib")


# ---- Task 4: Installed, and not to be found


@check(
    task=4,
    points=2,
    hints=[
        "What is installed has a name, and what can be imported has a name. Nothing makes them the same.",
        "pip wrote down every file that it installed: `pip show --files`, or the `RECORD` in the `.dist-info`.",
        "`importlib.metadata.packages_distributions()` tells, for each name that can be imported, which distribution brought it. Ask the Python of the environment.",
    ],
)
def right_name_is_imported(work: Workspace) -> None:
    """`receipts/receipt.py` imports the driver by a name which that brought."""
    environment = work.environment("receipts/.venv")
    expected = "`receipts/receipt.py` imports what `receipt-printer` brought."
    imports = work.source("receipts/receipt.py").imports
    if any(one.module.partition(".")[0] == "paperroll" for one in imports):
        return
    added = [one.label for one in environment.distributions if one.name != "receipt-printer"]
    if added:
        raise Failed(
            expected=expected,
            found=f"You added {listing(added)} to `receipts/.venv`. The driver was already there, under another name.",
            next_step="Run `pip --python receipts/.venv show --files receipt-printer` to see what it brought.",
            evidence=r"paperroll|not found",
        )
    asked = listing({one.module for one in imports} or ["nothing"])
    raise Failed(
        expected=expected,
        found=f"`receipts/receipt.py` imports {asked}, and `receipt-printer` brought no module of that name.",
        next_step="Run `ls receipts/.venv/lib/python3*/site-packages` to see what can be imported.",
        evidence=r"receipt_printer-1\.3",
    )


@check(
    task=4,
    points=1,
    after=right_name_is_imported,
    hints=[
        "The import was wrong, the environment wasn't.",
        "What else did you install on the way? It isn't needed.",
        "`pip uninstall` takes a distribution away again; afterwards `receipt-printer` 1.3 should be alone.",
    ],
)
def environment_is_as_it_was(work: Workspace) -> None:
    """`receipts/.venv` holds `receipt-printer` 1.3 and nothing else, as before."""
    environment = work.environment("receipts/.venv")
    environment.distribution("receipt-printer", "==1.3")
    others = [one for one in environment.distributions if one.name != "receipt-printer"]
    if others:
        raise Failed(
            expected="`receipt-printer` is alone in `receipts/.venv`, as before.",
            found=f"{listing(one.label for one in others)} came in on the way, and isn't needed.",
            next_step=f"Run {command('ls', environment.site_packages)} to see it.",
            evidence=seen(others[0].folder_name),
        )


@check(
    task=4,
    points=1,
    acts=True,
    acts_in="receipts",
    after=right_name_is_imported,
    hints=[
        "Run it, and read the last line that it says.",
        "An import statement binds a name. Is it the one that the rest of the program uses?",
        "The program speaks of `Roll`; so the import should bring a `Roll`.",
    ],
)
def receipt_is_printed(work: Workspace) -> None:
    """`receipts/.venv/bin/python receipts/receipt.py` prints a receipt."""
    work.file("receipts/receipt.py").require()
    mark = secrets.token_hex(12)
    ran = work.run("receipts/.venv/bin/python", "-c", _ON_THE_ROLL, mark)
    if ran.exit_status != 0 or "TOTAL" not in ran.output:
        raise Failed(
            expected="The program prints a receipt.",
            found=f"It imports the driver, and then ends with exit status {ran.exit_status}.",
            next_step="Run `receipts/.venv/bin/python receipts/receipt.py` and read the last line.",
            evidence=r"Error|\A(?![\s\S]*TOTAL)",
        )
    if re.search(rf"{mark} .*TOTAL", ran.output) is None:
        raise Failed(
            expected="The program prints its receipt on a `Roll` of the driver's.",
            found="It ends well and prints something, but no `Roll` of the driver's has printed the total.",
            next_step="Run `cat receipts/receipt.py` to see what prints the lines.",
            evidence=r"\S",
        )


# The driver puts a mark before what it prints, which nobody knows beforehand: what the program prints by itself is not believed.
_ON_THE_ROLL = """
import runpy, sys
from paperroll.roll import Roll

mark, printed = sys.argv.pop(), Roll.print
Roll.print = lambda *given, **named: f"{mark} {printed(*given, **named)}"
sys.argv[0], sys.path[0] = "receipts/receipt.py", "receipts"
runpy.run_path("receipts/receipt.py", run_name="__main__")
"""


# ---- Task 5: Already satisfied

_NEWEST = "1.9"


@check(
    task=5,
    points=2,
    hints=[
        "*Requirement already satisfied* means that pip didn't look for anything newer. Which option makes it look?",
        "pip doesn't ask those that are installed what they need. It asks those that you name in the command, and the ranges that you give.",
        "Either say in the range what `legacytool` can bear, or name `legacytool` with its version in the same command.",
    ],
)
def newest_that_fits(work: Workspace) -> None:
    """`stock/.venv` holds the newest `shoplib` with which every other distribution is content."""
    environment = work.environment("stock/.venv")
    shoplib = environment.distribution("shoplib")
    _all_agree(work, "stock/.venv")
    if shoplib.version == Version(_NEWEST):
        return
    if shoplib.version < Version(_NEWEST):
        found = (
            f"`shoplib` {shoplib.version} is installed, and the index has a newer one that fits. "
            "What is there satisfies a plain request, so an installer looks no further."
        )
        step, evidence = "Run `pip index versions shoplib` to see which releases there are.", seen(_NEWEST)
    else:
        found = f"`shoplib` {shoplib.version} is installed, which `legacytool` 1.0 could not bear: it is not there any more."
        step, evidence = f"Run {command('ls', environment.site_packages)} to see what is.", seen(shoplib.folder_name)
    raise Failed(
        expected="The newest `shoplib` that gets along with `legacytool` 1.0 is installed.",
        found=found,
        next_step=step,
        evidence=evidence,
    )


@check(
    task=5,
    points=1,
    after=newest_that_fits,
    hints=[
        "What else was in the environment?",
        "Taking away whoever has a limit takes away what it did, too.",
        "The stock-taking needs `legacytool`, and it was approved in version 1.0.",
    ],
)
def legacytool_stays(work: Workspace) -> None:
    """`legacytool` 1.0 is still there."""
    work.environment("stock/.venv").distribution("legacytool", "==1.0")


# ---- Task 6: Works here, fails there

_DIFF = "ci/diff.json"
_FORMS = "Run `cat ci/laptop/freeze.txt ci/runner/freeze.txt ci/*/python.txt` to see what there is to compare."


@check(
    task=6,
    points=1,
    hints=[
        "`diff` compares texts; you want to compare versions. First sort out which lines speak of the same distribution.",
        "To an index `Shelf.Signs_XL` and `shelf-signs-xl` are one name: capitals don't count, and `-`, `_`, `.` are the same.",
        "Of the distributions that are in both lists, in how many is the version another?",
    ],
)
def other_versions(work: Workspace) -> None:
    """`"other version"` in `ci/diff.json` lists what is in both lists, in different versions."""
    _same_names(work, "other version", {"shoplib"}, "is in both lists, in two versions")


@check(
    task=6,
    points=1,
    hints=[
        "Look for names that the one list has and the other hasn't.",
        "Before you call one missing, look whether it is there in another spelling.",
        "The log of the build server names it, as a module.",
    ],
)
def missing_ones(work: Workspace) -> None:
    """`"missing on the runner"` lists what only the laptop has."""
    _same_names(work, "missing on the runner", {"hours-backport"}, "is in the laptop's list only")


@check(
    task=6,
    points=1,
    hints=[
        "The lists of `pip freeze` don't tell everything about where they were made.",
        "A dependency may have a marker such as `python_version < '3.12'`: then the Python decides whether it is installed.",
        "Beside each list lies a file which says which Python it was.",
    ],
)
def both_pythons(work: Workspace) -> None:
    """`"python"` says which Python each of the two has."""
    answers = _answers(work, _DIFF).get("python")
    pythons = answers if isinstance(answers, dict) else {}
    wanted = {"laptop": "3.11.9", "runner": "3.13.1"}
    for place, version in wanted.items():
        said = re.sub(r"(?i)^(c?python)?\s*", "", str(pythons.get(place, "")).strip())
        if said not in (version, version.rpartition(".")[0]):
            told = (
                f"{code(_DIFF)} says {code(said)} for the {place}, which has another"
                if said
                else f"{code(_DIFF)} doesn't say which"
            )
            raise Failed(
                expected=f'`"python"` in {code(_DIFF)} says which Python the {place} has.',
                found=f"{told}." if said else f"{told} Python the {place} has.",
                next_step=f"Run {command('cat', f'ci/{place}/python.txt')} to see it.",
                evidence=seen(version),
            )


# ---- What several of them need


def _all_agree(work: Workspace, path: str) -> None:
    """Require that all that is installed is whole, and has what it needs: what `pip check` looks for."""
    environment = work.environment(path)
    installed = {one.name: one for one in environment.distributions}
    marker_values = {"python_version": work.facts.python_series, "python_full_version": work.facts.python_version}
    look = f"Run {command('pip', '--python', path, 'check')} to see who needs what."
    for one in environment.distributions:
        environment.distribution(one.name)
        for needed in one.requires:
            if needed.marker is not None and not needed.marker.evaluate({**marker_values, "extra": ""}):
                continue
            there = installed.get(canonicalize_name(needed.name))
            if there is not None and needed.specifier.contains(there.version, prereleases=True):
                continue
            needs = f"{code(one.name)} {one.version} needs {code(f'{needed.name}{needed.specifier}')}"
            raise Failed(
                expected=f"Every distribution in {code(path)} has what it needs.",
                found=f"{needs}, and {code(there.name)} {there.version} is installed: "
                "whatever was installed last did not ask who else is there."
                if there is not None
                else f"{needs}, which isn't installed.",
                next_step=look,
                evidence=seen(f"{one.name} {one.version} "),
            )


def _specifier(requirement: Requirement | None) -> SpecifierSet:
    return requirement.specifier if requirement is not None and requirement.marker is None else SpecifierSet("===none")


def _changed(requirement: Requirement | None) -> bool:
    return requirement is not None and _specifier(requirement) != SpecifierSet(
        _ASKED.get(canonicalize_name(requirement.name), "")
    )


def _answers(work: Workspace, path: str) -> Mapping[str, Any]:
    """Read a JSON file whose top is an object."""
    try:
        found = json.loads(work.file(path).require().text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    raise Failed(
        expected=f"{code(path)} is JSON in the form in which you found it.",
        found=f"{code(path)} can't be read as that: a comma or a quotation mark too few or too many is enough.",
        next_step=f"Run {command('python3', '-m', 'json.tool', path)} to see where.",
        evidence=r"line \d|\S",
    )


def _text(work: Workspace, path: str, key: str, form: str) -> str:
    """Read one text of a JSON file."""
    value = _answers(work, path).get(key, "")
    if isinstance(value, str):
        return value.strip()
    raise Failed(
        expected=f'`"{key}"` in {code(path)} is {form}.',
        found=f"It is {code(json.dumps(value))}: only one thing can stand there, in quotation marks.",
        next_step=f"Run {command('cat', path)} to see it.",
        evidence=seen(key),
    )


def _same_names(work: Workspace, key: str, wanted: set[str], what: str) -> None:
    """Compare a list of names in `ci/diff.json` with what is so, however they are spelt."""
    value = _answers(work, _DIFF).get(key)
    names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    said = {
        canonicalize_name(re.split(r"[=<>! ]", str(one).strip(), maxsplit=1)[0]) for one in names if str(one).strip()
    }
    expected = f'`"{key}"` in {code(_DIFF)} lists all that {what}, and nothing else.'
    wrong = said - wanted
    if wrong:
        one = sorted(wrong)[0]
        same = one in ("shelf-signs-xl", "day-ledger", "leftpad", "opening-hours", "pricetag")
        why = " It is in both lists, in the same version, however it is spelt." if same else ""
        raise Failed(
            expected=expected,
            found=f"{listing(wrong)} doesn't belong there.{why}",
            next_step=_FORMS,
            evidence=r"(?i)shelf.signs.xl==1\.0[\s\S]*shelf.signs.xl==1\.0",
        )
    if said != wanted:
        raise Failed(
            expected=expected,
            found=f'`"{key}"` lists nothing yet.',
            next_step=_FORMS,
            evidence=r"shoplib==1\.9[\s\S]*shoplib==2\.3",
        )
