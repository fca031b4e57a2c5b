"""Traps laid in a run for whatever comes after it or stands beside it: the next run, reset, snapshot, the readers of git's files.

Judged by what becomes of the files outside, and by whether those who come after get their work done in time.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from autograder.exceptions import CourseError, Failed, SnapshotError
from autograder.folder.looking import signature
from autograder.folder.moving import move_contents
from autograder.repository import Repository
from autograder.sandbox import Completed, Limits, Place, Sandbox
from autograder.sandbox.plan import discard, put_right
from autograder.sandbox.system_python import make_system
from autograder.snapshot import pack
from autograder.tree import FolderTree
from autograder.workspace import Facts

from .bounds import Judged

__all__ = ["TRAPS"]

_T = TypeVar("_T")
_PATIENCE = 30.0


class _NothingKnown:
    """No distributions: a snapshot then carries everything."""

    wheels: tuple[()] = ()

    def wheel(self, *_: object) -> None:
        return None

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


def _within(work: Callable[[], _T]) -> _T:
    """Do it in time or raise TimeoutError; what hangs is left behind in a thread."""
    got: list[_T] = []
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            got.append(work())
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    if trouble:
        raise trouble[0]
    if not got:
        raise TimeoutError
    return got[0]


def _bash(sandbox: Sandbox, place: Place, text: str) -> Completed:
    return sandbox.run(["bash", "-c", text], place, limits=Limits(60))


def _next_run_is_fine(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    before = file.read_bytes(), file.stat().st_mode
    try:
        done = _within(lambda: _bash(sandbox, place, "echo fine"))
    except TimeoutError:
        return "open", "the next run never begins"
    if (file.read_bytes(), file.stat().st_mode) != before:
        return "open", "the next run wrote to the file"
    return ("blocked", "the next run is as ever") if done == Completed(0, "fine\n", "") else ("open", repr(done))


def put_links_where_the_course_writes(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    names = f"course pypi-manage uvx .course-{os.getpid()} .pypi-manage-{os.getpid()} .uvx-{os.getpid()} .python-{os.getpid()}"
    text = f'p=$(dirname $(command -v pip)); cd $p; for n in {names}; do rm -f $n; ln -s "{file}" $n; done; rm -rf ~/.pip; ln -s "{file.parent}" ~/.pip; ln -s "{file}" ~/.pip/pip.conf'
    _bash(sandbox, place, text)
    return _next_run_is_fine(sandbox, place, file)


def put_pipes_where_the_course_reads(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    _bash(
        sandbox,
        place,
        "p=$(dirname $(command -v pip)); rm -rf $p/course $p/pypi-manage $p/uvx ~/.pip; mkdir ~/.pip; mkfifo $p/course $p/pypi-manage $p/uvx ~/.pip/pip.conf",
    )
    return _next_run_is_fine(sandbox, place, file)


def put_endless_devices_where_the_course_reads(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    _bash(
        sandbox,
        place,
        "p=$(dirname $(command -v pip)); rm -rf $p/course $p/pypi-manage $p/uvx ~/.pip; mkdir ~/.pip; for f in $p/course $p/pypi-manage $p/uvx ~/.pip/pip.conf; do ln -s /dev/zero $f; done",
    )
    return _next_run_is_fine(sandbox, place, file)


def poison_start_up_files(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    text = (
        "s=$(python -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))');"
        "for f in sitecustomize.py usercustomize.py marshal.py array.py; do echo 'raise SystemExit(99)' > $s/$f; done;"
        "echo 'import os; os._exit(99)' > $s/evil.pth; cp $s/*.py $s/evil.pth .; p=$(dirname $(command -v pip));"
        "cp $s/*.py $p; echo 'home = /nowhere' > $p/pyvenv.cfg;"
        "for f in .bashrc .bash_profile .profile .bash_login .zshrc .zshenv .inputrc .pam_environment; do echo 'echo evil; exit 99' > ~/$f; done;"
        "export LD_PRELOAD=/evil.so BASH_ENV=~/.bashrc PYTHONPATH=$PWD; true"
    )
    _bash(sandbox, place, text)
    judged = _next_run_is_fine(sandbox, place, file)
    if judged[0] == "open":
        return judged
    make_system(place.system)
    done = sandbox.run(["python", "-I", "-c", "print('fine')"], place, limits=Limits(60))
    return judged if done.output == "fine\n" else ("open", f"after a reset: {done.output!r}")


def poison_gits_settings(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    text = (
        f"git init -q . && touch a && git add a && git commit -qm a; cat > evil <<< $'#!/bin/sh\\necho pwned > {file}'; chmod +x evil;"
        "for h in pre-commit post-checkout post-index-change reference-transaction; do cp evil .git/hooks/$h; done;"
        'for k in core.fsmonitor core.pager core.editor core.sshCommand diff.external filter.x.clean alias.status; do git config $k "$PWD/evil"; done;'
        "printf '[include]\\npath = /dev/zero\\n' >> .git/config; mkfifo .git/refs/heads/pipe; rm .git/index; ln -s /dev/zero .git/index"
    )
    _bash(sandbox, place, text)
    if not (place.project / ".git" / "index").is_symlink():
        raise AssertionError("the trap was not laid")
    before = file.read_bytes()
    tree = FolderTree(place.project, sandbox.root(place))

    def read() -> bool:
        with contextlib.suppress(CourseError, Failed):
            repository = Repository(tree)
            repository.ignores("a")
            _ = repository.tracked
            repository.require_committed()
        with contextlib.suppress(SnapshotError):
            pack(tree, _facts(sandbox, place), _NothingKnown())  # type: ignore[arg-type]
        return True

    try:
        _within(read)
    except TimeoutError:
        return "open", "the reader never ends"
    return ("blocked", "nothing of it was run") if file.read_bytes() == before else ("open", "it was run outside")


def _facts(sandbox: Sandbox, place: Place) -> Facts:
    return Facts(sandbox.root(place), str(sandbox.python_home(place)), "3.11.0")


def _readers_and_reset_manage(sandbox: Sandbox, place: Place, laid: int) -> Judged:
    """Let the snapshot, the look for changes and the reset meet what lies there: each ends, with a sentence at most."""
    if len(os.listdir(place.project)) < laid:
        raise AssertionError("the trap was not laid")
    tree = FolderTree(place.project, sandbox.root(place))

    def read() -> str:
        try:
            pack(tree, _facts(sandbox, place), _NothingKnown())  # type: ignore[arg-type]
        except SnapshotError as error:
            return str(error.message)
        return "a snapshot was made"

    def reset() -> bool:
        _reset(place)
        return True

    try:
        said = _within(read)
        _within(lambda: signature(place.project))
        _within(reset)
    except (TimeoutError, RecursionError, OSError, MemoryError) as error:
        return "open", f"{type(error).__name__} {error}"[:150]
    return ("open", "something is left") if os.listdir(place.project) else ("bounded", said)


def leave_a_tree_5000_deep(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    text = "import os\nfor _ in range(5000):\n    os.mkdir('d')\n    os.chdir('d')\nopen('end', 'w')"
    sandbox.run(["python", "-c", text], place, limits=Limits(60))
    return _readers_and_reset_manage(sandbox, place, 2)


def leave_pipes_sockets_and_loops(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    text = (
        "mkfifo pipe requirements.txt pyproject.toml; mkdir -p .venv/bin; mkfifo .venv/pyvenv.cfg; ln -s . loop; ln -s a b; ln -s b a;"
        "python -c \"import socket; socket.socket(socket.AF_UNIX).bind('socket')\"; ln -s /dev/zero endless; ln -s /proc/self/fd/0 zero"
    )
    _bash(sandbox, place, text)
    return _readers_and_reset_manage(sandbox, place, 10)


def leave_names_that_steer(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    text = r"touch -- -rf $'new\nline' $'\e]0;title\a' $'\e]52;c;cHduZWQ=\a' $'bad\xff\xfe' $'\u202etxt.exe' '$(touch x)' '`id`' ' ' $(printf 'n%.0s' {1..255}); mkdir -- '--help'; chmod 000 -- '--help'"
    _bash(sandbox, place, text)
    return _readers_and_reset_manage(sandbox, place, 12)


def leave_holes_of_gigabytes(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    _bash(sandbox, place, "for i in {1..12}; do truncate -s 250M hole$i; done")
    return _readers_and_reset_manage(sandbox, place, 13)


@contextlib.contextmanager
def _meanwhile(sandbox: Sandbox, place: Place, program: str, *arguments: str) -> Iterator[None]:
    """Let a program run inside until the context is left, by its file `racing`."""
    racing = place.home / "racing"
    racing.touch()
    run = threading.Thread(
        target=lambda: sandbox.run(["python", "-c", program, *arguments], place, limits=Limits(20)), daemon=True
    )
    run.start()
    end = time.monotonic() + 10
    while racing.exists() and racing.stat().st_size == 0 and time.monotonic() < end:
        time.sleep(0.01)
    try:
        yield
    finally:
        racing.unlink(missing_ok=True)
        run.join()


_SWAP = r"""
import os, sys
outside, racing = sys.argv[1], os.path.expanduser("~/racing")
project = os.getcwd()
open(racing, "w").write("go")
while os.path.exists(racing):
    try:
        os.makedirs(project + "/folder", exist_ok=True)
        open(project + "/folder/secret", "w").write("mine")
        os.chmod(project + "/folder", 0o500)
        os.rename(project + "/folder", project + "/aside")
        os.symlink(outside, project + "/folder")
        os.unlink(project + "/folder")
        os.rename(project + "/aside", project + "/folder")
    except OSError:
        try:
            if os.path.islink(project + "/folder"): os.unlink(project + "/folder")
            if os.path.isdir(project + "/aside"): os.rename(project + "/aside", project + f"/old{os.times()[4]}")
        except OSError:
            pass
"""


def race_the_snapshot(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    """Put a link in a folder's place while it is packed."""
    secret, tries = file.read_bytes().strip(), 0
    with _meanwhile(sandbox, place, _SWAP, str(file.parent)):
        end = time.monotonic() + 1.5
        tree = FolderTree(place.project, sandbox.root(place))
        while time.monotonic() < end:
            tries += 1
            with contextlib.suppress(FileNotFoundError):
                if secret in tree.read("folder/secret"):
                    return "open", "the secret was read"
            with contextlib.suppress(FileNotFoundError):
                tree.sha256("folder/secret")
    return "blocked", f"not in {tries:,} readings" if tries > 100_000 else "not once"


def _reset(place: Place) -> None:
    """Do with a workspace what a reset does: take all out of it, put it right, and remove what was there."""
    above = place.project.parent
    kept = above / "before-reset"
    kept.mkdir(exist_ok=True)
    move_contents(place.project, kept)
    put_right(place.project, {}, {}, above)
    discard(kept, above, 60.0)


def race_the_reset(sandbox: Sandbox, place: Place, file: Path) -> Judged:
    """Put a link in a folder's place while the workspace is reset."""
    state = file.parent.stat()
    before = file.read_bytes(), file.stat().st_mode, state.st_mode, os.listdir(file.parent)
    with _meanwhile(sandbox, place, _SWAP, str(file.parent)):
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                _reset(place)
            with contextlib.suppress(OSError):
                make_system(place.system)
    after = file.read_bytes(), file.stat().st_mode, file.parent.stat().st_mode, os.listdir(file.parent)
    return ("blocked", "nothing outside was changed") if before == after else ("open", f"{before} became {after}")


TRAPS: tuple[Callable[[Sandbox, Place, Path], Judged], ...] = (
    put_links_where_the_course_writes,
    put_pipes_where_the_course_reads,
    put_endless_devices_where_the_course_reads,
    poison_start_up_files,
    poison_gits_settings,
    leave_a_tree_5000_deep,
    leave_pipes_sockets_and_loops,
    leave_names_that_steer,
    leave_holes_of_gigabytes,
    race_the_snapshot,
    race_the_reset,
)
