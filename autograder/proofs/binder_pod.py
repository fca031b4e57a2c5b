"""Start of an image what BinderSpawner starts, in a pod without any network, and let nobody in but through one port.

The pod has loopback and nothing else; a name server that knows no names writes down which were asked for.
Started are the image's entry point and `binder/start`, with the words, the address and the file in /etc/jupyter that mybinder.org has.

Source: binderhub's helm-chart/binderhub/values.yaml and mybinder.org-deploy's mybinder/values.yaml, as of 2026-08.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import secrets
import selectors
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from proofs.binder_container import Group, container, mounted
from proofs.binder_image import Image
from proofs.binder_recipe import UID

__all__ = ["MEMORY", "PREFIX", "Pod", "pod"]

MEMORY = 2 * 10**9
"""Bytes; mybinder.org's limit for a pod."""
PREFIX = "/user/x-wheelhouse-2k7f3q/"
PORT = 8888
_LAUNCH = """
import os, sys
try:
    import jupyterlab, jupyterlab.labapp
    major = int(jupyterlab.__version__.split(".", 1)[0])
except Exception as e:
    print("Failed to import jupyterlab: {e}".format(e=e), file=sys.stderr)
    have_lab = False
else:
    have_lab = major >= 3
exe = "jupyter-lab" if have_lab else "jupyter-notebook"
os.execvp(exe, sys.argv)
"""
_PATIENCE = 300.0
_NEW_NETWORK = 0x40000000


@dataclass
class Pod:
    """A server that runs."""

    address: str
    """With the base URL's slash at the end, as seen from this machine."""
    token: str
    seconds: float
    """From the start of the container until the server answered."""
    processor: float
    """Seconds of processor time until then, which a busy machine doesn't change."""
    written: Path
    """All that was written in the pod, as in its root."""
    log: Path
    group: Group
    process: subprocess.Popen[bytes]
    names: list[str] = field(default_factory=list)
    """What the name server was asked for."""
    peak: int = 0
    """The most bytes that the whole pod ever held, cached files apart."""
    idle: int = 0
    """The same, when the server first answered."""

    def url(self, path: str) -> str:
        """Give the address to which BinderHub would send a browser that asked for `urlpath=path`."""
        return f"{self.address}{path}{'&' if '?' in path else '?'}token={self.token}"

    def ended(self, timeout: float) -> bool:
        """Say whether the server ends by itself within `timeout` seconds."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def tail(self) -> str:
        """Give the end of what the server said."""
        return self.log.read_text("utf-8", "replace")[-3000:]


def _settings(idle: int) -> str:
    """Give the file that mybinder.org puts into /etc/jupyter."""
    return json.dumps(
        {
            "ServerApp": {
                "allow_origin": "*",
                "tornado_settings": {"trust_xheaders": True},
                "shutdown_no_activity_timeout": idle,
            },
            "MappingKernelManager": {
                "cull_idle_timeout": idle,
                "cull_interval": min(60, max(1, idle // 4)),
                "cull_connected": True,
            },
        }
    )


def _words(token: str) -> list[str]:
    words = ["python3", "-c", _LAUNCH, "--ip=0.0.0.0", f"--port={PORT}"]
    for kind in ("NotebookApp", "ServerApp"):
        words += [f"--{kind}.base_url={PREFIX}", f"--{kind}.token={token}", f"--{kind}.trust_xheaders=True"]
        words += [f"--{kind}.allow_origin=*", f"--{kind}.allow_origin_pat=.*"]
    return [*words, "--LabApp.expose_app_in_browser=True"]  # the last only lets the proof ask the page how far it is


_BINDER = {
    "BINDER_LAUNCH_HOST": "https://mybinder.org/",
    "BINDER_REPO_URL": "https://git.example/owner/wheelhouse",
    "BINDER_REQUEST": "v2/gh/owner/wheelhouse/HEAD",
    "BINDER_PERSISTENT_REQUEST": "v2/gh/owner/wheelhouse/0000000000",
    "JUPYTERHUB_BASE_URL": "/",
    "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
    "JUPYTERHUB_USER": "x-wheelhouse-2k7f3q",
}


def _enter_network(pid: int) -> None:
    """Take the calling thread into the network of a process."""
    with Path(f"/proc/{pid}/ns/net").open("rb") as network:
        if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), _NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns")


def _background(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _answer_names(pid: int, asked: list[str], stop: threading.Event) -> None:
    """Be the pod's name server: say of each name that there is no such, and write it down."""
    _enter_network(pid)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        server.settimeout(0.2)
        while not stop.is_set():
            try:
                question, sender = server.recvfrom(4096)
            except TimeoutError:
                continue
            labels, at = [], 12
            while at < len(question) and question[at]:
                labels.append(question[at + 1 : at + 1 + question[at]].decode("ascii", "replace"))
                at += 1 + question[at]
            asked.append(".".join(labels))
            server.sendto(question[:2] + b"\x81\x83" + question[4:6] + bytes(6) + question[12:], sender)


def _forward(pid: int, door: socket.socket, stop: threading.Event) -> None:
    """Carry what comes to a port of this machine to the server in the pod, and back."""
    _enter_network(pid)
    chosen = selectors.DefaultSelector()
    chosen.register(door, selectors.EVENT_READ)
    other: dict[socket.socket, socket.socket] = {}
    with door:
        while not stop.is_set():
            for key, _ in chosen.select(0.2):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                if one is door:
                    visitor, _ = door.accept()
                    try:
                        server = socket.create_connection(("127.0.0.1", PORT), 5)
                    except OSError:
                        visitor.close()
                        continue
                    other |= {visitor: server, server: visitor}
                    for end in (visitor, server):
                        end.settimeout(30)
                        chosen.register(end, selectors.EVENT_READ)
                    continue
                if one not in other:
                    continue
                try:
                    data = one.recv(1 << 16)
                    if data:
                        other[one].sendall(data)
                except OSError:
                    data = b""
                if not data:
                    for end in (one, other.pop(one)):
                        other.pop(end, None)
                        chosen.unregister(end)
                        end.close()
    for end in other:
        end.close()


def _watch(pod: Pod, stop: threading.Event) -> None:
    while not stop.wait(0.1):
        with contextlib.suppress(OSError, ValueError):
            pod.peak = max(pod.peak, pod.group.used())


def _wait(pod: Pod, began: float) -> None:
    while True:
        if pod.process.poll() is not None or time.monotonic() > began + _PATIENCE:
            raise RuntimeError(f"the server never answered:\n{pod.tail()}")
        try:
            with urllib.request.urlopen(f"{pod.address}api", timeout=5):  # noqa: S310
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)


def _first_process(information: int) -> int:
    with os.fdopen(information, encoding="utf-8") as file:
        return int(json.loads(file.read())["child-pid"])


@contextlib.contextmanager
def pod(image: Image, work: Path, *, profile: str, memory: int = MEMORY, idle: int = 600) -> Iterator[Pod]:
    """Start a pod of an image under a profile of `tests/pods.py`, wait until its server answers, and remove all of it at the end.

    `memory` is its limit in bytes, `idle` the seconds after which kernels and server end when nobody does anything.
    Raises `RuntimeError`, with the end of the server's log, where it never answers.
    """
    work.mkdir(parents=True)
    for name, text in {"settings.json": _settings(idle), "resolv.conf": "nameserver 127.0.0.1\n"}.items():
        (work / name).write_text(text, encoding="utf-8")
    token, stop = secrets.token_hex(16), threading.Event()
    log = work / "server.log"
    more = [
        *("--perms", "0755", "--dir", "/etc/jupyter"),  # else only root could look into it
        *("--ro-bind", str(work / "settings.json"), "/etc/jupyter/jupyter_server_config.json"),
        *("--ro-bind", str(work / "resolv.conf"), "/etc/resolv.conf"),
    ]
    with contextlib.ExitStack() as stack:
        group = stack.enter_context(Group.made(f"binder-pod-{os.getpid()}-{profile}", memory))
        root = stack.enter_context(mounted(image.layers, work / "written", work / "at", work / "overlay"))
        door = socket.create_server(("127.0.0.1", 0))
        information, tell = os.pipe()
        line = container(
            root,
            [*image.entrypoint, *_words(token)],
            folder=image.folder,
            profile=profile,
            uid=UID,
            more=[*more, "--info-fd", str(tell)],
            network=False,
        )
        began = time.monotonic()
        process = subprocess.Popen(
            line,
            env={**image.variables, **_BINDER},
            stdin=subprocess.DEVNULL,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            pass_fds=[tell],
            preexec_fn=group.join,
        )
        os.close(tell)
        stack.callback(process.wait)
        stack.callback(process.kill)
        first = _first_process(information)
        address = f"http://127.0.0.1:{door.getsockname()[1]}{PREFIX}"
        made = Pod(address, token, 0.0, 0.0, work / "written", log, group, process)
        threads = [
            _background(lambda: _answer_names(first, made.names, stop)),
            _background(lambda: _forward(first, door, stop)),
            _background(lambda: _watch(made, stop)),
        ]
        for thread in threads:
            stack.callback(thread.join, 5)
        stack.callback(stop.set)
        _wait(made, began)
        made.seconds = time.monotonic() - began
        made.processor, made.idle = group.processor(), group.used()
        yield made
