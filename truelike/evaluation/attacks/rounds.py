"""Likes that a crew gives target by target: what most kinds of attack are made of."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import I64, Ids, Likes


def rounds(
    base: Background,
    rng: np.random.Generator,
    crew: Ids,
    targets: Ids,
    starts: I64,
    jitter: int,
    share: float = 1.0,
) -> Likes:
    """Every one of the crew likes each target within `jitter` ms of the target's start; with `share` below 1 a
    random part of the crew does, a new one for each target.
    """
    taking = max(2, round(len(crew) * share))
    who = np.concatenate([rng.permutation(crew)[:taking] for _ in range(len(targets))])
    times = np.repeat(starts, taking) + rng.integers(0, max(1, jitter), len(who))
    return base.of(times, who, np.repeat(targets, taking), fake=True)


def evenly(first: int, count: int, length: int) -> I64:
    """`count` starts over `length` ms."""
    return first + (np.arange(count) * length) // max(1, count)
