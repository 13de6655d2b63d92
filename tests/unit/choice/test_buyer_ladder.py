"""The ladder of buys: which evidence is on which rung, what is said of it, and what was new to whom."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.choice.figures import buyer_ladder
from services.choice.figures.buyer_ladder import RUNGS, rungs
from services.choice.log import Buys, Likes, Log, Shown, buys_of
from shared.compiled import PROJECT
from shared.events import MANDATES, SIGNATURES, SURFACES, USER_PRESENT
from shared.hashing import hash_strings
from shared.measures.figure import Figure
from shared.schemas import FORECASTS
from tests.likes import START_MS, like
from tests.unit.choice.test_log import batch_of
from truelike.evaluation import buyer_world
from truelike.evaluation.buyer_world import BuyerWorld
from truelike.evaluation.looks import moments

HOUR = 3_600_000
SEARCH, ASSISTANT = SURFACES.index("search"), SURFACES.index("assistant")


def buys(rows: list[dict[str, Any]]) -> Buys:
    """Of person 1, of target 1 by creator 1, at hour 0, unless a row says otherwise."""
    rows = sorted(rows, key=lambda r: r.get("hour", 0))

    def column(name: str, default: int, kind: Any) -> Any:
        return np.array([r.get(name, default) for r in rows], kind)

    codes = {"signature": SIGNATURES, "mandate": MANDATES, "user_present": USER_PRESENT}
    return Buys(
        *(column(name, 1, np.uint64) for name in ("person", "target", "creator")),
        START_MS + column("hour", 0, np.int64) * HOUR,
        column("surface", SEARCH, np.int8),
        column("declared", 0, np.bool_),
        *(np.array([names.index(r.get(name, names[0])) for r in rows], np.int8) for name, names in codes.items()),
    )


def likes(rows: list[tuple[int, int, int, int]]) -> Likes:
    """(actor, target, creator, hour)."""
    actor, target, creator, hour = np.array(sorted(rows, key=lambda r: r[3]), np.int64).reshape(-1, 4).T
    n = len(rows)
    ids = (column.astype(np.uint64) for column in (actor, target, creator))
    none = np.full(n, np.nan)
    return Likes(*ids, START_MS + hour * HOUR, np.zeros(n, np.int8), np.ones(n), none, none)


def shown(rows: list[tuple[int, int, int, int, bool]]) -> Shown:
    """(actor, target, creator, hour, withheld)."""
    actor, target, creator, hour, withheld = np.array(sorted(rows, key=lambda r: r[3]), np.int64).reshape(-1, 5).T
    n = len(rows)
    zero, small = np.zeros(n, np.int64), np.zeros(n, np.int8)
    ids = (column.astype(np.uint64) for column in (actor, target, creator))
    time = START_MS + hour * HOUR
    return Shown(np.arange(n), *ids, time, small, small, zero, zero, np.ones(n), zero, withheld.astype(np.bool_))


def log_of(bought: Buys, liked: Likes | None = None, seen: Shown | None = None) -> Log:
    return Log(liked or likes([]), seen or shown([]), ("p",), START_MS + 1000 * HOUR, buys=bought)


VALID = {"declared": 1, "signature": "valid"}
EVIDENCE: dict[str, dict[str, Any]] = {
    "unknown": {},
    "declared": {"declared": 1},
    "signed agent": VALID,
    "standing mandate": {**VALID, "mandate": "standing"},
    "cart confirmed": {**VALID, "mandate": "cart", "user_present": "yes"},
}


def people(counts: dict[str, int], first: int = 1, **more: Any) -> list[dict[str, Any]]:
    """So many people by rung, each with a buy."""
    kinds = [rung for rung, count in counts.items() for _ in range(count)]
    return [{"person": first + n, **EVIDENCE[rung], **more} for n, rung in enumerate(kinds)]


def of(log: Log, **about: Any) -> Figure:
    (found,) = (f for f in buyer_ladder.measure(log) if f.about == about)
    return found


def test_each_combination_of_evidence_is_on_one_rung() -> None:
    combinations = list(product((0, 1), SIGNATURES, MANDATES, USER_PRESENT))
    names = ("declared", "signature", "mandate", "user_present")
    found = rungs(buys([dict(zip(names, one, strict=True)) for one in combinations])).tolist()
    for (declared, signature, mandate, present), rung in zip(combinations, found, strict=True):
        if signature != "valid":
            # Words climb no higher than words, and a signature that failed is not even silence.
            assert rung == (1 if declared or mandate != "none" or signature == "invalid" else 0)
        elif mandate == "cart":
            assert rung == (4 if present == "yes" else 2)
        else:
            assert rung == (3 if mandate == "standing" else 2)
    assert [rungs(buys([evidence]))[0] for evidence in EVIDENCE.values()] == [0, 1, 2, 3, 4]


def test_a_buy_is_its_principals_and_what_declares_an_agent() -> None:
    events = [
        like(1, "ann", "lamp", 0, action="buy"),
        like(2, "bot", "lamp", 1, action="buy", actor_kind="agent"),
        like(3, "ann", "lamp", 2, action="buy", agent_key="k"),
        like(4, "bot", "lamp", 3, action="buy", principal_id="ann", creator_id="maker"),
        like(5, "ann", "lamp", 4, action="buy", principal_id="ann"),
        like(6, "ann", "lamp", 5, action="buy", actor_kind="human", signature="invalid", mandate="cart"),
        like(7, "ann", "lamp", 6, principal_id="bot", agent_key="k"),
        like(8, "ann", "lamp", 7, action="unlike"),
    ]
    batch = batch_of(events)
    found = buys_of(batch)
    ann, bot = hash_strings(pa.array(["ann", "bot"])).tolist()
    assert found.person.tolist() == [ann, bot, ann, ann, ann, ann]
    assert found.declared.tolist() == [False, True, True, True, False, False]
    assert [c != 0 for c in found.creator.tolist()] == [False, False, False, True, False, False]
    assert (found.signature[5], found.mandate[5], found.time[5]) == (1, 2, START_MS + 5000)
    # The same of forecasts, as the service has them, also where nothing is said at all.
    rows = [{name: value for name, value in r.items() if value} for r in batch.to_pylist()]
    again = buys_of(pa.RecordBatch.from_pylist(rows, FORECASTS))
    assert all(np.array_equal(getattr(again, name), getattr(found, name)) for name in Buys.__dataclass_fields__)


def test_the_example_of_the_page_is_a_confirmed_cart() -> None:
    page = (PROJECT / "docs" / "buy-it.md").read_text()
    example = page.partition(" -d '")[2].partition("'\n```")[0]
    found = buys_of(batch_of([json.loads(example)]))
    assert [RUNGS[rung] for rung in rungs(found)] == ["cart confirmed"]
    assert found.person[0] == hash_strings(pa.array(["ann"]))[0]


def test_shares_by_rung_and_what_is_said_of_them() -> None:
    counts = {"unknown": 50, "declared": 60, "signed agent": 40, "standing mandate": 30, "cart confirmed": 20}
    figures = list(buyer_ladder.measure(log_of(buys(people(counts)))))
    ladder = [f for f in figures if f.about.get("surface") == "all"]
    assert [f.about["rung"] for f in ladder] == list(RUNGS)
    assert [f.value for f in ladder] == pytest.approx([0.25, 0.3, 0.2, 0.15, 0.1])
    assert [(f.n, f.unknown_share, f.level) for f in ladder] == [(200, 0.25, 0.95)] * 5
    for f in ladder:
        assert f.low is not None
        assert f.high is not None
        assert f.value is not None
        assert 0 <= f.low < f.value < f.high <= 1
    assert [f.sentence for f in ladder] == [
        "25.0 % of buys are of unknown: nothing says who bought.",
        "30.0 % of buys are of agents by their own word, which nothing proves; 25.0 % are of unknown.",
        "20.0 % of buys are signed by an agent: that says which service bought, and not who chose; 25.0 % are of "
        "unknown.",
        "15.0 % of buys are of signed agents under a standing mandate of the person; 25.0 % are of unknown.",
        "10.0 % of buys are of carts that the person confirmed to a signed agent; 25.0 % are of unknown.",
    ]
    assert not any("human" in f.sentence for f in figures)


def test_a_person_is_one_observation_however_much_is_bought() -> None:
    counts = {"unknown": 100, "declared": 100}
    logs = (log_of(buys(people(counts) * k)) for k in (1, 9))
    once, often = (of(log, rung="unknown", surface="all") for log in logs)
    assert (once.value, often.value) == (0.5, 0.5)
    assert (once.low, once.high) == pytest.approx((often.low, often.high))
    assert (once.n, often.n) == (200, 1800)


def test_by_surface_where_there_are_several() -> None:
    rows = [*people({"unknown": 120}), *people({"unknown": 40, "declared": 80}, 1000, surface=ASSISTANT)]
    log = log_of(buys([*rows, *people({"unknown": 19}, 5000, surface=0)]))
    assert of(log, rung="declared", surface="assistant").sentence == (
        "66.7 % of buys by way of assistant are of agents by their own word, which nothing proves; 33.3 % are of "
        "unknown."
    )
    assert of(log, rung="unknown", surface="search").value == 1.0
    assert of(log, surface="unknown").why == "fewer than 20 people, whom it could tell of"
    one = [f.about for f in buyer_ladder.measure(log_of(buys(people({"unknown": 120}))))]
    assert {about.get("surface") for about in one} == {"all", None}


def test_what_all_or_none_do_is_not_known_without_doubt() -> None:
    for n in (100, 10_000):
        log = log_of(buys(people({"unknown": n})))
        nobody, everybody = of(log, rung="cart confirmed", surface="all"), of(log, rung="unknown", surface="all")
        assert (nobody.value, nobody.low, everybody.value, everybody.high) == (0.0, 0.0, 1.0, 1.0)
        assert nobody.high is not None
        # Whoever has seen none in n can hardly rule out 3 in n.
        assert 3 / n < nobody.high < 10 / n
        assert everybody.low == pytest.approx(1 - nobody.high)


def test_few_are_not_told_of_nor_found_by_what_is_left() -> None:
    log = log_of(buys(people({"unknown": 100, "declared": 30, "signed agent": 40, "cart confirmed": 19})))
    why = "fewer than 20 people, whom it could tell of"
    assert of(log, rung="cart confirmed", surface="all").why == why
    # The smallest of the others: else all of them would tell what the one is.
    with_it = of(log, rung="declared", surface="all")
    assert with_it.sentence == "Not identified: by it the one rung of fewer than 20 people could be told."
    assert of(log, rung="signed agent", surface="all").identified
    assert of(log, rung="standing mandate", surface="all").value == 0.0
    two = log_of(buys(people({"unknown": 100, "declared": 30, "signed agent": 19, "cart confirmed": 19})))
    assert of(two, rung="declared", surface="all").identified
    for standing in (19, 30):
        log = log_of(buys(people({"unknown": 100, "cart confirmed": 19, "standing mandate": standing})))
        hidden = of(log, **NEW)
        assert (hidden.n, hidden.why) == (0, of(log, rung="standing mandate", surface="all").why)
        assert hidden.why is not None
    few = log_of(buys(people({"unknown": 99})))
    (figure,) = (f for f in buyer_ladder.measure(few) if "surface" in f.about)
    assert figure.sentence == "Not identified: 99 people; it takes 100."
    (figure, *_) = buyer_ladder.measure(log_of(buys([])))
    assert (figure.n, figure.sentence) == (0, "Not identified: there are no buys.")


NEW = {"rung": "standing mandate", "of": "new to the person"}
MANDATED = [{"person": n, "hour": 9, **EVIDENCE["standing mandate"]} for n in range(1, 201)]


def test_what_nobody_had_put_before_the_person() -> None:
    seen = shown([(n, 7, 1, 3, False) for n in range(1, 51)] + [(n, 1, 1, 3, True) for n in range(51, 200)])
    liked = likes([(n, 8, 1, 2) for n in range(40, 101)] + [(n, 1, 1, 9) for n in range(101, 151)])
    figure = of(log_of(buys(MANDATED), liked, seen), **NEW)
    assert (figure.value, figure.n, figure.unknown_share, figure.more) == (0.5, 200, 0.0, {"people": 100})
    assert figure.low is not None
    assert figure.high is not None
    assert figure.low < 0.5 < figure.high
    assert figure.sentence == (
        "50.0 % of buys under a standing mandate are of somebody of whom the person had never before been shown or "
        "liked anything."
    )


def test_what_is_new_is_not_identified_without_exposures() -> None:
    log = log_of(buys(MANDATED), likes([(1, 1, 1, 0)]))
    why = "there are no exposures: what people were shown before they bought is not known"
    assert (of(log, **NEW).why, of(log, **NEW).n) == (why, 200)
    seen = shown([(1, 1, 1, 0, False)])
    assert of(log_of(buys(MANDATED[:99]), None, seen), **NEW).why == "99 people; it takes 100"
    none = log_of(buys(people({"cart confirmed": 200})), None, seen)
    assert of(none, **NEW).why == "no buy is under a standing mandate"
    met = shown([(n, 1, 1, 0, False) for n in range(1, 190)])
    assert of(log_of(buys(MANDATED), None, met), **NEW).why == "fewer than 20 people, whom it could tell of"


def test_where_a_creator_is_not_known_it_may_be_otherwise() -> None:
    seen = shown([(n, 7, 0, 3, False) for n in range(1, 101)] + [(n, 1, 0, 3, False) for n in range(101, 151)])
    figure = of(log_of(buys(MANDATED), None, seen), **NEW)
    # Of 50 the target was shown, of 100 something by somebody; 50 more were shown nothing.
    assert (figure.value, figure.unknown_share) == pytest.approx((0.75, 0.5))
    assert figure.low is not None
    assert figure.low < 0.25
    assert figure.sentence.endswith("; of 50.0 % of them it may be otherwise, since a creator is not known.")


small = st.integers(1, 2)
before = st.lists(st.tuples(small, st.integers(1, 3), st.integers(0, 2), st.integers(0, 5)), max_size=8)


@given(st.lists(st.tuples(small, st.integers(1, 3), st.integers(0, 2), st.integers(0, 5)), min_size=1), before, before)
@settings(deadline=None)
def test_new_to_the_person_is_as_row_by_row(
    bought: list[tuple[int, int, int, int]],
    liked: list[tuple[int, int, int, int]],
    seen: list[tuple[int, int, int, int]],
) -> None:
    names = ("person", "target", "creator", "hour")
    rows = [{**EVIDENCE["standing mandate"], **dict(zip(names, one, strict=True))} for one in bought]
    state = buyer_ladder.state(log_of(buys(rows), likes(liked), shown([(*one, False) for one in seen])))
    unmet = certain = 0
    for person, target, creator, hour in bought:
        earlier = [(t, c) for a, t, c, h in (*liked, *seen) if a == person and h < hour]
        met = any(t == target or (creator and c == creator) for t, c in earlier)
        unmet += not met
        certain += not met and creator != 0 and all(c for _, c in earlier)
    assert state.sums[("new to the person",)].totals.tolist() == [len(bought), unmet, certain]


@pytest.mark.parametrize("truth", [0.02, 0.4])
def test_intervals_hold_where_people_buy_differently_much(truth: float) -> None:
    """At five looks together, in 100 made platforms where each buys on one rung only: a share that is rare, and one
    that is not. Also where so few are on a rung that it is not told of.
    """
    of = (1 - truth, truth, 0.0, 0.0, 0.0)
    world = BuyerWorld(few=3.3, many=3.3, of_few=of, of_many=of, spread=0.0)
    held = 0
    for seed in range(100):
        log = buyer_world.make(world, seed)
        states = (buyer_ladder.state(log.until(moment)).sums[("all",)] for moment in moments(world.days))
        held += all(found.low <= truth <= found.high for found in (buyer_ladder._share(of, 2, 0) for of in states))
    assert held >= 95


def test_what_a_made_platform_plants_is_found() -> None:
    world = BuyerWorld(people=40_000)
    log = buyer_world.make(world, 9)
    for rung in RUNGS:
        assert of(log, rung=rung, surface="all").value == pytest.approx(world.truth(rung, False), abs=0.01)
    assert of(log, **NEW).value == pytest.approx(world.new, abs=0.02)
