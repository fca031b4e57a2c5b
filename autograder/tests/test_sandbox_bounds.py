"""The bounds of a run: each one hit is named in a sentence, and holds for all processes together."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.exceptions import SandboxError
from autograder.sandbox import Limits, Place, Sandbox, trial, watch
from autograder.sandbox.fence import Fence, memory_of_group
from autograder.sandbox.gauge import Gauge, children, descendants, shares
from autograder.sandbox.growth import Growth
from autograder.sandbox.processes import Running
from autograder.sandbox.strong import StrongSandbox
from autograder.sandbox.watch import Watch, Watcher, in_words, memory_bound
from sandbox_places import TIERS, gone, new_place, sandbox_of

MB = 1 << 20
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")

EATS = f"import time; b = bytearray({400 * MB}); b[::4096] = b'x' * len(b[::4096]); time.sleep(20)"
SHARE = f"""
import os, time
b = b'x' * {60 * MB}
for _ in range(5):
    if not os.fork():
        time.sleep(0.5)
        os._exit(0)
time.sleep(0.5)
"""
DELETED = """
import os, time
held = []
for _ in range(6):
    file = open('x', 'wb')
    file.write(b'x' * (5 << 20))
    file.flush()
    os.unlink('x')
    held.append(file)
time.sleep(20)
"""
FILES = "import time\nfor i in range(1500): open(f'{0}n{{i}}', 'w').close()\ntime.sleep(20)"
HITS = {
    "memory of one": (EATS, Limits(tree_memory_bytes=160 * MB), "stopped: more than 160 MB of memory together"),
    "memory of several": (
        "import subprocess, sys\n"
        "eat = \"b = b'x' * (60 << 20); import time; time.sleep(20)\"\n"
        "for one in [subprocess.Popen([sys.executable, '-c', eat]) for _ in range(4)]: one.wait()",
        Limits(tree_memory_bytes=160 * MB),
        "stopped: more than 160 MB of memory together",
    ),
    "processor time of several": (
        "import subprocess\n"
        "for one in [subprocess.Popen(['sh', '-c', 'while :; do :; done']) for _ in range(2)]: one.wait()",
        Limits(cpu_seconds=1),
        "stopped: more than 1 s of processor time",
    ),
    "disk": (
        "import time\nfor i in range(5): open(f'f{i}', 'wb').write(b'x' * (5 << 20))\ntime.sleep(20)",
        Limits(disk_bytes=16 * MB),
        "stopped: more than 16 MB of new files",
    ),
    "deleted files": (DELETED, Limits(disk_bytes=16 * MB), "stopped: more than 16 MB of new files"),
    "files": (FILES.format(""), Limits(new_files=1000), "stopped: more than 1,000 new files"),
    "threads": (
        "import threading, time\nfor _ in range(30): threading.Thread(target=time.sleep, args=(20,)).start()",
        Limits(processes=20),
        "stopped: more than 20 processes and threads",
    ),
}


@pytest.fixture(scope="module", params=[*TIERS, "strong-pod"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each tier; that for pods is tried where the strong one works, too."""
    if request.param != "strong-pod":
        return sandbox_of(request.param)
    tried = trial.strong_pod_trial()
    if not tried.works:
        pytest.skip(f"the strong-pod tier doesn't work here: {tried.reason}")
    index = sandbox_of("basic")._index  # type: ignore[attr-defined]
    return StrongSandbox(index, tried.bubblewrap, privileged_port=tried.privileged_port, pod=True)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A fresh place."""
    return new_place(tmp_path)


@pytest.mark.parametrize("what", HITS)
def test_a_bound_that_is_hit_is_named(sandbox: Sandbox, place: Place, what: str) -> None:
    """And ends the run, long before it would end by itself."""
    program, limits, sentence = HITS[what]
    done = sandbox.run(["python3", "-c", program], place, limits=limits)
    assert (done.exit_status, done.stopped) == (137, sentence), done.output


def test_memory_that_is_shared_is_counted_once(sandbox: Sandbox, place: Place) -> None:
    """Five children of a process with 60 MB are no 360 MB."""
    done = sandbox.run(["python3", "-c", SHARE], place, limits=Limits(tree_memory_bytes=200 * MB))
    assert (done.exit_status, done.stopped) == (0, ""), done.output


def test_folders_in_memory_have_bounds_of_their_own(sandbox: Sandbox, place: Place) -> None:
    """Files in /tmp are counted, and where the kernel says that it is full, the result says so."""
    if sandbox.tier not in ("strong", "strong-pod"):
        pytest.skip("/tmp is this machine's there")
    done = sandbox.run(["python3", "-c", FILES.format("/tmp/")], place, limits=Limits(new_files=1000))
    assert done.stopped == "stopped: more than 1,000 new files"
    done = sandbox.run(["sh", "-c", "head -c 20000000 /dev/zero > /dev/shm/full"], place)
    assert done.exit_status == 1
    assert "No space left" in done.output
    assert done.stopped == "stopped: more than 16 MB in /dev/shm"


def test_memory_that_belongs_to_no_process_cannot_be_had(sandbox: Sandbox, place: Place) -> None:
    """It would be counted nowhere; the basic tier, which filters nothing, has only the machine's last memory to go by."""
    if sandbox.tier == "basic":
        pytest.skip("the basic tier filters no system calls")
    done = sandbox.run(["python3", "-c", "import os; os.memfd_create('hidden')"], place)
    assert "PermissionError" in done.output


def test_what_was_there_before_is_not_counted(sandbox: Sandbox, place: Place) -> None:
    """However large the workspace is already."""
    for number in range(1200):
        (place.project / f"old{number}").touch()
    (place.project / "large").write_bytes(bytes(20 * MB))
    time.sleep(0.05)
    program = "import time; open('new', 'w').write('x'); time.sleep(0.3)"
    done = sandbox.run(["python3", "-c", program], place, limits=Limits(new_files=1000, disk_bytes=16 * MB))
    assert (done.exit_status, done.stopped) == (0, ""), done.output


def test_cells_are_bounded_and_so_is_what_they_leave_behind(sandbox: Sandbox, place: Place) -> None:
    """The next cell tells what ended the shell meanwhile, and runs in a new one."""
    shell = sandbox.shell(place, limits=Limits(tree_memory_bytes=160 * MB))
    said: list[str] = []
    try:
        assert shell.run(f'python3 -c "{EATS}"', said.append) == 137
        assert said[-1] == "stopped: more than 160 MB of memory together\n"
        assert shell.run(f'python3 -c "{EATS}" & echo begun', said.append) in (0, 137)
        end = time.monotonic() + 30
        while shell.alive and time.monotonic() < end:
            time.sleep(0.05)
        said.clear()
        assert shell.run("echo again", said.append) == 0
        text = "".join(said)
        assert text.startswith("stopped: more than 160 MB of memory together\n") or text == "again\n"
        assert text.endswith("again\n")
    finally:
        shell.close()


def test_what_the_kernel_ended_before_we_looked_is_named(
    sandbox: Sandbox, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it is quicker: the next cell is told of memory, not only that the shell is gone."""
    if (fence := Fence.build(10, 160 * MB)) is None:
        pytest.skip("no control groups can be made here, so the kernel bounds no memory of several together")
    fence.remove()

    def busy_elsewhere(self: Watch) -> str:
        self.next = time.monotonic() + 1
        return ""

    shell = sandbox.shell(place, limits=Limits(tree_memory_bytes=160 * MB))
    said: list[str] = []
    try:
        assert shell.run("true", said.append) == 0
        monkeypatch.setattr(Watch, "look", busy_elsewhere)
        shell.run(f'python3 -c "{EATS}" & sleep 1; kill -9 $$', said.append)
        said.append(str(shell.run("echo again", said.append)))
    finally:
        shell.close()
    assert "stopped: more than 160 MB of memory together\n" in "".join(said)
    assert said[-1] == "0"


def test_what_cannot_be_watched_is_not_run(sandbox: Sandbox, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file system, /proc or the processes inside can't be asked, the run is refused, and nothing of it lives on."""
    mark = f"{200_000 + os.getpid() % 90_000}.25"

    def blind(*_: object) -> object:
        raise PermissionError(13, "Permission denied")

    for owner, name in ((Growth, "begin"), (Gauge, "look"), (Growth, "beyond")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, blind)
            with pytest.raises(SandboxError, match="can't be watched, so it isn't run"):
                sandbox.run(["sleep", mark], place, limits=Limits(wall_seconds=30))
        assert gone(mark)


def test_a_dead_watcher_ends_the_shell(sandbox: Sandbox, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread's end, for whatever reason, is the shell's."""
    shell = sandbox.shell(place)
    said: list[str] = []
    try:
        assert shell.run("true", said.append) == 0

        def broken(_: Watch) -> str:
            raise RuntimeError("broken")

        monkeypatch.setattr(Watch, "look", broken)
        assert shell.run("sleep 60", said.append) == 137
        assert said[-1] == "stopped: broken\n"
    finally:
        monkeypatch.undo()
        shell.close()


@linux_only
def test_the_gauge_remembers_those_that_are_gone() -> None:
    """Processor time of a process that ended between two looks still counts."""
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as process:
        gauge = Gauge()
        end = time.monotonic() + 20
        while (seen := gauge.look("/proc", [process.pid])).processor < 0.1:
            assert time.monotonic() < end
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert seen.processes == seen.tasks == 1
        assert seen.resident > 0
        assert gauge.look("/proc", [process.pid]).processor >= seen.processor
        assert gauge.look("/proc", [process.pid]).processes == 0
        assert shares("/proc", [process.pid], enough=1) == 0


@linux_only
def test_descendants_are_found_whatever_thread_started_them() -> None:
    """Also grandchildren; and none of a process that is gone."""
    started: list[subprocess.Popen[bytes]] = []
    command = ["sh", "-c", "sleep 30 & echo; wait"]
    thread = threading.Thread(target=lambda: started.append(subprocess.Popen(command, stdout=subprocess.PIPE)))
    thread.start()
    thread.join()
    process = started[0]
    assert process.stdout is not None
    process.stdout.readline()
    below = children(process.pid)
    assert len(below) == 1
    assert {process.pid, *below} <= {*descendants(os.getpid())}
    os.kill(below[0], 9)
    process.wait()
    process.stdout.close()
    assert children(process.pid) == []


def test_growth_sees_through_what_is_shut(tmp_path: Path) -> None:
    """What can't be looked at counts as what the file system says was added."""
    growth = Growth([tmp_path, tmp_path / "inner", tmp_path / "absent"])
    assert growth.beyond(1 << 20, 100) is None
    for number in range(150):
        (tmp_path / f"n{number}").touch()
    (tmp_path / "large").write_bytes(bytes(2 << 20))
    os.sync()
    end = time.monotonic() + 30
    while (added := growth.beyond(1 << 20, 1000)) is None:  # on a busy machine it looks less often
        assert time.monotonic() < end
        time.sleep(0.05)
    assert added.size >= 1 << 20  # others may have removed something meanwhile
    growth.begin()
    assert growth.beyond(1 << 20, 100) is None


@pytest.fixture
def fence() -> Iterator[Fence]:
    """Control groups for at most 5 processes and 64 MB."""
    made = Fence.build(5, 64 * MB)
    if made is None:
        pytest.skip("no control group can be made here")
    yield made
    made.remove()


def test_a_fence_holds_what_is_born_in_it(fence: Fence) -> None:
    """And lets the thread that starts it out again."""
    before = Path("/proc/self/cgroup").read_text()
    with fence.around() as inside:
        process = subprocess.Popen(["sleep", "30"])
    if not inside:
        fence.take(process.pid)
    assert Path("/proc/self/cgroup").read_text() == before
    assert "wheelhouse-" in Path(f"/proc/{process.pid}/cgroup").read_text()
    process.kill()
    process.wait()
    assert not fence.overrun()
    assert fence.processor() >= 0


def test_no_run_may_have_more_than_half_of_the_machine() -> None:
    """Whatever was asked for; and the words for it are short."""
    most = memory_bound(Limits(tree_memory_bytes=1 << 60))
    assert most <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    assert most <= (memory_of_group() or most * 2)
    assert [in_words(size) for size in (2 << 30, 3 << 29, 512 << 20, 1536, 7)] == [
        *("2 GB", "1.5 GB", "512 MB", "1.5 kB", "7 bytes")
    ]


def test_a_machine_that_runs_out_of_memory_stops_the_run_that_took_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What no process has mapped, such as a file without a name in memory, shows only there."""
    with subprocess.Popen(["sleep", "30"]) as process:

        class Plain(Running):
            def _kill(self) -> None:
                process.kill()

        running = Plain(process)
        levels = iter([8 << 30, 8 << 30, 10 << 20])
        monkeypatch.setattr(watch, "available_memory", lambda: next(levels))
        looking = Watch(Limits(tree_memory_bytes=1 << 30), [tmp_path]).over(running)
        assert looking.look() == ""
        assert "of memory left" in looking.look()
        watcher = Watcher(looking, running)
        watcher.end()
        running.stop()
