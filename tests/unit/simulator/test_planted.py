"""What is planted in the simulated world is found by the figures of choice, from its likes, slates and buys alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import msgspec
import numpy as np
import pytest

from services.choice.figures import buyer_ladder, caused_share, induced_drift, slot_effect
from services.choice.log import Log, buys_of, likes_of, shown_of
from services.choice.moments import outcomes
from services.simulator.buys import LADDER, NEW, RUNGS, buy_events
from services.simulator.crowds import CROWDS
from services.simulator.events import events
from services.simulator.feeds import RECOMMENDED
from services.simulator.recommender import CAUSED_SHARE, THETA, WITHHELD_SHARE
from services.simulator.settings import DAY_MS, Planted, WorldSettings
from services.simulator.slates import slate_events
from services.simulator.stream import Stream
from services.simulator.world import World
from shared.contract.slates import parse, to_items
from shared.exposures import HOLDOUT, NO_ARM, TREATED
from shared.frames import from_message, join
from shared.hashing import mix
from shared.measures.figure import Figure
from shared.schemas import LIKES
from tests.likes import START_MS
from truelike.files.offline import OfflineIngest

PLANTED = Planted(buys=0.02)
SEEDS = (201, 202, 203)
MANY = 120_000
PEOPLE = 2_000
FAR_MS = START_MS + 1000 * DAY_MS


@dataclass(frozen=True)
class Made:
    """What went out, as the choice service has it; and the drift that is to be expected."""

    log: Log
    drift: float


@cache
def made(seed: int, planted: Planted = PLANTED) -> Made:
    """Of people and their agents; bots' likes weigh nothing once they are judged."""
    world = World(WorldSettings(seed, people=PEOPLE), START_MS)
    stream = Stream(world, planted)
    likes, slates, buys = stream.take(MANY, FAR_MS)
    sent = events(world, likes.take(likes.kinds < len(CROWDS)), 0) + buy_events(buys, 0, seed)
    sent.sort(key=lambda event: event["occurred_at"])
    ingest = OfflineIngest(1)
    outputs = [*ingest.take([msgspec.json.encode(e) for e in sent], [e["actor_id"] for e in sent]), *ingest.end()]
    batch = join([from_message(o.value, o.headers).batch for o in outputs], LIKES)
    messages = [msgspec.json.encode(event) for event in slate_events(slates, 0, seed)]
    shown, policies = shown_of(to_items([parse(message, {}, FAR_MS) for message in messages]))
    log = Log(likes_of(batch), shown, policies, int(shown.time[-1]), buys=buys_of(batch))
    assert stream.recommender is not None
    return Made(log, stream.recommender.drift.expected())


def holds(figure: Figure, truth: float) -> bool:
    assert figure.identified, figure.why
    assert figure.low is not None
    assert figure.high is not None
    return figure.low < truth < figure.high


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("policy", ["learner", "uniform"])
def test_figure_4_finds_the_caused_share(seed: int, policy: str) -> None:
    log = made(seed).log
    (figure,) = (
        f for f in caused_share.measure(log) if (f.about["policy"], f.about["withheld_by"]) == (policy, "item")
    )
    shown = log.matured.take(
        (log.matured.policy == log.policies.index(policy)) & (log.matured.arm == NO_ARM) & ~log.matured.withheld
    )
    # Other likes of what was shown would have come anyway.
    given, by_slate = outcomes(shown, log.likes), log.likes.take(log.likes.surface == RECOMMENDED)
    nudged = np.isin(mix(shown.actor, shown.target), mix(by_slate.actor, by_slate.target))
    planted = CAUSED_SHARE * float((given * nudged).sum() / given.sum())
    assert 0.5 * CAUSED_SHARE < planted < CAUSED_SHARE
    assert holds(figure, planted)
    if policy == "learner":
        assert figure.value == pytest.approx(planted, abs=0.06)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("policy", ["learner", "uniform"])
def test_figure_5_finds_what_each_place_does(seed: int, policy: str) -> None:
    figures = [f for f in slot_effect.measure(made(seed).log) if f.about["policy"] == policy]
    assert [f.about["rank"] for f in figures] == list(range(1, len(THETA)))
    assert all(holds(figure, float(THETA[figure.about["rank"]])) for figure in figures)


@pytest.mark.parametrize("seed", SEEDS)
def test_propensities_are_calibrated(seed: int) -> None:
    shown = made(seed).log.shown
    for policy in range(2):
        seen = shown.take((shown.policy == policy) & ~shown.withheld)
        weight = 1 / (seen.candidates * seen.propensity)
        for rank in range(len(THETA)):
            assert weight[seen.rank == rank].mean() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_figure_6_finds_how_far_people_were_moved(seed: int) -> None:
    found = made(seed)
    figure, unparted = (f for f in induced_drift.measure(found.log) if f.about.get("by") == "creator")
    assert found.drift > 0.01
    assert holds(figure, found.drift)
    assert figure.value == pytest.approx(found.drift, abs=0.008)
    assert unparted.about["policy"] == "uniform"
    assert not unparted.identified


def test_figure_6_finds_nothing_where_nothing_is_moved() -> None:
    found = made(SEEDS[0], Planted(drift=0.0))
    figure, _ = (f for f in induced_drift.measure(found.log) if f.about.get("by") == "creator")
    assert found.drift == 0
    assert figure.low == 0
    assert figure.value == pytest.approx(0, abs=0.002)


@pytest.mark.parametrize("seed", SEEDS)
def test_figure_9_finds_the_ladder(seed: int) -> None:
    figures = list(buyer_ladder.measure(made(seed).log))
    of_all = {f.about["rung"]: f for f in figures if f.about.get("surface") == "all"}
    assert tuple(of_all) == RUNGS == buyer_ladder.RUNGS
    for rung, share in zip(RUNGS, LADDER.tolist(), strict=True):
        assert holds(of_all[rung], share)
    (new,) = (f for f in figures if f.about.get("of") == buyer_ladder.NEW)
    assert holds(new, NEW)


@pytest.mark.parametrize("seed", SEEDS)
def test_people_are_in_the_arms_they_were_given(seed: int) -> None:
    shown = made(seed).log.shown
    people = np.unique(shown.actor)
    arms = {arm: np.unique(shown.actor[shown.arm == arm]) for arm in (TREATED, HOLDOUT)}
    for arm, share in ((TREATED, PLANTED.treated), (HOLDOUT, PLANTED.holdout)):
        assert len(arms[arm]) / len(people) == pytest.approx(share, abs=0.04)
    assert not np.intersect1d(arms[TREATED], arms[HOLDOUT]).size
    by_chance = np.unique(shown.actor[shown.policy == 1])
    assert set(by_chance.tolist()) == set(arms[HOLDOUT].tolist())
    assert shown.withheld[shown.arm == HOLDOUT].all()
    assert shown.withheld[shown.arm != HOLDOUT].mean() == pytest.approx(WITHHELD_SHARE, abs=0.003)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_learner_finds_what_people_like_sooner_than_chance(seed: int) -> None:
    log = made(seed).log
    top = {}
    for policy, name in enumerate(log.policies):
        shown = log.shown.take((log.shown.policy == policy) & ~log.shown.withheld)
        given = log.likes.take((log.likes.surface == RECOMMENDED) & np.isin(log.likes.actor, shown.actor))
        top[name] = len(given) / len(np.unique(shown.slate))
    assert top["learner"] > 1.15 * top["uniform"]
