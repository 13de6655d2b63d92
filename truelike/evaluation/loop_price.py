"""What de-loop weights cost: the same likes ranked by a model that learns them with their trust, and by one that learns
them with the training feed's weight, which lowers what AI made and a machine chose to show.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.exporter import deloop
from services.exporter.deloop import F64, WEIGHT, with_training_weight
from services.exporter.files import readable
from services.predictor import prequential
from services.predictor.trending import DAY_MS
from shared.events import UNLIKE
from truelike.evaluation.prequential import Model

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SEED: Final = 7
_FIGURES: Final = ("hr@10", "hr@20", "mrr@20")


def evaluate(likes: pa.RecordBatch, bounds: Sequence[float], say: Callable[[str], None]) -> dict[str, Any]:
    """`rows`: trust as it is, then a row for each bound of AI's share: figures of people's likes, what is lost of HR@10
    with its standard error (by users), what would be if as much were taken from likes that chance picks, HR@10 of
    recommended AI and of the rest, and of the weight: AI's share, and how much of it is left.

    `likes`: the latest revision of each in order of time (schema `schemas.TRUSTED_LIKES`); unlikes are left out. A like
    counts where the model that learns all has something to rank it by; where the other has not, it is a miss.
    """
    likes = likes.filter(pa.array(likes.column("action").to_numpy() != UNLIKE))
    table, times = readable(likes), likes.column("occurred_at").to_numpy()
    trust, pushed, of_ai = deloop.trust(table), deloop.recommended_ai(table), deloop.of_ai(table)
    plain = _places(table, times, trust > 0, trust)
    counts = plain >= 0
    users = table.column("actor_id").combine_chunks().dictionary_encode().indices.to_numpy()[counts]
    rows = []
    for bound in (None, *bounds):
        say(f"de-loop weights: {'trust as it is' if bound is None else f'share {bound:g}'}")
        weight = trust if bound is None else weights(table, times, bound)
        places = plain if bound is None else _places(table, times, trust > 0, weight)
        by_chance = plain if bound is None else _places(table, times, trust > 0, dealt_out(weight, trust))
        rows.append(
            {
                "bound": bound,
                **_of(places[counts], plain[counts], users),
                "lost by chance": _of(by_chance[counts], plain[counts], users)["lost hr@10"],
                "hr@10 of recommended AI": _hits(places[counts & pushed]),
                "hr@10 of the rest": _hits(places[counts & ~pushed]),
                "nothing to rank by": int((places[counts] < 0).sum()),
                "share of AI": float(weight[of_ai].sum() / max(weight.sum(), 1e-300)),
                "weight left": float(weight.sum() / max(trust.sum(), 1e-300)),
            }
        )
    return {
        "likes": table.num_rows,
        "people": int(counts.sum()),
        "recommended AI": int(pushed[counts].sum()),
        "rows": rows,
    }


def weights(table: pa.Table, times: I64, bound: float) -> F64:
    """The training weight of likes in order of time, as the exporter writes it where a file is a day."""
    edges = np.r_[0, np.flatnonzero(np.diff(times // DAY_MS)) + 1, len(times)]
    days = (table.slice(start, end - start) for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    return np.concatenate([with_training_weight(day, bound).column(WEIGHT).to_numpy() for day in days]).astype(
        np.float64
    )


def dealt_out(weight: F64, trust: F64) -> F64:
    """The same weights, but for which likes they are lowered: chance picks, of those with any trust."""
    teaches = np.flatnonzero(trust > 0)
    found = trust.copy()
    found[teaches] *= np.random.default_rng(SEED).permutation(weight[teaches] / trust[teaches])
    return found


def _places(table: pa.Table, times: I64, asked: Mask, trust: F64) -> I64:
    """The place of each like that is asked for, shape (n,): from 1, 0 for none; -1 where there is nothing to rank it by
    or it was not asked for.
    """
    model = Model(table.column("actor_id").combine_chunks(), table.column("target_id").combine_chunks())
    places = np.full(len(times), -1, np.int64)
    scored, _ = model.rank_and_learn(slice(None), times, asked, trust)
    places[scored.at] = scored.rank
    return places


def _hits(places: I64) -> float | None:
    return float(((places > 0) & (places <= 10)).mean()) if len(places) else None


def _of(places: I64, plain: I64, users: I64) -> dict[str, float]:
    rank = np.maximum(places, 0)
    figures = prequential.figures(prequential.sums(rank, np.zeros(len(rank))).sum(axis=0))
    lost = ((plain > 0) & (plain <= 10)).astype(np.float64) - ((rank > 0) & (rank <= 10))
    by_user = np.bincount(users, lost)
    return {
        **{name: figures[name] for name in _FIGURES},
        "lost hr@10": float(lost.sum() / max(len(lost), 1)),
        "standard error": float(np.sqrt((by_user**2).sum()) / max(len(lost), 1)),
    }
