"""Run an import statement in the sandbox under the eyes of a spy, and put what it saw into sentences (for pictures/import_tracer.py)."""

from __future__ import annotations

import ast
import posixpath
import secrets
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.exceptions import CourseError, UsageError
from autograder.folder import LiveWorkspace
from autograder.sandbox import Limits

__all__ = ["STARTS", "Step", "Trace", "trace"]

SPY = Path(__file__).parent / "static" / "import_spy.py"

STARTS = {
    "script": "as a file",
    "-m": "as a module, with `-m`",
    "-c": "as a text, with `-c`",
    "-P": "as a file, with `-P`",
}
STARTER = "start_here"
MOST_STEPS = 80
LONGEST = 200

_STARTER = 'import sys; exec(compile(sys.stdin.read(), "<the tracer>", "exec"))\n'

_RUN = """
set -u
folder=$1 file=$2; shift 2
if [ -n "$file" ]; then
  if [ -e "$file" ] || [ -L "$file" ]; then echo "taken"; exit 90; fi
  trap 'rm -f -- "$file"' EXIT
  printf '%s' "$STARTER" > "$file" || exit 91
fi
"$@"
"""


@dataclass(frozen=True)
class Step:
    """One thing that happened."""

    kind: str
    """`ask`, `finder`, `entry`, `found`, `store`, `bytecode`, `executed`, `bind` or `failed`."""
    says: str
    """In Markdown."""
    mark: str
    """`yes` or `no`, where somebody was asked; `bad` where it went wrong; else empty."""
    depth: int = 0
    """1 for what a module's body imports itself."""


@dataclass(frozen=True)
class Trace:
    """What became of one statement."""

    statement: str
    start: str
    pythonpath: str
    command: str
    """As one would type it at the top of the workspace."""
    entries: list[dict[str, Any]]
    """`sys.path`: what it says, what it is, and which module was found in it."""
    steps: list[Step]
    outcome: str
    """One sentence, in Markdown."""
    printed: str = field(default="")
    """What the modules' bodies printed."""


def trace(
    live: LiveWorkspace, statement: str, *, start: str = "script", folder: str = "", pythonpath: str = ""
) -> Trace:
    """Run an import statement in the sandbox, and tell what happened.

    `folder` is where the started file lies; commands are typed at the top of the workspace.

    Raises:
        UsageError: it is no import statement, no way of starting, or no folder of the workspace.
        CourseError: the run did not come to its end.
    """
    statement = _import_statement(statement)
    folder = posixpath.normpath(folder or ".")
    if start not in STARTS:
        raise UsageError(f"{start!r} is no way of starting Python here.", f"Choose one of {', '.join(STARTS)}.")
    where = live.tree.entry("" if folder == "." else folder)
    if folder.startswith(("/", "..")) or where is None or where.kind != "folder":
        raise UsageError(f"There is no folder {folder} in the workspace.", "Make it in a `%%shell` cell first.")
    if start == "-m" and not all(part.isidentifier() for part in folder.split("/") if part != "."):
        raise UsageError(f"{folder} can't be written with dots after -m.", "Choose another way of starting.")
    if len(pythonpath) > LONGEST or not pythonpath.isprintable():
        raise UsageError(
            "That is no list of folders.", "Write folders with a colon between two of them, like `night:tools`."
        )
    file = posixpath.normpath(f"{folder}/{STARTER}.py")
    argv, typed = _command(start, file)
    mark = secrets.token_hex(12)
    spy = SPY.read_text("utf-8")
    given = f"{spy}\n\nwheelhouse_spy({statement!r}, globals(), {mark!r})\n"
    variables = {"STARTER": _STARTER, **({"PYTHONPATH": pythonpath} if pythonpath else {})}
    done = live.sandbox.run(
        ["bash", "-c", _RUN, "trace", folder, "" if start == "-c" else file, *argv],
        live.place,
        limits=Limits(wall_seconds=20),
        variables=variables,
        stdin=given.encode(),
    )
    printed, found, told = done.output.rpartition(f"\n{mark}")
    if not found:
        if done.exit_status == 90:
            raise UsageError(f"There is a file {file} already.", "Rename it, and try again.")
        raise CourseError(f"The statement did not come to its end. {done.stopped}".strip(), "Try another one.")
    seen = ast.literal_eval(told.splitlines()[0])
    root = str(live.root)
    before = f"PYTHONPATH={shlex.quote(pythonpath)} " if pythonpath else ""
    steps = _steps(seen, root)
    return Trace(
        statement,
        start,
        pythonpath,
        before + typed,
        _entries(seen, root, start, pythonpath),
        steps,
        _outcome(seen, root),
        printed.strip()[-1000:].replace(root, "~/project"),
    )


def _import_statement(text: str) -> str:
    """Accept one line of import statements, however much a stranger may have sent.

    Raises:
        UsageError: it is anything else.
    """
    text = text.strip()
    try:
        body = ast.parse(text).body if len(text) <= LONGEST else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        body = []
    if not body or "\n" in text or not all(isinstance(one, ast.Import | ast.ImportFrom) for one in body):
        raise UsageError(
            "That is no import statement.", "Type one like `import json`, or two like `import json; import json`."
        )
    return text


def _command(start: str, file: str) -> tuple[list[str], str]:
    if start == "-c":
        return ["python3", "-c", _STARTER], "python3 -c '…'"
    if start == "-m":
        dotted = file.removesuffix(".py").replace("/", ".")
        return ["python3", "-m", dotted], f"python3 -m {dotted}"
    option = ["-P"] if start == "-P" else []
    return ["python3", *option, file], shlex.join(["python3", *option, file])


# ---- From what the spy saw to sentences


def _short(path: str, root: str) -> str:
    """Name a path as seen from the workspace, if it lies in it."""
    if path == root:
        return "."
    return path.removeprefix(f"{root}/")


def _entries(seen: dict[str, Any], root: str, start: str, pythonpath: str) -> list[dict[str, Any]]:
    """Say of each entry of sys.path what it is, and what was found in it."""
    wanted = {posixpath.normpath(posixpath.join(root, one)) for one in pythonpath.split(":") if pythonpath}
    first = {"script": "the folder of the started file", "-m": "where you stand", "-c": "empty: where you stand"}
    found: dict[int, str] = {}
    for step in seen["steps"]:
        if step["kind"] == "entry" and step["found"] and step["number"] >= 0:
            found.setdefault(step["number"], step["name"])
    entries = []
    for number, entry in enumerate(seen["path"]):
        if number == 0 and start in first:
            about = first[start]
        elif posixpath.normpath(entry) in wanted:
            about = "from PYTHONPATH"
        elif "site-packages" in entry or "dist-packages" in entry:
            about = "installed distributions"
        else:
            about = "the standard library"
        shown = "''" if entry == "" else _short(entry, root)
        entries.append({"entry": shown, "about": about, "found": found.get(number, "")})
    return entries


def _steps(seen: dict[str, Any], root: str) -> list[Step]:
    steps = [step for raw in seen["steps"] for step in _sentences(raw, root)]
    if len(steps) > MOST_STEPS:
        steps = [*steps[:MOST_STEPS], Step("ask", f"… and {len(steps) - MOST_STEPS} steps more.", "")]
    if seen["problem"]:
        steps.append(Step("failed", f"The statement ends with an error: `{_code(seen['problem'], root)}`.", "bad"))
    elif seen["bound"]:
        names = ", ".join(f"`{name}`" for name in seen["bound"])
        steps.append(Step("bind", f"{names} bound in `{seen['called']}`, where the statement stands.", "yes"))
    return steps


def _code(text: str, root: str) -> str:
    return text.replace("`", "'").replace(f"{root}/", "").replace(root, ".")


def _sentences(raw: dict[str, Any], root: str) -> list[Step]:
    """Put one thing that the spy saw into words."""
    name, depth, origin = raw["name"], raw["depth"], _short(raw.get("origin", ""), root)
    match raw["kind"]:
        case "ask" if depth:
            source = "already in `sys.modules`" if raw["known"] else f"from {f'`{origin}`' if origin else 'nowhere'}"
            return [Step("ask", f"Its body imports `{name}`: {source}.", "yes" if raw["known"] else "", depth)]
        case "ask" if not name:
            return [Step("ask", "Dots begin at a package, and the started file belongs to none.", "bad")]
        case "ask" if raw["known"]:
            return [
                Step(
                    "ask", f"`{name}` is in `sys.modules`: that is all, nothing is looked for and nothing runs.", "yes"
                )
            ]
        case "ask":
            return [Step("ask", f"`{name}` is not in `sys.modules`.", "no")]
        case "finder" if raw["finder"] == "PathFinder":
            return [Step("finder", f"`PathFinder` is asked for `{name}`, and looks through the path:", "")]
        case "finder":
            answer = "knows it" if raw["found"] else "doesn't know it"
            return [
                Step("finder", f"`{raw['finder']}` is asked for `{name}`: {answer}.", "yes" if raw["found"] else "no")
            ]
        case "entry":
            entry = "''" if raw["entry"] == "" else _short(raw["entry"], root)
            if raw["found"]:
                return [Step("entry", f"`{entry}`: here is `{origin}`.", "yes")]
            if raw["portion"]:
                return [
                    Step(
                        "entry",
                        f"`{entry}`: a folder `{name}` without `__init__.py`; remembered, and looked further.",
                        "",
                    )
                ]
            return [Step("entry", f"`{entry}`: nothing.", "no")]
        case "spec":
            return [Step("found", _spec(raw, origin), "yes")]
        case "store":
            return [
                Step(
                    "store",
                    f"An empty module `{name}` is made and put into `sys.modules`, before its body runs.",
                    "yes",
                )
            ]
        case "code":
            return _code_steps(raw, root)
        case "executed":
            names = ", ".join(f"`{one}`" for one in raw["names"][:6]) + (" …" if len(raw["names"]) > 6 else "")
            return [Step("executed", f"The body of `{name}` has run; it defined {names or 'nothing'}.", "yes")]
        case "failed":
            return [
                Step("failed", f"The body of `{name}` failed, and `{name}` is taken out of `sys.modules` again.", "bad")
            ]
    return []


def _spec(raw: dict[str, Any], origin: str) -> str:
    name, loader = raw["name"], raw["loader"]
    if raw["bare"]:
        return f"No file, but folders of that name: `{name}` is a namespace package, and has no body to run."
    if loader == "BuiltinImporter":
        return f"`{name}` is built into the interpreter: `sys.path` is not looked at."
    if loader == "FrozenImporter":
        return f"`{name}` is frozen into the interpreter: `sys.path` is not looked at."
    kind = "package" if raw["package"] else "module"
    return f"The spec says: {kind} `{name}`, from `{origin}`, by `{loader}`."


def _code_steps(raw: dict[str, Any], root: str) -> list[Step]:
    """Say what became of the bytecode (PEP 552 says what the header means)."""
    steps = []
    flags, one, two = raw["header"] or (0, 0, 0)
    trust = "its hash of the source" if flags & 1 else f"its time {one} and size {two}"
    if flags & 1 and not flags & 2:
        trust = "nothing at all, since it is marked as never checked"
    read, written = _short(raw["read"], root), _short(raw["written"], root)
    if read and not raw["compiled"]:
        steps.append(Step("bytecode", f"Bytecode is used: `{read}`, trusted by {trust}. The text was not read.", "yes"))
    elif read:
        steps.append(
            Step("bytecode", f"There is bytecode, `{read}`, but it is out of date: {trust} no longer fits.", "no")
        )
    elif raw["compiled"]:
        steps.append(Step("bytecode", "There is no bytecode of it.", "no"))
    if raw["compiled"]:
        kept = f"and written to `{written}` for the next time" if written else "and not kept"
        steps.append(Step("bytecode", f"The text is compiled, {kept}.", "yes"))
    return steps


def _outcome(seen: dict[str, Any], root: str) -> str:
    if seen["problem"]:
        return f"It fails: `{_code(seen['problem'], root)}`."
    found = {step["name"]: step for step in seen["steps"] if step["kind"] == "spec"}
    parts = []
    for name, spec in found.items():
        if not spec["bare"]:
            inside = spec["origin"] in ("built-in", "frozen")
            parts.append(f"`{name}` is " + (spec["origin"] if inside else f"`{_short(spec['origin'], root)}`"))
        elif not any(other.startswith(f"{name}.") for other in found):
            parts.append(f"`{name}` is a bare folder")
    asked = [step["name"] for step in seen["steps"] if step["kind"] == "ask" and not step["depth"] and step["known"]]
    parts += [f"`{name}` was loaded already" for name in dict.fromkeys(asked) if name not in found]
    return "; ".join(parts) + "." if parts else "Nothing was imported."
