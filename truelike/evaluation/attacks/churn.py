"""Like, unlike, like: 20 accounts do it eight times over with each of five targets, within an hour, so that the
target's owner is told again and again.
"""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, Ids, Likes, likes, names

ACCOUNTS, TARGETS, TIMES = 20, 5, 8


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    return repeated(base, rng, names("churn", strength.count(ACCOUNTS)), TARGETS, TIMES, strength.time(HOUR))


def repeated(
    base: Background,
    rng: np.random.Generator,
    crew: Ids,
    targets: int,
    times: int,
    length: int,
) -> Likes:
    """Each account likes each of its targets `times` times, and takes it back between, within `length` ms."""
    steps = 2 * times - 1
    liked = np.concatenate([base.any_targets(rng, targets) for _ in crew])
    who = np.repeat(crew, len(liked) // len(crew))
    begin = np.array([base.begin(rng, length) for _ in crew]).repeat(len(liked) // len(crew))
    at = begin[:, None] + np.sort(rng.integers(0, length, (len(who), steps)), axis=1) + np.arange(steps)
    undone = np.broadcast_to(np.arange(steps) % 2 == 1, at.shape).ravel()
    of = np.repeat(liked, steps)
    return likes(at.ravel(), np.repeat(who, steps), of, creator=base.creators_of(of), unlike=undone, fake=True)
