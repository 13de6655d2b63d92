"""How a caller over HTTP shows who it is, without one of Truelike's own tokens."""

from __future__ import annotations

import base64
import binascii
import hmac


def is_signed(body: bytes, shown: str | None, secret: str, algorithm: str) -> bool:
    """Whether `shown` is the HMAC of the body: in hex, with or without "sha256=" before it (GitHub), or in base64
    (Shopify).
    """
    if not shown:
        return False
    wanted = hmac.digest(secret.encode(), body, algorithm)
    text = shown.strip().removeprefix(f"{algorithm}=")
    return any(hmac.compare_digest(wanted, found) for found in _decoded(text))


def _decoded(text: str) -> list[bytes]:
    found = []
    for decode in (bytes.fromhex, lambda t: base64.b64decode(t, validate=True)):
        try:
            found.append(decode(text))
        except (ValueError, binascii.Error):
            continue
    return found


def shows_user(authorization: str | None, user: str) -> bool:
    """Whether HTTP Basic credentials (RFC 7617) are of this user, whatever the password."""
    kind, _, credentials = (authorization or "").partition(" ")
    if kind.lower() != "basic":
        return False
    try:
        shown, _, _ = base64.b64decode(credentials.strip(), validate=True).partition(b":")
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(shown, user.encode())
