"""Somebody in front of a browser: logs in at JupyterHub with a password, starts their JupyterLab, runs cells and types in a terminal.

All of it goes through the hub's proxy, by the requests and websockets that JupyterLab's page itself sends.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import Any

import requests
import websocket

__all__ = ["Person", "Stuck"]

PATIENCE = 400.0
"""Seconds to wait for anything: machines that prove things are busy."""


class Stuck(Exception):
    """Something didn't come, or wasn't what it should be."""


class Person:
    """One user of the hub."""

    def __init__(self, hub: str, name: str, password: str) -> None:
        """Know who and where; `hub` is the address of the hub's proxy."""
        self.hub, self.name, self.password = hub, name, password
        self.token = ""
        self.session = requests.Session()

    def log_in(self) -> bool:
        """Fill in the hub's form; say whether that let us in."""
        self.session.get(f"{self.hub}/hub/login", timeout=PATIENCE)
        form = {"username": self.name, "password": self.password, "_xsrf": self._xsrf()}
        answer = self.session.post(f"{self.hub}/hub/login?next=/hub/token", data=form, timeout=PATIENCE)
        if answer.status_code == 403 or "Invalid username or password" in answer.text:
            return False
        answer = self.session.post(
            f"{self.hub}/hub/api/users/{self.name}/tokens",
            json={"note": "the page's"},
            headers={"X-XSRFToken": self._xsrf(), "Referer": f"{self.hub}/hub/token"},
            timeout=PATIENCE,
        )
        self.token = answer.json().get("token", "")
        return bool(self.token)

    def _xsrf(self) -> str:
        return next(
            (one.value or "" for one in self.session.cookies if one.name == "_xsrf" and one.path == "/hub/"), ""
        )

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request as this user; `path` begins after the hub's address."""
        headers = {"Authorization": f"token {self.token}"}
        return requests.request(method, f"{self.hub}{path}", headers=headers, timeout=PATIENCE, **more)

    def start(self) -> float:
        """Start one's own JupyterLab, and give the seconds until it answers."""
        begun = time.monotonic()
        self.ask("POST", f"/hub/api/users/{self.name}/server")
        while True:
            servers = self.ask("GET", f"/hub/api/users/{self.name}").json().get("servers", {})
            if servers.get("", {}).get("ready") and self.lab("GET", "api/status").status_code == 200:
                return time.monotonic() - begun
            if time.monotonic() > begun + PATIENCE:
                raise Stuck(f"{self.name}'s server doesn't start")
            time.sleep(0.2)

    def lab(self, method: str, path: str, **more: Any) -> requests.Response:
        """Ask one's own server."""
        return self.ask(method, f"/user/{self.name}/{path}", **more)

    def _socket(self, path: str) -> websocket.WebSocket:
        address = f"{self.hub.replace('http', 'ws', 1)}/user/{self.name}/{path}"
        return websocket.create_connection(
            address, header=[f"Authorization: token {self.token}"], timeout=PATIENCE, max_size=None
        )

    def type(self, command: str, terminal: str) -> tuple[int, str]:
        """Type a command into a terminal, which is opened where it isn't there; give its exit status and what it wrote."""
        names = [one["name"] for one in self.lab("GET", "api/terminals").json()]
        if terminal not in names:
            self.lab("POST", "api/terminals", json={"name": terminal})
        mark = uuid.uuid4().hex[:8]
        line = self._socket(f"terminals/websocket/{terminal}")
        try:
            line.send(json.dumps(["set_size", 40, 200, 800, 1600]))
            line.send(json.dumps(["stdin", f"{command}\recho ended-$?-{mark}\r"]))
            shown, until = "", time.monotonic() + PATIENCE
            while (found := re.search(rf"ended-(\d+)-{mark}", shown)) is None:
                if time.monotonic() > until:
                    raise Stuck(f"{self.name}'s terminal answers nothing more: {shown[-800:]}")
                kind, *words = json.loads(line.recv())
                if kind == "stdout":
                    shown += words[0]
            return int(found[1]), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", shown)
        finally:
            line.close()

    def open(self, notebook: str) -> str:
        """Open a notebook with a kernel of its own; give the kernel's id."""
        asked = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": "python3"}}
        answer = self.lab("POST", "api/sessions", json=asked)
        if answer.status_code != 201:
            raise Stuck(f"no kernel for {self.name}: {answer.text[:300]}")
        return str(answer.json()["kernel"]["id"])

    def run(self, kernel: str, code: str) -> str:
        """Run a cell, and give all that it showed as text.

        Raises:
            Stuck: it ended with an error, or didn't.
        """
        line = self._socket(f"api/kernels/{kernel}/channels")
        try:
            one = uuid.uuid4().hex
            header = {"msg_id": one, "msg_type": "execute_request", "username": "", "session": one, "version": "5.3"}
            content = {"code": code, "silent": False, "allow_stdin": False}
            asked = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
            line.send(json.dumps(asked))
            shown, until = "", time.monotonic() + PATIENCE
            while time.monotonic() < until:
                data = line.recv()
                message = json.loads(data) if isinstance(data, str) else {}
                if message.get("parent_header", {}).get("msg_id") != one:
                    continue
                kind, content = message["header"]["msg_type"], message["content"]
                if kind == "stream":
                    shown += str(content["text"])
                elif kind in ("display_data", "execute_result"):
                    shown += str(content["data"].get("text/plain", ""))
                elif kind == "error":
                    raise Stuck(f"{self.name}: {content['ename']}: {content['evalue']}")
                elif kind == "status" and content["execution_state"] == "idle":
                    return shown
            raise Stuck(f"{self.name}'s cell doesn't end: {shown[-300:]}")
        finally:
            line.close()
