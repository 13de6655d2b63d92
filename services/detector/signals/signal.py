"""What every signal is: it takes likes in order of event time and says what speaks against whom.

One signal is one module; `services.detector.signals` lists them. A signal holds bounded state by key, knows no topic
and no clock, and its findings depend on the likes and their times alone, not on how they came in batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, Protocol

import numpy as np
import numpy.typing as npt

from shared.checkpoints import Arrays
from shared.hashing import U64

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# The scales at which likes are near each other in time, ms.
SCALES: Final = (60_000, 600_000, 3_600_000, 86_400_000)

# What brings likes together at one task: their actor, their target, their actors' origin, or the unordered pair of
# their actor and their target's creator.
Key = Literal["actor", "target", "origin", "creator_pair"]


@dataclass(frozen=True)
class Rows:
    """Likes of the keys of one partition, in order of (occurred_at, actor, target). Arrays of shape (n,).

    Ids are hashes (`shared.hashing.hash_strings`), 0 where there is none. Times are ms since the epoch, -1 unknown.
    """

    occurred_at: I64
    actor: U64
    target: U64
    creator: U64
    origin: U64
    unlike: Bools
    actor_created_at: I64
    # What the actor's own stage knew at this like; zeros where `key` is "actor".
    first_seen: I64
    # Likes so far, this one included.
    actor_likes: I64
    # Shape (n, 4): likes of the actor in the current window of each of SCALES and the one before, this one included.
    recent: I64
    # A day after a like whose actor had at most two likes until then, it comes once more (`key` "target" only), and
    # is settled: a stranger's. Its time is still the like's, so these rows lie behind the others.
    settled: Bools

    def __len__(self) -> int:
        return len(self.occurred_at)

    def take(self, which: Any) -> Rows:
        """Rows by index, mask or slice."""
        return Rows(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True)
class Findings:
    """What speaks against likes: of `actor`, from `first_at` to `last_at` (ms, both included), on `target`, or on any
    target where that is 0. Arrays of shape (n,).

    `strength` is the score over its bar: from 1 on it speaks. `convicts`: it may make a bot by itself; else no more
    than a suspect. `value` and `baseline`: what was seen and what it is compared with, for the sentence.
    """

    actor: U64
    target: U64
    strength: F64
    convicts: Bools
    value: F64
    baseline: F64
    first_at: I64
    last_at: I64

    def __len__(self) -> int:
        return len(self.actor)


NOTHING: Final = Findings(
    np.zeros(0, np.uint64),
    np.zeros(0, np.uint64),
    np.zeros(0),
    np.zeros(0, np.bool_),
    np.zeros(0),
    np.zeros(0),
    np.zeros(0, np.int64),
    np.zeros(0, np.int64),
)


def joined(parts: Sequence[Findings]) -> Findings:
    return Findings(*(np.concatenate([getattr(p, f.name) for p in (NOTHING, *parts)]) for f in fields(Findings)))


class Signal(Protocol):
    """State of one partition of one signal. `name` is what evidence calls it; signals of one `family` see much the same
    thing, so that they are one witness.
    """

    name: str
    key: Key
    family: str

    def observe(self, rows: Rows, now: int) -> Findings:
        """Take in likes whose event time the watermark `now` (ms) has passed. Returns what is found, each (actor,
        target, span) as strong as it has ever been; spans that overlap are one to who reads.
        """
        ...

    @staticmethod
    def sentence(value: float, baseline: float) -> str:
        """For a moderator to read: what was seen, and what would be usual."""
        ...

    def expire(self, before_ms: int) -> None:
        """Forget what was last touched before (event time, ms)."""
        ...

    def forget(self, actors: U64) -> None:
        """Forget these actors."""
        ...

    def snapshot(self) -> Arrays: ...

    def restore(self, arrays: Arrays) -> None: ...
