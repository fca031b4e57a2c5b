"""Trusted publishing: an identity token of a workflow is exchanged for an API token of a quarter of an hour.

On one side stands a code forge, of which only the part is here that a workflow asks for its identity
(`ACTIONS_ID_TOKEN_REQUEST_URL`, as GitHub Actions offers it); on the other side PyPI, which knows whose identity a project trusts.

::

    POST /oidc/runs                       repository, workflow, environment, ref, event_name: a workflow begins to run
    GET  /oidc/token?audience=…           its identity token, for the run's own bearer token
    GET  /oidc/.well-known/openid-configuration, /oidc/.well-known/jwks
    GET  /SITE/_/oidc/audience
    POST /SITE/_/oidc/mint-token          an identity token in, an API token out
    POST /SITE/_/oidc/burn-token          the API token is not needed any more

Anyone in the sandbox may let any workflow run: that it is only the repository's own which can say so is the real forge's promise.
The rules and sentences are those of PyPI's own software (warehouse, Apache-2.0, its contributors), as of August 2026.
"""

from __future__ import annotations

__all__ = ["Forge", "TrustedPublishing"]

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from autograder.index.answers import Answer, private
from autograder.index.contents import Contents
from autograder.index.hosts import ISSUER
from autograder.index.identity import IdentityKey, peek
from autograder.index.journal import Change, Event, Journal
from autograder.index.ledger import Ledger, Publisher
from autograder.index.refusal import Refused
from autograder.index.tokens import EXPIRATION, OIDC_PUBLISHER, PROJECT_ID, Keys, Macaroon, new_token
from autograder.index.upload import unavailable

TOKEN_SECONDS = 900
IDENTITY_SECONDS = 300
RUN_SECONDS = 6 * 3600
_LEEWAY = 30
_ISSUER = f"https://{ISSUER}"
_RUN = {
    "repository": r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}",
    "workflow": r"[^/\\\s@]{1,100}\.ya?ml",
    "environment": r"[^\x00-\x1f]{0,100}",
    "ref": r"refs/[\w./-]{1,200}",
    "event_name": r"[a-z_]{1,40}",
}
_DEFAULTS = {"environment": "", "ref": "refs/heads/main", "event_name": "push"}


class Forge:
    """The stand-in for the code forge in which workflows run."""

    def __init__(self, keys: Keys, identity: IdentityKey) -> None:
        """Sign with this key."""
        self._keys = keys
        self._identity = identity

    def post(self, path: Sequence[str], body: bytes, origin: str) -> Answer:
        """Let a workflow run: gives what GitHub Actions would put into its environment.

        Raises:
            Refused: the form says something impossible.
        """
        if path != ["runs"]:
            raise Refused(404, "Not Found")
        try:
            told = dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=20))
        except ValueError:
            raise Refused(400, "Bad Request") from None
        run = {name: told.get(name) or _DEFAULTS.get(name, "") for name in _RUN}
        for name, wanted in _RUN.items():
            if not re.fullmatch(wanted, run[name]):
                raise Refused(400, f"{run[name][:80]!r} is no {name.replace('_', ' ')}.")
        text = json.dumps({**run, "until": int(time.time()) + RUN_SECONDS}).encode()
        token = b".".join(base64.urlsafe_b64encode(part) for part in (text, self._mark(text))).decode()
        return private({"url": f"{origin}/token?api-version=2.0", "token": token})

    def _mark(self, text: bytes) -> bytes:
        return hmac.digest(self._keys.secret("workflow runs"), text, "sha256")

    def get(self, path: Sequence[str], query: Mapping[str, str], headers: Mapping[str, str], origin: str) -> Answer:
        """Answer for the issuer of identity tokens.

        Raises:
            Refused: there is nothing, or not for this client.
        """
        match path:
            case ["token"]:
                return private({"count": 1, "value": self._identity.sign(self._claims(query, headers))})
            case [".well-known", "openid-configuration"]:
                return private({"issuer": _ISSUER, "jwks_uri": f"{origin}/.well-known/jwks"})
            case [".well-known", "jwks"]:
                return private({"keys": [self._identity.public()]})
        raise Refused(404, "Not Found")

    def _claims(self, query: Mapping[str, str], headers: Mapping[str, str]) -> dict[str, Any]:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        try:
            text, mark = (base64.urlsafe_b64decode(part) for part in token.strip().split("."))
        except ValueError:
            text, mark = b"", b""
        if scheme.lower() != "bearer" or not hmac.compare_digest(mark, self._mark(text)):
            raise Refused(401, "Unauthorized")
        run = json.loads(text)
        now = int(time.time())
        if now > run["until"]:
            raise Refused(401, "Unauthorized")
        repository, ref = run["repository"], run["ref"]
        owner = repository.partition("/")[0]
        workflow = f"{repository}/.github/workflows/{run['workflow']}@{ref}"
        environment = run["environment"]
        claims = {
            "iss": _ISSUER,
            "aud": query.get("audience") or f"{_ISSUER}/{owner}",
            "sub": f"repo:{repository}:" + (f"environment:{environment}" if environment else f"ref:{ref}"),
            "jti": str(uuid.uuid4()),
            "iat": now,
            "nbf": now,
            "exp": now + IDENTITY_SECONDS,
            "repository": repository,
            "repository_owner": owner,
            "repository_owner_id": str(int(hashlib.sha256(owner.lower().encode()).hexdigest()[:7], 16)),
            "ref": ref,
            "sha": hashlib.sha1(text, usedforsecurity=False).hexdigest(),
            "event_name": run["event_name"],
            "workflow_ref": workflow,
            "job_workflow_ref": workflow,
            "runner_environment": "self-hosted",
        }
        return claims | ({"environment": environment} if environment else {})


class _Invalid(Exception):
    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class TrustedPublishing:
    """PyPI's side."""

    def __init__(self, contents: Contents, journal: Journal, keys: Keys, identity: IdentityKey) -> None:
        """Believe what is signed with `identity`; `keys` sign API tokens."""
        self._contents = contents
        self._journal = journal
        self._keys = keys
        self._identity = identity

    def get(self, site: str, path: Sequence[str]) -> Answer:
        """Tell for whom an identity token has to be meant.

        Raises:
            Refused: that isn't what was asked.
        """
        if path != ["_", "oidc", "audience"]:
            raise Refused(404, "Not Found")
        return private({"audience": site})

    def mint(self, site: str, body: bytes, origin: str) -> Answer:
        """Exchange an identity token for an API token.

        Raises:
            OSError: nothing can be written.
        """
        try:
            return self._mint(site, body, urlsplit(origin).hostname or "index")
        except _Invalid as problem:
            error = {"code": problem.code, "description": problem.description}
            return private({"message": "Token request failed", "errors": [error]}, 422)

    def _mint(self, site: str, body: bytes, host: str) -> Answer:
        claims = self._claims(site, body)
        with self._journal.change() as change:
            ledger = self._contents.ledger(site, change.events)
            if ledger.full:
                raise _Invalid("not-enabled", "nothing more can be changed on this index")
            pending = _found(ledger, claims, pending=True)
            if isinstance(pending, Publisher) and claims["jti"] not in ledger.used:
                self._create(change, ledger, pending)
                ledger = self._contents.ledger(site, change.events)
            publisher = _found(ledger, claims, pending=False)
            if isinstance(publisher, str):
                raise _Invalid("invalid-publisher", f"valid token, but no corresponding publisher ({publisher})")
            if claims["jti"] in ledger.used:
                raise _Invalid("invalid-reuse-token", "invalid token: already used")
            change.append(Event(site=site, kind="identity", details={"jti": claims["jti"]}))
            now = int(time.time())
            token, event = new_token(
                self._keys,
                site,
                host,
                [
                    [OIDC_PUBLISHER, publisher.id],
                    [PROJECT_ID, [ledger.id(project) for project in ledger.published_by(publisher.id)]],
                    [EXPIRATION, now + TOKEN_SECONDS, now],
                ],
                name=f"OpenID token: {publisher.workflow}",
                project=publisher.project,
                publisher=publisher.id,
            )
            change.append(event)
        return private({"success": True, "token": token, "expires": now + TOKEN_SECONDS})

    def _claims(self, site: str, body: bytes) -> dict[str, Any]:
        try:
            token = json.loads(body)["token"]
            if not isinstance(token, str):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise _Invalid("invalid-payload", "the body is not JSON with a `token`") from None
        try:
            issuer = peek(token)[1]["iss"]
        except (ValueError, KeyError):
            raise _Invalid("invalid-payload", "malformed JWT") from None
        if issuer != _ISSUER:
            raise _Invalid("invalid-payload", "unknown trusted publishing issuer")
        claims = self._identity.verified(token)
        now = time.time()
        if claims is None or claims.get("aud") != site or not claims["nbf"] - _LEEWAY <= now < claims["exp"] + _LEEWAY:
            raise _Invalid("invalid-token", "malformed or invalid token")
        return claims

    def _create(self, change: Change, ledger: Ledger, pending: Publisher) -> None:
        if problem := unavailable(ledger, pending.name, "help/#project-name"):
            raise _Invalid("invalid-payload", problem.sentence)
        details = {"id": str(uuid.uuid4()), "name": pending.name, "publisher": pending.id}
        actor = f"publisher:{pending.id}"
        change.append(Event(site=ledger.site, kind="create", project=pending.project, actor=actor, details=details))

    def burn(self, site: str, body: bytes) -> Answer:
        """Forget an API token, whoever brings it.

        Raises:
            OSError: nothing can be written.
        """
        try:
            macaroon = Macaroon.read(json.loads(body)["token"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return private({"message": "Accepted"}, 202)
        with self._journal.change() as change:
            ledger = self._contents.ledger(site, change.events)
            known = ledger.tokens.get(macaroon.identifier)
            if known and known.publisher and macaroon.signed_with(self._keys.token(site, known.id)):
                change.append(Event(site=site, kind="revoke", project=known.project, details={"id": known.id}))
        return private({"message": "Accepted"}, 202)


def _found(ledger: Ledger, claims: Mapping[str, Any], *, pending: bool) -> Publisher | str:
    """Find the publisher that an identity belongs to, or say why there is none."""
    if claims.get("event_name") == "pull_request_target":
        return "Publishing from a workflow invoked via 'pull_request_target' is not supported."
    workflow = re.search(r"([^/]+\.(?:yml|yaml))(?=@)", claims["job_workflow_ref"])
    if workflow is None:
        return "Could not job extract workflow filename from OIDC claims"
    wanted = (claims["repository"].lower(), workflow[1])
    environment = str(claims.get("environment", "")).lower()
    fitting = [one for one in ledger.publishers.values() if one.pending == pending and one.identity[:2] == wanted]
    return next(_most_specific(fitting, environment), "Publisher with matching claims was not found")


def _most_specific(fitting: Sequence[Publisher], environment: str) -> Iterator[Publisher]:
    if environment:
        yield from (one for one in fitting if one.environment.lower() == environment)
    yield from (one for one in fitting if not one.environment)
