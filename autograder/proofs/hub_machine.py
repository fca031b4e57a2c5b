"""The machine with a class of its own: more users, own HOMEs, own network, for one command; nothing of it is left on the machine.

The command runs in new namespaces (mounts, processes, network). There `/etc/passwd`, `/etc/group` and `/etc/shadow` are copies with the
class in them, HOMEs lie in memory, and loopback is the only network, so ports and names can't meet those of the machine. The users are
real ones: the kernel keeps them apart, and setuid, PAM and JupyterHub's spawner work as ever. When the command ends, or is killed, all ends.

    enter(command, users)      from outside; needs root
    python -m proofs.hub_machine SETTINGS COMMAND …     inside: sets it up, and runs the command
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from proofs.machine import CannotRunHere
from proofs.results import COURSE

__all__ = ["FIRST_UID", "PASSWORD", "enter", "why_not"]

FIRST_UID = 61_100
"""Of a range that neither people nor systemd use; where somebody has them nevertheless, the class isn't made."""
PASSWORD = "open sesame"  # noqa: S105 - of users who exist in memory, while one command runs
PLACE = "WHEELHOUSE_CLASS"
"""Names the class's folder to what runs there: HOMEs in `home`, room for what is shared in `srv`."""

_NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL", "--mount-proc")


def why_not() -> str:
    """Say in a sentence why no class can be made on this machine; empty if one can."""
    if sys.platform != "linux" or os.getuid() != 0:
        return "a class of several users needs Linux and root, to become each of them"
    for name in ("unshare", "setpriv", "openssl"):
        if shutil.which(name) is None:
            return f"`{name}` is missing"
    tried = subprocess.run(["unshare", *_NAMESPACES, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else f"no namespaces may be made here ({tried.stderr.strip()})"


def enter(
    command: Sequence[str],
    users: Sequence[str],
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    reachable: Sequence[Path] = (),
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    capture: bool = False,
    errors: bool = True,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command as root on a machine where `users` exist, each with a group and a HOME of their own.

    `groups` names further groups, with their members. All users can reach `reachable` and this Python, wherever they lie.
    `capture` keeps what the command writes, and `errors` says whether that holds for its standard error too.
    Seconds for `timeout`; raises `subprocess.TimeoutExpired`.

    Raises:
        CannotRunHere: this machine doesn't let us.
    """
    if why := why_not():
        raise CannotRunHere(why)
    taken = {int(line.split(":")[2]) for line in Path("/etc/passwd").read_text().splitlines() if line.count(":") > 5}
    if taken & set(range(FIRST_UID, FIRST_UID + len(users))):
        raise CannotRunHere(f"somebody has the user number {FIRST_UID} or one of the next {len(users)} here")
    place = Path(tempfile.mkdtemp(prefix="wheelhouse-class-", dir="/tmp"))
    place.chmod(0o755)
    needed = [sys.base_prefix, sys.prefix, str(COURSE), *map(str, reachable)]
    settings = json.dumps({"place": str(place), "users": list(users), "groups": dict(groups or {}), "needed": needed})
    words = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        *_NAMESPACES,
        sys.executable,
        "-m",
        "proofs.hub_machine",
        settings,
        *command,
    ]
    asked = dict(environment or {})
    paths = [str(COURSE / "autograder"), asked.pop("PYTHONPATH", ""), os.environ.get("PYTHONPATH", "")]
    variables = {**os.environ, **asked, "PYTHONPATH": ":".join(filter(None, paths)), PLACE: str(place)}
    try:
        return subprocess.run(
            words,
            env=variables,
            cwd=cwd or place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE if capture and errors else None,
            text=True,
            timeout=timeout,
            check=False,
        )
    finally:
        place.rmdir()  # what was in it lay in memory, in the namespace


def _set_up(place: Path, users: Sequence[str], groups: Mapping[str, Sequence[str]], needed: Sequence[str]) -> None:
    _mount("--make-rprivate", "/")
    _mount("-t", "tmpfs", "-o", "mode=755", "class", str(place))
    for name in ("etc", "home", "srv", "moving"):
        (place / name).mkdir()
    _make_users(place, users, groups)
    _let_in(place, needed)
    _raise_loopback()


def _make_users(place: Path, users: Sequence[str], groups: Mapping[str, Sequence[str]]) -> None:
    password = subprocess.run(
        ["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True
    ).stdout.strip()
    lines: dict[str, list[str]] = {"passwd": [], "group": [], "shadow": []}
    for uid, name in enumerate(users, FIRST_UID):
        home = place / "home" / name
        home.mkdir(mode=0o700)
        os.chown(home, uid, uid)
        lines["passwd"].append(f"{name}:x:{uid}:{uid}:{name}:{home}:/bin/bash")
        lines["group"].append(f"{name}:x:{uid}:")
        lines["shadow"].append(f"{name}:{password}:20000:0:99999:7:::")
    for gid, (name, members) in enumerate(groups.items(), FIRST_UID + len(users)):
        lines["group"].append(f"{name}:x:{gid}:{','.join(members)}")
    for name, ours in lines.items():
        real = Path("/etc", name)
        copy = place / "etc" / name
        copy.write_text("\n".join(ours) + "\n" + real.read_text())  # the first of a name counts
        shutil.copystat(real, copy)
        _mount("--bind", str(copy), str(real))


def _let_in(place: Path, needed: Sequence[str]) -> None:
    """Let everybody reach what lies below a closed folder, as root's HOME: all else in that folder is out of sight meanwhile."""
    closed: dict[Path, list[Path]] = {}
    for path in sorted({Path(os.path.realpath(one)) for one in needed}):
        shut = next((one for one in reversed(path.parents) if not one.stat().st_mode & 0o001), None)
        if shut is not None and not any(path.is_relative_to(one) for one in closed.get(shut, [])):
            closed.setdefault(shut, []).append(path)
    for shut, paths in closed.items():
        for number, path in enumerate(paths):
            held = place / "moving" / str(number)
            held.mkdir(exist_ok=True)
            _mount("--rbind", str(path), str(held))
        _mount("-t", "tmpfs", "-o", "mode=755", "open", str(shut))
        for number, path in enumerate(paths):
            path.mkdir(parents=True)
            _mount("--move", str(place / "moving" / str(number)), str(path))


def _raise_loopback() -> None:
    name, up, get_flags, set_flags = b"lo", 1, 0x8913, 0x8914
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = bytearray(struct.pack("16sH14x", name, 0))
        fcntl.ioctl(control, get_flags, request)
        flags = struct.unpack("16sH14x", bytes(request))[1]
        fcntl.ioctl(control, set_flags, struct.pack("16sH14x", name, flags | up))


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _main() -> None:
    settings = json.loads(sys.argv[1])
    os.umask(0o022)
    _set_up(Path(settings["place"]), settings["users"], settings["groups"], settings["needed"])
    os.chdir(Path.cwd())  # the working folder may have been moved
    # The first process of a namespace: all others end with it. It stays itself, since one that becomes another user loses the
    # kernel's promise to be killed with its parent.
    child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    while True:
        ended, status = os.wait()  # orphans come here too
        if ended == child:
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    _main()
