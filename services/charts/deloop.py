"""De-loop weights: how much of the loop's likes to learn from, so that they are no more than a share of the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from shared.measures.units import F64


def loop_share(weight: F64, in_loop: npt.NDArray[np.bool_]) -> float:
    """s of rows that are learnt from, shapes (n,); 0 where nothing weighs anything."""
    whole = float(weight.sum())
    return float(weight[in_loop].sum()) / whole if whole else 0.0


def factor(weight: F64, in_loop: npt.NDArray[np.bool_], s_max: float) -> float:
    """By what the weights of the loop's rows (recommended and AI-made, or AI-liked) are to be multiplied, the largest
    number up to 1 for which s <= s_max: f L / (f L + R) = s_max, with L the loop's weight and R the rest.

    Where there is no rest, only 0 does, unless s_max is 1. Raises ValueError with what is wrong.
    """
    if not 0 <= s_max <= 1:
        raise ValueError(f"s_max is {s_max}: give a share between 0 and 1")
    if weight.shape != in_loop.shape:
        raise ValueError(f"weight has shape {weight.shape}, in_loop {in_loop.shape}: give one of each row")
    if not (np.isfinite(weight) & (weight >= 0)).all():
        raise ValueError("weight must be finite and not below 0")
    loop, rest = float(weight[in_loop].sum()), float(weight[~in_loop].sum())
    if s_max == 1 or loop == 0:
        return 1.0
    return min(1.0, s_max * rest / ((1 - s_max) * loop))


def delooped(weight: npt.NDArray[Any], in_loop: npt.NDArray[np.bool_], s_max: float) -> F64:
    """The weights to learn with, shape (n,): those of the loop capped together, all others as they were."""
    weight = weight.astype(np.float64)
    return np.where(in_loop, weight * factor(weight, in_loop, s_max), weight)
