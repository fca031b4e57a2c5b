"""What makes `.venv` before anything is installed: uv by the lock's own pin, with this machine's settings of pip, told in a few lines."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

COURSE = Path(__file__).resolve().parents[2]
SCRIPT = COURSE / "autograder/bootstrap.py"


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    """The script as a module, under a name of its own; it is no part of the package."""
    specification = importlib.util.spec_from_file_location("bootstrap_alone", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["bootstrap_alone"] = module
    specification.loader.exec_module(module)
    return module


def configured(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, path: Path, text: str, **variables: str
) -> dict[str, str]:
    """Let the real pip read a configuration file and variables, and nothing else of this machine's; give what uv is told."""
    path.write_text(text)
    for name in (
        "PIP_FIND_LINKS",
        "PIP_EXTRA_INDEX_URL",
        "PIP_INDEX_URL",
        "PIP_CERT",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_NO_INDEX",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(path.parent))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings: dict[str, str] = bootstrap.pip_settings_for_uv(Path(sys.prefix))
    return settings


def test_uv_is_pinned_by_the_lock(bootstrap: ModuleType) -> None:
    """The pin has the own lines of uv, hashes and all, and nothing of its neighbours."""
    lines = bootstrap.pin("uv", COURSE / "requirements.txt").splitlines()
    assert lines[0].startswith("uv==")
    assert len(lines) > 2
    assert all(line.strip().startswith("--hash=sha256:") for line in lines[1:])
    assert not lines[-1].endswith("\\")


def test_pin_of_what_the_lock_lacks_is_empty(bootstrap: ModuleType, tmp_path: Path) -> None:
    """A lock without uv, or with another distribution whose name only begins so, pins none."""
    lock = tmp_path / "requirements.txt"
    lock.write_text("uvloop==1 \\\n    --hash=sha256:00\n")
    assert bootstrap.pin("uv", lock) == ""


def test_company_index_of_pip_is_told_to_uv(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Index, further indexes, folders, authority and proxy that pip is configured to are uv's too."""
    text = (
        "[global]\nindex-url = https://packages.company.example/simple\n"
        "extra-index-url = https://a.example/simple\n    https://b.example/simple\n"
        f"find-links = {tmp_path}\ncert = /etc/company.pem\nproxy = http://proxy.example:3128\n"
    )
    told = configured(bootstrap, monkeypatch, tmp_path / "pip.conf", text)
    assert told["UV_DEFAULT_INDEX"] == "https://packages.company.example/simple"
    assert told["UV_INDEX"] == "https://a.example/simple https://b.example/simple"
    assert told["UV_FIND_LINKS"] == str(tmp_path)
    assert told["SSL_CERT_FILE"] == "/etc/company.pem"
    assert told["ALL_PROXY"] == "http://proxy.example:3128"


def test_variables_of_pip_win_over_its_file(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with pip itself, PIP_INDEX_URL counts before what the file says."""
    text = "[global]\nindex-url = https://old.example/simple\n"
    told = configured(
        bootstrap,
        monkeypatch,
        tmp_path / "pip.conf",
        text,
        PIP_INDEX_URL="https://new.example/simple",
        PIP_NO_INDEX="1",
    )
    assert told["UV_DEFAULT_INDEX"] == "https://new.example/simple"
    assert told["UV_NO_INDEX"] == "1"


def test_what_uv_says_becomes_a_few_lines(bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """What is large is named while it is fetched; the hundred names at the end are not."""
    for line in (
        "Downloading jupyterlab (16.5MiB)",
        "Prepared 115 packages in 7s",
        "Installed 115 packages in 1s",
        "+ six==1",
    ):
        bootstrap.tell_uv(line)
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3
    assert "jupyterlab (16.5MiB)" in said[0]


def test_python_of_windows_is_refused_in_a_sentence() -> None:
    """Where `fcntl` is missing, as in Windows' own Python, one sentence names WSL2."""
    code = f"import runpy, sys; sys.modules['fcntl'] = None; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    refused = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert len(refused.stderr.splitlines()) == 1
    assert "WSL2" in refused.stderr


def test_fetched_bubblewrap_is_not_called_missing(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose system lacks bubblewrap isn't told so once the course has fetched its own."""
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "bubblewrap" in [tool.package for tool in bootstrap.missing_tools("test")]
    (tmp_path / "bubblewrap" / "0a1b").mkdir(parents=True)
    assert "bubblewrap" not in [tool.package for tool in bootstrap.missing_tools("test")]
