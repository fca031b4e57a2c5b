"""Tests of `autograder.catalog.ex14_publishing.workflow`: workflows as they are written, and as nobody should write them."""

from __future__ import annotations

import pytest

from autograder import Failed
from autograder.catalog.ex14_publishing.workflow import Workflow

GOOD = """\
on: push
permissions: {}
jobs:
  build:
    steps:
      - run: |
          python -m build
  try-it: {needs: [build], steps: [{run: echo fine}]}
  publish:
    needs: [try-it]
    environment: {name: pypi, url: "https://shop.example/"}
    permissions: {id-token: write}
    steps:
      - uses: actions/download-artifact@0123456789012345678901234567890123456789 # v4
      - uses: pypa/gh-action-pypi-publish@0123456789012345678901234567890123456789
"""


def test_jobs_are_known_by_what_they_do() -> None:
    """Who builds, who publishes, what runs before it, what it may, and where."""
    workflow = Workflow("p.yml", GOOD)
    (publish,) = workflow.publishing
    assert [job.name for job in workflow.jobs if job.builds] == ["build"]
    assert [job.name for job in workflow.before(publish)] == ["try-it", "build"]
    assert (publish.environment, publish.may_ask_for_identity) == ("pypi", True)
    assert publish.uses[0].endswith("0123456789")
    assert "on" in workflow.told


@pytest.mark.parametrize(
    ("command", "builds", "publishes"),
    [
        ("uv build", True, False),
        ("# python -m build", False, False),
        ("uv publish --trusted-publishing always", False, True),
        ("twine upload dist/*", False, True),
        ("echo rebuild", False, False),
    ],
)
def test_commands_count_as_much_as_actions(command: str, builds: bool, publishes: bool) -> None:
    """And comments don't."""
    (job,) = Workflow("p.yml", f"jobs:\n  one:\n    steps:\n      - run: |\n          {command}\n").jobs
    assert (job.builds, job.publishes) == (builds, publishes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jobs: []",
        "- a\n- b\n",
        "jobs:\n  a:\n   - run: x: y\n",
        "[" * 5000,
        "a: \x00",
        "x" * 70_000,
        "? [a]\n: b\n",
    ],
)
def test_what_is_no_workflow_is_refused_in_a_sentence(text: str) -> None:
    """Whatever it is."""
    with pytest.raises(Failed, match=r"is no (YAML|workflow)"):
        Workflow("p.yml", text)


@pytest.mark.parametrize(
    ("given", "beside"),
    [
        ("{name: dist}", True),
        ("{name: dist, path: ./}", True),
        ("{name: dist, path: dist}", False),
        ("{}", False),
    ],
)
def test_a_job_that_unpacks_beside_dist_is_known(given: str, beside: bool) -> None:
    """With a name and no path, what was fetched lies at the top; without a name, in a folder of that name."""
    steps = f"[{{uses: actions/upload-artifact@v4, with: {{path: dist/}}}}, {{uses: actions/download-artifact@v4, with: {given}}}]"
    (job,) = Workflow("p.yml", f"jobs: {{one: {{steps: {steps}}}}}").jobs
    assert job.unpacks_beside_dist is beside
    assert job.hands_over_the_content_of_dist


@pytest.mark.timeout(20)
def test_odd_values_are_no_trouble() -> None:
    """Neither where a list should stand nor where aliases make something endless."""
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    text = bomb + (
        "jobs:\n  one:\n    steps:\n      - run: *a59\n      - just a text\n      - uses: [x]\n      - uses: *a59\n"
        "      - {uses: actions/upload-artifact@v4, with: {path: *a59}}\n    needs: {one: 1}\n"
        "    environment: [pypi]\n    permissions: [id-token]\n  two: null\n  three: {steps: 5, needs: three}\n"
    )
    for job in Workflow("p.yml", text).jobs:
        found = [job.builds, job.publishes, job.may_ask_for_identity, *job.environment]
        assert not any([*found, job.unpacks_beside_dist, job.hands_over_the_content_of_dist])
        assert all(used.startswith("actions/") for used in job.uses)
        assert list(Workflow("p.yml", text).before(job)) == []
