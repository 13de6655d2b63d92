"""Buys at the choice stage: kept as files have them, bounded, over restarts, and gone with whom they were for."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.choice.log import Buys, buys_of
from services.choice.states import States
from services.choice.task import ChoiceTask
from shared.as_of_join import Step
from shared.events import BUY
from shared.hashing import hash_strings
from shared.labels import LABELS
from shared.schemas import TRUSTED_LIKES
from tests.choice_steps import slates, steps
from tests.trusted_likes import made

Row = dict[str, Any]
ALL = 2**64 - 1


def with_buys(n: int, seed: int = 1) -> list[Row]:
    """Likes, a third of them buys: people's own, and agents' for people, signed or not."""
    rng, rows = np.random.default_rng(seed), made(n, seed)
    for row in rows:
        kind = rng.integers(9)
        if kind == 0:
            row |= {"action": BUY, "actor_kind": 0, "signature": 0, "mandate": 0, "user_present": 0}
        elif kind in (1, 2):
            codes = {name: int(rng.integers(3)) for name in ("signature", "mandate", "user_present")}
            agent = {"actor_id": f"agent{rng.integers(3)}", "actor_kind": 2, "agent_key": "k", "label": 3}
            row |= {"action": BUY, "principal_id": row["actor_id"], "human_probability": 0.0, **agent, **codes}
    return rows


def blocks_of(rows: list[Row], size: int = 40) -> list[list[Row] | list[str]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def ran(given: list[Step], into: ChoiceTask | None = None) -> ChoiceTask:
    task = into or ChoiceTask(0, 10_000, 10_000)
    for step in given:
        task.process(step)
    return task


def assert_equal(found: Buys, expected: Buys) -> None:
    for field in fields(Buys):
        assert np.array_equal(getattr(found, field.name), getattr(expected, field.name)), field.name


def test_buys_are_kept_as_files_have_them() -> None:
    rows = with_buys(400)
    task = ran(steps(blocks_of(rows), slates(100)))
    expected = buys_of(pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES))
    assert 100 < len(expected) < 170
    assert 0 < expected.declared.sum() < len(expected)
    assert_equal(task.kept().log(ALL).buys, expected)
    assert task.counters["buys"] == len(expected)
    # Nobody who only acts for others is told of, and a buy is in nobody's report.
    assert sorted(task.users()) == [f"u{n}" for n in range(9)]
    assert task.counters["choice_likes"] == 400 - len(expected)


def test_a_verdict_on_the_buyer_changes_no_buy() -> None:
    rows = with_buys(100)
    bot = {"human_probability": 0.0, "label": LABELS.index("bot"), "previous_probability": 0.9}
    again = [{**row, **bot} for row in rows if row["action"] == BUY]
    one, other = (ran(steps(blocks, [])) for blocks in ([rows], [rows, again]))
    assert_equal(other.kept().log(ALL).buys, one.kept().log(ALL).buys)


def test_only_a_sample_of_people_is_in_the_figures() -> None:
    task = ran(steps(blocks_of(with_buys(300)), []))
    people = np.unique(task.kept().log(ALL).buys.person)
    assert np.unique(task.kept().log(int(people[3])).buys.person).tolist() == people[:4].tolist()


def test_the_oldest_go_where_there_is_no_room() -> None:
    rows = with_buys(4000)
    task = ran(steps(blocks_of(rows, 100), []), ChoiceTask(0, 500, 1000))
    kept = task.kept().log(ALL).buys
    assert 400 < len(kept) <= 500
    assert_equal(kept, buys_of(pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)).take(slice(-len(kept), None)))


def test_who_is_forgotten_bought_nothing() -> None:
    rows = with_buys(300)
    task = ran(steps([*blocks_of(rows), ["u1", "u2", "agent1"]], slates(50)))
    theirs = hash_strings(pa.array(["u1", "u2", "agent1"]))
    expected = buys_of(pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES))
    others = ~np.isin(expected.person, theirs)
    assert_equal(task.kept().log(ALL).buys, expected.take(others))
    assert task.effects.removed["buys"] == (~others).sum() > 10
    for name, array in task.snapshot().items():
        if array.dtype == np.uint64:
            assert not set(theirs.tolist()) & set(array.tolist()), name
    gone = task.buys.rows["person"] == 0
    assert not task.buys.rows["target"][gone].any()
    assert not task.buys.rows["creator"][gone].any()


@given(st.lists(st.booleans(), min_size=8, max_size=8), st.booleans())
@settings(deadline=None, max_examples=15)
def test_a_restart_anywhere_changes_no_buy(restarts: list[bool], forgets: bool) -> None:
    blocks = blocks_of(with_buys(200))
    given = steps([*blocks[:3], ["u3"], *blocks[3:]] if forgets else blocks, slates(30))
    task = ChoiceTask(0, 60, 1000)
    for number, step in enumerate(given):
        if restarts[number % len(restarts)]:
            saved, task = task, ChoiceTask(0, 60, 1000)
            task.restore(saved.snapshot())
        task.process(step)
    assert_equal(task.kept().log(ALL).buys, ran(given, ChoiceTask(0, 60, 1000)).kept().log(ALL).buys)


def test_a_snapshot_of_before_has_no_buys() -> None:
    task = ran(steps(blocks_of(with_buys(100)), slates(20)))
    before = {name: array for name, array in task.snapshot().items() if not name.startswith("buys.")}
    restored = ChoiceTask(0, 10_000, 10_000)
    restored.restore(before)
    assert len(restored.kept().log(ALL).buys) == 0
    assert len(restored.kept().log(ALL).likes) == len(task.kept().log(ALL).likes) > 0


def test_a_log_of_buys_alone_has_a_window() -> None:
    rows = [row for row in with_buys(100) if row["action"] == BUY]
    log = ran(steps([rows], [])).kept().log(ALL)
    states = States.of_log(log)
    assert len(log.likes) == 0
    assert states.window == (rows[0]["occurred_at"], rows[-1]["occurred_at"])
    ladder = [figure for figure in states.figures() if figure.name == "buyer_ladder"]
    # Of nine people, who are too few to be told of.
    assert [figure.why is not None for figure in ladder[:1]] == [True]
