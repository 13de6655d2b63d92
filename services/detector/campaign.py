"""A campaign as it is said: what it is, who, what, when, how many likes, what they count for now, and why."""

from __future__ import annotations

from collections import Counter
from heapq import nsmallest
from typing import Any, Final

import msgspec

from shared.messages import CAMPAIGN_KINDS

NAMED: Final = 50
SENTENCES: Final = 3
# Fewer actors than this in lockstep are a pair.
LEAST_ACTORS: Final = 3


class Part(msgspec.Struct):
    """One actor's part in one kind of thing. Times are ms."""

    kind: int
    scale_seconds: int
    # What the actor is linked to.
    nodes: list[int]
    # None: forgotten.
    actor_id: str | None
    targets: list[str]
    creators: list[str]
    first_at: int
    last_at: int
    strength: float
    likes: int
    weight: float
    sentence: str

    @classmethod
    def of(cls, links: list[dict[str, Any]], most_targets: int) -> Part:
        """Of the actor's links of one kind."""
        strongest = max(links, key=lambda r: (r["strength"], r["nodes"]))
        return cls(
            strongest["kind"],
            strongest["scale_seconds"],
            sorted({node for r in links for node in r["nodes"]}),
            strongest["actor_id"],
            nsmallest(most_targets, {t for r in links for t in r["target_ids"]}),
            nsmallest(most_targets, {c for r in links for c in r["creator_ids"]}),
            min(r["first_at"] for r in links),
            max(r["last_at"] for r in links),
            strongest["strength"],
            # Links of one kind to several crowds are about different likes.
            sum(r["likes"] for r in links),
            sum(r["weight"] for r in links),
            strongest["sentence"],
        )


class Campaign(msgspec.Struct):
    """Parts by actor (hash), at least one."""

    campaign_id: str
    parts: dict[int, list[Part]]
    # How often it was said, and what was said last; nothing: it is none, or not yet.
    revision: int = 0
    said: bytes = b""

    def in_order(self) -> dict[str, Any]:
        """The same, equal for equal campaigns however they came about."""
        return {**msgspec.structs.asdict(self), "parts": dict(sorted(self.parts.items()))}

    @property
    def first_at(self) -> int:
        return first_at(self.parts)

    @property
    def last_at(self) -> int:
        return max(p.last_at for parts in self.parts.values() for p in parts)


def nodes(actor: int, parts: list[Part]) -> set[int]:
    """The actor, and what it is linked to."""
    return {actor, *(node for part in parts for node in part.nodes)}


def all_nodes(parts: dict[int, list[Part]]) -> set[int]:
    """The actors of these parts, and what they are linked to."""
    return {node for actor, own in parts.items() for node in nodes(actor, own)}


def first_at(parts: dict[int, list[Part]]) -> int:
    """When the first of these parts began, ms."""
    return min(part.first_at for own in parts.values() for part in own)


def components(parts: dict[int, list[Part]]) -> list[dict[int, list[Part]]]:
    """What is linked, of parts by actor; who has none is nowhere."""
    leader: dict[int, int] = {}

    def find(node: int) -> int:
        while leader.setdefault(node, node) != node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    for actor, own in parts.items():
        for node in nodes(actor, own):
            leader[find(node)] = find(actor)
    found: dict[int, dict[int, list[Part]]] = {}
    for actor, own in sorted(parts.items()):
        if own:
            found.setdefault(find(actor), {})[actor] = own
    return list(found.values())


def is_campaign(campaign: Campaign) -> bool:
    """Two in lockstep are a pair; one actor's flood is a campaign of its own. Where every like counts in full there is
    nothing that speaks against anybody.
    """
    flood = CAMPAIGN_KINDS.index("flood")
    if not any(p.weight < p.likes for parts in campaign.parts.values() for p in parts):
        return False
    return len(campaign.parts) >= LEAST_ACTORS or any(
        p.kind == flood for parts in campaign.parts.values() for p in parts
    )


def body(campaign: Campaign) -> dict[str, Any]:
    """As in `campaigns.v1`."""
    parts = [part for _, of_actor in sorted(campaign.parts.items()) for part in of_actor]
    actors = {p.actor_id for p in parts if p.actor_id is not None}
    targets, creators = {t for p in parts for t in p.targets}, {c for p in parts for c in p.creators}
    kind, scale = _most(parts, len(campaign.parts), actors & creators)
    likes, weight = sum(p.likes for p in parts), round(sum(p.weight for p in parts), 2)
    said = {
        "campaign_id": campaign.campaign_id,
        "kind": kind,
        "scale_seconds": scale,
        "actors": nsmallest(NAMED, actors),
        "actor_count": len(campaign.parts),
        "targets": nsmallest(NAMED, targets),
        "target_count": min(len(targets), 10_000),
        "creators": nsmallest(NAMED, creators),
        "creator_count": len(creators),
        "first_at": min(p.first_at for p in parts),
        "last_at": campaign.last_at,
        "likes": likes,
        "weight": weight,
    }
    ranked = sorted(parts, key=lambda p: (-p.strength, p.sentence))
    sentences = list(dict.fromkeys(p.sentence for p in ranked))[:SENTENCES]
    return {
        **said,
        "evidence": [_summary(said), *sentences],
        "revision": campaign.revision,
        "merged_into": None,
        "expired": False,
        "withdrawn": False,
    }


def _most(parts: list[Part], actors: int, creators: set[str]) -> tuple[str, int]:
    """Kind and scale of most of its parts. A campaign most of whose actors are its targets' creators is a ring."""
    kinds, scales = Counter(p.kind for p in parts), Counter(p.scale_seconds for p in parts)
    kind = CAMPAIGN_KINDS[min(kinds, key=lambda k: (-kinds[k], k))]
    if kind == "lockstep" and 2 * len(creators) > actors:
        kind = "ring"
    return kind, min(scales, key=lambda s: (-scales[s], s))


def _summary(said: dict[str, Any]) -> str:
    creators = f" of {_count(said['creator_count'], 'creator')}" if said["creator_count"] else ""
    span = _duration(said["last_at"] - said["first_at"])
    return (
        f"{_count(said['actor_count'], 'account')}, {_count(said['target_count'], 'target')}{creators}, "
        f"{_count(said['likes'], 'like')} within {span}; they count for {said['weight']:g} now."
    )


def _count(number: int, of: str) -> str:
    return f"{number:,} {of}{'s' if number != 1 else ''}"


def _duration(ms: int) -> str:
    for size, unit in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second")):
        if ms >= 2 * size:
            return _count(round(ms / size), unit)
    return "a second"
