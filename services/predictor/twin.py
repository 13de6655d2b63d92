"""Twin forecasters: what is known of a like before it comes, by one who learns likes and by one who never does.

Both learn what else people did (shares, buys: as much as a like) and what was put before them (each item a little, as
something that goes with what its person did before), at the same moments, and both know the same things. So that they
differ in what likes teach and in nothing else:

- both learn from likes how far their own rankings are to be trusted (calibration, which blend leads, how many likes are
  of what they know nothing of). That says nothing of any person or thing;
- neither takes a ranking at its word from the first like on. What is stated is a mixture of what the person's past
  foretells, what is popular, and anything that there is, by how well each foretold the likes so far (fixed share:
  Herbster and Warmuth, "Tracking the Best Expert", Machine Learning 1998);
- likes alone are scored. The predictor scores shares and buys as if they were likes, and a share of what one has just
  liked, which no ranking holds, would tell it that rankings are bad;
- what a person has done to a thing already is not learnt again: a share of what one liked tells nothing new;
- only who learns likes takes anything back: a like that is unliked, or that turns out to be nobody's. What else a bot
  did before it was found out stays with both.

In the service (`twin_forecasts`) what was shown never comes here: there slates reach both forecasts alike, in the
choice service, through the mixture of choice bits alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.predictor.candidates import WorkSpace
from services.predictor.forecasts import Rest
from services.predictor.learning import Histories, Lists, add_total, learn, place_of, teach, unlearn_item
from services.predictor.model import CoPreference
from services.predictor.ranking import Contest, Places, new_places, score_like
from services.predictor.trending import MONTH, Rates, advance
from shared.checkpoints import Arrays, under
from shared.events import ACTIONS, UNLIKE
from shared.hashing import U64

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LIKE: Final = ACTIONS.index("like")
# Something was put before the actor.
SHOWN: Final = len(ACTIONS)
# The actor's like of the target at that time turned out to be nobody's.
DISOWNED: Final = SHOWN + 1
# What a shown item teaches, beside 1 for a like, share or buy: where who learns no likes forecasts best in made worlds
# (docs/choice.md), so that likes get no credit for what the other could have known.
OF_SHOWN: Final = 0.03
AT_ONCE: Final = 4096
# How often, in likes, another forecast becomes the best one.
SWITCHES: Final = 0.01
# In place of an item's popularity: nothing was learnt yet.
NOTHING_LEARNT: Final = -1.0
# In place of the place of a pair that is in no history.
NOWHERE: Final = -1


@dataclass(frozen=True)
class Acts:
    """What people did and what was put before them, in order of time; shapes (n,). `actor`, `target` are hashes, `time`
    is in ms, `kind` a code of ACTIONS, SHOWN or DISOWNED.
    """

    actor: U64
    target: U64
    time: I64
    kind: npt.NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.time)

    @property
    def take_back(self) -> Bools:
        """Which of them take a like back."""
        found: Bools = (self.kind == UNLIKE) | (self.kind == DISOWNED)
        return found

    def names(self) -> tuple[pa.Array, pa.Array]:
        """Of actors and targets, as the twins number them."""
        return pa.array(self.actor).cast(pa.string()), pa.array(self.target).cast(pa.string())

    def take(self, which: Any) -> Acts:
        return Acts(self.actor[which], self.target[which], self.time[which], self.kind[which])


def in_order(actions: Acts, shown: Acts) -> tuple[Acts, I64]:
    """One log of both, each in order of time; what was shown comes before what was done at that moment. And where in it
    the actions are, shape (actions,).
    """
    names = ("actor", "target", "time", "kind")
    both = Acts(*(np.concatenate((getattr(shown, name), getattr(actions, name))) for name in names))
    order = np.argsort(both.time, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return both.take(order), place[len(shown) :]


def forecasts(acts: Acts, of_shown: float = OF_SHOWN) -> tuple[F64, F64]:
    """How probable each like was, given that its actor likes something now, by who learns likes and by who does not,
    from what came before it; not a number where the row is no like. Shapes (n,).
    """
    twins = Twins(of_shown)
    found = np.full((2, len(acts)), np.nan)
    for start in range(0, len(acts), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        found[:, part] = twins.observe(acts.take(part))
    return found[0], found[1]


class Twins:
    """Both, along one log."""

    def __init__(self, of_shown: float = OF_SHOWN) -> None:
        self.with_likes, self.without = Twin(True, of_shown), Twin(False, of_shown)

    def observe(self, acts: Acts) -> tuple[F64, F64]:
        """Forecast each like of the next rows, and learn them; as of `forecasts`. Shapes (n,)."""
        p_without, otherwise = self.without.observe(acts, np.ones(len(acts), np.bool_))
        # What one shared or bought, too, stays. Who learns no likes holds it, of an actor's latest 256 to 512.
        p_with, _ = self.with_likes.observe(acts, otherwise)
        return p_with, p_without

    def forget(self, actors: U64) -> None:
        """Take back what these actors' held acts taught, and erase them."""
        names = pa.array(actors).cast(pa.string()).to_pylist()
        for twin in (self.with_likes, self.without):
            twin.model.forget(names)

    def snapshot(self) -> Arrays:
        of = {"with.": self.with_likes.snapshot(), "without.": self.without.snapshot()}
        return {prefix + name: values for prefix, arrays in of.items() for name, values in arrays.items()}

    def restore(self, arrays: Arrays) -> None:
        self.with_likes.restore(under("with.", arrays))
        self.without.restore(under("without.", arrays))


class FirstLikes:
    """How many likes came so far, and how many of them were an item's first."""

    def __init__(self) -> None:
        self.likes = self.first = 0

    def observe(self, is_first: npt.NDArray[np.bool_]) -> F64:
        """The share of first likes as it stood before each like, of a batch in log order. Shape (n,)."""
        before = self.first + np.r_[0, np.cumsum(is_first)[:-1]]
        share: F64 = (before + 1.0) / (self.likes + np.arange(len(is_first)) + 2.0)
        self.likes += len(is_first)
        self.first += int(is_first.sum())
        return share


def by_popularity(share: F64, of_new: F64, choices: I64) -> F64:
    """Of the item's share of all likes, the share of likes that go to new items, and the catalogue's size. (n,)."""
    probability: F64 = (1 - of_new) * share + of_new / choices
    return probability


class Twin:
    """One of the two. The catalogue is all that was liked, shared, bought or shown so far."""

    def __init__(self, learns_likes: bool, of_shown: float) -> None:
        self.learns_likes = learns_likes
        self.of_shown = of_shown
        self.model = CoPreference()
        # Likes of what nothing that was learnt tells of.
        self.unheard = FirstLikes()
        # Of the forecasts by a person's past, by popularity, and of anything: how far each is trusted.
        self._trusted = np.full(3, 1 / 3)
        self._choices = 0

    def observe(self, acts: Acts, kept: Bools) -> tuple[F64, Bools]:
        """Forecast each like of the next rows of a log, and learn them; rows that are `kept` take nothing back. Returns
        forecasts, as of `forecasts`, and whether what a row would take back was held before it. Shapes (n,).
        """
        model, back, held = self.model, acts.take_back, np.zeros(len(acts), np.bool_)
        users, items = self._number(acts)
        model.store.reserve(users[~back & (acts.kind != SHOWN)])
        places = new_places(len(acts))
        _follow(
            users, items, acts.time, acts.kind, kept, self.learns_likes, self.of_shown,
            model.store.histories, model.lists, model.rates, model.contest, model._work, len(model.items.ids),
            places, held,
        )  # fmt: skip
        known = np.maximum.accumulate(np.r_[self._choices, np.where(back, 0, items + 1)])
        self._choices = int(known[-1])
        likes = acts.kind == LIKE
        found = np.full(len(acts), np.nan)
        found[likes] = self._stated(Places(*(column[likes] for column in places)), known[1:][likes])
        return found, held

    def _number(self, acts: Acts) -> tuple[I64, I64]:
        """Actors and targets by number. What takes back makes nobody and nothing known: -1 where they are not."""
        back, found = acts.take_back, np.empty((2, len(acts)), np.int64)
        found[:, ~back] = self.model.number(*acts.take(~back).names())
        actors, targets = acts.take(back).names()
        found[:, back] = self.model.users.find(actors), self.model.items.find(targets)
        return found[0], found[1]

    def _stated(self, places: Places, choices: I64) -> F64:
        """Of likes, shape (n,): of what the person's past foretells, what is popular, and anything that there is. Whose
        past tells nothing likes what is popular; where nothing is, anything.
        """
        anything = places.popularity == NOTHING_LEARNT
        of_new = np.where(anything, 1.0, self.unheard.observe(places.popularity <= 0))
        popularity = np.maximum(places.popularity, 0.0)
        by_anything, by_popular = 1.0 / choices, by_popularity(popularity, of_new, choices)
        # What is in no place shares its part of the probability among itself alone.
        among = (popularity + 1.0 / choices) / (2.0 - places.ranked - places.candidates / choices)
        # Both know the whole catalogue: nothing is new. What was done before is among what is in no place.
        unranked = np.maximum(choices - places.candidates, 1)
        n = len(choices)
        known = Rest(by_popular, by_anything, np.zeros(n), among, np.ones(n), np.zeros(n, np.bool_), unranked)
        scored = self.model.prequential.observe(places._replace(again=known.is_new), known)
        by_past = by_popular.copy()
        by_past[scored.at] = scored.p_history
        stated = np.empty(n)
        _mix(np.stack([by_past, by_popular, by_anything]), self._trusted, stated)
        return stated

    def snapshot(self) -> Arrays:
        return {
            **{f"model.{name}": values for name, values in self.model.snapshot().items()},
            "trusted": self._trusted.copy(),
            "known": np.array([self.unheard.likes, self.unheard.first, self._choices]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.model.restore(under("model.", arrays))
        self._trusted = arrays["trusted"].copy()
        self.unheard.likes, self.unheard.first, self._choices = arrays["known"].tolist()


@njit(cache=True)
def _mix(forecasts: Any, trusted: Any, stated: Any) -> None:
    """Fill in `stated`, shape (n,), by how far each forecast of `forecasts`, shape (3, n), is `trusted`, shape (3,),
    before each like: in proportion to what it had given to the likes so far, and a little always.
    """
    for i in range(len(stated)):
        given = trusted * forecasts[:, i]
        stated[i] = given.sum()
        trusted[:] = (1 - SWITCHES) * given / stated[i] + SWITCHES / len(trusted)


@njit(cache=True)
def _at(user: int, item: int, histories: Histories) -> int:
    """Where in the flat arrays a user's pair with the item is, which is held once at most, or NOWHERE."""
    first, length = histories.start[user], histories.length[user]
    place = place_of(histories.item[first : first + length], length, item)
    return first + place if place >= 0 else NOWHERE


@njit(cache=True)
def _follow(
    users: Any,
    items: Any,
    times: Any,
    kinds: Any,
    kept: Any,
    learns_likes: bool,
    of_shown: float,
    histories: Histories,
    lists: Lists,
    rates: Rates,
    contest: Contest,
    work: WorkSpace,
    known_items: int,
    places: Places,
    held: Any,
) -> None:
    """Row by row: the place of a like in the ranking before it, then what the row teaches or takes back."""
    for i in range(len(users)):
        user, item, kind = users[i], items[i], kinds[i]
        if kind == LIKE:
            total = rates.total[MONTH]
            places.popularity[i] = rates.value[MONTH, item] / total if total > 0.0 else NOTHING_LEARNT
            score_like(i, user, item, histories, lists, rates, contest, work, known_items, places)
        # A like that is disowned has moved the clock when it came.
        if kind != DISOWNED:
            advance(rates, times[i])
        if kind == SHOWN:
            first, length = histories.start[user], histories.length[user]
            before = slice(first, first + length)
            if of_shown > 0.0:
                teach(histories.item[before], histories.held[before], length, item, of_shown, lists)
                add_total(lists, rates, item, times[i], of_shown)
        elif kind in (UNLIKE, DISOWNED):
            at = _at(user, item, histories) if user >= 0 and item >= 0 else NOWHERE
            held[i] = at != NOWHERE
            # A like of another time is another one: what was taken back before may have been liked again.
            if held[i] and not kept[i] and (kind == UNLIKE or histories.when[at] == times[i]):
                unlearn_item(user, item, histories, lists, rates)
        elif (kind != LIKE or learns_likes) and _at(user, item, histories) == NOWHERE:
            learn(user, item, times[i], 1.0, histories, lists, rates)
