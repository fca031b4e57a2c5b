"""A release on an index of its own: what is taken and what is refused, and what pip would then install.

Each click is a real request to the course's twin of PyPI, and each row of "pip would take" a real `pip install --dry-run`, in the sandbox.
What is published goes into a folder that is thrown away with the picture: the learner's own workspace sees nothing of it.
"""

from __future__ import annotations

import html
import json
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import traitlets

from autograder.exceptions import CourseError
from autograder.folder import LiveWorkspace
from autograder.index.journal import Event
from autograder.jupyter import session
from autograder.jupyter.pictures.picture import Picture, script, style
from autograder.jupyter.words import show
from autograder.published import Published
from autograder.sandbox import Limits, Place
from autograder.sandbox.system_python import make_system
from autograder.tree import FolderTree

__all__ = ["ReleaseSimulator", "release_simulator"]

NAME = "shop-bell"
VERSIONS = ("1.0", "1.1", "2.0")
ACTIONS = {
    "upload": "Upload",
    "same": "Upload the same bytes again",
    "changed": "Upload changed bytes",
    "yank": "Yank",
    "unyank": "Un-yank",
    "delete": "Delete",
}
REASON = "Rings until you pull the plug"
_MOST_CLICKS = 200
_STORIES = [
    "same 1.0, changed 1.0, delete 1.0, same 1.0, changed 1.0, upload 1.1",
    "changed 1.0, same 1.0",
    "yank 1.0, unyank 1.0, yank 1.0, delete 1.0",
    "delete 1.0, same 1.0, changed 1.0, upload 1.1",
    "upload 1.1, yank 1.1, unyank 1.1, delete 1.1, same 1.1, upload 2.0",
    "upload 1.1, upload 2.0, yank 2.0, yank 1.1, yank 1.0",
    "upload 1.1, delete 1.1, changed 1.1",
    "upload 2.0, yank 2.0, delete 2.0",
]
"""What the web book records."""

# Typed by nobody, so it may be longer than a client's command; it says on its last line what became of the request and of pip.
_DRIVER = r'''
import base64, contextlib, hashlib, io, json, os, sys, urllib.error, urllib.parse, urllib.request, zipfile

mark, name, do, version, edition, reason = sys.argv[1:]
here = os.environ["WHEELHOUSE_LOOPBACK"] + "/pypi/"
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def post(path, data, **headers):
    try:
        with open_url(urllib.request.Request(here + path, data, headers), timeout=30) as reply:
            return reply.status, reply.reason, reply.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.reason, b""


def manage(path, **told):
    return post("manage/" + path, urllib.parse.urlencode(told).encode(), Accept="application/json")


def wheel():
    stem = name.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    files = {
        f"{stem}.py": f'"""The bell above the door of a shop."""\n\nEDITION = {edition}\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: wheelhouse\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    built = io.BytesIO()
    with zipfile.ZipFile(built, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{stem}-{version}-py3-none-any.whl", built.getvalue()


def upload():
    token = json.loads(manage("account/token/", name="picture")[2])["token"]
    filename, data = wheel()
    form = {":action": "file_upload", "protocol_version": "1", "metadata_version": "2.1", "name": name, "version": version,
            "filetype": "bdist_wheel", "pyversion": "py3", "sha256_digest": hashlib.sha256(data).hexdigest()}
    parts = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in form.items()]
    head = f'--x\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n\r\n'.encode()
    user = base64.b64encode(b"__token__:" + token.encode()).decode()
    body = b"".join([*parts, head, data, b"\r\n--x--\r\n"])
    return post("legacy/", body, **{"Content-Type": "multipart/form-data; boundary=x", "Authorization": "Basic " + user})


if do in ("upload", "same", "changed"):
    status, said, _ = upload()
else:
    told = {"reason": reason} if do == "yank" else {}
    status, said, _ = manage(f"project/{name}/release/{version}/", action=do, **told)

# One process for three questions: most of what pip takes to answer is its own start.
from pip._internal.cli.main import main as pip

choices = []
for one in [name, f"{name}=={version}", f"{name}>={version}"]:
    errors = io.StringIO()
    with contextlib.redirect_stdout(errors), contextlib.redirect_stderr(errors):
        failed = pip([*"install --dry-run --ignore-installed --no-deps --no-cache-dir --quiet --report".split(), "report.json", one])
    printed = errors.getvalue()
    found = [] if failed else json.load(open("report.json"))["install"]
    last = [line for line in printed.splitlines() if line.startswith("ERROR")]
    choices.append([one, found[0]["metadata"]["version"] if found else "", "yanked" in printed, last[-1][7:] if last else ""])
print()
print(mark + json.dumps([status, said, choices]))
'''


class ReleaseSimulator(Picture):
    """The picture: buttons, the index's answer, the files there, and pip's choice."""

    _esm = script("release_simulator")
    _css = style("release_simulator")

    project = traitlets.Unicode(NAME).tag(sync=True)
    versions: traitlets.List[str] = traitlets.List(list(VERSIONS)).tag(sync=True)
    actions = traitlets.Dict(ACTIONS).tag(sync=True)
    clicks: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    """What was clicked, and what the index answered, oldest first."""
    files: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    """Every file that ever was on the index: offered, yanked or deleted."""
    choices: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    """What pip would take."""
    journal: traitlets.List[str] = traitlets.List().tag(sync=True)
    """The index's journal in words."""
    sent = traitlets.Dict().tag(sync=True)
    """By version, which edition of its bytes was sent last."""

    def __init__(self, live: LiveWorkspace) -> None:
        """Begin with an empty index."""
        super().__init__()
        self._box = live.sandbox
        self._empty()

    def _empty(self) -> None:
        """Make an empty index."""
        self._scratch = tempfile.TemporaryDirectory(prefix="wheelhouse-", ignore_cleanup_errors=True)
        top = Path(self._scratch.name)
        self._place = Place(top / "project", top / "home", top / "system", published=top / "published")
        for one in (self._place.project, self._place.home, self._place.system, top / "published"):
            one.mkdir()
        make_system(self._place.system)

    remembers = True

    def recordings(self) -> Iterator[list[dict[str, Any]]]:
        """Follow the stories that the lesson tells, and whoever presses one button more."""
        for story in _STORIES:
            clicks = (one.split() for one in story.split(", "))
            yield [{"do": do, "version": version} for do, version in clicks]

    def begin_again(self, first: dict[str, Any]) -> None:
        """Do on another index what was clicked at first."""
        self._scratch.cleanup()
        self._empty()
        super().begin_again({**first, "clicks": [], "sent": {}})
        for click in first["clicks"]:
            self.ask({"do": click["do"], "version": click["version"]})

    def close(self) -> None:
        """Leave the page, and throw the index away."""
        super().close()
        self._scratch.cleanup()

    def answer(self, question: dict[str, Any]) -> None:
        """Send one request to the index, and ask pip three questions.

        Raises:
            CourseError: the sandbox came to no end, or this picture was clicked too often.
        """
        do, version = question.get("do"), question.get("version")
        if not isinstance(do, str) or do not in ACTIONS or version not in VERSIONS:
            return
        if len(self.clicks) >= _MOST_CLICKS:
            raise CourseError("That was a lot of clicks.", "Run this cell again for a fresh index.")
        edition = int(self.sent.get(version, 0))
        if do in ("upload", "changed"):
            edition += do == "changed" or edition == 0
        mark = secrets.token_hex(12)
        words = (mark, NAME, do, version, str(max(1, edition)), REASON)
        done = self._box.run(["python3", "-c", _DRIVER, *words], self._place, limits=Limits(wall_seconds=60))
        told = [line for line in done.output.splitlines() if line.startswith(mark)]
        if not told:
            raise CourseError(f"The index gave no answer. {done.stopped}".strip(), "Press the button again.")
        status, reason, choices = json.loads(told[-1].removeprefix(mark))
        if do in ("upload", "same", "changed"):
            self.sent = {**self.sent, version: max(1, edition)}
        reason = str(reason).partition(" See http")[0]
        self.clicks = [*self.clicks, {"do": do, "version": version, "status": status, "reason": reason}]
        self._look(choices)

    def _look(self, choices: Sequence[Sequence[Any]]) -> None:
        published = Published("pypi", FolderTree(self._place.published or self._place.project))
        events = published.events
        there = {file.filename: file for release in published.releases(NAME) for file in release.files}
        names = dict.fromkeys(event.filename for event in events if event.kind == "upload")
        files = []
        for filename in names:
            file = there.get(filename)
            state = "deleted" if file is None else "offered" if file.yanked is None else "yanked"
            note = (file.yanked or "") if file else "the name is burned for ever"
            files.append({"name": filename, "state": state, "note": note, "sha256": file.sha256[:12] if file else ""})
        self.files = files
        self.journal = [_in_words(event) for event in events if event.kind != "token"]
        self.choices = [
            {"asked": asked, "takes": takes, "warns": bool(warns and takes), "error": error}
            for asked, takes, warns, error in choices
        ]

    def as_text(self) -> str:
        """Give every click with its answer, the journal, the files, and pip's choices."""
        lines = [f"An index of its own, for {NAME}", "", "What was clicked:"]
        lines += [f"  {_click(one)}" for one in self.clicks] or ["  nothing yet"]
        lines += ["The index's journal:", *([f"  {line}" for line in self.journal] or ["  is empty"])]
        lines += ["Its files:", *([f"  {_file(one)}" for one in self.files] or ["  none"])]
        lines += ["What pip would take:", *([f"  {_choice(one)}" for one in self.choices] or ["  nothing"])]
        return "\n".join([*lines, *([self.problem] if self.problem else [])])

    def as_html(self) -> str:
        """Give the same as HTML without script."""
        parts = (
            ("What was clicked", [_click(one) for one in self.clicks]),
            ("The index's journal", self.journal),
            ("Its files", [_file(one) for one in self.files]),
            ("What pip would take", [_choice(one) for one in self.choices]),
        )
        body = "".join(
            f"<p><strong>{title}</strong></p><ol>{''.join(f'<li>{html.escape(line)}</li>' for line in lines)}</ol>"
            for title, lines in parts
        )
        problem = f"<p>{html.escape(self.problem)}</p>" if self.problem else ""
        return f"<section aria-label='Release simulator'><p><strong>An index of its own, for <code>{NAME}</code></strong></p>{body}{problem}</section>"


def _in_words(event: Event) -> str:
    what = event.filename or f"{event.project} {event.version}".strip()
    reason = f": {event.reason}" if event.reason else ""
    return f"{event.kind} {what}{reason}"


def _click(click: dict[str, Any]) -> str:
    return f"{ACTIONS[click['do']]} {click['version']}: {click['status']} {click['reason']}"


def _file(file: dict[str, Any]) -> str:
    return f"{file['name']}: {file['state']}" + (f" ({file['note']})" if file["note"] else "")


def _choice(choice: dict[str, Any]) -> str:
    if not choice["takes"]:
        return f"pip install '{choice['asked']}' fails: {choice['error']}"
    return f"pip install '{choice['asked']}' takes {choice['takes']}" + (", with a warning" if choice["warns"] else "")


def release_simulator(*, clicks: Sequence[tuple[str, str]] = (("upload", "1.0"),)) -> None:
    """Show an index of its own on which a release can be uploaded, changed, yanked and deleted.

    `clicks` are done at once: `release_simulator(clicks=[("upload", "1.0"), ("yank", "1.0")])`.
    """
    if session.grading():
        return
    picture = ReleaseSimulator(session.here())
    for do, version in clicks:
        picture.ask({"do": do, "version": version})
    show(picture)
