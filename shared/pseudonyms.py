"""Log lines name no user: ids become pseudonyms, and what is secret is left out."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import MutableMapping
from typing import Any, Final

IDS: Final = frozenset(
    {"actor_id", "user_id", "target_id", "creator_id", "principal_id", "origin_hash", "event_id", "key"}
)
SECRET: Final = ("password", "token", "secret", "authorization")


class Pseudonyms:
    """A structlog processor. The same id has the same pseudonym wherever the key is the same; without a key each
    process has its own.
    """

    def __init__(self, key: str | None) -> None:
        self._key = hashlib.sha256((key or secrets.token_hex(32)).encode()).digest()

    def of(self, identifier: str) -> str:
        return "p-" + hashlib.blake2b(identifier.encode(), key=self._key, digest_size=8).hexdigest()

    def __call__(self, _: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for name, value in line.items():
            if name in IDS and value is not None:
                line[name] = self.of(str(value))
            elif any(word in name.lower() for word in SECRET):
                line[name] = "(hidden)"
        return line
