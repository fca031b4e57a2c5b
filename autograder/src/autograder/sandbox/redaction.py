"""Take secrets out of what is recorded of a learner's commands and variables.

It knows how secrets look and where people put them: tokens of indexes and forges, passwords in addresses, variables and options
that say what they hold, lines of `.pypirc`, `.netrc` and `pip.conf` in heredocs, HTTP headers.
What looks like nothing (`echo hunter2 | docker login …`) can't be known; for that there is the leading space, as in any bash.
"""

from __future__ import annotations

import re

__all__ = ["HIDDEN", "hides", "redact"]

HIDDEN = "(hidden)"
LARGEST = 20_000
"""Longer texts are cut before they are looked at."""

_NAME = r"(?:pass(?:word|wd|phrase)?|tokens?|secret|api[_-]?key|access[_-]?key|private[_-]?key|credentials?|auth)"
# a quoted or bare word, but no reference to a variable: `"$TOKEN"` tells nothing
_VALUE = r"""(?!["']?\$[\w{][\w}]*["']?(?:\s|$))(?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|"(?:[^"\\]|\\.)*(?:"|\Z)|'[^']*(?:'|\Z)|\\.|[^\s"'\\;|&<>])+"""
_TOKENS = re.compile(
    r"pypi-[A-Za-z0-9_=-]{20,}"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|npm_[A-Za-z0-9]{20,}"
    r"|AKIA[A-Z0-9]{12,}|sk-[\w-]{20,}|xox[abpr]-[\w-]{10,}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_ADDRESS = re.compile(r"(?P<kept>\b[A-Za-z][\w+.-]*://(?:[^\s/@:\"']*:(?=[^\s/@]*@))?)(?P<secret>[^\s/@\"']+)(?=@)")
# Repetitions are bounded: a text made for it would else keep a pattern busy for minutes.
_PLACES = tuple(
    re.compile(rf"(?P<kept>{kept})(?P<secret>{_VALUE})", re.IGNORECASE | re.MULTILINE)
    for kept in (
        rf"\b\w{{0,60}}{_NAME}\w{{0,60}}\s{{0,9}}\+?=[ \t]*",  # TWINE_PASSWORD=x, password = x
        rf"^[ \t]*[\"']?[\w-]{{0,60}}{_NAME}[\w-]{{0,60}}[\"']?[ \t]*:[ \t]+",  # password: x
        rf"(?:^|\s)--?[\w-]{{0,60}}{_NAME}[\w-]{{0,60}}(?:[ \t]+|=)",  # --password x
        r"\b(?:twine|docker|podman|(?:hatch|uv|flit|poetry)[ \t]+publish)\b[^\n;|&]{0,1000}?\s-[pat](?:[ \t]+|=)?(?=[^\s-])",
        r"(?:^|\s)(?:-u|--user|--proxy-user)(?:[ \t]+|=)[\"']?[^\s:\"']+:",  # curl -u name:x
        r"\blogin\s+\S+\s+password\s+",  # netrc
        r"^\s*password\s+(?![=:])",
        r"\b(?:pypi-token|http-basic)\.\S+[ \t]+(?:\S+[ \t]+(?=\S))?",  # poetry config
        r"\bauthorization:[ \t]*(?:basic|bearer|token)[ \t]+",
        r"\bset[ \t]+(?:-\S+[ \t]+)*\S*(?:\.password|\.token)[ \t]+",
    )
)
_HOLDS_SECRET = re.compile(rf"(?:^|_){_NAME}(?:$|_|\d)|(?:password|token|secret)s?$", re.IGNORECASE)


def redact(text: str) -> str:
    """Give a text without the secrets in it, cut at 20,000 characters."""
    text = text[:LARGEST]
    text = _TOKENS.sub(HIDDEN, text)
    text = _ADDRESS.sub(_address, text)
    for place in _PLACES:
        text = place.sub(_keep, text)
    return text


def _keep(match: re.Match[str]) -> str:
    return match["kept"] + (match["secret"] if match["secret"].startswith(HIDDEN) else HIDDEN)


def _address(match: re.Match[str]) -> str:
    """Hide a password; a lone user name only where it is long enough to be a token: `git@` and the like are none."""
    lone = match["kept"].endswith("//")
    return match[0] if lone and len(match["secret"]) < 16 else match["kept"] + HIDDEN


def hides(name: str) -> bool:
    """Whether a variable of this name holds a secret."""
    return _HOLDS_SECRET.search(name) is not None
