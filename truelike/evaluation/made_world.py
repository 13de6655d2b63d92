"""A made world of people: a stream whose truth is known, where a feed shows everybody the same things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from truelike.evaluation.columns import DAY, HOUR, I64, MINUTE, SECOND, Likes, likes, names


@dataclass(frozen=True)
class World:
    """People like in sittings, in the waking hours of a time zone of their own. `trending_share` of the likes go to
    the `trending` things that the feed shows everybody for `trending_hours`; the others by taste, Zipf. Each target
    has a creator, one of the people. The usual figures give about 360,000 likes.
    """

    people: int = 20_000
    days: int = 3
    targets: int = 20_000
    creators: int = 2_000
    sittings_a_day: float = 0.8
    likes_a_sitting: float = 8.0
    trending: int = 30
    trending_hours: int = 2
    trending_share: float = 0.5
    begin_ms: int = 1_750_000_000_000 // DAY * DAY


def made_world(world: World, seed: int) -> Likes:
    rng = np.random.default_rng(seed)
    # Some people like far more than others do.
    liveliness = rng.lognormal(-0.5, 1.0, world.people)
    # A day before and after, so that no time zone begins or ends short.
    days = world.days + 2
    sittings = rng.poisson(liveliness * world.sittings_a_day * days)
    of = np.repeat(np.arange(world.people), sittings)
    each = rng.geometric(1 / world.likes_a_sitting, len(of))
    who = np.repeat(of, each)
    times = world.begin_ms + _times(world, rng, of, each)
    kept = (times >= world.begin_ms) & (times < world.begin_ms + world.days * DAY)
    who, times = who[kept], times[kept]
    target = _targets(world, rng, times)
    creator_of = rng.integers(0, min(world.creators, world.people), world.targets)
    people = names("person", world.people)
    # A person likes a thing once.
    order = np.argsort(times, kind="stable")
    _, first = np.unique((who * world.targets + target)[order], return_index=True)
    once = order[np.sort(first)]
    who, target, times = who[once], target[once], times[once]
    return likes(times, people[who], names("thing", world.targets)[target], creator=people[creator_of[target]])


def _times(world: World, rng: np.random.Generator, of: I64, each: I64) -> I64:
    """Times of all likes of all sittings, ms from the world's begin."""
    zone = rng.integers(0, 24, world.people) * HOUR
    # Seven in the morning to midnight, most in the evening.
    hour = 7 + 17 * rng.beta(2.5, 1.5, len(of))
    day = rng.integers(-1, world.days + 1, len(of)) * DAY
    begin = day + (hour * HOUR).astype(np.int64) + zone[of] - 12 * HOUR
    gaps = np.minimum(rng.lognormal(np.log(25 * SECOND), 1.0, int(each.sum())), 10 * MINUTE).astype(np.int64)
    along = np.cumsum(gaps)
    firsts = np.cumsum(each) - each
    return np.repeat(begin - along[firsts], each) + along


def _targets(world: World, rng: np.random.Generator, times: I64) -> I64:
    taste = _zipf(world.targets, 0.8)
    chosen = rng.choice(world.targets, len(times), p=taste)
    shown = (times - world.begin_ms) // (world.trending_hours * HOUR)
    boards = rng.integers(0, world.targets, (int(shown.max(initial=0)) + 1, world.trending))
    place = rng.choice(world.trending, len(times), p=_zipf(world.trending, 0.5))
    trends = rng.random(len(times)) < world.trending_share
    return np.where(trends, boards[shown, place], chosen)


def _zipf(count: int, exponent: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    weights = np.arange(1, count + 1) ** -exponent
    return np.asarray(weights / weights.sum(), np.float64)
