"""MovieLens ratings: 4 stars and more are a like. Times are in seconds."""

from __future__ import annotations

from typing import Final

from truelike.files.formats.format import Format

FORMAT: Final = Format(
    "movielens",
    "CSV: userId, movieId, rating, timestamp; a rating of 4 and more is a like",
    """select userId as actor_id, movieId as target_id, "timestamp" as occurred_at
from file where try_cast(rating as double) >= 4""",
    headers=(("userid", "movieid", "rating", "timestamp"),),
)
