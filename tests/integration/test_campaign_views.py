"""Campaigns and windows in a real Redis, and what the API says of them and of who gave no cause for a verdict."""

from __future__ import annotations

from typing import Any

import msgspec
import pyarrow as pa
import pytest

from services.console import campaign_view, views, window_view
from services.console.api import build_app
from services.console.keeper import PROCEDURES
from shared import redis_keys
from shared.auth import AuthMiddleware
from shared.events import UNLIKE
from shared.frames import Frame, to_output
from shared.health import Health
from shared.idempotent_redis import Command, IdempotentWriter
from shared.schemas import TRUSTED_LIKES as SCHEMA
from shared.topics import CAMPAIGNS, TRUSTED_LIKES, WINDOW_SUMMARIES
from tests.asgi import ask

pytestmark = pytest.mark.integration

DAY_MS = 86_400_000
NOW = 20_000 * DAY_MS


def campaign(identifier: str, last_at: int = NOW, **changes: Any) -> bytes:
    return msgspec.json.encode(
        {
            "campaign_id": identifier,
            "kind": "lockstep",
            "scale_seconds": 60,
            "actors": ["ann", "bob", "cid"],
            "actor_count": 3,
            "targets": ["song"],
            "target_count": 1,
            "creators": [],
            "creator_count": 0,
            "first_at": last_at - 1000,
            "last_at": last_at,
            "likes": 9,
            "weight": 0.9,
            "evidence": ["3 accounts."],
            "revision": 1,
            "merged_into": None,
            "expired": False,
            "withdrawn": False,
            **changes,
        }
    )


async def apply(redis: Any, topic: str, commands: list[Command]) -> None:
    writer = IdempotentWriter(redis, "console", topic, PROCEDURES.get(topic, ""))
    offset = await writer.newest(0) + 1
    assert await writer.apply(0, offset, commands) == offset


async def keep(redis: Any, *values: bytes) -> None:
    await apply(redis, CAMPAIGNS, [c for value in values for c in campaign_view.of_campaign(value)])


async def get(redis: Any, path: str) -> Any:
    answer = await ask(AuthMiddleware(build_app(redis, Health("test", dict, dict, list)), None), path)
    return answer.json if answer.status == 200 else answer.status


async def listed(redis: Any, query: str = "") -> list[str]:
    return [c["campaign_id"] for c in (await get(redis, f"/v1/campaigns?{query}"))["campaigns"]]


async def campaign_keys(redis: Any) -> set[str]:
    return {key.decode() async for key in redis.scan_iter(f"{redis_keys.PREFIX}campaign*")}


async def test_pages_follow_each_other_latest_first(redis: Any) -> None:
    # Of each instant three, so that pages end within one.
    made = [(NOW + n // 3, f"c{n:03}") for n in range(50)]
    await keep(redis, *(campaign(identifier, at) for at, identifier in made))
    found, cursor, pages = [], "", 0
    while True:
        page = await get(redis, f"/v1/campaigns?limit=7{cursor}")
        found += [c["campaign_id"] for c in page["campaigns"]]
        pages += 1
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [identifier for _, identifier in sorted(made, reverse=True)]
    assert (page["total"], pages) == (50, 8)
    assert await get(redis, "/v1/campaigns?cursor=x!") == 422


async def test_more_of_one_instant_than_a_call_looks_at_end(redis: Any) -> None:
    await keep(redis, *(campaign(f"c{n:04}") for n in range(1200)))
    found, cursor = [], ""
    for _ in range(3):
        page = await get(redis, f"/v1/campaigns?limit=500{cursor}")
        found += [c["campaign_id"] for c in page["campaigns"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [f"c{n:04}" for n in reversed(range(1200))]
    assert page["next_cursor"] is None


async def test_filters_by_kind_actor_and_target(redis: Any) -> None:
    await keep(
        redis,
        campaign("a", NOW),
        campaign("b", NOW + 1, kind="ring", actors=["ann"]),
        campaign("c", NOW + 2, actors=["dan"], targets=["a/b?", "song"]),
    )
    assert await listed(redis) == ["c", "b", "a"]
    assert await listed(redis, "kind=lockstep") == ["c", "a"]
    assert await listed(redis, "actor=ann") == ["b", "a"]
    assert await listed(redis, "actor=ann&kind=ring") == ["b"]
    assert await listed(redis, "target=a/b%3F") == ["c"]
    assert await listed(redis, "target=song&actor=dan&kind=lockstep") == ["c"]
    assert await listed(redis, "target=song&actor=dan&kind=flood") == []
    assert await get(redis, "/v1/campaigns?kind=flashmob") == 422
    assert (await get(redis, "/v1/campaigns/b"))["kind"] == "ring"
    assert await get(redis, "/v1/campaigns/none") == 404


async def test_a_revision_leaves_no_index_of_what_it_was(redis: Any) -> None:
    await keep(redis, campaign("a"), campaign("a", NOW + 5, revision=2, kind="ring", actors=["eve"], targets=["film"]))
    assert await listed(redis, "actor=eve&target=film&kind=ring") == ["a"]
    assert [await listed(redis, q) for q in ("actor=ann", "target=song", "kind=lockstep")] == [[], [], []]
    assert await campaign_keys(redis) == {
        redis_keys.CAMPAIGNS,
        redis_keys.campaign("a"),
        redis_keys.campaigns_of_kind("ring"),
        redis_keys.campaigns_of_actor("eve"),
        redis_keys.campaigns_of_target("film"),
    }
    for key in await campaign_keys(redis):
        assert 0 < await redis.ttl(key) <= campaign_view.KEPT_SECONDS


@pytest.mark.parametrize("end", [{"merged_into": "b"}, {"expired": True}, {"withdrawn": True}, None])
async def test_what_is_over_leaves_nothing(redis: Any, end: dict[str, Any] | None) -> None:
    await keep(redis, campaign("a"))
    # An end that lists others than the last revision did, as after compaction.
    over = (
        campaign_view.of_tombstone(b"a") if end is None else campaign_view.of_campaign(campaign("a", actors=[], **end))
    )
    for _ in range(2):
        await apply(redis, CAMPAIGNS, over)
        assert await campaign_keys(redis) == set()


async def test_the_oldest_leave_by_number_and_by_time(redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        PROCEDURES, CAMPAIGNS, PROCEDURES[CAMPAIGNS].replace(f"-{campaign_view.MOST_CAMPAIGNS + 1}", "-4")
    )
    order = (3, 1, 5, 2, 4)
    await keep(redis, *(campaign(f"c{n}", NOW + n, actors=[f"u{n}"]) for n in order))
    assert await listed(redis) == ["c5", "c4", "c3"]
    assert await listed(redis, "actor=u1") == []
    assert redis_keys.campaigns_of_actor("u1") not in await campaign_keys(redis)
    await keep(redis, campaign("late", NOW + 4 + campaign_view.KEPT_SECONDS * 1000))
    assert await listed(redis) == ["late", "c5", "c4"]
    assert await get(redis, "/v1/campaigns/c3") == 404


def summary(start: int, partition: int, bots: int, revision: int = 1) -> bytes:
    counts = {"human": 10, "suspect": 1, "bot": bots, "agent": 0}
    whole = {"window_start": start, "window_end": start + 300_000, "partition": partition, "revision": revision}
    return msgspec.json.encode({**whole, "actors": counts, "likes": {k: 3 * v for k, v in counts.items()}})


async def test_windows_add_partitions_and_keep_the_latest(redis: Any) -> None:
    assert await get(redis, "/v1/windows") == {"windows": []}
    said = [summary(n * 300_000, p, p) for n in range(290) for p in (0, 1)]
    said += [summary(289 * 300_000, 1, 5, 2), summary(0, 0, 1)]
    await apply(redis, WINDOW_SUMMARIES, [c for value in said for c in window_view.of_summary(value)])
    found = (await get(redis, f"/v1/windows?limit={window_view.MOST_WINDOWS}"))["windows"]
    assert [w["window_start"] for w in found] == [n * 300_000 for n in range(289, 1, -1)]
    assert found[0]["actors"] == {"human": 20, "suspect": 2, "bot": 5, "agent": 0}
    assert found[1]["likes"] == {"human": 60, "suspect": 6, "bot": 3, "agent": 0}
    assert len([k async for k in redis.scan_iter(f"{redis_keys.window(0)[:-1]}*")]) == window_view.MOST_WINDOWS
    assert await get(redis, "/v1/windows?limit=289") == 422


def trusted(*rows: dict[str, Any]) -> bytes:
    like = {"target_id": "song", "label": 0, "action": 0, "revision": 0, "occurred_at": NOW}
    batch = pa.RecordBatch.from_pylist([{**like, "event_id": str(n), **row} for n, row in enumerate(rows)], SCHEMA)
    return to_output(Frame("trusted-likes", batch), TRUSTED_LIKES, 0).value


async def test_who_gave_no_cause_for_a_verdict_is_known_at_once(redis: Any) -> None:
    assert await get(redis, "/v1/actors/ann") == 404
    more = [{"actor_id": f"u{n}"} for n in range(2500)]
    ann = {"actor_id": "ann"}
    value = trusted(ann, ann, {**ann, "action": UNLIKE}, {**ann, "label": 1, "previous_label": 0}, *more)
    await apply(redis, TRUSTED_LIKES, views.of_trusted_likes(value))
    assert await get(redis, "/v1/actors/ann") == {
        "actor_id": "ann",
        "label": "human",
        "human_probability": None,
        "sentence": "2 likes seen, nothing that speaks against a person",
        "verdicts": [],
    }
    assert (await get(redis, "/v1/actors/u2499"))["sentence"].startswith("1 like seen")
    for key in (redis_keys.likes_of("u0"), redis_keys.target("song")):
        assert 0 < await redis.ttl(key) <= views.TTL_SECONDS


async def test_a_verdict_that_was_overturned_speaks_against_no_one(redis: Any) -> None:
    evidence = {"signal": "rate", "value": 9.0, "baseline": 1.0, "strength": 2.0, "points_at": {}, "sentence": "Fast."}
    verdict = {
        "verdict_id": "ann@0",
        "actor_id": "ann",
        "window_start": 0,
        "window_end": 1,
        "label": "bot",
        "human_probability": 0.0,
        "likes": 2,
        "revision": 1,
        "evidence": [evidence],
    }
    commands = list(views.of_verdict(msgspec.json.encode(verdict)))
    await apply(redis, TRUSTED_LIKES, commands)
    bot = await get(redis, "/v1/actors/ann")
    assert (bot["label"], bot["sentence"]) == ("bot", "Fast.")
    overturned = {**verdict, "label": "human", "human_probability": 1.0, "revision": 2}
    await apply(redis, TRUSTED_LIKES, list(views.of_verdict(msgspec.json.encode(overturned))))
    person = await get(redis, "/v1/actors/ann")
    assert (person["label"], person["sentence"]) == ("human", "nothing that speaks against a person")
    assert [v["revision"] for v in person["verdicts"]] == [2]
