"""Likes ranked before they are learnt where what is asked and what is learnt are two things, and where rankings have a
floor: the predictor's own scoring and learning, compiled into one loop.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from services.predictor import candidates, ranking
from services.predictor.language_floor import Floor, lift
from services.predictor.learning import Histories, Lists, learn
from services.predictor.model import NO_FLOOR, CoPreference
from services.predictor.prequential import Scored
from services.predictor.ranking import LEADER, TOP, Contest, Places, rank_one, score_like
from services.predictor.trending import Rates, advance

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# As many likes may come before a language that is new to an item, or the greatest, is known to the floor.
FRAME: Final = 256


class Model:
    """Truelike's model on likes by number of user and item, all known from the start."""

    def __init__(self, users: Any, items: Any) -> None:
        self.model = CoPreference()
        self.users, self.items = self.model.number(users, items)
        self.model.store.reserve(self.users)
        self._work = candidates.new_work_space(len(self.model.lists.total))

    def rank_and_learn(
        self,
        part: slice,
        times: I64,
        asked: Mask,
        trust: npt.NDArray[Any],
        floors: list[Floor] | None = None,
        shown: I64 | None = None,
    ) -> tuple[Scored, I64]:
        """Rank each like of a part that is asked for, then learn it with its trust; arrays are of all likes. Returns
        what the model scored, and by floor the place of each like in the published ranking, 0 for none, shape
        (floors, likes of the part); adds to `shown`, (floors, items), how often each item was in one.
        """
        model, mine = self.model, self.items[part]
        places = ranking.new_places(len(mine))
        protected = floors[0].protected if floors else NO_FLOOR.protected
        least = np.array([floor.least for floor in floors or ()], np.int64).reshape(-1, TOP)
        at = np.zeros((len(least), len(mine)), np.int64)
        arrays = model.store.histories, model.lists, model.rates, model.contest, self._work
        rows = self.users[part], mine, times[part], asked[part], trust[part].astype(np.float64)
        counted = np.zeros((0, 0), np.int64) if shown is None else shown
        _rank_and_learn(*rows, *arrays, len(model.items.ids), places, protected, least, at, counted)
        return model.observe(mine, places), at


@njit(cache=True)
def _rank_and_learn(
    users: Any,
    items: Any,
    times: Any,
    asked: Any,
    trust: Any,
    histories: Histories,
    lists: Lists,
    rates: Rates,
    contest: Contest,
    work: candidates.WorkSpace,
    known_items: int,
    places: Places,
    protected: Any,
    least: Any,
    at: Any,
    shown: Any,
) -> None:
    top, score, place = np.empty(TOP, np.int64), np.empty(TOP), np.empty(TOP, np.int64)
    best, best_score = np.empty(TOP, np.int64), np.empty(TOP)
    for i in range(len(users)):
        user, item = users[i], items[i]
        first, length = histories.start[user], histories.length[user]
        if asked[i] and (histories.held[first : first + length] > 0.0).any():
            if len(least) > 0:
                filled, _, found = rank_one(
                    user,
                    contest.state[LEADER],
                    histories,
                    lists,
                    rates,
                    work,
                    protected,
                    top,
                    score,
                    best,
                    best_score,
                )
                for f in range(len(least)):
                    lifted, lifted_score = top.copy(), score.copy()
                    lift(lifted, lifted_score, filled, best, best_score, found, protected, least[f], place)
                    for k in range(filled):
                        shown[f, lifted[k]] += 1
                        if lifted[k] == item:
                            at[f, i] = k + 1
            score_like(i, user, item, histories, lists, rates, contest, work, known_items, places)
        advance(rates, times[i])
        learn(user, item, times[i], trust[i], histories, lists, rates)
