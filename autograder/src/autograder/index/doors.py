"""The front doors: the indexes under the host names which tools know them by, with TLS, for the sandbox alone.

::

    <cache>/doors/<key>/<generation>/
      hosts            for /etc/hosts: all names are this machine's
      authority/       what to trust: a bundle, and the same as OpenSSL's folder
      chain.pem        the server's key and certificate; nobody else may read it
      door.json        until when it is good, and the names

A generation is never written to again. Several processes share it; the next is made when the last comes near its end.
"""

from __future__ import annotations

__all__ = ["Doors", "open_doors"]

import fcntl
import functools
import hashlib
import json
import os
import shutil
import ssl
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.exceptions import CourseError
from autograder.index.certificates import make_certificates
from autograder.index.hosts import ISSUER, Hosts, read_hosts, sources

_BUNDLE = "ca-certificates.crt"
_FORMAT = "1"
_SPARE_SECONDS = 45 * 86400
"""A process that serves may run this long before the next generation replaces what it has loaded."""


@dataclass(frozen=True)
class Doors:
    """One generation of names and certificates."""

    folder: Path
    hosts: Hosts
    begins: float
    ends: float

    @property
    def names(self) -> Mapping[str, str]:
        """Host name -> the first part of the address behind it."""
        return self.hosts.prefixes

    @property
    def simple(self) -> Mapping[str, str]:
        """Index -> the address of its Simple API."""
        return self.hosts.simple

    @property
    def legacy(self) -> Mapping[str, str]:
        """Index -> the address which uploads go to."""
        return self.hosts.legacy

    @property
    def forge(self) -> str:
        """The address at which the stand-in for a code forge tells its workflows who they are."""
        return f"https://{ISSUER}/"

    @property
    def hosts_file(self) -> Path:
        """The file to stand at /etc/hosts."""
        return self.folder / "hosts"

    @property
    def authority(self) -> Path:
        """The folder to stand at /etc/ssl/certs, as OpenSSL wants it."""
        return self.folder / "authority"

    @property
    def bundle(self) -> Path:
        """What to trust, in one file of that folder."""
        return self.authority / _BUNDLE

    def good(self) -> bool:
        """Say whether it is there and will be for a while; a clock that was wrong may have made it for another time."""
        return self.begins <= time.time() <= self.ends - _SPARE_SECONDS and self.bundle.is_file()

    @functools.cached_property
    def context(self) -> ssl.SSLContext:
        """What a server needs for TLS.

        Raises:
            OSError: the cache was emptied meanwhile.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        # One, not none: with nothing to send after the handshake, a client with Nagle's algorithm would wait 40 ms for our word.
        context.num_tickets = 1
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.folder / "chain.pem")
        return context

    def prefix(self, host: str) -> str | None:
        """Give the first part of the address behind a `Host` header or the target of CONNECT; None if it is none of ours."""
        name, _, port = host.strip().lower().partition(":")
        return self.names.get(name.rstrip(".")) if port in ("", "443") else None


def open_doors(cache: Path) -> Doors:
    """Give the generation in force below `cache`; make one if there is none.

    Raises:
        CourseError: it can't be made, with the reason.
    """
    try:
        # whole seconds: an image that went through a registry keeps no more of a time
        states = [(str(path), path.stat().st_size, int(path.stat().st_mtime)) for path in sources()]
        code = [Path(__file__).with_name(name).read_bytes() for name in ("hosts.py", "certificates.py")]
        key = hashlib.sha256(b"\0".join([_FORMAT.encode(), repr(states).encode(), *code])).hexdigest()[:16]
        folder = cache / "doors" / key
        if (found := _newest(folder)) is not None:
            return found
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return _newest(folder) or _make(folder)
    except ImportError as error:
        raise CourseError(
            "The library `cryptography`, which makes the index's certificates, can't be loaded.",
            "Run `make lab`, which installs it.",
        ) from error
    except LookupError as error:
        raise CourseError(
            f"The index's host names can't be found: {error}.", "Tell us what `course doctor` says."
        ) from error
    except OSError as error:
        raise CourseError(
            f"The index's certificates can't be kept in {cache / 'doors'}: {error.strerror or error}.",
            "Make room, or see who owns the folder; WHEELHOUSE_CACHE moves it.",
        ) from error


def _newest(folder: Path) -> Doors | None:
    found = [doors for file in folder.glob("*/door.json") if (doors := _read(file)) is not None and doors.good()]
    return max(found, key=lambda doors: doors.ends, default=None)


def _read(file: Path) -> Doors | None:
    try:
        told = json.loads(file.read_text("utf-8"))
        hosts = Hosts(told["prefixes"], told["simple"], told["legacy"])
        return Doors(file.parent, hosts, told["begins"], told["ends"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(folder: Path) -> Doors:
    hosts = read_hosts()
    made = make_certificates(list(hosts.prefixes))
    for old in folder.glob("*/door.json"):
        stale = _read(old)
        if stale is None or stale.ends < time.time():
            shutil.rmtree(old.parent, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
    try:
        fresh.chmod(0o755)
        (fresh / "authority").mkdir()
        (fresh / "authority" / _BUNDLE).write_bytes(made.authority)
        (fresh / "authority" / f"{made.subject_hash}.0").symlink_to(_BUNDLE)
        names = "".join(f"127.0.0.1 {name}\n" for name in hosts.prefixes)
        (fresh / "hosts").write_text(f"127.0.0.1 localhost wheelhouse\n{names}", encoding="utf-8")
        with os.fdopen(os.open(fresh / "chain.pem", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(made.chain)
        told = {
            "prefixes": dict(hosts.prefixes),
            "simple": dict(hosts.simple),
            "legacy": dict(hosts.legacy),
            "begins": made.begins,
            "ends": made.ends,
        }
        (fresh / "door.json").write_text(json.dumps(told), encoding="utf-8")
        final = folder / hashlib.sha256(made.authority).hexdigest()[:16]
        fresh.rename(final)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    return Doors(final, hosts, made.begins, made.ends)
