"""What must be true once the shop's five programs have sound environments."""

from __future__ import annotations

import re
import secrets
from pathlib import PurePosixPath

from autograder import Failed, Workspace, check
from autograder.wording import code, command, listing, seen

# ---- Task 1: Just what it needs


@check(
    task=1,
    points=2,
    hints=[
        "A virtual environment is made by `python3 -m venv`; what you ask of it on top of that stands in `python3 -m venv --help`.",
        "pip needn't live in an environment to install into it: look for the option `--python` near the top of `pip --help`. uv has one of the same name.",
        "Name the environment after `--python`, before the word `install`; and say which version you want, since without one you get the newest.",
    ],
)
def leftpad_is_there(work: Workspace) -> None:
    """`labels/.venv` holds `leftpad` 1.1."""
    _holds(work, "labels/.venv", "leftpad", "1.1")


@check(
    task=1,
    points=1,
    after=leftpad_is_there,
    hints=[
        "List what is in the environment. Which of it does `labels.py` import?",
        "An environment is born with pip unless you say otherwise, and `python3 -m venv --help` tells how to say so.",
        "It is quicker to throw an environment away and make it anew than to clean it.",
    ],
)
def nothing_else(work: Workspace) -> None:
    """Nothing else is installed in it, not even pip."""
    environment = work.environment("labels/.venv")
    others = [one for one in environment.distributions if one.name != "leftpad"]
    if others:
        raise Failed(
            expected="`leftpad` is the only distribution in `labels/.venv`.",
            found=f"It also holds {listing(one.name for one in others)}.",
            next_step=f"Run {command('ls', environment.site_packages)} to see everything that is in it.",
            evidence=seen(others[0].folder_name),
        )


@check(
    task=1,
    points=1,
    after=leftpad_is_there,
    hints=[
        "One small text file decides whether an environment looks at the system Python's packages.",
        "It is `pyvenv.cfg`, and `python3 -m venv --help` names the option that set its second line.",
        "Edit the line, or make the environment again without that option.",
    ],
)
def sees_only_its_own(work: Workspace) -> None:
    """It doesn't see the system Python's packages."""
    _must_be_sealed(work, "labels/.venv")


# ---- Task 2: Two programs that can't agree


def _own_version(work: Workspace, program: str, version: str) -> None:
    """Require `<program>/.venv` with its `shoplib`; name the shared environment where that is the whole trouble."""
    path = f"{program}/.venv"
    started = [work.file(f"{one}/run.sh") for one in ("till", "kiosk")]
    if work.tree.entry(path) is None and all("shared/bin/" in one.text for one in started if one.exists):
        raise Failed(
            expected=f"{code(program)} has an environment of its own, {code(path)}, with `shoplib` {version}.",
            found="Both `run.sh` use `shared`, and one environment holds one version of a distribution.",
            next_step="Run `tail -n 1 till/run.sh kiosk/run.sh` to see which Python each of them starts.",
            evidence=r"till/run\.sh[\s\S]*shared[\s\S]*kiosk/run\.sh[\s\S]*shared",
        )
    _holds(work, path, "shoplib", version)


def _runs_in_its_own(work: Workspace, program: str) -> None:
    """Start `<program>/run.sh`, and let the program itself tell in which environment it runs."""
    root, (place,) = _start(work, program, "sys.prefix")
    if place != f"{root}/{program}/.venv":
        raise Failed(
            expected=f"`{program}/run.sh` runs in `{program}/.venv`.",
            found=f"`{program}/run.sh` runs in {_within(place, root)}.",
            next_step=f"Run `bash {program}/run.sh` and read the last line that it prints.",
            evidence=rf" in (?!.*/{program}/\.venv$)",
        )


@check(
    task=2,
    points=1,
    hints=[
        "What can two environments hold that one can't?",
        "The till deserves what `shared` is now: in its own folder, and with its own version.",
        "Make `till/.venv`, then install with *its* pip: an environment made by uv has none, and then plain `pip` belongs to another Python.",
    ],
)
def till_has_its_version(work: Workspace) -> None:
    """`till/.venv` holds `shoplib` 1.5."""
    _own_version(work, "till", "1.5")


@check(
    task=2,
    points=1,
    acts=True,
    acts_in="till",
    after=till_has_its_version,
    hints=[
        "Start it, and read the last line that it prints.",
        "An environment that nobody starts helps nobody: which Python does `till/run.sh` name?",
        "`run.sh` goes to its own folder first; from there, where is the `bin/python` of the till's environment?",
    ],
)
def till_runs(work: Workspace) -> None:
    """`till/run.sh` succeeds, in that environment."""
    _runs_in_its_own(work, "till")


@check(
    task=2,
    points=1,
    hints=[
        "The kiosk must go on working when `shared` is thrown away.",
        "Do for the kiosk what you did for the till, with the other version.",
        "`python -m pip` of an environment never installs anywhere else, whatever your shell has activated.",
    ],
)
def kiosk_has_its_version(work: Workspace) -> None:
    """`kiosk/.venv` holds `shoplib` 2.3."""
    _own_version(work, "kiosk", "2.3")


@check(
    task=2,
    points=1,
    acts=True,
    acts_in="kiosk",
    after=kiosk_has_its_version,
    hints=[
        "It may run already, but where? It says so itself.",
        "`kiosk/run.sh` still has to hear of the kiosk's own environment.",
        "One line of `kiosk/run.sh` names a Python. It needs the one in the folder beside it.",
    ],
)
def kiosk_runs(work: Workspace) -> None:
    """`kiosk/run.sh` succeeds, in that environment."""
    _runs_in_its_own(work, "kiosk")


# ---- Task 3: The folder has moved


@check(
    task=3,
    points=1,
    hints=[
        "`head -n 1` shows how a command in `bin` begins. What does the system do with a line that starts with `#!`?",
        "Those lines are written when a distribution is installed, and nobody rewrites them when a folder moves.",
        "Installing a distribution again writes its commands anew; so does making the whole environment again from a list of what was in it.",
    ],
)
def commands_start_here(work: Workspace) -> None:
    """Every command in `stock/.venv/bin` starts with the Python beside it."""
    environment = work.environment("stock/.venv")
    environment.in_place()
    for script in environment.scripts:
        if PurePosixPath(script.interpreter).name == "env":
            raise Failed(
                expected="Every command in `stock/.venv/bin` starts the Python beside it.",
                found=f"The first line of {code(script.path)} asks `env` for a Python, and gets whichever comes first on PATH.",
                next_step=f"Run {command('head', '-n', '1', script.path)} to see it.",
                evidence=r"^#!.*env ",
            )


@check(
    task=3,
    points=1,
    after=commands_start_here,
    hints=[
        "`pip freeze`, `pip list` or a look at the `.dist-info` folders tells what an environment holds.",
        "Without a version, installing means: the newest that fits. The index has a newer `leftpad`.",
        "Write down what is in it, with versions, before you throw anything away.",
    ],
)
def same_versions(work: Workspace) -> None:
    """`leftpad` 1.1 and `pricetag` 1.0 are in it, as before."""
    _holds(work, "stock/.venv", "leftpad", "1.1")
    _holds(work, "stock/.venv", "pricetag", "1.0")


@check(
    task=3,
    points=1,
    acts=True,
    acts_in="stock",
    after=commands_start_here,
    hints=[
        "Is there a `stock/.venv/bin/pip` at all, and may it be executed?",
        "uv makes environments without pip unless asked for it, and deleting a broken command isn't mending it.",
        "The Python in the environment can run the module `pip` even when the command is broken, and so install it once more; where there is no such module, the module `ensurepip` brings it.",
    ],
)
def pip_runs(work: Workspace) -> None:
    """`stock/.venv/bin/pip` runs."""
    work.environment("stock/.venv").command("pip", "pip")
    ran = work.run("bash", "-c", "stock/.venv/bin/pip --version")
    if ran.exit_status != 0:
        raise Failed(
            expected="`stock/.venv/bin/pip` runs.",
            found="`stock/.venv/bin/pip` doesn't run, or isn't there.",
            next_step="Run `ls stock/.venv/bin` to see which commands there are.",
            evidence="python3",
        )


@check(
    task=3,
    points=1,
    acts=True,
    acts_in="stock",
    after=commands_start_here,
    hints=[
        "Activate it and ask where `python` comes from now.",
        "`activate` is a text file. Which folder does it speak of?",
        "Either the old folder's name is replaced in the `activate` files, or `python3 -m venv` writes them again.",
    ],
)
def activating_works(work: Workspace) -> None:
    """Activating it makes `python` the one in `stock/.venv`."""
    mark = secrets.token_hex(12)
    # said after it by the shell itself: a script that only ends well, or prints something, says nothing
    after = f'pwd; set --; . stock/.venv/bin/activate; printf "\\n%s %s\\n" {mark} "$(command -v python)"'
    ran = work.run("bash", "-c", after)
    root, _, told = ran.output.partition("\n")
    if f"\n{mark} {root}/stock/.venv/bin/python\n" not in f"\n{told}\n":
        raise Failed(
            expected="After `. stock/.venv/bin/activate`, the command `python` is `stock/.venv/bin/python`.",
            found="`stock/.venv/bin/activate` still leads elsewhere, or nowhere, so `python` is another one.",
            next_step="Run `grep -n -w -e VIRTUAL_ENV= -e exit stock/.venv/bin/activate` to see which folder it speaks of.",
            evidence=r"VIRTUAL_ENV=|exit",
        )


# ---- Task 4: A leak


@check(
    task=4,
    points=1,
    hints=[
        "Compare what `requirements.txt` names with what is in the environment.",
        "A library that was only ever found outside has never been installed inside.",
        "pip and uv can install all that a file lists: with the option `--requirement`, or `-r` for short.",
    ],
)
def report_has_what_it_names(work: Workspace) -> None:
    """`report/.venv` holds `leftpad` 1.1 and `shoplib` 2.3."""
    _holds(work, "report/.venv", "leftpad", "1.1")
    _holds(work, "report/.venv", "shoplib", "2.3")


@check(
    task=4,
    points=1,
    hints=[
        "Which file says what an environment may see?",
        "It lies at the top of the environment's folder, and has one setting a line.",
        "One of its settings has the word `system` in it.",
    ],
)
def report_sees_only_its_own(work: Workspace) -> None:
    """`report/.venv` doesn't see the system Python's packages."""
    _must_be_sealed(work, "report/.venv")


@check(
    task=4,
    points=2,
    acts=True,
    acts_in="report",
    after=report_has_what_it_names,
    hints=[
        "The report says itself where each library comes from: start it and read. Are these the files that you installed?",
        "Python looks through the folders of `sys.path` in order. Who may put folders in front of an environment's own?",
        "Read `run.sh` line by line: one of its lines puts a folder in front of everything that the environment has.",
    ],
)
def comes_from_inside(work: Workspace) -> None:
    """`report/run.sh` succeeds, and each library comes from `report/.venv`."""
    names = ("shoplib", "leftpad")
    root, places = _start(work, "report", *(f"__import__('{name}').__file__" for name in names))
    for name, place in zip(names, places, strict=True):
        if not place.startswith(f"{root}/report/.venv/"):
            raise Failed(
                expected=f"`{name}` comes from `report/.venv`.",
                found=f"`{name}` comes from {_within(place, root)}.",
                next_step="Run `bash report/run.sh` and read where the libraries come from.",
                evidence=rf"{name} comes from (?!.*/report/\.venv/)",
            )


# ---- Task 5: Out of the repository


@check(
    task=5,
    points=1,
    hints=[
        "`git ls-files` lists what git tracks, whatever `.gitignore` says.",
        "Ignoring keeps new files out. What git already tracks it goes on tracking until it is told to stop.",
        "`git rm` has an option which takes files out of git's list and leaves them on your disk.",
    ],
)
def nothing_tracked(work: Workspace) -> None:
    """Git tracks no file of an environment in `website/`."""
    repository = work.repository("website")
    marks = [PurePosixPath(path) for path in repository.tracked if path.endswith("pyvenv.cfg")]
    for home in sorted({"venv", ".venv", *(str(mark.parent) for mark in marks)}):
        tracked = [path for path in repository.tracks(home) if path != home]
        if tracked:
            raise Failed(
                expected="Git tracks no file of an environment.",
                found=f"Git still tracks {len(tracked)} files below {code(home)}: neither ignoring nor deleting a file untracks it.",
                next_step=f"Run {command('git', '-C', 'website', 'ls-files', home)} to see them.",
                evidence=rf"(?m)^{re.escape(home)}/",
            )


@check(
    task=5,
    points=1,
    hints=[
        "There is a file by which a repository tells everybody's git what to leave alone.",
        "It lies at the repository's top, and works for the others only if it is in the repository too.",
        "One line a folder; and the folder may have either of two names.",
    ],
)
def both_names_ignored(work: Workspace) -> None:
    """A tracked `.gitignore` in `website/` keeps out both `venv` and `.venv`."""
    repository = work.repository("website")
    text = work.file("website/.gitignore").require().text
    private = work.file("website/.git/info/exclude")
    only_here = private.exists and "env" in private.text and "env" not in text
    let_in = [name for name in ("venv", ".venv") if only_here or not repository.ignores(f"{name}/")]
    if let_in:
        raise Failed(
            expected="`website/.gitignore` keeps out `venv` and `.venv`.",
            found=f"`website/.gitignore` lets in {listing(let_in)}.",
            next_step="Run `git -C website check-ignore --no-index -v -n venv/ .venv/` to see which line, if any, keeps each of them out.",
            evidence=rf"(?m)^(::|\.git/info).*\s{re.escape(let_in[0])}/$",
        )
    _must_be_tracked(work, ".gitignore")


@check(
    task=5,
    points=1,
    hints=[
        "What would a colleague have to know to build the same environment?",
        "pip and uv can both list an environment's distributions in the form that they read again: the word is `freeze`.",
        "The environment has no pip, so let another one look at it. Then tell git about the file.",
    ],
)
def versions_written_down(work: Workspace) -> None:
    """A tracked `website/requirements.txt` pins `shopfront` 1.0 and `shoplib` 2.3."""
    requirements = work.requirements("website/requirements.txt")
    requirements.pin("shopfront", "==1.0")
    requirements.pin("shoplib", "==2.3")
    _must_be_tracked(work, "requirements.txt")


@check(
    task=5,
    points=1,
    after=versions_written_down,
    hints=[
        "What others get is what is committed.",
        "`git status` tells apart what is staged and what is committed.",
        "All that `git status` lists under *Changes to be committed* still waits for its commit.",
    ],
)
def committed(work: Workspace) -> None:
    """All of it is committed."""
    work.repository("website").require_committed()


# ---- What several of them need


def _holds(work: Workspace, path: str, name: str, version: str) -> None:
    """Require a distribution; where an environment is quite empty, say what has probably happened."""
    environment = work.environment(path)
    try:
        environment.distribution(name, f"=={version}")
    except Failed as failed:
        if environment.distributions or "copied" in failed.found:
            raise
        raise Failed(
            expected=failed.expected,
            found=f"Nothing is installed in {code(path)}. Where an environment has no pip, plain `pip` is another Python's, and installs there.",
            next_step=failed.next_step,
            evidence=failed.evidence,
        ) from None


_START = """
pwd
kept=$(mktemp) && cp -p "$1/$1.py" "$kept"
printf '\\n%s\\n' "$2" >> "$1/$1.py"
bash "$1/run.sh"
status=$?
cp -p "$kept" "$1/$1.py"
rm "$kept"
exit "$status"
"""


def _start(work: Workspace, program: str, *asked: str) -> tuple[str, list[str]]:
    """Run `<program>/run.sh`; give the workspace's top as it is called there, and the values of the expressions `asked`.

    The program tells them in a line that is added to it, under a mark which nobody knows beforehand: what `run.sh` prints by itself is not believed.
    """
    work.file(f"{program}/{program}.py").require()
    mark = secrets.token_hex(12)
    # backwards: who reads this line and prints what looks like the mark hasn't run it
    line = f"import sys; print({mark[::-1]!r}[::-1], {', '.join(asked)}, sep='\\t')"
    ran = work.run("bash", "-c", _START, "start", program, line)
    if ran.exit_status != 0:
        raise Failed(
            expected=f"`{program}/run.sh` succeeds, on any computer.",
            found=f"On a computer whose system Python has nothing installed, `{program}/run.sh` ends with exit status {ran.exit_status}.",
            next_step=f"Run `bash {program}/run.sh; echo exit status $?` and read what it says. "
            "If it is 0 here, something outside the workspace helps.",
            evidence=r"exit status \d",
        )
    told = re.search(rf"^{mark}\t(.+)$", ran.output, re.MULTILINE)
    if told is None:
        raise Failed(
            expected=f"`{program}/run.sh` starts `{program}/{program}.py`.",
            found=f"`{program}/run.sh` succeeds, but doesn't run `{program}/{program}.py` to its end.",
            next_step=f"Run `cat {program}/run.sh` to see what it starts.",
            evidence=r"\S",
        )
    return ran.output.partition("\n")[0], told.group(1).split("\t")


def _within(place: str, root: str) -> str:
    """Say where a path lies without naming anything that is this machine's own."""
    path = PurePosixPath(place)
    return code(str(path.relative_to(root))) if path.is_relative_to(root) else "outside the workspace"


def _must_be_sealed(work: Workspace, path: str) -> None:
    if work.environment(path).sees_system_packages:
        raise Failed(
            expected=f"{code(path)} sees only its own packages.",
            found=f"It also sees the system Python's: `include-system-site-packages` is on in {code(f'{path}/pyvenv.cfg')}.",
            next_step=f"Run {command('cat', f'{path}/pyvenv.cfg')} to see its settings.",
            evidence=r"(?i)include-system-site-packages\s*=\s*true",
        )


def _must_be_tracked(work: Workspace, name: str) -> None:
    if not work.repository("website").tracks(name):
        raise Failed(
            expected=f"{code(f'website/{name}')} is in the repository, so that everybody gets it.",
            found=f"{code(f'website/{name}')} is there, but git doesn't track it, so nobody else gets it.",
            next_step=f"Run `git -C website ls-files` to see what git tracks: {code(name)} is missing.",
            evidence=r"README\.md",
        )
