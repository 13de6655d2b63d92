"""Likes that are kept are looked up by number: the same whatever stays decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from services.detector import retained
from services.detector.retained import RetainedLikes
from shared import frames
from shared.frames import TRUSTED_LIKES
from shared.hashing import hash_strings
from tests.trusted_likes import made

FRAMES, SIZE = 40, 5
NEW = ("slate_id", "topic", "principal_id", "agent_key", "signature", "mandate", "user_present")


def kept(rows: list[dict[str, Any]], former: bool = False) -> RetainedLikes:
    likes = RetainedLikes(10_000)
    for at in range(0, len(rows), SIZE):
        batch = pa.RecordBatch.from_pylist(rows[at : at + SIZE], TRUSTED_LIKES)
        content = frames.encode(batch.drop_columns(list(NEW)) if former else batch)
        likes.add(batch, content, np.zeros(SIZE, np.int16), np.zeros(SIZE, np.bool_))
    return likes


@pytest.mark.parametrize("former", [False, True])
@pytest.mark.parametrize("decoded", [1, 7, 1000])
@pytest.mark.parametrize("names", [TRUSTED_LIKES.names, ("target_id", "actor_id"), ("label",)])
def test_content_is_what_was_published(
    decoded: int, names: tuple[str, ...], former: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retained, "DECODED", decoded)
    rows = made(FRAMES * SIZE)
    likes, rng = kept(rows, former), np.random.default_rng(decoded)
    whole = pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)
    if former:
        whole = frames.decode(frames.encode(whole.drop_columns(list(NEW))))
    for count in (1, 30, FRAMES * SIZE):
        numbers = rng.permutation(FRAMES * SIZE)[:count] + 1
        found = likes.content(numbers, names)
        assert found.equals(whole.select(list(names)).take(pa.array(numbers - 1)))
        assert len(likes._decoded) <= decoded
    assert likes.content(np.zeros(0, np.int64), names).num_rows == 0


def test_of_who_is_forgotten_nothing_is_found_in_old_frames_or_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retained, "DECODED", 3)
    rows = made(FRAMES * SIZE)
    likes = kept(rows)
    everybody = np.arange(1, FRAMES * SIZE + 1)
    likes.content(everybody)
    assert likes.forget(hash_strings(pa.array(["u1"]))) > 10
    found = likes.content(everybody, ("actor_id",)).column("actor_id").to_pylist()
    assert found == ["" if row["actor_id"] == "u1" else row["actor_id"] for row in rows]
