"""Partitions' states, sent and merged, say what the whole log says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import msgspec
import numpy as np
import pytest

from services.choice import bits, states
from services.choice.figures import choice_bits, measure
from services.choice.log import I64, NO_LANGUAGE, NO_SLATE, Bits, Bools, Buys, Log
from services.choice.states import States
from shared.events import SURFACES
from shared.hashing import U64, mix
from shared.measures.figure import Figure
from tests.unit.choice.test_bits import world as bits_world
from truelike.evaluation.choice_world import World, make
from truelike.evaluation.drift_world import DriftWorld
from truelike.evaluation.drift_world import make as make_drift
from truelike.evaluation.value_world import ValueWorld
from truelike.evaluation.value_world import make as make_value


def made(**world: Any) -> Log:
    return make(World(**world), 3).log


def changed(log: Log, *, likes: dict[str, Any] | None = None, shown: dict[str, Any] | None = None) -> Log:
    """Other columns in their places."""
    return replace(log, likes=replace(log.likes, **likes or {}), shown=replace(log.shown, **shown or {}))


def of_two_policies() -> Log:
    """And one of a single slate; one of them on two surfaces; likes that weigh less than one; more ranks than are told
    of.
    """
    log = made(people=1000, size=25, candidates=30)
    slate, n = log.shown.slate, len(log.likes)
    surface = np.where(slate % 4 == 0, SURFACES.index("search"), log.shown.surface).astype(np.int8)
    weight = np.random.default_rng(1).uniform(0.1, 1, n)
    propensity = np.where(slate % 7 == 0, np.nan, log.shown.propensity)
    columns = {"policy": np.where(slate == 5, 2, slate % 2), "surface": surface, "propensity": propensity}
    return replace(changed(log, likes={"weight": weight}, shown=columns), policies=("b", "a", "c"))


def drifted(unknown: bool = False, in_both: int = 0, **world: Any) -> Log:
    log = make_drift(DriftWorld(**world), 4)
    rng = np.random.default_rng(2)
    rows = np.r_[np.arange(len(log.shown)), np.arange(in_both)]
    log = replace(log, shown=log.shown.take(rows))
    log.shown.arm[len(rows) - in_both :] = 3 - log.shown.arm[:in_both]
    lost = {
        name: np.where(rng.random(len(log.likes)) < share * unknown, 0, getattr(log.likes, name)).astype(np.uint64)
        for name, share in (("creator", 0.2), ("topic", 0.5))
    }
    return changed(log, likes={**lost, "weight": rng.uniform(0.1, 1, len(log.likes))})


def forecast(exposures: bool = True, surfaces: int = 2) -> Log:
    made = bits_world(7, 0.5, 4000)
    surface = np.where(made.nudged, 3, 3 if surfaces == 1 else 1).astype(np.int8)
    log = changed(made.log, likes={"surface": surface})
    return log if exposures else replace(log, shown=log.shown.take(slice(0, 0)), policies=())


def with_buys(log: Log, n: int = 4000, **rungs: float) -> Log:
    """Buys of those who like and are shown, some of what they were shown, by shares of evidence; and of others."""
    rng = np.random.default_rng(5)
    shown = log.shown.take(rng.integers(0, len(log.shown), n)) if len(log.shown) else log.likes.take(np.arange(n) % 40)
    kinds = rng.choice(len(rungs), n, p=list(rungs.values()))
    evidence = np.array([EVIDENCE[name] for name in rungs], np.int8)[kinds]
    known, own = rng.random(n) < 0.9, rng.random(n) < 0.8
    order = np.argsort(time := rng.choice(log.likes.time, n), kind="stable")
    bought = Buys(
        np.where(own, shown.actor, rng.integers(1, 400, n).astype(np.uint64)),
        np.where(rng.random(n) < 0.5, shown.target, np.uint64(7)),
        np.where(known, rng.choice(log.likes.creator, n), np.uint64(0)),
        time,
        rng.integers(0, 3, n).astype(np.int8),
        evidence[:, 0].astype(np.bool_),
        *evidence[:, 1:].T,
    )
    return replace(log, buys=bought.take(order))


# Declared, and codes of signature, mandate and presence.
EVIDENCE = {"nothing": (0, 0, 0, 0), "word": (1, 1, 2, 1), "signed": (1, 2, 0, 0), "standing": (1, 2, 1, 0)}
EVIDENCE |= {"cart": (1, 2, 2, 1)}


def compared(exposures: bool = True, others: int | None = 100, **world: Any) -> Log:
    """Twins' forecasts; by languages of which some are liked in by few."""
    log = make_value(ValueWorld(**{"people": 900, "likes": 5000, "mirrored": 0.2, "slates": 0.2} | world), 5)
    language = np.where(log.likes.target % 5 == 0, log.likes.actor % 40, log.likes.language).astype(np.int32)
    names = ("de", "ja", *(f"x{n}" for n in range(38)))
    weight = np.random.default_rng(3).uniform(0.1, 1, len(log.likes))
    log = replace(changed(log, likes={"language": language, "weight": weight}), languages=names, others=others)
    return log if exposures else replace(log, shown=log.shown.take(slice(0, 0)), policies=())


def naming() -> Log:
    """Of half of the likes the slate is said, also where the surface is not."""
    log = made(people=1500)
    log = changed(log, shown={"slate": log.shown.slate + 1})
    order = np.argsort(log.shown.target)
    slate = log.shown.slate[order[np.searchsorted(log.shown.target[order], log.likes.target)]]
    return changed(log, likes={"slate": np.where(np.arange(len(slate)) % 2, slate, NO_SLATE)})


LOGS: dict[str, Callable[[], Log]] = {
    "as planted": lambda: made(people=1500),
    "two policies": of_two_policies,
    "slates are named": naming,
    "nothing was withheld": lambda: made(withheld=0.0, in_arms=0.0),
    "nobody was held out": lambda: made(in_arms=0.0),
    "withheld by rank": lambda: made(people=1500, withheld_by_rank=True, in_arms=0.0),
    "no propensities": lambda: made(propensities=False),
    "wrong propensities": lambda: made(people=1500, propensities_true=False),
    "few people": lambda: made(people=80, slates=40),
    "few withheld": lambda: made(people=300, slates=2, withheld=0.01, in_arms=0.0),
    "few likes": lambda: replace((log := made()), likes=log.likes.take(np.arange(30))),
    "no likes": lambda: replace((log := made()), likes=log.likes.take(slice(0, 0))),
    "no exposures": lambda: replace((log := made()), shown=log.shown.take(slice(0, 0)), policies=()),
    "nothing": lambda: replace(made().until(0), policies=()),
    "nothing has matured": lambda: (log := made()).until(int(log.shown.time[0]) + 3_600_000),
    "no surface is known": lambda: changed((log := made()), likes={"surface": np.zeros(len(log.likes), np.int8)}),
    "drift": lambda: drifted(unknown=True),
    "drift by creator alone": lambda: changed((log := drifted()), likes={"topic": np.zeros(len(log.likes), np.uint64)}),
    "drift of few": lambda: drifted(people=90),
    "in both arms": lambda: drifted(in_both=3),
    "forecasts": forecast,
    "forecasts by one surface": lambda: forecast(surfaces=1),
    "buys": lambda: with_buys(made(), nothing=0.3, word=0.2, signed=0.1, standing=0.3, cart=0.1),
    "few buys on some rungs": lambda: with_buys(made(), nothing=0.6, word=0.396, signed=0.002, standing=0.002),
    "buys of unknown": lambda: with_buys(made(), nothing=1.0),
    "few buys": lambda: with_buys(made(), n=60, nothing=0.5, standing=0.5),
    "buys without exposures": lambda: with_buys(LOGS["no exposures"](), nothing=0.5, standing=0.5),
    "buys alone": lambda: replace(
        (log := LOGS["buys"]()), likes=log.likes.take(slice(0, 0)), shown=log.shown.take(slice(0, 0)), policies=()
    ),
    "forecasts without exposures": lambda: forecast(exposures=False),
    "twins": compared,
    "twins without exposures": lambda: compared(exposures=False),
    "no twin": lambda: compared(others=None),
    "twins that had nothing to learn": lambda: compared(exposures=False, others=0),
    "twins of few people": lambda: compared(people=70, likes=900),
}


def parted(log: Log, parts: int) -> list[tuple[Log, I64]]:
    """Of each partition its log, its policies in an order of its own, and which of the log's likes it has."""

    def mine(actor: U64, part: int) -> Bools:
        return mix(actor, np.full(len(actor), 17, np.uint64)) % np.uint64(parts) == part

    found = []
    for part in range(parts):
        at = np.flatnonzero(mine(log.likes.actor, part))
        shown = log.shown.take(mine(log.shown.actor, part))
        there = np.unique(shown.policy)[:: 1 if part % 2 else -1]
        numbers = np.argsort(there)[np.searchsorted(np.sort(there), shown.policy)]
        names = tuple(log.policies[policy] for policy in there.tolist())
        # As a partition would find its languages: in an order of its own.
        likes, spoken = log.likes.take(at), np.roll(np.arange(len(log.languages)), part)
        place = np.r_[np.argsort(spoken), NO_LANGUAGE].astype(np.int32)
        likes = replace(likes, language=place[likes.language])
        languages = tuple(log.languages[number] for number in spoken.tolist())
        others = log.others if log.others is None else log.others // parts + (part < log.others % parts)
        bought = log.buys.take(mine(log.buys.person, part))
        mine_of = Log(likes, replace(shown, policy=numbers), names, log.now_ms, None, bought, languages, others)
        found.append((mine_of, at))
    return found


def learnt_in_parts(log: Log, parts: list[tuple[Log, I64]]) -> States:
    """The whole log's states; the mixture of bits is learnt by each partition for itself."""
    found = [bits.of(part.likes, part.shown) for part, _ in parts]
    at = np.concatenate([likes[of.at] for (_, likes), of in zip(parts, found, strict=True)])
    order = np.argsort(at)
    columns = (np.concatenate([getattr(of, field.name) for of in found])[order] for field in fields(Bits)[1:])
    whole = States.of_log(log)
    return replace(whole, of=whole.of | {choice_bits.NAME: choice_bits.of_bits(log, Bits(at[order], *columns))})


def assert_same(found: list[Figure], expected: list[Figure]) -> None:
    for one, other in zip(found, expected, strict=True):
        said, told = (figure.described((0, 0)) for figure in (one, other))
        numbers, others = ({k: v for k, v in of.items() if isinstance(v, float)} for of in (said, told))
        assert numbers == pytest.approx(others, rel=1e-9), said["sentence"]
        assert said | numbers == told | numbers


@pytest.mark.parametrize("name", LOGS)
def test_merged_partitions_say_what_the_whole_log_says(name: str) -> None:
    log = LOGS[name]()
    for parts in (1, 3, 7):
        partitions = parted(log, parts)
        expected = learnt_in_parts(log, partitions)
        if parts == 1:
            assert_same(measure(log), expected.figures())
        sent = [states.encode(States.of_log(part)) for part, _ in partitions]
        rng = np.random.default_rng(parts)
        for order in (np.arange(parts), rng.permutation(parts)):
            merged = states.merge(states.decode(sent[part]) for part in order.tolist())
            assert merged.window == log.window
            assert_same(merged.figures(), expected.figures())
        # In pairs, and merged states sent on.
        halves = [states.merge(map(states.decode, some)) for some in (sent[: parts // 2], sent[parts // 2 :]) if some]
        again = states.merge(states.decode(states.encode(half)) for half in reversed(halves))
        assert_same(again.figures(), expected.figures())


def test_what_is_sent_is_what_was_there() -> None:
    sent = states.encode(States.of_log(drifted()))
    assert states.encode(states.decode(sent)) == sent


def test_drift_does_not_depend_on_the_order_of_merging_at_all() -> None:
    log = drifted(unknown=True)
    whole = [f for f in measure(log) if f.name == "induced_drift"]
    parts = [States.of_log(part) for part, _ in parted(log, 5)]
    for order in (parts, parts[::-1], parts[2:] + parts[:2]):
        assert [f for f in states.merge(order).figures() if f.name == "induced_drift"] == whole


def test_other_numbers_than_a_state_has_are_refused() -> None:
    first, last, of = msgspec.msgpack.decode(states.encode(States.of_log(made(people=50))))
    (sums, *_) = of["surface_mix"]["sums"].values()
    sums["totals"][0] = "<i8"
    with pytest.raises(msgspec.ValidationError, match="an array of <i8 where <f8 is expected"):
        states.decode(msgspec.msgpack.encode((first, last, of)))
