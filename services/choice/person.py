"""A person's own likes in choice bits, for that person to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from services.choice import bits
from services.choice.log import Bits, Log
from shared.measures.figure import between

# Of fewer likes a mean says nothing about the person.
LEAST_LIKES: Final = 50
# The latest ones.
MOST_LIKES: Final = 120
PARTS: Final = ("popular", "history", "shown", "shown_first", "rest")
NO_MEANS: Final = (None,) * len(PARTS)
# Decimals of a report's bits.
DECIMALS: Final = 4


class Person(NamedTuple):
    """`likes` that stand; of the latest of them that were forecast: how many (`forecast`), what their bits add up to in
    each of PARTS, how many were of what was put before the person, and whether it is known what was.
    """

    likes: int
    forecast: int
    bits: Sequence[float]
    put_before: int
    exposures_known: bool

    @classmethod
    def of(cls, likes: int, found: Bits) -> Person:
        """Of the bits of a person's likes, the latest last."""
        held = found.take(slice(max(0, len(found) - MOST_LIKES), None))
        sums = [float(getattr(held, part).sum()) for part in PARTS]
        return cls(likes, len(held), sums, int(held.was_shown.sum()), bool(held.exposed.any()))

    def described(self) -> dict[str, Any]:
        """For a report: means, and the same as a sentence. What is not identified is null."""
        likes, n, bits, put_before, known = self
        identified = n >= LEAST_LIKES
        popular, history, shown, first, rest = (
            [round(total / n, DECIMALS) for total in bits] if identified else NO_MEANS
        )
        return {
            "likes": likes,
            "forecast": n,
            "identified": identified,
            "popular": popular,
            "history": history,
            "shown": shown if known else None,
            "shown_first": first if known else None,
            "rest": rest,
            "put_before": put_before if known else None,
            "exposures_known": known,
            "sentence": self.sentence(),
        }

    def sentence(self) -> str:
        """What the report says. Predictable is not unchosen: it speaks of what was foretold, and of nobody's will."""
        n = self.forecast
        if n < LEAST_LIKES:
            had = {0: "None of your likes was", 1: "One of your likes was"}.get(n, f"{n} of your likes were")
            return f"{had} forecast before it came; it takes {LEAST_LIKES} to say what foretold them."
        popular, history, shown, shown_first, rest = (total / n for total in self.bits)
        held = f"Of the {popular:.1f} bits that each of your last {n} likes held in the mean"
        past = f"{history:.1f} were foretold by your own past"
        if not self.exposures_known:
            return f"{held}, {past}; {rest:.1f} were not. What was put before you is not known."
        low, high = sorted((shown, shown_first))
        put_before = f"{between(f'{low:.1f}', f'{high:.1f}')} by what was put before you"
        return f"{held}, {past}, {put_before}; {rest:.1f} were neither."


def report(log: Log, actor: int) -> dict[str, Any]:
    """Of the actor with this hash."""
    mine = log.likes.actor == np.uint64(actor)
    found = bits.of_log(log)
    return Person.of(int(mine.sum()), found.take(mine[found.at])).described()
