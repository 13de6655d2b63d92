"""The simulator's shell: what it sends, and when."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.simulator.recommender import CAUSED_SHARE, THETA
from services.simulator.sender import MALFORMED, Simulator
from services.simulator.settings import DAY_MS, SimulatorSettings
from services.simulator.world import KINDS


class Producer:
    """Keeps what is sent, and when."""

    acknowledged = 0

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, bytes, int]] = []

    async def send(self, keys: list[bytes], values: list[bytes], sent_ms: int) -> None:
        self.sent += [(key, value, sent_ms) for key, value in zip(keys, values, strict=True)]

    async def flush(self) -> None:
        self.acknowledged = len(self.sent)

    def events(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(value) for _, value, _ in self.sent if value != MALFORMED]


async def run(begin_ms: int, **settings: Any) -> tuple[Simulator, Producer]:
    simulator, producer = Simulator(SimulatorSettings(**settings), begin_ms), Producer()
    simulator.producer = producer  # type: ignore[assignment]
    simulator.slates_producer = Producer()  # type: ignore[assignment]
    await simulator.run(asyncio.Event(), asyncio.Event())
    return simulator, producer


async def test_it_sends_so_many_and_writes_down_what_they_are(tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    begin_ms = int(time.time() * 1000) - 28 * DAY_MS
    simulator, producer = await run(
        begin_ms,
        simulator_rate=4_000,
        simulator_likes=1_500,
        simulator_people=500,
        simulator_truth=truth,
        simulator_treated=0.1,
        simulator_holdout=0.25,
        simulator_buys=0.05,
        simulator_faults=0.02,
    )
    sent = simulator.counters["simulated_likes"]
    assert 1_500 <= sent < 2_500
    events = producer.events()
    lines = [line.split(",") for line in truth.read_text().splitlines()[1:]]
    assert [line[:2] for line in lines] == list(
        map(list, dict.fromkeys((e["event_id"], e["actor_id"]) for e in events))
    )
    assert {kind for _, _, kind in lines} <= set(KINDS)
    buys = simulator.counters["simulated_buys"]
    assert len([e for e in events if e.get("action") == "buy"]) == buys > 0
    assert len(lines) == sent + buys
    assert len(events) == sent + buys + simulator.counters["simulated_duplicates"] > sent + buys
    planted = json.loads(truth.with_suffix(".json").read_text())
    assert planted["arms"] == {"treated": 0.1, "holdout": 0.25}
    assert planted["caused_share"] == CAUSED_SHARE
    assert planted["theta"] == pytest.approx(THETA, abs=1e-6)
    assert sum(planted["buys"]["ladder"].values()) == pytest.approx(1)
    assert planted["drift"]["divergence_bits"] > 0
    assert simulator.counters["simulated_malformed"] == sum(value == MALFORMED for _, value, _ in producer.sent) > 0
    assert all(
        key == msgspec.json.decode(value)["actor_id"].encode()
        for key, value, _ in producer.sent[:500]
        if key != b"malformed"
    )


async def test_it_sends_nothing_that_has_not_happened_yet() -> None:
    begin_ms = int(time.time() * 1000) - 600_000
    _, producer = await run(
        begin_ms, simulator_rate=20_000, simulator_people=50_000, simulator_seconds=1.5, simulator_faults=0
    )
    events = [(msgspec.json.decode(value)["occurred_at"], sent_ms) for _, value, sent_ms in producer.sent]
    assert all(occurred <= sent for occurred, sent in events)
    # Ten minutes of these people are far less than the rate; then their time is the clock's.
    assert 1_000 < len(events) < 20_000
    # A busy machine is a few seconds behind.
    assert max(sent for _, sent in events) - max(occurred for occurred, _ in events) < 10_000


async def test_with_a_speed_its_time_passes_evenly() -> None:
    begin_ms = 1_767_225_600_000
    simulator, producer = await run(
        begin_ms, simulator_rate=1_000, simulator_speed=600, simulator_seconds=1.5, simulator_faults=0
    )
    latest = max(event["occurred_at"] for event in producer.events())
    assert (latest - begin_ms) / 1000 == pytest.approx(1.5 * 600, rel=0.2)
    assert simulator.event_ms == latest
