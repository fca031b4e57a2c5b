"""What learners and strangers may try: the table in `abuse/`, run in every tier, by every kind of user and in pods; and what they destroy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from abuse import docs
from abuse.asks import ASKS
from abuse.bounds import BOUNDS
from abuse.suite import Ended, run, surprises, why_not
from abuse.table import OUTLIVE, QUICK, ROWS, TIERS, TRAPS
from abuse.traps import TRAPS as SET_TRAPS
from autograder.sandbox import Completed, Limits, Place, Sandbox
from autograder.sandbox.system_python import empty_folder, executable_name, make_system, seed
from pods import pod_command, why_no_pods
from sandbox_places import new_place, sandbox_of

# one worker: without a sandbox, in the basic tier, root signals every process of the machine, another tier's victim among them
pytestmark = [pytest.mark.promise, pytest.mark.xdist_group("abuse")]
ALL = int(os.environ.get("WHEELHOUSE_ROUNDS") or 1) > 1
"""Whether each row is run in each tier by each user; else what is told apart by the tier or the user, which is most."""
_GROUPS = {
    "strong": ("quick", "bounds", "outlive", "traps", "asks"),
    "strong-pod": ("quick",),
    "medium": ("quick", "bounds", "outlive", "asks"),
    "basic": ("quick", "outlive"),
}
_NOBODY = "65534"


def _rows(groups: Sequence[str]) -> list[str]:
    return [row.name for row in ROWS if ALL or row.group in groups]


@pytest.fixture(scope="module")
def ended() -> dict[str, dict[str, Ended]]:
    """How each row ended in the tiers that were run already."""
    return {}


@pytest.mark.parametrize("tier", TIERS)
def test_every_attempt_ends_as_the_table_says(tier: str, ended: dict[str, dict[str, Ended]]) -> None:
    """Blocked, bounded, or open by design; seen from outside."""
    if reason := why_not(tier):
        pytest.skip(f"the {tier} tier doesn't work here: {reason}")
    ended[tier] = run(tier, _rows(_GROUPS[tier]))
    assert surprises(tier, ended[tier]) == []
    assert len(ended[tier]) >= len(QUICK)


def elsewhere(before: Sequence[str], tier: str, groups: Sequence[str]) -> dict[str, Ended]:
    """Run the table as somebody else; skip where they can't even reach the package."""
    seed()
    folder = Path(tempfile.mkdtemp(prefix="wheelhouse-elsewhere-"))
    folder.chmod(0o777)
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    try:
        reach = [*before, sys.executable, "-c", "import abuse.suite"]
        if (
            said := subprocess.run(reach, env=environment, cwd="/", capture_output=True, text=True, check=False)
        ).returncode:
            pytest.skip(f"that user can't reach the tests: {said.stderr[-200:]}")
        asked = [word for group in groups for word in ("--group", group)] if not ALL else []
        command = [*before, sys.executable, "-m", "abuse", "--json", "--tier", tier, *asked]
        done = subprocess.run(
            command, env=environment, cwd="/", capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        if tier not in told:
            pytest.skip(done.stderr)
        assert os.listdir(folder) == []
        return {name: Ended(**one) for name, one in told[tier].items()}
    finally:
        empty_folder(folder)
        folder.rmdir()


@pytest.mark.parametrize("tier", ["strong", "medium", "basic"])
def test_an_ordinary_user_is_as_safe(tier: str) -> None:
    """Root's control groups and privileges are not what the bounds rest on."""
    if os.getuid() != 0:
        pytest.skip("whoever runs this is an ordinary user already")
    become = [sys.executable, "-I", "-S", str(Path(__file__).parent / "abuse" / "ordinary.py"), _NOBODY, "--"]
    found = elsewhere(become, tier, ("quick", "outlive"))
    lost = [name for name in surprises(tier, found) if not (tier == "basic" and " is blocked, not open" in name)]
    assert lost == []


@pytest.mark.parametrize(("profile", "tier"), [("P0", "strong-pod"), ("P1", "medium")])
def test_a_pod_is_as_safe(profile: str, tier: str) -> None:
    """Without privileges, behind a container's own filter, each tier that is claimed gives what it promises."""
    if reason := why_no_pods():
        pytest.skip(reason)
    found = elsewhere(pod_command(profile), tier, ("quick", "outlive"))
    assert surprises(tier, found) == []


def test_an_attempt_that_nothing_stops_is_seen_to_succeed(ended: dict[str, dict[str, Ended]]) -> None:
    """The basic tier shows that the attempts work and that we see it: else "blocked" would prove nothing."""
    if "basic" not in ended or os.getuid() != 0:
        pytest.skip("the basic tier was not run, or by somebody who may do little")
    rows = {row.name: row for row in QUICK}
    asleep = [
        name
        for name, one in ended["basic"].items()
        if name in rows and rows[name].ends[3] == "o" and not rows[name].unshown and one.outcome != "open"
    ]
    assert asleep == []


def test_the_table_is_whole() -> None:
    """Each attempt has a row and each row an attempt; whatever is open below basic says why."""
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names) >= 40
    assert {one.__name__ for one in (*BOUNDS, *SET_TRAPS, *ASKS)} == {
        row.name for row in ROWS if row.group in ("bounds", "traps", "asks")
    }
    assert len(OUTLIVE) + len(TRAPS) + len(QUICK) < len(ROWS)
    assert [row.name for row in ROWS if "o" in row.ends[:3] and not row.why] == []
    assert [row.name for row in ROWS if len(row.ends) != len(TIERS)] == []


def test_the_page_holds_the_table() -> None:
    """What `docs/sandbox.md` says is what was run: `python -m tests.abuse --write` writes it."""
    assert docs.committed() == docs.render()


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The tier that promises something."""
    return sandbox_of("strong")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A place that may be destroyed, even by folders too deep for pytest to remove."""
    yield new_place(tmp_path / "place")
    empty_folder(tmp_path)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the user who runs the course."""
    file = tmp_path / "secret.txt"
    file.write_text("sesame\n")
    return file


def bash(sandbox: Sandbox, place: Place, text: str, *arguments: str) -> Completed:
    """Run a line of bash."""
    return sandbox.run(["bash", "-c", text, "bash", *arguments], place, limits=Limits(wall_seconds=60))


def test_a_flood_of_connections_leaves_the_index_and_us_in_order(sandbox: Sandbox, place: Place) -> None:
    """Hundreds of silent callers are bounded; whoever comes after them is served, and no thread of ours stays."""
    before = threading.active_count()
    text = """
import os, socket, time, urllib.request
port = int(os.environ["WHEELHOUSE_LOOPBACK"].rpartition(":")[2])
held = []
for _ in range(600):
    client = socket.socket()
    client.settimeout(0.05)
    try:
        client.connect(("127.0.0.1", port))
        client.send(b"GET / HT")
    except OSError:
        pass
    held.append(client)
for client in held:
    client.close()
for _ in range(50):
    try:
        print(urllib.request.urlopen(os.environ["WHEELHOUSE_LOOPBACK"] + "/pypi/simple/", timeout=5).status)
        break
    except OSError:
        time.sleep(0.1)
"""
    done = sandbox.run(["python", "-c", text], place, limits=Limits(wall_seconds=60))
    assert done == Completed(0, "200\n", "")
    assert threading.active_count() <= before + 1


def test_the_interpreter_and_its_library_cannot_be_replaced(sandbox: Sandbox, place: Place) -> None:
    """The first program inside runs with them, so they are not the learner's; a trap laid beside them does nothing."""
    bash(
        sandbox,
        place,
        "rm -f /usr/local/bin/python3.1*; mkdir -p ~/evil/lib/python3.11; echo 'raise SystemExit(99)' > ~/evil/lib/python3.11/os.py;"
        "echo 'home = /home/learner/evil' > /usr/local/bin/pyvenv.cfg; echo 'raise SystemExit(99)' > /usr/local/bin/marshal.py",
    )
    done = bash(sandbox, place, "ulimit -u; echo $WHEELHOUSE_TIER")
    assert done == Completed(0, f"{Limits().processes + 8}\nstrong\n", "")


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf ~",
        "rm -rf ~ /usr/local /tmp",
        "rm -rf --no-preserve-root /",
        "chmod -R 000 ~ /usr/local/bin /usr/local/lib/python3*/site-packages; cd; chmod 000 . project",
        "cd ~; mkdir -p $(printf 'd/%.0s' {1..1500}); cd /usr/local/share; mkdir -p $(printf 'd/%.0s' {1..1500})",
        "pip uninstall -y pip; pip install leftpad==1.1 --target /usr/local/bin",
        "mv /usr/local/bin/pip ~; ln -s /etc /usr/local/bin/x; mkfifo /usr/local/bin/pip; ln -s / ~/.pip",
    ],
)
def test_what_a_learner_destroys_is_made_again(sandbox: Sandbox, place: Place, secret: Path, command: str) -> None:
    """The machine and the course are fine, and so is the system Python after a reset."""
    before = sorted(path.name for path in (seed() / "lib").rglob("*.py"))
    bash(sandbox, place, command)
    assert secret.read_text() == "sesame\n"
    assert sorted(path.name for path in (seed() / "lib").rglob("*.py")) == before
    for folder in (place.project, place.home):
        folder.chmod(0o755)
    make_system(place.system)
    done = bash(sandbox, place, "python -m venv v && v/bin/pip --version && pip --version && ls /usr/local/bin")
    assert done.exit_status == 0, done.output
    version = executable_name().removeprefix("python")
    commands = {"pip", "pip3", f"pip{version}", "python", "python3", f"python{version}"}
    there = set(done.output.splitlines()[2:])
    assert commands <= there <= commands | {"course", "pypi-manage", "uv", "uvx"}


def test_a_home_full_of_traps_does_not_move_the_project(sandbox: Sandbox, place: Place, secret: Path) -> None:
    """The project is mounted in HOME, which a learner fills: a link there must not lead the mount away."""
    (place.home / "project").symlink_to(secret.parent)
    (place.project / "mine").touch()
    assert bash(sandbox, place, "ls ~/project").output == "mine\n"
