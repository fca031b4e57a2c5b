"""The course in a Kubernetes pod: the tiers that are claimed there, and an exercise done from begin to check."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.exercise import find_exercise
from autograder.places import cache, course_root
from autograder.sandbox.landlock import landlock_abi
from autograder.sandbox.system_python import seed
from pods import UID, pod_command, why_no_pods
from sandbox_places import bubblewrap_here

needs_landlock = pytest.mark.skipif(not landlock_abi(), reason="this kernel has no Landlock")


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A folder that belongs to the pod's user, with what the course once made or fetched on this machine in its cache."""
    if reason := why_no_pods():
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="wheelhouse-pod-"))
    folder.chmod(0o755)
    for name in ("home", "course", "labs", "tmp", "cache/system-python", "cache/index", "cache/tools"):
        (folder / name).mkdir(parents=True)
    (folder / "cache/system-python" / seed().name).symlink_to(seed())
    for part in ("index", "tools"):
        for made in (cache() / part).glob("[!.]*"):
            if made.is_dir():
                (folder / "cache" / part / made.name).symlink_to(made)
    if (fetched := cache() / "bubblewrap").is_dir():  # it is taken only if it lies there itself
        shutil.copytree(fetched, folder / "cache/bubblewrap")
    if os.getuid() == 0:
        subprocess.run(["chown", "-hR", f"{UID}:{UID}", str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)


def in_pod(profile: str, ground: Path, *command: str, without: tuple[str, ...] = (), **variables: str) -> str:
    """Run a command there, and give what it says."""
    show = [course_root() or ground, Path(sys.prefix), cache(), ground]
    done = subprocess.run(
        [*pod_command(profile, without=without, show=show), *command],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(ground / "home"),
            "TMPDIR": str(ground / "tmp"),
            "WHEELHOUSE_COURSE": str(ground / "course"),
            "WHEELHOUSE_CACHE": str(ground / "cache"),
            "WHEELHOUSE_LABS": str(ground / "labs"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "WHEELHOUSE_LEARNER": os.environ.get("WHEELHOUSE_LEARNER", ""),
            "NO_COLOR": "1",
            **variables,
        },
        cwd="/",
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode < 2, done.stdout + done.stderr
    return done.stdout + done.stderr


TIERS_THERE = """
import json
from autograder.index import PackageIndex
from autograder.sandbox import choose, tiers
print(json.dumps([choose(PackageIndex.open()).tier, {one.tier: one.reason for one in tiers(PackageIndex.open())}]))
"""


def tiers_in(profile: str, ground: Path, *, without: tuple[str, ...] = ()) -> tuple[str, dict[str, str]]:
    """Give the tier that is taken in a pod, and why each doesn't work there."""
    said = in_pod(profile, ground, sys.executable, "-c", TIERS_THERE, without=without)
    taken, reasons = json.loads(said.splitlines()[-1])
    return taken, reasons


@pytest.mark.parametrize(("profile", "namespaces"), [("P0", "yes"), ("P1", "no")])
def test_it_is_as_in_a_pod(ground: Path, profile: str, namespaces: str) -> None:
    """No capabilities, no new privileges, processes of its own, a masked `/proc`; namespaces by the profile."""
    text = """
    id -u; echo $$; sed -n 's/^\\(CapEff\\|CapBnd\\|NoNewPrivs\\|Seccomp\\):\\s*//p' /proc/self/status
    echo $(ls -d /proc/[0-9]* | wc -l); wc -c < /proc/keys; test -w /proc/sys/kernel/hostname || echo read-only
    unshare -U true 2>/dev/null && echo yes || echo no"""
    said = in_pod(profile, ground, "sh", "-c", text).split()
    zero = "0" * 16
    assert said[2:4] == [zero, zero]
    assert said[4:6] == ["1", {"P0": "0", "P1": "2"}[profile]]
    assert int(said[1]) < 10
    assert int(said[6]) < 10
    assert said[7:] == ["0", "read-only", namespaces]
    assert said[0] == str(UID if os.getuid() == 0 else os.getuid())


def test_where_namespaces_may_be_made_the_strong_tier_is_had_without_a_proc_of_its_own(ground: Path) -> None:
    """Kubernetes as it comes: `/proc` can't be mounted, and the report says so."""
    bubblewrap_here()
    taken, reasons = tiers_in("P0", ground)
    assert taken == "strong-pod"
    assert "proc" in reasons["strong"]
    assert reasons["strong-pod"] == ""


@needs_landlock
def test_where_they_may_not_the_medium_tier_is_taken(ground: Path) -> None:
    """A locked-down pod: the reasons name the namespaces, and nothing stronger is claimed."""
    taken, reasons = tiers_in("P1", ground)
    assert taken == "medium"
    assert reasons["medium"] == reasons["basic"] == ""
    bubblewrap_here()
    assert "namespace" in reasons["strong"]
    assert "namespace" in reasons["strong-pod"]


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("landlock", "no Landlock"), ("rules", "refuses a rule"), ("seccomp", "can't be closed")],
)
@needs_landlock
def test_what_cannot_be_closed_is_not_claimed(ground: Path, missing: str, reason: str) -> None:
    """With Landlock hidden, with its rules or our filter refused, the basic tier is taken and the medium one says what is missing."""
    taken, reasons = tiers_in("P1", ground, without=(missing,))
    assert taken == "basic"
    assert reason in reasons["medium"]


@needs_landlock
def test_an_exercise_is_done_in_a_locked_down_pod(ground: Path) -> None:
    """Begun, answered and checked with all points, in the medium tier; the doctor says what a stronger one would need."""
    exercise = find_exercise("01")
    answers = "\n".join(f"(\n{task.answer}\n)" for task in exercise.tasks)
    course = f'"{sys.executable}" -m autograder.cli'
    script = f"""
    {course} begin 01 >&2 || exit 2
    {course} shell 01 -- bash -c 'echo "tier $WHEELHOUSE_TIER"' || exit 2
    {course} shell 01 -- bash -c "$ANSWERS" >&2
    {course} check 01 --json | tr -d '\\n'; echo
    {course} doctor; true"""
    said = in_pod("P1", ground, "sh", "-c", script, ANSWERS=answers, KUBERNETES_SERVICE_HOST="10.0.0.1")
    lines = said.splitlines()
    assert lines[0] == "tier medium", said
    verdict = json.loads(lines[1])
    assert verdict["score"] == exercise.points, said
    assert "medium is in force" in said
    bubblewrap_here()
    assert "seccompProfile: {type: Unconfined}" in said


@pytest.fixture
def neighbours() -> Iterator[None]:
    """Other pods of the same machine: 600 processes of the same user, which a pod can't see and the kernel counts."""
    if os.getuid() != 0:
        pytest.skip("only root can start processes of the pod's user outside of the pod")
    code = f"""
import os, sys
os.setgid({UID}); os.setuid({UID})
end, held = os.pipe()
for _ in range(600):
    if os.fork() == 0:
        os.close(held)
        os.read(end, 1)  # until the first one is gone, however it ended
        os._exit(0)
print("there", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-I", "-S", "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        yield


BOUNDED = r"""
from autograder.exercise import find_exercise
from autograder.folder import begin
from autograder.index import PackageIndex
from autograder.sandbox import Limits, choose
live = begin(find_exercise("06"))
program = "import threading, time\nfor _ in range(60): threading.Thread(target=time.sleep, args=(20,)).start()"
done = choose(PackageIndex.open()).run(["python3", "-c", program], live.place, limits=Limits(processes=50))
print(done.stopped)
"""


@needs_landlock
@pytest.mark.usefixtures("neighbours")
def test_the_neighbours_processes_are_not_the_learners(ground: Path) -> None:
    """The kernel counts all processes of a user, whichever pod they are in: commands run nevertheless, with the bound of their own."""
    course = f'"{sys.executable}" -m autograder.cli'
    several = "for _ in 1 2 3 4 5 6; do sleep 0.2 & done; wait; echo all done in $WHEELHOUSE_TIER"
    script = f"""{course} begin 06 >&2 || exit 2; {course} shell 06 -- bash -c '{several}'"""
    assert "all done in medium" in in_pod("P1", ground, "sh", "-c", script)
    said = in_pod("P1", ground, sys.executable, "-c", BOUNDED)
    assert said.splitlines()[-1] == "stopped: more than 50 processes and threads"
