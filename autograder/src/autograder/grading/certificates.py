"""Certificates for a cluster's scheduler, workers and the machine that asks: mutual TLS from a throw-away authority.

Run as `python -m autograder.grading.certificates FOLDER`. Dask takes the folder as it is: with DASK_CONFIG=FOLDER its scheduler, its
workers and `course grade --scheduler tls://…` talk to nobody who has no certificate of this authority. The authority's key is never
written, so nobody can make another one; to let nobody in any more, make a new folder.

Source: Dask.distributed's page on TLS.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autograder.exceptions import CourseError, UsageError

__all__ = ["main", "write_certificates"]

LIFE = timedelta(days=365)
ROLES = ("scheduler", "worker", "client")


def write_certificates(folder: Path) -> None:
    """Fill a new folder: an authority's certificate, one with its key for each role, and `dask.yaml`, which names them.

    Raises:
        UsageError: the folder holds something, or can't be written.
        ImportError: the library `cryptography` is not there.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.now(UTC).replace(microsecond=0)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM

    def named(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def signed(name: str, public: ec.EllipticCurvePublicKey, *, authority: bool) -> bytes:
        certificate = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(named("Wheelhouse grading"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + LIFE)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
            .sign(authority_key, hashes.SHA256())
        )
        return certificate.public_bytes(pem)

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} isn't empty.", "Name a new folder: certificates are never written over.")
        folder.chmod(0o700)
        # absolute: Dask reads the names from wherever it is started
        settings = ["distributed:", "  comm:", "    require-encryption: true", "    tls:"]
        settings.append(f"      ca-file: {str(folder.resolve() / 'authority.pem')!r}")
        _write(folder / "authority.pem", signed("Wheelhouse grading", authority_key.public_key(), authority=True))
        for role in ROLES:
            key = ec.generate_private_key(ec.SECP256R1())
            secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            # in one file, with the key first, as Dask takes it
            _write(folder / f"{role}.pem", secret + signed(f"Wheelhouse {role}", key.public_key(), authority=False))
            name = repr(str(folder.resolve() / f"{role}.pem"))
            settings += [f"      {role}:", f"        cert: {name}", f"        key: {name}"]
        _write(folder / "dask.yaml", ("\n".join(settings) + "\n").encode())
    except OSError as error:
        raise UsageError(
            f"{folder} can't be written: {error.strerror}.", "Name a folder that you may write to."
        ) from error


def _write(path: Path, data: bytes) -> None:
    """Write what only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def main(words: Sequence[str] | None = None) -> int:
    """Make a folder of certificates; gives the exit status."""
    given = list(sys.argv[1:] if words is None else words)
    if len(given) != 1 or given[0].startswith("-"):
        print("usage: python -m autograder.grading.certificates FOLDER", file=sys.stderr)
        return 0 if given in (["-h"], ["--help"]) else 2
    folder = Path(given[0])
    try:
        write_certificates(folder)
    except CourseError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    print(f"{folder} holds what the scheduler, the workers and you need; keep it from others.")
    print(f"Copy it to each machine and begin there with: export DASK_CONFIG={folder.resolve()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
