"""Trusted publishing: a workflow's identity for a token of a quarter of an hour, and every way in which it is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from autograder.index import PackageIndex, trusted
from autograder.index.identity import IdentityKey, peek
from autograder.index.tokens import Macaroon
from index_publishing import Reply, Served, serving, wheel

REPOSITORY = {"repository": "Shop/till", "workflow": "release.yml"}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def served(index: PackageIndex, tmp_path: Path) -> Iterator[Served]:
    """The index, served for a new workspace with one project, which trusts one workflow."""
    with serving(index, tmp_path / "published") as served:
        assert served.upload(wheel("till-slip", "0.1"), served.token()).status == 200
        assert served.manage("project/till-slip/publishing/", **REPOSITORY).status == 200
        yield served


def run(served: Served, **told: str) -> dict[str, str]:
    """Let a workflow run; gives where it asks for its identity, and with what."""
    form = urlencode({"repository": "shop/till", "workflow": "release.yml"} | told).encode()
    reply = served.ask("POST", "/oidc/runs", form, Content_Type="application/x-www-form-urlencoded")
    assert reply.status == 200, reply
    return dict(reply.json)


def identity(served: Served, audience: str = "pypi", **told: str) -> str:
    """Get the identity token of a workflow as twine does in GitHub Actions."""
    job = run(served, **told)
    reply = served.ask("GET", f"{job['url']}&audience={audience}", Authorization=f"bearer {job['token']}")
    assert reply.status == 200, reply
    return str(reply.json["value"])


def mint(served: Served, token: object, site: str = "pypi") -> Reply:
    """Exchange an identity token."""
    return served.ask("POST", f"/{site}/_/oidc/mint-token", json.dumps({"token": token}).encode())


def problem(reply: Reply) -> tuple[str, str]:
    """Code and description of the only error."""
    assert reply.status == 422
    (error,) = reply.json["errors"]
    return error["code"], error["description"]


def test_identity_publishes(served: Served) -> None:
    """With the minted token the project, and no other, can be published; it lives for a quarter of an hour."""
    assert served.ask("GET", "/pypi/_/oidc/audience").json == {"audience": "pypi"}
    minted = mint(served, identity(served)).json
    assert minted["success"] is True
    assert abs(minted["expires"] - time.time() - 900) < 60
    assert served.upload(wheel("till-slip", "0.2"), minted["token"]).status == 200
    served.upload(wheel("price-gun", "0.1"), served.token())
    refused = served.upload(wheel("price-gun", "0.2"), minted["token"])
    assert refused.reason == "Invalid API Token: OIDC scoped token is not valid for project 'price-gun'"
    refused = served.upload(wheel("brand-new", "0.1"), minted["token"])
    assert refused.reason.startswith("Non-user identities cannot create new projects.")
    assert [event.actor.partition(":")[0] for event in served.events("upload")] == ["token", "publisher", "token"]


def test_minted_token_expires(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time a minted token is worth nothing."""
    monkeypatch.setattr(trusted, "TOKEN_SECONDS", 0)
    token = mint(served, identity(served)).json["token"]
    assert served.upload(wheel("till-slip", "0.2"), token).reason == "Invalid API Token: token is expired"


def test_removed_publisher_takes_its_tokens_along(served: Served) -> None:
    """When the publisher is removed, tokens that were minted for it are worth nothing."""
    token = mint(served, identity(served)).json["token"]
    (publisher,) = served.events("publisher")
    served.manage("publishing/remove/", id=publisher.details["id"])
    assert "OIDC scoped token is not valid" in served.upload(wheel("till-slip", "0.2"), token).reason


def test_pending_publisher_creates_the_project(served: Served) -> None:
    """The first use of a pending publisher creates its project; a later one finds a usual publisher."""
    told = {"repository": "shop/gun", "workflow": "out.yml"}
    assert served.manage("account/publishing/", project="Price.Gun", **told).json["pending"] is True
    assert served.page("price-gun") is None
    for version in ("0.1", "0.2"):
        token = mint(served, identity(served, **told)).json["token"]
        assert served.upload(wheel("price-gun", version), token).status == 200
    assert len(served.filenames("price-gun")) == 2
    assert [event.details.get("name") for event in served.events("create")] == ["till-slip", "Price.Gun"]


def test_pending_publisher_reserves_no_name(served: Served) -> None:
    """Whoever creates the project first has it; the pending publisher is gone then."""
    told = {"repository": "shop/gun", "workflow": "out.yml"}
    served.manage("account/publishing/", project="price-gun", **told)
    assert served.upload(wheel("price-gun", "0.1"), served.token()).status == 200
    assert problem(mint(served, identity(served, **told)))[0] == "invalid-publisher"


@pytest.mark.parametrize(
    ("told", "description"),
    [
        ({"repository": "shop/till-fork"}, "Publisher with matching claims was not found"),
        ({"workflow": "other.yml"}, "Publisher with matching claims was not found"),
        ({"event_name": "pull_request_target"}, "Publishing from a workflow invoked via 'pull_request_target' is not"),
    ],
)
def test_wrong_workflow(served: Served, told: dict[str, str], description: str) -> None:
    """An identity that no project trusts is told so, as PyPI tells it."""
    code, said = problem(mint(served, identity(served, **told)))
    assert code == "invalid-publisher"
    assert said.startswith(f"valid token, but no corresponding publisher ({description}")


def test_environment_narrows(served: Served) -> None:
    """A publisher with an environment wants that one, in capitals or not; one without takes any."""
    told = {"repository": "shop/gun", "workflow": "out.yml"}
    served.manage("account/publishing/", project="price-gun", environment="Live", **told)
    assert problem(mint(served, identity(served, **told)))[0] == "invalid-publisher"
    assert problem(mint(served, identity(served, environment="test", **told)))[0] == "invalid-publisher"
    assert mint(served, identity(served, environment="LIVE", **told)).status == 200
    assert mint(served, identity(served, environment="anything")).status == 200


def test_identity_is_good_once(served: Served) -> None:
    """An identity token that was exchanged can't be exchanged again."""
    token = identity(served)
    assert mint(served, token).status == 200
    assert problem(mint(served, token)) == ("invalid-reuse-token", "invalid token: already used")


def test_identity_is_for_one_index(served: Served) -> None:
    """A token meant for one index is refused by another."""
    assert problem(mint(served, identity(served, "testpypi"))) == ("invalid-token", "malformed or invalid token")
    assert problem(mint(served, identity(served), "testpypi"))[0] == "invalid-token"


def test_forged_identities(served: Served, tmp_path: Path) -> None:
    """Signed by another key, not signed, signed otherwise, changed, expired: none is believed."""
    good = identity(served)
    _, claims, _ = peek(good)
    head, body, signature = good.split(".")

    def text(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    own = IdentityKey(served.published)
    for forged in (
        IdentityKey(tmp_path / "other").sign(claims),
        f"{text({'alg': 'none'})}.{body}.",
        f"{text({'alg': 'HS256'})}.{body}.{signature}",
        f"{head}.{text(claims | {'repository': 'evil/till'})}.{signature}",
        own.sign(claims | {"exp": time.time() - 100}),
        own.sign(claims | {"nbf": time.time() + 100}),
    ):
        assert problem(mint(served, forged)) == ("invalid-token", "malformed or invalid token")
    other = own.sign(claims | {"iss": "https://elsewhere.example"})
    assert problem(mint(served, other)) == ("invalid-payload", "unknown trusted publishing issuer")
    assert mint(served, good).status == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "..", "ä.b.c", "a" * 20_000, None, 5, ["x"]])
def test_nonsense_is_no_identity(served: Served, token: object) -> None:
    """What is no token at all gets an answer in the same form."""
    assert problem(mint(served, token))[0] == "invalid-payload"


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"[" * 100_000, b"\xff", b'{"token": {}}'])
def test_nonsense_is_no_request(served: Served, body: bytes) -> None:
    """A body that isn't what it should be is refused, and burning nonsense does nothing."""
    assert problem(served.ask("POST", "/pypi/_/oidc/mint-token", body))[0] == "invalid-payload"
    assert served.ask("POST", "/pypi/_/oidc/burn-token", body).status == 202


def test_burnt_token(served: Served) -> None:
    """A minted token that was burnt is unknown; nobody burns a token by its name alone, nor one that a person made."""
    token = mint(served, identity(served)).json["token"]
    own = served.token()
    macaroon = Macaroon.read(token)
    forged = Macaroon(macaroon.location, macaroon.identifier, (), b"x" * 32).token()

    def burn(token: str) -> None:
        assert served.ask("POST", "/pypi/_/oidc/burn-token", json.dumps({"token": token}).encode()).status == 202

    burn(forged)
    burn(own)
    assert served.upload(wheel("till-slip", "0.2"), token).status == 200
    assert served.upload(wheel("till-slip", "0.3"), own).status == 200
    burn(token)
    assert "non-existent authentication" in served.upload(wheel("till-slip", "0.4"), token).reason


def test_issuer_wants_the_runs_own_token(served: Served) -> None:
    """Without the bearer token of a run nobody gets an identity, and a run must be possible."""
    job = run(served)
    for header in ("", "bearer nonsense", f"basic {job['token']}", f"bearer {job['token'][:-4]}AAA="):
        assert served.ask("GET", job["url"], Authorization=header).status == 401
    for told in ({"repository": "till"}, {"workflow": "../x.yml"}, {"ref": "main"}, {"repository": ""}):
        form = urlencode(REPOSITORY | told).encode()
        assert served.ask("POST", "/oidc/runs", form).status == 400
    assert served.ask("POST", "/oidc/elsewhere", b"").status == 404
    assert served.ask("GET", "/oidc/elsewhere").status == 404


def test_identity_can_be_verified_by_others(served: Served) -> None:
    """The issuer's published key verifies its tokens, as OpenID Connect wants it."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    where = served.ask("GET", "/oidc/.well-known/openid-configuration").json
    (key,) = served.ask("GET", where["jwks_uri"]).json["keys"]
    token = identity(served)
    header, claims, signature = peek(token)
    assert (header["kid"], claims["iss"]) == (key["kid"], where["issuer"])

    def number(text: str) -> int:
        return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")

    public = rsa.RSAPublicNumbers(number(key["e"]), number(key["n"])).public_key()
    public.verify(signature, token.rpartition(".")[0].encode(), padding.PKCS1v15(), hashes.SHA256())
    assert claims["sub"] == "repo:shop/till:ref:refs/heads/main"
    assert claims["job_workflow_ref"] == "shop/till/.github/workflows/release.yml@refs/heads/main"
    assert (served.published / "identity.pem").stat().st_mode & 0o777 == 0o600


def attestation(
    file: tuple[str, bytes], *, name: str = "", kind: str = "https://slsa.dev/provenance/v1"
) -> dict[str, Any]:
    """Write an attestation of the right shape, which proves nothing."""
    subject = [{"name": name or file[0], "digest": {"sha256": hashlib.sha256(file[1]).hexdigest()}}]
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": subject, "predicateType": kind, "predicate": {}}
    return {
        "version": 1,
        "verification_material": {"certificate": "none", "transparency_entries": [{}]},
        "envelope": {"statement": base64.b64encode(json.dumps(statement).encode()).decode(), "signature": "none"},
    }


def test_attestations_become_provenance(served: Served) -> None:
    """Attestations that come with a trusted upload are served beside the file, with the publisher (PEP 740)."""
    token = mint(served, identity(served)).json["token"]
    file = wheel("till-slip", "0.2")
    attestations = [attestation(file), attestation(file, kind="https://index.example/attestations/publish/v1")]
    assert served.upload(file, token, attestations=json.dumps(attestations)).status == 200
    before, after = served.page("till-slip")["files"]
    assert before.get("provenance") is None
    reply = served.ask("GET", f"/pypi/integrity/till-slip/0.2/{file[0]}/provenance")
    (bundle,) = reply.json["attestation_bundles"]
    assert bundle["publisher"] == {
        "kind": "GitHub",
        "repository": "Shop/till",
        "workflow": "release.yml",
        "environment": None,
    }
    assert bundle["attestations"] == attestations
    assert after["provenance"].endswith(f"/integrity/till-slip/0.2/{file[0]}/provenance")


def test_wrong_attestations(served: Served) -> None:
    """Attestations of the wrong shape, of another file or of an unknown kind refuse the upload; so does a mere API token."""
    token = mint(served, identity(served)).json["token"]
    file = wheel("till-slip", "0.2")
    fine = attestation(file)
    for wrong, said in (
        ("nonsense", "Malformed attestations: they are no JSON"),
        ("[]", "Malformed attestations: an empty attestation set is not permitted"),
        (json.dumps([{"version": 1}]), "Malformed attestations: they don't have the shape of PEP 740"),
        (json.dumps([fine] * 3), "A maximum of 2 attestations per file are supported"),
        (json.dumps([attestation(file, name="x.whl")]), "Verification failed: subject does not match distribution"),
        (json.dumps([attestation(file, kind="news")]), "Attestation with unsupported predicate type: news"),
    ):
        reply = served.upload(file, token, attestations=wrong)
        assert reply.reason == f"Invalid attestations supplied during upload: {said}"
    assert "only supported when using Trusted" in served.upload(file, served.token(), attestations="[]").reason
    assert len(served.filenames("till-slip")) == 1
