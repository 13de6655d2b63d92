"""Campaigns: what belongs together, whatever the order in which it is said."""

from __future__ import annotations

import json
import random
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.group import GroupTask
from services.detector.settings import Judgement
from shared import schemas
from shared.frames import Frame, Lineage, Output
from shared.messages import CAMPAIGN_KINDS, Campaign

DAY_MS = 86_400_000


def link(actor: int, node: int, at: int = 0, kind: str = "lockstep", **more: Any) -> dict[str, Any]:
    return {
        "kind": CAMPAIGN_KINDS.index(kind),  # type: ignore[arg-type]
        "scale_seconds": 600,
        "actor": actor,
        "actor_id": f"a{actor}",
        "nodes": [node],
        "target_ids": ["t1", "t2"],
        "creator_ids": [],
        "first_at": at,
        "last_at": at + 1000,
        "strength": 2.0,
        "likes": 12,
        "weight": 0.6,
        "sentence": f"a{actor} was there.",
        **more,
    }


def none_left(actor: int) -> dict[str, Any]:
    return {"actor": actor, "nodes": []}


def said(task: GroupTask, *parts: list[dict[str, Any]], watermark: int = 0) -> list[Output]:
    return [
        output
        for n, links in enumerate(parts)
        for output in task.process(
            Frame("links", pa.RecordBatch.from_pylist(links, schemas.LINKS), Lineage("links", 0, n, watermark)), n
        )
    ]


def standing(outputs: list[Output]) -> list[dict[str, Any]]:
    latest: dict[str, dict[str, Any]] = {}
    for output in outputs:
        if not output.tombstone:
            campaign = json.loads(output.value)
            Campaign.model_validate(campaign, strict=True)
            assert campaign["revision"] > latest.get(campaign["campaign_id"], {"revision": 0})["revision"]
            latest[campaign["campaign_id"]] = campaign
    return [c for c in latest.values() if not (c["merged_into"] or c["expired"] or c["withdrawn"])]


def test_two_are_a_pair_and_a_third_makes_a_campaign() -> None:
    task = GroupTask(0, Judgement(1))
    assert said(task, [link(1, 2), link(2, 1)]) == []
    (campaign,) = standing(said(task, [link(3, 1)]))
    assert (campaign["actors"], campaign["likes"], campaign["weight"]) == (["a1", "a2", "a3"], 36, 1.8)
    assert campaign["evidence"][0] == "3 accounts, 2 targets, 36 likes within a second; they count for 1.8 now."
    assert said(task, [link(3, 1)]) == [], "nothing new is not said again"


def test_where_every_like_counts_in_full_there_is_no_campaign() -> None:
    task = GroupTask(0, Judgement(1))
    assert said(task, [link(a, b, weight=12.0) for a, b in ((1, 2), (2, 3), (3, 1))]) == []


def test_the_older_campaign_takes_the_younger_in() -> None:
    task = GroupTask(0, Judgement(1))
    outputs = said(
        task,
        [link(1, 2, 5), link(2, 3, 5), link(3, 1, 5)],
        [link(4, 5), link(5, 6), link(6, 4)],
        [link(3, 4, 9)],
    )
    (campaign,) = standing(outputs)
    assert campaign["actor_count"] == 6
    merged = [json.loads(o.value) for o in outputs if not o.tombstone and json.loads(o.value)["merged_into"]]
    assert [m["merged_into"] for m in merged] == [campaign["campaign_id"]]
    assert campaign["first_at"] == 0
    assert sum(o.tombstone for o in outputs) == 1


def test_kinds() -> None:
    task = GroupTask(0, Judgement(1))
    crowd = [link(n, 999, kind="crowd") for n in range(10, 30)]
    flood = [link(50, 50, kind="flood")]
    ring = [link(a, b, creator_ids=["a71", "a72", "a73"]) for a, b in ((71, 72), (72, 73), (73, 71))]
    kinds = {c["kind"]: c["actor_count"] for c in standing(said(task, crowd, flood, ring))}
    assert kinds == {"crowd": 20, "flood": 1, "ring": 3}


def test_a_campaign_ends_a_horizon_after_its_last_like() -> None:
    task = GroupTask(0, Judgement(1))
    outputs = said(task, [link(1, 2), link(2, 3), link(3, 1)], [link(7, 7, 31 * DAY_MS, "flood")])
    assert len(standing(outputs)) == 2, "who is behind may still have something to say of it"
    outputs += said(task, [], watermark=31 * DAY_MS)
    (campaign,) = standing(outputs)
    assert campaign["kind"] == "flood"
    assert [o.tombstone for o in outputs] == [False, False, False, True]
    assert set(task.of_node) == {7}


def test_what_does_not_stand_is_withdrawn() -> None:
    task = GroupTask(0, Judgement(1))
    begun = said(task, [link(1, 2), link(2, 3), link(3, 1)])
    ended = said(task, [none_left(2), none_left(4)])
    assert [json.loads(o.value)["withdrawn"] for o in ended if not o.tombstone] == [True]
    assert ended[-1].tombstone
    assert task.counters == {"campaigns": 0, "campaign_actors": 0}
    again = said(task, [link(2, 3)])
    (campaign,) = standing(begun + ended + again)
    assert campaign["actors"] == ["a1", "a2", "a3"]


def test_a_campaign_falls_apart_where_a_link_is_gone() -> None:
    """The older half stays it; a new one has an id of its own."""
    task = GroupTask(0, Judgement(1))
    ring = [link(1, 2, 5), link(2, 3, 5), link(3, 1, 5), link(4, 5, 9), link(5, 6, 9)]
    outputs = said(task, [*ring, link(6, 4, 9, nodes=[4, 1])])
    (whole,) = standing(outputs)
    outputs += said(task, [link(6, 4, 9)])
    halves = {tuple(c["actors"]): c["campaign_id"] for c in standing(outputs)}
    assert set(halves) == {("a1", "a2", "a3"), ("a4", "a5", "a6")}
    assert halves["a1", "a2", "a3"] == whole["campaign_id"] != halves["a4", "a5", "a6"]


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 50)), min_size=1, max_size=30),
    st.integers(0, 99),
)
def test_only_the_last_links_of_each_actor_matter(pairs: list[tuple[int, int, int]], seed: int) -> None:
    rows = [link(a, b, at) if b % 5 else none_left(a) for a, b, at in pairs if a != b]
    last = {row["actor"]: row for row in rows}
    first = [row for row in rows if row is not last[row["actor"]]]
    chance = random.Random(seed)
    mixed = [*chance.sample(first, len(first)), *chance.sample(list(last.values()), len(last))]
    found = [
        {(tuple(c["actors"]), c["actor_count"], c["likes"], c["first_at"], c["last_at"]) for c in standing(outputs)}
        for outputs in (
            said(GroupTask(0, Judgement(1)), *([row] for row in rows)),
            said(GroupTask(0, Judgement(1)), *([row] for row in mixed)),
            said(GroupTask(0, Judgement(1)), list(last.values())),
        )
    ]
    assert found[0] == found[1] == found[2]


def test_a_snapshot_goes_on_where_it_was() -> None:
    task, other = GroupTask(0, Judgement(1)), GroupTask(0, Judgement(1))
    said(task, [link(1, 2), link(2, 3), link(3, 1)], [link(10, 999, kind="crowd")])
    other.restore(task.snapshot())
    later = [link(4, 1), link(11, 999, kind="crowd"), link(12, 999, kind="crowd")]
    assert [o.value for o in said(task, later)] == [o.value for o in said(other, later)]
