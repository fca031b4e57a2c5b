"""The files and variables which a learner's commands find in every tier: all made here, nothing taken from outside."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
from pathlib import Path, PurePosixPath

__all__ = [
    "GITCONFIG",
    "NETWORK_FILES",
    "PIP_OVERRIDE_MARK",
    "STRONG_BUNDLE",
    "environment",
    "pip_configuration",
    "pip_override",
    "uv_configuration",
]

NETWORK_FILES = {
    # Without a name server in resolv.conf and with "files" here, looking up a name fails at once and doesn't hang.
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "hosts": "127.0.0.1 localhost wheelhouse\n",
    "passwd": "root:x:0:0:root:/root:/usr/sbin/nologin\n"
    "learner:x:1000:1000:Learner:/home/learner:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    "group": "root:x:0:\nlearner:x:1000:\nnogroup:x:65534:\n",
}

READ_ALOUD = {
    "WHEELHOUSE_SCREEN_READER": "1",
    "NO_COLOR": "1",
    "PIP_PROGRESS_BAR": "off",
    "UV_NO_PROGRESS": "1",
    "PYTHON_BASIC_REPL": "1",
}
"""What is asked of programs whose output is read aloud: no colours, nothing that is drawn over again and again."""

STRONG_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Where the strong tier shows whom to trust: the place that most programs on Linux look at by themselves."""

GITCONFIG = """\
# Git's settings for the whole machine, by the course: yours in ~/.gitconfig win.
[user]
\tname = Learner
\temail = learner@wheelhouse.invalid
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
"""


def pip_configuration(*, index: str = "", bundle: str = "") -> str:
    """Write pip's settings for the whole machine: where the index is, unless pip knows that by itself; whom to trust."""
    told = (f"index-url = {index}\n" if index else "") + (f"cert = {bundle}\n" if bundle else "")
    return (
        "# pip's settings for the whole machine, by the course: yours, by `pip config set`, win.\n"
        "[global]\n"
        f"{told}"
        "disable-pip-version-check = true\n"
        "retries = 1\n"
        "timeout = 15\n"
    )


def uv_configuration(*, index: str = "") -> str:
    """Write uv's settings for the whole machine: where the index is, unless uv knows that by itself.

    Copies instead of hard links: a cache shared by links would let an edit in one environment show in another.
    """
    told = f'\n[[index]]\nname = "course"\nurl = "{index}"\ndefault = true\n' if index else ""
    return (
        "# uv's settings for the whole machine, by the course: yours in ~/.config/uv/uv.toml win.\n"
        'python-downloads = "never"\n'
        'link-mode = "copy"\n'
        f"{told}"
    )


PIP_OVERRIDE_MARK = "# Made by the course for its basic sandbox"


def _host_pip_settings() -> dict[str, set[str]]:
    """Read which settings this machine's own pip files make: in the basic tier pip reads them too."""
    found: dict[str, set[str]] = {}
    folders = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    files = [Path(folder, "pip", "pip.conf") for folder in folders]
    files += [Path("/etc/pip.conf"), Path("/Library/Application Support/pip/pip.conf")]
    for file in files:
        parser = configparser.RawConfigParser()
        with contextlib.suppress(OSError, UnicodeDecodeError, configparser.Error):
            parser.read_string(file.read_text("utf-8"))
            for section in parser.sections():
                found.setdefault(section, set()).update(parser.options(section))
    return found


def pip_override(*, index: str = "", bundle: str = "") -> str:
    """Write settings for `~/.pip/pip.conf`, which beat the machine's own and are beaten by `~/.config/pip/pip.conf`.

    pip (topics/configuration) reads machine, then user, and of the user's the old place first; it takes an empty value for no value.
    """
    settings = _host_pip_settings()
    settings.setdefault("global", set()).update(
        ("index-url", "extra-index-url", "find-links", "no-index", "cert", "proxy")
    )
    ours = pip_configuration(index=index, bundle=bundle).splitlines()[2:]
    names = {line.split(" = ")[0] for line in ours}
    lines = [PIP_OVERRIDE_MARK + ": settings of the machine itself are emptied, the index is the course's."]
    for section in ["global", *sorted(set(settings) - {"global"})]:
        lines.append(f"[{section}]")
        lines += ours if section == "global" else []
        lines += [f"{name} =" for name in sorted(settings[section]) if section != "global" or name not in names]
    return "\n".join(lines) + "\n"


_HARMLESS = re.compile(r"[A-Za-z0-9._+-]{1,40}")


def environment(
    *,
    tier: str,
    home: str,
    python_home: PurePosixPath,
    tools: PurePosixPath | None,
    terminal: bool,
    title: str = "",
    shell: str = "/bin/bash",
) -> dict[str, str]:
    """Build the environment of a command from nothing but the terminal's own name."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", title) or "wheelhouse"
    # what a learner installs, anywhere, comes before our tools of the same name
    homes = (
        f"{home}/.local/bin",
        str(python_home),
        "/usr/local/bin",
        *([str(tools)] if tools else []),
        "/usr/bin",
        "/bin",
    )
    built = {
        "HOME": home,
        "LANG": "C.UTF-8",
        "LOGNAME": "learner",
        "PATH": ":".join(dict.fromkeys(homes)),
        "SHELL": shell,
        "TERM": "dumb",
        "USER": "learner",
        "WHEELHOUSE_PLACE": name,
        "WHEELHOUSE_TIER": tier,
    }
    if terminal:
        for variable in ("TERM", "COLORTERM"):
            value = os.environ.get(variable, "")
            if _HARMLESS.fullmatch(value):
                built[variable] = value
        if os.environ.get("WHEELHOUSE_SCREEN_READER"):
            built |= READ_ALOUD
    return built
