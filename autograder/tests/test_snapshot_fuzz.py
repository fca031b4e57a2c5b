"""Snapshots from anyone: whatever the bytes, they are refused in a sentence or stay within their bounds.

`WHEELHOUSE_ROUNDS=200` makes more than 100,000 mutants of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.exercise import Exercise, find_exercise
from autograder.folder import open_workspace
from autograder.places import cache

ROUNDS = int(os.environ.get("WHEELHOUSE_ROUNDS", "1"))


@pytest.mark.timeout(300 * ROUNDS)
@pytest.mark.parametrize(("number", "mutants"), [("03", 400), ("14", 100), ("06", 20)])
def test_mutants_are_refused_or_harmless(
    pristine: Callable[[Exercise], Path], tmp_path: Path, number: str, mutants: int
) -> None:
    """No mutant of a snapshot brings a crash, a hang, a write outside, an error of ours, or more memory than it may take."""
    exercise = find_exercise(number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(pristine(exercise)))
        good = tmp_path / "good.snapshot"
        good.write_bytes(open_workspace(exercise).snapshot())
    jail = tmp_path / "jail"
    jail.mkdir()
    found = []
    for seed in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("fuzz_snapshots.py"), good, jail, str(seed), str(mutants)],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "WHEELHOUSE_CACHE": str(cache())},
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        assert done.returncode == 0, f"seed {seed}: {done.stderr[-2000:]}"
        found.append(json.loads(done.stdout))
        assert found[-1]["trouble"] == [], f"seed {seed}"
        assert found[-1]["slowest"] < 30, f"seed {seed}"
    assert list(jail.iterdir()) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["good.snapshot", "jail"]
    assert sum(one.get("refused", 0) for one in found) > ROUNDS * mutants * 0.3
    if mutants >= 100:  # of the small ones, many mutants are good snapshots of other states
        assert sum(one["opened"] for one in found) > ROUNDS * mutants * 0.1
        assert sum(one["checked"] for one in found) > 0
    assert max(one["memory"] for one in found) < 1_000_000_000
    print({name: sum(one.get(name, 0) for one in found) for name in ("opened", "refused", "checked", "restored")})
    print({name: max(one[name] for one in found) for name in ("slowest", "memory")})
