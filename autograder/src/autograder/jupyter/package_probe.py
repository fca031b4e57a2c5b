"""Runs in the sandbox, by itself: writes projects and lets readers look at them; see `package_readers`.

It reads `jobs.json` beside it and writes `results.json`; it needs nothing but Python's standard library.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

__all__ = ["main", "write"]

PYPROJECT = """\
[project]
name = "till"
version = "1.0"

[build-system]
requires = ["uv_build"]
build-backend = "uv_build"

[tool.uv.build-backend]
module-root = ""
"""

IMPORT = """
import importlib, json
lines = []
till = importlib.import_module("till")
if getattr(till, "__file__", None):
    lines.append(["good", "`till` is a regular package"])
else:
    lines.append(["odd", "`till` is a namespace package: it has no `__file__`, and nothing is run"])
for statement in ("from till import total", "from till.receipts import paper"):
    try:
        exec(statement, {})
        lines.append(["good", f"`{statement}` works"])
    except ImportError as error:
        lines.append(["lacking", f"`{statement}`: {type(error).__name__}"])
try:
    import till.receipts
    if not getattr(till.receipts, "__file__", None):
        lines.append(["odd", "`till.receipts` is a namespace package"])
except ImportError:
    import till.reciepts
    lines.append(["odd", "`import till.reciepts`, which nobody wants, works"])
print(json.dumps(lines))
"""

STAR = """
import json
names = {}
exec("from till import *", names)
del names["__builtins__"]
lines = [["good" if name == "total" else "odd", f"`{name}`" + ("" if name == "total" else ", which nobody promised")] for name in sorted(names)]
if "total" not in names:
    lines.append(["lacking", "no `total`"])
print(json.dumps(sorted(lines, key=lambda line: line[0] != "good")))
"""

UNITTEST = """
import json, unittest
todo, found = [unittest.defaultTestLoader.discover(".")], []
while todo:
    one = todo.pop()
    if isinstance(one, unittest.TestSuite):
        todo += one
    else:
        found.append(one.id())
lines = [["good", f"`{one}`"] for one in sorted(found)]
print(json.dumps(lines or [["lacking", "0 tests"]]))
"""

SETUPTOOLS = """
import json, os, sys
from setuptools import find_namespace_packages, find_packages
finders = {"find_packages": find_packages, "find_namespace": find_namespace_packages}
found = []
for name, folder in json.load(sys.stdin):
    os.chdir(folder)
    seen = finders[name](include=["till*"])
    inner = sorted(entry.name for entry in os.scandir("till") if entry.is_dir() and entry.name.startswith("rec"))
    wanted = ["till", *(f"till.{one}" for one in inner)]
    lines = [["good", f"`{one}`"] for one in wanted if one in seen]
    lines += [["lacking", f"no `{one}`: its files stay at home"] for one in wanted if one not in seen]
    found.append(lines)
print(json.dumps(found))
"""


def write(folder: Path, files: dict[str, str]) -> None:
    """Write a project's files into a folder."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _run(folder: Path, *argv: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=folder,
        capture_output=True,
        text=True,
        input=given,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **more},
    )


def _by_python(folder: Path, code: str) -> list[list[str]]:
    """Ask the Python that runs this, which needs the folder on its path."""
    done = _run(folder, sys.executable, "-c", code)
    return list(json.loads(done.stdout.splitlines()[-1]))


def _pytest(folder: Path) -> list[list[str]]:
    if shutil.which("pytest") is None:
        return [["quiet", "not tried: there is no pytest in this sandbox"]]
    done = _run(folder, "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")
    found = re.findall(r"^(tests/\S+::\S+)$", done.stdout, re.MULTILINE)
    lines = [["good", f"`{one}`"] for one in found]
    for path in re.findall(r"ERROR collecting (\S+)", done.stdout):
        why = ": *import file mismatch*, two modules of one name" if "import file mismatch" in done.stdout else ""
        lines.append(["lacking", f"an error in `{path}`{why}"])
    return lines or [["lacking", "0 tests"]]


def _wheel(folder: Path) -> list[list[str]]:
    if shutil.which("uv") is None:
        return [["quiet", "not tried: there is no uv in this sandbox"]]
    (folder / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
    done = _run(folder, "uv", "build", "--quiet", "--wheel", "--out-dir", "dist")
    wheels = sorted((folder / "dist").glob("*.whl")) if (folder / "dist").is_dir() else []
    if not wheels:
        why = re.search(r"Expected a Python module at: (\S+)", done.stderr)
        return [["lacking", f"no wheel: uv misses `{Path(why.group(1)).as_posix()}`" if why else "no wheel"]]
    with zipfile.ZipFile(wheels[0]) as wheel:
        names = sorted(name for name in wheel.namelist() if name.endswith(".py"))
    return [["good", f"`{name}`"] for name in names]


def _setuptools(folders: list[tuple[str, Path]]) -> list[list[list[str]]]:
    """Let setuptools look at all of them at once: importing it takes longer than looking."""
    asked = json.dumps([(name, str(folder)) for name, folder in folders])
    with tempfile.TemporaryDirectory() as place:
        done = _run(Path(place), sys.executable, "-c", SETUPTOOLS, given=asked)
        if done.returncode != 0:  # since Python 3.12 it doesn't come along with Python
            _run(Path(place), "uv", "pip", "install", "--quiet", "--target", "tools", "setuptools")
            done = _run(Path(place), sys.executable, "-c", SETUPTOOLS, given=asked, PYTHONPATH=f"{place}/tools")
    if done.returncode != 0:
        return [[["quiet", "not tried: setuptools can't be installed here"]]] * len(folders)
    return list(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Do all jobs."""
    jobs: list[dict[str, Any]] = json.loads(Path("jobs.json").read_text(encoding="utf-8"))
    results: dict[str, dict[str, list[list[str]]]] = {job["reader"]: {} for job in jobs}
    readers = {
        "import": lambda folder: _by_python(folder, IMPORT),
        "star": lambda folder: _by_python(folder, STAR),
        "unittest": lambda folder: _by_python(folder, UNITTEST),
        "pytest": _pytest,
        "wheel": _wheel,
    }
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(3) as pool:
        begun, together = [], []
        for number, job in enumerate(jobs):
            folder = Path(scratch, str(number))
            write(folder, job["files"])
            if job["reader"] in readers:
                begun.append((job, pool.submit(readers[job["reader"]], folder)))
            else:
                together.append((job, folder))
        found = pool.submit(_setuptools, [(job["reader"], folder) for job, folder in together])
        for job, future in begun:
            results[job["reader"]][job["key"]] = future.result()
        for (job, _), lines in zip(together, found.result(), strict=True):
            results[job["reader"]][job["key"]] = lines
    Path("results.json").write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    main()
