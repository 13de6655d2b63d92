"""Buys of what people have liked: by themselves, or by agents that act for them (docs/buy-it.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from services.simulator.arms import AGENT, WHOSE_AGENT, chance
from services.simulator.crowds import CROWDS
from services.simulator.events import name_of, names_of, targets_of
from services.simulator.likes import I64, Bools, Likes, accounts
from services.simulator.people import HOUR_MS
from services.simulator.policies import SIZE
from services.simulator.world import AGENT_KIND, World
from shared.events import SURFACES

# Of all people, those for whom an agent buys.
WITH_AGENT: Final = 0.5
RUNGS: Final = ("unknown", "declared", "signed agent", "standing mandate", "cart confirmed")
UNKNOWN, DECLARED, SIGNED, STANDING, CONFIRMED = range(len(RUNGS))
# Of agents' buys, by rung.
OF_AGENTS: Final = np.array([0.0, 0.2, 0.2, 0.4, 0.2])
# Of all buys.
LADDER: Final = WITH_AGENT * OF_AGENTS + (1 - WITH_AGENT) * (np.arange(len(RUNGS)) == UNKNOWN)
# Of buys under a standing mandate, those at a shop of which the person has never heard.
NEW: Final = 0.3
SHOPS: Final = 500
# A buy comes so long after the like of it, at least and at most, ms.
LATER_MS: Final = (30_000, HOUR_MS // 2)
# By rung what evidence a buy has; where there are two ways to be on it, either.
_EVIDENCE: Final[tuple[tuple[dict[str, str], dict[str, str]], ...]] = (
    ({}, {}),
    ({}, {"signature": "invalid", "mandate": "standing"}),
    ({"signature": "valid"}, {"signature": "valid", "mandate": "cart", "user_present": "no"}),
    (
        {"signature": "valid", "mandate": "standing"},
        {"signature": "valid", "mandate": "standing", "user_present": "no"},
    ),
    ({"signature": "valid", "mandate": "cart", "user_present": "yes"},) * 2,
)


@dataclass(frozen=True)
class Buys:
    """In order of time, shapes (n,). `agents`: codes of the accounts that acted; on the rung UNKNOWN it was the person.
    `ways`: 0 or 1, of _EVIDENCE. `shops`: where it is none of the catalogue's things, the number of the shop, else -1.
    """

    times_ms: I64
    people: I64
    targets: I64
    creators: I64
    surfaces: I64
    agents: I64
    rungs: I64
    ways: I64
    shops: I64

    def __len__(self) -> int:
        return len(self.times_ms)

    def take(self, which: Any) -> Buys:
        """Rows by index, mask or slice."""
        return Buys(*(getattr(self, f.name)[which] for f in fields(self)))

    @property
    def of_agents(self) -> Bools:
        return self.rungs != UNKNOWN


NO_BUYS: Final = Buys(*(np.zeros(0, np.int64) for _ in fields(Buys)))


def buys_in_order(parts: Sequence[Buys]) -> Buys:
    found = Buys(*(np.concatenate([getattr(part, f.name) for part in (NO_BUYS, *parts)]) for f in fields(Buys)))
    return found.take(np.argsort(found.times_ms, kind="stable"))


class Shoppers:
    """Their dice are their own: likes are the same whatever is bought."""

    def __init__(self, world: World, share: float) -> None:
        self._people, self._seed, self._share = world.scene.people.count, world.settings.seed, share
        self._agents = accounts(AGENT_KIND, 0, world.settings.agents)
        self._rng = np.random.default_rng((self._seed, SIZE, 2))

    def buy(self, likes: Likes) -> Buys:
        """What is bought of these likes later on; `share` for each of a person."""
        rng = self._rng
        theirs = (likes.actors < self._people) & (likes.kinds < len(CROWDS))
        of = likes.take(np.flatnonzero(theirs & (rng.random(len(likes)) < self._share)))
        n = len(of)
        whose = (chance(self._seed, WHOSE_AGENT, of.actors) * len(self._agents)).astype(np.int64)
        by_agent = chance(self._seed, AGENT, of.actors) < WITH_AGENT
        rungs = np.where(by_agent, rng.choice(len(RUNGS), n, p=OF_AGENTS), UNKNOWN)
        elsewhere = (rungs == STANDING) & (rng.random(n) < NEW)
        shops = np.where(elsewhere, rng.integers(0, SHOPS, n), -1)
        found = Buys(
            of.times_ms + rng.integers(*LATER_MS, n),
            of.actors,
            of.targets,
            of.creators,
            np.where(by_agent, SURFACES.index("assistant"), of.surfaces),
            self._agents[whose],
            rungs,
            rng.integers(0, 2, n),
            shops,
        )
        return buys_in_order([found])


def buy_events(buys: Buys, first_number: int, seed: int) -> list[dict[str, Any]]:
    """As events of `likes.v1`, in the same order; ids are numbered from `first_number` on, apart from likes'."""
    rows = zip(
        buys.times_ms.tolist(),
        names_of(buys.people),
        targets_of(buys.targets),
        names_of(buys.creators),
        buys.surfaces.tolist(),
        buys.agents.tolist(),
        buys.rungs.tolist(),
        buys.ways.tolist(),
        buys.shops.tolist(),
        strict=True,
    )
    found = []
    for number, (time, person, target, creator, surface, agent, rung, way, shop) in enumerate(rows, first_number):
        event = {
            "event_id": f"{seed}-buy-{number}",
            "occurred_at": time,
            "action": "buy",
            "actor_id": person,
            "target_id": target if shop < 0 else f"shop{shop}-{number}",
            "creator_id": creator if shop < 0 else f"shop{shop}",
            "surface": SURFACES[surface],
        }
        if rung != UNKNOWN:
            name = name_of(agent)
            event |= {"actor_id": name, "actor_kind": "agent", "principal_id": person}
            event |= _EVIDENCE[rung][way]
            if "signature" in event:
                event["agent_key"] = f"key-of-{name}"
        found.append(event)
    return found
