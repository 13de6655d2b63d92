"""A like that names its slate is of that one: beside brute force, and what that changes in figures, and what not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.choice import named_slates
from services.choice.figures import caused_share, slot_effect
from services.choice.log import ATTRIBUTION_MS, NO_SLATE, Likes, Log, Shown
from shared.events import SURFACES
from tests.likes import START_MS
from truelike.evaluation.choice_world import World, make

HOUR = 3_600_000
UNKNOWN = SURFACES.index("unknown")

# (actor, target, hour, slate that is named, surface) and (slate, actor, target, hour, surface, withheld).
few, hours, surfaces = st.integers(1, 2), st.integers(0, 50), st.integers(2, 3)
likes_given = st.lists(st.tuples(few, few, hours, st.integers(0, 4), surfaces), max_size=12)
slates_given = st.lists(st.tuples(st.integers(1, 3), few, few, hours, surfaces, st.booleans()), max_size=12)
Liked = tuple[int, int, int, int, int]
Item = tuple[int, int, int, int, int, bool]


def likes_of(rows: list[Liked]) -> Likes:
    rows = sorted(rows, key=lambda r: r[2])
    actor, target, hour, slate, surface = (np.array([r[i] for r in rows], np.int64) for i in range(5))
    n, ids = len(rows), (actor.astype(np.uint64), target.astype(np.uint64), np.zeros(len(rows), np.uint64))
    none = np.full(n, np.nan)
    return Likes(*ids, START_MS + hour * HOUR, surface.astype(np.int8), np.ones(n), none, none, slate=slate)


def shown_of(rows: list[Item]) -> Shown:
    rows = sorted(rows, key=lambda r: r[3])
    slate, actor, target, hour, surface, withheld = (np.array([r[i] for r in rows], np.int64) for i in range(6))
    n, no = len(rows), np.zeros(len(rows), np.int64)
    return Shown(
        slate, actor.astype(np.uint64), target.astype(np.uint64), no.astype(np.uint64), START_MS + hour * HOUR,
        surface.astype(np.int8), no.astype(np.int8), no, no, np.full(n, np.nan), no, withheld.astype(np.bool_),
    )  # fmt: skip


def held(like: Liked, slates: list[Item]) -> list[Item]:
    """What the slate that it names did with its target, in time."""
    actor, target, hour, named, _ = like
    return [i for i in slates if i[:3] == (named, actor, target) and 0 <= hour - i[3] <= 24]


@given(likes_given, slates_given)
@settings(deadline=None, max_examples=300)
def test_a_name_is_known_where_that_slate_held_the_target(given_likes: list[Liked], slates: list[Item]) -> None:
    given_likes.sort(key=lambda r: r[2])
    found = named_slates.of(likes_of(given_likes), shown_of(slates))
    expected = [held(like, slates) for like in given_likes]
    assert found.known.tolist() == [bool(items) for items in expected]
    assert found.slate.tolist() == [like[3] if items else 0 for like, items in zip(given_likes, expected, strict=True)]
    assert found.showed.tolist() == [any(not i[5] for i in items) for items in expected]


@given(likes_given, slates_given)
@settings(deadline=None, max_examples=300)
def test_a_like_is_due_to_its_own_slate_or_else_to_the_latest(given_likes: list[Liked], slates: list[Item]) -> None:
    given_likes.sort(key=lambda r: r[2])
    slates.sort(key=lambda r: r[3])
    # A target once a slate, and no two slates of one moment: which of them is the latest is no matter here.
    slates = list({i[0]: i for i in {i[1:4]: i for i in slates}.values()}.values())
    slates.sort(key=lambda r: r[3])
    likes, shown = likes_of(given_likes), shown_of(slates)
    likes = replace(likes, slate=named_slates.of(likes, shown).slate)
    seen = [i for i in slates if not i[5]]
    due = set[Item]()
    for actor, target, hour, named, surface in given_likes:
        if held((actor, target, hour, named, surface), slates):
            due |= {i for i in seen if i[:3] == (named, actor, target)}
        else:
            before = [i for i in seen if i[1:3] == (actor, target) and i[4] == surface and i[3] <= hour]
            due |= {i for i in before[-1:] if hour - i[3] <= 24}
    found = slot_effect._outcomes(shown.take(~shown.withheld), likes)
    assert found.tolist() == [float(i in due) for i in seen]


def named(world: World, seed: int) -> tuple[Log, Log]:
    """A made platform whose clients say no surface, and, of what came by way of a slate, which; and one that says
    neither.
    """
    log = make(replace(world, named=1.0), seed).log
    likes = replace(log.likes, surface=np.full(len(log.likes), UNKNOWN, np.int8))
    silent = replace(likes, slate=np.full(len(likes), NO_SLATE))
    return replace(log, likes=likes), replace(log, likes=silent)


def test_the_slate_says_what_no_surface_says() -> None:
    world = World(people=1500)
    log, silent = named(world, 5)
    theta = world.theta()
    found = list(slot_effect.measure(log))
    assert len(found) == 9
    for figure in found:
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= theta[figure.about["rank"]] / theta[0] <= figure.high
    assert {figure.why for figure in slot_effect.measure(silent)} == {"rank 0 has 0 likes; it takes 20"}


def test_what_caused_a_like_is_no_matter_of_the_slate_that_it_names() -> None:
    """Whoever finds by another slate what was withheld would have liked it all the same."""
    log, silent = named(World(people=600), 5)
    assert list(caused_share.measure(log)) == list(caused_share.measure(silent))
    shown = shown_of([(1, 1, 1, 0, 3, True), (2, 1, 1, 5, 3, False)])
    shown = replace(shown, time=shown.time - 2 * ATTRIBUTION_MS)
    likes = likes_of([(1, 1, 6, 2, 3)])
    likes = replace(likes, time=likes.time - 2 * ATTRIBUTION_MS)
    (sums,) = caused_share.state(Log(likes, shown, ("p",), START_MS)).sums.values()
    assert sums.totals[:4].tolist() == [1, 1, 1, 1]
