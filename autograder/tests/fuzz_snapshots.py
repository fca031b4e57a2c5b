"""Mutates one good snapshot many times and opens each: `fuzz_snapshots.py GOOD FOLDER SEED COUNT`, in a process of its own with little memory.

Every mutant is opened; what opens is hashed, walked and read; some are restored into a folder, and checked without running anything.
Prints one JSON line: how many opened, how many were refused, what went wrong (`trouble`), the slowest, and the most memory.
"""

from __future__ import annotations

import io
import json
import random
import resource
import shutil
import struct
import sys
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

MEMORY = 1_500_000_000
"""Of addresses, in bytes: the interpreter, the mapped store of known contents, and what one snapshot may take."""
STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 1e308, float("nan"), "", ".", "..", "/", "a/../..", "/etc/passwd"),
    *(
        "\0",
        "\ud800",
        "a" * 5000,
        "0" * 64,
        [],
        [[]],
        {},
        {"": 0},
        [0] * 50,
        "é",
        "\udcff",
        "site-packages",
        ".git/HEAD",
        "pyvenv.cfg",
    ),
)


def flip(good: bytes, dice: random.Random) -> bytes:
    """Change, cut, double or insert some bytes."""
    data = bytearray(good)
    for _ in range(dice.choice((1, 1, 2, 8, 64))):
        place = dice.randrange(len(data))
        match dice.randrange(5):
            case 0:
                data[place] ^= 1 << dice.randrange(8)
            case 1:
                data[place] = dice.choice((0, 0xFF, 0x7F, dice.randrange(256)))
            case 2:
                del data[place : place + dice.choice((1, 4, 100))]
            case 3:
                data[place:place] = dice.randbytes(dice.choice((1, 4, 100)))
            case 4:
                data[place:place] = data[max(0, place - 50) : place]
        if not data:
            break
    return bytes(data)


def frame(good: bytes, dice: random.Random) -> bytes:
    """Write another zip file around the same text: other members, compressions, sizes, flags."""
    manifest, contents = parts(good)
    members = [("manifest.json", manifest), ("contents", contents)]
    match dice.randrange(8):
        case 0:
            members.reverse()
        case 1:
            members.append(
                (dice.choice(("../evil", "/etc/cron.d/evil", "contents", "manifest.json", "x" * 300)), b"evil")
            )
        case 2:
            members[dice.randrange(2)] = (dice.choice(("../contents", "", "manifest.json/", "CONTENTS")), b"x")
        case 3:
            members[dice.randrange(2)] = (
                dice.choice(("manifest.json", "contents")),
                b"\0" * dice.choice((9_000_000, 30_000_000)),
            )
        case 4:
            members[1] = ("contents", contents + dice.randbytes(10))
        case 5:
            members[0] = ("manifest.json", b"[" * dice.choice((10, 100_000)))
    how = dice.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, how)
        archive.comment = dice.choice((b"", b"", b"comment", b"PK\5\6" * 10))
    written = bytearray(buffer.getvalue())
    if dice.random() < 0.5:  # a lie in the table of contents
        table = written.rfind(b"PK\1\2")
        place = table + dice.choice((8, 10, 16, 20, 24, 42))
        struct.pack_into("<I", written, place, dice.choice((0, 1, 0xFFFFFFFF, 0x7FFFFFFF, dice.randrange(1 << 32))))
    return bytes(written)


def say(good: bytes, dice: random.Random) -> bytes:
    """Say something else in the manifest, one to three times."""
    text, contents = parts(good)
    manifest = json.loads(text)
    for _ in range(dice.choice((1, 1, 2, 3))):
        here: Any = manifest
        for _ in range(dice.randrange(1, 9)):
            keys = list(here) if isinstance(here, dict) else list(range(len(here)))
            if not keys:
                break
            key = dice.choice(keys)
            if isinstance(here[key], dict | list) and here[key] and dice.random() < 0.8:
                here = here[key]
                continue
            _spoil(here, key, dice)
            break
    return whole(json.dumps(manifest).encode(), contents)


def _spoil(here: Any, key: Any, dice: random.Random) -> None:
    match dice.randrange(6):
        case 0 | 1:
            here[key] = dice.choice(STRANGE)
        case 2:
            del here[key]
        case 3 if isinstance(here, list):
            here.insert(key, here[dice.randrange(len(here))])
        case 4 if isinstance(here[key], str) and here[key]:
            place = dice.randrange(len(here[key]))
            here[key] = here[key][:place] + dice.choice(("", "/", "..", "\0", "x", "é")) + here[key][place + 1 :]
        case 5 if isinstance(here[key], int):
            here[key] += dice.choice((-1, 1, 1 << 20))
        case _:
            here[key] = [here[key]]


def fill(good: bytes, dice: random.Random) -> bytes:
    """Put another content into a file, with the right hash everywhere: what then comes out is read by the checks."""
    text, contents = parts(good)
    manifest = json.loads(text)
    rows = [row for row in manifest["contents"] if len(row) == 2]
    if not rows:
        return good
    chosen = dice.choice(rows)
    pieces, start = [], 0
    for row in manifest["contents"]:
        stored = row[2] if len(row) == 4 else row[1]
        pieces.append(contents[start : start + stored])
        start += stored
    old = manifest["contents"].index(chosen)
    fresh = dice.choice(
        (
            b"",
            b"\xff" * 20,
            dice.randbytes(200),
            b"[" * 50_000,
            b"(" * 3_000,
            flip(pieces[old] or b"x", dice),
            b"a = 1\n" * 9_000,
        )
    )
    hashed, size = sha256(fresh).hexdigest(), len(fresh)
    for _, items in manifest["trees"]["project"]["folders"]:
        for item in items:
            if len(item) > 2 and item[1] == chosen[0]:
                item[1], item[2] = hashed, size
    chosen[0], chosen[1], pieces[old] = hashed, size, fresh
    return whole(json.dumps(manifest).encode(), b"".join(pieces))


MUTATORS: tuple[Callable[[bytes, random.Random], bytes], ...] = (flip, frame, say, say, fill, fill)


def parts(good: bytes) -> tuple[bytes, bytes]:
    """Give a snapshot's manifest and contents."""
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        return archive.read("manifest.json"), archive.read("contents")


def whole(manifest: bytes, contents: bytes) -> bytes:
    """Write a snapshot, without compression, which is quicker."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("contents", contents)
    return buffer.getvalue()


def main(good: bytes, folder: Path, seed: int, count: int) -> dict[str, Any]:
    """Do it."""
    from autograder.exceptions import CourseError, SandboxError, SnapshotError
    from autograder.exercise import find_exercise
    from autograder.folder import index
    from autograder.runner import evaluate
    from autograder.snapshot import SnapshotTree, digest, restore
    from autograder.tree import walk

    known, exercise = index().known, find_exercise(SnapshotTree.open(good, index().known).exercise)
    known.content("0" * 64)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    dice = random.Random(seed)
    warnings.simplefilter("ignore")  # zipfile's, of doubled names
    counted: Counter[str] = Counter()
    trouble: list[str] = []
    slowest = 0.0
    for number in range(count):
        mutator = dice.choice(MUTATORS)
        mutant = mutator(good, dice)
        start = time.process_time()
        try:
            tree = SnapshotTree.open(mutant, known)
            digest(tree)
            for path, entry in walk(tree):
                if path.startswith("/") or {"", ".", ".."} & set(path.split("/")) or "\0" in path:
                    trouble.append(f"{number} {mutator.__name__}: names {path!r}")
                if entry.kind == "file" and dice.random() < 0.02:
                    tree.sha256(path)
            counted["opened"] += 1
            if mutant != good and dice.random() < 0.15:
                verdict = evaluate(exercise, tree, acting=False)
                broken = [one for task in verdict.tasks for one in task.outcomes if one.trouble]
                trouble += [f"{number} {mutator.__name__}: {one.trouble}" for one in broken]
                counted["checked"] += 1
            if dice.random() < 0.03:
                place = folder / "restored"
                place.mkdir()
                try:
                    restore(tree, place, facts=tree.facts, sealed=True)
                    counted["restored"] += 1
                except SandboxError:
                    counted["not restored"] += 1
                finally:
                    shutil.rmtree(place)
        except SnapshotError as error:
            counted["refused"] += 1
            if "\n" in error.message or not error.next_step:
                trouble.append(f"{number} {mutator.__name__}: no sentence: {error}")
        except CourseError as error:
            trouble.append(f"{number} {mutator.__name__}: {error}")
        except Exception:
            trouble.append(f"{number} {mutator.__name__}: {traceback.format_exc()}")
        slowest = max(slowest, time.process_time() - start)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {**counted, "trouble": trouble[:5], "slowest": round(slowest, 2), "memory": memory}


if __name__ == "__main__":
    good, folder, seed, count = sys.argv[1:]
    print(json.dumps(main(Path(good).read_bytes(), Path(folder), int(seed), int(count))))
