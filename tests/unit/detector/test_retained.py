"""Likes that are kept are looked up by number: the same whatever came together, is compressed or stays decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.detector import retained
from services.detector.retained import RetainedLikes
from shared import frames
from shared.checkpoints import pack_blobs, unpack_blobs
from shared.hashing import hash_strings
from shared.schemas import TRUSTED_LIKES
from tests.trusted_likes import made

FRAMES, SIZE = 40, 5
NEW = ("slate_id", "topic", "principal_id", "agent_key", "signature", "mandate", "user_present")


def kept(rows: list[dict[str, Any]], most: int = 10_000, size: int = SIZE) -> RetainedLikes:
    likes = RetainedLikes(most)
    for at in range(0, len(rows), size):
        batch = pa.RecordBatch.from_pylist(rows[at : at + size], TRUSTED_LIKES)
        likes.add(batch, np.zeros(batch.num_rows, np.int16), np.zeros(batch.num_rows, np.bool_))
    return likes


def formerly(likes: RetainedLikes) -> RetainedLikes:
    """The same from a snapshot of before: frames lack columns, and since when likes are kept is not said."""
    arrays = likes.snapshot()
    blobs = [frames.decode(blob).drop_columns(list(NEW)) for blob in unpack_blobs("retained", arrays)]
    found = RetainedLikes(likes.max_likes)
    counts = {"retained.count": arrays["retained.count"][:3]}
    found.restore({**arrays, **pack_blobs("retained", [frames.encode(blob) for blob in blobs]), **counts})
    return found


@pytest.mark.parametrize("former", [False, True])
@pytest.mark.parametrize("decoded", [1, 7, 1000])
@pytest.mark.parametrize("compressed", [1, 12, 10_000])
@pytest.mark.parametrize("names", [TRUSTED_LIKES.names, ("target_id", "actor_id"), ("sent_at",), ("label",)])
def test_content_is_what_was_published(
    decoded: int, compressed: int, names: tuple[str, ...], former: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retained, "DECODED", decoded)
    monkeypatch.setattr(retained, "COMPRESSED", compressed)
    rows = made(FRAMES * SIZE)
    likes, rng = kept(rows), np.random.default_rng(decoded)
    whole = pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)
    if former:
        likes, whole = formerly(likes), frames.decode(frames.encode(whole.drop_columns(list(NEW))))
    for count in (1, 30, FRAMES * SIZE):
        numbers = rng.permutation(FRAMES * SIZE)[:count] + 1
        found = likes.content(numbers, names)
        assert found.equals(whole.select(list(names)).take(pa.array(numbers - 1)))
        assert len(likes._decoded) <= decoded
    assert likes.content(np.zeros(0, np.int64), names).num_rows == 0


def test_of_who_is_forgotten_nothing_is_found_in_old_frames_or_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retained, "DECODED", 3)
    monkeypatch.setattr(retained, "COMPRESSED", 12)
    rows = made(FRAMES * SIZE + SIZE)
    likes = kept(rows)
    assert likes._parts[-1].loose
    everybody = np.arange(1, len(rows) + 1)
    likes.content(everybody)
    assert likes.forget(hash_strings(pa.array(["u1"]))) > 10
    found = likes.content(everybody, ("actor_id",)).column("actor_id").to_pylist()
    assert found == ["" if row["actor_id"] == "u1" else row["actor_id"] for row in rows]


@given(
    sizes=st.lists(st.integers(1, 60), min_size=2, max_size=2),
    compressed=st.integers(1, 100),
    most=st.integers(60, 250),
    since=st.integers(0, FRAMES * SIZE),
    restored=st.booleans(),
)
def test_what_is_kept_does_not_depend_on_what_came_together(
    sizes: list[int], compressed: int, most: int, since: int, restored: bool
) -> None:
    rows = made(FRAMES * SIZE)
    actors = np.unique(hash_strings(pa.array([row["actor_id"] for row in rows])))
    since_ms = sorted(row["occurred_at"] for row in rows)[min(since, len(rows) - 1)]
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for size in sizes:
            patch.setattr(retained, "COMPRESSED", compressed if size == sizes[0] else 1)
            likes = kept(rows, most, size)
            likes.expire(since_ms)
            if restored and size == sizes[0]:
                arrays, likes = likes.snapshot(), RetainedLikes(most)
                likes.restore(arrays)
            numbers, owner = likes.of(actors)
            found.append((numbers.tolist(), owner.tolist(), likes.evicted, likes.content(np.sort(numbers)).to_pylist()))
    assert found[0] == found[1]
    newest = rows[-most:]
    assert sorted(found[0][0]) == [
        len(rows) - len(newest) + k for k, row in enumerate(newest, 1) if row["occurred_at"] >= since_ms
    ]
