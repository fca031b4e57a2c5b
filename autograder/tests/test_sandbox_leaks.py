"""Nothing is left of a run, however it ends: no process, mount, control group, file or descriptor.

`WHEELHOUSE_ROUNDS=100` makes 1,000 runs a tier, of which 100 are killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from abuse.suite import why_not

ROUNDS = int(os.environ.get("WHEELHOUSE_ROUNDS") or 1)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("tier", ["strong", "medium", "basic"])
def test_nothing_is_left_of_runs_that_were_killed(tier: str) -> None:
    """The course itself, the sandbox's first process, or one inside is killed at a random moment."""
    if reason := why_not(tier):
        pytest.skip(f"the {tier} tier doesn't work here: {reason}")
    runs = 10 * max(ROUNDS, 2)
    kills = runs // 10 if ROUNDS > 1 else 9
    program = Path(__file__).parent / "abuse" / "leaks.py"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, str(program), tier, str(runs), str(kills), "20261121"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    left = {what: told[what] for what in ("processes", "mounts", "groups", "files", "descriptors")}
    assert left == {"processes": [], "mounts": 0, "groups": [], "files": [], "descriptors": 0}
    assert sum(told["killed"].values()) == kills
    assert told["ended well"] >= runs - kills
