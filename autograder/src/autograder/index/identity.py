"""Identity tokens (OpenID Connect): JSON Web Tokens signed with RS256, by a key of the workspace's own (RFC 7515, 7517, 7519)."""

from __future__ import annotations

__all__ = ["IdentityKey", "peek"]

import base64
import binascii
import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_MOST_LETTERS = 16_384


class IdentityKey:
    """The key of the stand-in for a code forge; made when it is first needed, which takes a tenth of a second."""

    def __init__(self, folder: Path) -> None:
        """Keep the key in this folder."""
        self._path = folder / "identity.pem"
        self._lock = threading.Lock()
        self._loaded: tuple[bytes, RSAPrivateKey] | None = None

    def _key(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        with self._lock:
            if not self._path.exists():
                made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
                self._write(
                    made.private_bytes(
                        serialization.Encoding.PEM,
                        serialization.PrivateFormat.PKCS8,
                        serialization.NoEncryption(),
                    )
                )
            text = self._path.read_bytes()
            if self._loaded is None or self._loaded[0] != text:
                key = serialization.load_pem_private_key(text, None)
                assert isinstance(key, rsa.RSAPrivateKey)
                self._loaded = (text, key)
            return self._loaded[1]

    def _write(self, text: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f".new-{os.getpid()}-{threading.get_ident()}")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text)
            # Two may come here at once: the first one's key is everybody's.
            os.link(temporary, self._path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink(missing_ok=True)

    def public(self) -> dict[str, str]:
        """Give the public key as a JSON Web Key."""
        numbers = self._key().public_key().public_numbers()
        modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        name = hashlib.sha256(modulus).hexdigest()[:16]
        return {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": name, "n": _text(modulus), "e": "AQAB"}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Write a token that makes these claims."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        header = {"alg": "RS256", "typ": "JWT", "kid": self.public()["kid"]}
        signed = ".".join(_text(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        signature = self._key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_text(signature)}"

    def verified(self, token: str) -> dict[str, Any] | None:
        """Give the claims of a token that was signed with this key; None for any other."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        try:
            header, claims, signature = peek(token)
            if header.get("alg") != "RS256":
                return None
            signed = token.rpartition(".")[0].encode()
            self._key().public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, InvalidSignature):
            return None
        return claims


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Take a token apart without believing it: header, claims, signature.

    Raises:
        ValueError: it is none.
    """
    if len(token) > _MOST_LETTERS or not token.isascii():
        raise ValueError("malformed JWT")
    try:
        header, claims, signature = (_data(part) for part in token.split("."))
        told = [json.loads(part) for part in (header, claims)]
    except (binascii.Error, RecursionError) as error:
        raise ValueError("malformed JWT") from error
    if not all(isinstance(part, dict) for part in told):
        raise ValueError("malformed JWT")
    return told[0], told[1], signature


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _data(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
