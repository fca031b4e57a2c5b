"""Where clients hand something in: uploads, what PyPI lets its users click, and trusted publishing.

::

    POST /SITE/legacy/                   an upload
    GET  /SITE/_/oidc/audience           trusted publishing, see `trusted`
    POST /SITE/_/oidc/mint-token, burn-token
    GET, POST /SITE/manage/…             stands for PyPI's web pages, see `manage`
    GET, POST /oidc/…                    the stand-in for a code forge, see `trusted`
    POST /SITE/pypi                      XML-RPC, of which nothing is left but the sentence that `pip search` shows
    POST /osv/v1/query, querybatch       what is known to be vulnerable
"""

from __future__ import annotations

__all__ = ["Desk"]

import re
import xmlrpc.client
from urllib.parse import parse_qsl, unquote, urlsplit

from autograder.index.advisories import answer_osv
from autograder.index.answers import Answer
from autograder.index.contents import Contents
from autograder.index.identity import IdentityKey
from autograder.index.manage import Management
from autograder.index.refusal import Refused, refuse
from autograder.index.request import Body, Malformed, Request
from autograder.index.tokens import Keys
from autograder.index.trusted import Forge, TrustedPublishing
from autograder.index.upload import Uploads

_MOST_UPLOAD_BYTES = 128 << 20
"""A request that says it is longer isn't read at all."""
_MOST_SMALL_BYTES = 1 << 20
"""Of any request but an upload."""


class Desk:
    """All that can be changed, and what only whoever may change it can see."""

    def __init__(self, contents: Contents) -> None:
        """Serve this workspace's contents."""
        self._contents = contents
        journal = contents.journal
        if journal is None:
            self._writable = False
            return
        self._writable = True
        keys = Keys(journal.folder)
        self._uploads = Uploads(contents, journal, keys)
        self._management = Management(contents, journal, keys)
        identity = IdentityKey(journal.folder)
        self._trusted = TrustedPublishing(contents, journal, keys, identity)
        self._forge = Forge(keys, identity)

    def get(self, request: Request) -> Answer | None:
        """Answer a GET that is for here; None if it is not."""
        path, _, query = request.target.partition("?")
        first, *rest = path.removeprefix("/").split("/")
        if not self._writable or not (first == "oidc" or rest[:1] in (["manage"], ["_"])):
            return None
        try:
            told = dict(parse_qsl(query, max_num_fields=100))
            if first == "oidc":
                return self._forge.get(rest, told, request.headers, request.origin)
            if first not in self._contents.seeds:
                return None
            if rest[0] == "_":
                return self._trusted.get(first, rest)
            return self._management.get(first, [unquote(part) for part in rest[1:]])
        except Refused as refused:
            return refuse(refused, request.headers.get("Accept", ""))
        except ValueError:
            return refuse(Refused(400, "Bad Request"), request.headers.get("Accept", ""))

    def post(self, request: Request, body: Body) -> Answer:
        """Answer a POST; what of the body isn't read then is of no use.

        Raises:
            TimeoutError: the client is too slow.
            OSError: nothing can be written.
        """
        accept = request.headers.get("Accept", "")
        try:
            return self._post(request, body)
        except Refused as refused:
            return refuse(refused, accept)
        except Malformed as problem:
            return refuse(Refused(400, f"Bad Request: {problem}"), accept)

    def _post(self, request: Request, body: Body) -> Answer:
        first, *rest = request.target.partition("?")[0].removeprefix("/").split("/")
        if _from_another_page(request):
            raise Refused(403, "Forbidden: a page of another site can't ask for this.")
        if first == "osv":
            sites = self._contents.sites()
            told = _whole(request, body, _MOST_SMALL_BYTES)
            return answer_osv(sites["pypi"].advisories, "POST", "/" + "/".join(rest), told, request.headers)
        if first == "oidc" and self._writable:
            return self._forge.post(rest, _whole(request, body, _MOST_SMALL_BYTES), request.origin)
        if first not in self._contents.seeds:
            raise Refused(404, "Not Found")
        match rest:
            case ["legacy"]:
                raise Refused(
                    308,
                    "An upload was attempted to /legacy but the expected upload URL is /legacy/ (with a trailing slash)",
                    {"Location": f"{request.origin}/legacy/"},
                )
            case ["legacy", ""] if not self._writable:
                raise Refused(403, "Read-only mode: Uploads are temporarily disabled.")
            case ["legacy", ""]:
                _check_length(request, body, _MOST_UPLOAD_BYTES)
                return self._uploads.take(first, request.headers, body, request.origin)
            case ["_", "oidc", "mint-token" | "burn-token" as step] if self._writable:
                told = _whole(request, body, _MOST_SMALL_BYTES)
                return (
                    self._trusted.mint(first, told, request.origin)
                    if step == "mint-token"
                    else self._trusted.burn(first, told)
                )
            case ["pypi"]:
                _whole(request, body, _MOST_SMALL_BYTES)
                return _no_search(request)
            case ["manage", *path] if self._writable:
                form = _whole(request, body, _MOST_SMALL_BYTES).decode("utf-8", "replace")
                try:
                    fields = dict(parse_qsl(form, keep_blank_values=True, max_num_fields=100))
                except ValueError:
                    raise Refused(400, "Bad Request") from None
                return self._management.post(first, [unquote(part) for part in path], fields, request.origin)
        raise Refused(405, "Method Not Allowed", {"Allow": "GET, HEAD"})


def _no_search(request: Request) -> Answer:
    """Tell `pip search` what PyPI tells it, in XML-RPC, whatever else was asked for."""
    sentence = (
        "RuntimeError: PyPI no longer supports 'pip search' (or XML-RPC search). "
        f"Please use {request.origin}/search (via a browser) instead. "
        "See https://warehouse.pypa.io/api-reference/xml-rpc.html#deprecated-methods for more information."
    )
    text = xmlrpc.client.dumps(xmlrpc.client.Fault(-32500, sentence))
    return Answer(200, {"Content-Type": "text/xml; charset=utf-8", "Cache-Control": "no-store"}, text.encode())


def _from_another_page(request: Request) -> bool:
    """Say whether a browser sends this on behalf of some page on the web: in the basic tier it could reach us."""
    origin = request.headers.get("Origin")
    fetched = request.headers.get("Sec-Fetch-Site")
    if origin is None and fetched is None:
        return False  # no browser
    here = urlsplit(request.origin)
    # A name that leads to this machine today may have led elsewhere when the page was loaded.
    if here.hostname not in ("127.0.0.1", "localhost", "::1"):
        return True
    return fetched not in (None, "none", "same-origin") or origin not in (None, f"{here.scheme}://{here.netloc}")


def _check_length(request: Request, body: Body, most: int) -> None:
    # A request of unknown length could go on for ever, and no client of an index sends one.
    if "Transfer-Encoding" in request.headers or not re.fullmatch(
        r"\d{1,15}", request.headers.get("Content-Length", "")
    ):
        raise Refused(411, "Length Required")
    if body.left > most:
        raise Refused(413, "Content Too Large")


def _whole(request: Request, body: Body, most: int) -> bytes:
    _check_length(request, body, most)
    read = bytearray()
    while block := body.read():
        read += block
    return bytes(read)
