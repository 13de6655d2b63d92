from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from services.ingest.gathered import Gathered

LIKES, SLATES = TopicPartition("likes.v1", 0), TopicPartition("exposures.v1", 1)


def gathered(held: dict[TopicPartition, Any]) -> Gathered:
    return Gathered(held.get)


def test_what_several_fetches_brought_is_taken_at_once_in_order() -> None:
    entry, other = SimpleNamespace(), SimpleNamespace()
    waiting = gathered({LIKES: entry, SLATES: other})
    waiting.add({LIKES: [1, 2]})
    waiting.add({SLATES: [7]})
    waiting.add({LIKES: [3]})
    assert waiting.count == 4
    assert waiting.topics == {"likes.v1", "exposures.v1"}
    assert waiting.take() == {LIKES: (entry, [1, 2, 3]), SLATES: (other, [7])}
    assert (waiting.count, waiting.topics, waiting.take()) == (0, set(), {})


def test_what_was_fetched_before_a_partition_was_given_away_and_taken_up_again_is_left_out() -> None:
    first, again = SimpleNamespace(), SimpleNamespace()
    held = {LIKES: first}
    waiting = gathered(held)
    waiting.add({LIKES: [1, 2]})
    held[LIKES] = again
    waiting.add({LIKES: [1]})
    assert waiting.take() == {LIKES: (again, [1])}
    assert waiting.count == 0


def test_what_nobody_here_holds_is_left_out() -> None:
    waiting = gathered({})
    waiting.add({LIKES: [1]})
    assert (waiting.count, waiting.take()) == (0, {})
