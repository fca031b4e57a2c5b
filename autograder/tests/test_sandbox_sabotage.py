"""With any mechanism of the sandbox sabotaged, the tier is not claimed and grading stops with a sentence: the real commands, on a machine made worse."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder import folder
from autograder.exercise import find_exercise
from autograder.places import cache, course_root
from autograder.runner import check_snapshot, snapshot_name
from autograder.sandbox import watch
from autograder.sandbox.growth import Growth
from autograder.sandbox.system_python import seed
from pods import pod_command, why_no_pods
from sandbox_places import sandbox_of

ALL = int(os.environ.get("WHEELHOUSE_ROUNDS") or 1) > 1
"""Whether `course check --snapshot` is tried beside `course grade` each time: they ask at the same place."""
COURSE = [sys.executable, "-m", "autograder.cli"]
BUBBLEWRAP = Path("/usr/bin/bwrap")
LEAVES_OUT = """#!{python} -IS
import os, sys
given = sys.argv[1:]
at = given.index("--args")
words = os.pread(int(given[at + 1]), 1 << 20, 0).split(b"\\0")[:-1]
drop = {drop!r}
kept = []
while words:
    word = words.pop(0)
    if word.decode() in drop:
        del words[: drop[word.decode()]]
    else:
        kept.append(word)
new = os.memfd_create("options", 0)
os.write(new, b"".join(word + b"\\0" for word in kept))
os.lseek(new, 0, 0)
given[at + 1] = str(new)
os.execv({real!r}, ["bwrap", *given])
"""
NO_NAMESPACES = """#!{python} -IS
import json, os, sys
given = sys.argv[1:]
at = given.index("--args")
words = os.pread(int(given[at + 1]), 1 << 20, 0).split(b"\\0")[:-1]
for option in (b"--info-fd", b"--json-status-fd"):
    if option in words:
        os.write(int(words[words.index(option) + 1]), json.dumps({{"child-pid": os.getpid()}}).encode() + b"\\n")
os.execvp(given[given.index("--") + 1], given[given.index("--") + 1 :])
"""


@dataclass(frozen=True)
class Handed:
    """What a stranger handed in: its program leaves a trace wherever it runs unsandboxed."""

    snapshot: Path
    trace: Path
    classroom: Path


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handed]:
    """A workspace of exercise 01, whose first check runs it; and a class in which it was submitted."""
    exercise, tmp_path = find_exercise("01"), tmp_path_factory.mktemp("sabotage")
    labs = tmp_path / "labs"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(labs))
        live = folder.begin(exercise)
        trace = tmp_path / "trace"
        report = live.project / "report" / "report.py"
        report.write_text(f"# {uuid.uuid4()}\nopen({str(trace)!r}, 'w').close()\n{report.read_text()}")
        data = live.snapshot()
    snapshot = tmp_path / snapshot_name(exercise)
    snapshot.write_bytes(data)
    classroom = tmp_path / "class"
    submitted = classroom / ".grading" / "submitted" / "ann" / exercise.id
    submitted.mkdir(parents=True)
    shutil.copy(snapshot, submitted)
    root = course_root()
    assert root is not None
    shutil.copy(root / "nbgrader_config.py", classroom)
    for name in ("notebooks", "exercises", "solutions"):
        (classroom / name).symlink_to(root / name)
    yield Handed(snapshot, trace, classroom)
    folder.remove_tree(labs)


def instead_of_bubblewrap(tmp_path: Path, text: str | None) -> list[str]:
    """Give what to write before a command so that it meets another bubblewrap, or none: a mount that only it sees."""
    sandbox_of("strong")
    if not BUBBLEWRAP.is_file():
        pytest.skip("bubblewrap stands elsewhere")
    real = tmp_path / "real-bwrap"
    shutil.copy(BUBBLEWRAP, real)
    fake = tmp_path / "bwrap"
    fake.write_text(text or "")
    fake.chmod(0o644 if text is None else 0o755)
    unshare = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    before = [
        *unshare,
        "sh",
        "-c",
        'mount --bind "$0" "$1" && shift && exec "$@"',
        str(fake),
        str(BUBBLEWRAP.resolve()),
    ]
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mounts can be made here")
    return before


def course(before: Sequence[str], *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `course` on the machine that was made worse."""
    environment = {
        **os.environ,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "WHEELHOUSE_CACHE": str(cache()),
        **variables,
    }
    return subprocess.run(
        [*before, *COURSE, *words], env=environment, cwd="/", capture_output=True, text=True, timeout=120, check=False
    )


def stopped(
    handed: Handed, before: Sequence[str], reason: str, tier: str = "strong", unsafe: Sequence[str] = ()
) -> None:
    """Make sure that a tier is not claimed, for this reason, and that neither command grades."""
    claimed = {one["tier"]: one for one in tiers_seen(before)}
    assert not claimed[tier]["works"], claimed
    assert reason in claimed[tier]["reason"]
    for sentence in grading_ends(handed, before, *unsafe):
        assert "Other people's work is run in the strong sandbox only" in sentence


def grading_ends(handed: Handed, before: Sequence[str], *words: str, **variables: str) -> list[str]:
    """Let both commands try to grade; give what they said."""
    labs = str(handed.classroom / "labs")
    told = []
    commands = [["check", "01", "--snapshot", str(handed.snapshot)], ["grade", "01"]]
    for command in commands if ALL else commands[-1:]:
        done = course(
            before, *command, *words, WHEELHOUSE_LABS=labs, WHEELHOUSE_COURSE=str(handed.classroom), **variables
        )
        assert done.returncode == 3, done.stdout + done.stderr
        told.append(" ".join((done.stdout + done.stderr).split()))
    assert not handed.trace.exists()
    assert not list((handed.classroom / ".grading").rglob("*.db")), "points were written"
    return told


LOOK = """
import dataclasses, json
from autograder.sandbox.choice import tiers
print(json.dumps([dataclasses.asdict(one) for one in tiers(None)]))
"""


def tiers_seen(before: Sequence[str]) -> list[dict[str, str]]:
    """Ask which tiers are claimed there."""
    environment = {**os.environ, "PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*before, sys.executable, "-c", LOOK],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: list[dict[str, str]] = json.loads(done.stdout)
    return told


def test_without_bubblewrap(handed: Handed, tmp_path: Path) -> None:
    """It is gone: neither command runs anything."""
    before = instead_of_bubblewrap(tmp_path, None)
    stopped(handed, before, "bubblewrap is not installed")
    checked = course(before, "check", "01", "--snapshot", str(handed.snapshot), WHEELHOUSE_LABS=str(tmp_path))
    assert checked.returncode == 3
    assert "strong sandbox only" in " ".join(checked.stdout.split())


def test_a_bubblewrap_without_namespaces(handed: Handed, tmp_path: Path) -> None:
    """It runs the command and says that all is well."""
    fake = NO_NAMESPACES.format(python=sys.executable)
    stopped(handed, instead_of_bubblewrap(tmp_path, fake), "no namespace of its own")


@pytest.mark.parametrize(
    ("drop", "reason"),
    [
        ({"--seccomp": 1}, "its system call filter is not in force"),
        ({"--unshare-net": 0}, "no namespace of its own"),
        *([({"--unshare-pid": 0}, ""), ({"--unshare-ipc": 0}, "no namespace of its own")] if ALL else []),
        ({"--remount-ro": 1}, "the system's own folders are writable in it"),
    ],
    ids=lambda drop: next(iter(drop)).strip("-") if isinstance(drop, dict) else "",
)
def test_a_bubblewrap_that_leaves_something_out(
    handed: Handed, tmp_path: Path, drop: dict[str, int], reason: str
) -> None:
    """All else is as asked for: the filter, one namespace, the read-only folders."""
    fake = (
        LEAVES_OUT.replace("{python}", sys.executable)
        .replace("{drop!r}", repr(drop))
        .replace("{real!r}", repr(str(tmp_path / "real-bwrap")))
    )
    stopped(handed, instead_of_bubblewrap(tmp_path, fake), reason)


@pytest.mark.parametrize(
    ("without", "tier"),
    [("seccomp", "strong-pod"), ("seccomp", "medium"), ("landlock", "medium"), ("rules", "medium")],
)
def test_a_pod_that_lacks_a_mechanism(handed: Handed, without: str, tier: str) -> None:
    """The filter is refused, Landlock is absent, or takes no rule: not even who accepts the medium tier gets anything graded."""
    if reason := why_no_pods():
        pytest.skip(reason)
    if os.getuid() != 0:
        pytest.skip("in a pod of an ordinary user's the tests' own folders can't be reached")
    profile = "P1" if tier == "medium" else "P0"
    before = pod_command(profile, without=[without], uid=0)
    stopped(handed, before, "", tier, ["--unsafe-medium"] if tier == "medium" else [])


@pytest.mark.parametrize("changed", ["inner.py", "os.py"] if ALL else ["os.py"])
def test_a_system_python_that_was_tampered_with(handed: Handed, tmp_path: Path, changed: str) -> None:
    """Another content under the same name, size and time: only a look at each byte tells."""
    other = tmp_path / "cache"
    (other / "system-python").mkdir(parents=True)
    for entry in cache().iterdir():
        if entry.name != "system-python":
            (other / entry.name).symlink_to(entry)
    subprocess.run(["cp", "-a", str(seed()), str(other / "system-python")], check=True)
    victim = next(path for path in (other / "system-python" / seed().name).rglob(changed) if path.is_file())
    state, text = victim.stat(), victim.read_bytes()
    victim.chmod(0o644)
    victim.write_bytes(text.replace(b"import sys", b"import abc", 1))
    os.utime(victim, ns=(state.st_atime_ns, state.st_mtime_ns))
    victim.chmod(state.st_mode)
    assert victim.read_bytes() != text
    for sentence in grading_ends(handed, [], WHEELHOUSE_CACHE=str(other)):
        assert f"{changed} was changed" in sentence


def test_an_index_that_is_gone(handed: Handed, tmp_path: Path) -> None:
    """A cache that can't be read or written has no index: the sentence says which folder."""
    (tmp_path / "cache").write_text("no folder")
    for sentence in grading_ends(handed, [], WHEELHOUSE_CACHE=str(tmp_path / "cache")):
        assert str(tmp_path / "cache") in sentence


def test_bounds_that_nobody_can_watch(handed: Handed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that doesn't say how full it is can't be bounded: nothing is run, and no point is lost."""
    sandbox_of("strong")

    def refused(_: object) -> Growth:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(watch, "Growth", refused)
    verdict = check_snapshot(handed.snapshot.read_bytes())
    outcomes = [one for task in verdict.tasks for one in task.outcomes if one.check.acts]
    assert {one.state for one in outcomes} <= {"error", "waiting"}
    assert any("can't be watched, so it isn't run" in (one.found or "") for one in outcomes)
    assert not handed.trace.exists()
