"""Segment's and RudderStack's HTTP API, and Segment's webhook destination.

Both are called as they call each other: `POST /v1/track`, `/v1/batch` and so on with the write key as the user of HTTP
Basic authentication; the webhook destination posts single calls with `X-Signature`, the HMAC-SHA1 of the body in hex.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.connector.convert import content_id, json_of, like
from services.connector.receiving import posted
from services.connector.settings import ConnectorSettings
from services.connector.signatures import is_signed, shows_user
from shared.bodies import Event
from shared.contract.opening import DoesNotFit
from shared.frames import Output

_CALLS: Final = {name: name for name in ("track", "identify", "page", "screen", "group", "alias")} | {
    name[0]: name for name in ("track", "identify", "page", "screen", "group", "alias")
}
_BATCHES: Final = ("batch", "b", "import")
_TIMES: Final = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")


class Segment:
    paths: tuple[str, ...] = ("/", *(f"/v1/{name}" for name in (*_CALLS, *_BATCHES)))

    challenge: str = 'Basic realm="write key"'

    def __init__(self, settings: ConnectorSettings) -> None:
        secret, key = settings.segment_shared_secret, settings.segment_write_key
        self._secret = secret.get_secret_value() if secret is not None else None
        self._key = key.get_secret_value() if key is not None else None
        self.checked = self._secret is not None or self._key is not None

    def refusal(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        """A signature must be of the whole body: Segment signs no more than the first event of a batch, and who has
        seen one could add others to it.
        """
        if not self.checked:
            return None
        if self._key is not None and shows_user(headers.get("authorization"), self._key):
            return None
        if self._secret is not None and is_signed(body, headers.get("x-signature"), self._secret, "sha1"):
            return None
        wanted = []
        if self._secret is not None:
            wanted.append("X-Signature must be the HMAC-SHA1 of the whole body (batches of a webhook: turn them off)")
        if self._key is not None:
            wanted.append("the user of HTTP Basic authentication must be the write key")
        return ", or ".join(wanted)

    def like(self, event: Event, path: str, headers: Mapping[str, str], now_ms: int) -> Output:
        call = json_of(event.value)
        return like(_complete(call, event.value, path, now_ms) if isinstance(call, dict) else call, now_ms)


def _complete(call: dict[str, Any], value: bytes, path: str, now_ms: int) -> dict[str, Any]:
    """With what Segment itself adds to a call: its type by the path, when it was received."""
    kind = _CALLS.get(path.removeprefix("/v1/"))
    if call.get("type") is None and kind is not None:
        call = {**call, "type": kind}
    has_time = any(call.get(name) is not None for name in _TIMES)
    if call.get("messageId") is None and call.get("type") == "track":
        if not has_time:
            raise DoesNotFit("messageId: missing, and no timestamp either: a call sent again would count twice")
        call = {**call, "messageId": content_id("segment", value)}
    return call if has_time else {**call, "receivedAt": now_ms}


KIND: Final = posted(
    "segment",
    "track calls that speak of likes, from Segment or RudderStack, over HTTP",
    "SEGMENT_WRITE_KEY=... HTTP_PORT=8090 python -m services.connector segment",
    Segment,
)
