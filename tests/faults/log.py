"""A seeded log of `likes.v1` whose every message's fate is known: trusted, duplicate, rejected or too late; and what
was shown before.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np

from services.simulator import events as simulated
from services.simulator.settings import Planted, WorldSettings
from services.simulator.slates import slate_events
from services.simulator.stream import Stream
from services.simulator.world import World
from tests.likes import START_MS

HOURS = 6
DAY_MS = 86_400_000
HORIZON_DAYS = 30
# Of each kind, one message in so many.
ONE_IN = 400


@dataclass(frozen=True)
class Log:
    """Messages in the order of sending, and what must become of them. `slates`: before which message each is sent, its
    key and value.
    """

    keys: list[bytes]
    values: list[bytes]
    trusted: set[str]
    duplicates: int
    late: int
    rejected: int
    slates: list[tuple[int, bytes, bytes]]
    slates_twice: int
    items: int

    def __len__(self) -> int:
        return len(self.keys)


def make(seed: int, likes: int) -> Log:
    """People, bots and agents over six hours; among their likes repeated, malformed and very late ones, and likes for
    windows that are closed already.
    """
    rng = np.random.default_rng(seed)
    # So many people that they give these likes in about six hours.
    world = World(WorldSettings(seed=seed, people=max(500, likes // 4), items=max(500, likes // 10)), START_MS)
    stream = Stream(world, Planted())
    slates: list[tuple[int, bytes, bytes]] = []
    slates_twice = shown_items = 0
    keys, values = [], []
    trusted: set[str] = set()
    counts = {"duplicates": 0, "late": 0, "rejected": 0}
    steps = HOURS * 60
    made = 0
    for number in range(steps):
        drawn, shown, _ = stream.take(likes * (number + 1) // steps - likes * number // steps, START_MS + 90 * DAY_MS)
        for event in slate_events(shown, 0, seed):
            slate = (len(keys), event["actor_id"].encode(), msgspec.json.encode(event))
            again = int(rng.integers(ONE_IN)) == 0
            slates += [slate, slate] if again else [slate]
            slates_twice += again
            shown_items += len(event["items"]) + len(event["withheld"])
        if not len(drawn):
            continue
        begin = int(drawn.times_ms[0])
        for event in simulated.events(world, drawn, made):
            keys.append(event["actor_id"].encode())
            values.append(msgspec.json.encode(event))
            trusted.add(event["event_id"])
        made += len(drawn)
        if number == 0:
            continue
        for _ in range(max(1, likes // steps // ONE_IN)):
            again = int(rng.integers(max(0, len(keys) - 5000), len(keys)))
            keys.append(keys[again])
            values.append(values[again])
            # A rejected message has no identity: it is rejected as often as it comes.
            name = msgspec.json.decode(values[again]).get("event_id")
            counts["rejected" if str(name).startswith("bad") else "duplicates"] += 1
            keys.append(b"malformed")
            values.append(b'{"event_id":"bad-%d","occurred_at":"soon","actor_id":"x","target_id":"y"}' % len(keys))
            counts["rejected"] += 1
            if number > steps // 2:
                keys.append(b"latecomer")
                values.append(_like(f"late-{len(keys)}", "latecomer", begin - 2 * HORIZON_DAYS * DAY_MS))
                counts["late"] += 1
                actor = f"slow{len(keys)}"
                keys.append(actor.encode())
                values.append(_like(f"slow-{len(keys)}", actor, begin - 3_600_000))
                trusted.add(f"slow-{len(keys)}")
    return Log(keys, values, trusted, **counts, slates=slates, slates_twice=slates_twice, items=shown_items)


def closing(partition: int) -> tuple[bytes, bytes]:
    """A like long after all others: what came before it in every partition is judged then."""
    name = f"closing-{partition}"
    return name.encode(), _like(name, name, START_MS + 2 * DAY_MS)


def _like(event_id: str, actor: str, occurred_at: int) -> bytes:
    event = {"event_id": event_id, "actor_id": actor, "target_id": f"only-{event_id}", "occurred_at": occurred_at}
    return msgspec.json.encode(event)
