"""KuaiRand: every row is an exposure, is_like tells whether it was liked. Times are in ms."""

from __future__ import annotations

from typing import Final

from truelike.files.formats.format import Format

FORMAT: Final = Format(
    "kuairand",
    "CSV: user_id, video_id, time_ms, is_like; rows with is_like = 1 are likes",
    """select user_id as actor_id, video_id as target_id, time_ms as occurred_at, 'recommended' as surface
from file where try_cast(is_like as integer) = 1""",
)
