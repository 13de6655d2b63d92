"""The simulated world: its people live like people, its bots are as many as asked for, and it is its seed."""

from __future__ import annotations

import numpy as np
import pytest

from services.simulator.bots import BOTS
from services.simulator.crowds import CROWDS
from services.simulator.events import events, names_of, targets_of
from services.simulator.likes import LATER, Likes, joined
from services.simulator.people import HOUR_MS, WAKING_HOURS
from services.simulator.sender import begin
from services.simulator.settings import DAY_MS, LIKES_A_DAY, SimulatorSettings, WorldSettings, pace
from services.simulator.world import BOT_KINDS, KINDS, World
from shared.events import Like
from tests.likes import START_MS

DAYS = 3
PERSON = KINDS.index("person")


def of(likes: Likes, *kinds: str) -> Likes:
    return likes.take(np.isin(likes.kinds, [KINDS.index(kind) for kind in kinds]))


@pytest.fixture(scope="module")
def world() -> World:
    return World(WorldSettings(seed=3, people=4_000, items=8_000), START_MS)


@pytest.fixture(scope="module")
def likes(world: World) -> Likes:
    return world.take(10_000_000, START_MS + DAYS * DAY_MS)


@pytest.mark.parametrize("step", [1, 7, 500])
def test_it_is_its_seed_however_it_is_taken(step: int) -> None:
    settings = WorldSettings(seed=1, people=300, items=600)
    at_once = World(settings, START_MS).take(1_500)
    slow = World(settings, START_MS)
    parts = joined([slow.take(step) for _ in range(0, 1_500, step)]).take(slice(0, 1_500))
    assert events(slow, parts, 0) == events(slow, at_once, 0)


def test_it_is_the_same_by_time_as_by_number() -> None:
    settings = WorldSettings(seed=1, people=300, items=600)
    by_time, by_number = World(settings, START_MS), World(settings, START_MS)
    minutes = [by_time.take(10_000, START_MS + minute * 60_000) for minute in range(1, 301)]
    assert all((part.times_ms < START_MS + minute * 60_000).all() for minute, part in enumerate(minutes, 1))
    found = joined(minutes)
    assert len(found) > 500
    assert events(by_time, found, 0) == events(by_number, by_number.take(len(found)), 0)


def test_another_seed_is_another_world() -> None:
    one, two = (World(WorldSettings(seed=seed, people=300, items=600), START_MS).take(200) for seed in (1, 2))
    assert (one.times_ms != two.times_ms).any()


def test_likes_are_in_order_and_nobody_likes_a_thing_twice_or_before_joining(likes: Likes) -> None:
    assert (np.diff(likes.times_ms) >= 0).all()
    pairs = np.stack([likes.actors, likes.targets], axis=1)
    # What is remembered of who liked what is bounded.
    assert len(np.unique(pairs, axis=0)) > 0.999 * len(pairs)
    assert (likes.times_ms >= likes.created_ms).all()


def test_people_give_as_many_likes_as_people_do(world: World, likes: Likes) -> None:
    honest = of(likes, *(kind for kind in CROWDS if kind != "agent"))
    a_day = np.bincount(honest.actors, minlength=world.scene.people.count) / DAYS
    assert 0.8 * LIKES_A_DAY < a_day.mean() < 1.1 * LIKES_A_DAY
    assert 5 < np.median(a_day) < 25
    assert a_day.max() < 200
    # A handful in a sitting: within an hour hardly anyone gives more than fifty.
    hours = np.unique(np.stack([honest.actors, honest.times_ms // HOUR_MS]), axis=1, return_counts=True)[1]
    assert np.median(hours) < 8
    assert np.mean(hours > 50) < 0.002


def test_people_sleep(world: World, likes: Likes) -> None:
    people, theirs = world.scene.people, of(likes, "person")
    hours = (theirs.times_ms % DAY_MS / HOUR_MS - people.wakes_at[theirs.actors]) % 24
    # A sitting that began before bedtime may end after it.
    assert np.mean(hours > WAKING_HOURS) < 0.02
    assert np.mean(hours > WAKING_HOURS + 1) == 0
    # Everywhere is another time of day, so that the platform never sleeps.
    a_hour = np.bincount((theirs.times_ms - START_MS) // HOUR_MS)
    assert a_hour.min() > 0.3 * a_hour.mean()


def test_shares_by_kind(world: World, likes: Likes) -> None:
    shares = dict(zip(KINDS, np.bincount(likes.kinds, minlength=len(KINDS)) / len(likes), strict=True))
    assert sum(shares[kind] for kind in BOTS) == pytest.approx(world.settings.bot_share, abs=0.02)
    for kind in BOTS:
        assert shares[kind] == pytest.approx(world.settings.bot_share / len(BOTS), rel=0.5)
    assert shares["agent"] == pytest.approx(world.settings.agent_share, rel=0.3)
    assert all(shares[kind] > 0 for kind in KINDS)


@pytest.mark.parametrize("share", [0.02, 0.15])
def test_the_share_of_bots_is_a_setting(share: float) -> None:
    found = World(WorldSettings(people=4_000, bot_share=share), START_MS).take(400_000)
    bots = np.isin(found.kinds, [KINDS.index(kind) for kind in BOT_KINDS]).mean()
    assert bots == pytest.approx(share, abs=0.01)
    # It is a little more in a small world: a campaign is given to its end.


def test_bots_are_what_they_are_called(world: World, likes: Likes) -> None:
    people = world.scene.people.count
    accounts = of(likes, *(kind for kind in BOTS if kind != "hijacked"))
    assert (accounts.actors >= LATER).all()
    assert (of(likes, "hijacked").actors < people).all()
    floods = of(likes, "flood")
    assert np.median(np.unique(floods.actors, return_counts=True)[1]) > 150
    for kind, within_ms in (("lockstep", 60_000), ("jitter", 40 * 60_000)):
        found = of(likes, kind)
        # By campaign and target.
        _, which, sizes = np.unique(
            np.stack([found.actors >> 12, found.targets]), axis=1, return_inverse=True, return_counts=True
        )
        assert np.median(sizes) >= 15
        assert max(np.ptp(found.times_ms[which == group]) for group in range(len(sizes))) < within_ms
    thrown = of(likes, "throwaway")
    assert np.unique(thrown.actors, return_counts=True)[1].max() <= 3
    assert (thrown.times_ms - thrown.created_ms).max() < 2 * HOUR_MS
    metronomes = of(likes, "metronome")
    busiest = metronomes.times_ms[metronomes.actors == metronomes.actors[0]]
    gaps = np.diff(busiest)
    assert np.quantile(gaps, 0.8) < 1.12 * np.quantile(gaps, 0.2)


def test_rings_are_creators_who_like_each_other(likes: Likes) -> None:
    rings = of(likes, "ring")
    assert set(rings.creators.tolist()) <= set(rings.actors.tolist()) | {-1}
    assert (rings.creators != rings.actors).all()


def test_creators_are_people(world: World, likes: Likes) -> None:
    honest = of(likes, *CROWDS)
    assert np.isin(honest.creators, world.scene.people.creators).all()
    # They like things themselves, as people do.
    assert np.isin(honest.creators, honest.actors).mean() > 0.9


def test_honest_crowds_are_crowds(likes: Likes) -> None:
    releases = of(likes, "release")
    counts = np.unique(releases.targets, return_counts=True)[1]
    assert counts.max() > 20
    syncs = of(likes, "offline")
    most = max(np.bincount((syncs.times_ms - START_MS) // 1_000))
    assert most >= 5
    links = of(likes, "friends")
    several = [np.sort(links.times_ms[links.targets == t]) for t in np.unique(links.targets)[:2_000]]
    assert np.median([np.diff(times).min() for times in several if len(times) > 1]) < 10 * 60_000


def test_what_trends_is_the_same_for_everybody(likes: Likes) -> None:
    found = of(likes, "person")
    hour = found.take(found.times_ms // (2 * HOUR_MS) == found.times_ms[len(found) // 2] // (2 * HOUR_MS))
    counts = np.sort(np.unique(hour.targets, return_counts=True)[1])[::-1]
    assert 0.1 < counts[:30].sum() / len(hour) < 0.4


def test_events_fit_the_contract(world: World, likes: Likes) -> None:
    found = events(world, likes.take(slice(0, 3_000)), 10)
    assert [e["event_id"] for e in found[:2]] == ["3-10", "3-11"]
    for event in found:
        Like.model_validate(event)
    names = names_of(likes.actors)
    assert len(set(names)) == len(np.unique(likes.actors))
    assert len(set(targets_of(likes.targets))) == len(np.unique(likes.targets))
    assert {e["actor_kind"] for e in found if e["actor_id"].startswith("agent")} == {"agent"}


def test_time_runs_as_fast_as_the_rate_takes() -> None:
    found = pace(2_000, None, None, 0.1)
    assert (found.people, found.likes_a_day) == (20_000, LIKES_A_DAY)
    assert 380 < found.speed < 400
    settings = WorldSettings(people=found.people)
    taken = World(settings, START_MS).take(400_000)
    lasted = (taken.times_ms[-1] - taken.times_ms[0]) / 1000
    assert lasted / (400_000 / 2_000) == pytest.approx(found.speed, rel=0.15)


def test_or_people_are_as_many_as_it_takes() -> None:
    found = pace(20, None, 1.0, 0.1)
    assert 70_000 < found.people < 85_000
    assert pace(20, found.people, None, 0.1).speed == pytest.approx(1, rel=0.01)
    busy = pace(2_000, 20_000, 1.0, 0.1)
    assert busy.likes_a_day == pytest.approx(LIKES_A_DAY * pace(2_000, 20_000, None, 0.1).speed)


def test_a_fast_world_begins_in_the_past_and_ends_within_hours() -> None:
    now = START_MS + 40 * DAY_MS
    assert begin(SimulatorSettings(simulator_start=5), now) == 5
    assert begin(SimulatorSettings(simulator_speed=1), now) == now
    fast = SimulatorSettings(simulator_rate=2_000)
    assert now - 30 * DAY_MS < begin(fast, now) < now
    assert 1 < (now - begin(fast, now)) / 1000 / fast.pace.speed / 3600 < 6
