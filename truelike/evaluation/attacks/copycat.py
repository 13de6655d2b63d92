"""30 bots, ten behind each of three people, that like again what the person liked, one to ten minutes later."""

from __future__ import annotations

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import MINUTE, Likes, joined, likes, names

PEOPLE, BOTS, LEAST, MOST = 3, 10, 20, 100


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    each, parts = strength.count(BOTS), []
    people = base.regulars(rng, PEOPLE, LEAST)
    if not len(people):
        people = base.regulars(rng, PEOPLE, 1)
    crew = names("copycat", each * len(people)).reshape(len(people), each)
    for bots, person in zip(crew, people, strict=True):
        own = base.likes_of(int(person))
        own = own.take(~own.unlike).take(slice(-MOST, None))
        for bot in bots:
            later = own.occurred_at + rng.integers(MINUTE, strength.time(10 * MINUTE), len(own))
            parts.append(likes(later, bot, own.target, creator=own.creator, fake=True))
    return joined(*parts)
