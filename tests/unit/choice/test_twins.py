"""Figure 12 in the running service: what twins said of likes, with what was shown, as likes come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from services.choice.figures import value_of_likes
from services.choice.log import LIKE, Log, shown_of
from services.choice.mixture import Mixture
from services.choice.task import ChoiceTask
from services.choice.twins import with_slates
from shared.as_of_join import Step
from shared.contract.slates import to_items
from shared.hashing import hash_strings
from tests.choice_steps import slates, steps
from tests.trusted_likes import made

ALL = 2**64 - 1
NAMES = ("p_with", "p_without")


def said_by_twins(given: list[Step], seed: int = 5) -> list[Step]:
    """Of each like that was forecast, something; and who made it, in which language."""
    rng, found = np.random.default_rng(seed), []
    for step in given:
        batch = step.frame.batch
        if "p_with" not in batch.schema.names:
            found.append(step)
            continue
        known = batch.column("p_history").is_valid().to_numpy(zero_copy_only=False)
        known &= batch.column("action").to_numpy() == LIKE
        columns = {name: batch.column(name) for name in batch.schema.names}
        for name in NAMES:
            columns[name] = pa.array(rng.uniform(0.001, 0.5, len(known)).astype(np.float32), mask=~known)
        columns["content_origin"] = pa.array((hash_strings(batch.column("target_id")) % 3).astype(np.int8))
        columns["language"] = pa.array(["cy", "de", None]).take(pa.array(hash_strings(batch.column("actor_id")) % 3))
        changed = pa.RecordBatch.from_arrays(list(columns.values()), schema=batch.schema)
        found.append(replace(step, frame=replace(step.frame, batch=changed)))
    return found


def the_steps(seed: int = 0) -> list[Step]:
    rows = made(600, seed)
    return said_by_twins(steps([rows[at : at + 40] for at in range(0, 600, 40)], slates(150)))


def log_of(task: ChoiceTask) -> Log:
    return task.kept().log(ALL)


def ran(given: list[Step], task: ChoiceTask | None = None) -> ChoiceTask:
    task = task or ChoiceTask(0, 10_000, 10_000)
    for step in given:
        task.process(step)
    return task


def test_as_they_come_they_are_mixed_with_slates_as_files_are() -> None:
    given = the_steps()
    log = log_of(ran(given))
    rows = [row for step in given for row in step.frame.batch.to_pylist() if row["p_with"] is not None]
    said = {(hash_strings(pa.array([r["actor_id"]]))[0], r["occurred_at"]): (r["p_with"], r["p_without"]) for r in rows}
    likes = log.likes.take(np.isfinite(log.likes.p_with))
    assert len(likes) > 100
    items, _ = shown_of(to_items(slates(150)))
    alone = np.array([said[actor, time] for actor, time in zip(likes.actor, likes.time.tolist(), strict=True)])
    assert len(rows) == len(likes)
    for k, name in enumerate(NAMES):
        assert not np.allclose(alone[:, k], getattr(likes, name))
        expected = with_slates(Mixture(10_000), likes, alone[:, k], items)
        assert getattr(likes, name) == pytest.approx(expected.astype(np.float32))


@pytest.mark.parametrize("at", [0, 1, 7, 14])
def test_a_restart_anywhere_changes_nothing(at: int) -> None:
    given = the_steps(1)
    whole = log_of(ran(given))
    first = ran(given[:at])
    again = ChoiceTask(0, 10_000, 10_000)
    again.restore(first.snapshot())
    again.counters.update(first.counters)
    found = log_of(ran(given[at:], again))
    for name in (*NAMES, "origin", "language"):
        assert np.array_equal(getattr(found.likes, name), getattr(whole.likes, name), equal_nan=name in NAMES)
    assert (found.languages, found.others) == (whole.languages, whole.others)


def test_classes_are_those_of_the_likes() -> None:
    log = log_of(ran(the_steps()))
    assert set(log.languages) == {"cy", "de"}
    spoken = np.array([*log.languages, "none"])[log.likes.language]
    assert (spoken == np.array(["cy", "de", "none"])[log.likes.actor % np.uint64(3)]).all()
    assert (log.likes.origin == (log.likes.target % np.uint64(3)).astype(np.int8)).all()


def test_who_is_forgotten_leaves_nothing_and_the_others_stay() -> None:
    rows = made(600, 2)
    blocks = [rows[at : at + 40] for at in range(0, 600, 40)]
    before = log_of(ran(said_by_twins(steps(blocks, slates(150)))))
    after = log_of(ran(said_by_twins(steps([*blocks, ["u1", "u2"]], slates(150)))))
    gone = hash_strings(pa.array(["u1", "u2"]))
    assert np.isin(before.likes.actor, gone).any()
    kept = before.likes.take(~np.isin(before.likes.actor, gone))
    assert np.array_equal(after.likes.p_with, kept.p_with, equal_nan=True)


def test_without_twins_nothing_is_said_or_kept_for_them() -> None:
    rows = made(300, 3)
    task = ran(steps([rows], slates(60)))
    log = log_of(task)
    assert log.others is None
    assert np.isnan(log.likes.p_with).all()
    assert not [name for name in task.snapshot() if name.startswith("twins.")]
    (figure,) = value_of_likes.measure(log)
    assert "PREDICTOR_TWINS" in figure.sentence


def test_a_snapshot_of_before_twins_is_taken_up() -> None:
    rows = made(300, 4)
    task = ran(steps([rows], slates(60)))
    new = [f"likes.rows.{name}" for name in (*NAMES, "origin", "language")]
    saved = {name: array for name, array in task.snapshot().items() if name not in (*new, "likes.languages")}
    again = ChoiceTask(0, 10_000, 10_000)
    again.restore(saved)
    log = log_of(again)
    assert np.isnan(log.likes.p_with).all()
    assert (log.likes.language == -1).all()
    assert len(log.likes) == len(log_of(task).likes)
