"""A throw-away certificate authority for the front doors: bound to their names, and unable to sign anything ever after.

What its certificate is trusted for is limited twice: only the sandbox is told of it, and a critical name constraint (RFC 5280, 4.2.1.10)
makes clients refuse whatever it might have signed for another name. Its key is never written anywhere.
"""

from __future__ import annotations

__all__ = ["Made", "make_certificates"]

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

LIFE = timedelta(days=365)
BACKDATED = timedelta(days=3)
"""For clocks that are behind ours: a virtual machine which slept, a dual boot."""
_AUTHORITY = "Wheelhouse sandbox only, key thrown away"


@dataclass(frozen=True)
class Made:
    """A server's certificate with its key, and the authority to trust for it."""

    chain: bytes
    """The server's key, its certificate and the authority's, in PEM: secret."""
    authority: bytes
    """The authority's certificate in PEM."""
    subject_hash: str
    """The name which OpenSSL looks for in a folder of authorities: "1a2b3c4d"."""
    begins: float
    """When it begins to be valid, in seconds since 1970."""
    ends: float


def make_certificates(names: Sequence[str], *, signed: Sequence[str] | None = None) -> Made:
    """Make an authority for these names, let it sign one certificate for all of them, and forget its key.

    `signed` are the names to sign for instead; the tests show with it that clients refuse what lies outside of `names`.

    Raises:
        ImportError: the library `cryptography` is not there.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.now(UTC).replace(microsecond=0)
    begins, ends = now - BACKDATED, now + LIFE
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _AUTHORITY)])

    def certificate(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        )

    def usage(*, signs: bool) -> x509.KeyUsage:
        return x509.KeyUsage(
            digital_signature=not signs,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=signs,
            crl_sign=signs,
            encipher_only=False,
            decipher_only=False,
        )

    everywhere = [ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")]
    authority = (
        certificate(authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs=True), critical=True)
        .add_extension(
            x509.NameConstraints(
                permitted_subtrees=[x509.DNSName(name) for name in names],
                excluded_subtrees=[x509.IPAddress(network) for network in everywhere],
            ),
            critical=True,
        )
        .sign(authority_key, hashes.SHA256())
    )
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Wheelhouse index")])
    server = (
        certificate(server_name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in signed or names]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    trusted = authority.public_bytes(pem)
    return Made(
        chain=secret + server.public_bytes(pem) + trusted,
        authority=trusted,
        subject_hash=_subject_hash(_AUTHORITY),
        begins=begins.timestamp(),
        ends=ends.timestamp(),
    )


def _subject_hash(common_name: str) -> str:
    """Give OpenSSL's hash of a subject which is nothing but a common name (X509_NAME_hash).

    It is taken of the canonical form: lower case, UTF8String, without the outermost sequence.
    """

    def tagged(tag: int, content: bytes) -> bytes:
        return bytes([tag, len(content)]) + content  # all of it is shorter than 128 bytes

    attribute = tagged(0x06, b"\x55\x04\x03") + tagged(0x0C, " ".join(common_name.lower().split()).encode())
    digest = hashlib.sha1(tagged(0x31, tagged(0x30, attribute)), usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"
