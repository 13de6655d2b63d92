"""Exporter: trusted likes to Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from services.exporter.files import ExportFolder
from shared import frames
from shared.checkpoints import Arrays, CheckpointStore
from shared.faust_stages import FaustStages
from shared.frames import Frame, Output
from shared.settings import ServiceSettings
from shared.stage import Partition, StageRunner
from shared.topics import TRUSTED_LIKES


class ExporterSettings(ServiceSettings):
    """The exporter's own settings."""

    export_dir: Path = Field(Path("export"), description="Folder for the Parquet files")
    export_rows: int = Field(200_000, ge=1, description="A file closes at about this many likes")
    export_seconds: float = Field(60.0, gt=0, description="A file closes after this time, s")


class ExportTask:
    """Likes since the last snapshot."""

    def __init__(self, partition: int) -> None:
        self.counters = {"exported_likes": 0, "exported_corrections": 0}
        self.waiting: list[Frame] = []
        self.first_offset = -1

    def process(self, frame: Frame, offset: int) -> list[Output]:
        if not self.waiting:
            self.first_offset = offset
        self.waiting.append(frame)
        corrections = frame.batch.num_rows - frame.batch.column("previous_probability").null_count
        self.counters["exported_corrections"] += corrections
        self.counters["exported_likes"] += frame.batch.num_rows - corrections
        return []

    def snapshot(self) -> Arrays:
        return {}

    def restore(self, arrays: Arrays) -> None:
        """Nothing: what waits is written before each snapshot."""


class ExportRunner(StageRunner):
    folder: ExportFolder
    max_rows: int

    def due(self) -> list[int]:
        """Also when enough likes wait: what waits is in memory."""
        full = [p for p, e in self.partitions.items() if _waiting_rows(e) >= self.max_rows]
        return sorted({*super().due(), *full})

    def assign(self, partition: int) -> None:
        super().assign(partition)
        self.folder.clear_staging()

    def prepare(self, partition: int, entry: Partition) -> dict[str, Any]:
        assert isinstance(entry.task, ExportTask)
        waiting, entry.task.waiting = entry.task.waiting, []
        if not waiting:
            return {"files": []}
        likes = frames.join([f.batch for f in waiting], frames.TRUSTED_LIKES)
        return {"files": self.folder.stage(partition, entry.task.first_offset, entry.offset, likes)}

    def restored(self, partition: int, facts: dict[str, Any]) -> None:
        self.folder.publish(facts["files"])


def _waiting_rows(entry: Partition) -> int:
    assert isinstance(entry.task, ExportTask)
    return sum(frame.batch.num_rows for frame in entry.task.waiting)


async def main(settings: ExporterSettings) -> None:
    stages = FaustStages("exporter", settings)
    store = CheckpointStore(settings.checkpoint_dir, "exporter")
    runner = ExportRunner("exporter", ExportTask, store, stages.send, settings.export_seconds)
    runner.max_rows = settings.export_rows
    runner.folder = ExportFolder(settings.export_dir)
    stages.add(TRUSTED_LIKES, runner)
    await stages.run()
