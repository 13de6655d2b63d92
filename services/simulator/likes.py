"""Likes of the simulated world as columns, and the codes that stand for ids in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

UNKNOWN: Final = -1

# Codes below are people and things of the catalogue, by place. Above: accounts, as kind, campaign and member of it; and
# things that came later, by number.
LATER: Final = 1 << 44
_CAMPAIGN_BITS: Final = 32
_MEMBER_BITS: Final = 12


def accounts(kind: int, campaign: int, size: int) -> I64:
    """Codes of a campaign's accounts. Shape (size,), at most 4,096."""
    first = (1 + kind) * LATER + ((campaign % (1 << _CAMPAIGN_BITS)) << _MEMBER_BITS)
    return first + np.arange(size, dtype=np.int64)


def account(code: int) -> tuple[int, int, int]:
    """Kind, campaign and member of an account's code."""
    rest = code % LATER
    return code // LATER - 1, rest >> _MEMBER_BITS, rest % (1 << _MEMBER_BITS)


@dataclass(frozen=True)
class Likes:
    """Arrays of shape (n,). Times in ms since the epoch; actors, targets and creators are codes; `created_ms` is when
    the account was made; `kinds` are places in KINDS of the world, `surfaces` in SURFACES of `shared.events`; `slates`
    are numbers of the slates that likes name.
    """

    times_ms: I64
    actors: I64
    targets: I64
    creators: I64
    created_ms: I64
    kinds: I64
    surfaces: I64
    slates: I64

    def __len__(self) -> int:
        return len(self.times_ms)

    def take(self, which: Any) -> Likes:
        """Rows by index, mask or slice."""
        return Likes(*(getattr(self, f.name)[which] for f in fields(self)))

    def in_order(self) -> Likes:
        return self.take(np.argsort(self.times_ms, kind="stable"))


def likes(times_ms: I64, actors: I64, targets: I64, creators: I64, created_ms: Any, kind: int, surfaces: Any) -> Likes:
    """Likes of one kind, which name no slates; `created_ms` and `surfaces` may be one number for all."""
    n = len(times_ms)
    created, kinds, shown = (np.broadcast_to(np.asarray(x, np.int64), n) for x in (created_ms, kind, surfaces))
    return Likes(times_ms.astype(np.int64), actors, targets, creators, created, kinds, shown, np.full(n, UNKNOWN))


NONE: Final = Likes(*(np.zeros(0, np.int64) for _ in fields(Likes)))


def joined(parts: Sequence[Likes]) -> Likes:
    return Likes(*(np.concatenate([getattr(p, f.name) for p in (NONE, *parts)]) for f in fields(Likes)))


def ragged(starts: I64, counts: I64) -> I64:
    """The numbers starts[i], starts[i] + 1, ... counts[i] of them, for each i in turn."""
    return np.repeat(starts - (np.cumsum(counts) - counts), counts) + np.arange(int(counts.sum()))
