"""Whether what is stated of likes comes true as often: of the three forecasts that choice bits are made of.

Before each like *every* item has its probability, and what is left of 1 is that of something that nobody liked before.
Probabilities are in classes by doublings, so that the long tail has classes of its own; of each class the probability
that was stated in all is compared with how many likes came. ECE is the share of likes that came in another class than
was stated: half the sum over classes of |stated - came| / likes. With two things to choose from that is the usual one
(Naeini et al., AAAI 2015). Over many things the usual one weighs each probability alike and is next to nothing whatever
is said of the few that matter; of a forecast that says nothing of any item this one is 1.

`by_chance` is what it would be in the mean if all that is stated were true.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from services.choice.log import LIKE, Shown
from truelike.evaluation import stated
from truelike.evaluation.stated import BELOW, CLASSES, HISTORY, OUTSIDE, POPULAR, SHOWN

GOAL: Final = 0.02
FORECASTS: Final = {"p_popular": POPULAR, "p_history": HISTORY, "p_shown": SHOWN}


def rows(log: str, batch: pa.RecordBatch, shown: Shown) -> list[dict[str, Any]]:
    """A row a forecast, `p_shown` only where something was shown. Of likes in order of time (schema `schemas.LIKES`);
    what else people did is left out.
    """
    likes = batch.filter(pa.array(batch.column("action").to_numpy() == LIKE))
    found = stated.sums(likes, shown)
    return [
        {"log": log, "forecast": name, **_row(found, which)}
        for name, which in FORECASTS.items()
        if which != SHOWN or len(shown)
    ]


def _row(found: stated.Sums, which: int) -> dict[str, Any]:
    said, came, n = found.stated[which], found.came[which], max(found.likes, 1)
    by_chance = np.sqrt(2 / np.pi * np.maximum(found.variance[which], 0.0)).sum() / 2 / n
    return {
        "n": found.likes,
        "ece": float(np.abs(said - came).sum() / 2 / n),
        "by_chance": float(by_chance),
        "new": float(came[OUTSIDE] / n),
        "bins": [
            {"from": _least(k), "stated": float(said[k] / n), "came": float(came[k] / n)}
            for k in range(CLASSES)
            if said[k] > 0.5 or came[k]
        ],
    }


def _least(k: int) -> float | None:
    """The least probability of a class; None for what is not in the catalogue."""
    if k == OUTSIDE:
        return None
    return 0.0 if k == BELOW else 2.0 ** -(k + 1)
