"""A Jupyter server extension: every terminal of the course's JupyterLab is the sandboxed shell.

A terminal's name says whose shell it is: `ex06` is `course shell 06`; any other is `course shell`, the workspace begun last.

What is known only by its effect is checked: the same setting in a file of `jupyter_server_config.d` is ignored without a word, and the
terminal is then an ordinary shell. So the extension looks at the server's own terminal manager when it is loaded, sets it right, and only
then tells the kernels, by `WHEELHOUSE_TERMINAL=sandbox` in their environment, that the terminals are what the lessons say they are.

It also shows JupyterLab the course's style sheet and the extension in `labextensions/`, which runs the start page's cells.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

from jupyter_server_terminals.terminalmanager import TerminalManager

__all__ = ["SandboxTerminals", "command"]

VARIABLE = "WHEELHOUSE_TERMINAL"
CUSTOM = Path(__file__).parent / "config" / "custom"
EXTENSIONS = Path(__file__).parent / "labextensions"
"""JupyterLab's extensions of ours, each a folder."""
ROOT_VARIABLE = "WHEELHOUSE_SERVER_ROOT"
"""What the start page's paths are relative to."""


def command(name: str = "") -> list[str]:
    """Give the words that start the sandboxed shell in a terminal of that name, whatever PATH says.

    JupyterLab closes a terminal whose shell has ended, so nobody would read by what it was stopped: `--again` opens a new one below.
    """
    match = re.fullmatch(r"ex(\d\d)", name)
    return [sys.executable, "-m", "autograder.cli", "shell", "--again", *([match.group(1)] if match else [])]


class SandboxTerminals(TerminalManager):
    """Terminals that start nothing but the sandboxed shell, whatever a request asks for."""

    def new_terminal(self, **options: Any) -> Any:
        """Start a terminal; `shell_command` and `cwd` from outside are not listened to."""
        wanted = str(options.get("name", ""))
        kept = {key: value for key, value in options.items() if key not in ("shell_command", "cwd")}
        return super().new_terminal(**kept, shell_command=command(wanted))


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "autograder.jupyter.server"}]


def _set_right(serverapp: Any) -> bool:
    """Make the server's terminals ours; say whether they are."""
    serverapp.terminado_settings = {**serverapp.terminado_settings, "shell_command": command()}
    manager = serverapp.web_app.settings.get("terminal_manager")
    if manager is None:  # the terminals' extension is loaded after us, and reads the setting then
        return bool(serverapp.terminals_enabled)
    manager.shell_command = command()
    return bool(manager.shell_command == command())


def _load_jupyter_server_extension(serverapp: Any) -> None:
    os.environ.pop(VARIABLE, None)  # another server's word does not count
    os.environ[ROOT_VARIABLE] = str(serverapp.root_dir)
    settings = serverapp.web_app.settings
    # JupyterLab, which is loaded after us, takes the first `custom.css` that it finds: a learner's own comes before ours
    settings["static_custom_path"] = [*settings.get("static_custom_path", ()), str(CUSTOM)]
    for app in {one for found in serverapp.extension_manager.extension_apps.values() for one in found}:
        if hasattr(app, "extra_labextensions_path"):
            app.extra_labextensions_path = [*app.extra_labextensions_path, str(EXTENSIONS)]
    if _set_right(serverapp):
        os.environ[VARIABLE] = "sandbox"
        serverapp.log.info("Wheelhouse: the terminals of this server are the sandboxed shell.")
    else:
        serverapp.log.warning("Wheelhouse: this server has no terminals; use `course shell 06` in one of your own.")


async def _start_jupyter_server_extension(serverapp: Any) -> None:
    """Look again when everything is loaded: another extension may have changed the command."""
    manager = serverapp.web_app.settings.get("terminal_manager")
    if manager is None or not _set_right(serverapp):
        os.environ.pop(VARIABLE, None)
