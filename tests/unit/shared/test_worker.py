"""How a process that reads Kafka ends: in order, after an error, or while it waits for what is away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from aiokafka import TopicPartition

from shared import worker
from shared.auth import OwnRoutes
from shared.health import Latency, Sample
from shared.partitions import SnapshotBudget
from shared.settings import ServiceSettings
from shared.worker import Worker


class Stepping(Worker):
    def __init__(self, step: Callable[[], Awaitable[None]]) -> None:
        super().__init__("stepping", ServiceSettings(), [])
        self._step, self.steps = step, 0

    def positions(self) -> dict[TopicPartition, int]:
        return {TopicPartition("t", 0): 3}

    async def start(self) -> None:
        pass

    async def step(self) -> None:
        self.steps += 1
        await self._step()

    async def stop(self, in_order: bool) -> None:
        pass

    def samples(self) -> Iterable[Sample | Latency]:
        return []


async def works(one: Stepping, seconds: float = 0.02) -> bool:
    """Until told to stop after a while."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stopping.set)
    return await one._work(stopping)


async def test_the_last_step_comes_to_its_end() -> None:
    done = 0

    async def step() -> None:
        nonlocal done
        await asyncio.sleep(0.005)
        done += 1

    one = Stepping(step)
    assert await works(one)
    assert one.started
    assert done == one.steps > 0


async def test_a_step_that_waits_for_what_is_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "STEP_SECONDS", 0.05)

    async def step() -> None:
        await asyncio.Event().wait()

    one = Stepping(step)
    assert not await works(one)
    assert one.steps == 1


async def test_what_a_step_raises_ends_the_process() -> None:
    async def step() -> None:
        raise RuntimeError("a lost output")

    with pytest.raises(RuntimeError, match="a lost output"):
        await works(Stepping(step), 5)


async def test_a_standstill_is_seen_by_what_the_broker_says() -> None:
    async def step() -> None:
        await asyncio.sleep(0)

    one = Stepping(step)
    one.broker.error, one.broker.ends = None, {TopicPartition("t", 0): 9}
    assert one.lag() == {TopicPartition("t", 0): 5}
    assert one.ready() == {"broker": None}
    assert one.live() == {"progress": None}
    assert one.vital() == {}


async def test_who_has_not_started_is_not_out_of_its_group() -> None:
    """It may wait for topics that are not there yet."""
    asked = 0

    async def step() -> None:
        await asyncio.sleep(0)

    async def nobody_holds_any() -> dict[str, int]:
        nonlocal asked
        asked += 1
        return {}

    one = Stepping(step)
    one.in_group("group", lambda: {"t": 1}, lambda: False)
    assert one.membership is not None
    one.membership._held_by_anybody = nobody_holds_any  # type: ignore[method-assign]
    await one.membership.look()
    assert asked == 0
    assert await works(one)
    await one.membership.look()
    assert asked == 1
    assert one.vital() == {"group": None}


async def test_the_check_of_tokens_is_told_what_is_a_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = (OwnRoutes((re.compile("/v1/me/.+"),), "users:read"),)

    class Told(Exception):
        pass

    def service(*_: Any, own_routes: Any) -> None:
        assert own_routes is own
        raise Told

    async def step() -> None:
        await asyncio.sleep(0)

    one = Stepping(step)
    monkeypatch.setattr(Stepping, "OWN_ROUTES", own)
    monkeypatch.setattr(worker, "Service", service)
    with pytest.raises(Told):
        await one.run()


def test_all_partitions_of_a_process_share_one_budget_for_snapshots() -> None:
    budget = SnapshotBudget()
    assert budget.interval == 0
    for partition in range(4):
        budget.spent("actor", partition, 0.1)
    budget.spent("verdict", 0, 0.6)
    assert budget.interval == pytest.approx(20 * 1.0)
    budget.let_go("verdict", 0)
    assert budget.interval == pytest.approx(20 * 0.4)
