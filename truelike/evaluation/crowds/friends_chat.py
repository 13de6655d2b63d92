"""Five chats of six friends: eight links in an evening, and each likes what was sent within a minute."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import HOUR, MINUTE, Likes, joined, names

CHATS, FRIENDS, LINKS, LENGTH = 5, 6, 8, 3 * HOUR


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    evenings = []
    for friends in names("friend", CHATS * FRIENDS).reshape(CHATS, FRIENDS):
        links = base.any_targets(rng, LINKS)
        sent = base.begin(rng, LENGTH) + np.sort(rng.integers(0, LENGTH, len(links)))
        times = sent[:, None] + rng.integers(0, MINUTE, (len(links), FRIENDS))
        evenings.append(base.of(times.ravel(), np.tile(friends, len(links)), np.repeat(links, FRIENDS)))
    return base.with_life(rng, joined(*evenings), history)
