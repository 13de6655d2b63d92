"""A partition's log at a moment, for the figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.choice.log import NOBODY, Bits, Buys, Likes, Log, Shown
from services.choice.person import PARTS

_AS_THEY_ARE: Final = ("actor", "target", "creator", "time", "surface", "slate", "topic", "origin", "language")


@dataclass(frozen=True)
class Kept:
    """A copy of what is kept at a moment: the log is made of it elsewhere, while likes go on. `languages`, `others`: as
    of the log.
    """

    likes: dict[str, npt.NDArray[Any]]
    shown: dict[str, npt.NDArray[Any]]
    policies: tuple[str, ...]
    now_ms: int
    buys: dict[str, npt.NDArray[Any]]
    languages: tuple[str, ...] = ()
    others: int | None = None

    def log(self, highest_actor: int) -> Log:
        """In order of time; of actors of a sample: those whose hash is at most `highest_actor`."""
        likes, shown = self.likes, self.shown
        stand = (likes["weight"] > 0) & (likes["actor"] <= np.uint64(highest_actor))
        order = np.flatnonzero(stand)
        order = order[np.argsort(likes["time"][order], kind="stable")]
        nothing = np.full(len(order), np.nan)
        ids = {name: likes[name][order] for name in _AS_THEY_ARE}
        ids |= {name: likes[name][order].astype(np.float64) for name in ("p_with", "p_without")}
        weight = likes["weight"][order].astype(np.float64)
        given = Likes(**ids, weight=weight, p_popular=nothing, p_history=nothing)
        at = np.flatnonzero(likes["forecast"][order])
        found: dict[str, Any] = {part: likes[part][order[at]].astype(np.float64) for part in PARTS}
        found |= {name: likes[name][order[at]] for name in ("exposed", "was_shown")}
        seen = np.flatnonzero(shown["actor"] != NOBODY)
        seen = seen[np.argsort(shown["time"][seen], kind="stable")]
        columns = {name: column[seen] for name, column in shown.items()}
        columns["slate"] = columns["slate"].view(np.int64)
        wide = {name: columns[name].astype(np.int64) for name in ("policy", "rank", "candidates")}
        bits, buys = Bits(at, **found), self._bought(highest_actor)
        shown_items = Shown(**columns | wide)
        return Log(given, shown_items, self.policies, self.now_ms, bits, buys, self.languages, self.others)

    def _bought(self, highest_actor: int) -> Buys:
        person = self.buys["person"]
        known = np.flatnonzero((person != NOBODY) & (person <= np.uint64(highest_actor)))
        order = known[np.argsort(self.buys["time"][known], kind="stable")]
        return Buys(**{name: column[order] for name, column in self.buys.items()})
