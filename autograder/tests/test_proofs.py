"""The proofs are found by looking, and what the page says is what their last runs wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest

from proofs.__main__ import main, proofs
from proofs.results import PAGE, RESULTS, Row, page, read, record

AUTOGRADER = Path(__file__).resolve().parents[1]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m proofs` as one types it."""
    command: Sequence[str] = [sys.executable, "-m", "proofs", *words]
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=AUTOGRADER, env=environment, capture_output=True, text=True, check=False)


def test_page_says_what_the_results_say() -> None:
    """The page in docs/ is the rendering of the results in the repository, so nobody edits either by hand."""
    if not PAGE.exists():
        pytest.skip("no proof has been run yet")
    assert PAGE.read_text(encoding="utf-8") == page()


def test_results_belong_to_proofs() -> None:
    """Each result was written by a proof that is still there, under its name, with what it ran on."""
    for path, result in zip(sorted(RESULTS.glob("*.json")), read(), strict=True):
        assert result.proof == path.stem
        assert result.proof in proofs()
        assert result.rows
        assert result.versions["Python"]
        assert "cores" in result.machine


def test_list_names_each_proof_with_its_sentence() -> None:
    """Without a name the proofs are listed, one a line."""
    listed = run()
    assert listed.returncode == 0
    for name, (_, about) in proofs().items():
        assert about.endswith(".")
        assert any(line.split() == [name, *about.split()] for line in listed.stdout.splitlines())


def test_unknown_proof_is_refused_in_a_sentence() -> None:
    """A name that isn't a proof's is answered with those that are."""
    refused = run("nothing-like-it")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "There is no proof 'nothing-like-it'; there are: " in refused.stderr


@pytest.mark.parametrize("name", proofs())
def test_each_proof_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each proof has a `--help` which names `--keep`, and shows it without touching anything."""
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "--keep" in capsys.readouterr().out


def test_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Figures, marks of tables and letters of any alphabet survive the way to the file and the page."""
    rows = [Row("a | b", "1,5 s\nin Zürich", True), Row("c", "nothing", False)]
    record("example", rows, title="An example", versions={"pip": "26.0"}, folder=tmp_path)
    (result,) = read(tmp_path)
    assert [asdict(row) for row in result.rows] == [asdict(row) for row in rows]
    assert "| a \\| b | 1,5 s in Zürich | yes |\n| c | nothing | **no** |\n" in page(tmp_path)


def test_two_results_share_the_page(tmp_path: Path) -> None:
    """Recording one proof keeps what another wrote, and replaces what it wrote itself."""
    for proof, found in (("a", "old"), ("b", "kept"), ("a", "new")):
        record(proof, [Row("x", found, True)], folder=tmp_path)
    assert [(result.proof, result.rows[0].found) for result in read(tmp_path)] == [("a", "new"), ("b", "kept")]


def test_result_without_rows_is_refused(tmp_path: Path) -> None:
    """A proof that found nothing proves nothing, and leaves the last result as it was."""
    with pytest.raises(ValueError, match="found nothing"):
        record("a", [], folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_result_of_another_format_is_refused(tmp_path: Path) -> None:
    """A file that this version can't read is named, not guessed at."""
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ValueError, match=r"a\.json has another format"):
        read(tmp_path)
