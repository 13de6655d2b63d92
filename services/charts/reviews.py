"""What reviewers found of actors whom the detector had judged: what its mistakes are reckoned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from services.charts.bootstrap import I64
from services.charts.hash_sample import I32
from services.charts.spoken import LANGUAGES

Bools = npt.NDArray[np.bool_]
BY: Final = ("locale", "language")
PERSON, BOT_FOUND = range(2)
SAID_NO, CALLED = range(2)


@dataclass(frozen=True)
class Reviews:
    """`counts`: actors by what they are grouped by, group (places in LANGUAGES), what reviewers found (a person, a bot)
    and whether they had been called bots, shape (2, len(LANGUAGES), 2, 2). `left_out`: reviews that were not drawn
    independently of the verdict; `unseen`: of those whom nobody had judged. Of all actors, reviewed or not, `judged` so
    many, `called` so many bots.
    """

    counts: I64
    left_out: int = 0
    judged: int = 0
    called: int = 0
    unseen: int = 0

    def __add__(self, other: Reviews) -> Reviews:
        return Reviews(
            self.counts + other.counts,
            self.left_out + other.left_out,
            self.judged + other.judged,
            self.called + other.called,
            self.unseen + other.unseen,
        )

    @classmethod
    def of(
        cls,
        bot: Bools,
        called: Bools,
        locale: I32,
        language: I32,
        independent: Bools,
        everybody: tuple[int, int] = (0, 0),
        unseen: int = 0,
    ) -> Reviews:
        """Of rows, one an actor, shapes (n,). `everybody`: how many were judged, and how many of them called bots."""
        counts = np.zeros((len(BY), len(LANGUAGES), 2, 2), np.int64)
        for by, group in enumerate((locale, language)):
            at = (group[independent], bot[independent].astype(int), called[independent].astype(int))
            np.add.at(counts[by], at, 1)
        return cls(counts, int((~independent).sum()), *everybody, unseen)


NO_REVIEWS: Final = Reviews(np.zeros((len(BY), len(LANGUAGES), 2, 2), np.int64))
