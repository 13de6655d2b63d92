"""Figure 6: how far apart what people look for by themselves has come, between those who were shown a policy's choice
and those who were held out.

Jensen-Shannon divergence, in bits (Lin, "Divergence measures based on the Shannon entropy", IEEE Transactions on
Information Theory 1991), between the two arms' shares of creators, organic and search likes only. Two samples of the
same taste are apart by chance alone; how far is found by giving people's arms out anew at random, and taken off. The
error is the Poisson bootstrap's over people (Chamandy et al., "Estimating uncertainty for massive data streams", 2012).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from services.choice import confidence
from services.choice.confidence import Interval
from services.choice.figure import Figure, measured, not_identified
from services.choice.log import F64, I64, NOBODY, Bools, Log
from shared.events import SURFACES
from shared.exposures import NO_ARM, TREATED
from shared.hashing import U64, mix

NAME: Final = "induced_drift"
OWN: Final = [SURFACES.index("organic"), SURFACES.index("search")]
REPLICAS: Final = 200
# People with such likes in each arm, and likes.
LEAST_IN_ARM: Final = 50
LEAST_LIKES: Final = 200


def measure(log: Log) -> Iterator[Figure]:
    """One figure a policy that has both arms; of likes from when their person's arm began."""
    if not len(log.shown):
        yield not_identified(NAME, {}, 0, "there are no exposures")
        return
    shown = log.shown
    for policy, name in enumerate(log.policies):
        mine = shown.take((shown.policy == policy) & (shown.arm != NO_ARM))
        if len(mine):
            yield _of(log, mine.actor, mine.arm, mine.time, {"policy": name})
        else:
            yield not_identified(NAME, {"policy": name}, 0, "no experiment parted people")


def _of(log: Log, actor: U64, arm: Any, time: I64, about: dict[str, Any]) -> Figure:
    people, first, of_row = np.unique(actor, return_index=True, return_inverse=True)
    treated: Bools = arm[first] == TREATED
    if (changed := len(np.unique(of_row[(arm == TREATED) != treated[of_row]]))) > 0:
        they = "one person was" if changed == 1 else f"{changed:,} people were"
        return not_identified(NAME, about, 0, f"{they} in both arms")
    # Rows are in order of time.
    begins = time[first]
    likes = log.likes.take(np.isin(log.likes.surface, OWN) & np.isin(log.likes.actor, people))
    place = np.searchsorted(people, likes.actor)
    after = likes.time >= begins[place]
    likes, place = likes.take(after), place[after]
    known = likes.creator != NOBODY
    unknown = 1 - float(known.mean()) if len(known) else 0.0
    likes, place = likes.take(known), place[known]
    in_treated = treated[place]
    for which, said in ((in_treated, "treated"), (~in_treated, "held out")):
        who = len(np.unique(place[which]))
        if who < LEAST_IN_ARM or which.sum() < LEAST_LIKES:
            why = f"{who} people who are {said} gave {which.sum():,} likes of their own"
            return not_identified(NAME, about, len(likes), f"{why}; it takes {LEAST_IN_ARM} and {LEAST_LIKES}")
    found = _interval(people, place, treated, likes.creator, likes.weight)
    sentence = (
        f"What people like by themselves is between {found.low:.3f} and {found.high:.3f} bits apart between those who "
        f"were shown what {about['policy']} chose and those who were held out (1 bit: nothing in common)."
    )
    return measured(NAME, about, len(likes), found, sentence, unknown_share=unknown)


def _interval(people: U64, place: I64, treated: Bools, creator: U64, weight: F64) -> Interval:
    """Of likes by the people at these places, of whom `treated` says which arm they are in."""
    creators, kind = np.unique(creator, return_inverse=True)
    k = len(creators)

    def apart(weights: F64, arm: Bools) -> float:
        of_arm = arm[place]
        first, second = (np.bincount(kind[one], weights[one], k).astype(np.float64) for one in (of_arm, ~of_arm))
        return divergence(first, second)

    liking = np.unique(place)
    chance, resampled = np.zeros(REPLICAS), np.zeros(REPLICAS)
    for r in range(REPLICAS):
        # By the person and the replica alone, so that whoever measures the same log finds the same.
        drawn = mix(people, np.full(len(people), r + 1, np.uint64))
        arms = np.zeros(len(people), np.bool_)
        order = liking[np.argsort(drawn[liking], kind="stable")]
        arms[order[: int(treated[liking].sum())]] = True
        chance[r] = apart(weight, arms)
        resampled[r] = apart(weight * _poisson(drawn)[place], treated)
    value = apart(weight, treated) - float(chance.mean())
    spread = float(resampled.std()) * confidence.multiplier(len(liking))
    return Interval(max(value, 0.0), min(max(value - spread, 0.0), 1.0), min(max(value + spread, 0.0), 1.0))


def _poisson(drawn: U64) -> F64:
    """Poisson(1) numbers from hashes, shape as given."""
    share = (drawn >> np.uint64(11)).astype(np.float64) / 2.0**53
    odds = np.cumsum([np.exp(-1.0) / factorial for factorial in (1, 1, 2, 6, 24, 120, 720, 5040)])
    found: F64 = np.searchsorted(odds, share, side="right").astype(np.float64)
    return found


def divergence(first: F64, second: F64) -> float:
    """Jensen-Shannon, in bits, of two vectors of counts, shape (kinds,); 0 where one of them is empty."""
    if first.sum() == 0 or second.sum() == 0:
        return 0.0
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    bits = 0.0
    for one in (p, q):
        some = one > 0
        bits += 0.5 * float(one[some] @ np.log2(one[some] / middle[some]))
    return bits
