"""Figure 9: who bought, by evidence. Each rung is what a buy proves, never who chose; nothing proves a human.

| rung | a buy is on it if |
|---|---|
| 4 cart confirmed | `signature` valid, `mandate` cart, `user_present` yes |
| 3 standing mandate | `signature` valid, `mandate` standing |
| 2 signed agent | `signature` valid, none of the above: also a cart, where nobody says that its person was there |
| 1 declared | no valid signature, and it says itself that an agent acted, in one of the ways below |
| 0 unknown | none of that |

It says so by `actor_kind` agent, an `agent_key`, a principal who is not the actor, a `mandate`, or a signature that is
invalid. Those are words: without a valid signature no mandate and no presence climbs higher.

People are the units. Where all are alike an interval of no width would claim to know, so two people more are counted,
who bought as much as others in the mean: one of them all of it on this rung, one nothing (as in Agresti and Coull,
"Approximate is better than 'exact' for interval estimation of binomial proportions", American Statistician 1998).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.choice.log import I64, NOBODY, Bools, Buys, Log
from services.choice.moments import Moments
from shared.events import MANDATES, SIGNATURES, SURFACES, USER_PRESENT
from shared.hashing import U64, mix
from shared.measures import confidence
from shared.measures.cells import Cell, Cells
from shared.measures.confidence import Interval
from shared.measures.figure import LEAST_PEOPLE, Figure, measured, not_identified, percent
from shared.measures.measure import Measure
from shared.measures.units import Units, UnitSums

NAME: Final = "buyer_ladder"
RUNGS: Final = ("unknown", "declared", "signed agent", "standing mandate", "cart confirmed")
UNKNOWN, DECLARED, SIGNED, STANDING, CONFIRMED = range(len(RUNGS))
SAID: Final = (
    "are of unknown: nothing says who bought",
    "are of agents by their own word, which nothing proves",
    "are signed by an agent: that says which service bought, and not who chose",
    "are of signed agents under a standing mandate of the person",
    "are of carts that the person confirmed to a signed agent",
)
ALL: Final = "all"
NEW: Final = "new to the person"
# Columns of a ladder: buys, then those of each rung. Of the other sums: buys under a standing mandate, those of what is
# new to the person as far as is known, and those where that is certain.
WHOLE: Final = 0
MANDATED, UNMET, CERTAIN = range(3)
TOO_FEW: Final = f"fewer than {LEAST_PEOPLE} people, whom it could tell of"
WOULD_TELL: Final = f"by it the one rung of fewer than {LEAST_PEOPLE} people could be told"


def rungs(buys: Buys) -> npt.NDArray[np.int64]:
    """The rung of each buy, shape (n,)."""
    valid = buys.signature == SIGNATURES.index("valid")
    cart, standing = (buys.mandate == MANDATES.index(name) for name in ("cart", "standing"))
    present = buys.user_present == USER_PRESENT.index("yes")
    declared = buys.declared | cart | standing | (buys.signature == SIGNATURES.index("invalid"))
    conditions = [valid & cart & present, valid & standing, valid, declared]
    return np.select(conditions, [CONFIRMED, STANDING, SIGNED, DECLARED], UNKNOWN)


def state(log: Log) -> Cells:
    """By surface and of all: each rung's buys, and apart each rung's people; what of standing mandates was new."""
    buys, rung = log.buys, rungs(log.buys)
    sums: dict[Cell, UnitSums] = {}
    parts = {SURFACES[code]: buys.surface == code for code in np.unique(buys.surface).tolist()}
    for surface, which in {ALL: np.ones(len(buys), np.bool_), **parts}.items():
        person, on = buys.person[which], rung[which]
        sums[(surface,)] = Units(person).sums(np.ones(len(person)), *(on == k for k in range(len(RUNGS))))
        for k, name in enumerate(RUNGS):
            sums[(surface, name)] = _people(person[on == k])
    mandated = buys.take(rung == STANDING)
    unmet, certain = _unmet(mandated, log)
    sums[(NEW,)] = Units(mandated.person).sums(np.ones(len(mandated)), unmet, certain)
    sums[(NEW, "people")] = _people(mandated.person[unmet])
    return Cells(len(log.shown), sums)


def _people(person: U64) -> UnitSums:
    return Units(person).sums(np.ones(len(person)))


def _unmet(buys: Buys, log: Log) -> tuple[Bools, Bools]:
    """Of which buys the person was shown or liked nothing before that was of the creator, or that target; and of which
    that is certain: all creators are known, of the buy and of what came before it. Shapes (n,).
    """
    liked = log.likes.take(np.isin(log.likes.actor, buys.person))
    seen = log.shown.take(np.isin(log.shown.actor, buys.person) & ~log.shown.withheld)
    actor, target, creator, time = (
        np.concatenate([getattr(rows, name) for rows in (liked, seen)])
        for name in ("actor", "target", "creator", "time")
    )
    known, named = buys.creator != NOBODY, creator != NOBODY
    met = _before(mix(buys.person, buys.target), buys.time, mix(actor, target), time)
    of_creator = mix(actor[named], creator[named])
    met |= known & _before(mix(buys.person, buys.creator), buys.time, of_creator, time[named])
    nameless = _before(buys.person, buys.time, actor[~named], time[~named])
    return ~met, ~met & known & ~nameless


def _before(key: U64, time: I64, other_key: U64, other_time: I64) -> Bools:
    """Whether the same key is among the others, earlier. Shape (n,)."""
    first, stop = Moments(other_key, other_time).between(key, np.zeros(len(key), np.int64), time)
    return first < stop


def figures(state: Cells) -> Iterator[Figure]:
    """One figure a rung, of all and by surface; and what of standing mandates was new to their people."""
    if not state.sums[(ALL,)].rows:
        yield not_identified(NAME, {}, 0, "there are no buys")
        return
    known = [surface for surface in SURFACES if (surface,) in state.sums]
    for surface in (ALL, *(known if len(known) > 1 else ())):
        yield from _ladder(state, surface)
    yield _new(state)


def _ladder(state: Cells, surface: str) -> Iterator[Figure]:
    sums, people = state.sums[(surface,)], _people_by_rung(state, surface)
    if (few := _few({"surface": surface}, sums)) is not None:
        yield few
        return
    unknown, hidden = sums.ratio((1 + UNKNOWN, WHOLE)), _hidden(people)
    of = "of buys" if surface == ALL else f"of buys by way of {surface}"
    for rung, name in enumerate(RUNGS):
        about: dict[str, Any] = {"rung": name, "surface": surface}
        if rung in hidden:
            yield not_identified(NAME, about, sums.rows, hidden[rung])
            continue
        found = _share(sums, 1 + rung, WHOLE)
        also = "" if rung == UNKNOWN else f"; {percent(unknown)} are of unknown"
        sentence = f"{percent(found.value)} {of} {SAID[rung]}{also}."
        more = {"rung_number": rung, "people": people[rung]}
        yield measured(NAME, about, sums.rows, found, sentence, unknown_share=unknown, more=more)


def _people_by_rung(state: Cells, surface: str) -> list[int]:
    return [state.sums[(surface, name)].units for name in RUNGS]


def _hidden(people: list[int]) -> dict[int, str]:
    """Why rungs are not told of: those of too few people. What nothing is known of tells of nobody, and every other
    figure names its share. Of one rung alone the others would tell, so that the next one goes with it.
    """
    rest = sorted((count, rung) for rung, count in enumerate(people) if rung != UNKNOWN and count)
    hidden = {rung: TOO_FEW for count, rung in rest if count < LEAST_PEOPLE}
    if len(hidden) == 1:
        hidden |= {rung: WOULD_TELL for _, rung in rest[1:2]}
    return hidden


def _new(state: Cells) -> Figure:
    sums, about = state.sums[(NEW,)], {"rung": RUNGS[STANDING], "of": NEW}
    if not sums.rows:
        return not_identified(NAME, about, 0, "no buy is under a standing mandate")
    if (hidden := _hidden(_people_by_rung(state, ALL)).get(STANDING)) is not None:
        # Not how many they are, either.
        return not_identified(NAME, about, 0, hidden)
    if not state.exposures:
        why = "there are no exposures: what people were shown before they bought is not known"
        return not_identified(NAME, about, sums.rows, why)
    if (few := _few(about, sums)) is not None:
        return few
    people = state.sums[(NEW, "people")].units
    if 0 < people < LEAST_PEOPLE:
        return not_identified(NAME, about, sums.rows, TOO_FEW)
    found, certain = (_share(sums, part, MANDATED) for part in (UNMET, CERTAIN))
    unknown = found.value - certain.value
    also = f"; of {percent(unknown)} of them it may be otherwise, since a creator is not known" if unknown else ""
    sentence = (
        f"{percent(found.value)} of buys under a standing mandate are of somebody of whom the person had never before "
        f"been shown or liked anything{also}."
    )
    found = Interval(found.value, certain.low, found.high)
    return measured(NAME, about, sums.rows, found, sentence, unknown_share=unknown, more={"people": people})


def _few(about: dict[str, Any], sums: UnitSums) -> Figure | None:
    if sums.units < LEAST_PEOPLE:
        return not_identified(NAME, about, 0, TOO_FEW)
    few = confidence.too_few(sums)
    return not_identified(NAME, about, sums.rows, few) if few is not None else None


def _share(sums: UnitSums, part: int, whole: int) -> Interval:
    more = np.zeros((2, len(sums.totals)))
    more[:, whole] = sums.totals[whole] / sums.units
    more[0, part] = more[0, whole]
    found, value = confidence.of_ratio_of_means(sums + UnitSums.of(more, 0), (part, whole)), sums.ratio((part, whole))
    return Interval(value, max(min(found.low, value), 0.0), min(max(found.high, value), 1.0))


measure: Final = Measure(NAME, Cells, state, figures)
