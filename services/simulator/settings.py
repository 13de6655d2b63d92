"""How large the simulated world is, and how its rate, its people and the speed of its time hang together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import Field

from shared.settings import ServiceSettings

DAY_MS: Final = 86_400_000
PEOPLE: Final = 20_000
# What an active person of a platform gives: a few sittings a day, a handful of likes each.
LIKES_A_DAY: Final = 20.0
AGENT_SHARE: Final = 0.005
# Where event time runs faster than the clock it begins so long ago: within the 30 days of the detector's horizon.
PAST_DAYS: Final = 28


@dataclass(frozen=True)
class WorldSettings:
    seed: int = 7
    people: int = PEOPLE
    items: int = 20_000
    tastes: int = 24
    agents: int = 20
    # Mean likes that a person gives in a day of event time.
    likes_a_day: float = LIKES_A_DAY
    bot_share: float = 0.10
    agent_share: float = AGENT_SHARE

    @property
    def likes_a_ms(self) -> float:
        """Mean likes of everyone, bots' too, in a millisecond of event time."""
        return self.people * self.likes_a_day / DAY_MS / (1 - self.bot_share - self.agent_share)


@dataclass(frozen=True)
class Planted:
    """Of a world that shows slates: shares of people in the two arms, how far what people look for by themselves is
    moved (share of these likes), buys for each like of a person, and the share of likes that slates brought that name
    theirs.
    """

    treated: float = 0.2
    holdout: float = 0.2
    drift: float = 0.3
    buys: float = 0.01
    named: float = 0.9


@dataclass(frozen=True)
class Pace:
    """People, their likes in a day, and seconds of event time a second."""

    people: int
    likes_a_day: float
    speed: float


def pace(rate: float, people: int | None, speed: float | None, bot_share: float) -> Pace:
    """How `rate` likes a second come about. People who give what people give need either time that runs faster or
    company: of `people` and `speed`, what is not given follows. Where both are, people are as busy as it takes.
    """
    theirs = rate * (1 - bot_share - AGENT_SHARE) * DAY_MS / 1000
    if speed is None:
        people = people or PEOPLE
        return Pace(people, LIKES_A_DAY, theirs / LIKES_A_DAY / people)
    if people is None:
        people = max(10, round(theirs / LIKES_A_DAY / speed))
    return Pace(people, theirs / people / speed, speed)


class SimulatorSettings(ServiceSettings):
    """The simulator's own settings."""

    simulator_rate: float = Field(1000.0, gt=0, le=1_000_000, description="Likes a second, in the mean")
    simulator_people: int | None = Field(
        None,
        ge=10,
        description="People in the world; empty: as many as the rate takes at the speed given, or 20,000",
    )
    simulator_speed: float | None = Field(
        None,
        gt=0,
        description="Seconds of event time that pass per second; empty: as many as the rate takes for people who give "
        "20 likes a day, and 1 once event time has reached the clock's",
    )
    simulator_seconds: float | None = Field(None, gt=0, description="Stop sending after this long, s; empty: never")
    simulator_likes: int | None = Field(None, gt=0, description="Stop sending after this many likes; empty: never")
    simulator_seed: int = Field(7, ge=0, description="Seed of the world")
    simulator_items: int = Field(20_000, ge=100, description="Items in the world's catalogue; more come as it goes")
    simulator_exposures: bool = Field(
        True,
        description="Whether the world also shows slates, to exposures.v1, with all that follows: an experiment, "
        "drift, buys",
    )
    simulator_treated: float = Field(
        0.2, ge=0, le=0.5, description="Share of people who are in the experiment and shown what the learner chooses"
    )
    simulator_holdout: float = Field(
        0.2, ge=0, le=0.5, description="Share of people who are held out of what the learner chooses"
    )
    simulator_drift: float = Field(
        0.3, ge=0, le=0.9, description="Share of what people look for by themselves that being shown things moves"
    )
    simulator_buys: float = Field(0.01, ge=0, le=0.5, description="Buys for each like of a person")
    simulator_named: float = Field(0.9, ge=0, le=1, description="Share of likes that slates brought that name theirs")
    simulator_bot_share: float = Field(0.1, ge=0, le=0.9, description="Share of likes that bots give")
    simulator_faults: float = Field(
        0.002, ge=0, lt=0.5, description="Share of likes sent twice, and of malformed messages"
    )
    simulator_start: int | None = Field(
        None,
        ge=0,
        description="Event time at the beginning, ms since the epoch; empty: 28 days ago, or now where the speed is 1",
    )
    simulator_truth: Path | None = Field(
        None, description="File for the truth of every like (CSV); what is planted in the world is beside it (.json)"
    )

    @property
    def planted(self) -> Planted | None:
        """None where nothing is shown."""
        if not self.simulator_exposures:
            return None
        return Planted(
            self.simulator_treated,
            self.simulator_holdout,
            self.simulator_drift,
            self.simulator_buys,
            self.simulator_named,
        )

    @property
    def pace(self) -> Pace:
        return pace(self.simulator_rate, self.simulator_people, self.simulator_speed, self.simulator_bot_share)
