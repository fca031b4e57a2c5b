"""What an index can do, found out by trying it with stock clients or by asking for one page."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urlencode, urljoin

__all__ = ["FEATURES", "Server", "fetched_for_a_conflict"]

JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Server:
    """An index that runs."""

    name: str
    base: str
    simple: str
    upload: str
    start: float
    """Seconds until its first answer."""
    pid: int
    user: tuple[str, str] = ("bench", "bench")
    """Who may upload."""

    def token(self, project: str) -> str:
        """Get a new API token, for one project or all; empty where there are none."""
        if self.name != "wheelhouse":
            return ""
        form = urlencode({"name": f"for {project or 'all'}", "project": project}).encode()
        body = request(f"{self.base}/manage/account/token/", form)[2]
        return str(json.loads(body)["token"])

    @property
    def credentials(self) -> tuple[str, str]:
        """Give a user and password that may upload anything."""
        token = self.token("")
        return ("__token__", token) if token else self.user


def ask(url: str, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Ask for a page; gives its status, headers and body."""
    return request(url, None, **headers)


def request(url: str, form: bytes | None = None, **headers: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send a request, a POST where there is a form; gives the answer's status, headers and body."""
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=30)
    try:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if form is None else "POST", f"/{path}", form, sent)
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read()
    finally:
        connection.close()


def client(tools: Path, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a client in an environment from nothing."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    variables = {"PATH": f"{tools}{os.pathsep}{os.defpath}", "HOME": str(home), "PIP_CONFIG_FILE": os.devnull}
    variables |= {"UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_CACHE": "1", "NO_COLOR": "1"}
    command = [str(word) for word in words]
    return subprocess.run(command, cwd=home, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def pip(server: Server, tools: Path, folder: Path, *words: str) -> str:
    """Let pip download, and give what it said."""
    shutil.rmtree(folder / "got", ignore_errors=True)
    asked = [tools / "pip", "download", "-d", folder / "got", "--no-cache-dir", "-v", "-i", server.simple]
    return client(tools, folder, *asked, *words).stdout


def fetched_for_a_conflict(server: Server, tools: Path, folder: Path) -> int:
    """Count the files that pip fetches to see that two requirements can't be together."""
    said = pip(server, tools, folder, "legacytool==1.0", "moderntool")
    if "ResolutionImpossible" not in said:
        raise RuntimeError(f"{server.name}: {said[-500:]}")
    return len(set(re.findall(r"Downloading (?:\S+/)?(\S+\.(?:whl|tar\.gz))(?!\S)", said)))


def wheel(folder: Path, name: str, text: str = "") -> Path:
    """Write a small wheel of `name` 1.0, with `text` in its module."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    metadata = (
        f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: 1.0\nSummary: For a benchmark\n\nText\n"
    )
    files = {
        f"{name}.py": text,
        f"{name}-1.0.dist-info/METADATA": metadata,
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{name}-1.0.dist-info/RECORD"
    files[record] = "".join(f"{one},,\n" for one in (*files, record))
    with zipfile.ZipFile(path, "w") as archive:
        for inner, content in files.items():
            archive.writestr(zipfile.ZipInfo(inner), content)
    return path


def twine(server: Server, tools: Path, folder: Path, file: Path, login: tuple[str, str]) -> tuple[bool, str]:
    """Upload a file; says whether it went well, and what twine said."""
    where = ["--repository-url", server.upload, "--non-interactive", "--disable-progress-bar"]
    done = client(tools, folder, tools / "twine", "upload", *where, "-u", login[0], "-p", login[1], file)
    return done.returncode == 0, done.stdout


def links(server: Server, project: str) -> list[str]:
    """Give the addresses on a project's page."""
    page = ask(f"{server.simple}{project}/", Accept="text/html")[2].decode()
    return [urldefrag(urljoin(f"{server.simple}{project}/", found))[0] for found in re.findall(r'href="([^"]+)"', page)]


def one_wheel(server: Server) -> str:
    """Give the address of a wheel."""
    return next(link for link in links(server, "leftpad") if link.endswith("leftpad-1.2-py3-none-any.whl"))


def says_requires_python(server: Server, tools: Path, folder: Path) -> bool:
    """The page tells which Python a file is for."""
    return b'data-requires-python="&gt;=3.99' in ask(f"{server.simple}shelf-labels/", Accept="text/html")[2]


def speaks_json(server: Server, tools: Path, folder: Path) -> bool:
    """Installers may have the page as JSON."""
    return ask(f"{server.simple}leftpad/", Accept=JSON)[1].get("Content-Type", "").startswith(JSON)


def gives_metadata(server: Server, tools: Path, folder: Path) -> bool:
    """The METADATA of a wheel can be had without the wheel."""
    return ask(f"{one_wheel(server)}.metadata")[2].startswith(b"Metadata-Version: ")


def knows_upload_times(server: Server, tools: Path, folder: Path) -> bool:
    """Uv can leave out what is too new."""
    (folder / "in.txt").write_text("leftpad\n")
    uv = Path(sys.executable).with_name("uv")
    words = [uv, "pip", "compile", "-q", "--exclude-newer", "2025-12-31", "--default-index", server.simple]
    return "leftpad==1.1" in client(tools, folder, *words, folder / "in.txt").stdout


def tells_yanks(server: Server, tools: Path, folder: Path) -> bool:
    """Pip warns of a yanked release, with the reason."""
    return "total() leaves out the last price" in pip(server, tools, folder, "--no-deps", "shoplib==1.4")


def describes_projects(server: Server, tools: Path, folder: Path) -> bool:
    """The JSON API tells requirements and hashes, which poetry and pip-audit ask it for."""
    for path in ("pypi/pricetag/json", "pricetag/json"):
        try:
            told = json.loads(ask(f"{server.base}/{path}")[2])
            return bool(told["info"]["requires_dist"] and told["urls"][0]["digests"]["sha256"])
        except (ValueError, KeyError, IndexError, TypeError):
            continue
    return False


def scopes_tokens(server: Server, tools: Path, folder: Path) -> bool:
    """A token for one project can't be used for another."""
    first, other = wheel(folder, "bench_mine"), wheel(folder, "bench_other")
    if not server.token("") or not twine(server, tools, folder, first, server.credentials)[0]:
        return False
    token = ("__token__", server.token("bench-mine"))
    return twine(server, tools, folder, first, token)[0] and not twine(server, tools, folder, other, token)[0]


def explains_duplicates(server: Server, tools: Path, folder: Path) -> bool:
    """Twine shows why a second file of the same name is refused."""
    login = server.credentials
    if not twine(server, tools, folder, wheel(folder, "bench_twice"), login)[0]:
        return False
    well, said = twine(server, tools, folder, wheel(folder, "bench_twice", "x = 1\n"), login)
    return not well and "already exists" in said


def takes_the_same_again(server: Server, tools: Path, folder: Path) -> bool:
    """An upload that was broken off can be repeated: the same bytes are no error."""
    login, file = server.credentials, wheel(folder, "bench_again")
    return twine(server, tools, folder, file, login)[0] and twine(server, tools, folder, file, login)[0]


def answers_conditions(server: Server, tools: Path, folder: Path) -> bool:
    """Who has a page already is told so."""
    etag = ask(f"{server.simple}leftpad/", Accept="text/html")[1].get("ETag", "")
    return bool(etag) and ask(f"{server.simple}leftpad/", Accept="text/html", If_None_Match=etag)[0] == 304


def gives_parts(server: Server, tools: Path, folder: Path) -> bool:
    """A part of a file can be had."""
    return ask(one_wheel(server), Range="bytes=10-19")[0] == 206


FEATURES: dict[str, Callable[[Server, Path, Path], bool]] = {
    "requires-python on the page (PEP 503)": says_requires_python,
    "JSON for installers (PEP 691)": speaks_json,
    "METADATA beside the wheel (PEP 658)": gives_metadata,
    "upload times, for cooldowns (PEP 700)": knows_upload_times,
    "yanks with their reason (PEP 592)": tells_yanks,
    "JSON API for poetry and pip-audit": describes_projects,
    "tokens for one project": scopes_tokens,
    "twine shows why a duplicate is refused": explains_duplicates,
    "the same bytes again are no error": takes_the_same_again,
    "pages: 304 Not Modified": answers_conditions,
    "files: 206 Partial Content": gives_parts,
}
