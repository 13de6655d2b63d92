"""What is in the topics of a running platform is as the contracts describe it."""

from __future__ import annotations

import asyncio

import jsonschema_rs
import pytest

from shared.topics import CAMPAIGNS, CHARTS, EXPOSURES, EXPOSURES_REJECTED, LIKES, LIKES_REJECTED, REVIEWS, TOPICS
from tests.contracts import described_as, descriptions
from tests.integration.platform import Platform
from tests.likes import START_MS, crowd, like
from truelike.cli.forget import forget

REVIEW = {"found": "person", "drawn": "independently", "reviewed_at": START_MS, "reviewer_id": "r"}

pytestmark = pytest.mark.integration


def test_every_message_in_every_topic_is_as_described(platform: Platform) -> None:
    events = [
        *crowd(seed=8),
        *(
            like(90_000 + n, "helper", f"t{n}", n, actor_kind="agent", creator_id="c", origin_hash="o")
            for n in range(9)
        ),
    ]
    unfit = [like(99_000, rank=-1), like(99_001, action="adore")]
    asyncio.run(platform.send([*events, *unfit]))
    items = [{"target_id": f"t{n}", "rank": n} for n in range(3)]
    slate = {"slate_id": "s", "occurred_at": START_MS, "actor_id": "person1", "items": items}
    asyncio.run(platform.send([slate, {**slate, "items": "all"}], EXPOSURES))
    asyncio.run(platform.send([REVIEW | {"actor_id": "person0"}], REVIEWS))
    platform.wait("predictor/predictor_likes_total", len(events))
    assert "predictor" in asyncio.run(forget(platform.settings, ["person0"], 30))
    platform.rest()
    found, refused = set(), []
    for topic in TOPICS:
        for record in platform.read(topic.name, platform.settings.partitions if topic.keyed else 1):
            try:
                found.add((topic.name, described_as(topic.name, record.key, record.value, list(record.headers))))
            except jsonschema_rs.ValidationError:
                refused.append((topic.name, record.value))
    # A campaign is gone a month after its end, or when two turn out to be one; a chart when all its likes are taken
    # back: tests/unit/shared/test_contracts.py.
    assert found == descriptions() - {(CAMPAIGNS, "Tombstone"), (CHARTS, "Tombstone")}
    rejected = [(LIKES, r.value) for r in platform.read(LIKES_REJECTED)]
    rejected += [(EXPOSURES, r.value) for r in platform.read(EXPOSURES_REJECTED)]
    assert sorted(refused) == sorted(rejected)
    assert len(refused) == len(unfit) + 1
