"""Brokers that go away, with three workers of each service: soon after their return every partition is held again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from aiokafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families

from shared import kafka
from shared.membership import held_by
from tests.faults.faults import Happened, breathe, wait
from tests.faults.fixture import PARTITIONS, Fixture

WORKERS = 3
HELD_AGAIN_SECONDS = 30.0
# Partitions that each group hands out.
GROUPS = {
    "truelike-ingest": 2 * PARTITIONS,
    "truelike-detector": 3 * PARTITIONS + 1,
    "truelike-predictor": PARTITIONS,
    "truelike-choice": 2 * PARTITIONS,
    "truelike-charts": 1,
    "truelike-exporter": 1,
}
ALL = range(PARTITIONS)
# Metrics that there is one of for each partition held, and what it is held as.
HELD = {"truelike_lag_likes": "{stage}", "truelike_lag_frames": "{stage}", "truelike_lag_slates": "{stage} of slates"}
# (stage, partition) -> by how many workers each is to be held.
EXPECTED: dict[str, Counter[tuple[str, str]]] = {
    "ingest": Counter((of, str(p)) for of in ("ingest", "ingest of slates") for p in ALL),
    "detector": Counter([("group", "0"), *((stage, str(p)) for stage in ("actor", "target", "verdict") for p in ALL)]),
    "choice": Counter(("choice", str(p)) for p in ALL),
    "charts": Counter([("charts", "0")]),
    "exporter": Counter([("exporter", "0")]),
}


def held(fixture: Fixture, name: str) -> Counter[tuple[str, str]]:
    """(stage, partition) of what the workers of a service say they hold."""
    found: Counter[tuple[str, str]] = Counter()
    for label in fixture.labels[name]:
        for family in text_string_to_metric_families(_metrics(fixture, label)):
            for sample in family.samples:
                if (of := HELD.get(sample.name)) is not None:
                    found[of.format(**sample.labels), sample.labels["partition"]] += 1
    return found


def _metrics(fixture: Fixture, label: str) -> str:
    try:
        return httpx.get(f"{fixture.url(label)}/metrics", timeout=2).text
    except httpx.HTTPError:
        return ""


def _shares(fixture: Fixture) -> float:
    return sum(fixture.value_of("predictor/held_shares", label) for label in fixture.labels["predictor"])


def lacking(fixture: Fixture) -> list[str]:
    """What is held by nobody, or by two: as the workers say, and as the groups' coordinators do."""
    wrong = [f"{name}: {held(fixture, name)}" for name, expected in EXPECTED.items() if held(fixture, name) != expected]
    shares = _shares(fixture)
    if shares != PARTITIONS:
        wrong.append(f"predictor: {shares:.0f} of {PARTITIONS} shares")
    if not wrong:
        try:
            assigned = asyncio.run(_assigned(fixture))
        except (KafkaError, TimeoutError) as error:
            return [f"groups: {error!r}"]
        wrong += [f"{group}: {assigned[group]} assigned" for group in GROUPS if assigned[group] != GROUPS[group]]
    return wrong


async def _assigned(fixture: Fixture) -> dict[str, int]:
    """By group, partitions that a member has."""
    admin = kafka.admin_client(fixture.settings)
    async with asyncio.timeout(10):
        try:
            await admin.start()
            found = {}
            for group in GROUPS:
                (answer,) = await admin.describe_consumer_groups([group])
                code, _, state, _, _, members, *_ = answer.groups[0]
                found[group] = sum((held_by(members) or {}).values()) if code == 0 and state == "Stable" else 0
            return found
        finally:
            await admin.close()


def held_again(fixture: Fixture, after: str, seconds: float = HELD_AGAIN_SECONDS) -> float:
    """Seconds until every partition has its one worker. Raises RuntimeError where that takes too long."""
    try:
        return wait(lambda: not lacking(fixture), f"partitions after {after}", seconds)
    except RuntimeError as error:
        raise RuntimeError(f"{error}: {'; '.join(lacking(fixture))}; logs in {fixture.folder}") from None


def three_workers(fixture: Fixture) -> None:
    for name in ("ingest", "detector", "predictor", "choice", "charts", "exporter"):
        while len(fixture.labels[name]) < WORKERS:
            fixture.stack.wait_listening(fixture.add(name))
    wait(lambda: not lacking(fixture), "partitions among three workers")


def outage(fixture: Fixture, times: int, seconds: float, within: float = HELD_AGAIN_SECONDS) -> Iterator[Happened]:
    """All brokers are away: killed, or stopped in good order, in turn."""
    three_workers(fixture)
    for turn in range(times):
        breathe(fixture)
        brokers = range(len(fixture.kafka.ports))
        for number in brokers:
            (fixture.kafka.stop_broker if turn % 2 else fixture.kafka.kill_broker)(number)
        time.sleep(seconds)
        _bring_back(fixture)
        took = held_again(fixture, f"an outage of {seconds:.0f} s", within)
        yield Happened(f"all brokers away for {seconds:.0f} s", took)
        fixture.assert_alive()


def _bring_back(fixture: Fixture) -> None:
    """Until each partition has a leader: several brokers that were killed take their time."""
    for number in range(len(fixture.kafka.ports)):
        fixture.kafka.start_broker(number)
    for number in range(len(fixture.kafka.ports)):
        fixture.kafka.wait_for_broker(number)
    wait(lambda: _partitions(fixture, lambda p: p["leader"] >= 0), "leaders")


def while_starting(fixture: Fixture, times: int) -> Iterator[Happened]:
    """All brokers are away for a moment while workers join their group: what they ask then is never answered."""
    three_workers(fixture)
    for _ in range(times):
        breathe(fixture)
        for name in ("detector", "exporter"):
            for label in list(fixture.labels[name]):
                fixture.stack.kill(label)
                fixture.restart(name, label)
        time.sleep(fixture.random.uniform(1, 8))
        for number in range(len(fixture.kafka.ports)):
            fixture.kafka.kill_broker(number)
        time.sleep(fixture.random.uniform(0.5, 3))
        _bring_back(fixture)
        yield Happened("brokers away while workers start", held_again(fixture, "an outage at the start"))
        fixture.assert_alive()


def rolling(fixture: Fixture, times: int) -> Iterator[Happened]:
    """Brokers are restarted one after the other, as an upgrade does."""
    three_workers(fixture)
    for _ in range(times):
        breathe(fixture)
        longest = 0.0
        for number in range(len(fixture.kafka.ports)):
            fixture.kafka.stop_broker(number)
            fixture.kafka.start_broker(number)
            fixture.kafka.wait_for_broker(number)
            longest = max(longest, held_again(fixture, f"the restart of broker {number + 1}"))
            wait(lambda: _partitions(fixture, _in_sync), "replicas in sync")
        yield Happened("rolling restart, its worst broker", longest)
        fixture.assert_alive()


def coordinator(fixture: Fixture, times: int) -> Iterator[Happened]:
    """The broker that coordinates a group is killed: another one takes the group over."""
    three_workers(fixture)
    for turn in range(times):
        breathe(fixture)
        group = list(GROUPS)[turn % len(GROUPS)]
        number = asyncio.run(_coordinator(fixture, group)) - 1
        fixture.kafka.kill_broker(number)
        yield Happened(f"coordinator of {group} killed", held_again(fixture, f"losing the coordinator of {group}"))
        fixture.kafka.start_broker(number)
        fixture.kafka.wait_for_broker(number)
        wait(lambda: _partitions(fixture, _in_sync), "replicas in sync")
        held_again(fixture, "a broker's return")
        fixture.assert_alive()


async def _coordinator(fixture: Fixture, group: str) -> int:
    admin = kafka.admin_client(fixture.settings)
    await admin.start()
    try:
        return int(await admin.find_coordinator(group))
    finally:
        await admin.close()


def _in_sync(partition: dict[str, Any]) -> bool:
    """All its replicas are there: else the next broker's end could take the last one."""
    return len(partition["isr"]) == len(partition["replicas"])


def _partitions(fixture: Fixture, fine: Callable[[dict[str, Any]], bool]) -> bool:
    """Whether the broker says so of all partitions."""

    async def look() -> bool:
        admin = kafka.admin_client(fixture.settings)
        async with asyncio.timeout(10):
            try:
                await admin.start()
                topics = await admin.describe_topics()
            finally:
                await admin.close()
        return all(fine(p) for topic in topics for p in topic["partitions"])

    try:
        return asyncio.run(look())
    except (KafkaError, TimeoutError):
        return False
