from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class ChartsSettings(ServiceSettings):
    """The charts service's own settings."""

    charts_entries: int = Field(
        4_000_000,
        ge=200_000,
        description="Targets and creators kept in all charts together; beyond it the least liked are dropped",
    )
    charts_likes: int = Field(
        1_000_000, ge=1000, description="Likes remembered for unlikes, corrections and requests to forget"
    )
    charts_segments: int = Field(64, ge=1, description="Languages of a period that have charts, and topics")
    charts_days: int = Field(28, ge=1, le=400, description="Days of event time that the loop's figures are of")
    charts_reviews: int = Field(
        200_000, ge=1, description="Actors whose reviews count; of more those whose ids' hashes are smallest"
    )
    charts_size: int = Field(50, ge=1, le=500, description="Places of a chart that are said")
    charts_seconds: float = Field(
        5.0, gt=0, description="Least time between two sayings of what changed, s; costly ones come less often"
    )
