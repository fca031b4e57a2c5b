"""What the tests of publishing share: distributions written by hand, forms, and a served index to which they are sent."""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import http.client
import io
import json
import secrets
import socket
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from autograder.index import PackageIndex
from autograder.index.journal import Event, Journal


def metadata(name: str, version: str, *more: str, readme: str = "# Read me\n") -> str:
    """Write core metadata; `more` are lines of the head."""
    head = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", "Summary: A draft", *more]
    return "\n".join([*head, "Description-Content-Type: text/markdown", "", readme])


def wheel(
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    stem: str = "",
    files: Mapping[str, str | None] | None = None,
    deflate: bool = False,
) -> tuple[str, bytes]:
    """Write a wheel; `files` adds to it, or takes away what is None. `@info@` stands for its dist-info folder."""
    stem = stem or f"{name.replace('-', '_').lower()}-{version}"
    info = f"{stem}.dist-info"
    contents: dict[str, str | None] = {
        f"{name.replace('-', '_')}.py": f"version = {version!r}\n",
        f"{info}/METADATA": metadata(name, version),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/RECORD": "",
    }
    contents |= {path.replace("@info@", info): text for path, text in (files or {}).items()}
    there = {path: text for path, text in contents.items() if text is not None}
    if there.get(f"{info}/RECORD") == "":
        there[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in there)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as archive:
        for path, text in there.items():
            archive.writestr(zipfile.ZipInfo(path), text, zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED)
    return f"{stem}-{tag}.whl", buffer.getvalue()


def sdist(name: str, version: str, *, stem: str = "", files: Iterable[str] = ("PKG-INFO", "x.py")) -> tuple[str, bytes]:
    """Write an sdist with these files."""
    stem = stem or f"{name.replace('-', '_').lower()}-{version}"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in files:
            data = metadata(name, version).encode() if path.endswith("PKG-INFO") else f"{path} {version}\n".encode()
            member = tarfile.TarInfo(f"{stem}/{path}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return f"{stem}.tar.gz", gzip.compress(buffer.getvalue(), 1, mtime=0)


Fields = dict[str, str | list[str] | None]


def fields(name: str, version: str, filename: str, data: bytes, **more: str | list[str] | None) -> Fields:
    """Give what twine sends along with a file; None takes a field away."""
    built = filename.endswith(".whl")
    form: Fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.4",
        "name": name,
        "version": version,
        "summary": "A draft",
        "description": "# Read me\n",
        "description_content_type": "text/markdown",
        "filetype": "bdist_wheel" if built else "sdist",
        "pyversion": "py3" if built else "source",
        "sha256_digest": hashlib.sha256(data).hexdigest(),
    }
    return {key: value for key, value in (form | more).items() if value is not None}


def encode(form: Fields, filename: str, data: bytes, media: str = "application/octet-stream") -> tuple[str, bytes]:
    """Write multipart/form-data: gives its content type and its body."""
    boundary = secrets.token_hex(16)
    lines: list[bytes] = []
    for key, value in form.items():
        for each in [value] if isinstance(value, str) else value or []:
            lines += [f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{each}\r\n'.encode()]
    if filename:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n'
        lines += [head.encode(), f"Content-Type: {media}\r\n\r\n".encode() if media else b"\r\n", data, b"\r\n"]
    return f"multipart/form-data; boundary={boundary}", b"".join([*lines, f"--{boundary}--\r\n".encode()])


@dataclass
class Reply:
    """What the index answered."""

    status: int
    reason: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Served:
    """An index that is being served, and how a client without manners talks to it."""

    index: PackageIndex
    port: int
    published: Path

    @property
    def journal(self) -> Journal:
        """The journal, read anew."""
        return Journal(self.published)

    def events(self, kind: str) -> list[Event]:
        """The events of one kind."""
        return [event for event in self.journal.events() if event.kind == kind]

    def url(self, path: str) -> str:
        """An address on this index."""
        return f"http://127.0.0.1:{self.port}{path}"

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Send a request as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            written = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, urlsplit(path)._replace(scheme="", netloc="").geturl(), body, written)
            reply = connection.getresponse()
            return Reply(reply.status, reply.reason, reply.read(), dict(reply.headers))
        finally:
            connection.close()

    def manage(self, path: str, site: str = "pypi", **told: str) -> Reply:
        """Post a form to one of the pages for managing."""
        kind = "application/x-www-form-urlencoded"
        return self.ask("POST", f"/{site}/manage/{path}", urlencode(told).encode(), Content_Type=kind)

    def token(self, site: str = "pypi", **told: str) -> str:
        """Make a token."""
        reply = self.manage("account/token/", site, **told)
        assert reply.status == 200, reply
        return str(reply.json["token"])

    def upload(
        self,
        file: tuple[str, bytes],
        token: str,
        *,
        site: str = "pypi",
        name: str = "",
        version: str = "",
        user: str = "__token__",
        accept: str = "application/json",
        media: str = "application/octet-stream",
        **more: str | list[str] | None,
    ) -> Reply:
        """Upload a file as twine does; what isn't told is read from its name."""
        filename, data = file
        parts = filename.removesuffix(".tar.gz").split("-")
        form = fields(name or parts[0].replace("_", "-"), version or parts[1], filename, data, **more)
        kind, body = encode(form, filename, data, media)
        secret = base64.b64encode(f"{user}:{token}".encode()).decode()
        headers = {"Content_Type": kind, "Accept": accept}
        if token:
            headers["Authorization"] = f"Basic {secret}"
        return self.ask("POST", f"/{site}/legacy/", body, **headers)

    def page(self, project: str, site: str = "pypi") -> Any:
        """The project's page in the Simple API; None if there is none."""
        reply = self.ask("GET", f"/{site}/simple/{quote(project)}/", Accept="application/vnd.pypi.simple.v1+json")
        return None if reply.status == 404 else reply.json

    def filenames(self, project: str, site: str = "pypi") -> list[str]:
        """The files of a project."""
        page = self.page(project, site)
        return [file["filename"] for file in page["files"]] if page else []


@contextlib.contextmanager
def serving(index: PackageIndex, published: Path) -> Iterator[Served]:
    """Serve an index on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener, published):
        yield Served(index, listener.getsockname()[1], published)
