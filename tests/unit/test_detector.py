from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.detector import rate
from services.detector.actor import ActorTask
from services.detector.group import MOST_TARGETS, GroupTask
from services.detector.pairs import REMEMBERED_TARGETS, Pairs
from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.detector.target import find_meetings
from services.detector.verdict import VerdictTask
from services.detector.windows import Watermark, hopping, tumbling
from shared import frames
from shared.frames import Frame, Output, decode, from_message
from shared.hashing import hash_strings
from shared.topics import (
    CAMPAIGNS,
    EVIDENCE_BY_ACTOR,
    FRAMES_BY_ACTOR,
    FRAMES_BY_TARGET,
    LINKS_BY_GROUP,
    TRUSTED_LIKES,
    VERDICTS,
)
from tests.likes import START_MS, crowd, ingest_in_batches, like

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@given(st.lists(st.integers(0, 10**6), max_size=50), st.sampled_from([(60, 60), (120, 60), (300, 60), (7, 1)]))
def test_every_time_is_in_each_window_that_holds_it(times: list[int], shape: tuple[int, int]) -> None:
    size, hop = shape
    rows, starts = hopping(np.array(times, np.int64), size, hop)
    for row, time in enumerate(times):
        expected = set(range((time // hop) * hop, time - size, -hop))
        assert set(starts[rows == row].tolist()) == expected
        assert all(s <= time < s + size for s in expected)
    assert tumbling(np.array(times, np.int64), size).tolist() == [t // size * size for t in times]


def test_hops_must_divide_windows() -> None:
    with pytest.raises(ValueError, match="multiple"):
        hopping(np.array([1]), 10, 3)


def test_a_watermark_waits_for_all_sources_and_never_goes_back() -> None:
    watermark = Watermark(2)
    watermark.advance(0, 50)
    assert watermark.now == -1
    watermark.advance(1, 70)
    watermark.advance(0, 40)
    assert watermark.now == 50


def test_a_burst_is_evidence_only_against_what_is_usual() -> None:
    stream = rate.StreamBaseline()
    cold, _ = rate.log_odds(np.array([30]), np.zeros(1), *stream.location_and_spread())
    assert cold[0] == 0
    stream.learn(np.random.default_rng(1).lognormal(0.7, 0.6, 5000).astype(int) + 1)
    odds, baseline = rate.log_odds(np.array([2, 9, 500]), np.zeros(3), *stream.location_and_spread())
    assert odds[:2].tolist() == [0, 0]
    assert odds[2] > 4
    own, _ = rate.log_odds(np.array([500]), np.log([400.0]), *stream.location_and_spread())
    assert own[0] == 0
    assert 1 <= baseline[0] <= 5


def meeting_set(batch: pa.RecordBatch) -> set[tuple[str, str, str]]:
    return {tuple(row[c] for c in ("actor_id", "peer_id", "target_id")) for row in batch.to_pylist()}


@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 7), st.integers(0, 3)), max_size=40))
def test_meetings_are_all_pairs_within_the_gap_while_crowds_are_small(
    rows: list[tuple[int, int, int]],
) -> None:
    gap = 60_000
    # One like of an actor per target and window: who likes twice is counted with the first.
    first: dict[tuple[int, int], int] = {}
    for at, actor, target in sorted(rows):
        first.setdefault((actor, target), at)
    likes = [(at, f"a{actor}", f"t{target}") for (actor, target), at in first.items()]
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([x[0] for x in likes], pa.int64()),
            pa.array([x[1] for x in likes], pa.string()),
            pa.array([x[2] for x in likes], pa.string()),
        ],
        schema=frames.TARGET_LIKES,
    )
    index, starts = hopping(np.array([x[0] for x in likes], np.int64), 2 * gap, gap)
    found = find_meetings(batch, index, starts, gap)
    expected = {
        (a, b, t) for at, a, t in likes for other, b, u in likes if t == u and a != b and abs(at - other) <= gap
    }
    assert meeting_set(found) == expected
    assert found.num_rows == len(expected)


@given(
    st.lists(st.tuples(*[st.integers(0, 2)] * 2, st.integers(0, 11), st.integers(1, 99)), max_size=60),
    st.lists(st.integers(0, 60), max_size=5),
)
@example([(0, 1, target, 1) for target in range(12)], [1, 2, 5, 9])
def test_pairs_remember_on_which_targets_they_met_whatever_the_batches(
    rows: list[tuple[int, int, int, int]], cuts: list[int]
) -> None:
    rows = [row for row in rows if row[0] != row[1]]
    meetings = pa.RecordBatch.from_pylist(
        [
            {"actor_id": f"a{a}", "peer_id": f"a{b}", "target_id": f"t{t}", "occurred_at": at, "weight": w / 64}
            for at, (a, b, t, w) in enumerate(rows)
        ],
        schema=frames.MEETINGS,
    )
    pairs, other, start = Pairs(1000), Pairs(1000), 0
    pairs.meet(meetings)
    for stop in [*sorted(c for c in cuts if c <= len(rows)), len(rows)]:
        other.meet(meetings.slice(start, stop - start))
        again = Pairs(1000)
        again.restore(other.snapshot())
        other, start = again, stop
    met: dict[tuple[str, str], dict[str, int]] = {}
    for at, (a, b, t, _) in enumerate(rows):
        met.setdefault((f"a{a}", f"a{b}"), {}).setdefault(f"t{t}", at)
    repeated = {pair: list(on.values())[-REMEMBERED_TARGETS:] for pair, on in met.items() if len(on) > 1}
    names = {int(hash_strings(pa.array([n]))[0]): n for n in (f"a{k}" for k in range(3))}
    for found in (pairs, other):
        slots = found.table.occupied()
        actors, peers = found.table["actor"][slots].tolist(), found.table["peer"][slots].tolist()
        counts = found.table["count"][slots].tolist()
        assert {
            (names[a], names[p]): sorted(times[: min(count, REMEMBERED_TARGETS)])
            for a, p, count, times in zip(actors, peers, counts, found.table["times"][slots].tolist(), strict=True)
            if count <= REMEMBERED_TARGETS
        } == {pair: times for pair, times in repeated.items() if len(met[pair]) <= REMEMBERED_TARGETS}
        assert len(found.once) == len(met)
    # What chance expects grows with all meetings, so only what was met is the same at once, not what it was worth.
    for name in ("once", "pairs"):
        one, two = (
            {k: v.tolist() for k, v in p.snapshot().items() if k.startswith(f"{name}.")} for p in (pairs, other)
        )
        assert one == two


def test_no_batch_takes_pairs_beyond_their_bound() -> None:
    n = 20_000
    meetings = pa.RecordBatch.from_arrays(
        [
            pa.array([f"a{k % 7000}" for k in range(n)]),
            pa.array([f"b{k}" for k in range(n)]),
            pa.array(["t"] * n),
            pa.array(np.arange(n)),
            pa.array(np.ones(n, np.float32)),
        ],
        schema=frames.MEETINGS,
    )
    # The newest thousand come again, in the same minute.
    again = meetings.slice(n - 1000).set_column(2, "target_id", pa.array(["u"] * 1000))
    pairs = Pairs(1600)
    pairs.meet(meetings)
    assert 1000 <= len(pairs.once) <= 1600
    pairs.meet(again)
    for table, bound in ((pairs.once, 1600), (pairs.table, 400), (pairs.actors, 1600), (pairs.peers, 1600)):
        assert 300 <= len(table) <= bound
        assert len(table.keys) <= 4096


def run(
    events: list[dict[str, Any]], cuts: list[int], partitions: int = 2, restart_at: int | None = None
) -> list[Output]:
    settings_ = Judgement(partitions)
    detector = Detector(settings_)
    outputs = []
    for number, frame in enumerate(ingest_in_batches(events, cuts, partitions)):
        if number == restart_at:
            fresh = Detector(settings_)
            for at, task in detector.tasks.items():
                fresh.tasks[at].restore(task.snapshot())
                fresh.tasks[at].counters.update(task.counters)
            fresh._offsets = dict(detector._offsets)
            detector = fresh
        outputs += detector.feed([frame])
    return outputs + list(detector.finish())


def final_verdicts(outputs: list[Output]) -> dict[str, tuple[str, float, int]]:
    last: dict[str, dict[str, Any]] = {}
    for output in outputs:
        if output.topic == VERDICTS:
            verdict = json.loads(output.value)
            assert verdict["revision"] > last.get(verdict["verdict_id"], {"revision": 0})["revision"]
            last[verdict["verdict_id"]] = verdict
    return {k: (v["label"], v["human_probability"], v["likes"]) for k, v in last.items()}


def final_weights(outputs: list[Output]) -> dict[str, tuple[float, int]]:
    """Each like's last weight and label; a correction must name the weight that it replaces."""
    last: dict[str, tuple[float, int]] = {}
    for output in outputs:
        if output.topic == TRUSTED_LIKES:
            for row in decode(output.value).to_pylist():
                before = (row["previous_probability"], row["previous_label"]) if row["revision"] else None
                assert last.get(row["event_id"]) == before
                last[row["event_id"]] = (row["human_probability"], row["label"])
    return last


def test_lockstep_is_seen_and_people_are_left_alone() -> None:
    outputs = run(crowd(), [200, 400])
    verdicts = final_verdicts(outputs)
    by_kind: dict[str, list[str]] = defaultdict(list)
    for identifier, (label, *_) in verdicts.items():
        by_kind["bot" if identifier.startswith("bot") else "person"].append(label)
    assert by_kind["bot"].count("bot") > 0.8 * len(by_kind["bot"])
    assert by_kind["person"].count("human") > 0.98 * len(by_kind["person"])
    campaigns = {}
    for output in outputs:
        if output.topic == CAMPAIGNS:
            campaign = json.loads(output.value)
            campaigns[campaign["campaign_id"]] = campaign
    live = [c for c in campaigns.values() if c["merged_into"] is None]
    largest = max(live, key=lambda c: c["actor_count"])
    assert {f"bot{b}" for b in range(6)} <= set(largest["actors"])
    assert sum(c["actor_count"] for c in live) <= 12
    evidence = [json.loads(o.value)["evidence"] for o in outputs if o.topic == VERDICTS and b'"bot0@' in o.value][-1]
    lockstep = next(e for e in evidence if e["signal"] == "lockstep")
    assert {f"bot{b}" for b in range(1, 6)} <= set(lockstep["points_at"]["peers"])
    assert lockstep["points_at"]["targets"]
    assert lockstep["value"] > lockstep["baseline"]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 640), max_size=8), st.integers(0, 6))
def test_cuts_and_restarts_change_no_verdict_and_no_weight(cuts: list[int], restart_at: int) -> None:
    events = crowd(seed=3)
    undisturbed, disturbed = run(events, []), run(events, cuts, restart_at=restart_at)
    assert final_verdicts(disturbed) == final_verdicts(undisturbed)
    assert final_weights(disturbed) == final_weights(undisturbed)


def run_in_any_order(events: list[dict[str, Any]], cuts: list[int], seed: int, partitions: int = 2) -> list[Output]:
    """Each partition of each topic is a log; which task reads on next is left to chance, as it is to Kafka."""
    chance = random.Random(seed)
    tasks = Detector(Judgement(partitions)).tasks
    logs: dict[tuple[str, int], list[Output]] = defaultdict(list)
    positions: dict[tuple[str, int], int] = defaultdict(int)
    for output in ingest_in_batches(events, cuts, partitions):
        logs[output.topic, output.partition or 0].append(output)
    outside: list[Output] = []
    while waiting := [at for at in tasks if positions[at] < len(logs[at])]:
        at = chance.choice(waiting)
        for _ in range(chance.randint(1, 4)):
            if positions[at] == len(logs[at]):
                break
            message = logs[at][positions[at]]
            frame = from_message(message.value, message.headers)
            for output in frames.numbered(tasks[at].process(frame, positions[at])):
                to = (output.topic, output.partition or 0)
                (logs[to] if to in tasks else outside).append(output)
            positions[at] += 1
    for task in tasks.values():
        if isinstance(task, VerdictTask):
            outside += task.publish(len(task.unpublished))
    return outside


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 640), min_size=2, max_size=8), st.integers(0, 1000))
def test_who_reads_first_changes_no_verdict_and_no_weight(cuts: list[int], seed: int) -> None:
    events = crowd(seed=8)
    plain, mixed = run(events, cuts), run_in_any_order(events, cuts, seed)
    assert final_verdicts(mixed) == final_verdicts(plain)
    assert final_weights(mixed) == final_weights(plain)


def test_large_frames_are_split_and_each_part_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several frames that follow from one frame must not pass for repetitions of each other."""
    events = crowd(seed=3)
    whole = run(events, [])
    monkeypatch.setattr(frames, "MOST_BYTES", 20_000)
    parts = run(events, [])
    assert max(decode(o.value).nbytes for o in parts if o.topic == TRUSTED_LIKES) <= 20_000
    assert final_weights(parts) == final_weights(whole)
    assert final_verdicts(parts) == final_verdicts(whole)
    places = [frames.lineage_of(o.headers) for o in parts if o.topic == TRUSTED_LIKES]
    named = [(lineage.source, lineage.place) for lineage in places if lineage is not None]
    assert len(set(named)) == len(named) > len([o for o in whole if o.topic == TRUSTED_LIKES])


def test_rows_that_ingest_sends_again_are_ignored() -> None:
    events = crowd(seed=4)
    log = ingest_in_batches(events, [100, 300], 2)
    detector = Detector(Judgement(2))
    outputs = [o for frame in [*log[:4], *log[2:4], *log[4:]] for o in detector.feed([frame])]
    assert detector.counters()["likes"] == len(events)
    assert detector.counters()["repeated_likes"] > 0
    assert final_weights([*outputs, *detector.finish()]) == final_weights(run(events, [100, 300]))


def test_a_late_like_is_judged_into_a_revision_and_a_too_late_one_counted() -> None:
    settings_ = Judgement(1, horizon_ms=3_600_000)
    detector = Detector(settings_)
    events = [
        like(1, "ann", "x", 0),
        like(2, "bob", "y", 2000),
        like(3, "ann", "z", 10),
        like(4, "ann", "w", -9000),
    ]
    log = [f for e in events for f in ingest_in_batches([e], [], 1)[:1]]
    # Each of these logs starts at offset 0; give each like a place of its own.
    outputs: list[Output] = []
    for offset, output in enumerate(log):
        frame = from_message(output.value, output.headers)
        batch = frame.batch.set_column(
            frame.batch.schema.get_field_index("source_offset"), "source_offset", pa.array([offset])
        )
        outputs += detector.feed(
            [frames.to_output(Frame("likes", batch.cast(frames.LIKES), None, frame.progress), FRAMES_BY_ACTOR, 0)]
        )
    outputs += detector.feed(ingest_in_batches([], [], 1))
    verdicts = final_verdicts([*outputs, *detector.finish()])
    assert verdicts[f"ann@{START_MS}"][2] == 2
    assert detector.counters()["late_judged"] == 1
    assert detector.counters()["late_likes"] == 1


def test_names_leave_with_their_windows() -> None:
    """What is remembered is bounded by the number of windows asked for, not by the horizon."""
    detector = Detector(Judgement(1, max_actors=1000))
    events = [like(n, f"a{n % 200}", f"t{n}", n * 1.5) for n in range(8000)]
    for frame in ingest_in_batches(events, list(range(0, 8000, 200)), 1):
        list(detector.feed([frame]))
        for task in detector.tasks.values():
            if isinstance(task, ActorTask | VerdictTask):
                assert len(task.names.windows) <= 1000 // 200 + 3
    assert detector.counters()["evicted_actor_windows"] > 0


def test_a_declared_agent_is_an_agent_and_weighs_nothing() -> None:
    outputs = run([like(n, "helper", f"t{n}", n, actor_kind="agent") for n in range(3)], [])
    assert set(final_verdicts(outputs).values()) == {("agent", 0.0, 3)}
    assert {weight for weight, _ in final_weights(outputs).values()} == {0.0}


def test_campaigns_merge_when_a_link_joins_them() -> None:
    task = GroupTask(0)

    def link(a: str, b: str, at: int) -> list[dict[str, Any]]:
        batch = pa.RecordBatch.from_pylist(
            [
                {
                    "actor_id": a,
                    "peer_id": b,
                    "target_ids": ["t"],
                    "weight": 1.0,
                    "first_at": at,
                    "last_at": at + 1,
                }
            ],
            frames.LINKS,
        )
        return [json.loads(o.value) for o in task.process(Frame("links", batch), 0)]

    (first,), (second,) = link("a", "b", 1), link("c", "d", 2)
    merged = link("b", "c", 3)
    assert [(c["campaign_id"], c["merged_into"]) for c in merged] == [
        (first["campaign_id"], None),
        (second["campaign_id"], first["campaign_id"]),
    ]
    assert merged[0]["actors"] == ["a", "b", "c", "d"]
    copy = GroupTask(0)
    copy.restore(task.snapshot())
    assert copy.campaigns == task.campaigns
    assert copy.of_actor == task.of_actor


def test_a_campaign_keeps_the_same_targets_however_they_come() -> None:
    tasks = GroupTask(0), GroupTask(0)
    names = [f"t{n:05d}" for n in range(MOST_TARGETS + 500)]
    orders = names, names[::-1]
    last: list[dict[str, Any]] = []
    for task, order in zip(tasks, orders, strict=True):
        for start in range(0, len(order), 700):
            link = {"actor_id": "a", "peer_id": "b", "target_ids": order[start : start + 700], "weight": 1.0}
            batch = pa.RecordBatch.from_pylist([link | {"first_at": 1, "last_at": 2}], frames.LINKS)
            (output,) = task.process(Frame("links", batch), start)
        last.append(json.loads(output.value))
    assert tasks[0].campaigns == tasks[1].campaigns
    assert last[0] == last[1]
    assert last[0]["target_count"] == MOST_TARGETS
    assert f"the same {MOST_TARGETS} or more targets" in last[0]["sentence"]


def test_stages_know_their_topics() -> None:
    assert {t for t, _ in Detector(Judgement(1)).tasks} == {
        FRAMES_BY_ACTOR,
        FRAMES_BY_TARGET,
        EVIDENCE_BY_ACTOR,
        LINKS_BY_GROUP,
    }


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is beside the project only where it is developed")
def test_real_shares_every_reported_pair_did_meet_that_often() -> None:
    """No false evidence: what a lockstep sentence says of two accounts can be recounted in the file."""
    with gzip.open(SHARED / "coordinated_shares.csv.gz", "rt") as file:
        rows = [line.rstrip("\n").split(",") for line in list(file)[1:]]
    from shared.contract.times import epoch_ms

    events = [{"event_id": e, "actor_id": a, "target_id": t, "occurred_at": epoch_ms(at)} for e, a, t, at in rows]
    outputs = run(events, list(range(4000, len(events), 4000)))
    times: dict[tuple[str, str], list[int]] = defaultdict(list)
    for event in events:
        times[event["actor_id"], event["target_id"]].append(event["occurred_at"])
    accused = 0
    for output in outputs:
        if output.topic == VERDICTS and b'"lockstep"' in output.value:
            verdict = json.loads(output.value)
            lockstep = next(e for e in verdict["evidence"] if e["signal"] == "lockstep")
            for target in lockstep["points_at"]["targets"]:
                mine = times[verdict["actor_id"], target]
                theirs = [at for peer in lockstep["points_at"]["peers"] for at in times[peer, target]]
                assert any(abs(a - b) <= 60_000 for a in mine for b in theirs)
            accused += 1
    assert accused > 20
    assert sum(label != "human" for label, *_ in final_verdicts(outputs).values()) < 0.02 * len(events)
