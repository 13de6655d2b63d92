"""The simulated recommender: slates before the likes that come of them, and what was planted is found."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from services.choice.figures import caused_share, slot_effect
from services.choice.log import ATTRIBUTION_MS, Log, likes_of, shown_of
from services.choice.moments import outcomes
from services.simulator.events import events
from services.simulator.feeds import RECOMMENDED
from services.simulator.settings import DAY_MS, WorldSettings
from services.simulator.slates import CAUSED_SHARE, EARLIER_MS, SIZE, THETA, slate_events
from services.simulator.stream import Stream
from services.simulator.world import World
from shared.contract.slates import of_event, to_items
from shared.frames import LIKES, from_message, join
from tests.likes import START_MS
from truelike.files.offline import OfflineIngest

FAR_MS = START_MS + 100 * DAY_MS
Events = list[dict[str, Any]]


def stream() -> tuple[World, Stream]:
    world = World(WorldSettings(3, people=2000), START_MS)
    return world, Stream(world, slates=True)


def taken(*most: int) -> tuple[Events, Events]:
    """Likes and slates, numbered from 0 on."""
    world, of_world = stream()
    likes, slates = [], []
    for n in most:
        given, shown = of_world.take(n, FAR_MS)
        likes += events(world, given, len(likes))
        slates += slate_events(shown, len(slates), 3)
    return likes, slates


def test_what_comes_does_not_depend_on_how_much_is_taken_at_a_time() -> None:
    assert taken(3000) == taken(0, 1, 700, 0, 1299, 1000)


def test_slates_come_before_what_is_liked_of_them_and_none_later_than_the_likes() -> None:
    _, of_world = stream()
    shown: dict[tuple[int, int], int] = {}
    found = 0
    for _ in range(20):
        likes, slates = of_world.take(200, FAR_MS)
        assert slates.times_ms[-1] <= likes.times_ms[-1]
        rows = slates.times_ms.tolist(), slates.actors.tolist(), slates.things, slates.withheld
        for time, actor, things, gone in zip(*rows, strict=True):
            assert len(set(things.tolist())) == SIZE
            shown |= {(actor, thing): time for thing in things[~gone].tolist()}
        nudged = likes.take(likes.surfaces == RECOMMENDED)
        for time, pair in zip(nudged.times_ms, zip(nudged.actors, nudged.targets, strict=True), strict=True):
            found += pair in shown and EARLIER_MS[0] <= time - shown[pair] < EARLIER_MS[1]
    assert found > 500


def test_until_a_moment_there_is_all_of_before_it_and_nothing_of_after() -> None:
    _, of_world = stream()
    for hour in range(1, 4):
        until = START_MS + hour * 3_600_000
        likes, slates = of_world.take(10**6, until)
        assert len(likes) > 50
        assert max(likes.times_ms[-1], slates.times_ms[-1]) < until
        assert until - likes.times_ms[-1] < 600_000


def test_what_was_planted_is_found() -> None:
    likes, slates = taken(100_000)
    ingest = OfflineIngest(1)
    outputs = [*ingest.take([msgspec.json.encode(e) for e in likes], [e["actor_id"] for e in likes]), *ingest.end()]
    batch = join([from_message(o.value, o.headers).batch for o in outputs], LIKES)
    shown, policies = shown_of(to_items([of_event(e) for e in slates]))
    log = Log(likes_of(batch), shown, policies, int(shown.time[-1]))
    (caused,) = (f for f in caused_share.measure(log) if f.about.get("withheld_by") == "item")
    assert caused.identified, caused.why
    # Other likes of what was shown would have come anyway.
    due = [e for e in likes if e["occurred_at"] <= log.now_ms - ATTRIBUTION_MS and e["actor_id"][0] == "u"]
    nudged = sum(e["surface"] == "recommended" for e in due)
    given = outcomes(log.matured, log.likes) * ~log.matured.withheld
    planted = CAUSED_SHARE * nudged / float(given.sum())
    assert caused.low is not None
    assert caused.high is not None
    assert caused.low < planted < caused.high
    assert caused.value == pytest.approx(planted, abs=0.05)
    of_rank = {f.about["rank"]: f for f in slot_effect.measure(log)}
    for rank in (1, 4, 9):
        figure = of_rank[rank]
        assert figure.low is not None, figure.why
        assert figure.high is not None
        assert figure.low < THETA[rank] < figure.high
