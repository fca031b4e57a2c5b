"""The command which stands for an index's web pages, in the shell of every tier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from autograder.sandbox import Limits, Place, Sandbox
from index_clients import needs_uv
from index_publishing import wheel
from sandbox_places import TIERS, new_place, sandbox_of

PUBLISHING = r"""
set -e
python -m venv env
. env/bin/activate
command -v pypi-manage
pypi-manage token --testpypi --name "for the till" > token
uv publish --quiet --publish-url "$WHEELHOUSE_TESTPYPI_UPLOAD" --token "$(cat token)" *.whl
pypi-manage yank till-slip 0.1 --testpypi --reason "Prints no total"
pypi-manage list --testpypi
pypi-manage workflow --repository shop/till --workflow release.yml -- sh -c 'echo "$GITHUB_REPOSITORY ${ACTIONS_ID_TOKEN_REQUEST_URL##*/}"'
python -m pip list --format freeze | grep -i pypi-manage || echo "no distribution"
"""


@pytest.fixture(params=TIERS)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """A sandbox of each tier."""
    return sandbox_of(request.param)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place from which something can be published."""
    (tmp_path / "published").mkdir()
    return replace(new_place(tmp_path), published=tmp_path / "published")


@needs_uv
def test_publishing_without_a_browser(sandbox: Sandbox, place: Place) -> None:
    """In an active environment, too, the command makes a token, yanks, lists, and lets a command run as a workflow."""
    filename, data = wheel("till-slip", "0.1")
    (place.project / filename).write_bytes(data)
    done = sandbox.run(["bash", "-c", PUBLISHING], place, limits=Limits(wall_seconds=120))
    assert done.exit_status == 0, done.output
    assert "0.1  yanked: Prints no total  till_slip-0.1-py3-none-any.whl" in done.output
    assert "for the till  (whole account)" in done.output
    assert "shop/till token?api-version=2.0" in done.output
    assert "no distribution" in done.output
    assert "env/bin/pypi-manage" not in done.output


def test_damaged_command_is_mended(sandbox: Sandbox, place: Place) -> None:
    """Whatever a run did to the command, the next one finds it whole."""
    for damage in ("rm", "echo >", "chmod -x", "ln -sf /etc/hostname"):
        sandbox.run(["bash", "-c", f"{damage} $(command -v pypi-manage)"], place)
        done = sandbox.run(["pypi-manage", "--help"], place)
        assert "Stands for what you click" in done.output, (damage, done.output)
