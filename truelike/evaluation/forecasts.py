"""What the predictor stated before each like of a file, as columns of choice's log."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.predictor.model import CoPreference
from shared.events import UNLIKE
from truelike.files.reading import Advance

AT_ONCE: Final = 4096


def of_likes(likes: pa.RecordBatch, advance: Advance = lambda *_: None) -> dict[str, npt.NDArray[Any]]:
    """Of rows in order of time (schema `schemas.LIKES`), by name as of `log.Likes`; not a number where the predictor
    had nothing to go by. Shapes (n,).
    """
    model, n = CoPreference(), likes.num_rows
    found = {name: np.full(n, np.nan) for name in ("p_popular", "p_history", "p_any", "p_new")}
    found["is_new"] = np.zeros(n, np.bool_)
    for start in range(0, n, AT_ONCE):
        part = likes.slice(start, AT_ONCE)
        unlikes = part.column("action").to_numpy() == UNLIKE
        columns = part.column("actor_id"), part.column("target_id"), part.column("occurred_at").to_numpy()
        scored = model.score_and_learn(*columns, np.ones(part.num_rows, np.float32), unlikes)
        for name, column in found.items():
            column[start + scored.at] = getattr(scored, name)
        advance(start + part.num_rows, n)
    return found
