"""How the commands in one sandbox get to the index: by the names that everybody knows, by a proxy, or by a bare address.

| door | what a command meets |
| --- | --- |
| names | the real host names lead to the index, with TLS, and nothing else leads anywhere: everything is typed as in real life |
| proxy | the same for programs which go through a proxy when told, as nearly all do; the proxy refuses every other host |
| loopback | nothing but `http://127.0.0.1:…`, which the settings of pip and uv name; it is there behind the other doors, too |
"""

from __future__ import annotations

from dataclasses import dataclass

from autograder.sandbox.place import Door, Doors

__all__ = ["SITES", "Way"]

SITES = ("pypi", "testpypi", "company")


@dataclass(frozen=True)
class Way:
    """One sandbox's way to the index."""

    door: Door
    port: int
    """Where the index listens on the loopback address, without TLS."""
    doors: Doors | None = None
    """The names; None only behind the door `loopback`."""
    bundle: str = ""
    """Where commands find the certificates to trust."""

    @property
    def loopback(self) -> str:
        """Give the address that works behind every door."""
        return f"http://127.0.0.1:{self.port}"

    def simple(self, site: str) -> str:
        """Give the address of an index's Simple API."""
        return self.doors.simple[site] if self.doors else f"{self.loopback}/{site}/simple/"

    def legacy(self, site: str) -> str:
        """Give the address which uploads to an index go to."""
        return self.doors.legacy[site] if self.doors else f"{self.loopback}/{site}/legacy/"

    def variables(self) -> dict[str, str]:
        """Give what a command must find in its environment: the addresses, whom to trust, and the proxy."""
        # uv's three retries take 8 s before it says that a name leads nowhere, a single one 1 s; ours lead to this machine.
        found = {"WHEELHOUSE_LOOPBACK": self.loopback, "UV_HTTP_RETRIES": "0"}
        # twine asks for identity tokens (by the library `id`) past every proxy.
        forge = self.doors.forge if self.doors and self.door == "names" else f"{self.loopback}/oidc/"
        found["WHEELHOUSE_FORGE"] = forge
        for site in SITES:
            found[f"WHEELHOUSE_{site.upper()}"] = self.simple(site)
            found[f"WHEELHOUSE_{site.upper()}_UPLOAD"] = self.legacy(site)
        if self.doors:
            trusting = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
            found |= dict.fromkeys(trusting, self.bundle)
        if self.door == "proxy":
            for name in ("http_proxy", "https_proxy"):
                found |= dict.fromkeys((name, name.upper()), self.loopback)
            found |= dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost")
        return found
