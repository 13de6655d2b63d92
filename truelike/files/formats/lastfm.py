"""Last.fm's loved tracks or scrobbles as exporters write them: user, artist, album, track, utc."""

from __future__ import annotations

from typing import Final

from truelike.files.formats.format import Format

FORMAT: Final = Format(
    "lastfm",
    "CSV: user, artist, album, track, utc",
    """select "user" as actor_id, artist || ' - ' || track as target_id, artist as creator_id, utc as occurred_at
from file""",
    headers=(("user", "artist", "album", "track", "utc"),),
)
