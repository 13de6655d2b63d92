"""Last.fm loved tracks (`user.getLovedTracks`): numbers as text, mbid may be empty, the user once for the page.

A track is known by its URL, which every one has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.contract.envelopes.envelope import Envelope, Inner, Unwrapped, present


def _recognises(event: Any, headers: Mapping[str, bytes]) -> bool:
    return (
        isinstance(event, dict)
        and isinstance(event.get("date"), dict)
        and "uts" in event["date"]
        and isinstance(event.get("artist"), dict)
    )


def _unwrap(event: Any, headers: Mapping[str, bytes], inner: Inner) -> Unwrapped:
    user, artist = event.get("user"), event["artist"]
    track = event.get("url") or event.get("mbid")
    fields = {
        "event_id": f"{user} {track} {event['date']['uts']}",
        "occurred_at": event["date"]["uts"],
        "actor_id": user,
        "target_id": track,
        "creator_id": artist.get("name") or artist.get("#text"),
    }
    return Unwrapped(present(fields))


def _expand(event: dict[str, Any]) -> list[Any] | None:
    page = event.get("lovedtracks")
    tracks = page.get("track") if isinstance(page, dict) else None
    if not isinstance(page, dict) or not isinstance(tracks, list | dict):
        return None
    about = page.get("@attr")
    user = about.get("user") if isinstance(about, dict) else None
    # One track alone is no list there.
    found = tracks if isinstance(tracks, list) else [tracks]
    return [{"user": user, **track} if isinstance(track, dict) else track for track in found]


ENVELOPE: Final = Envelope("lastfm", _recognises, _unwrap, _expand)
