"""The sandbox as an ordinary user has it, on the Python of the distribution: root is spared some of the kernel's rules."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import packaging
import platformdirs
import pytest

import autograder
from sandbox_places import FORK_BOMB, TIERS, sandbox_of

NOBODY = "65534"
PYTHON = Path("/usr/bin/python3")

PROGRAM = """
import contextlib, sys
from pathlib import Path
from autograder.sandbox import Limits, Place, choose, trial
from autograder.sandbox.system_python import make_system

class NoIndex:
    doors = None
    @contextlib.contextmanager
    def serve(self, listener, published=None, secure=None):
        yield

folder, tier, bomb = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
place = Place(folder / "project", folder / "home", folder / "system")
for made in (place.project, place.home, place.system):
    made.mkdir()
make_system(place.system)
sandbox = choose(NoIndex(), tier=tier)
def say(text, **limits):
    done = sandbox.run(["bash", "-c", text], place, limits=Limits(**limits))
    print(done.exit_status, done.stopped, done.output.strip().splitlines()[-1:])
say("ulimit -v unlimited || ulimit -u 9999 || echo refused")
say("python -m venv .venv && .venv/bin/python -m pip --version | cut -c1-4")
say(bomb, processes=40)
say("chmod 000 ~ . $(dirname $(command -v pip)); true")
for shut in (place.project, place.home):
    shut.chmod(0o755)
say("rm -rf ~/.cache; pip --version | cut -c1-4")
make_system(place.system)
say("pip --version | cut -c1-4")
if tier == "strong":
    print(trial.strong_trial().privileged_port, trial.strong_trial().reason)
"""


@pytest.fixture(scope="module")
def ground() -> Iterator[Path]:
    """A folder which that user may enter, with the package in it."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    if subprocess.run([PYTHON, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode:
        pytest.skip("the distribution has no Python that makes environments")
    folder = Path(tempfile.mkdtemp(prefix="wheelhouse-unprivileged-"))
    for package in (autograder, packaging, platformdirs):
        source = Path(str(package.__file__)).parent
        ignored = shutil.ignore_patterns("__pycache__", "catalog", "jupyter")
        shutil.copytree(source, folder / "packages" / source.name, ignore=ignored)
    subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
    for made in (*TIERS, "cache"):
        (folder / made).mkdir()
        os.chown(folder / made, int(NOBODY), int(NOBODY))
    yield folder
    subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=True)
    shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize("tier", TIERS)
def test_an_ordinary_user_has_the_same_sandbox(ground: Path, tier: str) -> None:
    """Bounds hold without root's control groups, and what a learner shuts to themselves is opened again."""
    sandbox_of(tier)
    done = subprocess.run(
        [
            *("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"),
            *(str(PYTHON), "-B", "-c", PROGRAM, str(ground / tier), tier, FORK_BOMB),
        ],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ground / "packages"),
            "WHEELHOUSE_CACHE": str(ground / "cache"),
        },
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "0  ['refused']"
    assert lines[1] == "0  ['pip']"
    assert lines[2].startswith("137 stopped: more than 40 processes")
    assert lines[3] == "0  []"
    assert lines[4:6] == ["0  ['pip']", "0  ['pip']"]
    assert lines[6:] == (["True "] if sandbox_of(tier).door == "names" else lines[6:])
