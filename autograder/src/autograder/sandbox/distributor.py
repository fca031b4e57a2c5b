"""Give a distributor's Python the layout of the Python project's own, which every lesson describes."""

from __future__ import annotations

import re
from pathlib import Path

from autograder.sandbox.bases import Base

__all__ = ["rewrite", "undo_distributor"]

_AS_THE_PYTHON_PROJECT_HAS_IT = """\
# Added by Wheelhouse. This Python came from a distributor, who made another `site` and froze it into the program.
# What is installed outside environments is where the Python project puts it, and `site` says so.
import os
import site
import sys


def getsitepackages(prefixes=None):
    sitepackages = []
    seen = set()
    if prefixes is None:
        prefixes = site.PREFIXES
    for prefix in prefixes:
        if not prefix or prefix in seen:
            continue
        seen.add(prefix)
        libdirs = [sys.platlibdir]
        if sys.platlibdir != "lib":
            libdirs.append("lib")
        for libdir in libdirs:
            sitepackages.append(
                os.path.join(prefix, libdir, "python%d.%d" % sys.version_info[:2], "site-packages"))
    return sitepackages


getsitepackages.__doc__ = site.getsitepackages.__doc__
getsitepackages.__module__ = "site"
site.getsitepackages = getsitepackages
if sys.prefix == sys.base_prefix:
    for folder in getsitepackages():
        if os.path.isdir(folder) and folder not in sys.path:
            site.addsitedir(folder)
"""


def undo_distributor(library: Path, base: Base, shown: str) -> None:
    """Give Debian's Python the layout which the Python project's own has, and which every lesson describes.

    Debian puts what is installed outside environments into `local/lib/python3.11/dist-packages`.
    Paths of the base interpreter give way to the sandbox's in what `sysconfig` reports.
    """
    for name, old, new in (
        ("sysconfig.py", "prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"),
        ("sysconfig/__init__.py", "prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"),
    ):
        file = library / name
        if file.is_file() and old in (text := file.read_text("utf-8")):
            rewrite(file, text.replace(old, new))
    if "dist-packages" in (library / "site.py").read_text("utf-8"):
        # Debian's `site` is frozen into the executable, but this hook is not (docs.python.org, site).
        (library / "sitecustomize.py").write_text(_AS_THE_PYTHON_PROJECT_HAS_IT, encoding="utf-8")
    for file in library.glob("_sysconfigdata*.py"):
        text = file.read_text("utf-8")
        for old in {base.configured_prefix, base.prefix} - {"/usr", "/"}:
            text = re.sub(re.escape(old) + r"(?=[/'\" ])", shown, text)
        rewrite(file, text)


def rewrite(file: Path, text: str) -> None:
    """Replace a file of the library, and its byte code with it."""
    file.unlink()
    file.write_text(text, encoding="utf-8")
    for stale in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        stale.unlink()
