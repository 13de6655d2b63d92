"""What likes add up to: the same however they are cut, and nothing is left of what was taken back."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.charts import hash_sample, tallies
from services.charts.hash_sample import HashSample, Sampled
from services.charts.spoken import LANGUAGES, OTHER, UNKNOWN, codes
from services.charts.tallies import State, Tallies
from services.charts.tally import OWN, PUSHED, SAMPLES, Tally
from shared.events import CONTENT_ORIGINS
from shared.hashing import hash_strings
from shared.labels import LABELS
from tests.unit.charts.rows import BEGIN_MS, DAY_MS, batch, row

HUMAN, AI = CONTENT_ORIGINS.index("human"), CONTENT_ORIGINS.index("ai")


def same(first: State, second: State) -> None:
    assert first.days.keys() == second.days.keys()
    for day, tally in first.days.items():
        others = second.days[day].arrays("t")
        for name, array in tally.arrays("t").items():
            assert np.array_equal(array, others[name]), name


def standing(state: State) -> dict[str, Any]:
    """Everything but the places that taken-back likes keep, at 0."""
    tally = state.whole
    some = tally.sums.any(axis=1) | tally.seen.any(axis=1)
    found = {"cells": tally.cells[some], "sums": tally.sums[some], "seen": tally.seen[some], "content": tally.content}
    for name in SAMPLES:
        sample = getattr(tally, name)
        kept = sample.sums.any(axis=1)
        found |= {f"{name}.group": sample.group[kept], f"{name}.key": sample.key[kept], name: sample.sums[kept]}
    return found


events = st.tuples(
    st.sampled_from(["like", "like", "like", "unlike", "correction"]),
    st.integers(0, 5),
    st.integers(0, 4),
    st.sampled_from(LABELS),
    st.sampled_from(CONTENT_ORIGINS),
    st.sampled_from(["organic", "recommended", "unknown"]),
    st.sampled_from(["de", "en-GB", "xyz", None]),
    st.floats(0, 1, width=32),
    st.integers(0, 4),
)


def log(drawn: list[Any]) -> list[dict[str, Any]]:
    """Corrections are of any earlier like, whether it stands or not."""
    rows: list[dict[str, Any]] = []
    likes: list[tuple[int, int, int, dict[str, Any]]] = []
    for number, (what, actor, target, label, origin, surface, language, score, day) in enumerate(drawn):
        said = {"label": label, "human_probability": score, "occurred_at": BEGIN_MS + day * DAY_MS + number}
        if what == "correction" and likes:
            event, actor, target, first = likes[(actor + target) % len(likes)]
            rows.append(row(event, actor, target, **(first | {"label": label, "human_probability": score}),
                            previous_label="human", revision=1))  # fmt: skip
        elif what == "unlike":
            rows.append(row(number, actor, target, action="unlike", **said))
        else:
            said |= {"content_origin": origin, "surface": surface, "content_language": language, "actor_locale": "de"}
            said["creator_id"] = f"c{target % 2}" if target else None
            likes.append((number, actor, target, said))
            rows.append(row(number, actor, target, **said))
    return rows


@settings(max_examples=100, deadline=None)
@given(st.lists(events, min_size=1, max_size=60), st.integers(1, 7), st.integers(1, 3))
def test_frames_and_partitions_change_nothing(drawn: list[Any], size: int, workers: int) -> None:
    rows = log(drawn)
    whole = Tallies(3, 1000)
    whole.take(batch(rows))
    parts = [Tallies(3, 1000) for _ in range(workers)]
    for start in range(0, len(rows), size):
        for number, part in enumerate(parts):
            mine = [one for one in rows[start : start + size] if int(one["actor_id"][1:]) % workers == number]
            if mine:
                part.take(batch(mine))
    merged = reduce(add, (tallies.decode(tallies.encode(part.state())) for part in parts))
    # Another partition's newest day may be the newest of all.
    same(merged.last(3), whole.state())
    again = Tallies(3, 1000)
    again.restore(whole.snapshot())
    same(again.state(), whole.state())
    for task in (again, whole):
        task.take(batch(rows))
    same(again.state(), whole.state())


@settings(max_examples=60, deadline=None)
@given(st.lists(events, min_size=1, max_size=40))
def test_nothing_is_left_of_what_was_taken_back(drawn: list[Any]) -> None:
    rows = log([one for one in drawn if one[0] == "like"] or [drawn[0]])
    task = Tallies(30, 1000)
    task.take(batch(rows))
    task.take(batch([one | {"event_id": f"u{n}", "action": 1} for n, one in enumerate(rows)]))
    found = standing(task.state())
    assert all(not array.any() for array in found.values())
    assert len(task.standing) == 0


def test_a_correction_is_as_if_it_had_been_so_from_the_first() -> None:
    said = {"content_origin": "ai", "surface": "recommended", "content_language": "de", "creator_id": "c"}
    corrected, at_once = Tallies(30, 100), Tallies(30, 100)
    wrong, right = {"label": "human", "human_probability": 0.9}, {"label": "bot", "human_probability": 0.013}
    corrected.take(batch([row(1, 1, 1, **said, **wrong), row(2, 2, 1, **said, **wrong)]))
    corrected.take(batch([row(1, 1, 1, **said, **right, previous_label="human", previous_probability=0.9)]))
    at_once.take(batch([row(1, 1, 1, **said, **right), row(2, 2, 1, **said, **wrong)]))
    found, expected = standing(corrected.state()), standing(at_once.state())
    for name, array in expected.items():
        assert np.array_equal(array, found[name]), name
    matrix = corrected.state().whole.matrix()[..., 0]
    assert matrix[LABELS.index("bot"), AI, PUSHED] == matrix[LABELS.index("human"), AI, PUSHED] == 1
    assert corrected.state().whole.matrix(weights=True)[..., 0].sum() == pytest.approx(0.9)


def test_a_pair_counts_once_as_its_latest_like() -> None:
    task = Tallies(30, 100)
    later, sooner = {"content_origin": "ai", "occurred_at": BEGIN_MS + 9}, {"occurred_at": BEGIN_MS + 8}
    task.take(batch([row(1, 1, 1), row(2, 1, 1, **later), row(3, 1, 1, **sooner)]))
    matrix = task.state().whole.matrix()[..., 0].sum(axis=(0, 2))
    assert matrix.tolist() == [0, 0, 1, 0]
    # What is said of a like that does not stand changes nothing.
    task.take(batch([row(3, 1, 1, **sooner, label="bot", previous_label="human")]))
    assert task.standing.unknown == 1
    assert task.state().whole.matrix()[0, AI, :, 0].sum() == 1


def test_what_counts_where() -> None:
    task = Tallies(30, 100)
    task.take(
        batch(
            [
                row(1, 1, 1, content_origin="human", surface="search", content_language="pt-BR", human_probability=0.5),
                row(2, 1, 2, content_origin="human", surface="autoplay", content_language="xyz", label="suspect"),
                row(3, 2, 1, surface="assistant", label="agent"),
                row(4, 2, 9, action="share"),
                row(5, 3, 9, action="buy"),
                row(6, 3, 9, action="unlike"),
            ]
        )
    )
    whole = task.state().whole
    assert whole.matrix()[..., 0].sum() == 3
    assert whole.matrix(weights=True)[..., 0].sum() == 1.5
    spoken, _ = whole.spoken()
    assert spoken[LANGUAGES.index("pt"), OWN, 0] == spoken[OTHER, PUSHED, 0] == 1
    assert spoken[..., 0].sum() == 2
    assert whole.people() == 2
    assert whole.people(HUMAN) == 1
    assert task.standing.unknown == 1
    assert codes(pa.array(["DE_at", None, "x-klingon"])).tolist() == [LANGUAGES.index("de"), UNKNOWN, OTHER]


def test_old_days_go_and_who_is_forgotten() -> None:
    task = Tallies(2, 100)
    task.take(batch([row(1, 1, 1), row(2, 1, 2, occurred_at=BEGIN_MS + DAY_MS), row(3, 2, 1)]))
    assert task.forget(hash_strings(pa.array(["a1"]))) == 2
    assert task.state().whole.people() == 1
    assert len(task.state().whole.actors.key) == 1
    task.take(batch([row(4, 3, 1, occurred_at=BEGIN_MS + 5 * DAY_MS), row(5, 3, 2)]))
    assert task.counters["too_old_likes"] == 1
    assert task.state().whole.people() == 1
    assert list(task.state().days) == [BEGIN_MS // DAY_MS + 5]


keys = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60), st.integers(-2, 3)), max_size=80)


@given(keys, st.integers(1, 12), st.integers(1, 9))
def test_a_sample_is_of_the_smallest_with_all_that_is_theirs(rows: list[Any], most: int, waiting: int) -> None:
    def added(some: list[Any]) -> Sampled:
        sample = HashSample(most, 1)
        sample.WAITING = waiting  # type: ignore[misc]
        for group, key, amount in some:
            sample.add(np.array([group], np.int32), np.array([key], np.uint64), np.array([[amount]]))
        return sample.sampled

    expected = []
    for group in range(3):
        totals: dict[int, int] = {}
        for _, key, amount in (one for one in rows if one[0] == group):
            totals[key] = totals.get(key, 0) + amount
        expected += [(group, key, totals[key]) for key in sorted(totals)[:most]]
    for found in (added(rows), added(rows[::-1]), added(rows[::2]) + added(rows[1::2])):
        assert list(zip(found.group.tolist(), found.key.tolist(), found.sums[:, 0].tolist(), strict=True)) == expected


def test_a_full_sample_stands_for_all() -> None:
    found = HashSample(400, 1)
    keys = hash_strings(pa.array([f"k{n}" for n in range(20_000)]))
    found.add(np.zeros(20_000, np.int32), keys, np.ones((20_000, 1), np.int64))
    sample = found.sampled.of(0)
    assert len(sample.key) == 400
    assert sample.stands_for * 400 == pytest.approx(20_000, rel=0.15)
    assert hash_sample.Sampled.empty(4, 1).of(0).stands_for == 1.0
    assert Tally.empty().people() == 0
