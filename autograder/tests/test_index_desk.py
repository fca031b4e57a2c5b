"""What is handed in by clients without manners: it gets an answer soon, costs little, and changes nothing."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import os
import resource
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.index import PackageIndex, server
from autograder.index.journal import Journal
from index_publishing import Served, encode, fields, serving, wheel


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def served(index: PackageIndex, tmp_path: Path) -> Iterator[Served]:
    """The index, served for a new workspace."""
    with serving(index, tmp_path / "published") as served:
        yield served


def talk(served: Served, request: bytes, *, seconds: float = 20) -> bytes:
    """Send bytes as they are, and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=seconds) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(request)
        said = b""
        with contextlib.suppress(ConnectionError):
            while block := connection.recv(65536):
                said += block
        return said


def post(path: str, body: bytes, *headers: str, length: object = None) -> bytes:
    """Write a POST."""
    told = [f"POST {path} HTTP/1.1", "Host: index", "Connection: close", *headers]
    told += [f"Content-Length: {len(body) if length is None else length}"] if length != "" else []
    return "\r\n".join([*told, "", ""]).encode() + body


def authorized(served: Served) -> str:
    """A header with a token."""
    return "Authorization: Basic " + base64.b64encode(f"__token__:{served.token()}".encode()).decode()


def untouched(served: Served) -> bool:
    """Whether nothing was published, and nothing half-received lies about."""
    files = served.published / "files"
    left = list(files.iterdir()) if files.exists() else []
    return not served.events("upload") and not served.events("create") and not left


@pytest.mark.parametrize(
    ("length", "header", "status"),
    [
        ("", "Transfer-Encoding: chunked", b"411"),
        ("", "X: y", b"411"),
        ("-5", "X: y", b"411"),
        ("1e3", "X: y", b"411"),
        ("99999999999999999999", "X: y", b"411"),
        (200 << 20, "X: y", b"413"),
        (10, "Transfer-Encoding: chunked", b"411"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/pypi/legacy/", "/pypi/manage/account/token/", "/pypi/_/oidc/mint-token", "/oidc/runs"]
)
def test_length_must_be_known_and_small(served: Served, path: str, length: object, header: str, status: bytes) -> None:
    """A body without a length, in chunks, or of a length that is nonsense or too large, is refused at once."""
    hidden = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    begun = time.monotonic()
    said = talk(served, post(path, b"5\r\nhello\r\n0\r\n\r\n" + hidden, header, length=length))
    assert said.startswith(b"HTTP/1.1 " + status)
    assert said.count(b"HTTP/1.1 ") == 1
    assert time.monotonic() - begun < 10
    assert untouched(served)


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data", "multipart/form-data; boundary=x", "application/json", ""]
)
@pytest.mark.parametrize("body", [b"", b"nonsense", b"--x\r\n\r\n\r\n", b"--x--", b"\0" * 1000])
def test_bad_form(served: Served, kind: str, body: bytes) -> None:
    """A body that is no form is refused in a sentence."""
    said = talk(served, post("/pypi/legacy/", body, f"Content-Type: {kind}", authorized(served)))
    assert said.startswith(b"HTTP/1.1 400 Bad Request: ") or b"400 'This" in said or b" 400 " in said.split(b"\r\n")[0]
    assert untouched(served)


@pytest.mark.parametrize(
    "filename",
    [
        "../../../etc/passwd",
        "..\\\\..\\\\x-1.0.tar.gz",
        "/etc/cron.d/x-1.0.tar.gz",
        "x\0-1.0.tar.gz",
        "x" * 5000 + "-1.0.tar.gz",
        "%2e%2e%2fx-1.0.tar.gz",
        "CON",
        "",
        "x-1.0.tar.gz\r\nX-Evil: 1",
    ],
)
def test_file_name_never_becomes_a_path(served: Served, tmp_path: Path, filename: str) -> None:
    """Whatever a file calls itself, it is refused, and nothing is written but below the workspace's own folder."""
    data = wheel("x", "1.0")[1]
    kind, body = encode(fields("x", "1.0", "x.tar.gz", data), filename or "_", data)
    if not filename:
        body = body.replace(b'filename="_"', b'filename=""')
    said = talk(served, post("/pypi/legacy/", body, f"Content-Type: {kind}", authorized(served)))
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nX-Evil" not in said
    assert untouched(served)
    assert {path.name for path in tmp_path.iterdir()} == {"published"}


def test_sentence_cannot_break_the_answer(served: Served) -> None:
    """What a client sends may stand in the reason phrase, but can't end it."""
    name = "x\r\nSet-Cookie: a=b\r\n\r\n<script>"
    kind, body = encode(fields(name, "1.0", "x-1.0.tar.gz", b"x"), "x-1.0.tar.gz", b"x")
    said = talk(served, post("/pypi/legacy/", body, f"Content-Type: {kind}", authorized(served), "Accept: text/html"))
    head, _, shown = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"Set-Cookie: a=b" not in head.split(b"\r\n")[1:]
    assert b"<script>" not in shown


def test_slow_body_is_cut_off(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends its body a byte at a time is told that it took too long."""
    monkeypatch.setattr(server, "BODY_SECONDS", 0.5)
    with serving(index, tmp_path / "published") as served:
        header = authorized(served)
        begun = time.monotonic()
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as slow:
            kind = "Content-Type: multipart/form-data; boundary=x"
            slow.sendall(post("/pypi/legacy/", b"", kind, header, length=100_000))
            said = b""
            slow.settimeout(0.05)
            while time.monotonic() - begun < 10 and not said:
                with contextlib.suppress(TimeoutError):
                    slow.sendall(b"-")
                    said = slow.recv(100)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - begun < 5
        assert untouched(served)


def test_silent_body_is_cut_off(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that announces a body and sends none of it is told so, too."""
    monkeypatch.setattr(server._Handler, "timeout", 0.2)
    with serving(index, tmp_path / "published") as served:
        kind = "Content-Type: multipart/form-data; boundary=x"
        said = talk(served, post("/pypi/legacy/", b"", kind, authorized(served), length=1000))
        assert said.startswith(b"HTTP/1.1 408 ")


def test_refused_client_may_finish(served: Served) -> None:
    """Who sends a large body with a wrong token gets the reason, not a broken connection."""
    reply = served.upload(("x-1.0.tar.gz", b"0" * (12 << 20)), "pypi-wrong")
    assert (reply.status, reply.reason[:30]) == (403, "Invalid or non-existent authen")
    assert untouched(served)


def bombs() -> Iterator[tuple[str, bytes]]:
    """Archives that are more than they seem, or less."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9) as file:
        for _ in range(100):
            file.write(b"\0" * (1 << 20))
    yield "x-1.0.tar.gz", buffer.getvalue()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("x-1.0/big")
        member.size = 80 << 20
        archive.addfile(member, io.BytesIO(b"\0" * member.size))
    yield "x-1.0.tar.gz", buffer.getvalue()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for number in range(20_100):
            archive.addfile(tarfile.TarInfo(f"x-1.0/{number}"))
    yield "x-1.0.tar.gz", buffer.getvalue()
    yield "x-1.0.tar.gz", gzip.compress(b"x-1.0/PKG-INFO" + b"\0" * 100)
    name, data = wheel("x", "1.0")
    yield name, data[:-30]
    yield name, data.replace(b"PK\x01\x02", b"PK\x01\x03")
    yield name, data[:40] + b"\xff" * 20 + data[60:]
    yield name, data.replace(b"x-1.0.dist-info/METADATA", b"x-1.0.dist-info/METADATA"[::-1], 1)


def test_archives_that_lie(served: Served) -> None:
    """Bombs and damaged archives are refused within bounded memory and time."""
    token = served.token()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for filename, data in bombs():
        begun = time.monotonic()
        told = {"filetype": "sdist", "pyversion": "source"} if filename.endswith("gz") else {}
        reply = served.upload((filename, data), token, name="x", version="1.0", **told)
        assert (reply.status, reply.reason[:26]) == (400, "Invalid distribution file."), (filename, reply)
        assert time.monotonic() - begun < 15
    assert not served.events("upload")
    # The bombs themselves were made in this process, the largest of 80 MB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10


def test_full_disk_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing can be written, the client is told, the next one is served, and nothing half-written counts."""
    token = served.token()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "take", full)
    assert served.upload(wheel("x-y", "1.0"), token).status == 507
    monkeypatch.undo()
    assert served.filenames("x-y") == []
    assert served.upload(wheel("x-y", "1.0"), token).status == 200


def test_crowd_of_uploads(served: Served) -> None:
    """Many clients at once are all answered, and what was accepted is there."""
    token = served.token()
    replies: list[int] = []
    files = [wheel("till-slip", f"1.{number}") for number in range(20)]
    threads = [
        threading.Thread(target=lambda file=file: replies.append(served.upload(file, token).status)) for file in files
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [200] * 20
    assert sorted(served.filenames("till-slip")) == sorted(filename for filename, _ in files)


def test_osv_is_asked_by_post(served: Served) -> None:
    """`uv audit` and pip-audit ask for advisories by POST."""
    reply = served.ask("POST", "/osv/v1/querybatch", json.dumps({"queries": []}).encode())
    assert (reply.status, reply.json) == (200, {"results": []})


def test_connection_is_kept(served: Served) -> None:
    """After an upload the same connection serves the next request."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("POST", "/pypi/manage/account/token/", b"name=x")
        reply = connection.getresponse()
        assert reply.status == 200
        assert reply.read()
        connection.request("GET", "/pypi/simple/")
        assert connection.getresponse().read()
        assert connection.sock is first
    connection.close()


@pytest.mark.parametrize(
    "header",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_web_page_cannot_click_for_the_learner(served: Served, header: dict[str, str]) -> None:
    """A page on the web that posts to this machine from the learner's browser is refused."""
    reply = served.ask("POST", "/pypi/manage/account/token/", b"name=x", **header)
    assert reply.status == 403
    assert not served.journal.events()
    own = {"Origin": served.url("").rstrip("/"), "Sec_Fetch_Site": "same-origin"}
    assert served.ask("POST", "/pypi/manage/account/token/", b"name=x", **own).status == 200


def test_pip_search_is_told_why_it_fails(served: Served) -> None:
    """`pip search` shows the sentence with which PyPI answers it since 2021."""
    pip = [sys.executable, "-m", "pip", "search", "--index", served.url("/pypi/pypi"), "till"]
    ran = subprocess.run(pip, capture_output=True, text=True, env={"PIP_CONFIG_FILE": os.devnull}, timeout=60)
    assert ran.returncode != 0
    assert "PyPI no longer supports 'pip search' (or XML-RPC search). Please use http://127.0.0.1" in ran.stderr
