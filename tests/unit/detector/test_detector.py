from __future__ import annotations

import gzip
import json
import random
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.detector.signals.meetings import Meetings
from services.detector.signals.pairs import PLACES, Pairs
from services.detector.signals.rows import EXPECTED, RECENT
from services.detector.signals.signal import SCALES
from services.simulator import events as simulated
from services.simulator.settings import WorldSettings
from services.simulator.world import World
from shared import frames, schemas
from shared.compiled import PROJECT
from shared.contract.times import LATEST_MS
from shared.frames import Frame, Output, decode, from_message
from shared.hashing import mix
from shared.topics import (
    CAMPAIGNS,
    EVIDENCE_BY_ACTOR,
    FRAMES_BY_ACTOR,
    FRAMES_BY_TARGET,
    LINKS_BY_GROUP,
    TRUSTED_LIKES,
    VERDICTS,
    WINDOW_SUMMARIES,
)
from shared.watermark import Watermark
from tests.likes import START_MS, crowd, ingest_in_batches, like

SHARED = PROJECT.parent / "shared" / "data"


def test_a_watermark_waits_for_all_sources_and_never_goes_back() -> None:
    watermark = Watermark(2)
    watermark.advance(0, 50)
    assert watermark.now == -1
    watermark.advance(1, 70)
    watermark.advance(0, 40)
    assert watermark.now == 50


def met_by(likes: list[tuple[int, int, int]]) -> set[tuple[int, int, int, int, int]]:
    """(actor, peer, target, own time, scale) of all pairs within a day on a target, by brute force."""
    found = set()
    for i, (time, actor, target) in enumerate(likes):
        for other_time, other, other_target in likes[:i]:
            apart = abs(time - other_time)
            if other == actor or other_target != target or apart > SCALES[-1]:
                continue
            scale = next(s for s, size in enumerate(SCALES) if apart <= size)
            found |= {(actor, other, target, time, scale), (other, actor, target, other_time, scale)}
    return found


@given(
    st.lists(st.tuples(st.integers(0, 200_000_000), st.integers(1, 7), st.integers(1, 3)), max_size=40, unique=True),
    st.integers(1, 40),
)
@settings(deadline=None)
def test_meetings_are_all_pairs_within_a_day_whatever_the_batches(likes: list[tuple[int, int, int]], cut: int) -> None:
    likes = [(START_MS + time, actor, target) for time, actor, target in sorted(likes)]
    meetings, found = Meetings(1000, 1), []
    for part in (likes[:cut], likes[cut:]):
        met = meetings.meet(keyed_likes(part))
        columns = [met.column(name).to_pylist() for name in ("actor", "peer", "target", "occurred_at", "scale")]
        assert met.column("peer_id").to_pylist() == [f"a{peer}" for peer in columns[1]]
        found += list(zip(*columns, strict=True))
    assert set(found) == met_by(likes)


def keyed_likes(likes: list[tuple[int, int, int]], recent: int = 3) -> pa.RecordBatch:
    rows = [
        {
            **dict.fromkeys(("creator", "origin", "first_seen"), 0),
            "actor_created_at": -1,
            "occurred_at": time,
            "actor": actor,
            "target": target,
            "unlike": False,
            "actor_likes": 1,
            **dict.fromkeys(RECENT, recent),
            "settled": False,
            "actor_id": f"a{actor}",
        }
        for time, actor, target in likes
    ]
    return pa.RecordBatch.from_pylist(rows, schemas.KEYED_LIKES)


def test_chance_is_reckoned_from_when_both_were_active_and_how_popular_the_target_is() -> None:
    """expected = n_a * n_b * share * 3, with the pair's own likes left out of the share and one added."""
    meetings = Meetings(1000, partitions=1)
    likes = [(START_MS + n, n + 10, 1 if n % 5 == 0 else 2 + n) for n in range(200)]
    meetings.meet(keyed_likes(likes))
    met = meetings.meet(keyed_likes([(START_MS + 1000, 5, 1)], recent=7))
    assert met.num_rows > 0
    # 41 likes of target 1 among 201, without one.
    expected = 7 * 3 * (40 / 201) * 3
    assert met.column("expected_10m").to_numpy() == pytest.approx(expected, rel=1e-3)


def test_the_crowd_of_a_popular_target_says_nothing_at_slow_scales() -> None:
    """What usually has more likers within a day than a target keeps is left out from its second day on."""
    day = SCALES[-1]
    first = [(START_MS + n * day // 200, n + 1, 1) for n in range(200)]
    second = [(START_MS + day + n * day // 200, n + 1001, 1) for n in range(200)]
    meetings = Meetings(1000, partitions=1)
    before, after = meetings.meet(keyed_likes(first)), meetings.meet(keyed_likes(second))
    assert (before.column("expected_1d").to_numpy() > 0).all()
    assert (after.column("expected_1d").to_numpy() == -1).all()
    assert (after.column("expected_60s").to_numpy()[after.column("scale").to_numpy() == 0] > 0).all()


Met = tuple[int, int, int, int]


def meetings_of(met: list[Met]) -> pa.RecordBatch:
    rows = [
        {
            "met_at": START_MS + at * 1000,
            "occurred_at": START_MS + at * 1000,
            "actor": 1 + actor,
            "peer": 100 + actor,
            "target": 1000 + place,
            "place": 1000 + place,
            "creator_known": False,
            "scale": scale,
            **{name: 0.1 if s >= scale else -1.0 for s, name in enumerate(EXPECTED)},
            "peer_id": f"p{actor}",
        }
        for at, actor, place, scale in met
    ]
    return pa.RecordBatch.from_pylist(rows, schemas.MEETINGS)


@given(
    st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 2), st.integers(0, 12), st.integers(0, 3)), max_size=60),
    st.lists(st.integers(0, 60), max_size=4),
)
@example([(n, 0, n % 10, 0) for n in range(11)], [])
@example([(0, 1, 1, 3), (700, 1, 1, 1), (4000, 1, 2, 2), (4001, 1, 1, 0)], [1, 2])
@settings(deadline=None)
def test_pairs_count_different_places_whatever_the_batches(met: list[Met], cuts: list[int]) -> None:
    met = sorted(met, key=lambda m: (m[0], m[1], m[2]))
    whole, parts = Pairs(100_000), Pairs(100_000)
    whole.meet(meetings_of(met))
    for begin, end in pairwise([0, *sorted({min(c, len(met)) for c in cuts}), len(met)]):
        parts.meet(meetings_of(met[begin:end]))
    for actor in range(3):
        mine = [m for m in met if m[1] == actor]
        key = mix(np.array([1 + actor], np.uint64), np.array([100 + actor], np.uint64))
        slots = [pairs.repeated.find(key)[0] for pairs in (whole, parts)]
        assert (slots[0] >= 0) == (len({place for _, _, place, _ in mine}) > 1) == (slots[1] >= 0)
        if slots[0] >= 0:
            nearest = {p: min(s for _, _, q, s in mine if q == p) for _, _, p, _ in mine}
            expected = [sum(n <= s for n in nearest.values()) for s in range(len(SCALES))]
            met_on = whole.repeated["met"][slots[0]].tolist()
            # A pair's last places are remembered: on one before them it meets anew.
            assert met_on == expected if len(nearest) <= PLACES else np.all(np.subtract(met_on, expected) >= 0)
            for name in whole.repeated.column:
                assert np.array_equal(whole.repeated[name][slots[0]], parts.repeated[name][slots[1]]), name


def test_no_batch_takes_pairs_beyond_their_bound() -> None:
    pairs = Pairs(16_384)
    rng = np.random.default_rng(5)
    for turn in range(4):
        met = [
            (turn * 10 + n // 4000, int(a), int(p), 0) for n, (a, p) in enumerate(rng.integers(0, 30_000, (20_000, 2)))
        ]
        pairs.meet(meetings_of(sorted(met)))
        assert len(pairs.once) == 16_384
        assert len(pairs.repeated.keys) <= 16_384


def run(
    events: list[dict[str, Any]],
    cuts: list[int],
    partitions: int = 2,
    restart_at: int | None = None,
    apart_ms: int | None = None,
) -> list[Output]:
    settings_ = Judgement(partitions)
    detector = Detector(settings_)
    outputs = []
    log = ingest_in_batches(events, cuts, partitions)
    for number, frame in enumerate(log if apart_ms is None else at_clock(log, apart_ms)):
        if number == restart_at:
            fresh = Detector(settings_)
            for at, task in detector.tasks.items():
                fresh.tasks[at].restore(task.snapshot())
                fresh.tasks[at].counters.update(task.counters)
            fresh._offsets = dict(detector._offsets)
            detector = fresh
        outputs += detector.feed([frame])
    return outputs


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


def final_campaigns(outputs: list[Output]) -> set[tuple[str, tuple[str, ...], int, int, int]]:
    last = {o.key: json.loads(o.value) for o in outputs if o.topic == CAMPAIGNS and not o.tombstone}
    return {
        (c["kind"], tuple(c["actors"]), c["actor_count"], c["first_at"], c["last_at"])
        for c in last.values()
        if c["merged_into"] is None and not c["withdrawn"]
    }


def same_in_the_end(found: list[Output], expected: list[Output]) -> None:
    assert final_verdicts(found) == final_verdicts(expected)
    assert final_weights(found) == final_weights(expected)
    assert final_campaigns(found) == final_campaigns(expected)


def test_lockstep_is_seen_and_people_are_left_alone() -> None:
    outputs = run(crowd(), [200, 400])
    verdicts = final_verdicts(outputs)
    assert {identifier.partition("@")[0] for identifier in verdicts} == {f"bot{b}" for b in range(12)}
    assert {label for label, _, _ in verdicts.values()} == {"bot"}
    assert len(verdicts) == 12 * 8
    bots = {row["event_id"] for o in outputs if o.topic == TRUSTED_LIKES for row in decode(o.value).to_pylist()
            if row["actor_id"].startswith("bot")}  # fmt: skip
    weights = final_weights(outputs)
    assert max(weights[like][0] for like in bots) <= 0.1
    assert min(weight for like, (weight, _) in weights.items() if like not in bots) == 1.0
    evidence = [json.loads(o.value)["evidence"] for o in outputs if o.topic == VERDICTS and b'"bot0@' in o.value][-1]
    lockstep = next(e for e in evidence if e["signal"] == "lockstep")
    assert set(lockstep["points_at"]["peers"]) < {f"bot{b}" for b in range(1, 12)}
    assert len(lockstep["points_at"]["peers"]) == 6
    assert set(lockstep["points_at"]["targets"]) == {f"promoted{n}" for n in range(8)}
    assert lockstep["value"] == 8 > lockstep["baseline"]


def test_summaries_say_how_many_were_judged() -> None:
    events = crowd()
    latest = {}
    for output in run(events, [200, 400]):
        if output.topic == WINDOW_SUMMARIES:
            summary = json.loads(output.value)
            latest[summary["window_start"], summary["partition"]] = summary
    likes, actors = Counter[str](), Counter[str]()
    for summary in latest.values():
        likes.update(summary["likes"])
        actors.update(summary["actors"])
    assert likes == {"human": 4000, "suspect": 0, "bot": 96, "agent": 0}
    windows = {(e["actor_id"], e["occurred_at"] // 300_000) for e in events}
    assert actors["bot"] == 96
    assert actors["human"] == len(windows) - 96


def at_clock(log: list[Output], apart_ms: int) -> list[Output]:
    """As ingest would have sent these frames, one batch so long after the other; the end comes without a clock."""
    said: list[Output] = []
    batch, before = 0, None
    for output in log:
        frame = from_message(output.value, output.headers)
        assert frame.progress is not None
        if max(frame.progress.watermarks.values()) == LATEST_MS:
            return said + log[len(said) :]
        batch += frame.progress != before
        before = frame.progress
        progress = msgspec.structs.replace(frame.progress, clock_ms=START_MS + batch * apart_ms)
        said.append(frames.to_output(replace(frame, progress=progress), output.topic, output.partition or 0))
    return said


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 4096), min_size=2, max_size=60), st.integers(0, 700), st.integers(0, 20))
def test_how_fast_event_time_runs_changes_nothing_in_the_end(cuts: list[int], apart_ms: int, restart_at: int) -> None:
    events = crowd(seed=5)
    same_in_the_end(run(events, cuts, restart_at=restart_at, apart_ms=apart_ms), run(events, []))


def test_where_event_time_is_faster_than_the_clock_fewer_frames_tell_of_it() -> None:
    events, cuts = crowd(seed=5), list(range(0, 4096, 64))
    told = {}
    for apart_ms in (None, 50, 30_000):
        detector = Detector(Judgement(2))
        log = ingest_in_batches(events, cuts, 2)
        list(detector.feed(log if apart_ms is None else at_clock(log, apart_ms)))
        told[apart_ms] = sum(detector._offsets.values())
    # Four hours in 3 s of the clock, or in half an hour.
    assert told[50] < told[None] / 2
    assert told[30_000] == pytest.approx(told[None], rel=0.1)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 640), max_size=8), st.integers(0, 6))
def test_cuts_and_restarts_change_nothing_in_the_end(cuts: list[int], restart_at: int) -> None:
    events = crowd(seed=3)
    undisturbed, disturbed = run(events, []), run(events, cuts, restart_at=restart_at)
    same_in_the_end(disturbed, undisturbed)


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
    return outside


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 640), min_size=2, max_size=8), st.integers(0, 1000))
def test_who_reads_first_changes_nothing_in_the_end(cuts: list[int], seed: int) -> None:
    events = crowd(seed=8)
    plain, mixed = run(events, cuts), run_in_any_order(events, cuts, seed)
    same_in_the_end(mixed, plain)


def test_who_stood_out_for_a_moment_is_in_no_campaign() -> None:
    """Of more looks some find people in step who in the end are not."""
    world = World(WorldSettings(seed=7, people=6000, items=2500), START_MS)
    drawn = world.take(25_000)
    events = list(simulated.events(world, drawn, 0))
    few, many = (run(events, list(range(0, len(events), step))) for step in (12_500, 300))
    assert final_weights(many) == final_weights(few)
    assert final_campaigns(many) == final_campaigns(few)
    assert len(final_campaigns(few)) > 5
    withdrawn = [
        c for o in many if o.topic == CAMPAIGNS and not o.tombstone and (c := json.loads(o.value))["withdrawn"]
    ]
    assert withdrawn, "no campaign ever stood for a moment: the test looks at nothing"


def test_large_frames_are_split_and_each_part_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several frames that follow from one frame must not pass for repetitions of each other."""
    events = crowd(seed=3)
    whole = run(events, [])
    monkeypatch.setattr(frames, "MOST_BYTES", 20_000)
    parts = run(events, [])
    assert max(decode(o.value).nbytes for o in parts if o.topic == TRUSTED_LIKES) <= 20_000
    same_in_the_end(parts, whole)
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
    assert final_weights(outputs) == final_weights(run(events, [100, 300]))


def test_a_late_like_is_judged_into_a_revision_and_a_too_late_one_counted() -> None:
    detector = Detector(Judgement(1, horizon_ms=3_600_000))
    agent = {"actor_kind": "agent"}
    events = [
        like(1, "ann", "x", 0, **agent),
        like(2, "bob", "y", 2000),
        like(3, "ann", "z", 10, **agent),
        like(4, "ann", "w", -9000, **agent),
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
            [frames.to_output(Frame("likes", batch.cast(schemas.LIKES), None, frame.progress), FRAMES_BY_ACTOR, 0)]
        )
    outputs += detector.feed(ingest_in_batches([], [], 1))
    revisions = [json.loads(o.value) for o in outputs if o.topic == VERDICTS]
    assert [(v["verdict_id"], v["revision"], v["likes"]) for v in revisions] == [
        (f"ann@{START_MS}", 1, 1),
        (f"ann@{START_MS}", 2, 2),
    ]
    assert detector.counters()["late_likes"] == 1


def test_a_declared_agent_is_an_agent_and_weighs_nothing() -> None:
    outputs = run([like(n, "helper", f"t{n}", n, actor_kind="agent") for n in range(3)], [])
    assert set(final_verdicts(outputs).values()) == {("agent", 0.0, 3)}
    assert {weight for weight, _ in final_weights(outputs).values()} == {0.0}


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
                assert any(abs(a - b) <= 86_400_000 for a in mine for b in theirs)
            accused += 1
    assert accused > 20
    # There are such accounts in it: whoever is called a bot shared at least two posts within ten minutes of some other
    # account (the rule of CooRTweet), but for one in a thousand.
    bots = {i.partition("@")[0] for i, (label, *_) in final_verdicts(outputs).items() if label == "bot"}
    assert len(bots - coordinated(events)) <= 0.001 * len({e["actor_id"] for e in events})


def coordinated(events: list[dict[str, Any]]) -> set[str]:
    likes: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for event in sorted(events, key=lambda e: e["occurred_at"]):
        likes[event["target_id"]].append((event["occurred_at"], event["actor_id"]))
    targets: dict[frozenset[str], set[str]] = defaultdict(set)
    for target, of_target in likes.items():
        for n, (at, actor) in enumerate(of_target):
            for before, other in reversed(of_target[:n]):
                if at - before > 600_000:
                    break
                targets[frozenset((actor, other))].add(target)
    return {actor for pair, shared in targets.items() if len(pair) == 2 and len(shared) >= 2 for actor in pair}
