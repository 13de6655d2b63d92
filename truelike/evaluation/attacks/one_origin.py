"""60 accounts behind one address, in a day: each likes three of five pushed targets and more that anyone likes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from truelike.evaluation.attacks.overlay import Strength
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, Likes, joined, names

ACCOUNTS, PUSHED, EACH, HIDING = 60, 5, 3, 8


def lay(base: Background, rng: np.random.Generator, strength: Strength) -> Likes:
    crew, pushed = names("one-origin", strength.count(ACCOUNTS)), base.any_targets(rng, PUSHED)
    length = min(strength.time(DAY), base.span * 7 // 10)
    begin = base.begin(rng, length)
    chosen = np.concatenate([rng.permutation(pushed)[:EACH] for _ in crew])
    who = np.repeat(crew, len(chosen) // len(crew))
    core = base.of(base.moments(rng, len(who), begin, begin + length), who, chosen, fake=True)
    made = joined(core, base.camouflage(rng, crew, strength.hiding(HIDING), begin, begin + length))
    return replace(made, origin=np.full(len(made), "farm"))
