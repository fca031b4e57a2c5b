"""What must be true once everybody in the shop installs the same."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder import Failed, Workspace, check
from autograder.catalog.ex09_locking.locks import (
    Lock,
    of_pylock,
    of_requirements,
    of_uv,
    require_age,
    require_closure,
    require_environment,
    require_files,
    require_installed,
    require_nothing_else,
    start_lock,
    toml,
)
from autograder.wording import code, command, listing, seen

# ---- Task 1: From wishes to a lock

_WEBSITE = "website/requirements.txt"


@check(
    task=1,
    points=2,
    hints=[
        "`requirements.in` names three distributions. What do these need in turn, and in which version would it come?",
        "Don't collect the versions by hand: pip-tools has a command which reads the `.in` file and writes the `.txt` file.",
        "In `website/`, look at `pip-compile --help`; uv has the same as `uv pip compile`, which wants to be told the `--output-file`.",
    ],
)
def everything_is_pinned(work: Workspace) -> None:
    """`website/requirements.txt` names one version of everything that `requirements.in` leads to, and nothing else."""
    lock = of_requirements(work, _WEBSITE)
    _wishes_stay(work, "website/requirements.in", {"daily-offers": "", "shopfront": "", "webfw": "<2"})
    require_closure(work, _WEBSITE, _wishes(work, "website/requirements.in"), lock)


@check(
    task=1,
    points=2,
    hints=[
        "A version says which release it should be. What would say which file?",
        "All or nothing: as soon as one line has a hash, pip wants one on every line.",
        "Both compilers write hashes, but only when asked to: look for `hashes` in their `--help`.",
    ],
)
def hashes_are_there(work: Workspace) -> None:
    """Each line has the hashes of the files which the index has of that release, none younger than `COMPANY.md` allows."""
    lock = of_requirements(work, _WEBSITE)
    require_files(work, _WEBSITE, lock)
    require_age(work, _WEBSITE, lock, int(work.variant["company"]["cooldown_days"]))


# ---- Task 2: Update one

_TILL = "till/requirements.txt"


@check(
    task=2,
    points=1,
    hints=[
        "Compile again, and look at the difference: a compiler keeps what already stands in the lock, as long as it fits.",
        "So it must be told what may move. There are two options for that: one for all, and one for a single name.",
        "The option for a single one begins with `--upgrade-` in pip-tools and in uv, and wants the name behind it.",
    ],
)
def shoplib_has_moved(work: Workspace) -> None:
    """`till/requirements.txt` pins `shoplib` to a release 2."""
    of_requirements(work, _TILL)
    requirements = work.requirements(_TILL)
    line = requirements.line("shoplib")
    if line.pin is None or line.pin.major != 2:
        raise Failed(
            expected=f"{code(_TILL)} pins `shoplib` to a release 2.",
            found=f"Line {line.number} pins `shoplib` to {line.pin}. A compiler keeps what stands in a lock as long as it fits the wishes: "
            "it has to be told what may move.",
            next_step=f"Run {command('sed', '-n', f'{line.number}p', _TILL)} to see the line.",
            evidence=r"^shoplib",
        )


@check(
    task=2,
    points=2,
    after=shoplib_has_moved,
    hints=[
        "Compare the versions before and after: one line should differ.",
        "What moved along was moved by an option which says *all*. The old lock can be had back with *Start over*.",
        "If you lost the old lock, take the versions from `course diff 09` or write the old pins back, and let the compiler do the rest.",
    ],
)
def nothing_else_has_moved(work: Workspace) -> None:
    """Everything else is pinned as it was."""
    _as_before(_TILL, of_requirements(work, _TILL), start_lock(_TILL), but="shoplib")


@check(
    task=2,
    points=1,
    after=shoplib_has_moved,
    hints=[
        "Would pip install from this file? Try it with `--dry-run`.",
        "Another version is another file, so it has another hash.",
        "Don't mend hashes by hand: let the compiler write the line, with its option for hashes.",
    ],
)
def hashes_moved_along(work: Workspace) -> None:
    """The hashes are those of the versions which the file names."""
    require_files(work, _TILL, of_requirements(work, _TILL))


# ---- Task 3: Make it so

_STOCK = "stock/requirements.txt"


@check(
    task=3,
    points=2,
    hints=[
        "Compare `pip --python stock/.venv list` with the lock. The lock is right.",
        "`pip install -r` brings what is in the lock; `pip-sync` and `uv pip sync` do more than that.",
        "`pip-sync` stands apart from all environments: tell it by `--python-executable` which Python it is about.",
    ],
)
def stock_has_what_is_locked(work: Workspace) -> None:
    """`stock/.venv` holds everything that `stock/requirements.txt` names, in its version."""
    lock = of_requirements(work, _STOCK)
    _as_before(_STOCK, lock, start_lock(_STOCK))
    require_installed(work, "stock/.venv", lock)


@check(
    task=3,
    points=2,
    hints=[
        "What is in the environment that the lock doesn't name?",
        "Whatever was installed for something that is gone now, stays: it must be taken out.",
        "Sync instead of installing; or throw the environment away and make it anew from the lock.",
    ],
)
def stock_has_nothing_else(work: Workspace) -> None:
    """It holds nothing else."""
    require_nothing_else(work, "stock/.venv", start_lock(_STOCK))


# ---- Task 4: Something is wrong with the delivery

_ACCOUNTS = "accounts/requirements.txt"
_VERDICT = "accounts/verdict.json"


@check(
    task=4,
    points=2,
    hints=[
        "Let pip install from the delivery, with the lock, and read what it says: `--no-index --find-links accounts/wheels -r …`.",
        "Compare each file's hash with those in the lock: `sha256sum` prints it for any file, `pip hash` in the lock's own form.",
        "`file` in `verdict.json` is a file's name, without its folder; `sha256` is what that file really has, not what it should have.",
    ],
)
def culprit_is_named(work: Workspace) -> None:
    """`accounts/verdict.json` names the file that isn't the one which was locked, and the hash which it has."""
    told = _verdict(work)
    name = posixpath.basename(told["file"])
    digest = told["sha256"].removeprefix("sha256:").lower()
    expected = f"{code(_VERDICT)} names the one file in `accounts/wheels` which the lock doesn't know, and its hash."
    look = f"Run {command('bash', '-c', 'sha256sum accounts/wheels/*; cat accounts/requirements.txt')} to compare."
    if not name:
        raise Failed(
            expected=expected,
            found=f"{code(_VERDICT)} names no file yet.",
            next_step="Run `ls accounts/wheels` to see what was delivered.",
            evidence=r"price_rounding",
        )
    if canonicalize_name(name.partition("-")[0]) != "price-rounding" or not name.endswith(".whl"):
        good = canonicalize_name(name.partition("-")[0]) in ("leftpad", "pricetag")
        raise Failed(
            expected=expected,
            found=f"{code(name)} is just what was locked." if good else f"{code(name)} is none of the files delivered.",
            next_step=look,
            evidence=r"accounts/wheels/price_rounding",
        )
    file = work.known.served(digest) if digest else None
    if file is None or file.project != "price-rounding" or "company" not in file.sites:
        right = file is not None and file.project == "price-rounding"
        raise Failed(
            expected=expected,
            found="That is the hash which the file should have: it stands in the lock. What does the file have that was delivered?"
            if right
            else f"{code(digest or ' ')} is not the hash of that file.",
            next_step=look,
            evidence=r"accounts/wheels/price_rounding",
        )


@check(
    task=4,
    points=1,
    after=culprit_is_named,
    hints=[
        "A lock that doesn't fit is an alarm. Was the bell repaired, or what it rang for?",
        "The lock is as good as it was when you found it: its hashes are those of the files that everybody tested.",
        "*Start over* brings the old lock back; or compile it again, from the index.",
    ],
)
def lock_does_not_give_in(work: Workspace) -> None:
    """`accounts/requirements.txt` still accepts only the files which were locked."""
    lock = of_requirements(work, _ACCOUNTS)
    _as_before(_ACCOUNTS, lock, start_lock(_ACCOUNTS))
    require_files(work, _ACCOUNTS, lock)


@check(
    task=4,
    points=1,
    hints=[
        "The delivery can't be trusted. Where else could the file come from?",
        "Without `--no-index` and `--find-links`, pip asks the index. The lock makes sure that it takes the right file.",
        "Make `accounts/.venv`, and install from the lock alone; look into it afterwards.",
    ],
)
def accounts_hold_the_real_one(work: Workspace) -> None:
    """`accounts/.venv` holds what the lock names, in the files that were locked."""
    module = f"{work.environment('accounts/.venv').site_packages}/price_rounding.py"
    real = {digest for wheel in work.known.wheels("price-rounding", "1.0") for digest in wheel.files.values()}
    if work.file(module).exists and hashlib.sha256(work.file(module).content).hexdigest() not in real:
        raise Failed(
            expected="`accounts/.venv` holds the `price-rounding` that was locked.",
            found="The changed file got in: name and version are right, but what is in it isn't what was locked. "
            "Installing a file by its name doesn't ask the lock.",
            next_step=f"Run {command('cat', module)} to see how it rounds now.",
            evidence=r"\S",
        )
    require_environment(work, "accounts/.venv", start_lock(_ACCOUNTS))


# ---- Task 5: The standard's lock

_KIOSK = "kiosk/requirements.in"


@check(
    task=5,
    points=2,
    hints=[
        "The format is called pylock, and more than one tool writes it: uv does, and so does a new enough pip.",
        "`uv pip compile` looks at the name of its `--output-file`; `uv export` has a `--format`; pip has `lock`.",
        "The file's name matters to those who read it: `pylock.toml`, or `pylock.` and one more word before `.toml`.",
    ],
)
def pylock_is_there(work: Workspace) -> None:
    """`kiosk/pylock.toml` locks what `kiosk/requirements.in` leads to, and nothing else."""
    path = _pylock(work)
    lock = of_pylock(work, path)
    _wishes_stay(work, _KIOSK, {"opening-hours": "", "pricetag": "<2"})
    require_closure(work, path, _wishes(work, _KIOSK), lock)


@check(
    task=5,
    points=1,
    after=pylock_is_there,
    hints=[
        "Each file in the lock has a hash. Are they all right?",
        "A tool writes them; whoever writes them by hand makes mistakes.",
        "Write the lock anew, and leave it as it is.",
    ],
)
def pylock_names_real_files(work: Workspace) -> None:
    """Every file in it has the hash which the index's file has."""
    path = _pylock(work)
    require_files(work, path, of_pylock(work, path))


@check(
    task=5,
    points=1,
    after=pylock_is_there,
    hints=[
        "Make `kiosk/.venv`. Who can install from a pylock?",
        "`uv pip sync` and `uv pip install -r` read it; pip reads it from 26.1 on: `pip install --upgrade pip` in an environment brings a new one.",
        "Compare what is installed with the names in the lock, and mind that some entries have a `marker`.",
    ],
)
def kiosk_is_built_from_it(work: Workspace) -> None:
    """`kiosk/.venv` holds what the lock wants on this Python, and nothing else."""
    require_environment(work, "kiosk/.venv", of_pylock(work, _pylock(work)))


# ---- Task 6: Two files, two stories

_PROJECT = "labels/pyproject.toml"
_UV_LOCK = "labels/uv.lock"


@check(
    task=6,
    points=1,
    hints=[
        "`uv lock --check` says whether the two agree. Which of them is what you want, and which follows from it?",
        "`pyproject.toml` says what the shop wants; `uv.lock` is uv's, and only uv writes it.",
        "A plain `uv lock`, or `uv sync`, makes the lock follow; `--frozen` is what keeps it from doing so.",
    ],
)
def lock_follows_project(work: Workspace) -> None:
    """`labels/uv.lock` was made for what `labels/pyproject.toml` asks for, which still is what it was."""
    project = _project(work)
    asked: dict[str, SpecifierSet] = {canonicalize_name(one.name): one.specifier for one in project}
    wanted = {"opening-hours": "", "pricetag": "<2", "shoplib": ">=2"}
    if asked != {name: SpecifierSet(spec) for name, spec in wanted.items()}:
        differs = [
            name for name in sorted({*asked, *wanted}) if asked.get(name) != SpecifierSet(wanted.get(name, "===no"))
        ]
        raise Failed(
            expected=f"{code(_PROJECT)} asks for what the shop wants, as you found it.",
            found=f"{code(_PROJECT)} asks for something else now: look at {listing(differs)}. The lock has to follow the wishes, not the other way round.",
            next_step=f"Run {command('cat', _PROJECT)} to see what it asks for.",
            evidence=r"dependencies",
        )
    locked_for = of_uv(work, _UV_LOCK).wishes
    if locked_for != asked:
        differs = [name for name in sorted({*asked, *locked_for}) if asked.get(name) != locked_for.get(name)]
        raise Failed(
            expected=f"{code(_UV_LOCK)} was made for what {code(_PROJECT)} asks for.",
            found=f"{code(_UV_LOCK)} was made for other wishes: the two differ in {listing(differs)}.",
            next_step=f"Run {command('grep', '-A', '6', 'requires-dist', _UV_LOCK)} to see what it was made for.",
            evidence=r"requires-dist",
        )


@check(
    task=6,
    points=1,
    hints=[
        "A lock is more than its list of wishes: is there an entry for each of them, and for what it needs?",
        "Let uv look: `uv lock --check` in `labels/`.",
        "Undo what was written into the lock by hand, and let uv write it.",
    ],
)
def lock_holds_what_is_needed(work: Workspace) -> None:
    """The lock has an entry for all that is asked for and needed, in versions that fit, with real files."""
    lock = of_uv(work, _UV_LOCK).everything
    require_closure(work, _UV_LOCK, _project(work), lock, exactly=False)
    require_files(work, _UV_LOCK, lock)


@check(
    task=6,
    points=1,
    after=lock_holds_what_is_needed,
    hints=[
        "Which versions did the old lock have of what nobody asked to move?",
        "uv keeps what is in a lock as long as it fits. Who throws the lock away throws that away, too.",
        "*Start over* brings the old lock back. Then lock again, without deleting and without `--upgrade`.",
    ],
)
def labels_rest_stays(work: Workspace) -> None:
    """What still fits stays as it was locked: `pricetag` 1.0 and `leftpad` 1.1."""
    lock = of_uv(work, _UV_LOCK).everything
    for name, version in (("pricetag", "1.0"), ("leftpad", "1.1")):
        if lock[name].version != Version(version):
            look = command("grep", "-A", "1", f'name = "{name}"', _UV_LOCK)
            raise Failed(
                expected=f"{code(name)} {version} still fits, so it stays.",
                found=f"{code(name)} moved to {lock[name].version}, though nobody asked for that.",
                next_step=f"Run {look} to see it.",
                evidence=seen(str(lock[name].version)),
            )


@check(
    task=6,
    points=1,
    after=lock_holds_what_is_needed,
    hints=[
        "The lock is a plan. Who carries it out?",
        "`uv sync` makes an environment equal to the lock; `uv run` does so before it runs anything.",
        "In `labels/`: what is in `.venv` after `uv sync`, and what is in the lock?",
    ],
)
def labels_hold_what_is_locked(work: Workspace) -> None:
    """`labels/.venv` holds what the lock wants on this Python, and nothing else."""
    require_environment(work, "labels/.venv", of_uv(work, _UV_LOCK).here, own="label-printer")


# ---- What several of them need


def _wishes(work: Workspace, path: str) -> list[Requirement]:
    """Read what a `.in` file asks for."""
    return [line.requirement for line in work.requirements(path).lines if line.requirement is not None]


def _wishes_stay(work: Workspace, path: str, wanted: Mapping[str, str]) -> None:
    """Require that a `.in` file asks for what it asked for at the start."""
    asked: dict[str, SpecifierSet] = {canonicalize_name(one.name): one.specifier for one in _wishes(work, path)}
    if asked == {name: SpecifierSet(specifier) for name, specifier in wanted.items()}:
        return
    differs = [name for name in {*asked, *wanted} if asked.get(name) != SpecifierSet(wanted.get(name, "===nothing"))]
    raise Failed(
        expected=f"{code(path)} says what is wanted, as you found it; the pins stand in the lock.",
        found=f"{code(path)} asks for something else now: look at {listing(differs)}. "
        "A wish that is a pin never moves again, and nobody will remember why.",
        next_step=f"Run {command('cat', path)} to see what it asks for.",
        evidence="|".join(seen(name) for name in differs if name in asked) or r"\S|\A\s*\Z",
    )


_FOLLOW = " The lock was right: it is the environment that has to follow."


def _as_before(path: str, lock: Lock, before: Lock, but: str = "") -> None:
    """Require that a lock names what it named before, except for one name."""
    look = f"Run {command('cat', path)} to see what it names."
    expected = f"{code(path)} pins {'everything else' if but else 'everything'} to what it was pinned to."
    moved = [name for name in before if name in lock and name != but and lock[name].version != before[name].version]
    if moved:
        steps = listing(f"{name} {before[name].version} -> {lock[name].version}" for name in moved)
        raise Failed(
            expected=expected,
            found=f"{steps} moved{', too: newer releases were let in that nobody asked for.' if but else '.'}"
            + (_FOLLOW if path == _STOCK else ""),
            next_step=look,
            evidence=seen(f"{moved[0]}=="),
        )
    for names, what in ((before.keys() - lock.keys(), "gone"), (lock.keys() - before.keys() - {but}, "new")):
        if names:
            raise Failed(
                expected=expected,
                found=f"{listing(names)} {'is' if len(names) == 1 else 'are'} {what} in it."
                + (_FOLLOW if path == _STOCK else ""),
                next_step=look,
                evidence=r"==|\A\s*\Z",
            )


def _verdict(work: Workspace) -> dict[str, str]:
    """Read `accounts/verdict.json`."""
    try:
        found = json.loads(work.file(_VERDICT).require().text)
        return {key: found.get(key, "").strip() for key in ("file", "sha256")}
    except (ValueError, RecursionError, AttributeError):
        raise Failed(
            expected=f"{code(_VERDICT)} is JSON in the form in which you found it, with one text for each.",
            found=f"{code(_VERDICT)} can't be read as that: a comma or a quotation mark too few or too many is enough.",
            next_step=f"Run {command('python3', '-m', 'json.tool', _VERDICT)} to see where.",
            evidence=r"line \d|\S",
        ) from None


def _pylock(work: Workspace) -> str:
    """Find the pylock in `kiosk/`; raises Failed, naming what is there under another name."""
    names = [name for name in work.tree.names("kiosk") if name.endswith(".toml")]
    good = [name for name in names if re.fullmatch(r"pylock(\.[^.]+)?\.toml", name)]
    if good:
        return f"kiosk/{'pylock.toml' if 'pylock.toml' in good else good[0]}"
    expected = "There is a `kiosk/pylock.toml`."
    for name in names:
        if "lock-version" in toml(work, f"kiosk/{name}"):
            raise Failed(
                expected=expected,
                found=f"There is {code(f'kiosk/{name}')}. pip takes a file of that name for requirements: it must be called "
                "`pylock.toml`, or `pylock.` and one word before `.toml`.",
                next_step="Run `ls kiosk` to see the name.",
                evidence=seen(name),
            )
    there = [name for name in work.tree.names("kiosk") if name not in ("requirements.in", ".venv")]
    raise Failed(
        expected=expected,
        found=f"There is none; in `kiosk` {'is' if len(there) == 1 else 'are'} {listing(there)} beside its wishes."
        if there
        else "There is none yet.",
        next_step="Run `ls -A kiosk` to see what is there.",
        evidence=seen(there[0]) if there else "requirements",
    )


def _project(work: Workspace) -> list[Requirement]:
    """Read what the project of task 6 asks for."""
    try:
        return [Requirement(str(one)) for one in toml(work, _PROJECT)["project"]["dependencies"]]
    except (KeyError, TypeError, InvalidRequirement):
        raise Failed(
            expected=f"{code(_PROJECT)} has a list of `dependencies` in its table `[project]`.",
            found=f"{code(_PROJECT)} has none, or one that can't be read.",
            next_step=f"Run {command('cat', _PROJECT)} to see what it says.",
            evidence=r"\S",
        ) from None
