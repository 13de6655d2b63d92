"""Parts of actors in campaigns, as links to whom or what they belong together with."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.detector import evidence, fusion
from services.detector.accusations import CODES
from services.detector.signals.signal import SCALES
from services.detector.verdict_messages import Judged, Saying
from shared import frames, schemas
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.messages import CAMPAIGN_KINDS
from shared.slots import SlotTable

I64 = npt.NDArray[np.int64]

# Likes of one window of this length on one target are one crowd's, ms (the window of `signals.strangers`).
CROWD_MS: Final = 6 * 3_600_000
_KINDS: Final[dict[str, int]] = {kind: code for code, kind in enumerate(CAMPAIGN_KINDS)}


@njit(cache=True)
def _met(targets: Any, times: Any, places: Any, first: int, last: int) -> Any:
    """Which likes are on one of these places and within the span. Shape (n,)."""
    met = np.zeros(len(targets), np.bool_)
    for i in range(len(targets)):
        if first <= times[i] <= last:
            for place in places:
                met[i] |= place == targets[i]
    return met


class Links:
    """Remembers what it said last of each actor, and says nothing twice."""

    def __init__(self, max_actors: int) -> None:
        self.said = SlotTable({"content": np.uint64}, max_actors)

    def of(self, judged: Judged, saying: Saying, whole: npt.NDArray[np.bool_]) -> pa.RecordBatch:
        """Links (schema `schemas.LINKS`) of the actors all of whose likes are here, where they are not what was said
        last: all that an actor has, or a row without nodes where it has none any more.
        """
        news: list[_Link] = []
        none: list[int] = []
        for index in np.flatnonzero(whole).tolist():
            part = _Part(judged, saying, index)
            if len(part.rows) == 0:
                continue
            links = [*part.lockstep(), *part.crowds(), *part.flood()]
            if links and self._is_news(part.actor, links):
                news += links
            elif not links:
                none.append(part.actor)
        without = np.array(none, np.uint64)
        gone = without[self.knows(without)]
        self.said.drop(gone)
        return frames.join([_frame(news, judged, saying), _none_left(gone)], schemas.LINKS)

    def knows(self, actors: U64) -> npt.NDArray[np.bool_]:
        """Whether each has links that were said. Shape (n,)."""
        return self.said.find(actors) >= 0

    def _is_news(self, actor: int, links: list[_Link]) -> bool:
        numbers = [
            (k.kind, k.scale_seconds, k.nodes, k.first_at, k.last_at, len(k.rows), round(k.weight * 20)) for k in links
        ]
        digest = blake2b(repr(numbers).encode(), digest_size=8).digest()
        content = np.frombuffer(digest, np.uint64)
        slots, _ = self.said.insert(np.array([actor], np.uint64))
        self.said["touched"][slots] = max(k.last_at for k in links)
        news = self.said["content"][slots] != content
        self.said["content"][slots] = content
        return bool(news[0])

    def expire(self, before_ms: int) -> None:
        self.said.expire_once(before_ms)

    def forget(self, actors: U64) -> int:
        return self.said.drop(actors)

    def snapshot(self) -> Arrays:
        return self.said.snapshot("links")

    def restore(self, arrays: Arrays) -> None:
        self.said.restore("links", arrays)


@dataclass(frozen=True)
class _Link:
    """An actor's part in what was found, and the nodes that it is linked to by it. `rows`: its likes in it, of those
    judged; `any_row`: one of its likes, in it or not; `weight`: what `rows` count for now, together.
    """

    kind: str
    scale_seconds: int
    actor: int
    nodes: list[int]
    strength: float
    rows: I64
    any_row: int
    first_at: int
    last_at: int
    weight: float
    sentence: str


class _Part:
    """One actor's part in what was found."""

    def __init__(self, judged: Judged, saying: Saying, index: int) -> None:
        self.judged, self.saying, self.index = judged, saying, index
        self.actor = int(judged.actors[index])
        self.rows = judged.of_actor(index)
        self.times, self.targets = judged.times[self.rows], judged.targets[self.rows]

    def lockstep(self) -> list[_Link]:
        """To its best partners at each scale; as of the scale where the best of them is furthest beyond the bar."""
        partners, index = self.judged.partners, self.index
        beyond = partners.beyond[index]
        if not beyond.any():
            return []
        llr = np.where(beyond, partners.llr[index], 0.0)
        scale = int((llr.max(axis=1) / partners.bars[index]).argmax())
        nodes = sorted(set(partners.peer[index][beyond].tolist()))
        best = partners.together(index, scale)
        first, last = min(p.first_at for p in best), max(p.last_at for p in best)
        places = np.array([t for p in best for t in p.targets], np.uint64)
        met = _met(self.targets, self.times, places, first, last)
        sentence = evidence.of_lockstep(scale, 0.0, best, [], []).sentence
        strength = float(llr[scale].max())
        return [self._link("lockstep", SCALES[scale], nodes, strength, met, sentence, first, last)]

    def crowds(self) -> list[_Link]:
        """To the target and window of each crowd of strangers that it was in."""
        found = []
        for one in self._accusations("strangers"):
            target = np.array([one["target"]], np.uint64)
            node = int(mix(target, np.array([one["first_at"] // CROWD_MS], np.uint64))[0])
            mine = (self.targets == target) & (self.times >= one["first_at"]) & (self.times <= one["last_at"])
            found.append(self._accused("crowd", CROWD_MS, node, mine, "strangers", one))
        return found

    def flood(self) -> list[_Link]:
        """To itself."""
        found = []
        for one in self._accusations("rate"):
            mine = (self.times >= one["first_at"]) & (self.times <= one["last_at"])
            found.append(self._accused("flood", SCALES[2], self.actor, mine, "rate", one))
        return found

    def _accusations(self, signal: str) -> list[dict[str, Any]]:
        """This signal's accusations that convict, of any of the actor's likes."""
        if signal not in CODES:
            return []
        against, code = self.judged.against, CODES.index(signal)
        convicts = against.convicts[self.rows, code]
        if not convicts.any():
            return []
        return [self.saying.accusations.of(int(slot)) for slot in np.unique(against.slots[self.rows, code][convicts])]

    def _accused(self, kind: str, span_ms: int, node: int, mine: Any, signal: str, one: dict[str, Any]) -> _Link:
        sentence = evidence.of_signal(signal, one["value"], one["baseline"], 0.0, []).sentence
        return self._link(kind, span_ms, [node], one["strength"], mine, sentence, one["first_at"], one["last_at"])

    def _link(
        self,
        kind: str,
        span_ms: int,
        nodes: list[int],
        strength: float,
        mine: Any,
        sentence: str,
        first_at: int,
        last_at: int,
    ) -> _Link:
        rows = self.rows[mine]
        weight = float(fusion.of_stamp(self.judged.stamps[rows])[0].sum())
        return _Link(
            kind,
            span_ms // 1000,
            self.actor,
            nodes,
            strength,
            rows,
            int(self.rows[0]),
            first_at,
            last_at,
            weight,
            sentence,
        )


def _none_left(actors: U64) -> pa.RecordBatch:
    columns = {"actor": pa.array(actors), "nodes": pa.array([[]] * len(actors), pa.list_(pa.uint64()))}
    empty = [columns.get(f.name, pa.nulls(len(actors), f.type)) for f in schemas.LINKS]
    return pa.RecordBatch.from_arrays(empty, schema=schemas.LINKS)


def _frame(links: list[_Link], judged: Judged, saying: Saying) -> pa.RecordBatch:
    """With names for numbers: content is looked up once for all."""
    rows: list[dict[str, Any]] = []
    needed = [judged.numbers[np.r_[link.any_row, link.rows]] for link in links]
    numbers = np.unique(np.concatenate(needed)) if needed else np.zeros(0, np.int64)
    names = ("actor_id", "target_id", "creator_id")
    likes = saying.retained.content(numbers, names)
    actor_ids, targets, creators = (likes.column(name).to_pylist() for name in names)
    for link, wanted in zip(links, needed, strict=True):
        own, *at = np.searchsorted(numbers, wanted).tolist()
        rows.append(
            {
                "kind": _KINDS[link.kind],
                "scale_seconds": link.scale_seconds,
                "actor": link.actor,
                "actor_id": actor_ids[own],
                "nodes": link.nodes,
                "target_ids": sorted({targets[k] for k in at}),
                "creator_ids": sorted({creators[k] for k in at} - {None}),
                "first_at": link.first_at,
                "last_at": link.last_at,
                "strength": link.strength,
                "likes": len(link.rows),
                "weight": link.weight,
                "sentence": link.sentence,
            }
        )
    return pa.RecordBatch.from_pylist(rows, schemas.LINKS)
