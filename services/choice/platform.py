"""The platform's figures: each partition's states in Redis, merged by whoever holds the first partition."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from services.choice import states
from services.choice.kept import Kept
from services.choice.log import ATTRIBUTION_MS, HOUR_MS
from services.choice.settings import ChoiceSettings
from services.choice.states import VERSION, States
from services.choice.task import ChoiceTask
from shared import redis_keys
from shared.background import BackgroundJob
from shared.events import rfc3339
from shared.exposures import highest_in_sample
from shared.topics import FORECASTS

# Who holds this partition merges what all say.
MERGES: Final = 0


class PlatformFigures(BackgroundJob):
    """Reckoned now and then, beside the loop, from copies of what tasks keep."""

    def __init__(self, settings: ChoiceSettings, redis: Redis, held: Callable[[], list[ChoiceTask]]) -> None:
        super().__init__(redis, "choice-figures", FORECASTS, settings.choice_figures_seconds)
        self.redis: Any = redis
        self._held = held
        self._sample = settings.exposure_sample
        self._merged: dict[bytes, bytes] = {}

    async def work(self) -> None:
        """What was not written is reckoned again."""
        for task in self._held():
            if task.step > await self.writer.newest(task.partition):
                await self._write(task)
        if any(task.partition == MERGES for task in self._held()):
            await self._merge()

    async def _write(self, task: ChoiceTask) -> None:
        step, kept = task.step, task.kept()
        data = await asyncio.to_thread(_states_of, kept, highest_in_sample(self._sample))
        field = f"{VERSION}:{task.partition}"
        await self.writer.apply(task.partition, step, [("HSET", redis_keys.PLATFORM_CHOICE_STATES, field, data)])

    async def _merge(self) -> None:
        found: dict[bytes, bytes] = await self.redis.hgetall(redis_keys.PLATFORM_CHOICE_STATES)
        # Others may be of a version that adds up something else.
        parts = {field: data for field, data in found.items() if field.startswith(b"%d:" % VERSION)}
        # Redis may have been emptied since.
        if parts and (parts != self._merged or not await self.redis.exists(redis_keys.PLATFORM_CHOICE)):
            model = next((task.model for task in self._held() if task.model), None)
            document = await asyncio.to_thread(_document, list(parts.values()), model, self._sample)
            await self.redis.set(redis_keys.PLATFORM_CHOICE, document)
            self._merged = parts


def _states_of(kept: Kept, highest_actor: int) -> bytes:
    return states.encode(States.of_log(kept.log(highest_actor)))


def _document(parts: list[bytes], model: str | None, sample: float) -> bytes:
    """What `GET /v1/choice` answers (shared.messages.PlatformChoice)."""
    whole = states.merge(states.decode(part) for part in parts)
    return msgspec.json.encode(
        {
            "as_of": rfc3339(whole.window[1]),
            "model": model,
            "attribution_hours": ATTRIBUTION_MS / HOUR_MS,
            "exposure_sample": sample,
            "partitions": len(parts),
            "figures": [figure.described(whole.window) for figure in whole.figures()],
        }
    )
