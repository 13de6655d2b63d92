"""How much of the weight in a file may be of what AI made or liked: the weight of recommended AI is lowered to a bound.

A model that learns from what models made, and recommends it again, is a loop. With a share s of such weight, what it
gets wrong can grow 1 / (1 - s) fold (Taori and Hashimoto, "Data Feedback Loops", 2023, in the limit).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.exporter.codes import Mask, is_in
from shared.labels import TEACH_NOTHING

F64 = npt.NDArray[np.float64]

WEIGHT: Final = "training_weight"
# What a machine chose to show.
_RECOMMENDED: Final = ("recommended", "autoplay")


def factor(total: float, loop: float, fixed_loop: float, bound: float) -> float:
    """What the weight of recommended AI is multiplied by, in [0, 1], so that AI's share is at most `bound`.

    `total`: all weight; `loop`: that of recommended AI; `fixed_loop`: that of other AI, which is not lowered. Where
    `fixed_loop` alone is above the bound it is 0, and the bound is not kept.
    """
    room = max(bound * (total - loop) - fixed_loop, 0.0)
    asked = loop * (1 - bound)
    return 1.0 if asked <= room else room / asked


def ceiling(share: float) -> float:
    """How many-fold what a loop gets wrong can grow, in the limit, where `share` of the weight is its own."""
    return 1 / (1 - share) if share < 1 else math.inf


def trust(likes: pa.Table, probability: str = "human_probability", label: str = "label") -> F64:
    """How much each like may teach, shape (n,): its human probability, nothing where the label is bot or agent, or
    where there is none (`previous_probability` and `previous_label` of a like that comes for the first time).
    """
    weight = pc.fill_null(likes.column(probability), 0.0).to_numpy().astype(np.float64)
    return np.where(is_in(likes, label, TEACH_NOTHING), 0.0, weight)


def unlikes(likes: pa.Table) -> Mask:
    return is_in(likes, "action", ("unlike",))


def of_ai(likes: pa.Table) -> Mask:
    """Which likes are of what AI made, or come from who calls itself an agent."""
    return is_in(likes, "content_origin", ("ai",)) | is_in(likes, "actor_kind", ("agent",))


def recommended_ai(likes: pa.Table) -> Mask:
    """Which likes are of what AI made and a machine chose to show."""
    return is_in(likes, "content_origin", ("ai",)) & is_in(likes, "surface", _RECOMMENDED)


def with_training_weight(likes: pa.Table, bound: float) -> pa.Table:
    """The rows of a file with what each counts for in training: its trust, an unlike nothing, recommended AI as much
    less as it takes to keep the bound (as exactly as a float32 can).
    """
    weight = np.where(unlikes(likes), 0.0, trust(likes))
    ai, lowered = of_ai(likes), recommended_ai(likes)
    loop = float(weight[lowered].sum())
    weight[lowered] *= factor(float(weight.sum()), loop, float(weight[ai].sum()) - loop, bound)
    column = pa.array(weight.astype(np.float32))
    if WEIGHT in likes.column_names:
        return likes.set_column(likes.column_names.index(WEIGHT), WEIGHT, column)
    return likes.append_column(WEIGHT, column)
