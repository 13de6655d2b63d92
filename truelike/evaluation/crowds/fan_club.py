"""25 fans of one creator get a notice of each of 20 posts: seven of ten like it, most within the hour."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, MINUTE, Likes, likes, names

FANS, POSTS, LENGTH = 25, 20, 20 * DAY
SHARE, DELAY = 0.7, 40 * MINUTE


def lay(base: Background, rng: np.random.Generator, history: bool) -> Likes:
    length = min(LENGTH, base.span * 7 // 10)
    posts = np.sort(base.moments(rng, POSTS, begin := base.begin(rng, length), begin + length))
    liked = rng.random((FANS, POSTS)) < SHARE
    fan, post = np.nonzero(liked)
    times = posts[post] + rng.exponential(DELAY, len(post)).astype(np.int64)
    club = likes(times, names("fan", FANS)[fan], names("fan-post", POSTS)[post], creator="fan-creator")
    return base.with_life(rng, club, history)
