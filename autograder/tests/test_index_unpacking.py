"""Archives that are made to cost much: they are read, or refused, within seconds."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.index import unpacking
from autograder.index.archive_rules import check_archive
from autograder.index.refusal import Refused
from autograder.index.unpacking import Unsound, Unzipped
from index_publishing import sdist, wheel


def extended(data: bytes, times: int = 1) -> bytes:
    """An sdist whose first member has this as its extended header, so many times."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, len(data)
    header = member.tobuf(tarfile.PAX_FORMAT) + data.ljust(-(-len(data) // 512) * 512, b"\0")
    return gzip.compress(header * times, 6)


def many_members() -> bytes:
    """A wheel of very many empty members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(30_000):
            archive.writestr(zipfile.ZipInfo(str(number)), b"")
    return buffer.getvalue()


def long_names() -> bytes:
    """An sdist in which a long name is announced over and over."""
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 5
    return gzip.compress((member.tobuf(tarfile.GNU_FORMAT) + b"name\0".ljust(512, b"\0")) * 20_000, 1)


SLOW: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip with an endless name": ("x-1.0.tar.gz", lambda: b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"a" * (16 << 20)),
    "gzip of very many parts": ("x-1.0.tar.gz", lambda: gzip.compress(b"", 1) * 500_000),
    "tar with a huge extended header": ("x-1.0.tar.gz", lambda: extended(b"\0" * (50 << 20))),
    "tar with very many attributes": ("x-1.0.tar.gz", lambda: extended(b"11 path=abc\n" * 80_000)),
    "tar with a number of a million digits": ("x-1.0.tar.gz", lambda: extended(b"1" * 1_000_000)),
    "tar with very many long numbers": ("x-1.0.tar.gz", lambda: extended(b"1" * 8000, times=2000)),
    "tar with a chain of long names": ("x-1.0.tar.gz", long_names),
    "zip of very many members": ("x-1.0-py3-none-any.whl", many_members),
}


@pytest.mark.parametrize("name", SLOW)
@pytest.mark.timeout(60)
def test_slow_archive(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could keep the standard library busy for minutes, or break it, is refused soon."""
    monkeypatch.setattr(unpacking, "SECONDS", 2.0)
    filename, make = SLOW[name]
    data = make()
    begun = time.perf_counter()
    with pytest.raises(Refused, match=r"Invalid distribution file\."):
        check_archive(io.BytesIO(data), len(data), filename)
    assert time.perf_counter() - begun < 8


@pytest.mark.parametrize("made", [wheel("x", "1.0"), wheel("x", "1.0", deflate=True), sdist("x", "1.0")])
def test_damaged_archive_is_refused_or_read(made: tuple[str, bytes]) -> None:
    """Whichever bytes of an archive are changed, nothing worse than a refusal comes of it."""
    chance = random.Random(1)
    for _ in range(300):
        data = bytearray(made[1])
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            check_archive(io.BytesIO(data), len(data), made[0]).check_contents()
        except Refused:
            continue


@given(st.lists(st.binary(max_size=2000), min_size=1, max_size=4), st.integers(1, 700), st.integers(0, 20))
def test_unzips_what_gzip_does(parts: list[bytes], size: int, padding: int) -> None:
    """Any gzip file, of one part or several, padded or not, gives what it holds, in pieces of any size."""
    data = b"".join(gzip.compress(part) for part in parts) + b"\0" * padding
    unzipped = Unzipped(io.BytesIO(data), 1 << 20)
    pieces = []
    while piece := unzipped.read(size):
        assert len(piece) <= size
        pieces.append(piece)
    assert b"".join(pieces) == b"".join(parts)


def test_unzips_no_more_than_it_may() -> None:
    """A bomb, a cut file and a damaged one end with an error."""
    with pytest.raises(Unsound, match="compression ratio"):
        everything(gzip.compress(b"0" * (2 << 20)))
    whole = gzip.compress(bytes(range(256)) * 40)
    with pytest.raises(EOFError):
        everything(whole[:-9])
    with pytest.raises(zlib.error):
        everything(whole[:-8] + b"\0" * 8)
    with pytest.raises(zlib.error):
        everything(b"no gzip file")


def everything(data: bytes) -> bytes:
    """Read to the end."""
    unzipped = Unzipped(io.BytesIO(data), 1 << 20)
    return b"".join(iter(unzipped.read, b""))
