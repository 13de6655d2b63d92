"""A seeded world of people, declared agents and bot campaigns, and the truth of every like. Pure.

People have a taste, a language, a daily rhythm and a long-tailed activity; items have a taste, an origin and a
long-tailed popularity. Campaigns: flood (one actor, hundreds of likes a minute), lockstep (a group likes the
same targets in the same minute, again and again), throwaway (new accounts like two or three targets and are
never seen again), ring (creators who like each other's work in turns).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

LANGUAGES: Final = ("en", "de", "es", "pt", "ja", "hi", "ar", "id")
KINDS: Final = ("person", "agent", "flood", "lockstep", "throwaway", "ring")
SURFACES: Final = ("organic", "search", "recommended", "autoplay")
ORIGINS: Final = ("human", "ai", "mixed")
DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class WorldSettings:
    seed: int = 7
    people: int = 20_000
    items: int = 4_000
    tastes: int = 24
    agents: int = 20
    bot_share: float = 0.15
    agent_share: float = 0.02


@dataclass(frozen=True)
class Likes:
    """A batch in order of event time. `actors` and `targets` are ids; `kinds` index KINDS."""

    times_ms: npt.NDArray[np.int64]
    actors: list[str]
    targets: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]


# When it begins (ms), a number that orders what begins together, times, actors, targets, kind.
Scheduled = tuple[int, int, npt.NDArray[np.int64], list[str], npt.NDArray[np.int64], int]


class World:
    """Everything that happens follows from the seed and the event times asked for."""

    def __init__(self, settings: WorldSettings) -> None:
        self.settings = settings
        self.rng = np.random.default_rng(settings.seed)
        rng, s = self.rng, settings
        activity = rng.lognormal(0.0, 1.2, s.people)
        self.cumulative_activity = np.cumsum(activity) / activity.sum()
        self.taste_of = rng.integers(0, s.tastes, s.people)
        self.wakes_at = rng.normal(8.0, 3.0, s.people) % 24
        self.language = rng.choice(len(LANGUAGES), s.people, p=_zipf(len(LANGUAGES)))
        per_taste = s.items // s.tastes
        self.items_of = np.arange(s.tastes * per_taste).reshape(s.tastes, per_taste)
        self.cumulative_popularity = np.cumsum(_zipf(per_taste))
        self.origin = rng.choice(3, s.items, p=(0.6, 0.3, 0.1))
        self.creator = rng.integers(0, max(s.items // 10, 1), s.items)
        self.last_place = rng.integers(0, per_taste, s.people)
        # A heap: a step touches only the campaigns that act in it.
        self.scheduled: list[Scheduled] = []
        self.planned = 0
        self.owed = 0
        self.campaigns = 0
        self.created_at: dict[str, int] = {}

    def likes(self, start_ms: int, stop_ms: int, count: int) -> Likes:
        """About `count` likes in [start, stop), bots' and agents' among them."""
        s = self.settings
        bots = self._bots(start_ms, stop_ms, round(count * s.bot_share))
        agents = self.rng.binomial(count, s.agent_share)
        people = max(0, count - agents - len(bots[0]))
        times, who, targets = self._people(start_ms, stop_ms, people)
        parts = [
            (times, [f"u{p}" for p in who], targets, np.zeros(len(who), np.int64)),
            (
                self.rng.integers(start_ms, stop_ms, agents),
                [f"agent{a}" for a in self.rng.integers(0, s.agents, agents)],
                self.rng.integers(0, s.items, agents),
                np.ones(agents, np.int64),
            ),
            bots,
        ]
        all_times = np.concatenate([p[0] for p in parts])
        order = np.argsort(all_times, kind="stable")
        actors = [a for p in parts for a in p[1]]
        return Likes(
            all_times[order],
            [actors[i] for i in order.tolist()],
            np.concatenate([p[2] for p in parts])[order],
            np.concatenate([p[3] for p in parts])[order],
        )

    def _people(self, start_ms: int, stop_ms: int, count: int) -> tuple[Any, Any, Any]:
        rng = self.rng
        who = np.searchsorted(self.cumulative_activity, rng.random(count * 2))
        hour = (start_ms % DAY_MS) / 3_600_000
        awake = 0.55 + 0.45 * np.cos((hour - self.wakes_at[who] - 8) / 24 * 2 * np.pi)
        who = who[rng.random(len(who)) < awake]
        who = np.concatenate([who, np.searchsorted(self.cumulative_activity, rng.random(max(0, count - len(who))))])[
            :count
        ]
        times = np.sort(rng.integers(start_ms, stop_ms, len(who)))
        own = rng.random(len(who)) < 0.8
        taste = np.where(own, self.taste_of[who], rng.integers(0, self.settings.tastes, len(who)))
        width = self.items_of.shape[1]
        browse = rng.random(len(who)) < 0.5
        place = np.where(
            browse & own,
            (self.last_place[who] + rng.integers(1, 5, len(who))) % width,
            np.searchsorted(self.cumulative_popularity, rng.random(len(who))).clip(0, width - 1),
        )
        self.last_place[who[own]] = place[own]
        return times, who, self.items_of[taste, place]

    def _bots(self, start_ms: int, stop_ms: int, wanted: int) -> tuple[Any, list[str], Any, Any]:
        """Likes of campaigns that fall into this step; new campaigns start as likes are owed to the bots' share."""
        self.owed += wanted
        while self.owed > 0:
            self.owed -= self._schedule(start_ms, stop_ms)
        parts: list[tuple[Any, list[str], Any, Any]] = []
        while self.scheduled and self.scheduled[0][0] < stop_ms:
            _, number, times, actors, targets, kind = heapq.heappop(self.scheduled)
            now = int(np.searchsorted(times, stop_ms))
            parts.append((np.maximum(times[:now], start_ms), actors[:now], targets[:now], np.full(now, kind)))
            if now < len(times):
                rest = (int(times[now]), number, times[now:], actors[now:], targets[now:], kind)
                heapq.heappush(self.scheduled, rest)
        if not parts:
            return np.zeros(0, np.int64), [], np.zeros(0, np.int64), np.zeros(0, np.int64)
        return (
            np.concatenate([p[0] for p in parts]),
            [a for p in parts for a in p[1]],
            np.concatenate([p[2] for p in parts]),
            np.concatenate([p[3] for p in parts]),
        )

    def _schedule(self, start_ms: int, stop_ms: int) -> int:
        """Plan one campaign that begins in this step. Returns its number of likes."""
        rng = self.rng
        kind = 2 + self.campaigns % 4
        self.campaigns += 1
        name = KINDS[kind]
        begin = int(rng.integers(start_ms, max(stop_ms, start_ms + 1)))
        if name == "flood":
            n = int(rng.integers(300, 900))
            times = begin + np.sort(rng.integers(0, 4 * 60_000, n))
            self._add(times, [f"flood{self.campaigns}"] * n, rng.integers(0, self.settings.items, n), kind)
            return n
        size, rounds, every, spread = {
            "lockstep": (int(rng.integers(15, 40)), 8, 90_000, 30_000),
            "throwaway": (int(rng.integers(20, 60)), 3, 120_000, 40_000),
            "ring": (int(rng.integers(8, 16)), 10, 180_000, 25_000),
        }[name]
        actors = [f"{name}{self.campaigns}-{i}" for i in range(size)]
        if name == "throwaway":
            self.created_at |= {a: begin - int(rng.integers(60_000, 3_600_000)) for a in actors}
        targets = rng.choice(self.settings.items, rounds, replace=False)
        for turn in range(rounds):
            times = begin + turn * every + rng.integers(0, spread, size)
            self._add(times, actors, np.full(size, targets[turn]), kind)
        return size * rounds

    def _add(self, times: Any, actors: list[str], targets: Any, kind: int) -> None:
        order = np.argsort(times, kind="stable")
        times = times[order].astype(np.int64)
        self.planned += 1
        part = (
            int(times[0]),
            self.planned,
            times,
            [actors[i] for i in order.tolist()],
            np.asarray(targets)[order],
            kind,
        )
        heapq.heappush(self.scheduled, part)

    def events(self, likes: Likes, first_number: int) -> list[dict[str, Any]]:
        """The likes as events of `likes.v1`."""
        rng, n = self.rng, len(likes.actors)
        surface = rng.choice(len(SURFACES), n, p=(0.3, 0.15, 0.45, 0.1)).tolist()
        ranks = rng.integers(0, 30, n).tolist()
        rows = zip(
            likes.times_ms.tolist(),
            likes.actors,
            likes.targets.tolist(),
            likes.kinds.tolist(),
            surface,
            ranks,
            strict=True,
        )
        events = []
        for number, (time, actor, target, kind, shown, rank) in enumerate(rows, first_number):
            event = {
                "event_id": f"{self.settings.seed}-{number}",
                "occurred_at": time,
                "actor_id": actor,
                "target_id": f"i{target}",
                "creator_id": f"c{self.creator[target]}",
                "content_origin": ORIGINS[self.origin[target]],
                "surface": SURFACES[shown],
                "rank": rank,
            }
            if kind == 0:
                event["actor_locale"] = LANGUAGES[self.language[int(actor[1:])]]
            elif kind == 1:
                event["actor_kind"] = "agent"
            if actor in self.created_at:
                event["actor_created_at"] = self.created_at[actor]
            events.append(event)
        return events


def _zipf(n: int, exponent: float = 0.9) -> npt.NDArray[np.float64]:
    weights = 1.0 / np.arange(1, n + 1) ** exponent
    return weights / weights.sum()
