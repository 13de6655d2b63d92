"""The choice stage: bits as files have them, and all that is taken back is gone, however the log is cut and saved."""

from __future__ import annotations

from dataclasses import fields
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.choice import bits, named_slates
from services.choice.log import ATTRIBUTION_MS, NO_SLATE, likes_of, shown_of
from services.choice.person import PARTS
from services.choice.retained_slates import MOST_POLICIES, OTHER_POLICIES, RetainedSlates
from services.choice.states import States
from services.choice.task import ChoiceTask
from shared.as_of_join import Step
from shared.contract.slates import of_event, to_items
from shared.events import UNLIKE
from shared.frames import Output, from_message
from shared.hashing import hash_strings, hashes
from shared.labels import LABELS
from shared.messages import ChoiceReport
from shared.topics import CHOICE_REPORTS, CHOICES
from tests.choice_steps import naming, slates, steps
from tests.likes import START_MS
from tests.trusted_likes import made, row

Row = dict[str, Any]
SLATE = {"slate_id": "s", "occurred_at": START_MS, "actor_id": "u1", "items": [{"target_id": "i1", "rank": 0}]}
ALL = 2**64 - 1


def task() -> ChoiceTask:
    return ChoiceTask(0, 10_000, 10_000)


def ran(given: list[Step], into: ChoiceTask | None = None) -> tuple[ChoiceTask, list[Output]]:
    state = into or task()
    return state, [output for step in given for output in state.process(step)]


def rows_of(outputs: list[Output]) -> list[Row]:
    said = [output for output in outputs if output.topic == CHOICES]
    return [r for output in said for r in from_message(output.value, output.headers).batch.to_pylist()]


def in_blocks(rows: list[Row], size: int = 40) -> list[list[Row]]:
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def test_choices_are_the_bits_that_files_have() -> None:
    shown = slates(150)
    rows = naming(made(400), shown)
    given = steps(list(in_blocks(rows)), shown)
    state, outputs = ran(given)
    found = rows_of(outputs)
    forecasts = pa.Table.from_batches([step.frame.batch for step in given]).combine_chunks().to_batches()[0]
    columns = {
        name: forecasts.column(name).fill_null(np.nan).to_numpy().astype(np.float64)
        for name in ("p_popular", "p_history", "p_any", "p_new")
    }
    columns["is_new"] = forecasts.column("is_new").fill_null(False).to_numpy(zero_copy_only=False)
    columns["slate"], columns["topic"] = (forecasts.column(name).to_numpy() for name in ("slate", "topic"))
    columns["slate"] = columns["slate"].view(np.int64)
    likes = likes_of(forecasts, **columns)
    items, _ = shown_of(to_items(shown))
    expected, came_from = bits.of(likes, items), named_slates.of(likes, items)
    assert [r["event_id"] for r in found] == [r["event_id"] for r in rows]
    for name in PARTS:
        said = [found[at][f"bits_{name}"] for at in expected.at.tolist()]
        assert said == getattr(expected, name).astype(np.float32).tolist(), name
    assert [found[at]["shown"] for at in expected.at.tolist()] == expected.was_shown.tolist()
    assert expected.was_shown.sum() > 20
    known = np.flatnonzero(came_from.known)
    assert len(known) > 40
    assert [found[at]["shown"] for at in known.tolist()] == came_from.showed[known].tolist()
    assert [found[at]["withheld"] for at in known.tolist()] == (~came_from.showed[known]).tolist()
    assert 0 < (~came_from.showed[known]).sum() < len(known)
    kept = state.kept().log(ALL).likes
    assert kept.slate.tolist() == came_from.slate.tolist()
    assert kept.topic.tolist() == hashes(pa.array([r["topic"] for r in rows], pa.string())).tolist()
    names = int((likes.slate != NO_SLATE).sum())
    assert state.counters["likes_naming_slates"] == names
    assert state.counters["likes_naming_unknown_slates"] == names - len(known) > 20
    assert 0 < sum(r["withheld"] for r in found) < 100
    assert 0 < sum(r["anticipated"] for r in found) < 400
    others = set(range(400)) - set(expected.at.tolist())
    assert all(found[at]["bits_rest"] is None for at in others)
    assert state.counters["shown_items"] == to_items(shown).num_rows


@given(st.integers(1, 80), st.integers(0, 5))
@settings(deadline=None, max_examples=20)
def test_choices_do_not_depend_on_how_the_log_is_cut(size: int, seed: int) -> None:
    shown = slates(60, seconds=120)
    rows = naming(made(120, seed), shown, seed)
    whole, expected = ran(steps([rows], shown))
    parts, found = ran(steps(list(in_blocks(rows, size)), shown))
    assert rows_of(found) == rows_of(expected)
    assert parts.counters == whole.counters
    assert whole.counters["likes_naming_slates"] > whole.counters["likes_naming_unknown_slates"] > 0
    assert parts.kept().likes.keys() == whole.kept().likes.keys()
    for name, column in parts.kept().likes.items():
        assert np.array_equal(column, whole.kept().likes[name], equal_nan=name in ("p_with", "p_without")), name


# What happens to likes later: corrections, unlikes, requests to forget.
happenings = st.lists(
    st.tuples(st.sampled_from(["bot", "human", "unlike", "forget", "like"]), st.integers(0, 119), st.integers(0, 8)),
    max_size=25,
)


def with_happenings(rows: list[Row], happens: list[tuple[str, int, int]]) -> list[list[Row] | list[str]]:
    """Blocks of a log, and behind each some of what happens."""
    blocks: list[list[Row] | list[str]] = []
    cut, ids = in_blocks(rows, 30), count(10_000)
    for number, block in enumerate(cut):
        later: list[Row] = []
        for kind, at, user in happens[number :: len(cut)]:
            now, then = next(ids), rows[min(at, 30 * (number + 1) - 1)]
            if kind == "forget":
                blocks += [[*block, *later], [f"u{user}"]] if block or later else [[f"u{user}"]]
                block, later = [], []
            elif kind == "unlike":
                later.append(
                    row(then_s(number), then["actor_id"], then["target_id"], action=UNLIKE, event_id=f"x{now}")
                )
            elif kind == "like":
                later.append(row(then_s(number), then["actor_id"], then["target_id"], event_id=f"x{now}"))
            else:
                weight, label = (0.0, LABELS.index("bot")) if kind == "bot" else (0.8, LABELS.index("human"))
                later.append({**then, "human_probability": weight, "label": label, "previous_probability": 0.9})
        blocks += [[*block, *later]] if block or later else []
    return blocks


def then_s(number: int) -> int:
    return 30 * (number + 1)


def standing(blocks: list[list[Row] | list[str]]) -> dict[str, tuple[str, str, int, float]]:
    """Event by event what is left, one row at a time: actor, target, time, weight."""
    left: dict[str, tuple[str, str, int, float]] = {}
    gone: set[str] = set()
    for block in blocks:
        for r in block:
            if isinstance(r, str):
                gone |= {e for e, (actor, *_) in left.items() if actor == r}
            elif r["action"] == UNLIKE:
                gone |= {e for e, kept in left.items() if kept[:2] == (r["actor_id"], r["target_id"])}
            else:
                weight = 0.0 if r["label"] == LABELS.index("bot") else r["human_probability"]
                left[r["event_id"]] = (r["actor_id"], r["target_id"], r["occurred_at"], weight)
    return {event: kept for event, kept in left.items() if event not in gone and kept[3] > 0}


@given(happenings, st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_what_is_taken_back_is_gone(happens: list[tuple[str, int, int]], seed: int) -> None:
    shown = slates(60, seconds=120)
    rows = naming(made(120, seed), shown)
    blocks = with_happenings(rows, happens)
    state, outputs = ran(steps(blocks, shown))
    log, left = state.kept().log(ALL), standing(blocks)
    expected = sorted(
        (time, int(hash_strings(pa.array([actor]))[0]), weight) for actor, _, time, weight in left.values()
    )
    found = sorted(zip(log.likes.time.tolist(), log.likes.actor.tolist(), log.likes.weight.tolist(), strict=True))
    assert [(time, actor) for time, actor, _ in found] == [(time, actor) for time, actor, _ in expected]
    assert [w for *_, w in found] == pytest.approx([w for *_, w in expected])
    # Each user's report is of what is left, and of bits as they were found when the likes came.
    said = {r["event_id"]: r for r in rows_of(outputs)}
    for number in range(9):
        mine = [said[event] for event, (actor, *_) in left.items() if actor == f"u{number}"]
        held = [r for r in mine if r["bits_rest"] is not None]
        (person,) = state.likes.people(hash_strings(pa.array([f"u{number}"])))
        assert (person.likes, person.forecast) == (len(mine), len(held))
        assert person.bits == pytest.approx([sum(r[f"bits_{part}"] for r in held) for part in PARTS], rel=1e-5)
        assert person.put_before == sum(r["shown"] for r in held)
    States.of_log(log)


@given(happenings, st.lists(st.booleans(), min_size=8, max_size=8))
@settings(deadline=None, max_examples=30)
def test_a_restart_or_a_look_anywhere_changes_nothing(
    happens: list[tuple[str, int, int]], restarts: list[bool]
) -> None:
    shown = slates(60, seconds=120)
    given = steps(with_happenings(naming(made(120), shown), happens), shown)
    whole, outputs = ran(given)
    users = [f"u{n}" for n in range(9)]
    state, again = task(), []
    for number, step in enumerate(given):
        if restarts[number % len(restarts)]:
            saved, state = state, task()
            state.restore(saved.snapshot())
        else:
            # What is told of it must not show in what it does next.
            state.reports(users), state.users(), States.of_log(state.kept().log(ALL))
        again += state.process(step)
    assert again == outputs
    assert state.reports(users) == whole.reports(users)
    assert sorted(state.users()) == sorted(whole.users())
    one, other = state.kept().log(ALL), whole.kept().log(ALL)
    for rows, others in ((one.likes, other.likes), (one.shown, other.shown), (one.bits, other.bits)):
        assert all(np.array_equal(getattr(rows, f.name), getattr(others, f.name), equal_nan=True) for f in fields(rows))


def test_a_slate_that_is_said_again_counts_once() -> None:
    (first, second) = steps(list(in_blocks(made(80))), slates(30, seconds=40))
    again = {"exposures": first.rows["exposures"]}
    state, _ = ran([first, Step(second.number, second.clock, second.frame, again)])
    assert state.counters["repeated_items"] == first.rows["exposures"].num_rows
    assert len(state.kept().log(ALL).shown) == first.rows["exposures"].num_rows


def test_the_oldest_go_where_there_is_no_room() -> None:
    state = ChoiceTask(0, 1000, 1000)
    ran(steps(list(in_blocks(made(4000), 100)), slates(1500, seconds=4000)), state)
    log = state.kept().log(ALL)
    assert 800 < len(log.likes) <= 1000
    assert 800 < len(log.shown) <= 1000
    assert int(log.likes.time[-1]) == START_MS + 3_999_000
    for table in (state.likes.events, state.likes.pairs, state.likes.actors):
        assert len(table) <= 1000
    people = state.likes.people(hash_strings(pa.array([f"u{n}" for n in range(9)])))
    assert sum(person.likes for person in people) == len(log.likes)
    assert all(person.forecast == 120 for person in people if person.likes >= 125)


def test_policies_without_end_are_told_apart_up_to_a_bound() -> None:
    kept = RetainedSlates(2000)
    for number in range(3000):
        shown, policies = shown_of(
            to_items([of_event({**SLATE, "slate_id": f"s{number}", "policy_id": f"p{number // 9}"})])
        )
        kept.append(shown, policies)
    assert MOST_POLICIES <= len(kept.policies) <= MOST_POLICIES + 1
    names = np.array(list(kept.policies))[kept.rows["policy"]]
    # Of some 200 that there are items of: each has its own name, or there was no room.
    came = [f"p{number // 9}" for number in range(3000)][-len(names) :]
    assert all(name in (OTHER_POLICIES, own) for name, own in zip(names.tolist(), came, strict=True))
    assert 500 < (names == OTHER_POLICIES).sum() < 1500
    assert set(names.tolist()) == set(kept.policies)


def test_only_a_sample_of_actors_is_in_the_figures() -> None:
    state, _ = ran(steps(list(in_blocks(made(200))), []))
    hashes = np.sort(np.unique(state.kept().log(ALL).likes.actor))
    log = state.kept().log(int(hashes[3]))
    assert np.unique(log.likes.actor).tolist() == hashes[:4].tolist()
    assert log.bits is not None
    assert log.bits.at.max() < len(log.likes)


def test_who_is_forgotten_has_no_report_and_nothing_stays_of_what_they_were_shown() -> None:
    blocks: list[Any] = [*in_blocks(made(200)), ["u1", "u2"]]
    state, outputs = ran(steps(blocks, slates(80, seconds=200)))
    gone = [(o.key, o.tombstone) for o in outputs if o.topic == CHOICE_REPORTS]
    assert gone == [(b"u1", True), (b"u2", True)]
    assert state.effects.removed["likes"] > 20
    assert state.effects.removed["shown_items"] > 20
    theirs = set(hash_strings(pa.array(["u1", "u2"])).tolist())
    for name, array in state.snapshot().items():
        if array.dtype == np.uint64:
            assert not theirs & set(array.tolist()), name
    assert not {"u1", "u2"} & set(state.users())


def test_a_report_is_as_the_contract_says() -> None:
    given = steps(
        list(in_blocks([*made(900), *[row(900 + n, "u2", f"i{n}") for n in range(60)]])), slates(300, seconds=900)
    )
    state, _ = ran(given)
    (known, unknown) = (ChoiceReport.model_validate_json(r) for r in state.reports(["u1", "nobody"]))
    assert (known.identified, known.exposures_known, unknown.identified) == (True, True, False)
    assert known.sentence.startswith("Of the ")
    assert (unknown.likes, unknown.popular, unknown.put_before) == (0, None, None)
    # Of the last of its own likes, whenever it is asked for.
    assert known.source_offset == max(step.number for step in given if "u1" in step.frame.batch["actor_id"].to_pylist())


def test_a_like_that_no_person_gave_is_not_forecast() -> None:
    rows = made(200)
    machine = [{**r, "human_probability": 0.0} if r["actor_id"] == "u3" else r for r in rows]
    _, outputs = ran(steps(list(in_blocks(machine)), slates(40, seconds=200)))
    found = rows_of(outputs)
    assert all(r["bits_rest"] is None for r in found if r["actor_id"] == "u3")


HOUR = 3_600_000
MADE: list[dict[str, Any]] = [
    {"slate_id": "s", "occurred_at": START_MS, "items": [{"target_id": "i1", "rank": 0}]},
    {"slate_id": "later", "occurred_at": START_MS + HOUR, "items": [{"target_id": "i1", "rank": 3}]},
    {
        "slate_id": "kept",
        "occurred_at": START_MS + 2 * HOUR,
        "items": [{"target_id": "i2", "rank": 0}],
        "withheld": [{"target_id": "i1", "rank": 1}, {"target_id": "i2", "rank": 2}],
    },
]


@pytest.mark.parametrize(
    ("more", "shown", "withheld", "known"),
    [
        # Of no slate in particular: the day's.
        ({"slate_id": None}, True, True, False),
        ({"slate_id": "s"}, True, False, True),
        ({"slate_id": "later"}, True, False, True),
        ({"slate_id": "kept"}, False, True, True),
        # Both shown and withheld by one slate.
        ({"slate_id": "kept", "target_id": "i2"}, True, False, True),
        # Nobody's, another's, one without it, one of the future, one too old: as if none was named.
        ({"slate_id": "nobody's"}, True, True, False),
        ({"slate_id": "s", "actor_id": "u2"}, False, False, False),
        ({"slate_id": "s", "target_id": "i2"}, True, True, False),
        ({"slate_id": "kept", "occurred_at": START_MS + HOUR}, True, False, False),
        ({"slate_id": "s", "occurred_at": START_MS + ATTRIBUTION_MS}, True, False, True),
        ({"slate_id": "s", "occurred_at": START_MS + ATTRIBUTION_MS + 1}, True, True, False),
    ],
)
def test_a_like_is_of_the_slate_that_it_names(more: Row, shown: bool, withheld: bool, known: bool) -> None:
    """And of no other, where that one is known by then."""
    before = [row(n, "u1", f"i{n % 9}") for n in range(60)]
    like = row(90, "u1", "i1") | {"occurred_at": START_MS + 3 * HOUR} | more
    there = [of_event({"actor_id": "u1", **slate}) for slate in MADE]
    state, outputs = ran(steps([before, [{**like, "sent_at": like["occurred_at"]}]], there))
    said = rows_of(outputs)[-1]
    # Of who gave no like before nothing was forecast, and it is not asked what was shown.
    assert (said["shown"], said["withheld"]) == (shown, withheld)
    assert state.counters["likes_naming_slates"] - state.counters["likes_naming_unknown_slates"] == known
    assert (state.kept().log(ALL).likes.slate[-1] != NO_SLATE) == known


def test_a_slate_that_is_not_there_any_more_is_not_known() -> None:
    """Where slates are more than there is room for, the oldest go."""
    first = {"slate_id": "s", "occurred_at": START_MS, "actor_id": "u1", "items": [{"target_id": "i1", "rank": 0}]}
    there = [of_event(first), *slates(600, seconds=60)]
    state, _ = ran(
        steps([[row(70, "u1", "i1", slate_id="s")]], there),
        ChoiceTask(0, 1000, 1000),
    )
    assert state.counters["likes_naming_unknown_slates"] == 1


def test_a_snapshot_of_before_slates_were_named_is_taken_up() -> None:
    shown = slates(60, seconds=120)
    before, after = (steps([block], shown) for block in in_blocks(naming(made(120), shown), 60))
    state, _ = ran(before)
    kept = state.snapshot()
    for name in ("likes.rows.slate", "likes.rows.topic", "seen.item"):
        del kept[name]
    again = task()
    again.restore(kept)
    log = again.kept().log(ALL)
    assert not log.likes.slate.any()
    assert not log.likes.topic.any()
    _, outputs = ran([Step(1, step.clock, step.frame, {"exposures": step.rows["exposures"]}) for step in after], again)
    assert len(rows_of(outputs)) == 60
