"""14 creators who like each other's works: some together, as soon as one is out, the others in turns over days."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, MINUTE, Ids, Likes, joined, likes, names

CREATORS, TOGETHER, IN_TURNS = 14, 1, 2


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    return ring(
        base,
        rng,
        names("ring", strength.count(CREATORS, least=4)),
        TOGETHER,
        IN_TURNS,
        strength.time(10 * MINUTE),
        min(strength.time(3 * DAY), base.span * 7 // 10),
    )


def ring(
    base: Background,
    rng: np.random.Generator,
    creators: Ids,
    together: int,
    in_turns: int,
    jitter: int,
    length: int,
) -> Likes:
    """Every creator has `together` works that all others like within `jitter` ms, and `in_turns` that each of them
    likes at a time of its own, within `length` ms.
    """
    begin, parts = base.begin(rng, length), []
    for number, creator in enumerate(creators):
        others = np.delete(creators, number)
        for work in range(together + in_turns):
            out = int(rng.integers(begin, begin + length - min(jitter, length) + 1))
            later = rng.integers(0, max(1, jitter), len(others)) + out
            times = later if work < together else base.moments(rng, len(others), begin, begin + length)
            parts.append(likes(times, others, f"{creator}-work-{work}", creator=creator, fake=True))
    return joined(*parts)
