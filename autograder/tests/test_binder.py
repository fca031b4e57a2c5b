"""What Binder reads: the files parse, the scripts do what they say and stop where they fail, and the settings reach a server.

That all of it together makes an image in which the course works is proven by `python -m proofs binder`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.jupyter import launch
from autograder.sandbox.bases import own_base
from autograder.sandbox.seed import _key
from proofs.binder import badge_path
from proofs.binder_base import pins
from proofs.binder_container import whole_seconds
from proofs.binder_recipe import Recipe, Step

COURSE = Path(__file__).resolve().parents[2]
BINDER = COURSE / "binder"
PATIENCE = 240.0
"""Seconds for a server to start on a machine that runs other tests too."""


def started(words: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command through `binder/start`, from a folder that isn't the course."""
    command = [str(BINDER / "start"), *words]
    environment = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


# --- the files


def test_the_same_lock() -> None:
    """Binder's Python is one that the lock is for, and its requirements are the lock itself."""
    assert (BINDER / "requirements.txt").read_bytes() == (COURSE / "requirements.txt").read_bytes()
    assert re.fullmatch(r"python-3\.1[1-4]\n", (BINDER / "runtime.txt").read_text(encoding="utf-8"))


def test_packages_are_named_as_repo2docker_wants_them() -> None:
    """One lower-case name a line: repo2docker refuses capitals."""
    lines = re.sub(r"#.*", "", (BINDER / "apt.txt").read_text(encoding="utf-8")).split()
    assert lines
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9.+-]+", line) for line in lines)


@pytest.mark.parametrize("path", sorted(BINDER.glob("settings/**/*.json")), ids=lambda path: path.stem)
def test_settings_are_json(path: Path) -> None:
    """Jupyter passes over a file that it can't parse with one line in a log that nobody reads."""
    assert json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("script", ["postBuild", "start"])
def test_scripts_are_clean(script: str) -> None:
    """No script has what shellcheck warns of."""
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck isn't installed; Debian has it under that name")
    subprocess.run(["shellcheck", str(BINDER / script)], check=True)


# --- start


def test_start_gives_the_server_our_settings(tmp_path: Path) -> None:
    """`start` runs what it is given, with Binder's settings first, then the course's, and those of the platform still there."""
    program = "import os, sys; print(os.environ['WHEELHOUSE_COURSE'], os.environ['JUPYTER_CONFIG_PATH'], sys.argv[1:])"
    said = started([sys.executable, "-c", program, "a b"], tmp_path, JUPYTER_CONFIG_PATH="/etc/theirs").stdout
    course, path, words = said.strip().split(" ", 2)
    own, ours, theirs = path.split(":")
    assert (course, words) == (str(COURSE), "['a b']")
    assert (Path(own), Path(ours).resolve(), theirs) == (BINDER / "settings", launch.CONFIG.resolve(), "/etc/theirs")
    assert own != ours


def test_start_becomes_what_it_starts(tmp_path: Path) -> None:
    """Signals of the platform reach the server itself, and its exit status is that of the session."""
    done = started(["bash", "-c", "echo $$ $PPID; exit 7"], tmp_path)
    assert done.returncode == 7
    assert int(done.stdout.split()[1]) == os.getpid()


# --- postBuild


@pytest.mark.parametrize("failing", ["python", "course", "jupyter"])
def test_build_stops_at_the_first_error(failing: str, tmp_path: Path) -> None:
    """An error while the image is built ends the build: a shell script goes on unless told."""
    for name in ("python", "course", "jupyter"):
        stub = tmp_path / name
        stub.write_text(f"#!/bin/sh\necho {name} >>{tmp_path}/ran\nexit {3 if name == failing else 0}\n")
        stub.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    done = subprocess.run([str(BINDER / "postBuild")], cwd=tmp_path, env=environment, capture_output=True, check=False)
    ran = (tmp_path / "ran").read_text().split()
    assert done.returncode == 3, done.stderr
    assert ran[-1] == failing
    assert ran.count(failing) == 1


# --- the settings, in a server started as BinderHub does


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A JupyterLab through `binder/start`, under a base URL; its address, with the slash at the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}/user/x/"
    words = [*(sys.executable, "-m", "jupyterlab"), "--allow-root", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    words += ["--ServerApp.port_retries=0", "--ServerApp.base_url=/user/x/", "--ServerApp.token=t"]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "WHEELHOUSE_LABS": str(tmp_path / "labs"),
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(BINDER / "start"), *words], cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            end = time.monotonic() + PATIENCE
            while True:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                try:
                    urllib.request.urlopen(f"{address}api?token=t", timeout=5).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            process.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_settings_reach_the_server(server: str) -> None:
    """No news, no formgrader, the course as the page that opens, and the course's own settings beside them."""
    with urllib.request.urlopen(f"{server}?token=t", timeout=PATIENCE) as answer:
        assert answer.url.split("?")[0] == f"{server}lab/workspaces/{launch.NAME}"
        page = answer.read().decode("utf-8")
    settings = json.loads(
        page.partition('<script id="jupyter-config-data" type="application/json">')[2].partition("<")[0]
    )
    assert settings["news"] == {"disabled": True}
    assert not settings["extensionManager"]["can_install"]
    assert "@jupyter/nbgrader:formgrader" in settings["disabledExtensions"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server}formgrader?token=t", timeout=PATIENCE)
    assert refused.value.code == 404
    with urllib.request.urlopen(f"{server}lab/api/settings?token=t", timeout=PATIENCE) as answer:
        known = {one["id"]: one for one in json.load(answer)["settings"]}
    assert known["@jupyterlab/terminal-extension:plugin"]["schema"]["properties"]["fontSize"]["default"] == 14


# --- the badge


def test_badge_opens_the_courses_layout() -> None:
    """The badge names the layout that `postBuild` imports."""
    assert badge_path() == f"lab/workspaces/{launch.NAME}"
    assert "--print-layout" in (BINDER / "postBuild").read_text(encoding="utf-8")


# --- the proof's own parts

DOCKERFILE = """\
FROM somewhere/base:24.04
# a comment \\
ENV A=1 \\
    B="two words"
ARG REPO_DIR=${HOME}
ARG NB_UID
RUN one && \\
    two
COPY --chown=1000:1000 --chmod=0755 src/ ${REPO_DIR}/
ENTRYPOINT ["/entry", "a b"]
"""


def recipe(dockerfile: str) -> Recipe:
    """What repo2docker might say."""
    return Recipe("1", "PythonBuildPack", "3.12", "somewhere/base:24.04", dockerfile, {})


def test_dockerfile_is_read_as_docker_reads_it() -> None:
    """Lines that go on are one instruction, comments are none, quotes keep spaces."""
    steps = list(recipe(DOCKERFILE).steps())
    assert [step.word for step in steps] == ["FROM", "ENV", "ARG", "ARG", "RUN", "COPY", "ENTRYPOINT"]
    assert steps[1].settings() == {"A": "1", "B": "two words"}
    assert (steps[2].settings(), steps[3].settings()) == ({"REPO_DIR": "${HOME}"}, {})
    assert steps[4].rest.split() == ["one", "&&", "two"]
    assert steps[5].copy() == ("src/", "${REPO_DIR}/", {"chown": "1000:1000", "chmod": "0755"})
    assert steps[6].listed() == ["/entry", "a b"]


def test_unknown_instruction_is_not_passed_over() -> None:
    """What the proof can't follow ends it: else it would prove another image."""
    with pytest.raises(ValueError, match="ONBUILD"):
        list(recipe("FROM a\nONBUILD RUN b\n").steps())


def test_pins_are_those_of_the_lock() -> None:
    """Of conda's list come names and versions as pip knows them, and nothing that pip doesn't have."""
    host = "https://conda.example/conda-forge"
    lock = "\n".join(
        [
            "# platform: linux-64",
            "@EXPLICIT",
            f"{host}/noarch/jupyterlab-4.4.9-pyhd8ed1ab_0.conda#0123",
            f"{host}/noarch/nbconvert-core-7.16.6-pyh29332c3_1.conda#0123",
            f"{host}/linux-64/openssl-3.5.4-h26f9b46_0.conda#0123",
            f"{host}/linux-64/pyzmq-27.1.0-py312hfb55c3c_0.tar.bz2#0123",
        ]
    )
    assert pins(lock) == ["jupyterlab==4.4.9", "nbconvert==7.16.6", "pyzmq==27.1.0"]


def test_times_are_cut_as_a_registry_cuts_them(tmp_path: Path) -> None:
    """Files, folders and links lose the parts of a second, and a file with two names is counted once."""
    (tmp_path / "folder").mkdir()
    file, link = tmp_path / "folder" / "file", tmp_path / "link"
    file.write_bytes(b"12345")
    link.symlink_to("nowhere")
    (tmp_path / "again").hardlink_to(file)
    for path in (file, link):
        os.utime(path, ns=(1_700_000_000_987_654_321, 1_700_000_000_987_654_321), follow_symlinks=False)
    assert whole_seconds(tmp_path) == 5
    assert {path.lstat().st_mtime_ns for path in (file, link)} == {1_700_000_000_000_000_000}
    assert (tmp_path / "folder").stat().st_mtime_ns % 10**9 == 0


def test_images_times_change_no_name_of_the_cache(tmp_path: Path) -> None:
    """What was made when the image was built is found when it is started: a registry cuts a Python's time to whole seconds."""
    python = tmp_path / "python"
    python.write_bytes(b"")
    base = dataclasses.replace(own_base(), executable=python)
    names = set()
    for fraction in (0, 987_654_321):
        os.utime(python, ns=(1_700_000_000 * 10**9 + fraction,) * 2)
        names.add(_key.__wrapped__(base, "/usr/local"))
    assert len(names) == 1


def test_step_without_options_copies() -> None:
    """COPY needs no options."""
    assert Step("COPY", "a /b").copy() == ("a", "/b", {})
