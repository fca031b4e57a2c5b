"""S: forged snapshots. A hash claims what isn't there, a zip file lies, a path leads out, a fact is another machine's."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

from attacks.attack import RIGHT_REPORT, Attempt, attack, forge, rezip
from attacks.classroom import SECRET
from autograder.folder import index

__all__: list[str] = []

DAMAGED = "can't be (used|graded)"


def _members(snapshot: bytes) -> tuple[bytes, bytes]:
    with zipfile.ZipFile(io.BytesIO(snapshot)) as archive:
        return archive.read("manifest.json"), archive.read("contents")


def _honest(one: Attempt) -> bytes:
    assert one.snapshot is not None
    return one.snapshot


def _item(manifest: dict[str, Any], folder: str, name: str) -> list[Any]:
    """Find what a manifest says of one file."""
    items = next(items for there, items in manifest["trees"]["project"]["folders"] if there == folder)
    return next(item for item in items if item[0] == name)


def _into_manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[Attempt], None]:
    def prepare(one: Attempt) -> None:
        one.snapshot = forge(_honest(one), change)

    return prepare


# What a hash can claim


@attack("S01", "the hash of a right answer, without the answer")
def hash_without_content(one: Attempt) -> None:
    """Claim to have the file whose hash a friend told."""
    hashed, size = hashlib.sha256(RIGHT_REPORT.encode()).hexdigest(), len(RIGHT_REPORT)

    def change(manifest: dict[str, Any]) -> None:
        item = _item(manifest, "report", "report.py")
        manifest["contents"] = [row for row in manifest["contents"] if row[0] != item[1]]
        item[1:] = [hashed, size]

    manifest, joined = _members(_honest(one))
    start, kept = 0, []
    old = _item(json.loads(manifest), "report", "report.py")[1]
    for row in json.loads(manifest)["contents"]:
        stored = row[2] if len(row) == 4 else row[1]
        if row[0] != old:
            kept.append(joined[start : start + stored])
        start += stored
    one.snapshot = forge(_honest(one), change, b"".join(kept))


@attack("S02", "other bytes under the hash of a right answer", "human", DAMAGED)
def other_bytes(one: Attempt) -> None:
    """Change a byte of what travels."""
    manifest, joined = _members(_honest(one))
    one.snapshot = rezip(manifest, joined[:-1] + bytes([joined[-1] ^ 1]))


@attack("S03", "a file said to be empty, whose content has a million bytes", "human", DAMAGED)
def wrong_size(one: Attempt) -> None:
    """Give a content another size than it has."""
    one.snapshot = forge(_honest(one), lambda manifest: manifest["contents"][0].__setitem__(1, 0))


@attack("S04", "a wheel of the index claimed to be installed, its files never written")
def claimed_wheel(one: Attempt) -> None:
    """Name a known wheel, so that its files needn't travel, and put it where the programs import from."""
    known = index().known
    (wheel, *_) = known.wheels("leftpad", "1.1")
    from autograder.snapshot.packing import wheel_mark

    def change(manifest: dict[str, Any]) -> None:
        sizes = [len(known.content(hashed) or b"") for _, hashed in sorted(wheel.files.items())]
        manifest["wheels"].append([wheel.filename, wheel_mark(wheel), sizes])
        manifest["trees"]["project"]["placed"].append(["report", len(manifest["wheels"]) - 1, []])

    one.snapshot = forge(_honest(one), change)


@attack("S05", "a wheel that is known under another mark", "human", "another edition|has another|can't be")
def other_edition(one: Attempt) -> None:
    """Claim an edition of a wheel that this index doesn't have."""
    one.snapshot = forge(
        _honest(one), lambda manifest: manifest["wheels"].append(["leftpad-1.1-py3-none-any.whl", "0" * 16, [1]])
    )


@attack("S06", "a forged RECORD that unfolds to far more than it says", "human", DAMAGED)
def record_bomb(one: Attempt) -> None:
    """Let a thinned RECORD of many short lines grow."""
    one.edit({"x.dist-info/RECORD": "a,\n" * 10, "a": "a"})
    one.hand_in()
    short = b"a,*\n" * 500_000
    hashed = hashlib.sha256(b"bomb").hexdigest()

    def change(manifest: dict[str, Any]) -> None:
        _item(manifest, "x.dist-info", "RECORD")[1:] = [hashed, 2_000_000]
        manifest["contents"] = [[hashed, 2_000_000, len(short), "x.dist-info/RECORD"]]

    one.snapshot = forge(_honest(one), change, short)


# What a zip file can say


@attack("S07", "a zip bomb: 1 GB of zeros in 1 MB", "human", "larger than|can't be")
def zip_bomb(one: Attempt) -> None:
    """Fill the grader's memory."""
    manifest, _ = _members(_honest(one))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", manifest)
        with archive.open("contents", "w") as file:
            for _ in range(250):
                file.write(bytes(1 << 20))
    one.snapshot = buffer.getvalue()


@attack("S08", "a zip bomb whose header says 10 bytes", "human", DAMAGED)
def lying_bomb(one: Attempt) -> None:
    """Lie about the size where it would be looked up."""
    manifest, _ = _members(_honest(one))
    data = bytearray(rezip(manifest, bytes(100_000_000)))
    for mark, place in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = data.rfind(mark)
        data[at + place : at + place + 4] = struct.pack("<I", 10)
    one.snapshot = bytes(data)


@attack("S09", "two members of one name", "human", DAMAGED)
def two_manifests(one: Attempt) -> None:
    """Show one manifest to who checks, another to who reads."""
    manifest, joined = _members(_honest(one))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("contents", joined)
        archive.writestr("manifest.json", manifest)
    one.snapshot = buffer.getvalue()


@attack("S10", "a member called ../../../../pwned", "human", DAMAGED)
def zip_slip(one: Attempt) -> None:
    """Write where whoever unpacks it may write."""
    manifest, joined = _members(_honest(one))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../../../../pwned", b"x")
        archive.writestr("contents", manifest + joined)
    one.snapshot = buffer.getvalue()


@attack("S11", "the whole directory of the zip file overlapping itself", "human", DAMAGED)
def overlapping(one: Attempt) -> None:
    """Let both members be the same bytes, as quoted bombs do."""
    data = bytearray(_honest(one))
    second = data.rfind(b"PK\1\2")
    data[second + 42 : second + 46] = struct.pack("<I", 0)
    one.snapshot = bytes(data)


# What a manifest can say


@attack("S12", "JSON nested 100,000 deep", "human", DAMAGED)
def nested(one: Attempt) -> None:
    """Overflow whoever parses it."""
    one.snapshot = rezip(b"[" * 100_000, b"")


@attack("S13", "a number of 4,000,000 digits", "human", DAMAGED)
def huge_number(one: Attempt) -> None:
    """Cost minutes in parsing alone."""
    one.snapshot = rezip(b'{"version": ' + b"9" * 4_000_000 + b"}", b"")


@attack("S14", "one million names", "human", "more than|larger than|can't be")
def many_names(one: Attempt) -> None:
    """Fill the memory with names."""
    names = ",".join(f'["{number:x}"]' for number in range(400_000))
    manifest, joined = _members(_honest(one))
    text = manifest.replace(b'"folders":[', f'"folders":[["many",[{names}]],'.encode(), 1)
    one.snapshot = rezip(text, joined)


def _with_folder(row: list[Any]) -> Callable[[Attempt], None]:
    return _into_manifest(lambda manifest: manifest["trees"]["project"]["folders"].append(row))


_EMPTY = [hashlib.sha256(b"").hexdigest(), 0]
attack("S15", "a path with ../ to the instructor's HOME", "human", "leaves the workspace")(
    _with_folder(["../../home", [["pwned", *_EMPTY]]])
)
attack("S16", "an absolute path", "human", "leaves the workspace|can't be")(
    _with_folder(["/tmp", [["pwned", *_EMPTY]]])
)
attack("S17", "one path that is two files", "human", "twice")(_with_folder(["report", [["report.py", *_EMPTY]]]))
attack("S18", "a file below a link: written through it", "human", "file where a folder|twice")(
    _into_manifest(
        lambda manifest: manifest["trees"]["project"]["folders"].extend(
            [["way", [["out", "/home/learner"]]], ["way/out", [["pwned", *_EMPTY]]]]
        )
    )
)
attack("S19", "a path with a zero byte, and one of half a surrogate pair", "human", DAMAGED)(
    _with_folder(["report\0x", [["\udc80\ud800", *_EMPTY]]])
)


@attack("S20", "the snapshot of another exercise, all right", "human", "one of 06|06-virtual")
def other_exercise(one: Attempt) -> None:
    """Hand in what was earned elsewhere."""
    one.hand_in(exercise="06-virtual-environments")


@attack("S21", "the snapshot of an exercise that isn't there", "human", "99-nothing")
def no_exercise(one: Attempt) -> None:
    """Name what nobody checks."""
    one.hand_in(exercise="99-nothing")


@attack("S22", "another exercise's id spelt as a path", "human", DAMAGED)
def exercise_as_path(one: Attempt) -> None:
    """Let the grader look for checks where the learner's files are."""
    one.snapshot = forge(_honest(one), lambda manifest: manifest.__setitem__("exercise", "../../01-modules"))


# What facts can say


@attack("S23", "a workspace said to stand at /usr", "no effect|human", "")
def root_over_system(one: Attempt) -> None:
    """Cover the sandbox's own Python with one's files."""
    one.edit({"bin/python3": "#!/bin/sh\necho 4.0\n"}).joinpath("bin/python3").chmod(0o755)
    one.hand_in(root="/usr/local")


@attack("S24", "a system Python said to be a script in the workspace", "human", "where it can't have been")
def own_python_home(one: Attempt) -> None:
    """Let the grader take the learner's script for the machine's Python."""
    script = f"#!/bin/sh\necho {SECRET[:6]}; exit 0\n"
    for name in ("python3", "python", "python3.11"):
        one.edit({f"mine/{name}": script}).joinpath("mine", name).chmod(0o755)
    one.hand_in(python_home="/home/learner/project/mine")


@attack("S25", "a Python 999.999", "no effect|human")
def future_python(one: Attempt) -> None:
    """Say that the work was done with what no grader has."""
    one.hand_in(python_version="999.999.0")


# What was published


def _publish(one: Attempt, journal: bytes, files: dict[str, bytes]) -> None:
    """Add a journal of uploads to the snapshot, and its files, as if the index had written them."""
    rows = [("journal.jsonl", journal), *((f"files/{name}", data) for name, data in files.items())]
    added = b"".join(data for _, data in rows)

    def change(manifest: dict[str, Any]) -> None:
        for path, data in rows:
            folder, _, name = f".wheelhouse/published/{path}".rpartition("/")
            hashed = hashlib.sha256(data).hexdigest()
            folders = manifest["trees"]["project"]["folders"]
            there = next((items for where, items in folders if where == folder), None)
            if there is None:
                folders.append([folder, there := []])
            there.append([name, hashed, len(data)])
            manifest["contents"].append([hashed, len(data)])

    _, joined = _members(_honest(one))
    one.snapshot = forge(_honest(one), change, joined + added)


@attack("S26", "a journal of uploads that names a path as a hash", "no effect|human")
def journal_path(one: Attempt) -> None:
    """Let the index serve the instructor's secret as a wheel."""
    record = {
        "event": "upload",
        "site": "pypi",
        "filename": "leftpad-9-py3-none-any.whl",
        "sha256": "../../../secret.txt",
    }
    _publish(one, json.dumps(record).encode() + b"\n", {})


@attack("S27", "a journal of uploads that never ends", "no effect|human", "")
def journal_bomb(one: Attempt) -> None:
    """Keep the index busy before anything is checked."""
    _publish(one, b'{"event":"upload"}\n' * 90_000, {})


@attack("S28", "garbage", "human", DAMAGED)
def garbage(one: Attempt) -> None:
    """Hand in what is no snapshot."""
    one.snapshot = b"garbage\0" * 1000


@attack("S29", "a snapshot cut in the middle, with a right end put behind it", "human", DAMAGED)
def cut(one: Attempt) -> None:
    """Let who looks at the end be satisfied."""
    honest = _honest(one)
    one.snapshot = honest[: len(honest) // 2] + zlib.compress(b"x") + honest[-22:]


@attack("S30", "no snapshot at all, the answer typed into the notebook", "zero", "Nothing was submitted")
def none_at_all(one: Attempt) -> None:
    """Hand in the reference answer as text."""
    one.run(f"%%shell\ncat > report/report.py <<'END'\n{RIGHT_REPORT}END\n")
    one.snapshot = None
