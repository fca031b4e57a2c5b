"""What a release says about itself, read from whichever file can be read."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import replace
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.index.core_metadata import core_metadata, metadata_of, of_version, shown_version
from autograder.index.protocol import answer
from autograder.index.site import Site
from autograder.index.store import IndexFile

TEXT = b"Metadata-Version: 2.4\nName: Odd\nVersion: 1.0\nSummary: From %s\n\nText\n"


def sdist(inner: str) -> bytes:
    """Write an sdist with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo(inner)
        member.size = len(TEXT % b"sdist")
        archive.addfile(member, io.BytesIO(TEXT % b"sdist"))
    return buffer.getvalue()


def file(
    filename: str, data: bytes, *, metadata: bytes = b"", version: str = "1.0", yanked: str | None = None
) -> IndexFile:
    """Describe a file."""
    return IndexFile(
        filename=filename,
        project="odd",
        version=version,
        origin="published",
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        yanked=yanked,
        metadata_sha256=hashlib.sha256(metadata).hexdigest() if metadata else "",
    )


def site(*contents: bytes) -> Site:
    """Make a site that can open these contents."""
    there = {hashlib.sha256(data).hexdigest(): data for data in contents}

    def opened(sha256: str) -> BinaryIO:
        if sha256 not in there:
            raise FileNotFoundError(sha256)
        return io.BytesIO(there[sha256])

    return Site("Test", {}, opened)


def test_wheel_goes_before_sdist() -> None:
    """As installers do, the wheel is asked first; the sdist only where there is none, or it can't be read."""
    source, meta = sdist("odd-1.0/PKG-INFO"), TEXT % b"wheel"
    files = [file("odd-1.0.tar.gz", source), file("odd-1.0-py3-none-any.whl", b"x", metadata=meta)]
    assert core_metadata(site(source, meta), files).get("summary") == "From wheel"
    assert core_metadata(site(source), files).get("summary") == "From sdist"
    assert core_metadata(site(source, meta), files[:1]).get("summary") == "From sdist"


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", gzip.compress(b"nonsense"), sdist("other/PKG-INFO"), sdist("odd-1.0/PKG-INFO")[:60]],
    ids=["empty", "nonsense", "compressed-nonsense", "other-folder", "cut-short"],
)
def test_damaged_files_say_nothing(data: bytes) -> None:
    """What can't be read is as if it said nothing."""
    assert metadata_of(site(data), file("odd-1.0.tar.gz", data)) == {}
    assert core_metadata(site(), [file("odd-1.0-py3-none-any.whl", b"x", metadata=b"y")]) == {}


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        (["1.0", "1.10", "1.9"], "1.10"),
        (["1.0", "2.0rc1"], "1.0"),
        (["1.0", "2.0 yanked"], "1.0"),
        (["1.0rc1", "1.0rc2"], "1.0rc2"),
        (["1.0 yanked", "1.1 yanked"], "1.1"),
        ([], ""),
    ],
)
def test_which_release_stands_for_the_project(versions: list[str], chosen: str) -> None:
    """The newest final one that isn't yanked; where there is none, the best of the rest."""
    files = []
    for text in versions:
        version, _, mark = text.partition(" ")
        files.append(file(f"odd-{version}.tar.gz", b"", version=version, yanked="why" if mark else None))
    assert shown_version(files) == chosen


def test_versions_are_found_however_written() -> None:
    """`v1.0.0` is 1.0; what is no version is found nowhere."""
    files = [file("odd-1.0.tar.gz", b"")]
    assert of_version(files, "v1.0.0") == files
    assert of_version(files, "1.1") == of_version(files, "<script>") == of_version(files, "") == []


FIELDS = [
    *("Name", "Version", "Summary", "Description", "Description-Content-Type", "Keywords", "Author-email", "License"),
    *(
        "License-Expression",
        "Classifier",
        "Requires-Dist",
        "Requires-Python",
        "Provides-Extra",
        "Project-URL",
        "Platform",
        "Dynamic",
    ),
]
HEADERS = st.lists(st.tuples(st.sampled_from(FIELDS), st.text(max_size=20) | st.just("\udcff")), max_size=6)


@given(HEADERS, st.binary(max_size=30) | st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\x00"]))
def test_whatever_an_upload_says_is_shown(headers: list[tuple[str, str]], rest: bytes) -> None:
    """No metadata, however odd, can keep a page or a document from being written."""
    metadata = b"".join(f"{name}: {value}\n".encode(errors="surrogateescape") for name, value in headers) + b"\n" + rest
    wheel = file("odd-1.0-py3-none-any.whl", b"x", metadata=metadata or b"\n")
    of = replace(site(b"x", metadata or b"\n"), projects={"odd": [wheel]})
    for address in ("project/odd/", "pypi/odd/json", ""):
        assert answer({"pypi": of}, f"/pypi/{address}", {}).status == 200
