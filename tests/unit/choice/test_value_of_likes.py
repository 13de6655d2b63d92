"""Figure 12: what it says of twins' forecasts, of whom, and when it says nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.choice.figures import value_of_likes
from services.choice.figures.value_of_likes import sentence
from services.choice.log import F64, NO_LANGUAGE, Likes, Log
from shared.events import CONTENT_ORIGINS
from shared.measures import confidence
from shared.measures.confidence import Interval
from shared.measures.figure import Figure
from tests.likes import START_MS
from tests.unit.choice.test_log import shown

HUMAN, AI = CONTENT_ORIGINS.index("human"), CONTENT_ORIGINS.index("ai")


def log_of(actor: Any, worse: F64, others: int | None = 1, languages: tuple[str, ...] = (), **columns: Any) -> Log:
    """Likes of which the forecast without likes is so many bits worse. Shapes (n,)."""
    n = len(worse)
    no = np.zeros(n, np.uint64)
    likes = Likes(
        np.asarray(actor).astype(np.uint64), no, no, START_MS + np.arange(n), np.zeros(n, np.int8), np.ones(n),
        np.full(n, np.nan), np.full(n, np.nan), p_with=np.full(n, 0.25), p_without=0.25 * np.exp2(-worse),
    )  # fmt: skip
    seen = shown([(1, 1, 0)]).take([])
    return Log(replace(likes, **columns), seen, (), START_MS + n, languages=languages, others=others)


def measured(log: Log) -> dict[str, Figure]:
    """By what they are of."""
    return {
        str(f.about.get("content_origin", f.about.get("language", f.about.get("likes_of")))): f
        for f in value_of_likes.measure(log)
    }


def test_it_is_the_mean_of_likes_with_people_as_units() -> None:
    rng = np.random.default_rng(1)
    actor, worse = rng.integers(0, 300, 2000), rng.normal(0.8, 0.5, 2000)
    figure = measured(log_of(actor, worse))["all"]
    assert figure.value == pytest.approx(worse.mean())
    assert figure.n == 2000
    # Whose likes hang together says less of all.
    apart = measured(log_of(actor, 0.8 + 0.5 * np.random.default_rng(2).normal(size=300)[actor]))["all"]
    widths = [f.high - f.low for f in (figure, apart) if f.high is not None and f.low is not None]
    assert widths[1] > 2 * widths[0]


def test_probabilities_are_at_least_those_of_choice_bits() -> None:
    figure = measured(log_of(np.arange(200), np.full(200, 60.0)))["all"]
    assert figure.value == 14.0


def test_classes_are_told_of_where_enough_people_are_in_them() -> None:
    n = 4000
    actor = np.arange(n) % 500
    origin = np.where(actor < 200, HUMAN, np.where(actor < 215, AI, 0)).astype(np.int8)
    # Twelve languages, the later the fewer; of the last one 10 people; and some without one.
    spoken = np.minimum(actor // 41, 12)
    language = np.where(spoken == 12, NO_LANGUAGE, spoken).astype(np.int32)
    language[actor == 1] = 12
    names = (*(f"l{number}" for number in range(12)), "few")
    found = measured(log_of(actor, np.where(origin == HUMAN, 1.0, 0.5), 1, names, origin=origin, language=language))
    assert found["human"].value == pytest.approx(1.0)
    assert found["human"].unknown_share == pytest.approx(1 - 215 / 500)
    assert found["ai"].why == "fewer than 20 people, whom it could tell of"
    assert found["ai"].n == 0
    languages = [f for f in found.values() if "language" in f.about]
    assert [f.about["language"] for f in languages] == [
        "l1",
        *sorted(f"l{n}" for n in (2, 3, 4, 5, 6, 7, 8, 9, 10, 11)),
    ][:10]
    assert {f.why for f in languages} == {"41 people; it takes 100"}


def test_why_nothing_is_said() -> None:
    def said(log: Log) -> str:
        (figure,) = value_of_likes.measure(log)
        assert not figure.identified
        return figure.sentence

    worse = np.full(400, 0.5)
    assert said(log_of(np.arange(400), worse, None)) == (
        "Not identified: no forecaster that learns no likes ran beside these; PREDICTOR_TWINS lets one run, and "
        "`truelike choice` runs one over files."
    )
    assert said(log_of(np.arange(400), worse, 0)) == (
        "Not identified: there are neither other actions (shares, buys) nor exposures that a forecaster without likes "
        "could learn."
    )
    exposed = replace(log_of(np.arange(400), worse, 0), shown=shown([(1, 1, 0)]))
    assert measured(exposed)["all"].identified
    assert said(log_of(np.arange(400), np.full(400, np.nan))) == "Not identified: nothing was forecast of the likes."
    assert said(log_of(np.arange(400) % 99, worse)) == "Not identified: 99 people; it takes 100."
    assert said(log_of(np.zeros(400), worse)) == "Not identified: 1 person; it takes 100."
    assert said(log_of([], np.zeros(0))) == "Not identified: there are no likes."


def test_what_it_says() -> None:
    assert sentence(Interval(0.81, 0.62, 1.0)) == (
        "Without likes, forecasts of what people like next would be 0.8 bits worse (0.6 to 1.0): likes still teach "
        "what nothing else does."
    )
    assert sentence(Interval(0.031, 0.012, 0.05), " of what AI made") == (
        "Without likes, forecasts of what people like next of what AI made would be 0.03 bits worse (0.01 to 0.05): "
        "likes still teach what nothing else does."
    )
    assert sentence(Interval(-0.5, -0.8, -0.2)) == (
        "Without likes, forecasts of what people like next would be 0.5 bits better (0.2 to 0.8): likes mislead, where "
        "all else is known."
    )
    assert sentence(Interval(0.1, -0.2, 0.4)) == (
        "Without likes, forecasts of what people like next would be between 0.2 bits better and 0.4 bits worse: it is "
        "not known whether likes teach what nothing else does."
    )


def held_at_all_looks(seed: int) -> bool:
    """Forecasters that come to know more as time goes: the difference grows, is skewed, and people differ in it and in
    how much they like; at 30 looks.
    """
    rng = np.random.default_rng(seed)
    people, n = 400, 6000
    eager, gain = rng.gamma(1.5, 1.0, people), rng.exponential(1.0, people)
    who = rng.choice(people, n, p=eager / eager.sum())
    grown = np.linspace(0, 1, n)
    # Mostly a little worse alone, now and then a lot better.
    surprise = np.where(rng.random(n) < 0.1, -6.0, 6.0 / 9)
    log = log_of(who, np.clip(gain[who] * grown + surprise, -13, 13))
    for look in np.linspace(800, n, 30).astype(int):
        figure = next(iter(value_of_likes.measure(replace(log, likes=log.likes.take(slice(0, look))))))
        truth = grown[:look].mean()
        if figure.low is None or figure.high is None or not figure.low <= truth <= figure.high:
            return False
    return True


def test_the_interval_holds_at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [held_at_all_looks(seed) for seed in range(250)]
    assert np.mean(held) >= 0.95
    monkeypatch.setattr(confidence, "multiplier", lambda units, level=0.95: 1.96)
    assert np.mean([held_at_all_looks(seed) for seed in range(60)]) < 0.9
