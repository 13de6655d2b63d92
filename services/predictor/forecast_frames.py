"""What was forecast of each trusted like before it came, as frames of `forecasts.v1`: keyed by user, in log order."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.predictor.model import VERSION
from services.predictor.prequential import Scored
from shared.buys import bought_by
from shared.frames import Frame, Lineage, Output, by_owner, to_outputs
from shared.hashing import hash_strings, hashes
from shared.languages import UNKNOWN_LANGUAGE, language_of
from shared.schemas import FORECASTS
from shared.topics import FORECASTS as FORECASTS_TOPIC

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

STAGE: Final = "predictor"
_AS_THEY_CAME: Final = (
    "event_id",
    "occurred_at",
    "actor_id",
    "target_id",
    "creator_id",
    "action",
    "surface",
    "sent_at",
)
_OF_BUYS: Final = ("actor_kind", "principal_id", "agent_key", "signature", "mandate", "user_present")


def forecast(
    batch: pa.RecordBatch,
    weight: npt.NDArray[np.float32],
    first: npt.NDArray[np.bool_],
    scored: Scored | None,
    by_twins: tuple[F64, F64] | None = None,
) -> pa.RecordBatch:
    """All rows of a batch of trusted likes; `scored` counts those that come for the first time; `by_twins`: how
    probable each row was by who learns likes and by who does not, not a number where nothing was forecast. Schema
    FORECASTS.
    """
    n = batch.num_rows
    numbers = np.zeros((4, n), np.float32)
    place, is_new, known = np.zeros(n, np.int32), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    if scored is not None:
        at = np.flatnonzero(first)[scored.at]
        numbers[:, at] = scored.p_popular, scored.p_history, scored.p_any, scored.p_new
        place[at], is_new[at], known[at] = scored.rank, scored.is_new, True
    columns = [batch.column(name) for name in _AS_THEY_CAME]
    columns += [pa.array(weight), pa.array(~first)]
    columns += [pa.array(column, mask=~known) for column in (*numbers[:2], place)]
    columns.append(pa.array([VERSION]).take(pa.array(np.zeros(n, np.int64))))
    columns += [pa.array(hashes(batch.column(name))) for name in ("slate_id", "topic")]
    columns += [batch.column(name) for name in _OF_BUYS]
    columns += [pa.array(column, mask=~known) for column in (*numbers[2:], is_new)]
    spoken = language_of(batch)
    columns += [batch.column("content_origin"), pc.if_else(pc.equal(spoken, UNKNOWN_LANGUAGE), None, spoken)]
    nothing = pa.nulls(n, pa.float32())
    columns += (
        [nothing] * 2 if by_twins is None else [pa.array(p.astype(np.float32), from_pandas=True) for p in by_twins]
    )
    return pa.RecordBatch.from_arrays(columns, schema=FORECASTS)


def outputs(batch: pa.RecordBatch, partitions: int, offset: int, clock: int) -> list[Output]:
    """Rows that follow from the frame at `offset` of trusted-likes.v1, each at its user's partition, a buy at its
    principal's, whose likes and slates are there. `clock`: how far event time is (ms) in that log.
    """
    return _to_users(Frame("forecasts", batch), hash_strings(bought_by(batch)), partitions, offset, clock)


def forgotten(request: Frame, partitions: int, offset: int, clock: int) -> list[Output]:
    """The same of a request to forget users."""
    return _to_users(request, hash_strings(request.batch.column("user_id")), partitions, offset, clock)


def _to_users(frame: Frame, users: npt.NDArray[np.uint64], partitions: int, offset: int, clock: int) -> list[Output]:
    owners = (users % np.uint64(partitions)).astype(np.int64)
    lineage = Lineage(STAGE, 0, offset, clock)
    found = []
    for partition, rows in enumerate(by_owner(frame.batch, owners, partitions)):
        if rows.num_rows:
            found += to_outputs(replace(frame, batch=rows, lineage=lineage), FORECASTS_TOPIC, partition)
    return found


def advanced(clock: int, batch: pa.RecordBatch) -> int:
    """How far event time is after a batch of likes: no like is taken for later than when it was sent, so that one
    dated ahead lets nobody wait.
    """
    times = np.minimum(batch.column("occurred_at").to_numpy(), batch.column("sent_at").to_numpy())
    return max(clock, int(times.max(initial=clock)))
