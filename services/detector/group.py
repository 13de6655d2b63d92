"""Stage detector/group: repeated pairs that share members are a campaign (connected components)."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import nsmallest
from typing import Any, Final

import msgspec
import numpy as np

from shared.checkpoints import Arrays
from shared.events import rfc3339
from shared.frames import Frame, Output
from shared.topics import CAMPAIGNS

NAMED: Final = 50
# Targets of a campaign that are counted and kept: the lowest by name, so that it does not matter how they came.
MOST_TARGETS: Final = 10_000


class Campaign(msgspec.Struct):
    """Actors in lockstep (`campaigns.v1`); `merged_into` names the campaign that took this one in."""

    campaign_id: str
    actors: set[str]
    targets: set[str]
    first_at: int
    last_at: int
    weight: float
    revision: int = 0
    merged_into: str | None = None


class GroupTask:
    """All campaigns. Links are few (only pairs that met repeatedly), so plain Python serves."""

    def __init__(self, partition: int, max_actors: int = 200_000) -> None:
        self.partition = partition
        self.max_actors = max_actors
        self.counters = {"campaigns": 0, "campaign_actors": 0}
        self.campaigns: dict[str, Campaign] = {}
        self.of_actor: dict[str, str] = {}

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """A frame of links to the campaigns that they change."""
        changed: dict[str, Campaign] = {}
        for link in frame.batch.to_pylist():
            for campaign in self._take(link):
                changed[campaign.campaign_id] = campaign
        outputs = []
        for identifier, campaign in changed.items():
            campaign.revision += 1
            if len(campaign.targets) > MOST_TARGETS:
                campaign.targets = set(nsmallest(MOST_TARGETS, campaign.targets))
            outputs.append(Output(CAMPAIGNS, describe(campaign), 0, identifier.encode()))
            if campaign.merged_into is not None:
                del self.campaigns[identifier]
        self._forget()
        self.counters["campaigns"] = len(self.campaigns)
        self.counters["campaign_actors"] = len(self.of_actor)
        return outputs

    def _take(self, link: dict[str, Any]) -> list[Campaign]:
        pair = sorted((link["actor_id"], link["peer_id"]))
        known = sorted(
            {self.of_actor[a] for a in pair if a in self.of_actor},
            key=lambda i: (self.campaigns[i].first_at, i),
        )
        if known:
            into = self.campaigns[known[0]]
        else:
            into = Campaign(
                f"{pair[0]}+{pair[1]}@{link['first_at']}", set(), set(), link["first_at"], link["last_at"], 0.0
            )
            self.campaigns[into.campaign_id] = into
        gone = []
        for identifier in known[1:]:
            other = self.campaigns[identifier]
            self._add(into, other.actors, other.targets, other.first_at, other.last_at, other.weight)
            other.merged_into = into.campaign_id
            gone.append(other)
        self._add(into, pair, link["target_ids"], link["first_at"], link["last_at"], link["weight"])
        return [into, *gone]

    def _add(
        self, into: Campaign, actors: Iterable[str], targets: Iterable[str], first: int, last: int, weight: float
    ) -> None:
        into.actors.update(actors)
        into.targets.update(targets)
        into.first_at, into.last_at = min(into.first_at, first), max(into.last_at, last)
        into.weight = max(into.weight, weight)
        self.of_actor.update(dict.fromkeys(actors, into.campaign_id))

    def _forget(self) -> None:
        while len(self.of_actor) > self.max_actors:
            oldest = min(self.campaigns.values(), key=lambda c: (c.last_at, c.campaign_id))
            del self.campaigns[oldest.campaign_id]
            for actor in oldest.actors:
                del self.of_actor[actor]

    def snapshot(self) -> Arrays:
        campaigns = msgspec.msgpack.encode(list(self.campaigns.values()), order="deterministic")
        return {"campaigns": np.frombuffer(campaigns, np.uint8)}

    def restore(self, arrays: Arrays) -> None:
        kept = msgspec.msgpack.decode(arrays["campaigns"].tobytes(), type=list[Campaign])
        self.campaigns = {c.campaign_id: c for c in kept}
        self.of_actor = {a: c.campaign_id for c in kept for a in c.actors}


def describe(campaign: Campaign) -> bytes:
    """The JSON of `campaigns.v1`: counts, the first names of each list, and a sentence."""
    more = " or more" if len(campaign.targets) == MOST_TARGETS else ""
    sentence = (
        f"{len(campaign.actors)} actors liked the same {len(campaign.targets)}{more} targets within moments of each "
        f"other, again and again, from {rfc3339(campaign.first_at)} to {rfc3339(campaign.last_at)}."
    )
    body = {
        "campaign_id": campaign.campaign_id,
        "actors": nsmallest(NAMED, campaign.actors),
        "actor_count": len(campaign.actors),
        "targets": nsmallest(NAMED, campaign.targets),
        "target_count": len(campaign.targets),
        "first_at": campaign.first_at,
        "last_at": campaign.last_at,
        "weight": round(campaign.weight, 3),
        "revision": campaign.revision,
        "merged_into": campaign.merged_into,
        "sentence": sentence,
    }
    return msgspec.json.encode(body)
