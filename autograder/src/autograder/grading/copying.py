"""What submissions of a class have in common that few others have: facts for the instructor, no accusations.

Short answers look alike, and learners may work together. So what many hold counts for nothing: what the exercise begins with, what an
index serves, what the page and its answers say, and whatever else more than a tenth of the class have. What is left is compared as

* marks which can't be equal by chance: a git commit's id, the moment of an upload;
* files with the same content;
* the sequences of six words in files of text, whichever file they stand in: a changed name or a line moved leaves most of them equal.

Nothing of a snapshot is run. A snapshot that can't be read has nothing in common with any.

Source of the sequences: U. Manber, "Finding similar files in a large file system" (USENIX 1994).
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import Any, TypeVar

from autograder.distribution import Known
from autograder.exceptions import SnapshotError
from autograder.exercise import Exercise
from autograder.gitfiles import head
from autograder.grading.classroom import Classroom
from autograder.index.journal import MOST_BYTES, Event
from autograder.snapshot import SnapshotTree
from autograder.submission import Missing, Refused, admit

__all__ = ["FEWEST", "Comparison", "Likeness", "compare", "compare_class", "equal_states"]

FEWEST = 5
"""Among fewer submissions nothing is rare, so nothing but equal states can be told."""
_WORDS = 6
_LEAST_SEQUENCES = 12
"""Fewer equal sequences are two lines that everybody writes so."""
_LEAST_SHARE = 0.5
_LARGEST_TEXT = 200_000
_MOST_SEQUENCES = 20_000
_T = TypeVar("_T")
_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Likeness:
    """What two submissions have in common and few others have."""

    students: tuple[str, str]
    marks: tuple[str, ...] = ()
    """What can't be equal by chance, in words."""
    files: tuple[str, ...] = ()
    """The first learner's names of files with equal content."""
    sequences: int = 0
    """How many sequences of six words are equal."""
    of: int = 0
    """How many of them the one has who has fewer."""

    @property
    def share(self) -> float:
        """The part of the shorter text that stands in the longer one, 0 to 1."""
        return self.sequences / self.of if self.of else 0.0

    @property
    def as_sentence(self) -> str:
        """Say it."""
        told = list(self.marks)
        if self.files:
            more = f" and {len(self.files) - 3} more" if len(self.files) > 3 else ""
            told.append(f"equal content: {', '.join(self.files[:3])}{more}")
        if self.sequences:
            told.append(f"{self.share:.0%} of the shorter text stands in the other one")
        return f"{self.students[0]} and {self.students[1]}: {'; '.join(told)}"


@dataclass
class _Own:
    """What may tell one submission from another; the keys are hashes or sentences."""

    marks: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    """A content's hash -> its name."""
    sequences: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Comparison:
    """What a class's submissions of one exercise have in common."""

    students: int
    """How many submissions could be looked at."""
    equal: list[tuple[str, ...]]
    """Learners whose workspaces are in the very same state, file by file."""
    alike: list[Likeness]
    left_out: tuple[str, ...] = ()
    """Learners whose submission the gate refused."""

    @property
    def as_text(self) -> str:
        """Say it, for a terminal."""
        lines = [
            f"{self.students} submissions were compared. These are facts, no accusations: learners may work together,"
        ]
        lines += ["and short answers look alike.", ""]
        if self.left_out:
            lines += [f"Not compared, since a human must look at them: {', '.join(self.left_out)}.", ""]
        lines += ["The very same state, file by file:" if self.equal else "No two are in the very same state."]
        lines += [f"  {', '.join(group)}" for group in self.equal]
        if self.students < FEWEST:
            return "\n".join([*lines, "", f"Among fewer than {FEWEST} nothing is rare, so nothing more can be told."])
        lines += [
            "",
            "In common, and with few others:" if self.alike else "No two have in common what few others have.",
        ]
        return "\n".join([*lines, *(f"  {one.as_sentence}" for one in self.alike)])

    def as_json(self) -> dict[str, Any]:
        """Give the record for programs."""
        return {
            "submissions": self.students,
            "equal": [list(group) for group in self.equal],
            "left_out": list(self.left_out),
            "alike": [asdict(one) | {"share": round(one.share, 3)} for one in self.alike],
        }


def compare_class(classroom: Classroom, exercise: Exercise, students: Iterable[str], known: Known) -> Comparison:
    """Compare what a class has handed in; what the gate refuses is left out."""
    digests: dict[str, str] = {}
    left_out: list[str] = []

    def admitted() -> Iterator[tuple[str, bytes]]:
        for student in students:
            try:
                data = admit(exercise, classroom.submitted(student, exercise.id)).snapshot
            except Refused as refused:
                if not isinstance(refused, Missing):
                    left_out.append(student)
                continue
            digests[student] = hashlib.sha256(data).hexdigest()  # canonical: equal states are equal bytes
            yield student, data

    alike = compare(admitted(), exercise, known)
    return Comparison(len(digests), equal_states(digests), alike, tuple(left_out))


def equal_states(digests: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Group learners by what their snapshots hash to; groups of one are left out, the largest comes first."""
    groups: dict[str, list[str]] = defaultdict(list)
    for student, hashed in sorted(digests.items()):
        groups[hashed].append(student)
    return sorted((tuple(group) for group in groups.values() if len(group) > 1), key=lambda group: (-len(group), group))


def compare(snapshots: Iterable[tuple[str, bytes]], exercise: Exercise, known: Known) -> list[Likeness]:
    """Give the pairs that have rare things in common, the most alike first; empty for fewer than `FEWEST` submissions.

    Args:
        snapshots: learners with the bytes of what they handed in, each looked at once and let go.
        exercise: whose start, page and answers count for nothing.
        known: whose files count for nothing.
    """
    common = _sequences(_texts_of(exercise))
    given = _hashes_of(exercise)
    class_ = {student: _own(data, known, given, common) for student, data in snapshots}
    if len(class_) < FEWEST:
        return []
    most = max(2, len(class_) // 10)
    marks = _shared({student: own.marks for student, own in class_.items()}, most)
    files = _shared({student: own.files.keys() for student, own in class_.items()}, most)
    sequences = _shared({student: own.sequences for student, own in class_.items()}, most)
    found = []
    for pair in sorted({*marks, *files, *sequences}):
        first, second = (class_[student] for student in pair)
        count = len(sequences.get(pair, ()))
        of = min(len(first.sequences), len(second.sequences))
        telling = count >= _LEAST_SEQUENCES and count >= of * _LEAST_SHARE
        # a short file may be equal by chance: it counts where its own words are rare
        equal = [first.files[one] for one in files.get(pair, ())] if telling or marks.get(pair) else []
        one = Likeness(
            pair,
            tuple(sorted(marks.get(pair, ()))),
            tuple(sorted(equal)),
            count if telling else 0,
            of if telling else 0,
        )
        if one.marks or one.files or one.sequences:
            found.append(one)
    return sorted(found, key=lambda one: (-len(one.marks), -one.share, -one.sequences, one.students))


def _shared(held: Mapping[str, Iterable[_T]], most: int) -> dict[tuple[str, str], set[_T]]:
    """Give for each pair what both hold and at most `most` of all do."""
    holders: dict[_T, list[str]] = defaultdict(list)
    for student, things in held.items():
        for thing in things:
            holders[thing].append(student)
    found: dict[tuple[str, str], set[_T]] = defaultdict(set)
    for thing, students in holders.items():
        if 1 < len(students) <= most:
            for first, second in combinations(sorted(students), 2):
                found[first, second].add(thing)
    return found


def _own(data: bytes, known: Known, given: set[str], common: set[int]) -> _Own:
    """Look at one submission."""
    own = _Own()
    try:
        tree = SnapshotTree.open(data, known)
    except SnapshotError:
        return own
    for path, node in tree.nodes.items():
        if node.kind != "file" or not node.sha256 or node.sha256 in given or known.content(node.sha256) is not None:
            continue
        if "/.git/" in f"/{path}":
            if path.rpartition("/")[2] == "HEAD" and f"/{path}".endswith("/.git/HEAD"):
                own.marks |= _commit_mark(tree, path.rpartition("/")[0])
            continue
        if "/site-packages/" in path or path.endswith("pyvenv.cfg"):
            continue  # written by tools
        if (text := _text(tree, path)) is not None and len(own.sequences) < _MOST_SEQUENCES:
            sequences = _sequences([text]) - common
            own.sequences |= sequences
            if sequences:
                own.files[node.sha256] = path
    own.marks |= _upload_marks(tree)
    if tree.facts.seed:
        own.marks.add(f"both have the questions that were drawn for {tree.facts.seed!r}")
    return own


def _commit_mark(tree: SnapshotTree, git: str) -> set[str]:
    commit = head(tree, git, git)
    return {f"the same git commit {commit[:10]} in `{git.rpartition('/')[0] or '.'}`"} if commit else set()


def _upload_marks(tree: SnapshotTree) -> set[str]:
    """Name the uploads of a workspace by their moment, which is known to the microsecond."""
    try:
        lines = tree.published.read("journal.jsonl", MOST_BYTES).splitlines() if tree.published else []
    except FileNotFoundError:
        return set()
    events = [event for event in map(Event.read, lines) if event is not None and event.kind == "upload"]
    return {f"the same upload of {one.filename} at {one.when}" for one in events[:1000]}


def _text(tree: SnapshotTree, path: str) -> str | None:
    try:
        return tree.read(path, _LARGEST_TEXT).decode("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _sequences(texts: Iterable[str]) -> set[int]:
    """Hash every sequence of six words; the same in every process."""
    found: set[int] = set()
    for text in texts:
        words = _TOKEN.findall(text)
        for at in range(min(len(words) - _WORDS + 1, _MOST_SEQUENCES)):
            whole = " ".join(words[at : at + _WORDS]).encode("utf-8", "replace")
            found.add(int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest()))
    return found


def _texts_of(exercise: Exercise) -> list[str]:
    """Give what everybody may have: the start, the page with the reference answers, other right and wrong answers."""
    texts = [exercise.page.read_text("utf-8")]
    texts += [one.commands for one in exercise.alternatives()] + [one.commands for one in exercise.mistakes()]
    for path in sorted(exercise.start.rglob("*")):
        if path.is_file():
            texts.append(path.read_bytes().decode("utf-8", "replace"))
    return texts


def _hashes_of(exercise: Exercise) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in exercise.start.rglob("*") if path.is_file()}
