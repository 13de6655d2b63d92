"""Stage detector/group: parts of actors that belong together are a campaign (connected components)."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

import msgspec
import numpy as np

from services.detector.campaign import Campaign, Part, body, is_campaign
from services.detector.forgetting import users
from services.detector.settings import Judgement
from shared import frames
from shared.checkpoints import Arrays
from shared.frames import Frame, Output
from shared.hashing import U64, mix
from shared.topics import CAMPAIGNS
from shared.watermark import UNKNOWN

# Actors whose parts are remembered; those of the campaigns that ended longest ago leave first.
MOST_ACTORS: Final = 200_000
# Targets of one part that are kept: the lowest by name, so that it does not matter how they came.
MOST_TARGETS: Final = 10_000


class GroupTask:
    """All campaigns. Only those who stand out are linked, so plain Python serves."""

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.horizon_ms = settings.horizon_ms
        self.counters = {"campaigns": 0, "campaign_actors": 0}
        self.campaigns: dict[str, Campaign] = {}
        # The campaign of each actor and of each place that a crowd came to.
        self.of_node: dict[int, str] = {}
        self.newest_ms = UNKNOWN

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """A frame of links to the campaigns that they change."""
        if frame.kind == frames.FORGET:
            named = self.forget(users(frame))
            return [output for campaign in named for output in self._say(campaign)]
        changed: dict[str, None] = {}
        outputs: list[Output] = []
        rows = sorted(frame.batch.to_pylist(), key=lambda r: (r["actor"], r["kind"], r["nodes"]))
        for _, links in groupby(rows, key=lambda r: r["actor"]):
            for identifier in self._take(list(links), outputs):
                changed[identifier] = None
        for identifier in changed:
            if identifier in self.campaigns:
                outputs += self._say(self.campaigns[identifier])
        outputs += self._expire()
        said = [c for c in self.campaigns.values() if c.revision]
        self.counters["campaigns"] = len(said)
        self.counters["campaign_actors"] = sum(len(c.parts) for c in said)
        return outputs

    def _take(self, links: list[dict[str, Any]], outputs: list[Output]) -> list[str]:
        """All links of one actor, as they are now. Returns the campaigns that change."""
        actor = links[0]["actor"]
        nodes = [actor, *(node for link in links for node in link["nodes"])]
        known = sorted(
            {self.of_node[n] for n in nodes if n in self.of_node}, key=lambda i: (self.campaigns[i].first_at, i)
        )
        if not known:
            first_at = min(link["first_at"] for link in links)
            identifier = f"{int(_mixed(min(nodes), first_at)):016x}"
            self.campaigns[identifier] = Campaign(identifier, first_at)
            known = [identifier]
        into = self.campaigns[known[0]]
        for identifier in known[1:]:
            self._merge(self.campaigns.pop(identifier), into, outputs)
        for node in nodes:
            into.nodes.add(node)
            self.of_node[node] = into.campaign_id
        by_kind = {kind: list(rows) for kind, rows in groupby(links, key=lambda r: r["kind"])}
        into.parts[actor] = [Part.of(rows, MOST_TARGETS) for rows in by_kind.values()]
        into.first_at = min(into.first_at, *(p.first_at for p in into.parts[actor]))
        self.newest_ms = max(self.newest_ms, *(p.last_at for p in into.parts[actor]))
        return [into.campaign_id]

    def _merge(self, other: Campaign, into: Campaign, outputs: list[Output]) -> None:
        into.nodes |= other.nodes
        into.parts |= other.parts
        into.first_at = min(into.first_at, other.first_at)
        self.of_node.update(dict.fromkeys(other.nodes, into.campaign_id))
        if other.revision:
            other.revision += 1
            content = {**body(other), "merged_into": into.campaign_id}
            outputs.append(_message(content))
            outputs.append(_gone(other))

    def _say(self, campaign: Campaign) -> list[Output]:
        """The campaign, if it is one and what it says has changed."""
        if not is_campaign(campaign):
            return []
        content = {**body(campaign), "revision": 0}
        if msgspec.json.encode(content) == campaign.said:
            return []
        campaign.said = msgspec.json.encode(content)
        campaign.revision += 1
        return [_message(body(campaign))]

    def _expire(self) -> list[Output]:
        outputs = []
        ends = {c.campaign_id: c.last_at for c in self.campaigns.values()}
        gone = [i for i, last_at in ends.items() if last_at < self.newest_ms - self.horizon_ms]
        actors = sum(len(c.parts) for c in self.campaigns.values())
        for identifier in sorted(set(ends) - set(gone), key=lambda i: (ends[i], i)):
            if actors <= MOST_ACTORS:
                break
            gone.append(identifier)
            actors -= len(self.campaigns[identifier].parts)
        for identifier in gone:
            campaign = self.campaigns.pop(identifier)
            for node in campaign.nodes:
                del self.of_node[node]
            if campaign.revision:
                campaign.revision += 1
                outputs += [_message({**body(campaign), "expired": True}), _gone(campaign)]
        return outputs

    def forget(self, actors: U64) -> list[Campaign]:
        """Take these actors' names out; campaigns keep their counts. Returns the campaigns that they were in."""
        found = {}
        for actor in actors.tolist():
            campaign = self.campaigns.get(self.of_node.get(actor, ""))
            for part in campaign.parts.get(actor, []) if campaign is not None else []:
                part.actor_id = None
                found[self.of_node[actor]] = self.campaigns[self.of_node[actor]]
        return list(found.values())

    def snapshot(self) -> Arrays:
        kept = [c.in_order() for _, c in sorted(self.campaigns.items())]
        campaigns = msgspec.msgpack.encode(kept)
        return {"campaigns": np.frombuffer(campaigns, np.uint8), "newest_ms": np.array([self.newest_ms])}

    def restore(self, arrays: Arrays) -> None:
        kept = msgspec.msgpack.decode(arrays["campaigns"].tobytes(), type=list[Campaign])
        self.campaigns = {c.campaign_id: c for c in kept}
        self.of_node = {n: c.campaign_id for c in kept for n in c.nodes}
        self.newest_ms = int(arrays["newest_ms"][0])


def _mixed(node: int, time: int) -> Any:
    return mix(np.array([node], np.uint64), np.array([time], np.uint64))[0]


def _message(content: dict[str, Any]) -> Output:
    return Output(CAMPAIGNS, msgspec.json.encode(content), 0, content["campaign_id"].encode())


def _gone(campaign: Campaign) -> Output:
    return Output(CAMPAIGNS, b"", 0, campaign.campaign_id.encode(), tombstone=True)
