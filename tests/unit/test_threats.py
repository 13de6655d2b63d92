"""What docs/security.md says of attacks on the detector itself."""

from __future__ import annotations

import json

import numpy as np

from services.detector import rate
from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from shared.topics import VERDICTS
from tests.likes import crowd, ingest_in_batches, like


def odds_beside_floods(share: float) -> tuple[float, float]:
    """Log-odds of a flood (1,000 likes a window) and of a person (8), where so many actor windows are floods."""
    rng = np.random.default_rng(5)
    stream = rate.StreamBaseline()
    for _ in range(100):
        people = np.maximum(1, rng.lognormal(0.5, 0.7, 400)).astype(np.int64)
        floods = rng.integers(200, 400, round(400 * share / (1 - share)))
        stream.learn(np.concatenate([people, floods]))
    odds, _ = rate.log_odds(np.array([1000, 8]), np.zeros(2), *stream.location_and_spread())
    return float(odds[0]), float(odds[1])


def test_some_floods_do_not_make_floods_look_usual_but_many_do() -> None:
    alone = odds_beside_floods(0.0)
    assert odds_beside_floods(0.05) == alone
    for share in (0.1, 0.2):
        flood, person = odds_beside_floods(share)
        assert 0 < flood < alone[0]
        assert person == 0
    # The limit: from about a quarter on the upper quartile is the floods' own.
    assert odds_beside_floods(0.3) == (0, 0)


def verdicts(events: list[dict[str, object]]) -> dict[str, tuple[str, float, int]]:
    detector = Detector(Judgement(2))
    found: dict[str, dict[str, object]] = {}
    outputs = [o for frame in ingest_in_batches(events, [], 2) for o in detector.feed([frame])]
    for output in [*outputs, *detector.finish()]:
        if output.topic == VERDICTS:
            verdict = json.loads(output.value)
            found[verdict["verdict_id"]] = verdict
    return {k: (v["label"], v["human_probability"], v["likes"]) for k, v in found.items()}  # type: ignore[misc]


def test_a_flood_under_one_key_is_judged_and_changes_nobody_elses_verdict() -> None:
    people = crowd(seed=6)
    begin = people[0]["occurred_at"]
    flood = [
        {**like(n, "flooder", f"only{n}"), "event_id": f"flood{n}", "occurred_at": begin + 3_600_000 + n // 20}
        for n in range(5000)
    ]
    both = sorted([*people, *flood], key=lambda e: e["occurred_at"])
    without, with_flood = verdicts(people), verdicts(both)
    flooded = [v for k, v in with_flood.items() if k.startswith("flooder@")]
    assert [label for label, _, _ in flooded] == ["bot"]
    assert {k: v for k, v in with_flood.items() if not k.startswith("flooder@")} == without
