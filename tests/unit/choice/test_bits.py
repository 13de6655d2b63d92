"""Choice bits in a world whose mixture is known: with probability rho a like is of a slate, else as history says."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from services.choice import bits, person
from services.choice.figures import choice_bits
from services.choice.log import F64, I64, Likes, Log, Shown
from services.choice.mixture import LEAST_PROBABILITY
from services.choice.person import PARTS, Person
from tests.likes import START_MS

HOUR = 3_600_000
ITEMS, PEOPLE, SIZE = 60, 150, 8
THETA = (np.arange(SIZE) + 1.0) ** -1.0


@dataclass(frozen=True)
class World:
    log: Log
    # Of each like: what it was drawn with, and whether from the slate.
    p: F64
    nudged: np.ndarray


def world(seed: int, rho: float, likes: int = 12_000, unrelated: bool = False) -> World:
    """Tastes differ; popularity is what they are in the mean. Slates are random; a like comes an hour later."""
    rng = np.random.default_rng(seed)
    taste = rng.dirichlet(np.full(ITEMS, 0.3), PEOPLE) * 0.98 + 0.02 / ITEMS
    popular = taste.mean(axis=0)
    who = rng.integers(0, PEOPLE, likes)
    # A slate of one person is days from the next.
    time = START_MS + np.arange(likes) * 10 * HOUR
    slates = np.argsort(rng.random((likes, ITEMS)), axis=1)[:, :SIZE]
    nudged = rng.random(likes) < rho
    by_rank = rng.choice(SIZE, likes, p=THETA / THETA.sum())
    by_taste = np.array([rng.choice(ITEMS, p=taste[w]) for w in who])
    item = np.where(nudged, slates[np.arange(likes), by_rank], by_taste)
    among = slates == item[:, None]
    p_slate = (among * THETA).sum(axis=1) / THETA.sum()
    p = rho * p_slate + (1 - rho) * taste[who, item]
    if unrelated:
        slates = np.argsort(rng.random((likes, ITEMS)), axis=1)[:, :SIZE] + ITEMS
    no, hashed = np.zeros(likes, np.uint64), (who + 1).astype(np.uint64)
    made = Likes(
        hashed, item.astype(np.uint64), no, time + HOUR, np.full(likes, 3, np.int8), np.ones(likes),
        popular[item], taste[who, item],
    )  # fmt: skip
    rows = np.repeat(np.arange(likes), SIZE)
    whole: I64 = np.zeros(likes * SIZE, np.int64)
    shown = Shown(
        rows, hashed[rows], slates.ravel().astype(np.uint64), no[rows], time[rows], whole.astype(np.int8),
        whole.astype(np.int8), whole, np.tile(np.arange(SIZE), likes), np.full(len(rows), np.nan), whole,
        np.zeros(len(rows), np.bool_),
    )  # fmt: skip
    return World(Log(made, shown, ("p",), int(time[-1]) + 48 * HOUR), p, nudged)


def test_the_parts_are_the_whole() -> None:
    made = world(1, 0.5)
    found = bits.of(made.log.likes, made.log.shown)
    assert found.history + found.shown + found.rest == pytest.approx(found.popular)
    assert found.popular == pytest.approx(-np.log2(made.log.likes.p_popular))


@pytest.mark.parametrize("rho", [0.2, 0.6])
def test_the_mixture_is_learnt(rho: float) -> None:
    """Its forecasts are as good as those of who knows rho and theta, but for what learning costs."""
    made = world(2, rho)
    found = bits.of(made.log.likes, made.log.shown)
    late = slice(2000, None)
    best = -np.log2(np.maximum(made.p, LEAST_PROBABILITY))
    assert found.rest[late].mean() == pytest.approx(best[late].mean(), abs=0.02)
    assert found.rest[late].mean() < -np.log2(made.log.likes.p_history[late]).mean() - 0.05
    # Where somebody was shown two slates within a day it is not known which of them a like follows.
    wrong = np.abs(np.log2(found.p_shown[late]) + best[late])
    # What is stated is learnt from the latest likes alone.
    assert np.quantile(wrong, 0.95) < 0.27


def test_what_was_stated_came_true_as_often() -> None:
    """Expected calibration error of p_shown over all items of the catalogue, not only of what was liked."""
    made = world(3, 0.5, 4000)
    stated, came = [], []
    log = made.log
    # The same like with every item in turn: what it would have been given. Only one item was liked.
    for at in range(2000, 4000, 200):
        earlier = log.likes.take(np.arange(at))
        tastes, popular = world_taste(3)[int(log.likes.actor[at]) - 1], world_taste(3).mean(axis=0)
        for item in range(ITEMS):
            one = replace(
                log.likes.take(np.arange(at + 1)),
                target=np.r_[earlier.target, np.uint64(item)],
                p_history=np.r_[earlier.p_history, tastes[item]],
                p_popular=np.r_[earlier.p_popular, popular[item]],
            )
            stated.append(float(bits.of(one, log.shown).p_shown[-1]))
            came.append(float(log.likes.target[at] == item))
    assert sum(stated) / (len(stated) / ITEMS) == pytest.approx(1.0, abs=1e-3)
    bins = np.minimum((np.sqrt(stated) * 8).astype(int), 7)
    error = sum(abs(sum(np.array(stated)[bins == b]) - sum(np.array(came)[bins == b])) for b in range(8))
    assert error / len(stated) <= 0.02


def world_taste(seed: int) -> F64:
    rng = np.random.default_rng(seed)
    taste: F64 = rng.dirichlet(np.full(ITEMS, 0.3), PEOPLE) * 0.98 + 0.02 / ITEMS
    return taste


def test_what_was_shown_and_has_nothing_to_do_with_it_explains_nothing() -> None:
    made = world(4, 0.0, unrelated=True)
    found = bits.of(made.log.likes, made.log.shown)
    assert abs(found.shown[2000:].mean()) < 0.01
    assert not found.was_shown.any()


def test_forecasts_are_frozen_before_the_event() -> None:
    """What comes later changes nothing that was said of a like."""
    made = world(5, 0.5)
    whole = bits.of(made.log.likes, made.log.shown)
    early = made.log.until(int(made.log.likes.time[4000]))
    part = bits.of(early.likes, early.shown)
    assert part.p_shown.tolist() == whole.p_shown[: len(part.p_shown)].tolist()


def test_what_was_withheld_was_not_shown() -> None:
    made = world(6, 0.5)
    hidden = replace(made.log.shown, withheld=np.ones(len(made.log.shown), np.bool_))
    found = bits.of(made.log.likes, hidden)
    assert (found.shown == 0).all()
    assert not found.was_shown.any()


def test_the_figure_says_it_of_people_and_of_surfaces() -> None:
    made = world(7, 0.5)
    figures = {(f.about["bits_of"], f.about["surface"]): f for f in choice_bits.measure(made.log)}
    assert set(figures) == {(b, "all") for b in ("history", "shown", "rest")}
    parts = [figures[name, "all"].value for name in ("history", "shown", "rest")]
    whole = figures["rest", "all"].more["bits_in_all"]
    assert sum(p for p in parts if p is not None) == pytest.approx(whole)
    assert "were foretold by what was put before people." in figures["shown", "all"].sentence
    bare = replace(made.log, shown=made.log.shown.take(slice(0, 0)))
    without = {f.about["bits_of"]: f for f in choice_bits.measure(bare) if f.about["surface"] == "all"}
    assert without["shown"].why == "there are no exposures"
    assert without["rest"].identified
    assert without["history"].identified


def test_where_likes_come_by_several_surfaces_each_is_told_of() -> None:
    made = world(7, 0.5)
    likes = replace(made.log.likes, surface=np.where(made.nudged, 3, 1).astype(np.int8))
    found = {(f.about["bits_of"], f.about["surface"]): f for f in choice_bits.measure(replace(made.log, likes=likes))}
    nudged, organic = found["shown", "recommended"].value, found["shown", "organic"].value
    assert nudged is not None
    assert organic is not None
    assert nudged > 0.5 > 0 > organic


def test_a_person_reads_a_sentence() -> None:
    made = world(8, 0.5)
    found = person.report(made.log, 7)
    assert found["identified"]
    assert found["exposures_known"]
    assert 0 < found["put_before"] <= found["forecast"]
    assert found["history"] + found["shown"] + found["rest"] == pytest.approx(found["popular"], abs=2e-4)
    assert found["sentence"].startswith(f"Of the {found['popular']:.1f} bits that each of your last")
    nobody = person.report(made.log, 999_999)
    assert (
        nobody["sentence"] == "None of your likes was forecast before it came; it takes 50 to say what foretold them."
    )


def test_few_likes_and_no_exposures_are_said() -> None:
    def said(forecast: int, exposures_known: bool = True) -> str:
        means = 11.23, 3.91, 4.62, 2.08, 2.7 if exposures_known else 7.32
        return Person(400, forecast, tuple(forecast * mean for mean in means), 9, exposures_known).sentence()

    assert said(1) == "One of your likes was forecast before it came; it takes 50 to say what foretold them."
    assert said(49).startswith("49 of your likes were forecast")
    assert said(60, exposures_known=False) == (
        "Of the 11.2 bits that each of your last 60 likes held in the mean, 3.9 were foretold by your own past; "
        "7.3 were not. What was put before you is not known."
    )
    assert said(60) == (
        "Of the 11.2 bits that each of your last 60 likes held in the mean, 3.9 were foretold by your own past, "
        "between 2.1 and 4.6 by what was put before you; 2.7 were neither."
    )
    alike = Person(60, 60, (60 * 11.2, 60 * 3.9, 60 * 2.88, 60 * 2.91, 60 * 4.4), 9, True).sentence()
    assert alike.endswith("3.9 were foretold by your own past, 2.9 by what was put before you; 4.4 were neither.")


def test_what_is_not_identified_has_no_number() -> None:
    few = Person(3, 3, (1.0,) * 5, 1, True).described()
    assert [few[part] for part in PARTS] == [None] * 5
    unknown = Person(60, 60, (60.0,) * 5, 0, False).described()
    assert (unknown["shown"], unknown["put_before"], unknown["history"]) == (None, None, 1.0)
