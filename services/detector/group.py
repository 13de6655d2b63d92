"""Stage detector/group: parts of actors that belong together are a campaign (connected components)."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from services.detector.campaign import Campaign, Part, all_nodes, body, components, first_at, is_campaign, nodes
from services.detector.forgetting import users
from services.detector.settings import Judgement
from shared import schemas
from shared.checkpoints import Arrays
from shared.frames import Frame, Output
from shared.hashing import U64, mix
from shared.topics import CAMPAIGNS
from shared.watermark import UNKNOWN, Watermark

# Actors whose parts are remembered; those of the campaigns that ended longest ago leave first.
MOST_ACTORS: Final = 200_000
# Targets of one part that are kept: the lowest by name, so that it does not matter how they came.
MOST_TARGETS: Final = 10_000


class GroupTask:
    """All campaigns: they follow from the links that stand now, whatever was linked before. Only those who stand out
    are linked, so plain Python serves.
    """

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.horizon_ms = settings.horizon_ms
        self.counters = {"campaigns": 0, "campaign_actors": 0}
        self.campaigns: dict[str, Campaign] = {}
        # When each ended, ms: to look at all their parts with each frame would cost more the more there are.
        self.last_at: dict[str, int] = {}
        # The campaign of each actor and of each place that a crowd came to.
        self.of_node: dict[int, str] = {}
        # Of the partitions that send links.
        self.watermark = Watermark(settings.partitions)

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """A frame of links to the campaigns that they change."""
        if frame.kind == schemas.FORGET:
            named = self.forget(users(frame))
            return [output for campaign in named for output in self._say(campaign)]
        assert frame.lineage is not None
        self.watermark.advance(frame.lineage.partition, frame.lineage.watermark)
        outputs = self._regroup(_parts(frame.batch)) + self._expire()
        said = [c for c in self.campaigns.values() if c.said]
        self.counters["campaigns"] = len(said)
        self.counters["campaign_actors"] = sum(len(c.parts) for c in said)
        return outputs

    def _regroup(self, news: dict[int, list[Part]]) -> list[Output]:
        """Some actors' parts as they are now: what belongs together is found anew in all campaigns that they touch."""
        linked = {node for actor, parts in news.items() for node in nodes(actor, parts)}
        touched = {self.of_node[node] for node in linked if node in self.of_node}
        before = sorted((self._take(i) for i in touched), key=lambda c: (c.first_at, c.campaign_id))
        of_node = {node: self.of_node.pop(node) for campaign in before for node in all_nodes(campaign.parts)}
        pool = {actor: parts for campaign in before for actor, parts in campaign.parts.items()} | news
        # The oldest part of a campaign goes on as that campaign, and as the oldest that it has parts of.
        left = {campaign.campaign_id: campaign for campaign in before}
        taken_by: dict[str, str] = {}
        now = []
        for parts in sorted(components(pool), key=lambda c: (first_at(c), min(c))):
            members = all_nodes(parts)
            known = {of_node[node] for node in members if node in of_node}
            same = next((left.pop(i) for i in list(left) if i in known), None)
            campaign = (
                self._begin(parts) if same is None else Campaign(same.campaign_id, parts, same.revision, same.said)
            )
            self._keep(campaign)
            self.of_node |= dict.fromkeys(members, campaign.campaign_id)
            for identifier in known:
                taken_by.setdefault(identifier, campaign.campaign_id)
            now.append(campaign)
        ended = [output for i, gone in left.items() for output in _end(gone, taken_by.get(i))]
        return ended + [output for campaign in now for output in self._say(campaign)]

    def _keep(self, campaign: Campaign) -> None:
        self.campaigns[campaign.campaign_id] = campaign
        self.last_at[campaign.campaign_id] = campaign.last_at

    def _take(self, campaign_id: str) -> Campaign:
        del self.last_at[campaign_id]
        return self.campaigns.pop(campaign_id)

    def _begin(self, parts: dict[int, list[Part]]) -> Campaign:
        time = first_at(parts)
        number = _mixed(min(all_nodes(parts)), time)
        while f"{number:016x}" in self.campaigns:
            number = _mixed(number, time)
        return Campaign(f"{number:016x}", parts)

    def _say(self, campaign: Campaign) -> list[Output]:
        """The campaign, if what it says has changed; that it is none any more."""
        if not is_campaign(campaign):
            ended, campaign.said = _end(campaign), b""
            return ended
        content = {**body(campaign), "revision": 0}
        if msgspec.json.encode(content) == campaign.said:
            return []
        campaign.said = msgspec.json.encode(content)
        campaign.revision += 1
        return [_message(body(campaign))]

    def _expire(self) -> list[Output]:
        """Campaigns that ended more than a horizon before the newest, once all partitions are as far; and where there
        are too many, the oldest.
        """
        ends = self.last_at
        now = min(self.watermark.now, max(ends.values(), default=UNKNOWN))
        gone = [i for i, last_at in ends.items() if last_at < now - self.horizon_ms]
        actors = sum(len(c.parts) for c in self.campaigns.values())
        if actors > MOST_ACTORS:
            for identifier in sorted(set(ends) - set(gone), key=lambda i: (ends[i], i)):
                if actors <= MOST_ACTORS:
                    break
                gone.append(identifier)
                actors -= len(self.campaigns[identifier].parts)
        outputs = []
        for identifier in gone:
            campaign = self._take(identifier)
            for node in all_nodes(campaign.parts):
                del self.of_node[node]
            outputs += _end(campaign, expired=True)
        return outputs

    def forget(self, actors: U64) -> list[Campaign]:
        """Take these actors' names out; campaigns keep their counts. Returns the campaigns that they were in."""
        found: dict[str, Campaign] = {}
        for actor in actors.tolist():
            campaign = self.campaigns.get(self.of_node.get(actor, ""))
            if campaign is not None and actor in campaign.parts:
                found[campaign.campaign_id] = campaign
                for part in campaign.parts[actor]:
                    part.actor_id = None
        return list(found.values())

    def snapshot(self) -> Arrays:
        kept = [c.in_order() for _, c in sorted(self.campaigns.items())]
        campaigns = msgspec.msgpack.encode(kept)
        return {"campaigns": np.frombuffer(campaigns, np.uint8), "watermark": self.watermark.snapshot()}

    def restore(self, arrays: Arrays) -> None:
        kept = msgspec.msgpack.decode(arrays["campaigns"].tobytes(), type=list[Campaign])
        for campaign in kept:
            self._keep(campaign)
        self.of_node = {node: c.campaign_id for c in kept for node in all_nodes(c.parts)}
        self.watermark.restore(arrays["watermark"])


def _parts(links: pa.RecordBatch) -> dict[int, list[Part]]:
    """All parts of each actor of these links, none where nothing links it any more."""
    rows = sorted(links.to_pylist(), key=lambda r: (r["actor"], r["kind"] or 0, r["nodes"]))
    return {
        actor: [Part.of(list(of_kind), MOST_TARGETS) for _, of_kind in groupby(own, key=lambda r: r["kind"])]
        for actor, of_actor in groupby(rows, key=lambda r: r["actor"])
        for own in [[link for link in of_actor if link["nodes"]]]
    }


def _mixed(node: int, time: int) -> int:
    return int(mix(np.array([node], np.uint64), np.array([time], np.uint64))[0])


def _message(content: dict[str, Any]) -> Output:
    return Output(CAMPAIGNS, msgspec.json.encode(content), 0, content["campaign_id"].encode())


def _end(campaign: Campaign, merged_into: str | None = None, *, expired: bool = False) -> list[Output]:
    """That a campaign is gone, if it was said: into another one, of age, or because what it was made of did not
    stand.
    """
    if not campaign.said:
        return []
    campaign.revision += 1
    withdrawn = merged_into is None and not expired
    content = {**body(campaign), "merged_into": merged_into, "expired": expired, "withdrawn": withdrawn}
    return [_message(content), Output(CAMPAIGNS, b"", 0, campaign.campaign_id.encode(), tombstone=True)]
