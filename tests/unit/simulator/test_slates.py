"""The simulated recommender: slates before the likes that come of them, however the stream is cut."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.simulator.arms import arms
from services.simulator.buys import buy_events
from services.simulator.events import events
from services.simulator.feeds import RECOMMENDED
from services.simulator.policies import SIZE
from services.simulator.recommender import EARLIER_MS
from services.simulator.settings import DAY_MS, Planted, WorldSettings
from services.simulator.slates import slate_events
from services.simulator.stream import Stream
from services.simulator.world import BOT_KINDS, KINDS, World
from shared.events import SURFACES
from shared.exposures import HOLDOUT
from tests.likes import START_MS

FAR_MS = START_MS + 100 * DAY_MS
PLANTED = Planted(buys=0.05)
Events = list[dict[str, Any]]


def stream(planted: Planted | None = PLANTED, seed: int = 3) -> tuple[World, Stream]:
    world = World(WorldSettings(seed, people=2000), START_MS)
    return world, Stream(world, planted)


def taken(*most: int, planted: Planted | None = PLANTED, seed: int = 3) -> tuple[Events, Events, Events]:
    """Likes, slates and buys, numbered from 0 on."""
    world, of_world = stream(planted, seed)
    likes: Events = []
    slates: Events = []
    buys: Events = []
    for n in most:
        given, shown, bought = of_world.take(n, FAR_MS)
        likes += events(world, given, len(likes))
        slates += slate_events(shown, 0, seed)
        buys += buy_events(bought, len(buys), seed)
    return likes, slates, buys


@given(st.lists(st.integers(0, 3000), max_size=12), st.integers(0, 3))
@settings(max_examples=12, deadline=None)
def test_what_comes_does_not_depend_on_how_much_is_taken_at_a_time(cuts: list[int], seed: int) -> None:
    parts = np.diff([0, *sorted(cuts), 3000]).tolist()
    at_once = taken(3000, seed=seed)
    assert all(at_once)
    assert taken(*parts, seed=seed) == at_once


def test_without_slates_it_is_the_world_alone() -> None:
    world = World(WorldSettings(3, people=2000), START_MS)
    assert taken(2500, planted=None) == (events(world, world.take(2500), 0), [], [])


def test_bots_do_the_same_whatever_is_shown() -> None:
    def of_bots(planted: Planted | None) -> list[tuple[int, ...]]:
        likes = stream(planted)[1].take(10**6, START_MS + DAY_MS).likes
        bots = likes.take(likes.kinds >= KINDS.index(BOT_KINDS[0]))
        return sorted(zip(*(getattr(bots, f.name).tolist() for f in fields(bots)), strict=True))

    alone = of_bots(None)
    assert len(alone) > 1000
    assert of_bots(Planted()) == alone


def test_nobody_likes_a_thing_twice_also_of_what_moved_people() -> None:
    likes = stream(Planted(drift=0.9))[1].take(30_000, FAR_MS).likes
    people = likes.take(likes.kinds < KINDS.index(BOT_KINDS[0]))
    pairs = np.stack([people.actors, people.targets], axis=1)
    assert len(np.unique(pairs, axis=0)) > 0.999 * len(pairs)


def test_what_is_bought_changes_neither_likes_nor_slates() -> None:
    without = taken(5000, planted=replace(PLANTED, buys=0.0))
    with_buys = taken(5000, planted=replace(PLANTED, buys=0.3))
    assert not without[2]
    assert len(with_buys[2]) > 500
    assert with_buys[:2] == without[:2]


def test_slates_come_before_what_is_liked_of_them_and_none_later_than_the_likes() -> None:
    _, of_world = stream()
    held_out = set(np.flatnonzero(arms(3, 2000, PLANTED.treated, PLANTED.holdout) == HOLDOUT).tolist())
    shown: dict[tuple[int, int], int] = {}
    found = 0
    for _ in range(20):
        likes, slates, buys = of_world.take(200, FAR_MS)
        assert slates.times_ms[-1] <= likes.times_ms[-1]
        assert (buys.times_ms <= likes.times_ms[-1]).all()
        rows = slates.times_ms.tolist(), slates.actors.tolist(), slates.things, slates.withheld
        for time, actor, things, gone in zip(*rows, strict=True):
            assert len(set(things.tolist())) == SIZE
            assert not gone.all() or actor in held_out
            shown |= {(actor, thing): time for thing in things[~gone].tolist()}
        nudged = likes.take(likes.surfaces == RECOMMENDED)
        for time, pair in zip(nudged.times_ms, zip(nudged.actors, nudged.targets, strict=True), strict=True):
            found += pair in shown and 0 < time - shown[pair] <= EARLIER_MS
    assert found > 500


def test_most_likes_that_slates_brought_name_theirs_and_nothing_else_changes() -> None:
    likes, slates, _ = taken(6000)
    items = {slate["slate_id"]: {item["target_id"] for item in slate["items"]} for slate in slates}
    of = {slate["slate_id"]: slate for slate in slates}
    assert len(of) == len(slates)
    brought = [like for like in likes if like["surface"] == SURFACES[RECOMMENDED] and like["actor_id"].startswith("u")]
    naming = [like for like in likes if "slate_id" in like]
    assert {like["event_id"] for like in naming} <= {like["event_id"] for like in brought}
    assert 0.87 < len(naming) / len(brought) < 0.93
    for like in naming:
        slate = of[like["slate_id"]]
        assert like["target_id"] in items[like["slate_id"]]
        assert like["actor_id"] == slate["actor_id"]
        assert 0 < like["occurred_at"] - slate["occurred_at"] <= EARLIER_MS
    silent = taken(6000, planted=replace(PLANTED, named=0.0))
    assert not any("slate_id" in like for like in silent[0])
    assert [{name: like[name] for name in like if name != "slate_id"} for like in likes] == silent[0]
    assert silent[1] == slates


def test_until_a_moment_there_is_all_of_before_it_and_nothing_of_after() -> None:
    _, of_world = stream()
    for hour in range(1, 4):
        until = START_MS + hour * 3_600_000
        likes, slates, _ = of_world.take(10**6, until)
        assert len(likes) > 50
        assert max(likes.times_ms[-1], slates.times_ms[-1]) < until
        assert until - likes.times_ms[-1] < 600_000
