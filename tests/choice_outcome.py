"""What was said of choices in a run, from where users read it, and what an undisturbed run over the same logs says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from services.choice.runner import followed
from services.choice.settings import ChoiceSettings
from services.choice.task import ChoiceTask
from services.predictor.task import PredictorTask
from shared import redis_connection, redis_keys, schemas
from shared.as_of_join import AsOfJoin
from shared.frames import Frame, Output, from_message
from shared.schemas import FORGET
from shared.settings import ServiceSettings
from shared.topics import CHOICE_REPORTS, CHOICES, EXPOSURES_BY_ACTOR, FORECASTS, TRUSTED_LIKES
from tests.topics import read_frames, read_topic

Rows = pa.Table


@dataclass
class ChoiceOutcome:
    """Rows of forecasts and choices by partition, in order; reports by user."""

    forecasts: dict[int, Rows] = field(default_factory=dict)
    choices: dict[int, Rows] = field(default_factory=dict)
    reports: dict[str, Any] = field(default_factory=dict)

    def differences(self, expected: ChoiceOutcome) -> list[str]:
        """What differs, in a sentence each."""
        wrong = []
        for name in ("forecasts", "choices"):
            found, wanted = getattr(self, name), getattr(expected, name)
            for partition in sorted(wanted):
                mine, theirs = found[partition], wanted[partition]
                if mine != theirs:
                    first = _first_difference(mine, theirs)
                    wrong.append(f"{name} of partition {partition}: {len(mine):,} for {len(theirs):,} rows; {first}")
        users = sorted(set(self.reports) | set(expected.reports))
        different = [user for user in users if self.reports.get(user) != expected.reports.get(user)]
        if different:
            wrong.append(f"{len(different):,} of {len(users):,} reports, as of {different[:3]}")
        return wrong


async def read(settings: ServiceSettings) -> tuple[ChoiceOutcome, Any]:
    """Also the platform's figures as they are in Redis."""
    found = ChoiceOutcome()
    for name, topic in (("forecasts", FORECASTS), ("choices", CHOICES)):
        by_partition = {p: await _rows(settings, topic, p) for p in range(settings.partitions)}
        setattr(found, name, by_partition)
    redis: Any = redis_connection.connect(settings)
    try:
        prefix = redis_keys.choice_report("")
        async for key in redis.scan_iter(f"{prefix}*", count=1000):
            found.reports[key.decode().removeprefix(prefix)] = json.loads(await redis.get(key))
        document = await redis.get(redis_keys.PLATFORM_CHOICE)
    finally:
        await redis.aclose()
    return found, json.loads(document) if document else None


async def reports_in_topic(settings: ServiceSettings) -> dict[str, Any]:
    """The newest of each user."""
    records = await read_topic(settings, CHOICE_REPORTS, settings.partitions)
    newest = {record.key.decode(): record.value for record in records}
    return {user: json.loads(report) for user, report in newest.items() if report is not None}


def _first_difference(found: Rows, expected: Rows) -> str:
    """Where it is, and the columns that differ there."""
    rows = zip(found.to_pylist(), expected.to_pylist(), strict=False)
    for number, (mine, theirs) in enumerate(rows):
        if mine != theirs:
            columns = {name: f"{mine[name]!r} for {theirs[name]!r}" for name in mine if mine[name] != theirs[name]}
            return f"row {number}: {columns!r:.300}"
    return "the shorter is the beginning of the longer"


async def _rows(settings: ServiceSettings, topic: str, partition: int) -> Rows:
    return _table(await _frames(settings, topic, partition), topic)


def _table(frames: list[Frame], topic: str) -> Rows:
    """Of frames of likes; requests to forget are none."""
    schema = {FORECASTS: schemas.FORECASTS, CHOICES: schemas.CHOICES}[topic]
    return pa.Table.from_batches([frame.batch for frame in frames if frame.kind != FORGET], schema)


async def _frames(settings: ServiceSettings, topic: str, partition: int) -> list[Frame]:
    frames, _ = await read_frames(settings, topic, settings.partitions, only=partition)
    return [frame for _, frame in frames]


async def undisturbed(settings: ServiceSettings, twins: bool = False) -> tuple[ChoiceOutcome, list[ChoiceTask]]:
    """What one predictor, with twins or not, and one task a partition say of the very same trusted likes and slates."""
    said, predictor = ChoiceOutcome(), PredictorTask(settings.partitions, twins=twins)
    forecasts: dict[int, list[Frame]] = {p: [] for p in range(settings.partitions)}
    for offset, frame in (await read_frames(settings, TRUSTED_LIKES))[0]:
        for output in predictor.process(frame, offset):
            assert output.partition is not None
            forecasts[output.partition].append(from_message(output.value, output.headers))
    own = ChoiceSettings.model_validate(settings.model_dump())
    tasks = [ChoiceTask(p, own.choice_likes, own.choice_items) for p in range(settings.partitions)]
    for task in tasks:
        join = AsOfJoin(FORECASTS, [followed(own)], round(own.exposure_lateness_seconds * 1000))
        mine = forecasts[task.partition]
        slates = await _frames(settings, EXPOSURES_BY_ACTOR, task.partition)
        outputs: list[Output] = []
        for topic, frames in ((EXPOSURES_BY_ACTOR, slates), (FORECASTS, mine)):
            for step in (step for frame in frames for step in join.add(topic, frame)):
                outputs += task.process(step)
                users = task.effects.users
                said.reports |= {u: json.loads(r) for u, r in zip(users, task.reports(users), strict=True)}
        said.forecasts[task.partition] = _table(mine, FORECASTS)
        choices = [from_message(o.value, o.headers) for o in outputs if o.topic == CHOICES]
        said.choices[task.partition] = _table(choices, CHOICES)
    return said, tasks
