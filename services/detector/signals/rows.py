"""Frames of keyed likes as the arrays that signals take."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from services.detector.signals.signal import Findings, Rows
from shared import schemas

RECENT: Final = ("recent_60s", "recent_10m", "recent_1h", "recent_1d")
EXPECTED: Final = ("expected_60s", "expected_10m", "expected_1h", "expected_1d")


def rows_of(likes: pa.RecordBatch) -> Rows:
    """Of a frame of schema `schemas.KEYED_LIKES`, without copies where Arrow allows it."""
    return Rows(
        likes.column("occurred_at").to_numpy(),
        likes.column("actor").to_numpy(),
        likes.column("target").to_numpy(),
        likes.column("creator").to_numpy(),
        likes.column("origin").to_numpy(),
        likes.column("unlike").to_numpy(zero_copy_only=False),
        likes.column("actor_created_at").to_numpy(),
        likes.column("first_seen").to_numpy(),
        likes.column("actor_likes").to_numpy(),
        np.stack([likes.column(name).to_numpy() for name in RECENT], axis=1),
        likes.column("settled").to_numpy(zero_copy_only=False),
    )


def to_batch(signal: str, found: Findings) -> pa.RecordBatch:
    """Findings as rows of schema `schemas.FINDINGS`."""
    columns: list[Any] = [
        pa.array([signal] * len(found), pa.string()),
        found.actor,
        found.target,
        found.strength,
        found.convicts,
        found.value,
        found.baseline,
        found.first_at,
        found.last_at,
    ]
    return pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=schemas.FINDINGS)
