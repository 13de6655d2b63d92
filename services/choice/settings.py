from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class ChoiceSettings(ServiceSettings):
    """The choice service's own settings."""

    choice_likes: int = Field(500_000, ge=1000, description="Likes kept per partition for reports and figures")
    choice_items: int = Field(
        2_000_000, ge=1000, description="Items of slates kept per partition for figures, and for what was shown lately"
    )
    choice_reports_ttl_days: float = Field(30.0, gt=0, description="How long a user's report stays in Redis, days")
    choice_figures_seconds: float = Field(
        5.0,
        gt=0,
        description="Least time between two reckonings of the platform's figures, s; costly ones come less often",
    )
    exposure_lateness_seconds: float = Field(
        0.5, ge=0, description="How much later than a later slate one may come and still count for its own time, s"
    )
