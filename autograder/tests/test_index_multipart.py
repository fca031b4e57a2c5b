"""Forms with a file: read in pieces of any size, bounded, and refused when they are none."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.index import multipart
from autograder.index.multipart import Form, read_form
from autograder.index.request import Body, Malformed
from index_publishing import encode


def read(kind: str, body: bytes, *, piece: int = 1 << 16, length: int | None = None) -> tuple[Form, bytes]:
    """Read a form that comes in pieces; gives it and the file's content."""
    stream, sink = io.BytesIO(body), io.BytesIO()
    form = read_form(
        Body(lambda size: stream.read(min(size, piece)), len(body) if length is None else length), kind, sink
    )
    return form, sink.getvalue()


@given(
    st.dictionaries(st.text("abc_:", min_size=1, max_size=8), st.text(max_size=20), max_size=5),
    st.binary(max_size=300),
    st.integers(1, 50),
)
def test_any_form_in_any_pieces(told: dict[str, str], data: bytes, piece: int) -> None:
    """What was written is read, however it is cut up on its way."""
    told = {key: value.replace("\r", "").replace("\n", "") for key, value in told.items()}
    kind, body = encode(dict(told), "x.whl", data)
    form, content = read(kind, body, piece=piece)
    assert {key: form.first(key) for key in told} == told
    assert form.file is not None
    assert (content, form.file.size, form.file.filename) == (data, len(data), "x.whl")
    assert form.file.sha256 == hashlib.sha256(data).hexdigest()
    assert form.file.blake2 == hashlib.blake2b(data, digest_size=32).hexdigest()


def test_delimiter_in_the_file_is_content() -> None:
    """What looks like the end of a part, but isn't quite, belongs to the file."""
    kind, body = encode({}, "x.whl", b"X")
    boundary = kind.rpartition("=")[2].encode()
    data = b"\r\n--" + boundary[:-1] + b"\r\n-\r\n--\r\n\r\n"
    form, content = read(kind, body.replace(b"X", data, 1) if b"X" not in boundary else body, piece=3)
    assert content == data
    assert form.file is not None


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=x"],
)
def test_other_content_is_no_form(kind: str) -> None:
    """Only multipart/form-data with a boundary is a form."""
    with pytest.raises(Malformed, match="not multipart/form-data"):
        read(kind, b"--x--")


DISPOSITION = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"no boundary at all",
        b"--xx\r\n\r\n",
        b"--x\r\n\r\n1\r\n--x--",
        b"--x\r\nContent-Disposition: attachment\r\n\r\n1\r\n--x--",
        b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--",
        b"--x\r\nX: " + b"y" * 10_000 + b"\r\n\r\n1\r\n--x--",
        DISPOSITION,
        DISPOSITION + b"--x",
        DISPOSITION + b"--x and more",
    ],
)
def test_broken_forms_are_told(body: bytes) -> None:
    """A form that is cut off, or whose parts make no sense, is refused."""
    with pytest.raises(Malformed):
        read("multipart/form-data; boundary=x", body)


def test_body_that_ends_too_early() -> None:
    """A client that announces more than it sends is told."""
    kind, body = encode({"a": "1"}, "x.whl", b"data")
    with pytest.raises(Malformed, match="ends too early"):
        read(kind, body[:-10], length=len(body))


def test_quoted_boundary_preamble_and_epilogue() -> None:
    """What stands before the first part and after the last one doesn't matter, nor how the boundary is written."""
    form, _ = read(
        'Multipart/Form-Data; charset=utf-8; boundary="x y"', b"hello\r\n--x y" + DISPOSITION[3:] + b"--x y--\r\nbye"
    )
    assert form.fields == {"a": ["1"]}


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'form-data; name="a\\"b"; filename="c\\\\d"', 'a"b'),
        (b"form-data; name=plain; filename=plain.whl", "plain"),
        ('form-data; name="ü"; filename="ü"'.encode(), "ü"),
    ],
)
def test_names_of_parts(head: bytes, name: str) -> None:
    """Names may be quoted, plain, or of any letters."""
    body = b"--x\r\nContent-Disposition: " + head + b"\r\n\r\n1\r\n--x--"
    form, _ = read("multipart/form-data; boundary=x", body)
    assert form.odd == name


@pytest.mark.parametrize("what", ["fields", "parts"])
def test_too_much_is_refused(what: str) -> None:
    """The fields together, and their number, are bounded."""
    many: dict[str, Callable[[], bytes]] = {
        "fields": lambda: DISPOSITION.replace(b"1\r\n", b"1" * (multipart.MOST_FIELD_BYTES // 2) + b"\r\n") * 3,
        "parts": lambda: DISPOSITION * (multipart.MOST_PARTS + 1),
    }
    with pytest.raises(Malformed, match=r"too (long|many)"):
        read("multipart/form-data; boundary=x", many[what]() + b"--x--")


def test_large_file_costs_little_memory() -> None:
    """A file goes to the disk as it comes; of one that is too large only the beginning."""
    kind, body = encode({}, "x.whl", b"")
    head, tail = body.split(b"\r\n\r\n", 1)
    left = [head + b"\r\n\r\n", *[b"0" * (1 << 16)] * 400, tail]
    length = sum(map(len, left))

    class Nowhere(io.BytesIO):
        written = 0

        def write(self, data: object) -> int:
            """Count."""
            assert isinstance(data, bytes)
            self.written += len(data)
            return len(data)

    sink = Nowhere()
    tracemalloc.start()
    form = read_form(Body(lambda _: left.pop(0), length), kind, sink)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert form.file is not None
    assert form.file.too_large
    assert form.file.size == 400 << 16
    assert sink.written <= multipart.MOST_FILE_BYTES
    assert peak < 2 << 20
