"""Tests of `autograder.changes`: real commands in a real shell of the sandbox, and what is said of them."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import folder
from autograder.changes import Observer, as_html, as_text, glance, last, signal_file
from autograder.changes.change import Change, Step
from autograder.changes.compare import compare
from autograder.changes.listing import Listing, take
from autograder.folder import LiveWorkspace
from autograder.sandbox import Shell
from autograder.sandbox.prompts import Prompt


class Learner:
    """Somebody who types in one shell."""

    def __init__(self, live: LiveWorkspace) -> None:
        """Open the shell, and have it observed."""
        self.live = live
        self.shell: Shell = live.sandbox.shell(live.place, hear=Observer(live, "cell").hear)
        self.said = ""
        self.type("true")

    def type(self, command: str) -> list[tuple[str, str, str, str]]:
        """Run a command and give what it changed: area, kind, change, name and version."""
        said: list[str] = []
        self.shell.run(command, said.append)
        self.said = "".join(said)
        return [told(one) for one in last(self.live)[-1].changes]

    def shown(self) -> str:
        """What `course diff` says now."""
        return as_text(last(self.live))


def told(one: Change) -> tuple[str, str, str, str]:
    """Shorten a change."""
    return one.area, one.kind, one.change, " ".join(filter(None, (one.name, one.before, one.after)))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWorkspace]:
    """A workspace of no exercise, which the tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(tmp_path_factory.mktemp("changes") / "labs"))
        live = folder.begin_free("changes")
        yield live
        folder.remove_tree(live.project.parent)


@pytest.fixture
def learner(live: LiveWorkspace) -> Iterator[Learner]:
    """A learner at the top of an empty project, with a system Python, a HOME and a shell as new."""
    one = Learner(folder.begin_free(live.name, fresh=True))
    yield one
    one.shell.close()


def test_one_day_with_an_environment(learner: Learner) -> None:
    """Making, activating, installing, replacing and uninstalling are told as such, each in its environment and with versions."""
    assert learner.type("python -m venv .venv")[0][:3] == ("environment", "environment", "added")
    assert "pip 2" in learner.shown()
    assert "came with it" in learner.shown()

    activated = learner.type("source .venv/bin/activate")
    assert [one[:4] for one in activated] == [
        ("shell", "activation", "added", ".venv"),
        ("shell", "path", "changed", "PATH .venv/bin"),
    ]

    installed = learner.type("pip install -q leftpad==1.0")
    assert ("environment", "distribution", "added", "leftpad 1.0") in installed
    assert ("environment", "command", "added", "leftpad") in installed
    assert not [one for one in installed if one[0] in ("system", "user", "home", "project")], (
        "all is in the environment"
    )

    assert ("environment", "distribution", "changed", "leftpad 1.0 1.2") in learner.type("pip install -q -U leftpad")
    assert "~ replaced    leftpad 1.0 → 1.2  (a newer version)" in learner.shown()

    assert ("environment", "distribution", "removed", "leftpad 1.2") in learner.type("pip uninstall -q -y leftpad")
    assert learner.type("pip --version") == []
    assert "Nothing changed." in learner.shown()

    assert ("shell", "activation", "removed", ".venv") in learner.type("deactivate")
    assert learner.type("rm -r .venv") == [("environment", "environment", "removed", ".venv")]


def test_the_wrong_pip_is_named_first(learner: Learner) -> None:
    """What a careless `pip install` did to the system Python stands above all else, with the way to do better."""
    changes = learner.type("echo x > notes.txt; pip install -q webfw")

    assert ("system", "distribution", "added", "webfw 2.0") in changes
    lines = learner.shown().splitlines()
    assert lines[1] == "  ! OUTSIDE THE PROJECT"
    assert "The system Python, which all your projects share" in lines[2]
    assert "+ installed   webfw 2.0" in lines[3]
    assert re.search(r"installed   netcore \S+  \(as a dependency\)", lines[4])
    assert lines.index("  IN THE PROJECT") < lines.index("    + new         notes.txt")
    assert "source .venv/bin/activate" in learner.shown()
    assert "pip's cache grew by" in lines[-1]


def test_the_users_own_site_is_outside_too(learner: Learner) -> None:
    """`--user` goes to ~/.local, which is no project's."""
    changes = learner.type("pip install -q --user leftpad==1.1")

    assert ("user", "distribution", "added", "leftpad 1.1") in changes
    assert ("user", "command", "added", "leftpad") in changes
    assert {one[0] for one in changes} == {"user", "cache"}


def test_what_uv_does(learner: Learner) -> None:
    """`uv add` changes the project's file, by which line, its lock and its environment; a tool gets an environment elsewhere."""
    learner.type("uv init --bare -q --name mine")
    changes = learner.type("uv add -q leftpad==1.1")

    assert ("environment", "distribution", "added", "leftpad 1.1") in changes
    assert ("project", "file", "changed", "pyproject.toml") in changes
    assert '+     "leftpad==1.1",' in learner.shown()
    assert "uv.lock" in learner.shown()

    changes = learner.type("uv tool install -q leftpad==1.1")
    assert ("user", "distribution", "added", "leftpad 1.1") in changes
    assert "An environment outside of the project, ~/.local/share/uv/tools/leftpad" in learner.shown()
    assert "IN THE PROJECT" not in learner.shown()


def test_an_editable_install_says_so(learner: Learner) -> None:
    """A distribution that runs from the project's folder is told from one that was copied."""
    learner.type("uv init -q --package --name mine . && uv venv -q")
    learner.type("uv pip install -q --no-build-isolation-package nothing -e . || uv pip install -q -e .")

    assert "mine 0.1.0  (editable: runs from its own folder)" in learner.shown(), learner.said


def test_the_shell_itself(learner: Learner) -> None:
    """Variables and the folder are told as the shell's own; a variable that isn't exported is nobody's business."""
    assert learner.type("export X=1 Y='two words'; hidden=3") == [
        ("shell", "variable", "added", "X 1"),
        ("shell", "variable", "added", "Y two words"),
    ]
    assert learner.type("X=2; unset Y") == [
        ("shell", "variable", "changed", "X 1 2"),
        ("shell", "variable", "removed", "Y two words"),
    ]
    assert learner.type("mkdir -p src/deep; cd src")[-1] == (
        "shell",
        "cd",
        "changed",
        "folder the project's folder src",
    )
    assert ("shell", "path", "changed", "PATH bin") in learner.type('export PATH="$HOME/project/bin:$PATH"')
    assert "· moved" not in learner.shown()
    assert learner.type("export PATH=")[-1][:4] == ("shell", "path", "changed", "PATH")


def test_an_editor_is_not_taken_for_the_command(learner: Learner) -> None:
    """A file that was saved before a command began is told by itself, and one saved after the last command as well."""
    (learner.live.project / "app.py").write_text("import leftpad\n")
    assert [one.source for one in last(learner.live)] == ["cell", "now"]
    assert "Since then" in learner.shown()
    time.sleep(0.3)  # nobody leaves an editor and types a command within the clock's own tick

    learner.shell.run("sleep 0.1; echo 1 > made.txt", lambda _: None)

    steps = last(learner.live)
    assert [[told(one) for one in step.changes] for step in steps] == [[("project", "file", "added", "made.txt")]]
    before, command = last(learner.live, 2)[-2:]
    assert (before.source, [one.name for one in before.changes]) == ("meanwhile", ["app.py"])
    assert command.command == "sleep 0.1; echo 1 > made.txt"


def test_a_changed_line_is_shown(learner: Learner) -> None:
    """Of a small text the lines are shown that came and went; of a file saved unchanged it is said."""
    learner.type("printf 'a==1\\nb==1\\n' > requirements.txt")
    learner.type("sed -i s/b==1/b==2/ requirements.txt")
    assert "- b==1" in learner.shown()
    assert "+ b==2" in learner.shown()
    assert "a==1" not in learner.shown()

    learner.type("touch requirements.txt")
    assert "saved again, with the same text" in learner.shown()
    learner.type("chmod +x requirements.txt")
    assert "other permissions" in learner.shown()


def test_files_changed_by_hand_in_site_packages(learner: Learner) -> None:
    """An edit of an installed file, and a file that runs at every start of Python, are named: no installer did that."""
    learner.type("python -m venv .venv")
    learner.type("echo '# mine' >> .venv/lib/python3*/site-packages/pip/__init__.py")
    assert "no installer did that" in learner.shown()


def test_a_pth_file_is_named(learner: Learner) -> None:
    """A file which Python reads at every start is never a detail, in the system Python least of all."""
    changes = learner.type("cd /usr/local/lib/python3.*/site-packages && echo 'import sys' > hook.pth; cd - >/dev/null")

    assert ("system", "startup", "added", "hook.pth") in changes
    assert "Python reads it at every start" in learner.shown()


def test_many_files_are_one_line(learner: Learner) -> None:
    """A folder that came with more files than one reads, and git's records, are told by their number."""
    assert learner.type("mkdir data; for i in {1..30}; do echo $i > data/$i; done") == [
        ("project", "folder", "added", "data")
    ]
    assert "30 files" in learner.shown()
    assert learner.type("git init -q && git add . && git commit -qm x") == [("project", "folder", "added", ".git")]
    assert learner.type("rm -r data") == [("project", "folder", "removed", "data")]


def test_settings_are_explained(learner: Learner) -> None:
    """A file in HOME that other projects feel says what it is."""
    learner.type("pip config set global.timeout 5")

    assert "pip's settings, for all your projects" in learner.shown()
    assert learner.shown().splitlines()[1] == "  ! OUTSIDE THE PROJECT"


def test_secrets_are_not_recorded(learner: Learner) -> None:
    """Neither what was typed nor what was exported or written to a file leaves its secret anywhere in the records."""
    learner.type("export TWINE_PASSWORD=hunter2aaa UV_PUBLISH_TOKEN='hunter2bbb'")
    learner.type("printf '[pypi]\\nusername = __token__\\npassword = hunter2ccc\\n' > ~/.pypirc; touch .env; true")
    learner.type("curl -s https://bob:hunter2ddd@index.example/ ; twine upload --password hunter2eee x; true")
    learner.type(" echo hunter2fff; true")
    learner.type("cat > settings.ini <<'E'\npassword = hunter2ggg\nE")

    records = learner.live.state / "records"
    text = (records / "commands.jsonl").read_text() + learner.shown()
    for secret in ("aaa", "bbb", "ccc", "ddd", "eee", "fff", "ggg"):
        assert f"hunter2{secret}" not in text
    assert "(hidden)" in text
    assert stat.S_IMODE((records / "commands.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((records / "listing.json").stat().st_mode) == 0o600


def test_the_record(learner: Learner) -> None:
    """One JSON line a command: what, how it ended, where, when and for how long; in order, for as many as are asked for."""
    learner.type("mkdir sub; cd sub; false")
    learner.type("sleep 0.2; (exit 7)")

    lines = (learner.live.state / "records" / "commands.jsonl").read_text().splitlines()
    *_, one, two = map(json.loads, lines)
    assert (one["command"], one["status"], one["source"]) == ("mkdir sub; cd sub; false", 1, "cell")
    assert (two["status"], two["cwd"].rpartition("/")[2]) == (7, "sub")
    assert 0.2 <= two["seconds"] < 10
    assert one["at"] < two["at"]
    assert [step.command for step in last(learner.live, 2)] == [one["command"], two["command"]]
    assert "exit status 7, after" in learner.shown()


def test_starting_over_is_no_change(learner: Learner) -> None:
    """After a reset nothing is said of the state before it, and the commands before it are over."""
    learner.type("python -m venv .venv")
    learner.shell.close()

    again = Learner(folder.begin_free(learner.live.name, fresh=True))
    try:
        assert again.type("ls -A") == []
        assert {step.command for step in last(again.live, 100)} == {"true", "ls -A"}
    finally:
        again.shell.close()


def test_the_record_stays_small(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it has grown beyond its bound, the older half goes; one command can't fill it."""
    from autograder.changes import record

    monkeypatch.setattr(record, "MOST_BYTES", 20_000)
    observer = Observer(learner.live, "terminal")
    for number in range(60):
        observer.hear([Prompt("zsh", 0, "/", f"echo {number} {'x' * 50_000}", False, 1.0, 2.0, {})])

    data = (learner.live.state / "records" / "commands.jsonl").read_bytes()
    assert len(data) <= 20_000
    assert json.loads(data.splitlines()[-1])["command"].startswith("echo 59 ")


@pytest.mark.parametrize(
    "damage", [b"", b"{}", b"[" * 100_000, b"\xff\xfe", b'{"version":1,"made":0,"files":[],"texts":{}}']
)
def test_damaged_records_are_begun_anew(learner: Learner, damage: bytes) -> None:
    """In the basic tier a command can write to the records: nonsense in them costs a comparison, never the shell."""
    records = learner.live.state / "records"
    for name in ("listing.json", "commands.jsonl"):
        (records / name).write_bytes(damage)

    assert learner.type("true; echo on") == []
    assert learner.said == "on\n"
    assert learner.type("echo x > after.txt") == [("project", "file", "added", "after.txt")]


def test_hostile_names_steer_nothing(learner: Learner) -> None:
    """A name with escape codes or markup is text in the terminal and text on the page."""
    learner.type("touch $'a\\e[2J\\nb' '<img src=x onerror=alert(1)>' $'\\u202egpj.exe' $'\\xff'")

    shown, page = learner.shown(), as_html(last(learner.live))
    assert "\x1b" not in shown
    assert "\u202e" not in shown + page
    assert "<img" not in page
    assert "&lt;img" in page
    shown.encode()
    page.encode()


def test_many_commands_at_once_are_told_apart(live: LiveWorkspace) -> None:
    """Who pastes lines has prompts before anybody could look: the files' own times say which line it was."""
    live = folder.begin_free(live.name, fresh=True)
    heard: list[Prompt] = []
    shell = live.sandbox.shell(live.place, hear=heard.extend)
    observer = Observer(live, "terminal")
    try:
        for number in (1, 2, 3):
            shell.run(f"sleep 0.15; echo {number} > {number}.txt; sleep 0.15", lambda _: None)
    finally:
        shell.close()
    observer.hear(heard)

    assert [[one.name for one in step.changes] for step in last(live, 3)] == [["1.txt"], ["2.txt"], ["3.txt"]]


def test_a_prompt_is_signalled(learner: Learner) -> None:
    """Each prompt changes the time of one file, which costs nothing to look at."""
    before = signal_file(learner.live).stat().st_mtime_ns
    learner.type("true")
    assert signal_file(learner.live).stat().st_mtime_ns > before


def test_a_glance_sees_what_an_editor_saves(learner: Learner) -> None:
    """The project's own files count, what an installer writes doesn't."""
    learner.type("python -m venv .venv")
    before = glance(learner.live)
    learner.type("touch .venv/lib/new.txt")
    assert glance(learner.live) == before
    (learner.live.project / "app.py").write_text("1\n")
    assert glance(learner.live) != before


def test_too_many_files_are_not_compared(learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workspace without end costs a bounded time, and nothing false is said of it."""
    from autograder.changes import listing

    monkeypatch.setattr(listing, "MOST_ENTRIES", 100)
    found = take(learner.live)

    assert not found.whole
    assert len(found.files) <= 102
    assert Listing(found.made, {}).differences(found) == {}
    assert learner.type("echo 1 > one.txt") == []
    monkeypatch.undo()
    assert learner.type("echo 2 > two.txt") == [], "the first whole listing has nothing to be compared with"
    assert learner.type("echo 3 > three.txt") == [("project", "file", "added", "three.txt")]


def test_thousands_of_folders_take_no_time(live: LiveWorkspace) -> None:
    """What is said of very many differences is found in one pass over them."""
    folder_stamp, file_stamp = (0o040755, 0, 0, 1, 0), (0o100644, 1, 1, 1, 1)
    files = {f"project/{number}": folder_stamp for number in range(20_000)}
    files |= {f"project/{number}/pyvenv.cfg": file_stamp for number in range(0, 20_000, 200)}
    before, after = Listing(0, {}), Listing(0, files)

    begun = time.process_time()
    found = compare(live, before, after, before.differences(after))

    assert len(found) == 20_000
    assert time.process_time() - begun < 20


def test_a_long_cell_is_cut(learner: Learner) -> None:
    """Of a cell with many lines the first are shown."""
    learner.type("\n".join(f"echo {number}" for number in range(100)))

    assert len(learner.shown().splitlines()) < 12
    assert "… and 93 lines more" in learner.shown()


def test_a_record_that_cannot_be_written_costs_nothing_else(learner: Learner) -> None:
    """Where the records are gone or no folder, the shell goes on."""
    folder.remove_tree(learner.live.state / "records")
    (learner.live.state / "records").write_text("in the way")

    assert learner.shell.run("echo alive", lambda text: None) == 0
    assert last(learner.live) == []
    (learner.live.state / "records").unlink()


def test_no_link_is_followed(learner: Learner, tmp_path: Path) -> None:
    """A link out of the project is a name like any other, and nothing of what it leads to is read."""
    (tmp_path / "secret.txt").write_text("outside\n")
    (learner.live.project / "link").symlink_to(tmp_path)
    (learner.live.project / "file.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(learner.live.project / "pipe.txt")

    found = take(learner.live)

    assert "project/link" in found.files
    assert not [path for path in found.files if path.startswith("project/link/")]
    assert "outside" not in str(found.texts)


def test_colour_only_repeats() -> None:
    """Without its colours the text is the same text, and signs and words say it all."""
    step = Step(
        "pip install x", "terminal", 1, "/p", 1.0, 2.0, (Change("system", "distribution", "added", "x", after="1"),)
    )
    plain, coloured = as_text([step]), as_text([step], colour=True)

    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain
    assert as_text([]) == "No command was typed in the course's shell yet."
