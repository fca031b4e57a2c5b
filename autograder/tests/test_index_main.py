"""`python -m autograder.index`, as a person uses it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from autograder.index.__main__ import main


def test_serves_until_interrupted(tmp_path: Path) -> None:
    """It says where it serves, serves there, and ends quietly on Ctrl+C."""
    command = [sys.executable, "-m", "autograder.index", "--port", "0", "--cache", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        match = re.search(r"http://127\.0\.0\.1:\d+/pypi/simple/", line)
        assert match, line
        with urllib.request.urlopen(match[0] + "leftpad/", timeout=10) as reply:
            assert b"leftpad-1.2-py3-none-any.whl" in reply.read()
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=10)[0]
        assert process.returncode == 0
        assert "Traceback" not in rest
    finally:
        process.kill()
        process.communicate()


def test_port_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A port that is taken is told in one sentence, with the way out."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port), "--cache", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"Port {port} can't be used" in said
    assert "--port 0" in said


def test_no_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A number that can't be a port is told so."""
    assert main(["--port", "70000", "--cache", str(tmp_path)]) == 2
    assert "0 to 65535" in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The help shows how to use it with pip."""
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "pip install --index-url http://127.0.0.1:8080/pypi/simple/ leftpad" in capsys.readouterr().out
