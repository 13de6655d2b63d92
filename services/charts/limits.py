"""How much a task keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.charts.periods import HOUR_MS, KEPT_MS, LENGTH_MS

# So many entries each chart can have however many charts there are, if barely.
LEAST_A_CHART: Final = 2
TARGETS_AND_CREATORS: Final = 2
FACETS_BESIDE_ALL: Final = 2


@dataclass(frozen=True)
class ChartLimits:
    """`entries`: of all charts together, 72 bytes each; beyond it the largest chart drops half of its entries.
    `likes`: remembered for unlikes and requests to forget, 136 bytes each, for `horizon_ms` of event time.
    `segments`: languages of a period, and as many topics; the first that come. `kept_ms`: of hours, days and weeks, how
    long after its end a period is kept. Raises ValueError where entries do not suffice for the charts there can be.
    """

    entries: int = 4_000_000
    likes: int = 1_000_000
    horizon_ms: int = 48 * HOUR_MS
    segments: int = 64
    kept_ms: tuple[int, int, int] = KEPT_MS

    def __post_init__(self) -> None:
        least = LEAST_A_CHART * TARGETS_AND_CREATORS * self.groups
        if self.entries < least:
            raise ValueError(
                f"entries: {self.entries:,} are too few for {self.segments} segments; "
                f"give it {least:,}, or lower segments or kept_ms"
            )

    @property
    def groups(self) -> int:
        """How many segments of periods there can be at once."""
        # One that has begun, and one that is not over for the whole time that it is kept.
        periods = sum(kept // length + 2 for kept, length in zip(self.kept_ms, LENGTH_MS, strict=True))
        return periods * (1 + FACETS_BESIDE_ALL * self.segments)
