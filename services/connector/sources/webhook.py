"""Any webhook that posts JSON: where its events have the fields of a like is a setting.

With WEBHOOK_MAP only what it names is taken; without, events must be likes already, or in an envelope that Truelike
knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.connector.convert import content_id, json_of, like
from services.connector.receiving import posted
from services.connector.settings import ConnectorSettings
from services.connector.signatures import is_signed
from shared.bodies import Event
from shared.contract.envelopes import Ignored
from shared.contract.opening import DoesNotFit
from shared.events import ACTIONS, Like
from shared.frames import Output


class Webhook:
    paths: tuple[str, ...] = ("/", "/v1/webhook")

    def __init__(self, settings: ConnectorSettings) -> None:
        secret = settings.webhook_secret
        self._secret = secret.get_secret_value() if secret is not None else None
        self.checked = self._secret is not None
        self.challenge = f"Signature headers={settings.webhook_signature_header}"
        self._header = settings.webhook_signature_header
        self._map = _pairs("WEBHOOK_MAP", settings.webhook_map)
        self._actions = _pairs("WEBHOOK_ACTIONS", settings.webhook_actions)
        for field in self._map.keys() - Like.model_fields.keys():
            raise ValueError(f"setting WEBHOOK_MAP names {field!r}; a like's fields are {', '.join(Like.model_fields)}")
        for value in set(self._actions.values()) - set(ACTIONS):
            raise ValueError(f"setting WEBHOOK_ACTIONS names {value!r}; actions are {', '.join(ACTIONS)}")
        if self._actions and "action" not in self._map:
            raise ValueError("setting WEBHOOK_ACTIONS needs an action in WEBHOOK_MAP, such as action=action")

    def refusal(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        if self._secret is None or is_signed(body, headers.get(self._header), self._secret, "sha256"):
            return None
        return f"{self._header} must be the HMAC-SHA256 of the body"

    def like(self, event: Event, path: str, headers: Mapping[str, str], now_ms: int) -> Output:
        found = json_of(event.value)
        if not self._map:
            return like(found, now_ms, event.headers)
        return like(self._mapped(found, event.value, headers, now_ms), now_ms)

    def _mapped(self, event: Any, value: bytes, headers: Mapping[str, str], now_ms: int) -> dict[str, Any]:
        if not isinstance(event, dict):
            raise DoesNotFit("message: expected a JSON object")
        places = {field: _at(event, place, headers) for field, place in self._map.items()}
        fields = {field: found for field, found in places.items() if found is not None}
        if self._actions:
            said = fields.get("action")
            if not isinstance(said, str) or said not in self._actions:
                raise Ignored(f"{str(said)[:60]!r} is none of WEBHOOK_ACTIONS")
            fields["action"] = self._actions[said]
        if "event_id" not in fields:
            if "occurred_at" not in fields:
                raise DoesNotFit(
                    "event_id: missing, and occurred_at too: an event sent again would count twice; name one of them "
                    "in WEBHOOK_MAP"
                )
            fields["event_id"] = content_id("webhook", value)
        return {"occurred_at": now_ms, **fields}


def _pairs(setting: str, text: str | None) -> dict[str, str]:
    pairs = {}
    for pair in filter(None, (part.strip() for part in (text or "").split(","))):
        name, equals, value = (word.strip() for word in pair.partition("="))
        if not (name and equals and value):
            raise ValueError(f"setting {setting} has {pair!r}: write NAME=VALUE,NAME=VALUE")
        pairs[name] = value
    return pairs


def _at(event: dict[str, Any], place: str, headers: Mapping[str, str]) -> Any:
    """What is at a dotted path (a number counts in a list), or in the header @NAME; None where there is nothing."""
    if place.startswith("@"):
        return headers.get(place[1:])
    found: Any = event
    for step in place.split("."):
        if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        elif isinstance(found, dict):
            found = found.get(step)
        else:
            return None
    return found


KIND: Final = posted(
    "webhook",
    "any JSON that is posted, mapped by a setting",
    "WEBHOOK_MAP=actor_id=user.id,target_id=post.id,event_id=id HTTP_PORT=8090 python -m services.connector webhook",
    Webhook,
)
