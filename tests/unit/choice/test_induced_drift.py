"""How far two arms' own tastes are apart: the divergence itself, planted drift, none, and logs that cannot say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.choice.figures import induced_drift
from services.choice.figures.induced_drift import _poisson
from services.choice.log import Log
from shared.exposures import ARMS
from shared.hashing import mix
from shared.measures.divergence import divergence
from truelike.evaluation.choice_world import World, make
from truelike.evaluation.drift_world import DriftWorld
from truelike.evaluation.drift_world import make as make_drift

counts = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any).map(lambda c: np.array(c, np.float64))


@given(counts, counts)
def test_the_divergence_is_between_none_and_a_bit_and_has_no_direction(first: np.ndarray, second: np.ndarray) -> None:
    found = divergence(first, second)
    assert -1e-12 <= found <= 1 + 1e-12
    assert found == pytest.approx(divergence(second, first))
    assert divergence(first, first * 3) == pytest.approx(0.0)


def test_nothing_in_common_is_a_bit() -> None:
    assert divergence(np.array([3.0, 0.0]), np.array([0.0, 8.0])) == 1.0
    # H(1/4, 3/4) less the mean of H(1/2, 1/2) and H(0, 1).
    by_hand = -(0.25 * np.log2(0.25) + 0.75 * np.log2(0.75)) - 0.5
    assert divergence(np.array([1.0, 1.0]), np.array([0.0, 2.0])) == pytest.approx(by_hand)


def test_poisson_numbers_are_poisson() -> None:
    drawn = _poisson(mix(np.arange(1, 200_001).astype(np.uint64), np.full(200_000, 9, np.uint64)))
    assert drawn.mean() == pytest.approx(1.0, abs=0.01)
    assert drawn.var() == pytest.approx(1.0, abs=0.02)
    assert (drawn == 0).mean() == pytest.approx(np.exp(-1), abs=0.005)


@pytest.mark.parametrize("moved", [0.0, 0.1, 0.5])
def test_planted_drift_is_found(moved: float) -> None:
    world = DriftWorld(people=600, likes=9000, moved=moved)
    figures = list(induced_drift.measure(make_drift(world, 1000)))
    assert [figure.about["by"] for figure in figures] == ["creator", "topic"]
    for figure in figures:
        truth = world.truth(figure.about["by"])
        assert figure.value == pytest.approx(truth, abs=0.012)
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= truth <= figure.high
        assert figure.high - figure.low < 0.08
        assert figure.sentence.startswith(f"By {figure.about['by']}, what people like by themselves is between ")
    assert list(induced_drift.measure(make_drift(world, 1000))) == figures


def test_only_what_people_like_by_themselves_counts() -> None:
    log = make_drift(DriftWorld(), 4)
    nudged = replace(log, likes=replace(log.likes, surface=np.full(len(log.likes), 3, np.int8)))
    why = {figure.why for figure in induced_drift.measure(nudged)}
    assert why == {"0 people who are treated gave 0 likes of their own; it takes 50 and 200"}


def test_who_was_in_both_arms_is_in_none() -> None:
    log = make_drift(DriftWorld(), 4)
    shown = log.shown
    moved = shown.take(np.r_[np.arange(len(shown)), 0])
    moved.arm[-1] = ARMS.index("treated") + ARMS.index("holdout") - moved.arm[0]
    assert {f.why for f in induced_drift.measure(replace(log, shown=moved))} == {"one person was in both arms"}


def test_what_is_unknown_is_said() -> None:
    log = make_drift(DriftWorld(), 4)
    creator = log.likes.creator.copy()
    creator[::4] = 0
    by_creator, by_topic = induced_drift.measure(replace(log, likes=replace(log.likes, creator=creator)))
    assert by_creator.unknown_share == pytest.approx(0.25)
    assert by_creator.identified
    assert by_topic.unknown_share == 0
    assert by_topic == list(induced_drift.measure(log))[1]


@pytest.mark.parametrize("of", ["creator", "topic"])
def test_taste_is_known_by_one_of_them_alone(of: str) -> None:
    """Where no like says the other, and where too few do."""
    log = make_drift(DriftWorld(), 4)
    for said, why in ((0, f"of none of the likes that people gave by themselves the {of} is known"), (150, "takes 50")):
        column = np.where(np.arange(len(log.likes)) < said, getattr(log.likes, of), np.uint64(0))
        figures = {
            f.about["by"]: f for f in induced_drift.measure(replace(log, likes=replace(log.likes, **{of: column})))
        }
        assert why in str(figures.pop(of).why)
        (other,) = figures.values()
        assert other.identified
        assert other in list(induced_drift.measure(log))


def test_topics_are_nobody_elses_creators() -> None:
    """People of the same creators, by other topics: treated ones like what each makes of something else."""
    log = make_drift(DriftWorld(moved=0.0), 4)
    treated = log.shown.actor[log.shown.arm == ARMS.index("treated")]
    topic = np.where(np.isin(log.likes.actor, treated), log.likes.topic + np.uint64(100), log.likes.topic)
    by_creator, by_topic = induced_drift.measure(replace(log, likes=replace(log.likes, topic=topic)))
    assert by_creator.value == pytest.approx(0.0, abs=0.03)
    assert by_topic.value is not None
    assert by_topic.value > 0.9


def test_without_an_experiment_nothing_is_said() -> None:
    plain = make(World(in_arms=0.0), 1).log
    assert {f.why for f in induced_drift.measure(plain)} == {"no experiment parted people"}
    nothing: Log = replace(plain, shown=plain.shown.take(slice(0, 0)), policies=())
    assert [f.why for f in induced_drift.measure(nothing)] == ["there are no exposures"]
