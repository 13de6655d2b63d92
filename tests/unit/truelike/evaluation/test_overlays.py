"""Attacks and honest crowds have the shapes that they claim."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from truelike.evaluation.attacks import ATTACKS
from truelike.evaluation.attacks.overlay import STRENGTHS
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, HOUR, MINUTE, SECOND, Likes
from truelike.evaluation.crowds import CROWDS
from truelike.evaluation.made_world import World, made_world


@pytest.fixture(scope="module")
def base() -> Background:
    return Background(made_world(World(people=2000, days=20, targets=3000, creators=200, sittings_a_day=0.3), 5))


def laid(base: Background, name: str, strength: str = "usual", seed: int = 1) -> Likes:
    return ATTACKS[name].lay(base, np.random.default_rng(seed), STRENGTHS[strength])


def crowd(base: Background, name: str, history: bool = False, seed: int = 1) -> Likes:
    return CROWDS[name].lay(base, np.random.default_rng(seed), history)


def spans(likes: Likes, by: np.ndarray) -> np.ndarray:
    """From the first to the last like of each, ms."""
    return np.array([np.ptp(likes.occurred_at[by == one]) for one in np.unique(by)])


def per_actor(likes: Likes) -> np.ndarray:
    return np.unique(likes.actor, return_counts=True)[1]


def follows(bots: Likes, base: Background) -> bool:
    """Ten accounts behind each of three people, each like one to ten minutes after the person's."""
    behind = []
    for bot in np.unique(bots.actor):
        own = bots.take(bots.actor == bot)
        for person in range(len(base.people)):
            liked = base.likes_of(person)
            if np.isin(own.target, liked.target).all():
                order = np.argsort(liked.target)
                before = liked.occurred_at[order][np.searchsorted(liked.target[order], own.target)]
                late = own.occurred_at - before
                if ((late >= MINUTE) & (late <= 10 * MINUTE)).all():
                    behind.append(person)
    return np.unique(behind, return_counts=True)[1].tolist() == [10, 10, 10]


def most_together(likes: Likes, window: int) -> int:
    """The greatest number of likes within any `window` ms."""
    times = np.sort(likes.occurred_at)
    return int((np.searchsorted(times, times + window, "right") - np.arange(len(times))).max())


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_is_fake_seeded_within_the_stream_and_stronger_with_strength(base: Background, name: str) -> None:
    weak, usual, strong = (laid(base, name, strength) for strength in STRENGTHS)
    assert usual.fake.all()
    assert len(usual)
    assert len(np.unique(weak.actor)) < len(np.unique(usual.actor)) < len(np.unique(strong.actor))
    again, other = laid(base, name), laid(base, name, seed=2)
    assert (again.occurred_at == usual.occurred_at).all()
    assert (again.target == usual.target).all()
    assert not np.array_equal(np.sort(other.occurred_at), np.sort(usual.occurred_at))
    assert usual.occurred_at.min() >= base.times[0] - DAY
    assert usual.occurred_at.max() <= base.times[-1] + DAY
    assert (usual.came_at == usual.occurred_at).all()
    newcomers = not np.isin(usual.actor, base.people).any()
    assert newcomers == (name != "hijacked")


@pytest.mark.parametrize("name", CROWDS)
def test_every_crowd_is_honest_seeded_and_lives_on_with_a_history(base: Background, name: str) -> None:
    bare, lived = crowd(base, name), crowd(base, name, history=True)
    assert not bare.fake.any()
    assert not lived.fake.any()
    assert np.array_equal(bare.occurred_at, crowd(base, name).occurred_at)
    if CROWDS[name].replaces:
        assert np.array_equal(np.unique(bare.actor), base.people)
    else:
        assert not np.isin(bare.actor, base.people).any()
        assert np.array_equal(np.unique(bare.actor), np.unique(lived.actor))
        assert len(lived) > 1.3 * len(bare) or name in ("offline_sync", "importers")
        assert lived.occurred_at.min() >= base.times[0]
        assert len(lived) > len(bare)


Shape = Callable[[Likes, Background], bool]
ATTACK_SHAPES: dict[str, Shape] = {
    "flood": lambda a, b: (per_actor(a) == 300).all() and (spans(a, a.actor) <= HOUR).all() and len(per_actor(a)) == 10,
    "popular_flood": lambda a, b: np.isin(a.target, b.targets[:600]).all() and (spans(a, a.actor) <= HOUR).all(),
    "lockstep": lambda a, b: (
        (per_actor(a) == 12).all()
        and len(per_actor(a)) == 40
        and (spans(a, a.target) <= MINUTE).all()
        and np.ptp(a.occurred_at) <= 31 * MINUTE
    ),
    "partial": lambda a, b: (
        per_actor(a).mean() == 12 and len(np.unique(per_actor(a))) > 1 and (spans(a, a.target) <= MINUTE).all()
    ),
    "camouflage": lambda a, b: (per_actor(a) == 32).all() and np.ptp(a.occurred_at) > DAY,
    "jitter": lambda a, b: (
        (per_actor(a) == 12).all()
        and (spans(a, a.target) <= 40 * MINUTE).all()
        and np.median(spans(a, a.target)) > 35 * MINUTE
    ),
    "drip": lambda a, b: (per_actor(a) == 22).all() and np.ptp(a.occurred_at) > 11 * DAY,
    "hijacked": lambda a, b: (per_actor(a) == 12).all() and np.ptp(a.occurred_at) <= 61 * MINUTE,
    "rotating": lambda a, b: (
        (np.unique(a.target, return_counts=True)[1] == 30).all() and len(np.unique(a.target)) == 20
    ),
    "throwaway": lambda a, b: (
        (per_actor(a) == 1).all() and len(np.unique(a.target)) == 3 and np.ptp(a.occurred_at) <= 6 * HOUR
    ),
    "metronome": lambda a, b: all(
        (np.abs(np.diff(np.sort(a.occurred_at[a.actor == one])) - 90 * SECOND) <= 4501).all()
        for one in np.unique(a.actor)
    ),
    "creators_ring": lambda a, b: (
        np.isin(a.creator, a.actor).all()
        and (a.creator != a.actor).all()
        and (np.sum(spans(a, a.target) <= 10 * MINUTE) == 14)
        and len(np.unique(a.target)) == 42
    ),
    "slow_ring": lambda a, b: (
        np.median(spans(a, a.target)[np.char.startswith(np.unique(a.target), "slow-ring")]) > 5 * DAY
    ),
    "churn": lambda a, b: (
        (a.unlike.sum(), (~a.unlike).sum()) == (20 * 5 * 7, 20 * 5 * 8) and (spans(a, a.actor) <= 61 * MINUTE).all()
    ),
    "relike": lambda a, b: a.unlike.mean() == 4 / 9 and np.median(spans(a, a.actor)) > DAY,
    "one_origin": lambda a, b: (a.origin == "farm").all() and len(per_actor(a)) == 60,
    "small_crew": lambda a, b: len(per_actor(a)) == 6 and (spans(a, a.target) <= MINUTE).all(),
    "big_raid": lambda a, b: (
        (np.unique(a.target, return_counts=True)[1] == 200).all()
        and (spans(a, a.target) <= 30 * MINUTE).all()
        and np.ptp(a.occurred_at) > 4 * DAY
    ),
    "copycat": lambda a, b: follows(a, b),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_has_its_shape(base: Background, name: str) -> None:
    assert ATTACK_SHAPES[name](laid(base, name), base)


def test_relikes_alternate(base: Background) -> None:
    for name in ("churn", "relike"):
        given = laid(base, name).in_order()
        pair = given.take((given.actor == given.actor[0]) & (given.target == given.target[0]))
        assert (pair.unlike == (np.arange(len(pair)) % 2 == 1)).all()


CROWD_SHAPES: dict[str, Shape] = {
    "flash_crowd": lambda c, b: len(per_actor(c)) == 400 and np.ptp(c.occurred_at) <= HOUR,
    "raid": lambda c, b: len(np.unique(c.target)) == 1 and np.ptp(c.occurred_at) <= 5 * MINUTE,
    "premiere": lambda c, b: most_together(c, 2 * MINUTE) > 200 and len(np.unique(c.creator)) == 1,
    "fan_club": lambda c, b: (
        len(per_actor(c)) == 25 and (c.creator == "fan-creator").all() and 11 < per_actor(c).mean() < 17
    ),
    "album": lambda c, b: (
        len(np.unique(c.target)) == 12
        and (c.creator == "album-artist").all()
        and (spans(c, c.actor) < 65 * MINUTE).all()
        and len(per_actor(c)) == 150
    ),
    "offline_sync": lambda c, b: (per_actor(c) == 200).all() and (spans(c, c.actor) <= 3 * SECOND).all(),
    "importers": lambda c, b: (spans(c, c.actor) == 0).all() and (c.occurred_at % SECOND == 0).all(),
    "onboarding": lambda c, b: (
        (per_actor(c) == 12).all() and len(np.unique(c.target)) == 30 and (spans(c, c.actor) <= 36 * SECOND).all()
    ),
    "like_keys": lambda c, b: (per_actor(c) == 40).all() and (spans(c, c.actor) <= 4 * MINUTE).all(),
    "couples": lambda c, b: (per_actor(c) == 12).all() and len(per_actor(c)) == 20,
    "friends_chat": lambda c, b: (per_actor(c) == 8).all() and len(per_actor(c)) == 30,
    "class_list": lambda c, b: (per_actor(c) == 15).all() and np.ptp(c.occurred_at) < 2 * HOUR,
    "digest": lambda c, b: (
        len(per_actor(c)) == 1500 and per_actor(c).max() <= 4 and np.ptp(c.occurred_at) < 25 * MINUTE
    ),
    "office": lambda c, b: len(per_actor(c)) == 60 and (c.origin == "office").all(),
    "retries": lambda c, b: 1.05 < len(c) / len(b.likes) < 1.15,
    "outage": lambda c, b: 0 < (c.came_at > c.occurred_at).mean() < 0.2 and (np.diff(c.came_at) >= 0).all(),
    "cut_to_minute": lambda c, b: (c.occurred_at % MINUTE == 0).all(),
    "cut_to_hour": lambda c, b: (c.occurred_at % HOUR == 0).all(),
    "cut_to_day": lambda c, b: (c.occurred_at % DAY == 0).all(),
}


@pytest.mark.parametrize("name", CROWDS)
def test_a_crowd_has_its_shape(base: Background, name: str) -> None:
    assert CROWD_SHAPES[name](crowd(base, name), base)


def test_likes_of_one_actor_are_of_different_targets(base: Background) -> None:
    for given in (crowd(base, "offline_sync"), laid(base, "metronome"), base.likes):
        pairs = np.char.add(np.char.add(given.actor, " "), given.target)
        assert len(np.unique(pairs)) == len(given)


def test_the_made_world_has_sittings_sleep_and_trends() -> None:
    made = made_world(World(people=3000, days=4), 9)
    assert np.array_equal(made.occurred_at, made_world(World(people=3000, days=4), 9).occurred_at)
    assert not np.array_equal(made.target[:100], made_world(World(people=3000, days=4), 10).target[:100])
    assert 3 < len(made) / 3000 / 4 < 9
    assert np.ptp(made.occurred_at) <= 4 * DAY
    # Of an hour's likes a third at least go to its 30 most liked things, which are others a day later.
    in_hour = [made.target[(made.occurred_at - made.occurred_at[0]) // HOUR == hour] for hour in (40, 64)]
    tops = []
    for liked in in_hour:
        found, counts = np.unique(liked, return_counts=True)
        top = np.argsort(-counts)[:30]
        assert counts[top].sum() > len(liked) / 3
        tops.append(set(found[top][:20]))
    assert len(tops[0] & tops[1]) < 5
    # Somebody who likes much is away for six hours each day.
    lively = np.unique(made.actor, return_counts=True)
    one = np.sort(made.occurred_at[made.actor == lively[0][lively[1].argmax()]])
    assert np.diff(one).max() > 5 * HOUR
