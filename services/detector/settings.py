from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from shared.settings import ServiceSettings


@dataclass(frozen=True)
class Judgement:
    """What the detector's pure stages need to know. Times in ms, bounds in rows a partition."""

    partitions: int
    window_ms: int = 300_000
    lateness_ms: int = 10_000
    horizon_ms: int = 30 * 86_400_000
    max_actors: int = 250_000
    max_targets: int = 250_000
    max_pairs: int = 500_000
    max_retained_likes: int = 500_000


class DetectorSettings(ServiceSettings):
    """The detector's own settings."""

    detector_window_seconds: int = Field(300, ge=1, description="Length of the window that a verdict is about, s")
    detector_lateness_seconds: int = Field(
        10,
        ge=0,
        description="How far behind the newest like of its partition a like may come and be on time, s",
    )
    detector_horizon_days: float = Field(
        30.0, gt=0, description="How long late likes are judged and meetings remembered, days of event time"
    )
    detector_max_actors: int = Field(250_000, ge=1000, description="Actors remembered per partition")
    detector_max_targets: int = Field(250_000, ge=1000, description="Targets remembered per partition")
    detector_max_pairs: int = Field(
        500_000, ge=1000, description="Pairs of actors remembered per partition, and a quarter as many that met again"
    )
    detector_retained_likes: int = Field(
        500_000, ge=1000, description="Likes per partition whose weight can still be corrected"
    )

    def judgement(self) -> Judgement:
        return Judgement(
            self.partitions,
            self.detector_window_seconds * 1000,
            self.detector_lateness_seconds * 1000,
            round(self.detector_horizon_days * 86_400_000),
            self.detector_max_actors,
            self.detector_max_targets,
            self.detector_max_pairs,
            self.detector_retained_likes,
        )
