"""The people of the simulated world: when they are awake, how busy they are, who their friends are, whom they follow.

Rhythm: two peaks a waking day, as in Golder, Wilkinson, Huberman, "Rhythms of social interaction" (C&T 2007); a long
tail of activity, but no person who never stops.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from services.simulator.likes import F64, I64
from services.simulator.settings import DAY_MS, WorldSettings

HOUR_MS: Final = 3_600_000
WAKING_HOURS: Final = 16.0
# Language, hours ahead of UTC, share of the people.
PLACES: Final = (
    ("en", -8.0, 0.10),
    ("en", -5.0, 0.17),
    ("en", 0.0, 0.09),
    ("de", 1.0, 0.10),
    ("es", -6.0, 0.08),
    ("es", 1.0, 0.07),
    ("pt", -3.0, 0.11),
    ("ar", 3.0, 0.06),
    ("hi", 5.5, 0.09),
    ("id", 7.0, 0.06),
    ("ja", 9.0, 0.07),
)
LANGUAGES: Final = tuple(language for language, _, _ in PLACES)
CIRCLE: Final = (3, 9)
PEOPLE_A_CREATOR: Final = 40
FOLLOWED: Final = 5
# Of all people, those who join while the world runs, over so many days.
NEWCOMERS: Final = 0.1
JOINING_DAYS: Final = 30
# Of all people, those whose password others know.
LEAKED: Final = 0.03
FEWEST_LEAKED: Final = 40
# September 2001: no platform of ours is older.
OLDEST_MS: Final = 1_000_000_000_000


def rhythm(hours: F64) -> F64:
    """How likely a person is to be at it, 0 to 1, so many hours after waking; 0 in sleep."""
    morning, evening = np.exp(-(((hours - 4.5) / 1.5) ** 2) / 2), np.exp(-(((hours - 12.5) / 2.0) ** 2) / 2)
    return np.where(hours < WAKING_HOURS, 0.25 + 0.35 * morning + 0.7 * evening, 0.0)


MEAN_RHYTHM: Final = float(rhythm(np.arange(0, 24, 0.01)).mean())


class People:
    """Arrays by person, shape (people,). `activity` has mean 1; `tempo` is above 1 for the slow; `wakes_at` is an hour
    of UTC; times in ms.
    """

    def __init__(self, rng: np.random.Generator, settings: WorldSettings, begin_ms: int) -> None:
        n = settings.people
        self.count = n
        self.activity = np.minimum(rng.lognormal(0.0, 0.9, n), 6.0)
        self.activity /= self.activity.mean()
        self._cumulative = np.cumsum(self.activity) / self.activity.sum()
        self.place = rng.choice(len(PLACES), n, p=np.array([share for _, _, share in PLACES]))
        offset = np.array([hours for _, hours, _ in PLACES])[self.place]
        self.wakes_at = (rng.normal(7.5, 1.3, n) - offset) % 24
        self.tempo = rng.lognormal(0.0, 0.4, n)
        self.taste = rng.integers(0, settings.tastes, n)
        age = rng.exponential(400 * DAY_MS, n) + HOUR_MS
        joins = begin_ms + rng.random(n) * JOINING_DAYS * DAY_MS
        self._make_circles(rng)
        self._make_creators(rng)
        self.leaked = rng.choice(n, max(min(n, FEWEST_LEAKED), round(n * LEAKED)), replace=False)
        joins_later = rng.random(n) < NEWCOMERS
        joins_later[self.creators] = False
        self.created_ms = np.maximum(np.where(joins_later, joins, begin_ms - age).astype(np.int64), OLDEST_MS)

        order = np.argsort(self.created_ms)
        self._joins = self.created_ms[order]
        self._joined = np.concatenate([[0.0], np.cumsum(self.activity[order])]) / n

    def _make_circles(self, rng: np.random.Generator) -> None:
        """Everybody is in one circle of friends: circle c is members[circle_at[c] : circle_at[c + 1]]."""
        sizes = rng.integers(CIRCLE[0], CIRCLE[1] + 1, self.count // CIRCLE[0] + 1)
        ends = np.cumsum(sizes)
        self.circle_at = np.concatenate([[0], ends[: np.searchsorted(ends, self.count, "right")]]).astype(np.int64)
        self.members = rng.permutation(self.count)

    def _make_creators(self, rng: np.random.Generator) -> None:
        """`creators` are people, the most followed first; fans of number c are fans[fans_at[c] : fans_at[c + 1]]."""
        count = max(8, self.count // PEOPLE_A_CREATOR)
        self.creators = rng.choice(self.count, count, replace=False)
        chances = np.cumsum(zipf(count, 0.8))
        follower = np.repeat(np.arange(self.count), FOLLOWED)
        followed = np.searchsorted(chances, rng.random(len(follower))).clip(0, count - 1)
        pairs = np.unique(followed * self.count + follower)
        self.fans = pairs % self.count
        self.fans_at = np.searchsorted(pairs // self.count, np.arange(count + 1))

    def busy(self, rng: np.random.Generator, count: int) -> I64:
        """So many people, the busy ones more often."""
        return np.searchsorted(self._cumulative, rng.random(count)).clip(0, self.count - 1)

    def joined(self, at_ms: int) -> float:
        """The share of all activity that is of people who have joined by then."""
        return float(self._joined[np.searchsorted(self._joins, at_ms)])

    def awake(self, who: I64, times_ms: I64) -> F64:
        """The rhythm of people at these times, 0 to 1."""
        return rhythm((times_ms % DAY_MS / HOUR_MS - self.wakes_at[who]) % 24)

    def fans_of(self, creator: int) -> I64:
        """Of the creator of this number."""
        return self.fans[self.fans_at[creator] : self.fans_at[creator + 1]]

    def known(self, rng: np.random.Generator, of: int) -> int:
        """The number of the most followed of so many creators: the more, the better known."""
        return int(rng.integers(0, len(self.creators), of).min())


def zipf(n: int, exponent: float = 0.9) -> F64:
    """Shares of n things of a long-tailed popularity, the most popular first."""
    weights = 1.0 / np.arange(1, n + 1) ** exponent
    return weights / weights.sum()
