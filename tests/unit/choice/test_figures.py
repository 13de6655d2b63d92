"""The figures on made platforms whose truth is known, and beside brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.choice.figures import FIGURES, caused_share, measure, self_directed_novelty, slot_effect, surface_mix
from services.choice.log import Likes, Log, Shown
from services.choice.off_policy import OffPolicySums
from shared.events import SURFACES
from shared.measures.figure import NOT_MATURED, Figure
from tests.likes import START_MS
from truelike.evaluation.choice_world import World, make

DAY = 86_400_000
ORGANIC, UNKNOWN, RECOMMENDED = (SURFACES.index(name) for name in ("organic", "unknown", "recommended"))


def likes_of(rows: list[tuple[int, int, int, int]]) -> Likes:
    """(actor, creator, day, surface); creator 0: not known."""
    rows = sorted(rows, key=lambda r: r[2])
    actor, creator, day, surface = (np.array([r[i] for r in rows], np.int64) for i in range(4))
    n = len(rows)
    return Likes(
        actor.astype(np.uint64),
        np.arange(n).astype(np.uint64),
        creator.astype(np.uint64),
        START_MS + day * DAY,
        surface.astype(np.int8),
        np.ones(n),
        np.full(n, np.nan),
        np.full(n, np.nan),
    )


def shown_of(rows: list[tuple[int, int, int, bool]]) -> Shown:
    """(actor, creator, day, withheld)."""
    rows = sorted(rows, key=lambda r: r[2])
    actor, creator, day, withheld = (np.array([r[i] for r in rows], np.int64) for i in range(4))
    n, no = len(rows), np.zeros(len(rows), np.int64)
    times = START_MS + day * DAY
    return Shown(
        np.arange(n), actor.astype(np.uint64), no.astype(np.uint64), creator.astype(np.uint64), times,
        no.astype(np.int8), no.astype(np.int8), no, no, np.full(n, np.nan), no, withheld.astype(np.bool_),
    )  # fmt: skip


def said(figures: list[Figure], **about: object) -> Figure:
    (found,) = [f for f in figures if all(f.about.get(k) == v for k, v in about.items())]
    return found


actions = st.lists(
    st.tuples(
        st.integers(1, 2), st.integers(0, 3), st.integers(0, 70), st.sampled_from([ORGANIC, UNKNOWN, RECOMMENDED])
    ),
    min_size=1,
    max_size=15,
    unique_by=lambda r: (r[0], r[1], r[2]),
)
slates = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 3), st.integers(0, 70), st.booleans()), max_size=10)


@given(actions, slates)
@settings(deadline=None)
def test_novelty_is_what_nobody_had_put_there_before(
    given_likes: list[tuple[int, int, int, int]], given_slates: list[tuple[int, int, int, bool]]
) -> None:
    log = Log(likes_of(given_likes), shown_of(given_slates), ("p",), START_MS + 100 * DAY)
    (figure,) = self_directed_novelty.measure(log)
    sure = possible = 0
    for actor, creator, day, surface in given_likes:
        earlier = [(a, c, d) for a, c, d, _ in given_likes] + [(a, c, d) for a, c, d, w in given_slates if not w]
        seen = creator != 0 and any(a == actor and c == creator and 0 < day - d <= 28 for a, c, d in earlier)
        # What is of nobody known may be of the same creator.
        nameless = any(a == actor and c == 0 and 0 < day - d <= 28 for a, c, d in earlier)
        if creator == 0 or (not seen and (surface == UNKNOWN or (surface == ORGANIC and nameless))):
            possible += 1
        elif not seen and surface == ORGANIC:
            sure += 1
    n = len(given_likes)
    assert figure.high == pytest.approx((sure + possible) / n)
    assert figure.low == pytest.approx(sure / n if given_slates else 0.0)


def test_surfaces_are_bounded_by_what_is_unknown() -> None:
    rows = [(n, 1, n, ORGANIC) for n in range(60)] + [(n, 1, n, UNKNOWN) for n in range(20)]
    rows += [(n, 1, n, RECOMMENDED) for n in range(20)]
    log = Log(likes_of(rows), shown_of([]), (), START_MS + 100 * DAY)
    figures = list(surface_mix.measure(log))
    organic = said(figures, surface="organic")
    assert (organic.low, organic.high, organic.value, organic.level) == pytest.approx((0.6, 0.8, 0.75, 1.0))
    assert organic.sentence == "Between 60.0 % and 80.0 % of likes came by way of: organic."
    assert said(figures, surface="recommended").identified
    few = Log(likes_of(rows[:-1]), shown_of([]), (), START_MS + 100 * DAY)
    hidden = said(list(surface_mix.measure(few)), surface="recommended")
    assert (hidden.value, hidden.why) == (None, "fewer than 20 people, whom it could tell of")


def test_where_no_surface_is_known_there_is_no_mix() -> None:
    log = Log(likes_of([(n, 1, n, UNKNOWN) for n in range(30)]), shown_of([]), (), START_MS + 100 * DAY)
    (figure,) = surface_mix.measure(log)
    assert figure.sentence == "Not identified: no like says by which surface it came."


def test_without_likes_or_slates_every_figure_says_what_it_lacks() -> None:
    figures = measure(Log(likes_of([]), shown_of([]), (), 0))
    assert len(figures) == len(FIGURES)
    assert not any(f.identified for f in figures)
    assert {f.sentence for f in figures} == {
        "Not identified: there are no likes.",
        "Not identified: nothing was forecast of the likes.",
        "Not identified: there are no exposures.",
        "Not identified: there are no buys.",
    }


def test_what_was_planted_is_found() -> None:
    world = World(people=4000, slates=10)
    made = make(world, 11)
    figures = measure(made.log)
    share = said(figures, withheld_by="item")
    assert share.low is not None
    assert share.high is not None
    assert share.low <= 0.3 <= share.high
    assert share.high - share.low < 0.12
    assert share.more["uplift_low"] < made.if_shown.mean() - made.if_withheld.mean() < share.more["uplift_high"]
    theta = world.theta()
    for rank in range(1, world.size):
        slot = said(figures, rank=rank)
        assert slot.low is not None
        assert slot.high is not None
        assert slot.low <= theta[rank] / theta[0] <= slot.high


def test_what_nobody_is_caused_to_like_says_so() -> None:
    """Where people like what they like whether it is shown or not, nothing is caused."""
    made = make(World(people=2000), 3)
    shown = made.log.shown
    rng = np.random.default_rng(1)
    rows = np.flatnonzero(rng.random(len(shown)) < 0.3)
    columns = (shown.actor, shown.target, shown.creator, shown.time + 1, shown.surface)
    ones, nothing = np.ones(len(shown)), np.full(len(shown), np.nan)
    likes = Likes(*columns, ones, nothing, nothing).take(rows)
    figure = said(list(caused_share.measure(replace(made.log, likes=likes))), withheld_by="item")
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < 0 < figure.high < 0.1
    assert figure.sentence.startswith("Of 100 likes of what policy-a showed, at most")


def test_few_people_few_withheld_few_likes_bound_nothing() -> None:
    small = make(World(people=80, slates=40, in_arms=0.0), 1).log
    assert said(list(caused_share.measure(small)), withheld_by="item").why == "80 people; it takes 100"
    rare = make(World(people=300, slates=2, withheld=0.01, in_arms=0.0), 1).log
    assert "items were withheld; it takes 100" in str(said(list(caused_share.measure(rare)), withheld_by="item").why)
    made = make(World(people=600), 1).log
    unliked = replace(made, likes=made.likes.take(np.arange(30)))
    assert "likes of shown" in str(said(list(caused_share.measure(unliked)), withheld_by="item").why)
    assert "has" in str(said(list(slot_effect.measure(unliked)), rank=3).why)


def test_a_place_in_a_slate_does_nothing_for_likes_by_another_surface() -> None:
    """Not even where the policy chooses there too."""
    made = make(World(people=600, unknown_surface=0.0), 1).log
    search, recommended = SURFACES.index("search"), SURFACES.index("recommended")
    by_search = made.shown.slate % 2 == 0
    shown = replace(made.shown, surface=np.where(by_search, search, recommended).astype(np.int8))
    own = np.isin(made.likes.target, made.shown.target[by_search])
    surface = np.where(own, recommended, search).astype(np.int8)
    likes = replace(made.likes, surface=surface)
    crossed = said(list(slot_effect.measure(replace(made, shown=shown, likes=likes))), rank=1)
    assert crossed.why == "rank 0 has 0 likes; it takes 20"
    likes = replace(made.likes, surface=np.where(own, search, recommended).astype(np.int8))
    assert said(list(slot_effect.measure(replace(made, shown=shown, likes=likes))), rank=1).identified


def test_a_like_is_due_to_the_slate_that_showed_it_last_even_if_that_has_not_matured() -> None:
    shown = replace(
        shown_of([(1, 0, 0, False), (1, 0, 0, False)]),
        time=np.array([START_MS, START_MS + DAY // 2]),
        rank=np.array([3, 0]),
        propensity=np.full(2, 0.5),
        candidates=np.full(2, 2),
    )
    given = replace(likes_of([(1, 0, 0, 0)]), time=np.array([START_MS + DAY * 3 // 4]))
    log = Log(given, shown, ("policy",), START_MS + DAY)
    assert log.matured.rank.tolist() == [3]
    of_rank = slot_effect.state(log).sums["policy", "3"].totals
    assert (of_rank[slot_effect.ITEMS], of_rank[slot_effect.LIKES]) == (1, 0)
    alone = slot_effect.state(replace(log, shown=log.matured)).sums["policy", "3"].totals
    assert alone[slot_effect.LIKES] == 1


def test_what_has_not_matured_is_left_out() -> None:
    made = make(World(people=600), 1).log
    early = made.until(int(made.shown.time[0]) + 3_600_000)
    for one in (caused_share, slot_effect):
        (figure,) = one.measure(early)
        assert (figure.n, figure.why) == (0, NOT_MATURED)


@given(st.lists(st.tuples(st.floats(0.01, 10), st.integers(0, 1)), min_size=2, max_size=30), st.integers(1, 29))
def test_sums_of_parts_are_the_sums_of_the_whole(rows: list[tuple[float, int]], cut: int) -> None:
    weight, reward = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    whole = OffPolicySums.of(weight, reward)
    merged = OffPolicySums.of(weight[:cut], reward[:cut]) + OffPolicySums.of(weight[cut:], reward[cut:])
    found, expected = merged.self_normalised(), whole.self_normalised()
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert found.value == pytest.approx((weight * reward).sum() / weight.sum())
    assert 1 - 1e-9 <= merged.effective <= len(rows) + 1e-9
