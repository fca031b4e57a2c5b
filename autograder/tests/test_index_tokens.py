"""API tokens: made, narrowed down by whoever holds them, forged, expired, revoked."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.index import PackageIndex
from autograder.index.tokens import Keys, Macaroon, read_authorization
from index_publishing import Served, serving, wheel

# Made by pymacaroons 0.13 with the key below, and narrowed twice by pypitoken 7.1.
KEY = b"k" * 32
IDENTIFIER = "00000000-0000-4000-8000-000000000001"
CAVEAT = [3, "00000000-0000-4000-8000-000000000002"]
ANOTHERS = (
    "pypi-AgENaW5kZXguZXhhbXBsZQIkMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAxAAIqWzMsIjAwMDAwMDAwLTAwMDAtNDAwMC04MDAw"
    "LTAwMDAwMDAwMDAwMiJdAAAGIBkOpP46LugmOCyzZtm3xbOPRgPybB7T8MkoAzZaNhet"
)
NARROWED = (
    "pypi-AgENaW5kZXguZXhhbXBsZQIkMDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAxAAIqWzMsIjAwMDAwMDAwLTAwMDAtNDAwMC04MDAw"
    "LTAwMDAwMDAwMDAwMiJdAAISWzEsIFsidGlsbC1zbGlwIl1dAAIJWzAsIDUsIDFdAAAGIDL8hhilbHSAqkRWftZC-Aqyvo1x3KWaKXbe-3R-O1Oh"
)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def served(index: PackageIndex, tmp_path: Path) -> Iterator[Served]:
    """The index, served for a new workspace in which two projects are published."""
    with serving(index, tmp_path / "published") as served:
        token = served.token()
        for name in ("till-slip", "price-gun"):
            assert served.upload(wheel(name, "0.1"), token).status == 200
        yield served


def uploads(served: Served, token: str, name: str, version: str = "0.2") -> str:
    """Upload a new release; gives the reason of a refusal, or nothing."""
    reply = served.upload(wheel(name, version), token)
    assert (reply.status == 200) == (f"{name.replace('-', '_')}-{version}-py3-none-any.whl" in served.filenames(name))
    assert reply.status in (200, 403)
    return "" if reply.status == 200 else reply.reason


def test_tokens_are_those_of_the_libraries() -> None:
    """What others make we read, what we make is what they make, to the letter."""
    assert Macaroon.make("index.example", IDENTIFIER, KEY, [CAVEAT]).token() == ANOTHERS
    narrowed = Macaroon.read(NARROWED)
    assert narrowed.signed_with(KEY)
    assert not narrowed.signed_with(b"another key")
    assert narrowed.caveats[1:] == (b'[1, ["till-slip"]]', b"[0, 5, 1]")
    assert narrowed.token() == NARROWED


@pytest.mark.parametrize(
    "token",
    ["", "pypi-", "pypi-!", ANOTHERS[5:], ANOTHERS[:-6], "pypi-AQ", "pypi-" + "A" * 20_000, "other-" + ANOTHERS[5:]],
)
def test_nonsense_is_no_token(token: str) -> None:
    """What isn't a token is told apart, whatever it looks like."""
    with pytest.raises(ValueError, match=r"macaroon|padding"):
        Macaroon.read(token)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_token_or_not(data: bytes) -> None:
    """Reading never does anything but succeed or refuse; what was read is written back the same."""
    token = "pypi-" + base64.urlsafe_b64encode(b"\x02" + data).rstrip(b"=").decode()
    try:
        macaroon = Macaroon.read(token)
    except ValueError:
        return
    assert Macaroon.read(macaroon.token()) == macaroon
    assert not macaroon.signed_with(KEY)


def test_project_token_is_for_its_project(served: Served) -> None:
    """A token for one project publishes that and nothing else, not even something new."""
    token = served.token(project="Till_Slip")
    assert uploads(served, token, "till-slip") == ""
    assert uploads(served, token, "price-gun") == (
        "Invalid API Token: project-scoped token is not valid for project: 'price-gun'"
    )
    assert uploads(served, token, "brand-new") == (
        "Invalid API Token: project-scoped token is not valid for project: 'brand-new'"
    )
    assert served.page("brand-new") is None


def test_project_token_is_not_for_a_successor(served: Served) -> None:
    """When a project is deleted and made anew, the old one's token is worth nothing, whoever may use the name now."""
    token = served.token(project="till-slip")
    served.manage("project/till-slip/delete/")
    assert uploads(served, served.token(), "till-slip") == ""
    assert "not valid for project: 'till-slip'" in uploads(served, token, "till-slip", "0.3")


def test_no_token_for_what_is_not_mine(served: Served) -> None:
    """A project of a stranger, or one that doesn't exist, gets no token."""
    for name in ("leftpad", "nobody-made-this"):
        reply = served.manage("account/token/", project=name)
        assert reply.status == 404
        assert reply.reason.startswith(f"You have no project '{name}' on PyPI:")


@pytest.mark.parametrize(
    ("caveat", "reason"),
    [
        ([1, ["till-slip"]], ""),
        ([1, ["price-gun"]], "project-scoped token is not valid for project: 'till-slip'"),
        ([0, 4_000_000_000, 0], ""),
        ([0, 10, 0], "token is expired"),
        ([0, 4_000_000_000, 3_900_000_000], "token is expired"),
        ([2, ["00000000-0000-4000-8000-000000000009"]], "project-scoped token is not valid for project: 'till-slip'"),
        ([3, "somebody else"], "current user does not match user restriction in token"),
        ([4, "some publisher"], "OIDC scoped token used outside of an OIDC identified request"),
        ([9, "news"], "caveat has unknown tag: 9"),
        ([], "caveat array cannot be empty"),
        ([0, "never", 0], "invalid values for fields"),
    ],
)
def test_narrowed_token(served: Served, caveat: list[object], reason: str) -> None:
    """Whoever holds a token may narrow it down; what the index doesn't understand narrows it to nothing."""
    token = Macaroon.read(served.token()).narrowed(caveat).token()
    assert uploads(served, token, "till-slip") == (f"Invalid API Token: {reason}" if reason else "")


def test_narrowing_cannot_be_undone(served: Served) -> None:
    """A token from which a caveat was taken away, or whose caveat was changed, is a forgery."""
    narrowed = Macaroon.read(served.token()).narrowed([1, ["price-gun"]])
    for caveats in (narrowed.caveats[:-1], (*narrowed.caveats[:-1], b'[1,["till-slip"]]')):
        forged = Macaroon(narrowed.location, narrowed.identifier, caveats, narrowed.signature)
        assert uploads(served, forged.token(), "till-slip") == "Invalid API Token: signatures do not match"


def test_stored_caveats_hold_whatever_the_token_says(served: Served) -> None:
    """Even with the right key a token without its caveats may do no more than the one that was handed out."""
    token = Macaroon.read(served.token(project="price-gun"))
    key = Keys(served.published).token("pypi", token.identifier)
    bare = Macaroon.make(token.location, token.identifier, key, [])
    assert "not valid for project: 'till-slip'" in uploads(served, bare.token(), "till-slip")


def test_revoked_token(served: Served) -> None:
    """A revoked token is as unknown as one that never was; one of the same name falls with it."""
    token = served.token(name="of the kiosk")
    assert served.manage("account/token/revoke/", id="of the kiosk").status == 200
    assert uploads(served, token, "till-slip").startswith("Invalid or non-existent authentication information.")
    assert served.manage("account/token/revoke/", id="of the kiosk").status == 404


def test_password_is_refused(served: Served) -> None:
    """A user name and a password are refused with the way out."""
    reply = served.upload(wheel("till-slip", "0.2"), "secret", user="learner")
    assert reply.status == 403
    assert reply.reason.startswith("Username/Password authentication is no longer supported. Migrate to API Tokens or")
    assert served.upload(wheel("till-slip", "0.2"), "").status == 403


def test_secret_of_a_workspace_is_its_own(index: PackageIndex, served: Served, tmp_path: Path) -> None:
    """A token of one workspace is nothing in another one, nor after a reset."""
    token = served.token()
    with serving(index, tmp_path / "another") as another:
        assert another.upload(wheel("till-slip", "0.2"), token).status == 403
    for path in (served.published / "journal.jsonl", served.published / "secret"):
        path.unlink()
    assert uploads(served, token, "till-slip").startswith("Invalid or non-existent")
    assert uploads(served, served.token(), "till-slip") == ""


def test_two_processes_make_one_secret(tmp_path: Path) -> None:
    """Processes that need the secret at once get the same one."""
    code = (
        "import sys, pathlib; from autograder.index.tokens import Keys\n"
        "print(Keys(pathlib.Path(sys.argv[1])).secret('x').hex())"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, tmp_path / "p"], stdout=subprocess.PIPE) for _ in range(3)]
    assert len({process.communicate()[0] for process in running}) == 1
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["secret"]


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("Basic " + base64.b64encode(b"__token__: pypi-x \n").decode(), ("__token__", "pypi-x")),
        ("basic " + base64.b64encode(b"me:a:b").decode(), ("me", "a:b")),
        ("Bearer pypi-x", ("__token__", "pypi-x")),
        ("token pypi-x", ("__token__", "pypi-x")),
        ("Basic !", ("", "")),
        ("Basic /w==", ("", "")),
        ("Digest x", ("", "")),
        ("", ("", "")),
    ],
)
def test_authorization_header(header: str, read: tuple[str, str]) -> None:
    """All ways in which clients send a token are read, and nonsense is nobody."""
    assert read_authorization(header) == read


def test_checking_is_quick(tmp_path: Path) -> None:
    """A thousand tokens are made and verified within seconds."""
    key = Keys(tmp_path).token("pypi", IDENTIFIER)
    begun = time.perf_counter()
    for _ in range(1000):
        assert Macaroon.read(Macaroon.make("x", IDENTIFIER, key, [CAVEAT]).token()).signed_with(key)
    assert time.perf_counter() - begun < 5
