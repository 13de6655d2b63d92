from __future__ import annotations

import re
from typing import Final

from pydantic import Field, field_validator

from services.predictor.language_floor import LanguageFloor
from shared.settings import ServiceSettings

_SUBTAG: Final = re.compile("[a-z]{2,8}")


class PredictorSettings(ServiceSettings):
    """The predictor's own settings."""

    predictions_ttl_days: float = Field(30.0, gt=0, description="How long a user's predictions stay in Redis, days")
    preferences: bool = Field(True, description="Whether users' predictions also go to preferences.v1")
    predictor_language_floor: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of protected languages that published rankings may not fall short of by more than chance "
        "(docs/predictor.md); 0: no floor",
    )
    predictor_floor_languages: str | None = Field(
        None, description="Protected languages: cy,ga; none: all but the one that most likes are in"
    )
    predictor_twins: bool = Field(
        False,
        description="Whether twin forecasters run along with it: figure 12 of GET /v1/choice, the value of likes, "
        "comes from them. They more than double what a like costs the predictor",
    )

    @field_validator("predictor_floor_languages")
    @classmethod
    def _are_languages(cls, said: str | None) -> str | None:
        languages_of(said)
        return said

    @property
    def floor(self) -> LanguageFloor:
        return LanguageFloor(self.predictor_language_floor, languages_of(self.predictor_floor_languages))


def languages_of(said: str | None) -> frozenset[str]:
    """Primary subtags of BCP 47 with commas between. Raises ValueError."""
    found = frozenset(name.strip().lower() for name in (said or "").split(",") if name.strip())
    for name in sorted(found):
        if not _SUBTAG.fullmatch(name):
            raise ValueError(f"{name!r} is no primary subtag of BCP 47, such as cy or yue")
    return found
