"""Trusted likes as they wait for a file, and the files as snapshots name them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from services.exporter.files import ExportFolder, naming
from shared import forgetting, frames, schemas
from shared.checkpoints import Arrays, CheckpointStore, pack, unpack
from shared.forgetting import Request
from shared.frames import Frame, Output
from shared.idempotent_redis import Command, IdempotentWriter
from shared.partitions import Partition
from shared.schemas import FORGET
from shared.stage import StageRunner, sends_nothing


class ExportTask:
    """Likes since the last snapshot, and requests to forget users since then."""

    def __init__(self, partition: int) -> None:
        self.counters = {"exported_likes": 0, "exported_corrections": 0, "erased_likes": 0, "forget_requests": 0}
        self.buffer: list[pa.RecordBatch] = []
        self.first_offset = -1
        self.requests: list[Request] = []
        # Corrections of their likes may still come, and must not bring them back.
        self.forgotten: dict[str, None] = {}
        # What was staged of that which waits, until a snapshot names it.
        self.staged: dict[str, Any] | None = None

    def process(self, frame: Frame, offset: int) -> list[Output]:
        if frame.kind == FORGET:
            self.requests.append(forgetting.of_frame(frame))
            self.forgotten.update(dict.fromkeys(self.requests[-1].user_ids))
            self.counters["forget_requests"] += 1
            return []
        likes = frame.batch
        correction = pc.is_valid(likes.column("previous_probability"))
        corrections = pc.sum(correction).as_py() or 0
        self.counters["exported_corrections"] += corrections
        self.counters["exported_likes"] += likes.num_rows - corrections
        if corrections and self.forgotten:
            theirs, _ = naming(likes, self.forgotten)
            likes = likes.filter(pc.invert(pc.and_(theirs, correction)))
        if not self.buffer:
            self.first_offset = offset
        self.buffer.append(likes)
        return []

    def likes(self) -> pa.RecordBatch:
        """All that waits."""
        return frames.join(self.buffer, schemas.TRUSTED_LIKES)

    def written(self) -> None:
        """A snapshot names the files of all that waited."""
        self.buffer, self.requests, self.staged = [], [], None

    def snapshot(self) -> Arrays:
        return {"forgotten": pack(list(self.forgotten))}

    def restore(self, arrays: Arrays) -> None:
        """What waits is written before each snapshot."""
        self.forgotten = dict.fromkeys(unpack(arrays["forgotten"])) if "forgotten" in arrays else {}


class ExportRunner(StageRunner):
    """Files follow from snapshots: staged before one, in place after it."""

    def __init__(
        self, folder: ExportFolder, max_rows: int, writer: IdempotentWriter, store: CheckpointStore, seconds: float
    ) -> None:
        super().__init__("exporter", ExportTask, store, sends_nothing, seconds)
        self.folder, self.max_rows, self.writer = folder, max_rows, writer
        # Rows erased by request: said once the files without them are in place.
        self.reports: dict[str, int] = {}

    def due(self) -> list[int]:
        """Also when enough likes wait, since what waits is in memory, or users are to be forgotten."""
        full = [p for p, e in self.held.items() if _buffered_rows(e) >= self.max_rows or _requests(e)]
        return sorted({*super().due(), *full})

    async def assign(self, partition: int) -> None:
        await super().assign(partition)
        # Whoever held the partition before can no longer save a snapshot that would name what it staged.
        self.folder.take_over()

    def prepare(self, partition: int, entry: Partition) -> dict[str, Any]:
        task = entry.task
        assert isinstance(task, ExportTask)
        if task.staged is None:
            task.staged = self._stage(partition, task, entry.offset)
        return dict(task.staged)

    def _stage(self, partition: int, task: ExportTask, offset: int) -> dict[str, Any]:
        """Write what waits under .staging; nothing of the task has changed if that fails."""
        fencing_token = self._store.fencing_tokens[partition]
        files: list[str] = []
        reports: dict[str, int] = {}
        erased = 0
        likes = task.likes()
        if task.requests:
            # Likes that came before the request are in files or wait; those that come after it stay.
            users = {user for request in task.requests for user in request.user_ids}
            theirs, waiting = naming(likes, users)
            likes = likes.filter(pc.invert(theirs))
            files, removed = self.folder.erase(fencing_token, users)
            for user, count in waiting.items():
                removed[user] += count
            reports = {r.request_id: sum(removed[user] for user in r.user_ids) for r in task.requests}
            erased = sum(removed.values())
        if likes.num_rows:
            files += self.folder.stage(fencing_token, partition, task.first_offset, offset, likes)
        if files or task.requests:
            requests, before = task.counters["forget_requests"], task.counters["erased_likes"]
            files += self.folder.stage_papers(fencing_token, files, requests, before + erased)
        task.counters["erased_likes"] += erased
        return {"files": files, "reports": reports, "fencing_token": fencing_token}

    def restored(self, partition: int, facts: dict[str, Any]) -> None:
        self.folder.publish(facts["fencing_token"], facts["files"])
        self.reports.update(facts["reports"])
        if partition in self.held:
            task = self.held[partition].task
            assert isinstance(task, ExportTask)
            task.written()

    async def checkpoint(self, partitions: Iterable[int]) -> dict[int, int]:
        done = await super().checkpoint(partitions)
        while self.reports:
            request_id, rows = next(iter(self.reports.items()))
            commands = forgetting.report(request_id, "exporter", {"parquet_rows": rows})
            await self.writer.dependency.when_available(partial(self._report, commands))
            del self.reports[request_id]
        return done

    async def _report(self, commands: Sequence[Command]) -> None:
        redis: Any = self.writer.redis
        for command in commands:
            await redis.execute_command(*command)


def _requests(entry: Partition) -> list[Request]:
    assert isinstance(entry.task, ExportTask)
    return entry.task.requests


def _buffered_rows(entry: Partition) -> int:
    assert isinstance(entry.task, ExportTask)
    return sum(likes.num_rows for likes in entry.task.buffer)
