"""Installs pip from an unpacked copy of the very wheels that `ensurepip` brings, in a tenth of the time.

Lies as `ensurepip/_fast.py` in the sandbox's system Python, so it knows nothing of the package.
Stock `ensurepip` imports pip out of a zip file and compiles it to byte code, some 900 files, for every new environment.
This copies files which stock `ensurepip` itself once wrote there: the same files, the same RECORD.
What it doesn't do (`--user`, `--root`, an upgrade of a pip that is there already) is left to the stock function.
`ENSUREPIP_SLOW=1` asks for the stock function always, for comparison.
"""

# pathlib takes too long to import:
# ruff: noqa: PTH100, PTH102, PTH103, PTH108, PTH112, PTH118, PTH120, PTH123

from __future__ import annotations

import base64
import hashlib
import os
import sys
import sysconfig

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longest of all
    from typing import Any

__all__ = ["bootstrap", "first_lines", "install_unpacked", "recorded", "with_scripts"]

_LONGEST_FIRST_LINE = 127  # the kernel's BINPRM_BUF_SIZE - 1; beyond it installers write another kind of script


def _write(path: str, content: bytes) -> None:
    with open(path, "xb", buffering=0) as file:
        file.write(content)


def first_lines(executable: str) -> bytes:
    """Write what starts a script with this interpreter, as pip does it (distlib, `scripts.py`)."""
    first = f"#!{executable}\n".encode()
    if len(first) <= _LONGEST_FIRST_LINE and b" " not in first:
        return first
    return f"#!/bin/sh\n'''exec' \"{executable}\" \"$0\" \"$@\"\n' '''\n".encode()


def recorded(content: bytes) -> str:
    """Give a file's hash and size as a RECORD has them."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(content)}"


def install_unpacked(unpacked: str, site_packages: str, scripts: str, executable: str) -> bool:
    """Put pip into `site_packages` and `scripts`; False, and nothing done, where it can't be done exactly as stock."""
    first_line = f"#!{executable}\n".encode()
    if len(first_line) > _LONGEST_FIRST_LINE or b" " in first_line:
        return False
    tree = os.path.join(unpacked, "site-packages")
    for name in os.listdir(tree):
        if os.path.lexists(os.path.join(site_packages, name)):
            return False
    os.makedirs(scripts, exist_ok=True)
    records: dict[str, str] = {}
    templates = os.path.join(unpacked, "scripts")
    for name in os.listdir(templates):
        with open(os.path.join(templates, name), "rb") as file:
            content = first_line + file.read()
        target = os.path.join(scripts, name)
        if os.path.lexists(target):
            os.unlink(target)
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777), "wb") as file:
            file.write(content)
        records[f"/{name}"] = recorded(content)
    waiting = [("", tree)]
    while waiting:
        inside, folder = waiting.pop()
        target_folder = os.path.join(site_packages, inside) if inside else site_packages
        if inside:
            os.mkdir(target_folder)
        with os.scandir(folder) as entries:
            for entry in entries:
                name = f"{inside}/{entry.name}" if inside else entry.name
                if entry.is_dir():
                    waiting.append((name, entry.path))
                    continue
                with open(entry.path, "rb", buffering=0) as file:
                    content = file.read()
                target = os.path.join(target_folder, entry.name)
                if entry.name == "RECORD" and inside.endswith(".dist-info"):
                    content = with_scripts(content, records)
                _write(target, content)
                if entry.name.endswith((".py", ".pyc")):  # byte code names its source's time
                    status = entry.stat()
                    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    return True


def with_scripts(record: bytes, records: dict[str, str]) -> bytes:
    """Give the scripts' lines of a RECORD the hashes of the scripts as written here."""
    lines = record.decode("utf-8").splitlines(keepends=True)
    for place, line in enumerate(lines):
        path = line.split(",")[0]
        script = path[path.rfind("/") :]
        if path.startswith("../") and "/bin/" in path and script in records:
            end = line[len(line.rstrip("\r\n")) :]
            lines[place] = f"{path},{records[script]}{end}"
    return "".join(lines).encode("utf-8")


def bootstrap(stock: Any, options: dict[str, Any]) -> Any:
    """Stand in for `ensurepip._bootstrap`."""
    unusual = ("root", "user", "altinstall", "verbosity")
    unpacked = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_unpacked")
    if (
        sys.prefix != sys.base_prefix
        and options.get("default_pip")
        and not any(options.get(name) for name in unusual)
        and not os.environ.get("ENSUREPIP_SLOW")
        and os.path.isdir(unpacked)
        and install_unpacked(unpacked, sysconfig.get_path("purelib"), sysconfig.get_path("scripts"), sys.executable)
    ):
        return 0
    return stock(**options)
