"""Who may call over HTTP: bearer tokens (RFC 6750) with scopes and a rate each.

The file of tokens holds hashes, not tokens: who reads it cannot call. A token has 256 random bits, so one round of
SHA-256 is enough to keep it from being guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.contract.identifiers import MOST_BYTES, text_of

Scope = Literal["likes:write", "reviews:write", "read", "admin", "users:read"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
# Not what foretold a person's likes: that is for the person alone.
_OF_ADMIN: Final[frozenset[Scope]] = frozenset({"likes:write", "reviews:write", "read", "admin"})
# Beside these, one user's own: this and the id, whatever that holds.
USER: Final = "user:"
ALLOWED: Final = f"{', '.join(SCOPES)}, {USER}ID with an id of 1 to {MOST_BYTES} bytes of UTF-8 without NUL"
# A caller may use this many seconds of its rate at once.
BURST_SECONDS: Final = 2.0


def granted(scope: str) -> str:
    """The scope, if a token may have it. Raises ValueError with a sentence that names what it may be."""
    if scope in SCOPES or (scope.startswith(USER) and _is_id(scope.removeprefix(USER))):
        return scope
    raise ValueError(f"one of {ALLOWED}")


def _is_id(text: str) -> bool:
    try:
        # What is no UTF-8 came in as lone surrogates.
        return bool(text_of(text).encode())
    except ValueError:
        return False


class Token(BaseModel):
    """One line of the file. `rate`: requests a second; for likes, likes a second."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=64)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    scopes: Annotated[frozenset[Annotated[str, AfterValidator(granted)]], Field(min_length=1)]
    rate: Annotated[float, Field(gt=0)]


class Bucket:
    """A token bucket (the other kind of token): `rate` units a second, at most BURST_SECONDS of them at once."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._level = rate * BURST_SECONDS
        self._seen_at = 0.0

    def take(self, units: float, now: float) -> float:
        """0 if that many units may pass now, else after how many seconds it is worth asking again. `now` in s.

        More than a burst at once passes when the bucket is full, and is paid off afterwards.
        """
        full = self.rate * BURST_SECONDS
        self._level = min(full, self._level + max(0.0, now - self._seen_at) * self.rate)
        self._seen_at = now
        if self._level >= min(units, full):
            self._level -= units
            return 0.0
        return (min(units, full) - self._level) / self.rate


@dataclass(frozen=True)
class Caller:
    """Who has shown a token that is known."""

    name: str
    scopes: frozenset[str]
    bucket: Bucket

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or ("admin" in self.scopes and scope in _OF_ADMIN)

    def is_user(self) -> bool:
        """Whether something is this caller's own: whose, `may_read_of` says."""
        return any(scope.startswith(USER) for scope in self.scopes)

    def may_read_of(self, user_id: str, anybodys: Scope) -> bool:
        """Whether what is told of a user is this caller's own, or `anybodys`, which reads it of anybody, is its."""
        return f"{USER}{user_id}" in self.scopes or self.may(anybodys)


class Access:
    """The tokens that are known, with what is left of each one's rate."""

    def __init__(self, tokens: list[Token]) -> None:
        self._known = [(t.sha256.encode(), Caller(t.name, t.scopes, Bucket(t.rate))) for t in tokens]

    def caller(self, token: str) -> Caller | None:
        """Who shows this token. Takes as long whether, and where, it is found."""
        shown, found = digest(token).encode(), None
        for sha256, caller in self._known:
            if hmac.compare_digest(shown, sha256):
                found = caller
        return found


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


_TOKENS: Final = TypeAdapter(list[Token])


def load(path: Path) -> list[Token]:
    """The tokens of a file. Raises ValueError with a sentence that names the file, and no content of it."""
    try:
        return _TOKENS.validate_json(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; `truelike token add` makes it") from None
    except ValidationError as error:
        places = sorted({".".join(str(part) for part in e["loc"]) or "file" for e in error.errors()})
        raise ValueError(f"{path}: no list of tokens as `truelike token add` writes it: {', '.join(places)}") from None


def add(path: Path, name: str, scopes: frozenset[str], rate: float) -> str:
    """Add a token to the file, in the place of one of the same name. Returns it: it is nowhere else. Raises ValueError,
    OSError.
    """
    if not math.isfinite(rate):
        raise ValueError("the rate must be a finite number")
    token = secrets.token_urlsafe(32)
    tokens = [t for t in (load(path) if path.exists() else []) if t.name != name]
    tokens.append(Token(name=name, sha256=digest(token), scopes=scopes, rate=rate))
    rows = [{**t.model_dump(), "scopes": sorted(t.scopes)} for t in tokens]
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_suffix(".tmp")
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(rows, file, indent=2)
    staged.replace(path)
    return token
