"""Rows of forecasts.v1 as likes."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from services.choice.log import I64, Bools, Likes
from shared.hashing import U64, hashes

# A like of what was among so many of the user's ranking was anticipated.
ANTICIPATED: Final = 10


def likes_of(rows: pa.RecordBatch, actors: U64, targets: U64, which: I64) -> Likes:
    """These rows as likes. A like that no person gave is not forecast: nothing is learnt from it."""
    weight = rows.column("weight").to_numpy()[which].astype(np.float64)
    p_popular, p_history, p_any, p_new, p_with, p_without = (
        rows.column(name).fill_null(np.nan).to_numpy()[which].astype(np.float64)
        for name in ("p_popular", "p_history", "p_any", "p_new", "p_with", "p_without")
    )
    is_new = rows.column("is_new").fill_null(False).to_numpy(zero_copy_only=False)[which]
    time, surface = (rows.column(name).to_numpy()[which] for name in ("occurred_at", "surface"))
    creators = hashes(rows.column("creator_id"))[which]
    p_history = np.where(weight > 0, p_history, np.nan)
    slate, topic = (rows.column(name).to_numpy()[which] for name in ("slate", "topic"))
    return Likes(
        actors[which],
        targets[which],
        creators,
        time,
        surface,
        weight,
        p_popular,
        p_history,
        slate=slate.view(np.int64),
        topic=topic,
        p_any=p_any,
        p_new=p_new,
        is_new=is_new,
        origin=rows.column("content_origin").fill_null(0).to_numpy()[which],
        p_with=np.where(weight > 0, p_with, np.nan),
        p_without=np.where(weight > 0, p_without, np.nan),
    )


def anticipated(rows: pa.RecordBatch) -> Bools:
    """Whether each was of what was high in its user's ranking. Shape (n,)."""
    place = rows.column("place").fill_null(0).to_numpy()
    found: Bools = (place > 0) & (place <= ANTICIPATED)
    return found
