"""A made platform whose loop is known: who likes what, in which languages, whom the detector wrongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.charts.reviews import Reviews
from services.charts.spoken import LANGUAGES
from services.charts.tally import CONTENT_PARTS, content_part
from shared import frames, schemas
from shared.events import CONTENT_ORIGINS, SURFACES, UNLIKE
from shared.hashing import hash_strings
from shared.labels import HUMAN, LABELS
from shared.measures.units import F64
from truelike.evaluation.choice_world import BEGIN_MS, DAY_MS

SPOKEN: Final = ("en", "de", "ja", "cy")
# By label: human, suspect, bot, agent.
ACTORS: Final = np.array([0.80, 0.06, 0.09, 0.05])
ACTIVITY: Final = np.array([1.0, 1.2, 2.0, 3.0])
LOWEST_SCORE: Final = np.array([0.7, 0.2, 0.0, 0.0])
HIGHEST_SCORE: Final = np.array([1.0, 0.8, 0.1, 0.0])
# Of origin (unknown, human, ai, mixed), by label.
ORIGINS: Final = np.array(
    [[0.10, 0.65, 0.15, 0.10], [0.10, 0.50, 0.30, 0.10], [0.10, 0.15, 0.70, 0.05], [0.10, 0.30, 0.50, 0.10]]
)
LOCALES: Final = np.array([0.45, 0.30, 0.17, 0.08])
OTHER_LANGUAGE: Final = 0.2
# How much more the platform puts forward of each language than people like by themselves.
PUSHES: Final = np.array([1.6, 1.0, 0.7, 0.35])
WAYS: Final = (("recommended", 0.5), ("organic", 0.4), ("unknown", 0.1))
ITEMS: Final = 1_500
WRONGED: Final = np.array([0.02, 0.03, 0.06, 0.12])
SENSITIVITY: Final = 0.85
BOTS: Final = 0.2


@dataclass(frozen=True)
class LoopWorld:
    """`corrected`: share of likes that come first as a person's and then corrected; `unliked`: of those taken back."""

    actors: int = 1_500
    likes: float = 15.0
    days: int = 5
    corrected: float = 0.05
    unliked: float = 0.03


def own_languages() -> F64:
    """Shares of the languages of what people like by themselves, shape (SPOKEN,)."""
    return np.asarray(_of_locale().T @ LOCALES, np.float64)


def pushed_languages() -> F64:
    """The same of what is recommended."""
    return np.asarray(_pushed_of_locale().T @ LOCALES, np.float64)


def _of_locale() -> F64:
    """By locale and language."""
    return (1 - OTHER_LANGUAGE) * np.eye(len(SPOKEN)) + OTHER_LANGUAGE * LOCALES[None]


def _pushed_of_locale() -> F64:
    pushed = _of_locale() * PUSHES
    return np.asarray(pushed / pushed.sum(axis=1, keepdims=True), np.float64)


def likes_by_label() -> F64:
    """Shares of likes, shape (labels,)."""
    given = ACTORS * ACTIVITY
    return np.asarray(given / given.sum(), np.float64)


def matrix() -> F64:
    """Shares of likes by label and origin."""
    return likes_by_label()[:, None] * ORIGINS


def mean_scores() -> F64:
    return (LOWEST_SCORE + HIGHEST_SCORE) / 2


def score_variance() -> float:
    share, width = likes_by_label(), HIGHEST_SCORE - LOWEST_SCORE
    mean = mean_scores()
    return float(share @ (mean**2 + width**2 / 12) - (share @ mean) ** 2)


def content_bits() -> float:
    """Entropy of what likes that teach are of, by part of the content."""
    items = _item_shares()
    languages = WAYS[0][1] * pushed_languages() + (1 - WAYS[0][1]) * own_languages()
    names = pa.array([f"{language}{item}" for language in SPOKEN for item in range(ITEMS)])
    share = np.bincount(content_part(hash_strings(names)), np.outer(languages, items).ravel(), CONTENT_PARTS)
    return float(-(share[share > 0] * np.log2(share[share > 0])).sum())


def _item_shares() -> F64:
    share = (np.arange(ITEMS) + 10.0) ** -0.7
    return np.asarray(share / share.sum(), np.float64)


def make(world: LoopWorld, seed: int) -> list[pa.RecordBatch]:
    """Trusted likes, a batch a day, corrections and unlikes among them."""
    rng = np.random.default_rng(seed)
    label = rng.choice(len(LABELS), world.actors, p=ACTORS)
    locale = rng.choice(len(SPOKEN), world.actors, p=LOCALES)
    given = rng.poisson(rng.gamma(2.0, ACTIVITY[label] * world.likes / 2))
    who = np.repeat(np.arange(world.actors), given)
    rng.shuffle(who)
    taste = np.stack([rng.dirichlet(8 * ORIGINS[kind]) for kind in label])
    way = rng.choice(len(WAYS), len(who), p=[share for _, share in WAYS])
    shares = np.where((way == 0)[:, None], _pushed_of_locale()[locale[who]], _of_locale()[locale[who]])
    columns = {
        "who": who,
        "origin": _drawn(rng, taste[who]),
        "language": _drawn(rng, shares),
        "item": rng.choice(ITEMS, len(who), p=_item_shares()),
        "surface": np.array([SURFACES.index(name) for name, _ in WAYS])[way],
        "label": label[who],
        "locale": locale[who],
        "score": rng.uniform(LOWEST_SCORE[label[who]], HIGHEST_SCORE[label[who]]).astype(np.float32),
        "time": BEGIN_MS + np.sort(rng.integers(0, world.days * DAY_MS, len(who))),
        "number": np.arange(len(who)),
    }
    corrected, unliked = rng.random((2, len(who))) < np.array([[world.corrected], [world.unliked]])
    first = columns | {
        "label": np.where(corrected, HUMAN, columns["label"]),
        "score": np.where(corrected, np.float32(0.9), columns["score"]),
    }
    day = (columns["time"] - BEGIN_MS) // DAY_MS
    found = []
    for today in range(world.days):
        mine = day == today
        parts = [
            _rows(_take(first, mine)),
            _rows(_take(columns, mine & corrected), corrects=True),
            _rows(_take(columns, mine & unliked), unlikes=True),
        ]
        found.append(frames.join(parts, schemas.TRUSTED_LIKES))
    return found


def _drawn(rng: np.random.Generator, shares: F64) -> npt.NDArray[np.int64]:
    """One of each row's shares, shape (n,)."""
    below = np.cumsum(shares, axis=1)
    return np.minimum((rng.random(len(shares))[:, None] > below).sum(axis=1), shares.shape[1] - 1)


def _take(columns: dict[str, npt.NDArray[Any]], which: Any) -> dict[str, npt.NDArray[Any]]:
    return {name: column[which] for name, column in columns.items()}


def _rows(of: dict[str, npt.NDArray[Any]], corrects: bool = False, unlikes: bool = False) -> pa.RecordBatch:
    n = len(of["who"])
    spoken = np.array(SPOKEN)
    creator = [
        f"{CONTENT_ORIGINS[origin]}{item % 30}" if CONTENT_ORIGINS[origin] in ("human", "ai") else None
        for origin, item in zip(of["origin"].tolist(), of["item"].tolist(), strict=True)
    ]
    said = {
        "event_id": pa.array([f"{'u' if unlikes else 'e'}{number}" for number in of["number"].tolist()]),
        "actor_id": pa.array([f"a{who}" for who in of["who"].tolist()]),
        "target_id": pa.array(np.char.add(spoken[of["language"]], of["item"].astype(str))),
        "creator_id": pa.array(creator, pa.string()),
        "occurred_at": pa.array(of["time"]),
        "action": pa.array(np.full(n, UNLIKE if unlikes else 0, np.int8)),
        "content_origin": pa.array(of["origin"].astype(np.int8)),
        "surface": pa.array(of["surface"].astype(np.int8)),
        "actor_locale": pa.array(spoken[of["locale"]]),
        "content_language": pa.array(spoken[of["language"]]),
        "label": pa.array(of["label"].astype(np.int8)),
        "human_probability": pa.array(of["score"].astype(np.float32)),
    }
    if corrects:
        said["previous_probability"] = pa.array(np.full(n, 0.9, np.float32))
        said["previous_label"] = pa.array(np.full(n, HUMAN, np.int8))
    columns = [said.get(field.name, pa.nulls(n, field.type)).cast(field.type) for field in schemas.TRUSTED_LIKES]
    return pa.RecordBatch.from_arrays(columns, schema=schemas.TRUSTED_LIKES)


def reviews(n: int, seed: int) -> list[Reviews]:
    """Of so many actors, drawn by chance, a fifth of whom are bots: a part of them at each look, to be added up."""
    rng = np.random.default_rng(seed)
    locale = rng.choice(len(SPOKEN), n, p=LOCALES)
    bot = rng.random(n) < BOTS
    called = rng.random(n) < np.where(bot, SENSITIVITY, WRONGED[locale])
    place = np.array([LANGUAGES.index(name) for name in SPOKEN], np.int32)[locale]
    everybody = 20 * n
    of_all = rng.binomial(everybody // 5, share_called(), 5)
    found = []
    for part in range(5):
        mine = np.arange(n) % 5 == part
        counts = (everybody // 5, int(of_all[part]))
        independent = np.ones(int(mine.sum()), np.bool_)
        found.append(Reviews.of(bot[mine], called[mine], place[mine], place[mine], independent, counts))
    return found


def share_called() -> float:
    """Of all actors, those who are called bots."""
    return float(BOTS * SENSITIVITY + (1 - BOTS) * (WRONGED @ LOCALES))


def retrained(n: int, gain: float, strength: float, seed: int) -> tuple[F64, F64, F64]:
    """Two arms, each with its own retrained model: arm, what the model brought, what came of it, shapes (n,). What
    people are like moves both of the latter. `strength`: how much more one arm's model brings.
    """
    rng = np.random.default_rng(seed)
    arm = (rng.random(n) < 0.5).astype(np.float64)
    person = rng.normal(size=n)
    x = strength * arm + person + rng.normal(size=n)
    y = gain * x + 2 * person + rng.standard_t(5, size=n)
    return arm, x, y
