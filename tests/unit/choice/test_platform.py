"""The platform's figures: partitions' states in Redis, merged into one document."""

from __future__ import annotations

from typing import Any

from services.choice.platform import PlatformFigures
from services.choice.settings import ChoiceSettings
from services.choice.states import VERSION
from services.choice.task import ChoiceTask
from shared import redis_keys
from shared.messages import PlatformChoice
from tests.choice_steps import slates, steps
from tests.trusted_likes import made


class Redis:
    """What the figures ask of Redis: a hash, a document, and writes that carry their offset."""

    def __init__(self) -> None:
        self.states: dict[bytes, bytes] = {b"%d:7" % (VERSION + 1): b"of another version"}
        self.documents: list[bytes] = []
        self.newest: dict[int, int] = {}

    async def hgetall(self, key: str) -> dict[bytes, bytes]:
        assert key == redis_keys.PLATFORM_CHOICE_STATES
        return dict(self.states)

    async def set(self, key: str, document: bytes) -> None:
        assert key == redis_keys.PLATFORM_CHOICE
        self.documents.append(document)

    async def exists(self, key: str) -> bool:
        return key == redis_keys.PLATFORM_CHOICE and bool(self.documents)

    def register_script(self, _: str) -> None: ...


def figures_of(tasks: list[ChoiceTask], redis: Redis) -> PlatformFigures:
    figures = PlatformFigures(ChoiceSettings(exposure_sample=0.5), redis, lambda: tasks)  # type: ignore[arg-type]

    async def newest(partition: int) -> int:
        return redis.newest.get(partition, -1)

    async def apply(partition: int, offset: int, commands: Any) -> int:
        ((_, _, field, data),) = commands
        redis.newest[partition], redis.states[field.encode()] = offset, data
        return offset

    figures.writer.newest = newest  # type: ignore[method-assign]
    figures.writer.apply = apply  # type: ignore[method-assign]
    return figures


def task_of(partition: int, seed: int) -> ChoiceTask:
    task = ChoiceTask(partition, 1000, 1000)
    for step in steps([made(300, seed)], slates(60)):
        task.process(step)
    return task


async def test_who_holds_the_first_partition_merges_what_all_say() -> None:
    redis, first, second = Redis(), task_of(0, 1), task_of(1, 2)
    await figures_of([second], redis).work()
    assert (list(redis.newest), redis.documents) == ([1], [])
    figures = figures_of([first], redis)
    await figures.work()
    document = PlatformChoice.model_validate_json(redis.documents[-1])
    assert (document.partitions, document.exposure_sample, document.model) == (2, 0.5, first.model)
    assert {figure.figure for figure in document.figures} >= {"choice_bits", "surface_mix", "caused_share"}
    (novelty,) = (figure for figure in document.figures if figure.figure == "self_directed_novelty")
    assert novelty.n == sum(len(task.kept().log(2**63).likes) for task in (first, second)) > 50


async def test_what_has_not_changed_is_neither_reckoned_nor_written_again() -> None:
    redis, task = Redis(), task_of(0, 1)
    figures = figures_of([task], redis)
    for _ in range(3):
        await figures.work()
    assert (len(redis.documents), redis.newest) == (1, {0: task.step})
    # Redis was emptied: all is there again.
    redis.newest.clear()
    redis.states.clear()
    redis.documents.clear()
    await figures.work()
    assert (redis.newest, len(redis.states), len(redis.documents)) == ({0: task.step}, 1, 1)
