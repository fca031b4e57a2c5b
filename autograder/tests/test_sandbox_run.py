"""One command to its end, in each tier, with the real index."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path, PurePosixPath

import pytest

from autograder.exceptions import SandboxError
from autograder.sandbox import ISOLATING, Completed, Limits, Place, Sandbox
from autograder.sandbox.seed import seed_amiss, still_system
from sandbox_places import FORK_BOMB, TIERS, alive, gone, new_place, sandbox_of


@pytest.fixture(scope="module", params=TIERS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each tier."""
    return sandbox_of(request.param)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Place:
    """A place which tests share that leave it as it is."""
    return new_place(tmp_path_factory.mktemp(sandbox.tier))


def bash(sandbox: Sandbox, place: Place, text: str, **options: object) -> Completed:
    """Run a line of bash."""
    return sandbox.run(["bash", "-c", text], place, **options)  # type: ignore[arg-type]


def test_output_and_status_come_back(sandbox: Sandbox, place: Place) -> None:
    """Standard output and error are merged in their order, and the command's status is the run's."""
    done = bash(sandbox, place, "echo one; echo two >&2; printf 'thr\\xffe'; exit 5")
    assert done == Completed(5, "one\ntwo\nthr\ufffde", "")


def test_input_and_variables_and_folder_go_in(sandbox: Sandbox, place: Place) -> None:
    """Standard input may be larger than a pipe; variables add to the environment; the folder is the project's."""
    (place.project / "inner").mkdir(exist_ok=True)
    done = bash(
        sandbox,
        place,
        "wc -c; echo $GREETING; pwd",
        stdin=b"x" * 200_000,
        variables={"GREETING": "hello"},
        cwd="inner",
    )
    assert done.output.split() == ["200000", "hello", str(sandbox.root(place) / "inner")]


def test_no_input_is_an_empty_input(sandbox: Sandbox, place: Place) -> None:
    """A command that asks a question doesn't hang."""
    assert bash(sandbox, place, "cat; read answer || echo none").output == "none\n"


@pytest.mark.parametrize(
    ("command", "status", "says"),
    [
        (["no-such-command"], 127, "no-such-command: command not found"),
        (["/etc"], 126, "Permission denied"),
        (["bash", "-c", "kill -9 $$"], 137, ""),
        (["bash", "-c", "kill -TERM $$"], 143, ""),
    ],
)
def test_a_command_that_fails_says_how(
    sandbox: Sandbox, place: Place, command: list[str], status: int, says: str
) -> None:
    """The statuses are those of a shell."""
    done = sandbox.run(command, place)
    assert (done.exit_status, done.stopped) == (status, "")
    assert says in done.output


def test_a_folder_that_is_not_there_is_named(sandbox: Sandbox, place: Place) -> None:
    """The run fails with a sentence, without a traceback."""
    done = sandbox.run(["true"], place, cwd="nowhere")
    assert done.exit_status == 126
    assert "nowhere can't be entered" in done.output


@pytest.fixture
def polluted_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment such as companies' machines have, which must not come through."""
    for name, value in {
        "PIP_INDEX_URL": "http://wrong.invalid/",
        "UV_INDEX_URL": "http://wrong.invalid/",
        "PYTHONPATH": "/wrong",
        "PYTHONHOME": "/wrong",
        "VIRTUAL_ENV": "/wrong",
        "CONDA_PREFIX": "/wrong",
        "LD_LIBRARY_PATH": "/wrong",
        "PYTHONDONTWRITEBYTECODE": "1",
        "WHEELHOUSE_TEST_SECRET": "sesame",
        "ALL_PROXY": "http://wrong.invalid:3128",
        "HTTPS_PROXY": "http://wrong.invalid:3128",
        "PIP_CERT": "/wrong",
        "REQUESTS_CA_BUNDLE": "/wrong",
        "SSL_CERT_DIR": "/wrong",
        "SSL_CERT_FILE": "/wrong",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("polluted_environment")
def test_the_environment_is_built_from_nothing(sandbox: Sandbox, place: Place) -> None:
    """Only known variables are set, whatever the course's own process has."""
    text = sandbox.run(["env"], place).output
    names = {line.partition("=")[0] for line in text.splitlines()}
    indexes = {f"WHEELHOUSE_{site}{upload}" for site in ("PYPI", "TESTPYPI", "COMPANY") for upload in ("", "_UPLOAD")}
    proxy = {"http_proxy", "https_proxy", "no_proxy"}
    optional = {"GIT_CONFIG_SYSTEM", "TMPDIR", "XDG_CONFIG_DIRS", *proxy, *(name.upper() for name in proxy)}
    optional |= {"CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"}
    assert names - optional == {
        *("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "USER"),
        *("UV_HTTP_RETRIES", "WHEELHOUSE_FORGE", "WHEELHOUSE_LOOPBACK", "WHEELHOUSE_PLACE", "WHEELHOUSE_TIER"),
        *indexes,
    }
    assert "wrong" not in text
    done = bash(sandbox, place, "cat /proc/[0-9]*/environ 2>/dev/null | grep -ac sesame")
    if sandbox.tier != "basic":
        assert done.output.strip() == "0"


def test_the_tier_names_itself(sandbox: Sandbox, place: Place) -> None:
    """A terminal can prove what it is."""
    assert bash(sandbox, place, "echo $WHEELHOUSE_TIER").output.strip() == sandbox.tier


def test_descriptors_do_not_leak(sandbox: Sandbox, place: Place) -> None:
    """A command gets standard input, output and error, and nothing else that the course has open."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    done = sandbox.run(["ls", "/proc/self/fd"], place)
    os.close(read)
    os.close(write)
    assert done.output.split() == ["0", "1", "2", "3"]  # 3 is the listing's own


@pytest.mark.parametrize(
    ("limits", "command", "stopped"),
    [
        (Limits(wall_seconds=0.4), "sleep 60", "stopped: longer than 0.4 s"),
        (Limits(wall_seconds=0.4), "exec >&- 2>&-; sleep 60", "stopped: longer than 0.4 s"),
        (Limits(output_bytes=1000), "yes", "stopped: more than 1,000 bytes of output"),
        (Limits(cpu_seconds=1), "while :; do :; done", "stopped: more than 1 s of processor time"),
        (
            Limits(file_bytes=1 << 20),
            "exec head -c 2000000 /dev/zero > big",
            "stopped: a file of more than 1,048,576 bytes",
        ),
        (Limits(processes=40), FORK_BOMB, "stopped: more than 40 processes"),
        (
            Limits(processes=40),
            "for i in {1..60}; do setsid sleep 30 & done; wait",
            "stopped: more than 40 processes",
        ),
    ],
)
def test_a_bound_ends_the_run_and_is_named(
    sandbox: Sandbox, tmp_path: Path, limits: Limits, command: str, stopped: str
) -> None:
    """No bound shows as a bare signal, and none is passed by much."""
    place = new_place(tmp_path)
    begun = time.monotonic()
    done = bash(sandbox, place, command, limits=limits)
    assert done.stopped == stopped
    assert done.exit_status >= 128
    assert len(done.output) <= 1000 or limits.output_bytes > 1000
    assert time.monotonic() - begun < 25


def test_memory_is_bounded_in_each_process(sandbox: Sandbox, place: Place) -> None:
    """A process that takes more than its share is refused it."""
    done = sandbox.run(["python", "-c", "b = bytearray(900 << 20)"], place, limits=Limits(memory_bytes=512 << 20))
    assert done.exit_status == 1
    assert "MemoryError" in done.output


def test_a_bound_cannot_be_raised(sandbox: Sandbox, place: Place) -> None:
    """The hard limit is set too; root alone, who may do anything in the basic tier, can raise it."""
    if sandbox.tier == "basic" and os.getuid() == 0:
        pytest.skip("root may raise limits")
    done = bash(sandbox, place, "ulimit -v unlimited || ulimit -Hv $((9<<20)) || echo refused")
    assert done.output.endswith("refused\n")


DAEMONS = {
    "background": "sleep {mark} & disown",
    "its own session": "setsid -f sleep {mark}",
    "forked twice": "python -c 'import os,time\nif os.fork(): os._exit(0)\nos.setsid()\nif os.fork(): os._exit(0)\n"
    'os.execvp("sleep", ["sleep", "{mark}"])\'; sleep 0.2',
    "stopped": "sleep {mark} & kill -STOP $!",
    "deaf": "(trap '' TERM HUP INT; exec sleep {mark}) & sleep 0.1",
    "keeps the output open": "(setsid sleep {mark}) &",
}


@pytest.mark.parametrize("daemon", list(DAEMONS))
def test_nothing_survives_a_run(sandbox: Sandbox, place: Place, daemon: str) -> None:
    """When a run has returned, every process that it started is dead, however it tried to hide."""
    mark = f"{200_000 + abs(hash((daemon, sandbox.tier, os.getpid()))) % 100_000}.5"
    begun = time.monotonic()
    done = bash(sandbox, place, DAEMONS[daemon].replace("{mark}", mark))
    assert done.exit_status == 0, done
    assert alive(mark) == []
    assert time.monotonic() - begun < 20


def test_nothing_survives_the_death_of_the_course(sandbox: Sandbox, tmp_path: Path) -> None:
    """When the course's process is killed in the middle of a run, the run dies too."""
    mark = f"{300_000 + os.getpid() % 100_000}.5"
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from sandbox_places import new_place, sandbox_of\n"
        "place = new_place(Path(sys.argv[3]))\n"
        "sandbox_of(sys.argv[2]).run(['bash', '-c', f'setsid -f sleep {sys.argv[4]}; sleep {sys.argv[4]}'], place)\n"
    )
    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", program, here, sandbox.tier, str(tmp_path), mark],
        stderr=subprocess.PIPE,
    )
    end = time.monotonic() + 30
    while len([line for line in alive(mark) if "sleep" in line and "python" not in line]) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    assert gone(mark)


def test_first_runs_may_start_at_once(sandbox: Sandbox, tmp_path: Path) -> None:
    """A terminal and a notebook open together on a place of which nothing is made yet."""
    place = Place(tmp_path / "project", tmp_path / "home", tmp_path / "system")
    for made in (place.project, place.home, place.system):
        made.mkdir()
    outputs: list[str] = []

    def one() -> None:
        outputs.append(bash(sandbox, place, "pip --version | cut -c1-3; type -t uv").output)

    threads = [threading.Thread(target=one) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == ["pip\nfile\n"] * 5


def test_runs_from_many_threads(sandbox: Sandbox, place: Place) -> None:
    """A class is graded by threads, which come and go."""
    statuses: list[int] = []

    def one(number: int) -> None:
        statuses.append(bash(sandbox, place, f"sleep 0.1; exit {number}").exit_status)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [0, 1, 2, 3, 4, 5]


def test_the_project_may_be_read_only(sandbox: Sandbox, tmp_path: Path) -> None:
    """A grader looks at what it can't change; the basic tier can't promise that."""
    if sandbox.tier != "strong":
        pytest.skip("a promise of the strong tier")
    made = new_place(tmp_path)
    place = Place(made.project, made.home, made.system, read_only_project=True)
    assert "Read-only file system" in bash(sandbox, place, "touch x; touch ~/y && echo home").output


def test_the_system_python_may_be_shared(sandbox: Sandbox, tmp_path: Path) -> None:
    """One that nobody can change does all that one of their own does; where a tier can't promise that, nothing is run."""
    made = new_place(tmp_path)
    place = Place(made.project, made.home, still_system(), read_only_system=True)
    if sandbox.tier not in ISOLATING:
        with pytest.raises(SandboxError, match=f"The {sandbox.tier} sandbox"):
            bash(sandbox, place, "true")
        return
    done = bash(
        sandbox,
        place,
        "python -m venv .venv && .venv/bin/pip install --quiet webfw && .venv/bin/python -c 'import webfw; print(webfw.__name__)'; "
        "pip --version | cut -d' ' -f 1; uv --version | cut -d' ' -f 1; type -P pypi-manage; "
        "touch /usr/local/bin/mine /usr/local/share/mine $(echo /usr/local/lib/python3*/site-packages)/mine; pip install --quiet webfw; rm -rf /usr/local/*",
    )
    assert done.output.startswith("webfw\npip\nuv\n/usr/local/bin/pypi-manage\n")
    assert len(re.findall(r"(?m)^touch: .*mine.*: Read-only file system$", done.output)) == 3
    assert seed_amiss() == ""


def test_the_project_stands_where_the_snapshot_says(tmp_path: Path) -> None:
    """Environments hold absolute paths, so a grader puts them back where they were made."""
    sandbox = sandbox_of("strong")
    made = new_place(tmp_path)
    for root in ("/Users/ada/labs/06", "/home/learner/labs/06", "/tmp/labs/06"):
        place = Place(made.project, made.home, made.system, root=PurePosixPath(root))
        done = bash(sandbox, place, "pwd; touch here")
        assert done.output == root + "\n"
        assert (made.project / "here").exists()
        (made.project / "here").unlink()


def test_pip_and_uv_install_from_the_index(sandbox: Sandbox, tmp_path: Path) -> None:
    """Stock pip and uv find the course's index and nothing else, whatever this machine's own settings are."""
    place = new_place(tmp_path)
    done = bash(
        sandbox,
        place,
        "set -e; python -m venv .venv; .venv/bin/pip install -v leftpad==1.1; .venv/bin/pip config list -v;"
        "uv venv -q other; VIRTUAL_ENV=other uv pip install leftpad==1.0; other/bin/python -c 'import leftpad'",
    )
    assert done.exit_status == 0, done.output
    assert "Successfully installed leftpad-1.1" in done.output
    assert "Looking in indexes" not in done.output  # it needs to be told of none
    assert "Looking in links" not in done.output
    assert "+ leftpad==1.0" in done.output


def test_a_learners_own_settings_win(sandbox: Sandbox, tmp_path: Path) -> None:
    """`pip config set` and `~/.config/uv/uv.toml` work as the documentation says."""
    place = new_place(tmp_path)
    done = bash(
        sandbox,
        place,
        "pip config set global.index-url http://mine.invalid/simple/; pip config get global.index-url;"
        "pip download --retries 0 leftpad 2>&1 | grep Looking;"
        "mkdir -p ~/.config/uv; printf '[[index]]\\nurl=\"http://mine.invalid/simple/\"\\ndefault=true\\n' > ~/.config/uv/uv.toml;"
        "uv venv -q; uv pip install leftpad 2>&1",
        limits=Limits(wall_seconds=60),
    )
    assert "\nhttp://mine.invalid/simple/\n" in done.output
    assert "Looking in indexes: http://mine.invalid/simple/" in done.output
    assert "mine.invalid" in done.output.partition("Looking")[2].partition("\n")[2]


def test_two_runs_share_the_index_address(sandbox: Sandbox, tmp_path: Path) -> None:
    """A terminal and a notebook work in one place at once: when one ends, the other's index answers on."""
    place = new_place(tmp_path)
    ask = "pip download -q --no-deps -d out leftpad==1.0 && echo got"
    longer: list[Completed] = []
    thread = threading.Thread(target=lambda: longer.append(bash(sandbox, place, f"sleep 1.5; {ask}")))
    thread.start()
    assert "got" in bash(sandbox, place, ask).output
    thread.join()
    assert "got" in longer[0].output


def test_a_workspace_that_is_gone_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    """A sentence and the next step, not a traceback."""
    place = new_place(tmp_path)
    place.project.rmdir()
    with pytest.raises(SandboxError, match="gone"):
        sandbox.run(["true"], place)


def test_a_run_starts_quickly(sandbox: Sandbox, place: Place) -> None:
    """Checks run commands one after the other, so each must start in tens of milliseconds."""
    took, bare = [], []
    for _ in range(9):
        begun = time.perf_counter()
        sandbox.run(["true"], place)
        took.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        subprocess.run(["python3", "-I", "-S", "-c", ""], check=True)
        bare.append(time.perf_counter() - begun)
    assert statistics.median(took) < 10 * statistics.median(bare) + 0.1


def test_each_index_has_a_variable(sandbox: Sandbox, place: Place) -> None:
    """What needs an index's address finds it in `$WHEELHOUSE_…`, and the one of the twin of PyPI answers with its list."""
    done = bash(
        sandbox,
        place,
        "python -c \"import os, urllib.request as u; print(b'leftpad' in u.urlopen(os.environ['WHEELHOUSE_PYPI']).read())\"; "
        "env | grep -E '^WHEELHOUSE_(PYPI|TESTPYPI|COMPANY)(_UPLOAD)?=http' | wc -l",
    )
    assert done.output.split() == ["True", "6"], done.output


@pytest.mark.parametrize("patience", [0, 0.3])
def test_a_supervisor_that_is_killed_leaves_nothing(sandbox: Sandbox, place: Place, patience: float) -> None:
    """A command may kill what watches over it where the kernel lets it: what it leaves behind is found all the same."""
    mark = f"{800_000 + os.getpid() % 100_000}.{TIERS.index(sandbox.tier)}5"
    text = f"setsid -f sleep {mark}; (sleep {mark}; true) & sleep {patience}; kill -9 $PPID; sleep 0.2"
    bash(sandbox, place, text)
    assert gone(mark), alive(mark)
