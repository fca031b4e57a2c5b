"""Tests of `autograder.jupyter.server`: a real JupyterLab, asked over its own protocol what its terminals are."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from autograder.jupyter import launch, server


@dataclass(frozen=True)
class Server:
    """A running JupyterLab."""

    address: str
    pid: int


Serve = Callable[..., AbstractContextManager[Server]]


@pytest.fixture
def serve(tmp_path: Path, labs: Path) -> Serve:
    """Start JupyterLab with a HOME of its own, and give its address; it is gone afterwards, with all it started."""

    @contextmanager
    def start(*, configured: bool = True, config: dict[str, object] | None = None) -> Iterator[Server]:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = int(probe.getsockname()[1])
        home = tmp_path / "home"
        (home / "config").mkdir(parents=True, exist_ok=True)
        if config is not None:
            (home / "config" / "jupyter_server_config.json").write_text(json.dumps(config))
        base = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "SHELL": "/bin/bash",
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "WHEELHOUSE_LABS": str(labs),
            "WHEELHOUSE_CACHE": os.environ["WHEELHOUSE_CACHE"],
        }
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyter_server", "--no-browser", f"--port={port}", "--port-retries=0"),
                *(
                    "--allow-root",
                    "--IdentityProvider.token=",
                    "--ServerApp.password=",
                    f"--ServerApp.root_dir={tmp_path}",
                ),
                *("--ServerApp.disable_check_xsrf=True", "--ServerApp.open_browser=False"),
            ],
            env=launch.environment(base) if configured else base,
            stdout=(tmp_path / "log").open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(address, process, tmp_path / "log")
            yield Server(address, process.pid)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    return start


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=2).read()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


def _started(server: Server, body: Mapping[str, object]) -> list[str]:
    """Open a terminal and give the command line of the process in it."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    before = children.read_text().split()
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{server.address}/api/terminals", data, method="POST")
    urllib.request.urlopen(request, timeout=20).read()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for pid in set(children.read_text().split()) - set(before):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
            if "jupyter_server" not in words:  # it was, until the new process became the shell
                return words
        time.sleep(0.01)
    raise AssertionError("no terminal was started")


def test_the_terminal_of_an_exercise_is_its_shell() -> None:
    """A terminal's name says whose shell it is, and nothing else in it reaches the command line."""
    assert server.command("ex06")[-3:] == ["shell", "--again", "06"]
    for name in ("", "sandbox", "1", "ex6", "ex06; rm -rf ~", "--help"):
        assert server.command(name)[-2:] == ["shell", "--again"]


@pytest.mark.slow
def test_every_terminal_is_the_sandboxed_shell(serve: Serve) -> None:
    """Whatever a request for a terminal asks for, the sandboxed shell is what starts."""
    with serve() as running:
        assert _started(running, {"name": "ex06"}) == server.command("ex06")
        asked = {"name": "other", "shell_command": ["/bin/bash"], "cwd": "/"}
        assert _started(running, asked) == server.command("other")


@pytest.mark.slow
def test_a_shell_command_of_the_machine_is_overruled(serve: Serve) -> None:
    """A server whose own configuration wants another shell, and another manager of terminals, gets ours all the same."""
    own = {"ServerApp": {"terminado_settings": {"shell_command": ["/bin/bash"]}}}
    with serve(config=own) as running:
        assert _started(running, {"name": "ex06"}) == server.command("ex06")


@pytest.mark.slow
def test_without_our_configuration_it_is_an_ordinary_shell(serve: Serve) -> None:
    """The defect which `begin` warns of: a server that was not started by `make lab`."""
    with serve(configured=False) as running:
        assert "autograder.cli" not in _started(running, {"name": "ex06"})
