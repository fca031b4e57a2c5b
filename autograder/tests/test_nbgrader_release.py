"""Tests of `autograder.nbgrader_release`: what a class gets when an exercise is released."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COURSE = Path(__file__).parents[2]
NAME = "01-modules"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("nbgrader")]


def test_an_instructors_own_snapshot_is_not_released(tmp_path: Path) -> None:
    """Whoever has tried the exercise beside its notebook releases the notebook, and keeps the snapshot."""
    for part in ("solutions", "exercises"):
        shutil.copytree(COURSE / part / NAME, tmp_path / "course" / part / NAME)
    (tmp_path / "exchange").mkdir()
    config = (COURSE / "nbgrader_config.py").read_text("utf-8")
    (tmp_path / "course" / "nbgrader_config.py").write_text(
        f"{config}\nc.Exchange.root = {str(tmp_path / 'exchange')!r}\n"
    )
    mine = tmp_path / "course" / "exercises" / NAME / f"{NAME}.snapshot"

    def type_(*words: str) -> None:
        variables = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "JUPYTER_DATA_DIR": str(tmp_path / "data"),
            "LANG": "C.UTF-8",
        }
        ran = [sys.executable, "-m", "nbgrader", *words]
        done = subprocess.run(ran, cwd=tmp_path / "course", env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    type_("generate_assignment", NAME, "--force")
    mine.write_bytes(b"mine")
    type_("release_assignment", NAME)

    released = tmp_path / "exchange" / "wheelhouse" / "outbound" / NAME
    assert sorted(os.listdir(released)) == [f"{NAME}.ipynb"]
    assert mine.read_bytes() == b"mine"
