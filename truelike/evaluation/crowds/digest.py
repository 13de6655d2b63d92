"""1,500 people open a digest of 40 items within 20 minutes, and like one to four of them."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import MINUTE, SECOND, Likes, names

PEOPLE, ITEMS, LENGTH = 1500, 40, 20 * MINUTE


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    readers, items = names("reader", PEOPLE), base.any_targets(rng, ITEMS)
    opened = base.begin(rng, 2 * LENGTH) + rng.integers(0, LENGTH, PEOPLE)
    order = rng.permuted(np.tile(np.arange(len(items)), (PEOPLE, 1)), axis=1)[:, :4]
    reader, place = np.nonzero(np.arange(order.shape[1]) < rng.integers(1, 5, PEOPLE)[:, None])
    # From the top down, some seconds an item.
    times = (
        opened[reader] + np.sort(order, axis=1)[reader, place] * 5 * SECOND + rng.integers(0, 5 * SECOND, len(reader))
    )
    liked = base.of(times, readers[reader], items[np.sort(order, axis=1)[reader, place]])
    return base.with_life(rng, liked, history)
