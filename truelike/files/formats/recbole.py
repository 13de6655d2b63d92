"""RecBole's atomic files of ratings: 4 and more is a like. Times are in seconds."""

from __future__ import annotations

from typing import Final

from truelike.files.formats.format import Format

FORMAT: Final = Format(
    "recbole",
    "text with tabs: user_id:token, item_id:token, rating:float, timestamp:float; a rating of 4 and more is a like",
    """select "user_id:token" as actor_id, "item_id:token" as target_id, "timestamp:float" as occurred_at
from file where try_cast("rating:float" as double) >= 4""",
    headers=(("user_id:token", "item_id:token", "rating:float", "timestamp:float"),),
)
