"""A frame of trusted likes as the columns that are counted."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.charts import remembering
from services.charts.entries import EntryNames
from services.charts.remembering import CORRECTS, DOES, HUMAN_BEFORE, LABEL_BEFORE, LIKED, UNLIKED
from services.charts.row_index import NONE
from services.charts.tables import (
    ACTOR,
    CREATOR,
    DECLARED,
    EVENT,
    HUMAN,
    LABEL,
    LANGUAGE,
    PAIR,
    STANDS,
    TARGET,
    TIME,
    TOPIC,
    UNIT,
)
from shared.events import ACTIONS, UNLIKE
from shared.hashing import U64, hash_strings, hashes, mix
from shared.labels import trust
from shared.languages import primary_subtag

I64 = npt.NDArray[np.int64]

LIKE: Final = ACTIONS.index("like")


def rows_of(batch: pa.RecordBatch, names: EntryNames) -> I64:
    """Shape (n, ROW_COLUMNS). Shares and buys are in no chart, and an unlike's weight is of no matter."""
    action = batch.column("action").to_numpy()
    first = pc.is_null(batch.column("previous_probability")).to_numpy(zero_copy_only=False)
    liked = (action == LIKE) & first
    rows = np.zeros((len(action), remembering.ROW_COLUMNS), np.int64)
    rows[liked, DOES] = LIKED
    rows[(action == LIKE) & ~first, DOES] = CORRECTS
    rows[(action == UNLIKE) & first, DOES] = UNLIKED
    actor, target, event = (hash_strings(batch.column(name)) for name in ("actor_id", "target_id", "event_id"))
    for column, found in ((EVENT, event), (ACTOR, actor), (PAIR, mix(actor, target))):
        rows[:, column] = found.view(np.int64)
    for column, facet in ((LANGUAGE, "language"), (TOPIC, "topic")):
        rows[:, column] = hashes(segments_of(batch, facet)).view(np.int64)
    rows[:, TIME] = batch.column("occurred_at").to_numpy()
    rows[:, DECLARED] = _filled(batch, "content_origin")
    rows[:, TARGET] = _numbers(names, target, batch.column("target_id"), liked)
    creators = batch.column("creator_id")
    rows[:, CREATOR] = _numbers(names, hash_strings(creators), creators, liked)
    for label, human, of_label, of_human in (
        (LABEL, HUMAN, "label", "human_probability"),
        (LABEL_BEFORE, HUMAN_BEFORE, "previous_label", "previous_probability"),
    ):
        rows[:, label] = _filled(batch, of_label)
        rows[:, human] = _weight(_filled(batch, of_human), rows[:, label])
    rows[:, STANDS] = 1
    return rows


def _filled(batch: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    return batch.column(name).fill_null(0).to_numpy()


def _weight(probability: npt.NDArray[Any], label: I64) -> I64:
    """How much each like may teach, in units of UNIT."""
    weight: I64 = np.rint(trust(np.clip(probability.astype(np.float64), 0, 1), label) * UNIT).astype(np.int64)
    return weight


def _numbers(names: EntryNames, of_ids: U64, ids: pa.Array, liked: npt.NDArray[np.bool_]) -> I64:
    """Entries' numbers, NONE where there is no id; those of likes are there from now on."""
    there = pc.is_valid(ids).to_numpy(zero_copy_only=False)
    new = np.flatnonzero(liked & there)
    names.add(of_ids[new], ids.take(pa.array(new)))
    return np.where(there, names.find(of_ids), NONE)


def language_tags(batch: pa.RecordBatch) -> pa.Array:
    """The content's language, the primary subtag of BCP 47; the actor's says nothing of it."""
    tags = batch.column("content_language").dictionary_encode()
    return primary_subtag(tags.dictionary).take(tags.indices)


def segments_of(batch: pa.RecordBatch, facet: str) -> pa.Array:
    """Each like's language or topic, null where it has none."""
    return language_tags(batch) if facet == "language" else batch.column("topic")
