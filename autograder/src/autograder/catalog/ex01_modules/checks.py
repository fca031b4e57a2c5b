"""What must be true once the shop's four small programs do what they say."""

from __future__ import annotations

import json
import posixpath
import re
import secrets
from pathlib import Path
from typing import Any

from autograder import Failed, Workspace, check
from autograder.wording import code, command, listing

START = Path(__file__).parent / "start"

# ---- Task 1: Importable and runnable

_IMPORT = """
rm -f out.txt
said=$(python3 -c 'import report' 2>&1)
status=$?
test -n "$said" && echo "$1 said"
test -e out.txt && echo "$1 wrote"
exit "$status"
"""


@check(
    task=1,
    points=1,
    acts=True,
    acts_in="report",
    hints=[
        "What runs when a file is imported? Not only its `def`s: every line that isn't inside one.",
        "Lines which should run only when somebody *starts* the file need a condition. Which name has another value then?",
        "It is `__name__`. Compare it with the value it has in a file that is run, and put the three last statements below that `if`.",
    ],
)
def import_is_silent(work: Workspace) -> None:
    """`import report` prints nothing and writes no file."""
    work.source("report/report.py")  # what Python can't read is told better by this than by a run
    mark = secrets.token_hex(8)
    ran = work.run("bash", "-c", _IMPORT, "import", mark, cwd="report")
    expected = "`import report` prints nothing and writes no file."
    step = "Run `cd report; rm -f out.txt; python3 -c 'import report'; echo exit status $?; ls` and see what an import brings about."
    if ran.exit_status != 0:
        raise Failed(
            expected=expected,
            found=f"`import report` ends with an error, exit status {ran.exit_status}.",
            next_step=step,
            evidence=r"exit status [1-9]",
        )
    if f"{mark} said" in ran.output:
        raise Failed(
            expected=expected,
            found="`import report` prints something. What stands outside of functions runs at every first import.",
            next_step=step,
            evidence=r"\A(?!exit status)\S",
        )
    if f"{mark} wrote" in ran.output:
        raise Failed(
            expected=expected,
            found="`import report` is silent, but it still writes `out.txt`: what writes it stands where an import runs it.",
            next_step=step,
            evidence=r"^out\.txt$",
        )


@check(
    task=1,
    points=1,
    acts=True,
    acts_in="report",
    after=import_is_silent,
    hints=[
        "Other files want one thing from this module. Can they still get it?",
        "What is defined below an `if` exists only where the `if` was true.",
        "The function belongs to the module's own lines, above the condition, under the name that it had.",
    ],
)
def total_still_adds(work: Workspace) -> None:
    """`report.total` can be imported and adds up amounts."""
    amounts = [secrets.randbelow(90_000) + 1 for _ in range(3)]
    mark = secrets.token_hex(8)
    ran = work.run("python3", "-c", f"import report; print({mark!r}, report.total({amounts}))", cwd="report")
    if f"{mark} {sum(amounts)}" not in ran.output:
        found = "After `import report`, `report.total` gives another number than the sum."
        if "total" not in work.source("report/report.py").names:
            found = "After `import report` there is no `report.total`. What is defined below the condition, or under another name, importers don't get."
        elif ran.exit_status != 0:
            found = "After `import report`, calling `report.total` ends with an error."
        raise Failed(
            expected="After `import report`, `report.total([1, 2])` is 3.",
            found=found,
            next_step="Run `cd report; python3 -c 'import report; print(report.total([1, 2]))'` to see what comes.",
            evidence=r"\A(?!3$)[\s\S]*\S",
        )


@check(
    task=1,
    points=2,
    acts=True,
    acts_in="report",
    after=import_is_silent,
    hints=[
        "Silence alone is easy. Does anybody still write the report in the evening?",
        "Started as a program, the file must do all that it did before. Try it, and look whether `out.txt` is new.",
        "The last lines still belong into the file, below a condition that is true when it is run. Mind each letter and each underscore of the text that you compare with.",
    ],
)
def running_still_writes(work: Workspace) -> None:
    """`python3 report.py` still writes `out.txt`."""
    ran = work.run("bash", "-c", "rm -f out.txt; python3 report.py >/dev/null 2>&1; cat out.txt", cwd="report")
    if "1485" in ran.output:
        return
    expected = "`python3 report.py` writes `out.txt`, with today's sum in it."
    for guard in work.source("report/report.py").guards:
        if not guard.sound:
            raise Failed(
                expected=expected,
                found=f"Nothing is written: the condition in line {guard.line} is `{_plain(guard.test)}`. "
                "In a file that is run, `__name__` is `__main__`, with two underscores on either side.",
                next_step=f"Run {command('sed', '-n', f'{guard.line}p', 'report/report.py')} and compare it letter by letter.",
                evidence=r"__name__",
            )
    raise Failed(
        expected=expected,
        found="Importing is silent now, but running the file no longer writes `out.txt`, or writes another sum: nobody calls what wrote it.",
        next_step="Run `cd report; rm -f out.txt; python3 report.py; ls` to see what a run brings about.",
        evidence=r"^report\.py$",
    )


def _plain(text: str) -> str:
    """Show an expression inside backticks of ours."""
    return code(text).strip("`")


# ---- Task 2: Which file is imported?

_LETTERS = ("a", "b", "c")


@check(
    task=2,
    points=1,
    hints=[
        "The way in which Python is started decides what stands first in `sys.path`: a file, `-m` and `-c` differ.",
        "A file: its own folder. `-m`: the folder in which you stand. `-c`: an empty text, which means the folder in which you stand. `PYTHONPATH` comes behind all of these.",
        "Say it as seen from the folder `kiosk`: `kiosk` itself is `.`, and a folder in it has just its name.",
    ],
)
def first_entries_are_right(work: Workspace) -> None:
    """`kiosk/answer.json` says for each of the three commands in which folder Python looks first."""
    _compare(
        work,
        "first",
        "Python looks first in",
        "The way of starting decides this, and `PYTHONPATH` comes behind it.",
    )


@check(
    task=2,
    points=1,
    hints=[
        "Of two files with one name, the one in the folder that is looked through first wins.",
        "The first folder of `sys.path` which holds a `settings.py` is the one. You need no more than the other half of your answer, and a look at what lies where.",
        "Write the path of the file as seen from the folder `kiosk`.",
    ],
)
def origins_are_right(work: Workspace) -> None:
    """`kiosk/answer.json` says for each of them which `settings.py` is imported."""
    _compare(work, "origin", "`settings` is", "The first folder of `sys.path` that holds a `settings.py` wins.")


@check(
    task=2,
    points=2,
    acts=True,
    acts_in="kiosk",
    hints=[
        "Nothing may be edited but `run.sh`. What in the command decides where Python looks first?",
        "`PYTHONPATH` is looked through *after* the first entry. So either another first entry is needed, or none.",
        "`python3 --help` knows an option for starting a module by its dotted name, and another one (since 3.11) which leaves the script's folder out.",
    ],
)
def run_sh_takes_the_other(work: Workspace) -> None:
    """`kiosk/run.sh` greets with `kiosk/settings.py`, and no other file has changed."""
    for path in ("kiosk/settings.py", "kiosk/tools/settings.py", "kiosk/tools/greet.py"):
        _must_be_as_before(work, path)
    root, values = _ask(
        work,
        "kiosk/run.sh",
        "kiosk/tools/greet.py",
        "__import__('os').path.abspath(settings.__file__)",
        "__import__('os').path.abspath(sys.path[0])",
        "__import__('os').environ.get('PYTHONPATH', '')",
    )
    origin, first, variable = (posixpath.relpath(one, root) if one.startswith("/") else one for one in values)
    if origin == "kiosk/settings.py":
        return
    why = "the first folder of `sys.path` is the one that holds it."
    if variable and first == "kiosk/tools":
        why = "the first folder of `sys.path` is the script's own, and comes before `PYTHONPATH`."
    raise Failed(
        expected="`kiosk/run.sh` greets with `kiosk/settings.py`.",
        found=f"`kiosk/run.sh` greets with {code(origin)}: {why}",
        next_step="Run `bash kiosk/run.sh` and read where Python looked first.",
        evidence=r"settings come from (?!.*/kiosk/settings\.py)",
    )


def _answers(work: Workspace) -> dict[str, dict[str, Any]]:
    """Read answer.json; raises Failed where it hasn't the form that the task asks for."""
    file = work.file("kiosk/answer.json").require()
    expected = '`kiosk/answer.json` is JSON of the form `{"a": {"first": "…", "origin": "…"}, "b": …, "c": …}`.'
    try:
        found = json.loads(file.text)
    except (ValueError, RecursionError):
        raise Failed(
            expected=expected,
            found="`kiosk/answer.json` can't be read as JSON. It wants double quotes, a comma between two things, and none after the last.",
            next_step="Run `python3 -m json.tool kiosk/answer.json` to see where it goes wrong.",
            evidence=r"\S",
        ) from None
    for name in _LETTERS:
        answer = found.get(name) if isinstance(found, dict) else None
        if not isinstance(answer, dict) or not all(isinstance(answer.get(key), str) for key in ("first", "origin")):
            raise Failed(
                expected=expected,
                found=f"`kiosk/answer.json` has no `first` and `origin`, both texts, for command {code(name)}.",
                next_step="Run `cat kiosk/answer.json` to read it again.",
                evidence=r"\S",
            )
    return {name: found[name] for name in _LETTERS}


def _compare(work: Workspace, key: str, says: str, why: str) -> None:
    commands = work.variant["commands"]
    root = f"{work.facts.root}/kiosk"
    for name, answer in _answers(work).items():
        written = posixpath.normpath(answer[key].strip() or ".")
        if not written.startswith("/"):
            inside = written.removeprefix("kiosk").removeprefix("/") if written.split("/")[0] == "kiosk" else written
            written = f"{root}/{inside}"
        shown = posixpath.relpath(written, root)
        if shown != commands[f"{name}.{key}"]:
            raise Failed(
                expected=f"For each command, {code(key)} is what is so when the command is typed in `kiosk`.",
                found=f"For command {code(name)}, `kiosk/answer.json` says that {says} {code(shown)}, and that isn't so. {why}",
                next_step=f"Run {code('cd kiosk; ' + commands[f'{name}.line'])} and read what it says.",
                evidence=r"settings come from[\s\S]*looked first in",
            )


def _must_be_as_before(work: Workspace, path: str) -> None:
    expected = "Only `kiosk/run.sh` is changed."
    if not work.file(path).exists:
        folder = posixpath.dirname(path)
        raise Failed(
            expected=expected,
            found=f"{code(path)} is gone; only the way in which the kiosk is started may change. *Start over* brings it back.",
            next_step=f"Run {command('ls', '-l', folder)} to see what is there.",
            evidence=rf"\A(?![\s\S]*\s{re.escape(posixpath.basename(path))}$)",
        )
    if work.file(path).text.split() != (START / path).read_text("utf-8").split():
        raise Failed(
            expected=expected,
            found=f"{code(path)} was edited; only the way in which the kiosk is started may change. *Start over* brings it back.",
            next_step=f"Run {command('cat', path)} to see what it says now.",
            evidence=r"\S",
        )


# ---- Task 3: The edit that nobody sees

_OLD, _NEW = "3.20", "3.80"


@check(
    task=3,
    points=1,
    hints=[
        "Read `prices.py`, then start the till. Where does the 3.20 come from, if not from this file?",
        "Python keeps a module's compiled form in the folder `__pycache__`, and decides by the source's time and size whether it is still good.",
        "The old bytecode has to go or to be made again. A tool which asks whether it is still good gets the same wrong answer, unless it is forced.",
    ],
)
def old_bytecode_is_gone(work: Workspace) -> None:
    """No bytecode of the till's prices holds the old price any more."""
    for path in _bytecode(work):
        if _OLD.encode() in work.file(path).content:
            raise Failed(
                expected="No bytecode in `till/` was made from the old text.",
                found=f"{code(path)} still holds {code(_OLD)}: it was made before the edit, which left the time and the size of `prices.py` as they were.",
                next_step=f"Run {command('grep', '-a', '-o', '3[.]20', path)} to see the old price in it.",
                evidence=r"^3\.20$",
            )


_EDIT_AGAIN = """
made=$1 price=$2
printf '\\nprint("%s", __import__("prices").TEA)\\n' "$3" >> till.py
if [ "$made" = safe ]; then :
else
  if [ "$made" != none ]; then touch -d "@$made" prices.py; fi
  bash run.sh > first 2>&1
fi
cp -p prices.py before
sed "s/3\\.80/$price/" before > prices.py
touch -r before prices.py
bash run.sh
"""


@check(
    task=3,
    points=2,
    acts=True,
    acts_in="till",
    after=old_bytecode_is_gone,
    hints=[
        "It works today. What if tomorrow the price becomes 3.90, and the file again gets the same date?",
        "Bytecode may carry a hash of the source instead of its time; or the till may do without bytecode on the disk. `python3 -m compileall --help` and `python3 --help-env` know the words.",
        "Compile with the invalidation mode in which Python compares the hash at each start (not the one in which it never looks); or tell Python in `run.sh` to write no bytecode, and leave none behind.",
    ],
)
def next_edit_is_seen(work: Workspace) -> None:
    """The till takes the price in `prices.py`, and will also after an edit that keeps time and size."""
    work.source("till/prices.py")
    if _NEW not in work.file("till/prices.py").text:
        raise Failed(
            expected=f"In `till/prices.py`, tea is {code(_NEW)}.",
            found=f"`till/prices.py` doesn't say {code(_NEW)} any more.",
            next_step="Run `cat till/prices.py` to read it.",
            evidence=r"\A(?![\s\S]*3\.80)",
        )
    made = {path: _how_made(work.file(path).content) for path in _bytecode(work)}
    for path, how in made.items():
        if how == "never":
            raise Failed(
                expected="Bytecode of the till is compared with its source, and not by time and size.",
                found=f"{code(path)} carries a hash, but is marked as one that is never checked: no later edit will be seen at all.",
                next_step=f"Run {command('od', '-t', 'u4', '-N', '16', path)}: the second number after the address is 1; 3 would mean that it is checked.",
                evidence=r"^0000000\s+\d+\s+1\s",
            )
    price = f"{secrets.randbelow(5) + 5}.{secrets.randbelow(90) + 10}"
    stated = next(iter(made.values()), "none")
    mark = secrets.token_hex(12)
    work.file("till/till.py").require()
    ran = work.run("bash", "-c", _EDIT_AGAIN, "edit", stated, price, mark, cwd="till")
    if f"{mark} {price}" in ran.output and ran.exit_status == 0:
        return
    if price in ran.output and mark not in ran.output:
        raise Failed(  # told by somebody else, who may have read the file
            expected="`till/run.sh` starts `till/till.py`, which asks `prices` for the price.",
            found="`till/run.sh` tells the price, but doesn't run `till/till.py` to its end.",
            next_step="Run `cat till/run.sh` to see what it starts.",
            evidence=r"\S",
        )
    if _NEW not in ran.output:
        raise Failed(
            expected="`till/run.sh` tells the price that stands in `prices.py`.",
            found="`till/run.sh` doesn't tell the price that stands in `prices.py`.",
            next_step="Run `bash till/run.sh; echo exit status $?` and read what it says.",
            evidence=r"exit status",
        )
    if stated == "none" and re.search(r"PYCACHEPREFIX|pycache_prefix", work.file("till/run.sh").text):
        raise Failed(
            expected="The till sees each edit of `prices.py`, also one that keeps time and size.",
            found="It works now, but the bytecode is only written into another folder, and is trusted there by time and size as well.",
            next_step="Run `grep -n -i pycache till/run.sh` to see where it is sent.",
            evidence=r"(?i)pycache",
        )
    if stated == "none":
        raise Failed(
            expected="The till sees each edit of `prices.py`, also one that keeps time and size.",
            found="It works now, but at its next start `till/run.sh` lets Python write bytecode that is trusted by time and size: the same edit would hide again.",
            next_step="Run `bash till/run.sh; ls till/__pycache__` to see what it writes.",
            evidence=r"^prices\..*pyc$",
        )
    raise Failed(
        expected="The till sees each edit of `prices.py`, also one that keeps time and size.",
        found=f"It works now, but {code(next(iter(made)))} is again trusted by time and size: the same edit would hide again.",
        next_step=f"Run {command('od', '-t', 'u4', '-N', '16', next(iter(made)))}: the second number after the address is 0, "
        "which means that the third and the fourth, time and size, decide.",
        evidence=r"^0000000\s+\d+\s+0\s",
    )


def _bytecode(work: Workspace) -> list[str]:
    """Find the bytecode of `prices`, for the Python with which the learner worked first."""
    tag = "".join(work.facts.python_version.split(".")[:2])
    found = [f"till/__pycache__/{name}" for name in work.tree.names("till/__pycache__") if name.startswith("prices.")]
    found = [path for path in found if path.endswith(".pyc") and work.file(path).exists]
    return sorted(found, key=lambda path: (f"cpython-{tag}." not in path, path))


def _how_made(content: bytes) -> str:
    """Read from a .pyc's header (PEP 552) how Python will trust it: by a time (given in seconds), by a hash, or blindly."""
    flags = int.from_bytes(content[4:8], "little")
    if flags & 1:
        return "safe" if flags & 2 else "never"
    return str(int.from_bytes(content[8:12], "little"))


# ---- Task 4: Opened once


@check(
    task=4,
    points=2,
    acts=True,
    acts_in="stock",
    hints=[
        "Which modules does `app.py` load? `python3 -X importtime` lists them all, with their full names.",
        "`sys.modules` knows a module by its name, not by its file. Under how many names is `conn.py` imported here, and by whom?",
        "One of the two names has to go: both files that import it must write it alike. Then look whether the line that appends to `sys.path` is still of use.",
    ],
)
def executed_once(work: Workspace) -> None:
    """`stock/app.py` executes `conn.py` once."""
    names, status, _ = _run_app(work, "tea\n")
    if len(names) == 1:
        return
    if not names and status != 0:
        raise Failed(
            expected="`stock/app.py` opens the register by importing `conn.py`.",
            found="`stock/app.py` ends with an error before it has imported `conn.py`.",
            next_step="Run `python3 stock/app.py; echo exit status $?`: which file asks for what, and isn't given it?",
            evidence=r"exit status [1-9]",
        )
    if not names:
        raise Failed(
            expected="`stock/app.py` opens the register by importing `conn.py`.",
            found="`stock/app.py` no longer imports `conn.py`, so nothing gets into the register.",
            next_step="Run `python3 -X importtime stock/app.py 2>&1 | tail -n 5` to see which modules it loads at last.",
            evidence=r"\A(?![\s\S]*\bconn$)",
        )
    raise Failed(
        expected="`conn.py` is executed once.",
        found=f"`conn.py` is executed {len(names)} times, as {listing(names)}. One file under two names is two modules, each with variables of its own.",
        next_step="Run `python3 -X importtime stock/app.py 2>&1 | grep conn` to see both.",
        evidence=r"conn\n[\s\S]*conn\n",
    )


@check(
    task=4,
    points=2,
    acts=True,
    acts_in="stock",
    after=executed_once,
    hints=[
        "One connection is half of it. Does `app.py` count what was sold?",
        "What `sales.py` writes down and what `labels.py` counts must be the same list.",
        "A list is the same if both get it from the same module. A second file with the same text is another module.",
    ],
)
def count_is_right(work: Workspace) -> None:
    """`stock/app.py` counts everything in `today.txt`."""
    number = secrets.randbelow(900) + 100
    _, status, output = _run_app(work, "tea\n" * number)
    if re.search(rf"^Sold today: {number}$", output, re.MULTILINE) is None:
        raise Failed(
            expected="`stock/app.py` says how many lines `today.txt` has.",
            found="`stock/app.py` ends with an error before it has counted."
            if status != 0
            else "`stock/app.py` says another number than `today.txt` has lines: what is written down and what is counted are not one list.",
            next_step="Run `python3 stock/app.py; wc -l stock/today.txt` and compare the two numbers.",
            evidence=r"today\.txt$",
        )


_APP = """
printf '%s' "$1" > today.txt
find . -name conn.py -exec sh -c 'printf "\\nprint(\\"%s\\", __name__)\\n" "$1" >> "$2"' - "$2" {} ';'
python3 app.py 2>&1
"""


def _run_app(work: Workspace, today: str) -> tuple[list[str], int, str]:
    """Run app.py on other goods; give the names under which any `conn.py` was executed, the exit status and what it said."""
    work.file("stock/app.py").require()
    mark = secrets.token_hex(12)
    ran = work.run("bash", "-c", _APP, "app", today, mark, cwd="stock")
    return re.findall(rf"^{mark} (\S+)$", ran.output, re.MULTILINE), ran.exit_status, ran.output


# ---- What several of them need

_START = """
pwd
kept=$(mktemp) && cp -p "$2" "$kept"
printf '\\n%s\\n' "$3" >> "$2"
bash "$1"
status=$?
cp -p "$kept" "$2"
rm "$kept"
exit "$status"
"""


def _ask(work: Workspace, script: str, program: str, *asked: str) -> tuple[str, list[str]]:
    """Run a script which runs a program; give the workspace's top as it is called there, and the values of the expressions `asked`.

    The program tells them in a line that is added to it, under a mark which nobody knows beforehand: what the script prints by itself is not believed.
    """
    mark = secrets.token_hex(12)
    # backwards: who reads this line and prints what looks like the mark hasn't run it
    line = f"import sys; print({mark[::-1]!r}[::-1], {', '.join(asked)}, sep='\\t')"
    ran = work.run("bash", "-c", _START, "start", script, program, line)
    if ran.exit_status != 0:
        raise Failed(
            expected=f"{code(script)} succeeds.",
            found=f"{code(script)} ends with exit status {ran.exit_status}.",
            next_step=f"Run {code(f'bash {script}; echo exit status $?')} and read what it says.",
            evidence=r"exit status [1-9]",
        )
    told = re.search(rf"^{mark}\t(.*)$", ran.output, re.MULTILINE)
    if told is None:
        raise Failed(
            expected=f"{code(script)} starts {code(program)}.",
            found=f"{code(script)} succeeds, but doesn't run {code(program)} to its end.",
            next_step=f"Run {command('cat', script)} to see what it starts.",
            evidence=r"\S",
        )
    return ran.output.partition("\n")[0], told.group(1).split("\t")
