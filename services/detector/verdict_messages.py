"""What was judged, in words and names: verdicts as they are published."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.detector import evidence, fusion
from services.detector.accusations import CODES, Accusations, Accused
from services.detector.evidence import Evidence, Verdict
from services.detector.partners import Partner, Partners
from services.detector.published import Groups
from services.detector.retained import RetainedLikes
from services.detector.settings import Judgement
from services.detector.signals.lockstep import Lockstep
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
    """Actors, their partners, and all of their likes that are kept: numbers, whose they are (index), what they weigh
    now, and what stands against them.
    """

    actors: U64
    partners: Partners
    numbers: I64
    owner: I64
    times: I64
    targets: U64
    stamps: npt.NDArray[np.int16]
    against: Accused

    def of_actor(self, index: int) -> I64:
        """Rows of one actor's likes, in order."""
        order, bounds = self._by_owner
        return order[bounds[index] : bounds[index + 1]]

    @cached_property
    def _by_owner(self) -> tuple[I64, I64]:
        order = np.argsort(self.owner, kind="stable")
        return order, np.searchsorted(self.owner[order], np.arange(len(self.actors) + 1))


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
        against = judged.against
        slots = _strongest(groups.of_row[rows], against.slots[rows], against.strength[rows], len(groups.owner))[said]
        strength = np.where(slots >= 0, self.accusations.table["strength"][slots], 0.0)
        owners = np.unique(groups.owner[said])
        about = dict(zip(owners.tolist(), self._about(judged, owners), strict=True))
        encode = msgspec.json.Encoder().encode
        outputs = []
        probability, _ = fusion.of_stamp(groups.stamp)
        for at, g in enumerate(said.tolist()):
            one = about[int(groups.owner[g])]
            start, code = int(groups.window[g]), int(groups.label[g])
            verdict = Verdict(
                f"{one.actor_id}@{start}",
                one.actor_id,
                start,
                start + self.window_ms,
                LABELS[code],
                round(float(probability[g]), 4),
                int(groups.likes[g]),
                int(revision[g]),
                self._evidence(judged.partners, one, slots[at].tolist(), strength[at].tolist(), code == AGENT),
            )
            outputs.append(Output(VERDICTS, encode(verdict), self.partition, one.actor_id.encode()))
        return outputs

    def _about(self, judged: Judged, owners: I64) -> list[_About]:
        """Names that evidence against these actors may need."""
        rows = [judged.of_actor(owner) for owner in owners.tolist()]
        ends = np.cumsum([len(r) for r in rows])
        likes = self.retained.content(judged.numbers[np.concatenate(rows)], ("actor_id", "target_id"))
        actor_ids = likes.column("actor_id").take(pa.array(ends - 1)).to_pylist()
        targets = likes.column("target_id").to_pylist()
        return [
            _About(
                index,
                actor_id,
                dict(zip(judged.targets[mine].tolist(), targets[end - len(mine) : end], strict=True)),
                {},
            )
            for index, actor_id, mine, end in zip(owners.tolist(), actor_ids, rows, ends.tolist(), strict=True)
        ]

    def _evidence(
        self, partners: Partners, about: _About, slots: list[int], strength: list[float], agent: bool
    ) -> list[Evidence]:
        """What stands in these slots (by code, -1: nothing), the strongest first."""
        found = [evidence.of_agent()] if agent else []
        worth = [code for code, value in enumerate(strength) if value >= WORTH_SAYING]
        # One sentence of lockstep: at the scale where it says most.
        for scale in sorted((code for code in worth if code < len(SCALES)), key=lambda code: -strength[code]):
            if scale not in about.lockstep:
                about.lockstep[scale] = self._lockstep(partners.at(about.index, scale), about, scale, strength[scale])
            one = about.lockstep[scale]
            if one is not None:
                found.append(one)
                break
        for code in (code for code in worth if code >= len(SCALES)):
            row = self.accusations.of(slots[code])
            targets = [about.targets[row["target"]]] if row["target"] in about.targets else []
            found.append(evidence.of_signal(CODES[code], row["value"], row["baseline"], row["strength"], targets))
        return sorted(found, key=lambda e: (-e.strength, e.signal))

    def _lockstep(self, partners: list[Partner], about: _About, scale: int, strength: float) -> Evidence | None:
        if not partners:
            return None
        peers = self.lockstep.peers.of(np.array([p.peer for p in partners], np.uint64)).tolist()
        named = sorted(name for name in peers if name is not None)
        shared = sorted({about.targets[t] for p in partners for t in p.targets if t in about.targets})
        return evidence.of_lockstep(scale, strength, partners, named, shared)


@dataclass(frozen=True)
class _About:
    """One actor of those judged: its id, the ids of what it liked, by hash, and its evidence of lockstep, by scale."""

    index: int
    actor_id: str
    targets: dict[int, str]
    lockstep: dict[int, Evidence | None]


def _strongest(group: I64, slots: I64, strength: npt.NDArray[np.float64], groups: int) -> I64:
    """By group and code, the slot of the strongest accusation of any of its likes, -1: none. Shape (groups, codes)."""
    best = np.full((groups, slots.shape[1]), -1, np.int64)
    for code in range(slots.shape[1]):
        order = np.lexsort((slots[:, code], strength[:, code]))
        order = order[slots[order, code] >= 0]
        best[group[order], code] = slots[order, code]
    return best
