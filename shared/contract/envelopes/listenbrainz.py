"""ListenBrainz feedback: score 1 is a love, 0 takes it (or a hate) back, -1 is a hate. Listens are no likes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.contract.envelopes.envelope import Envelope, Ignored, Inner, Unwrapped, present

_RECORDINGS: Final = ("recording_mbid", "recording_msid")
_USERS: Final = ("user_id", "user_name", "musicbrainz_id")


def _recognises(event: Any, headers: Mapping[str, bytes]) -> bool:
    if not isinstance(event, dict):
        return False
    return "listened_at" in event or ("score" in event and any(name in event for name in _RECORDINGS))


def _unwrap(event: Any, headers: Mapping[str, bytes], inner: Inner) -> Unwrapped:
    if "listened_at" in event:
        raise Ignored("a ListenBrainz listen is no like")
    if event["score"] == -1:
        raise Ignored("a ListenBrainz hate is no like")
    if event["score"] not in (0, 1) or isinstance(event["score"], bool):
        raise ValueError("score: a ListenBrainz score is 1, 0 or -1")
    recording, user, created = (_first(event, *names) for names in (_RECORDINGS, _USERS, ("created", "updated")))
    action = "like" if event["score"] == 1 else "unlike"
    fields = {
        "event_id": event.get("event_id") or (f"{user} {recording} {created}" if created is not None else None),
        "occurred_at": created,
        "actor_id": user,
        "target_id": recording,
        "action": action,
    }
    return Unwrapped(present(fields))


def _first(event: dict[str, Any], *names: str) -> Any:
    return next((event[name] for name in names if event.get(name) not in (None, "")), None)


def _expand(event: dict[str, Any]) -> list[Any] | None:
    feedback = event.get("feedback")
    if not isinstance(feedback, list):
        return None
    user = event.get("user_name")
    return [{"user_name": user, **e} if isinstance(e, dict) and user is not None else e for e in feedback]


ENVELOPE: Final = Envelope("listenbrainz", _recognises, _unwrap, _expand)
