"""What each `course` command says, as it is typed and read: scenes that are played, and the files in `goldens/` that hold how they ended.

`python -m goldens`, in `tests/`, plays them and shows what is different; `--write` writes the files anew, to be read before they are committed.

Each file is one command: every scene begins with what was typed, in a window of how many columns (or into a file), and ends with the status.
What depends on the machine is masked, and only that: folders, versions, times, sizes, and in `doctor` all that was found.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder import cli, folder
from autograder.changes import Observer
from autograder.exercise import find_exercise
from autograder.places import cache, course_root
from autograder.sandbox.prompts import Prompt

__all__ = ["FOLDER", "SCENES", "Scene", "mask", "play", "render"]

FOLDER = Path(__file__).with_name("goldens")


@dataclass(frozen=True)
class Scene:
    """One command as it is typed."""

    words: str
    columns: int | None = None
    """How wide the window is; None: the output goes into a file."""
    before: str = ""
    """A command in the sandbox that comes first."""
    cut: Callable[[str], str] = lambda text: text
    """What of the output is kept."""


def _shape(text: str) -> str:
    """Keep of `doctor` what it looks at: all that it finds is the machine's."""
    lines = [line for line in text.splitlines() if not line.startswith("      ")]
    kept = [re.sub(r"^(?:ok  |note)  ([^:]+): .*", r"(ok or note)  \1: (this machine's)", line) for line in lines]
    return "\n".join(dict.fromkeys(kept)) + "\n"


_HELP = ("begin", "reset", "shell", "diff", "check", "hint", "doctor", "build", "claims", "messages")
SCENES: dict[str, tuple[Scene, ...]] = {
    "course": (
        Scene(""),
        Scene("", 40),
        Scene("--help", 80),
        Scene("chek 06"),
        Scene("--colour"),
        *(Scene(f"{command} --help", 80) for command in _HELP),
        Scene("check --help", 40),
    ),
    "list": (Scene("list"), Scene("list", 80), Scene("list", 40), Scene("list 06")),
    "begin": (
        Scene("begin 06"),
        Scene("begin 06", 40),
        Scene("begin"),
        Scene("begin 99"),
        Scene("begin 99", 40),
        Scene("begin 0"),
    ),
    "reset": (Scene("reset 06"), Scene("reset 07"), Scene("reset 06", 40)),
    "shell": (
        Scene("shell 06 -- echo hello"),
        Scene("shell 06 -- sh -c 'echo oh >&2; exit 3'"),
        Scene("shell 06 -- nothing"),
        Scene("shell 06 --shell fish"),
        Scene("shell 99"),
    ),
    "diff": (
        Scene("diff 06"),
        Scene("diff 06", before="mkdir new; echo one > new/file.txt"),
        Scene("diff 06", 40),
        Scene("diff 06", 80, before="false"),
        Scene("diff 06 --last 0"),
        Scene("diff 06 --last x"),
        Scene("diff 07"),
    ),
    "check": (
        Scene("check 06"),
        Scene("check 06", 80),
        Scene("check 06", 40),
        Scene("check 07"),
        Scene("check"),
        Scene("check 06 --jsn"),
        Scene("check 06 --snapshot nowhere.snapshot"),
        Scene("check 06 --snapshot nbgrader_config.py"),
    ),
    "hint": (
        *(Scene("hint 06 1") for _ in range(4)),
        Scene("hint 06", 40),
        Scene("hint 06 2 --answer", 80),
        Scene("hint 06 --answer"),
        Scene("hint 06 9"),
        Scene("hint 06 two"),
        Scene("hint 07"),
    ),
    "doctor": (Scene("doctor", cut=_shape),),
    "authors": (
        Scene("build --check x"),
        Scene("claims --short"),
        Scene("messages 99"),
        Scene("messages 06 9"),
    ),
}
"""By the name of the file; the scenes of one file are played after one another, in labs of their own."""


@contextlib.contextmanager
def _stage(top: Path) -> Iterator[None]:
    """Stand in a small copy of the course, with labs of its own and none of this machine's settings for terminals."""
    root = course_root()
    assert root is not None
    course = top / "course"
    course.mkdir()
    shutil.copy(root / "nbgrader_config.py", course)
    shutil.copytree(root / "exercises", course / "exercises", ignore=shutil.ignore_patterns("*.snapshot"))
    (course / "notebooks").symlink_to(root / "notebooks")
    before = dict(os.environ)
    os.environ["WHEELHOUSE_CACHE"] = str(cache())
    for name in (
        "COLUMNS",
        "LINES",
        "FORCE_COLOR",
        "WHEELHOUSE_LEARNER",
        "JUPYTERHUB_USER",
        "WHEELHOUSE_SCREEN_READER",
    ):
        os.environ.pop(name, None)
    os.environ |= {
        "WHEELHOUSE_COURSE": str(course),
        "WHEELHOUSE_LABS": str(top / "labs"),
        "NO_COLOR": "1",
        "TERM": "dumb",
    }
    stands = Path.cwd()
    os.chdir(course)
    try:
        yield
    finally:
        os.chdir(stands)
        os.environ.clear()
        os.environ.update(before)
        folder.remove_tree(top)


def _type(scene: Scene) -> tuple[str, str, int]:
    """Give output, errors and exit status."""
    output, errors = io.StringIO(), io.StringIO()
    os.environ.pop("COLUMNS", None)
    if scene.columns:
        os.environ["COLUMNS"] = str(scene.columns)
    stdin, sys.stdin = sys.stdin, io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            try:
                status = cli.main(_words(scene.words))
            except SystemExit as end:
                status = int(end.code or 0)
    finally:
        sys.stdin = stdin
    return output.getvalue(), errors.getvalue(), status


def _words(text: str) -> list[str]:
    return shlex.split(text)


def _first(command: str) -> None:
    """Run a command as a shell of exercise 06 would, with a time of its own."""
    live = folder.open_workspace(find_exercise("06"))
    observer = Observer(live, "terminal")
    began = time.time()
    done = live.sandbox.run(["sh", "-c", command], live.place)
    observer.hear([Prompt("bash", done.exit_status, str(live.root), command, False, began, time.time())])


def mask(text: str, top: Path) -> str:
    """Put words for what differs from machine to machine."""
    for place, word in ((top / "labs", "LABS"), (cache(), "CACHE"), (top / "course", "COURSE")):
        text = text.replace(f"{place}/", f"{word}/").replace(str(place), word)
    text = re.sub(r"(?<=python)3\.\d+(?:\.\d+)?", "3.N", text)
    # a quick machine doesn't say how long a command took
    text = re.sub(r", after \d+(?:\.\d+)? s\b", "", text)
    return re.sub(r"\b\d+(?:\.\d+)? (s|ms|min)\b", r"N \1", text)


def play(name: str) -> str:
    """Play the scenes of one file, and write them down."""
    top = Path(tempfile.mkdtemp(prefix="wheelhouse-goldens-")).resolve()
    parts = []
    with _stage(top):
        if name not in ("course", "list", "begin"):
            _type(Scene("begin 06"))
        for scene in SCENES[name]:
            if scene.before:
                _first(scene.before)
            output, errors, status = _type(scene)
            where = f"{scene.columns} columns" if scene.columns else "into a file"
            before = f"  (after `{scene.before}`)" if scene.before else ""
            said = scene.cut(mask(output, top))
            told = "".join(f"err| {line}\n" for line in mask(errors, top).splitlines())
            parts.append(f"$ course {scene.words}".rstrip() + f"  [{where}]{before}\n{said}{told}[status {status}]\n")
    return "\n".join(parts)


def render(name: str) -> Path:
    """Give the file that holds them."""
    return FOLDER / f"{name}.txt"


def main() -> None:
    """Play all, or those named; `--write` keeps them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="files without their `.txt`; all by default")
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    for name in asked.names or SCENES:
        played = play(name)
        if asked.write:
            FOLDER.mkdir(exist_ok=True)
            render(name).write_text(played, encoding="utf-8")
        else:
            print(played)


if __name__ == "__main__":
    main()
