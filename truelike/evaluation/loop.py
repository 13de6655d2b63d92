"""Coverage of the loop's intervals in a made world, and refusals: `truelike evaluate loop`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any, Final

import numpy as np

from services.charts import causal_gain
from services.charts.figures import language_exposure, loop, who_likes_what, wrongly_called_bot
from services.charts.figures.language_exposure import Counted
from services.charts.hash_sample import HashSample
from services.charts.reviews import Reviews
from services.charts.spoken import LANGUAGES
from services.charts.tallies import State, Tallies
from services.charts.tally import MOST_TARGETS
from shared.events import CONTENT_ORIGINS
from shared.hashing import mix
from shared.labels import BOT, HUMAN, LABELS
from shared.measures.figure import Figure
from truelike.evaluation import loop_world as worlds
from truelike.evaluation.loop_world import LoopWorld

DAYS: Final = 28
MOST_LIKES: Final = 1_000_000
ITEMS: Final = 3_000
REVIEWED: Final = 1_000
UNITS: Final = 1_000
GAIN: Final = 0.6
STRENGTHS: Final = {"strong": 0.8, "weak": 0.1}
LOOKS: Final = (0.2, 0.4, 0.6, 0.8, 1.0)
_AI, _PEOPLES = (CONTENT_ORIGINS.index(name) for name in ("ai", "human"))
_ALL: Final = ", all that may be"
Said = tuple[str, Figure, float]


def evaluate(seeds: int, first_seed: int, advance: Callable[[int, int], None]) -> dict[str, Any]:
    """The report: `figures` (a row each), `gain` (by strength of the arms), `refusals`."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    gains: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for done, seed in enumerate(range(first_seed, first_seed + seeds), 1):
        for name, row in _looked_at([*_of_likes(seed), *_of_reviews(seed), *_of_items(seed)]):
            rows[name].append(row)
        for strength in STRENGTHS:
            gains[strength].append(_of_gain(strength, seed))
        advance(done, seeds)
    return {
        "seeds": seeds,
        "first_seed": first_seed,
        "looks": list(LOOKS),
        "figures": [_summary(name, found) for name, found in rows.items()],
        "gain": [_gain_summary(name, found) for name, found in gains.items()],
        "refusals": _refusals(first_seed),
    }


def _of_likes(seed: int) -> Iterator[list[Said]]:
    """At each look, what is said of the days until then, and what was planted."""
    tallies = Tallies(DAYS, MOST_LIKES)
    truth = _truths()
    for batch in worlds.make(LoopWorld(), seed):
        tallies.take(batch)
        state = tallies.state()
        said = [*who_likes_what.figures(state), *loop.figures(state), *language_exposure.figures(state)]
        # Of days the newest: each is looked at once.
        days = {figure.about["day"] for figure in said if "day" in figure.about}
        found = [(_name(figure), figure) for figure in said if figure.about.get("day") in (None, max(days))]
        names = [(said, figure) for name, figure in found for said in (name, f"{name}{_ALL}") if said in truth]
        yield [(name, figure, truth[name]) for name, figure in names] + _bits(found)


def _of_items(seed: int) -> Iterator[list[Said]]:
    """A language of more items than a sample holds: the Gini coefficient of all of them, as likes come."""
    rng = np.random.default_rng(seed)
    liked = rng.lognormal(0.0, 1.0, ITEMS)
    keys = mix(np.arange(1, ITEMS + 1).astype(np.uint64), np.full(ITEMS, seed + 1, np.uint64))
    sample, of_all = HashSample(MOST_TARGETS, 2), np.zeros(ITEMS, np.int64)
    for _ in LOOKS:
        likes = rng.poisson(2 * liked)
        of_all += likes
        some = likes > 0
        sample.add(np.zeros(int(some.sum()), np.int32), keys[some], np.stack([likes[some]] * 2, axis=1))
        figure = language_exposure.of_items(sample.sampled.of(0), {"language": "of many items"})
        yield [(_name(figure), figure, language_exposure.gini(of_all[of_all > 0]))]


def _bits(found: list[tuple[str, Figure]]) -> list[Said]:
    """The matrix' bits, as figures of their own."""
    said = []
    matrix = worlds.matrix()
    for name, figure in found:
        if figure.name == who_likes_what.NAME and figure.more.get("bits") is not None:
            label, origin = LABELS.index(figure.about["liked_by"]), CONTENT_ORIGINS.index(figure.about["origin"])
            truth = float(np.log2(matrix[label, origin] / matrix[label].sum() / matrix[:, origin].sum()))
            value, low, high = (figure.more[part] for part in ("bits", "bits_low", "bits_high"))
            said.append((f"{name}, bits", Figure(figure.name, figure.about, figure.n, "", value, low, high), truth))
    return said


def _truths() -> dict[str, float]:
    """What was planted, by figure."""
    matrix = worlds.matrix()
    truths: dict[str, float] = {}
    for origin, name in enumerate(CONTENT_ORIGINS):
        of = matrix[:, origin]
        truths[f"who_likes_what, machines, {name}"] = float(of[BOT:].sum() / of.sum())
        truths |= {f"who_likes_what, {kind}, {name}": float(of[at] / of.sum()) for at, kind in enumerate(LABELS)}
    kinds = np.stack([matrix[HUMAN], matrix[BOT:].sum(axis=0)])[:, [_PEOPLES, _AI]]
    truths["who_likes_what, assortativity"] = float(who_likes_what.assortativity(kinds))
    truths |= {f"loop, share, {feed}": share for feed, share in _loop_shares().items()}
    truths["loop, variance of like scores"] = worlds.score_variance()
    truths["loop, entropy of content"] = worlds.content_bits()
    own, pushed = worlds.own_languages(), worlds.pushed_languages()
    for at, language in enumerate(worlds.SPOKEN):
        truths[f"language_exposure, {language} over organic likes"] = float(pushed[at] / own[at])
        truths[f"language_exposure, {language} over users of its locales"] = float(pushed[at] / worlds.LOCALES[at])
    truths["language_exposure, calibration"] = float(language_exposure.divergence(own, pushed))
    return truths


def _loop_shares() -> dict[str, float]:
    """s, if all work that is not declared AI's or people's, and all suspects, are none of the loop's, or all are."""
    matrix, scores = worlds.matrix(), worlds.mean_scores()
    weight = matrix[:BOT] * scores[:BOT, None]
    weight /= weight.sum()
    return {
        "every like": float(matrix[BOT:].sum() + matrix[:BOT, _AI].sum()),
        f"every like{_ALL}": float(1 - matrix[HUMAN, _PEOPLES]),
        "trusted likes": float(weight[:, _AI].sum()),
        f"trusted likes{_ALL}": float(1 - weight[:, _PEOPLES].sum()),
    }


def _of_reviews(seed: int) -> Iterator[list[Said]]:
    parts = worlds.reviews(REVIEWED, seed)
    truth: dict[str, float] = {"all": float(worlds.WRONGED @ worlds.LOCALES), "bots, corrected": worlds.BOTS}
    truth |= dict(zip(worlds.SPOKEN, worlds.WRONGED.tolist(), strict=True))
    truth["greatest gap"] = float(np.ptp(worlds.WRONGED))
    for look in range(1, len(parts) + 1):
        yield [
            (_name(figure), figure, truth[figure.about.get("of") or figure.about.get("locale") or "all"])
            for figure in wrongly_called_bot.figures(reduce(add, parts[:look]))
            if figure.about.get("by") != "language"
        ]


def _name(figure: Figure) -> str:
    about = figure.about
    if "over" in about:
        return f"{figure.name}, {about['language']} over {about['over']}"
    parts = [
        about.get(key) for key in ("of", "liked_by", "origin", "feed", "locale", "language", "creators", "creator")
    ]
    return ", ".join([figure.name, *(part for part in parts if part is not None)])


def _looked_at(looks: list[list[Said]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of each figure: whether it was identified and held its truth at every look, and what it said at the last."""
    seen: dict[str, list[tuple[Figure, float]]] = defaultdict(list)
    for look in looks:
        for name, figure, truth in look:
            seen[name].append((figure, truth))
    for name, found in seen.items():
        said = [(f.low, t, f.high) for f, t in found if f.low is not None and f.high is not None]
        last, truth = found[-1]
        row = {"identified": last.identified, "looks": len(said), "truth": truth}
        row["held"] = all(low <= t <= high for low, t, high in said)
        yield name, row | {"value": last.value, "low": last.low, "high": last.high}


def _of_gain(strength: str, seed: int) -> dict[str, Any]:
    arm, x, y = worlds.retrained(UNITS, GAIN, STRENGTHS[strength], seed)
    found = [causal_gain.gain_set(*(column[: round(look * UNITS)] for column in (arm, x, y))) for look in LOOKS]
    last = found[-1]
    return {
        "held": all(of.holds(GAIN) for of in found),
        "bounded": last.kind == "inside",
        "value": last.value,
        "width": last.high - last.low,
    }


def _gain_summary(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    bounded = [row["width"] for row in rows if row["bounded"]]
    return {
        "arms": name,
        "seeds": len(rows),
        "coverage": sum(row["held"] for row in rows) / len(rows),
        "bounded": len(bounded),
        "median_width": float(np.median(bounded)) if bounded else None,
        "median_value": float(np.median([row["value"] for row in rows])),
        "truth": GAIN,
    }


def _summary(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    said = [row for row in rows if row["looks"]]
    last = [row for row in rows if row["identified"]]
    return {
        "figure": name,
        "seeds": len(rows),
        "identified": len(last),
        "coverage": sum(row["held"] for row in said) / len(said) if said else None,
        "median_width": float(np.median([row["high"] - row["low"] for row in last])) if last else None,
        "mean_value": float(np.mean([row["value"] for row in last])) if last else None,
        "truth": float(rows[-1]["truth"]),
    }


def _refusals(seed: int) -> list[dict[str, Any]]:
    """Logs that lack what a figure needs, and what it says then."""
    tallies = Tallies(DAYS, MOST_LIKES)
    tallies.take(worlds.make(LoopWorld(), seed)[0])
    state, language = tallies.state(), worlds.SPOKEN[-1]
    shown = np.full(len(LANGUAGES), 1_000)
    shown[LANGUAGES.index(language)] = 99
    nobody, nowhere = np.zeros(0, np.bool_), np.zeros(0, np.int32)
    none = Reviews.of(nobody, nobody, nowhere, nowhere, nobody)
    asked = {
        "no arms were retrained apart": [
            figure for figure in loop.figures(state) if figure.about["of"] == "causal gain"
        ],
        "no likes": [*loop.figures(State({})), *who_likes_what.figures(State({}))],
        "fewer than 100 impressions of a language": [
            figure
            for figure in language_exposure.figures(state, Counted(shown))
            if figure.about.get("language") == language
        ],
        "no reviews": list(wrongly_called_bot.figures(none)),
        "reviews of actors chosen by their verdict": list(wrongly_called_bot.figures(replace(none, left_out=100))),
    }
    return [
        {
            "log": log,
            "figure": found[0].name,
            "said": len(found),
            "not_identified": sum(not figure.identified for figure in found),
            "says": found[0].sentence,
        }
        for log, found in asked.items()
    ]
