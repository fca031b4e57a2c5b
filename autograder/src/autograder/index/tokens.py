"""API tokens as PyPI makes them: macaroons, which whoever holds one may narrow down further without asking the index.

A token is `pypi-` and a macaroon in libmacaroons' second binary format: an identifier, caveats (each a JSON array with a number
for its kind first), and a signature which is an HMAC over them in turn.
So anybody can add a caveat, and nobody but the index can take one away.

The kinds of caveats and the sentences of refusals are those of PyPI's own software (warehouse, Apache-2.0, its contributors).
"""

from __future__ import annotations

__all__ = [
    "EXPIRATION",
    "OIDC_PUBLISHER",
    "PREFIX",
    "PROJECT_ID",
    "PROJECT_NAME",
    "REQUEST_USER",
    "Grant",
    "Keys",
    "Macaroon",
    "new_token",
    "read_authorization",
    "refusal",
]

import base64
import binascii
import contextlib
import hmac
import json
import os
import re
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.index.journal import Event
from autograder.index.ledger import Ledger, Token

PREFIX = "pypi-"
EXPIRATION, PROJECT_NAME, PROJECT_ID, REQUEST_USER, OIDC_PUBLISHER = range(5)
_LOCATION, _IDENTIFIER, _SIGNATURE, _END = 1, 2, 6, 0
_MOST_BYTES = 8192


@dataclass(frozen=True)
class Macaroon:
    """A token taken apart."""

    location: str
    """The host that made it; tells people, decides nothing."""
    identifier: str
    caveats: tuple[bytes, ...]
    signature: bytes

    @classmethod
    def make(cls, location: str, identifier: str, key: bytes, caveats: Sequence[Sequence[Any]]) -> Macaroon:
        """Make a macaroon with this key."""
        written = tuple(json.dumps(caveat, separators=(",", ":")).encode() for caveat in caveats)
        return cls(location, identifier, written, _signature(key, identifier, written))

    @classmethod
    def read(cls, token: str) -> Macaroon:
        """Read a token; nothing of it is proven by that.

        Raises:
            ValueError: it is no token of ours.
        """
        raw = token.removeprefix(PREFIX)
        if raw == token or len(raw) > _MOST_BYTES or not re.fullmatch(r"[A-Za-z0-9_-]+", raw):
            raise ValueError("malformed or nonexistent macaroon")
        data = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
        if data[:1] != b"\x02":
            raise ValueError("malformed macaroon")
        sections: list[dict[int, bytes]] = [{}]
        position = 1
        while position < len(data):
            kind = data[position]
            position += 1
            if kind == _END:
                sections.append({})
                continue
            size, position = _varint(data, position)
            if position + size > len(data) or kind in sections[-1]:
                raise ValueError("malformed macaroon")
            sections[-1][kind] = data[position : position + size]
            position += size
        # Header, one section for each caveat, an empty one that ends them, the signature.
        header, *caveats, end, last = sections if len(sections) >= 3 else [{}, {}, {}]
        if (
            end
            or _IDENTIFIER not in header
            or _SIGNATURE not in last
            or any(set(one) != {_IDENTIFIER} for one in caveats)
        ):
            raise ValueError("malformed macaroon")
        return cls(
            header.get(_LOCATION, b"").decode(),
            header[_IDENTIFIER].decode(),
            tuple(one[_IDENTIFIER] for one in caveats),
            last[_SIGNATURE],
        )

    def token(self) -> str:
        """Write it as a token."""
        data = b"\x02" + _field(_LOCATION, self.location.encode()) + _field(_IDENTIFIER, self.identifier.encode())
        data += bytes([_END])
        for caveat in self.caveats:
            data += _field(_IDENTIFIER, caveat) + bytes([_END])
        data += bytes([_END]) + _field(_SIGNATURE, self.signature)
        return PREFIX + base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def narrowed(self, caveat: Sequence[Any]) -> Macaroon:
        """Give a copy that may do less, as whoever holds this one can."""
        written = json.dumps(caveat, separators=(",", ":")).encode()
        signature = hmac.digest(self.signature, written, "sha256")
        return Macaroon(self.location, self.identifier, (*self.caveats, written), signature)

    def signed_with(self, key: bytes) -> bool:
        """Say whether it was made with this key, and only narrowed since."""
        return hmac.compare_digest(_signature(key, self.identifier, self.caveats), self.signature)


def _signature(key: bytes, identifier: str, caveats: Sequence[bytes]) -> bytes:
    signature = hmac.digest(hmac.digest(b"macaroons-key-generator", key, "sha256"), identifier.encode(), "sha256")
    for caveat in caveats:
        signature = hmac.digest(signature, caveat, "sha256")
    return signature


def _field(kind: int, data: bytes) -> bytes:
    size, written = len(data), bytes([kind])
    while size > 0x7F:
        written += bytes([size & 0x7F | 0x80])
        size >>= 7
    return written + bytes([size]) + data


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in (0, 7, 14):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("malformed macaroon")


class Keys:
    """What tokens are signed with: one secret of the workspace, beside its journal, which never travels with it."""

    def __init__(self, folder: Path) -> None:
        """Use the secret in this folder, or make one."""
        self._path = folder / "secret"

    def secret(self, purpose: str) -> bytes:
        """Give the key for one purpose.

        Raises:
            OSError: the folder can't be written.
        """
        if not self._path.exists():
            # Two may come here at once: the name appears with its content, and only for the first of them.
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f".new-{secrets.token_hex(8)}")
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(secrets.token_bytes(32))
                with contextlib.suppress(FileExistsError):
                    os.link(temporary, self._path)
            finally:
                temporary.unlink(missing_ok=True)
        return hmac.digest(self._path.read_bytes(), purpose.encode(), "sha256")

    def token(self, site: str, identifier: str) -> bytes:
        """Give the key of one token; each site has its own."""
        return self.secret(f"token {site} {identifier}")


def new_token(
    keys: Keys,
    site: str,
    location: str,
    caveats: Sequence[Sequence[Any]],
    *,
    name: str = "",
    project: str = "",
    publisher: str = "",
) -> tuple[str, Event]:
    """Make a token; it counts as soon as its event is in the journal."""
    identifier = str(uuid.uuid4())
    macaroon = Macaroon.make(location, identifier, keys.token(site, identifier), caveats)
    details = {"id": identifier, "name": name, "caveats": [list(caveat) for caveat in caveats], "publisher": publisher}
    told = {key: value for key, value in details.items() if value}
    return macaroon.token(), Event(site=site, kind="token", project=project, details=told)


@dataclass(frozen=True)
class Grant:
    """A token that came with a request; `refusal` says what it isn't good for."""

    token: Token
    macaroon: Macaroon

    @property
    def actor(self) -> str:
        """Who acts with it, for the journal."""
        return f"publisher:{self.token.publisher}" if self.token.publisher else f"token:{self.token.id}"


def read_authorization(header: str) -> tuple[str, str]:
    """Read an Authorization header as (user name, secret); both empty if there is none that makes sense."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() in ("token", "bearer"):
        return "__token__", rest.strip()
    if scheme.lower() != "basic" or len(rest) > 2 * _MOST_BYTES:
        return "", ""
    try:
        user, _, secret = base64.b64decode(rest.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return user, secret.strip()


def refusal(grant: Grant, keys: Keys, ledger: Ledger, project: str) -> str:
    """Say why a token may do nothing to a project of the site; empty if it may.

    It speaks of the token only: whether its owner may is another question.
    """
    # PyPI looks at its own caveats once more, whatever became of those in the macaroon.
    stored = (json.dumps(caveat).encode() for caveat in grant.token.caveats)
    for written in (*grant.macaroon.caveats, *stored):
        if problem := _unmet(written, grant, ledger, project):
            return problem
    if not grant.macaroon.signed_with(keys.token(ledger.site, grant.token.id)):
        return "signatures do not match"
    return ""


def _unmet(written: bytes, grant: Grant, ledger: Ledger, project: str) -> str:
    try:
        caveat = json.loads(written)
    except (ValueError, RecursionError):
        return "unknown error"
    match caveat:
        case [int(kind), int(expires), int(not_before)] if kind == EXPIRATION:
            return "" if not_before <= time.time() < expires else "token is expired"
        case [int(kind), [*names]] if kind == PROJECT_NAME:
            fits = project in names
            return "" if fits else f"project-scoped token is not valid for project: {ledger.name(project)!r}"
        case [int(kind), [*ids]] if kind == PROJECT_ID:
            fits = ledger.id(project) in ids
            return "" if fits else f"project-scoped token is not valid for project: {ledger.name(project)!r}"
        case [int(kind), str(who)] if kind == REQUEST_USER:
            if grant.token.publisher:
                return "token with user restriction without a user"
            return "" if who == ledger.user_id else "current user does not match user restriction in token"
        case [int(kind), str(publisher), *_] if kind == OIDC_PUBLISHER:
            if not grant.token.publisher:
                return "OIDC scoped token used outside of an OIDC identified request"
            if grant.token.publisher != publisher:
                return "current OIDC publisher does not match publisher restriction in token"
            if project not in ledger.published_by(publisher):
                return f"OIDC scoped token is not valid for project '{ledger.name(project)}'"
            return ""
        case []:
            return "caveat array cannot be empty"
        case [int(kind), *_] if kind in range(5):
            return "invalid values for fields"
        case [kind, *_]:
            return f"caveat has unknown tag: {kind}"
    return "caveat must be an array"
