"""Parts of actors in campaigns, as links to whom or what they belong together with."""

from __future__ import annotations

from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.detector import evidence, fusion
from services.detector.accusations import CODES
from services.detector.saying import Judged, Saying
from services.detector.signals.signal import SCALES
from shared import frames
from shared.checkpoints import Arrays
from shared.hashing import U64, mix
from shared.messages import CAMPAIGN_KINDS
from shared.slots import SlotTable

I64 = npt.NDArray[np.int64]

# Likes of one window of this length on one target are one crowd's, ms (the window of `signals.strangers`).
CROWD_MS: Final = 6 * 3_600_000
# Two things that two liked within moments are an accident that many have.
LEAST_MET: Final = 3
_KINDS: Final[dict[str, int]] = {kind: code for code, kind in enumerate(CAMPAIGN_KINDS)}


class Links:
    """Remembers what it said last of each actor, and says nothing twice."""

    def __init__(self, max_actors: int) -> None:
        self.said = SlotTable({"content": np.uint64}, max_actors)

    def of(self, judged: Judged, saying: Saying, whole: npt.NDArray[np.bool_]) -> pa.RecordBatch:
        """Links (schema `frames.LINKS`) of the actors all of whose likes are here, where they are not what was said
        last.
        """
        rows: list[dict[str, Any]] = []
        for index in np.flatnonzero(whole).tolist():
            actor = int(judged.actors[index])
            mine = _Part(judged, saying, index, actor)
            if len(mine.rows) == 0:
                continue
            links = [*mine.lockstep(), *mine.crowds(), *mine.flood()]
            if links and self._is_news(actor, links):
                rows += links
        return pa.RecordBatch.from_pylist(rows, frames.LINKS)

    def _is_news(self, actor: int, links: list[dict[str, Any]]) -> bool:
        numbers = [
            (r["kind"], r["scale_seconds"], r["node"], r["first_at"], r["last_at"], r["likes"], round(r["weight"] * 20))
            for r in links
        ]
        digest = blake2b(repr(numbers).encode(), digest_size=8).digest()
        content = np.frombuffer(digest, np.uint64)
        slots, _ = self.said.insert(np.array([actor], np.uint64))
        self.said["touched"][slots] = max(r["last_at"] for r in links)
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


class _Part:
    """One actor's part in what was found."""

    def __init__(self, judged: Judged, saying: Saying, index: int, actor: int) -> None:
        self.judged, self.saying, self.actor = judged, saying, actor
        self.rows = judged.of_actor(index)
        self.times, self.targets = judged.times[self.rows], judged.targets[self.rows]

    @cached_property
    def likes(self) -> pa.RecordBatch:
        return self.saying.retained.content(self.judged.numbers[self.rows])

    def lockstep(self) -> list[dict[str, Any]]:
        """To its best partners at each scale; as of the scale where the best of them is furthest beyond the bar."""
        bars = self.saying.lockstep.pair_bars(self.actor)
        found = [
            partner
            for scale in range(len(SCALES))
            for partner in self.saying.lockstep.partners(self.actor, scale, float(bars[scale]))
            if partner.ever_met >= LEAST_MET
        ]
        if not found:
            return []
        scale = max(found, key=lambda p: (p.llr / bars[p.scale], -p.scale)).scale
        best = [p for p in found if p.scale == scale]
        peers = {p.peer: p for p in sorted(found, key=lambda p: (p.scale != scale, -p.llr), reverse=True)}
        first, last = min(p.first_at for p in best), max(p.last_at for p in best)
        mine = (self.times >= first) & (self.times <= last)
        met = np.isin(self.targets, np.array([t for p in best for t in p.targets], np.uint64)) & mine
        sentence = evidence.of_lockstep(best[0].scale, 0.0, best, [], []).sentence
        seconds = SCALES[best[0].scale] // 1000
        row = self._row("lockstep", seconds, 0, True, met, 0.0, sentence, (first, last))
        return [{**row, "node": peer, "strength": peers[peer].llr} for peer in sorted(peers)]

    def crowds(self) -> list[dict[str, Any]]:
        """To the target and window of each crowd of strangers that it was in."""
        found = []
        for slot in self._accusations("strangers"):
            one = self.saying.accusations.of(slot)
            node = mix(np.array([one["target"]], np.uint64), np.array([one["first_at"] // CROWD_MS], np.uint64))
            mine = (
                (self.targets == np.uint64(one["target"]))
                & (self.times >= one["first_at"])
                & (self.times <= one["last_at"])
            )
            sentence = evidence.of_signal("strangers", one["value"], one["baseline"], 0.0, []).sentence
            span = one["first_at"], one["last_at"]
            found.append(
                self._row("crowd", CROWD_MS // 1000, int(node[0]), False, mine, one["strength"], sentence, span)
            )
        return found

    def flood(self) -> list[dict[str, Any]]:
        """To itself."""
        found = []
        for slot in self._accusations("rate"):
            one = self.saying.accusations.of(slot)
            mine = (self.times >= one["first_at"]) & (self.times <= one["last_at"])
            sentence = evidence.of_signal("rate", one["value"], one["baseline"], 0.0, []).sentence
            span = one["first_at"], one["last_at"]
            found.append(self._row("flood", SCALES[2] // 1000, self.actor, True, mine, one["strength"], sentence, span))
        return found

    def _accusations(self, signal: str) -> list[int]:
        """Slots of this signal's accusations that convict, of any of the actor's likes."""
        if signal not in CODES:
            return []
        actors = np.full(len(self.rows), self.actor, np.uint64)
        against = self.saying.accusations.against(actors, self.targets, self.times)
        code = CODES.index(signal)
        return sorted({int(s) for s in against.slots[against.convicts[:, code], code]})

    def _row(
        self, kind: str, seconds: int, node: int, is_actor: bool, mine: Any, strength: float, sentence: str, span: Any
    ) -> dict[str, Any]:
        likes = self.likes.filter(pa.array(mine))
        weight, _ = fusion.of_stamp(self.judged.stamps[self.rows[mine]])
        return {
            "kind": _KINDS[kind],
            "scale_seconds": seconds,
            "actor": self.actor,
            "actor_id": self.likes.column("actor_id")[0].as_py(),
            "node": node,
            "node_is_actor": is_actor,
            "target_ids": sorted(set(likes.column("target_id").to_pylist())),
            "creator_ids": sorted({c for c in likes.column("creator_id").to_pylist() if c is not None}),
            "first_at": span[0],
            "last_at": span[1],
            "strength": strength,
            "likes": int(mine.sum()),
            "weight": float(weight.sum()),
            "sentence": sentence,
        }
