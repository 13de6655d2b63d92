"""Likeness of charts: against infinite sums, the paper's equations and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.charts.rank_overlap import Ranking, kendall_tau_b, rank_biased_overlap, slots_changed

DEEP = 2_000
ALPHABET = "abcdefghijklmnop"


def endless(first: list[str], second: list[str], p: float) -> float:
    """The overlap itself, term by term, of rankings so long that what follows is nothing."""
    total, seen_first, seen_second = 0.0, set(), set()
    for depth, (a, b) in enumerate(zip(first, second, strict=True), 1):
        seen_first.add(a)
        seen_second.add(b)
        total += (1 - p) * p ** (depth - 1) * len(seen_first & seen_second) / depth
    return total


def apart(first: list[str], second: list[str]) -> tuple[list[str], list[str]]:
    """Both go on with what the other never has."""
    return (
        first + [f"first{n}" for n in range(DEEP - len(first))],
        second + [f"second{n}" for n in range(DEEP - len(second))],
    )


def together(first: list[str], second: list[str]) -> tuple[list[str], list[str]]:
    """Both go on with what the other has already, then alike."""
    found = []
    for one, other in ((first, second), (second, first)):
        lacking = [e for e in other if e not in one]
        found.append(one + lacking)
    # The shorter one takes all of the longer one's, whose order below is its own.
    return tuple(f + [f"new{n}" for n in range(DEEP - len(f))] for f in found)  # type: ignore[return-value]


rankings = st.permutations(list(ALPHABET)).flatmap(
    lambda items: st.integers(1, len(items)).map(lambda size: list(items[:size]))
)


@given(rankings, rankings, st.sampled_from([0.5, 0.8, 0.9]))
def test_the_bounds_are_those_of_the_worst_and_the_best_that_may_follow(
    first: list[str], second: list[str], p: float
) -> None:
    found = rank_biased_overlap(Ranking.of(first), Ranking.of(second), p)
    assert found.least == pytest.approx(endless(*apart(first, second), p), abs=1e-9)
    assert found.most == pytest.approx(endless(*together(first, second), p), abs=1e-9)
    assert found.least - 1e-12 <= found.extrapolated <= found.most + 1e-12
    assert found == rank_biased_overlap(Ranking.of(second), Ranking.of(first), p)


@given(rankings, rankings, st.sampled_from([0.5, 0.9]))
def test_the_papers_equations(first: list[str], second: list[str], p: float) -> None:
    short, long = sorted((first, second), key=len)
    s, l = len(short), len(long)  # noqa: E741
    x = [len(set(short[:d]) & set(long[:d])) for d in range(l + 1)]
    found = rank_biased_overlap(Ranking.of(first), Ranking.of(second), p)
    least = (1 - p) / p * (sum((x[d] - x[l]) * p**d / d for d in range(1, l + 1)) - x[l] * math.log(1 - p))
    assert found.least == pytest.approx(least)
    f = l + s - x[l]
    residual = (
        p**s
        + p**l
        - p**f
        - (1 - p)
        / p
        * (
            s * sum(p**d / d for d in range(s + 1, f + 1))
            + l * sum(p**d / d for d in range(l + 1, f + 1))
            + x[l] * (math.log(1 / (1 - p)) - sum(p**d / d for d in range(1, f + 1)))
        )
    )
    assert found.most - found.least == pytest.approx(residual)
    extrapolated = (1 - p) / p * (
        sum(x[d] / d * p**d for d in range(1, l + 1))
        + sum(x[s] * (d - s) / (s * d) * p**d for d in range(s + 1, l + 1))
    ) + ((x[l] - x[s]) / l + x[s] / s) * p**l
    assert found.extrapolated == pytest.approx(extrapolated)


def test_identical_ones_are_wholly_alike_and_disjoint_ones_not_at_all() -> None:
    one = Ranking.of(list("abcde"))
    same, none = rank_biased_overlap(one, one), rank_biased_overlap(one, Ranking.of(list("vwxyz")))
    assert (same.extrapolated, same.most) == (pytest.approx(1), pytest.approx(1))
    assert same.least < 1
    assert (none.least, none.extrapolated) == (0, 0)
    assert none.most < 1


def test_the_more_is_seen_the_closer_the_bounds() -> None:
    first, second = list("abcdefgh"), list("bacdhgfe")
    found = [rank_biased_overlap(Ranking.of(first[:k]), Ranking.of(second[:k])) for k in range(1, 9)]
    assert np.all(np.diff([f.least for f in found]) >= 0)
    assert np.all(np.diff([f.most for f in found]) <= 1e-12)


def test_a_change_at_the_top_weighs_more_than_one_below() -> None:
    base = list("abcdefgh")
    top, bottom = ["x", *base[1:]], [*base[:-1], "x"]
    first = Ranking.of(base)
    of_top, of_bottom = (rank_biased_overlap(first, Ranking.of(other)) for other in (top, bottom))
    assert of_top.extrapolated < of_bottom.extrapolated


def test_who_is_tied_stands_at_the_first_place_of_the_tie() -> None:
    tied, ordered = Ranking.of(list("ab"), [5, 5]), Ranking.of(list("ba"))
    assert tied.ranks == (1, 1)
    # Depth 1: both against one, one in common, 2 * 1 / 3; depth 2: all.
    seen = 0.5 * 2 / 3 + 0.25
    assert rank_biased_overlap(tied, ordered, 0.5).extrapolated == pytest.approx(seen + 0.25)
    assert rank_biased_overlap(tied, Ranking.of(list("ba"), [5, 5]), 0.5).extrapolated == pytest.approx(1)


def test_of_an_empty_chart_nothing_is_known() -> None:
    found = rank_biased_overlap(Ranking.of([]), Ranking.of(["a"]))
    assert (found.least, found.most) == (0, 1)


def test_a_ranking_says_what_is_wrong_with_it() -> None:
    with pytest.raises(ValueError, match="scores rise"):
        Ranking.of(["a", "b"], [1, 2])
    with pytest.raises(ValueError, match="twice"):
        Ranking.of(["a", "a"])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_tau_b_is_that_of_counting_pairs(pairs: list[tuple[int, int]]) -> None:
    agree = differ = tied_first = tied_second = 0
    for k, (x, y) in enumerate(pairs):
        for u, v in pairs[:k]:
            agree += (x - u) * (y - v) > 0
            differ += (x - u) * (y - v) < 0
            tied_first += x == u
            tied_second += y == v
    all_pairs = len(pairs) * (len(pairs) - 1) // 2
    ordered = math.sqrt((all_pairs - tied_first) * (all_pairs - tied_second))
    found = kendall_tau_b([x for x, _ in pairs], [y for _, y in pairs])
    assert found == (pytest.approx((agree - differ) / ordered) if ordered else None)


def test_slots_changed_are_those_of_the_first_that_the_second_lacks() -> None:
    assert slots_changed(list("abcd"), list("bxad"), 3) == 1
    assert slots_changed(list("abcd"), list("dcba"), 4) == 0
    assert slots_changed(list("abc"), [], 3) == 3
