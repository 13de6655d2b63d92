"""What docs/security.md says of attacks on the detector itself."""

from __future__ import annotations

import json

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from shared.topics import VERDICTS
from tests.likes import crowd, ingest_in_batches, like


def verdicts(events: list[dict[str, object]]) -> dict[str, tuple[str, float, int]]:
    detector = Detector(Judgement(2))
    found: dict[str, dict[str, object]] = {}
    outputs = [o for frame in ingest_in_batches(events, [], 2) for o in detector.feed([frame])]
    for output in outputs:
        if output.topic == VERDICTS:
            verdict = json.loads(output.value)
            found[verdict["verdict_id"]] = verdict
    return {k: (v["label"], v["human_probability"], v["likes"]) for k, v in found.items()}  # type: ignore[misc]


def test_a_flood_under_one_key_is_judged_and_changes_nobody_elses_verdict() -> None:
    people = crowd(seed=6)
    begin = people[0]["occurred_at"]
    flood = [
        {**like(n, "flooder", f"only{n}"), "event_id": f"flood{n}", "occurred_at": begin + 3_600_000 + n * 700}
        for n in range(5000)
    ]
    both = sorted([*people, *flood], key=lambda e: e["occurred_at"])
    without, with_flood = verdicts(people), verdicts(both)
    flooded = [v for k, v in with_flood.items() if k.startswith("flooder@")]
    assert {label for label, _, _ in flooded} == {"bot"}
    assert sum(likes for _, _, likes in flooded) == 5000
    others = {k: label for k, (label, _, _) in with_flood.items() if not k.startswith("flooder@")}
    assert others == {k: label for k, (label, _, _) in without.items()}
