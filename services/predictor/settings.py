from __future__ import annotations

from pydantic import Field

from shared.settings import ServiceSettings


class PredictorSettings(ServiceSettings):
    """The predictor's own settings."""

    predictions_ttl_days: float = Field(30.0, gt=0, description="How long a user's predictions stay in Redis, days")
    preferences: bool = Field(True, description="Whether users' predictions also go to preferences.v1")
