"""What was judged, in words and names: verdicts as they are published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from services.detector import evidence, fusion
from services.detector.accusations import CODES, Accusations
from services.detector.evidence import Evidence, Verdict
from services.detector.published import Groups
from services.detector.retained import RetainedLikes
from services.detector.settings import Judgement
from services.detector.signals.lockstep import Lockstep, Partner
from services.detector.signals.signal import SCALES
from shared.frames import Output
from shared.hashing import U64
from shared.labels import AGENT, LABELS
from shared.topics import VERDICTS

I64 = npt.NDArray[np.int64]

# What is less than this of its bar is not worth a sentence.
WORTH_SAYING = 0.5


@dataclass(frozen=True)
class Judged:
    """Actors and all of their likes that are kept: numbers, whose they are (index), and what they weigh now."""

    actors: U64
    numbers: I64
    owner: I64
    times: I64
    targets: U64
    stamps: npt.NDArray[np.int16]

    def of_actor(self, index: int) -> I64:
        """Rows of one actor's likes."""
        return np.flatnonzero(self.owner == index)


class Saying:
    """Looks up names and sentences in a partition's state."""

    def __init__(
        self,
        accusations: Accusations,
        lockstep: Lockstep,
        retained: RetainedLikes,
        settings: Judgement,
        partition: int,
    ) -> None:
        self.accusations, self.lockstep, self.retained = accusations, lockstep, retained
        self.window_ms, self.partition = settings.window_ms, partition

    def verdicts(self, judged: Judged, groups: Groups, revision: npt.NDArray[np.int32]) -> list[Output]:
        """Those with a revision, as messages."""
        said = np.flatnonzero(revision)
        if len(said) == 0:
            return []
        # The likes of these windows: the strongest accusation of each window, and the names of what was liked.
        rows = np.flatnonzero(np.isin(groups.of_row, said))
        actors = judged.actors[judged.owner[rows]]
        against = self.accusations.against(actors, judged.targets[rows], judged.times[rows])
        slots = _strongest(groups.of_row[rows], against.slots, against.strength, len(groups.owner))
        names = self._names(judged, np.unique(groups.owner[said]))
        encode = msgspec.json.Encoder().encode
        outputs = []
        probability, _ = fusion.of_stamp(groups.stamp)
        for g in said.tolist():
            owner = int(groups.owner[g])
            actor_id, targets = names[owner]
            start, code = int(groups.window[g]), int(groups.label[g])
            verdict = Verdict(
                f"{actor_id}@{start}",
                actor_id,
                start,
                start + self.window_ms,
                LABELS[code],
                round(float(probability[g]), 4),
                int(groups.likes[g]),
                int(revision[g]),
                self.evidence(int(judged.actors[owner]), slots[g], targets, code == AGENT),
            )
            outputs.append(Output(VERDICTS, encode(verdict), self.partition, actor_id.encode()))
        return outputs

    def _names(self, judged: Judged, owners: I64) -> dict[int, tuple[str, dict[int, str]]]:
        """Of each of these actors: its id, and the ids of what it liked, by hash."""
        found = {}
        for owner in owners.tolist():
            rows = judged.of_actor(owner)
            likes = self.retained.content(judged.numbers[rows])
            targets = dict(zip(judged.targets[rows].tolist(), likes.column("target_id").to_pylist(), strict=True))
            found[owner] = likes.column("actor_id")[0].as_py(), targets
        return found

    def evidence(self, actor: int, slots: Any, targets: dict[int, str], agent: bool) -> list[Evidence]:
        """What stands in these slots (by code, -1: nothing), the strongest first."""
        found = [evidence.of_agent()] if agent else []
        lockstep: list[Evidence] = []
        for code, slot in enumerate(slots.tolist()):
            if slot < 0:
                continue
            one = self.accusations.of(slot)
            if one["strength"] < WORTH_SAYING:
                continue
            if code < len(SCALES):
                lockstep += self._lockstep(actor, code, one["strength"], targets)
            else:
                about = [targets[one["target"]]] if one["target"] in targets else []
                found.append(evidence.of_signal(CODES[code], one["value"], one["baseline"], one["strength"], about))
        # One sentence of lockstep: at the scale where it says most.
        found += sorted(lockstep, key=lambda e: -e.strength)[:1]
        return sorted(found, key=lambda e: (-e.strength, e.signal))

    def _lockstep(self, actor: int, scale: int, strength: float, targets: dict[int, str]) -> list[Evidence]:
        bar = float(self.lockstep.pair_bars(actor)[scale])
        partners = self.lockstep.partners(actor, scale, bar) or self.lockstep.partners(actor, scale, 0)
        if not partners:
            return []
        peers = [name for name in self.peer_names(partners) if name is not None]
        shared = sorted({targets[t] for partner in partners for t in partner.targets if t in targets})
        return [evidence.of_lockstep(scale, strength, partners, sorted(peers), shared)]

    def peer_names(self, partners: list[Partner]) -> list[str | None]:
        return self.lockstep.peers.of(np.array([p.peer for p in partners], np.uint64)).tolist()


def _strongest(group: I64, slots: I64, strength: npt.NDArray[np.float64], groups: int) -> I64:
    """By group and code, the slot of the strongest accusation of any of its likes, -1: none. Shape (groups, codes)."""
    best = np.full((groups, slots.shape[1]), -1, np.int64)
    for code in range(slots.shape[1]):
        order = np.lexsort((slots[:, code], strength[:, code]))
        order = order[slots[order, code] >= 0]
        best[group[order], code] = slots[order, code]
    return best
