"""The throw-away authority vouches for our names, and can't vouch for any other."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from autograder.index.certificates import LIFE, Made, make_certificates
from index_clients import UV, needs_uv, variables

OURS, FOREIGN = "packages.shop.example", "www.stranger.example"


@contextmanager
def serving(made: Made, folder: Path) -> Iterator[int]:
    """A server of TLS with these certificates, which says 404 to everything; gives its port."""
    (folder / "chain.pem").write_bytes(made.chain)
    (folder / "authority.pem").write_bytes(made.authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "chain.pem")
    listener = socket.create_server(("127.0.0.1", 0))

    def work() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                with connection, context.wrap_socket(connection, server_side=True) as inside:
                    inside.settimeout(5)
                    inside.recv(65536)
                    inside.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            except ssl.SSLError:
                continue  # the client refuses us: that is what it is here for
            except OSError:
                if listener.fileno() < 0:
                    return

    threading.Thread(target=work, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def shake(port: int, name: str, folder: Path, **trust: str) -> None:
    """Shake hands as a client that wants `name`."""
    context = ssl.create_default_context(**(trust or {"cafile": str(folder / "authority.pem")}))  # type: ignore[arg-type]
    with socket.create_connection(("127.0.0.1", port), 10) as raw, context.wrap_socket(raw, server_hostname=name):
        pass


def test_a_client_that_trusts_it_reaches_our_names(tmp_path: Path) -> None:
    """By the bundle, and by the folder in which OpenSSL looks for a hash of the subject."""
    made = make_certificates([OURS, "tokens.forge.example"])
    with serving(made, tmp_path) as port:
        shake(port, OURS, tmp_path)
        shake(port, "tokens.forge.example", tmp_path)
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / f"{made.subject_hash}.0").write_bytes(made.authority)
        shake(port, OURS, tmp_path, capath=str(tmp_path / "folder"))
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            shake(port, FOREIGN, tmp_path)


def test_what_it_signs_for_another_name_is_refused(tmp_path: Path) -> None:
    """Whoever got hold of its key in its one moment could not be anybody else with it: OpenSSL honours the constraint."""
    made = make_certificates([OURS], signed=[FOREIGN, OURS])
    with serving(made, tmp_path) as port, pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        shake(port, FOREIGN, tmp_path)


@needs_uv
def test_uv_refuses_it_too(tmp_path: Path) -> None:
    """Its library is another one (rustls)."""
    for signed, says in (([OURS], "not found"), ([FOREIGN, OURS], "invalid peer certificate")):
        made = make_certificates([OURS, "localhost"], signed=[*signed, "localhost"])
        with serving(made, tmp_path) as port:
            done = subprocess.run(
                [
                    *(str(UV), "pip", "install", "--no-cache", "--target", str(tmp_path / "target")),
                    *("--index-url", f"https://localhost:{port}/simple/", "nothing"),
                ],
                env=variables(tmp_path) | {"SSL_CERT_FILE": str(tmp_path / "authority.pem")},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode != 0
        assert says in done.stderr


def test_curl_refuses_it_too(tmp_path: Path) -> None:
    """Whatever it is built with."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    made = make_certificates([OURS], signed=[FOREIGN, OURS])
    with serving(made, tmp_path) as port:
        done = subprocess.run(
            [
                *(curl, "-sS", "--cacert", str(tmp_path / "authority.pem"), "--noproxy", "*"),
                *("--resolve", f"{FOREIGN}:{port}:127.0.0.1", f"https://{FOREIGN}:{port}/"),
            ],
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 60, done.stderr  # the peer's certificate can't be authenticated


def test_the_constraints_are_critical_and_the_key_is_gone() -> None:
    """A client that doesn't know name constraints must refuse the authority; what is kept is the server's key alone."""
    made = make_certificates([OURS])
    authority = x509.load_pem_x509_certificate(made.authority)
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert constraints.value.permitted_subtrees == [x509.DNSName(OURS)]
    assert len(constraints.value.excluded_subtrees or []) == 2  # no address of either kind
    assert made.chain.count(b"PRIVATE KEY-----") == 2  # where it begins and where it ends
    kept = serialization.load_pem_private_key(made.chain, None).public_key()
    assert kept != authority.public_key()
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_it_begins_before_now_and_ends() -> None:
    """A clock some days behind doesn't matter; nothing is trusted for ever."""
    made = make_certificates([OURS])
    server = x509.load_pem_x509_certificates(made.chain)[0]
    assert (server.not_valid_after_utc - server.not_valid_before_utc) > LIFE
    assert made.begins == server.not_valid_before_utc.timestamp()
    assert made.ends == server.not_valid_after_utc.timestamp()
