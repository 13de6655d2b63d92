"""Who was judged, and what each was called: what reviews are compared with.

An actor is called a bot if one of the likes that stand is labelled so: what was seen of an actor is the worst of it, as
in `/v1/actors`. Who declares to be an agent was not judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.charts.bootstrap import I64
from services.charts.hash_sample import I32
from services.charts.reviews import Bools, Reviews
from services.charts.spoken import LANGUAGES, UNKNOWN
from services.charts.tally import Unpacked
from shared.hashing import U64
from shared.labels import AGENT, BOT


@dataclass(frozen=True)
class Reviewed:
    """What reviewers found, one row an actor, shapes (n,): the id's hash, whether a bot, whether drawn independently of
    the verdict, and the locale (place in LANGUAGES).
    """

    actor: U64
    bot: Bools
    independent: Bools
    locale: I32


@dataclass(frozen=True)
class Judged:
    """Likes that stand, in any order: who gave each, and its code (services/charts/tally.py). Shapes (n,)."""

    actor: U64
    code: I64

    @cached_property
    def _said(self) -> Unpacked:
        return Unpacked.of(self.code)

    def reviews(self, reviewed: Reviewed) -> Reviews:
        """What reviewers found beside what was said; of whom no like stands, nothing was."""
        who, number = np.unique(self.actor, return_inverse=True)
        called, agent = (
            np.bincount(number[self._said.label == label], minlength=len(who)) > 0 for label in (BOT, AGENT)
        )
        everybody = (int((~agent).sum()), int((called & ~agent).sum()))
        seen = np.isin(reviewed.actor, who[~agent])
        at = np.searchsorted(who, reviewed.actor[seen])
        language, locale = (self._most(of, number, len(who))[at] for of in (self._said.language, self._said.locale))
        declared = reviewed.locale[seen]
        return Reviews.of(
            reviewed.bot[seen],
            called[at],
            np.where(declared == UNKNOWN, locale, declared),
            language,
            reviewed.independent[seen],
            everybody,
            int((~seen).sum()),
        )

    def _most(self, tag: I64, number: I64, actors: int) -> I32:
        """Which tag most of each actor's likes have, of those that have one; of equals the first of LANGUAGES. Shape
        (actors,). `number`: of each like's actor.
        """
        said = tag != UNKNOWN
        pairs, likes = np.unique(number[said] * len(LANGUAGES) + tag[said], return_counts=True)
        whose, of = np.divmod(pairs, len(LANGUAGES))
        # What is last of an actor stays.
        order = np.lexsort((-of, likes, whose))
        found = np.full(actors, UNKNOWN, np.int32)
        found[whose[order]] = of[order]
        return found
