"""Exporter: trusted likes to Parquet."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.exporter.files import ExportFolder
from services.exporter.runner import ExportRunner
from shared import redis_connection
from shared.checkpoints import CheckpointStore
from shared.faust_stages import FaustStages
from shared.idempotent_redis import IdempotentWriter
from shared.settings import ServiceSettings
from shared.topics import TRUSTED_LIKES


class ExporterSettings(ServiceSettings):
    """The exporter's own settings."""

    export_dir: Path = Field(Path("export"), description="Folder for the Parquet files")
    export_rows: int = Field(200_000, ge=1, description="A file closes at about this many likes")
    export_seconds: float = Field(60.0, gt=0, description="A file closes after this time, s")
    export_loop_share: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Most of a file's training_weight that may be AI-made or AI-liked (docs/feed.md); 1: no bound",
    )


async def main(settings: ExporterSettings) -> None:
    stages = FaustStages("exporter", settings)
    redis = redis_connection.connect(settings)
    writer = IdempotentWriter(redis, "exporter", TRUSTED_LIKES)
    # Only a report on a forgotten user needs Redis; while one waits, so does everything else.
    stages.needs["redis"] = lambda: writer.dependency.error
    store = CheckpointStore(settings.checkpoint_dir, "exporter")
    folder = ExportFolder(settings.export_dir, settings.export_loop_share)
    stages.add(TRUSTED_LIKES, ExportRunner(folder, settings.export_rows, writer, store, settings.export_seconds))
    await stages.run()
    await redis.aclose()
