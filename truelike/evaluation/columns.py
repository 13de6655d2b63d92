"""Likes as flat columns: what attacks and crowds are made as, before any frame."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
# Ids, as NumPy's text of fixed width; "" where there is none.
Ids = npt.NDArray[np.str_]

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
UNKNOWN = -1


@dataclass(frozen=True)
class Likes:
    """Likes, arrays of shape (n,). Times are ms since the epoch, -1 where unknown.

    `came_at`: when the platform heard of the like; it is read in this order. `fake`: not a person's choice.
    """

    occurred_at: I64
    actor: Ids
    target: Ids
    creator: Ids
    origin: Ids
    actor_created_at: I64
    unlike: Bools
    came_at: I64
    fake: Bools

    def __len__(self) -> int:
        return len(self.occurred_at)

    def take(self, which: Any) -> Likes:
        """Rows by index, mask or slice."""
        return Likes(*(getattr(self, f.name)[which] for f in fields(self)))

    def in_order(self) -> Likes:
        """By when they came; likes of one moment stay as they are."""
        return self.take(np.argsort(self.came_at, kind="stable"))


def likes(
    occurred_at: Any,
    actor: Any,
    target: Any,
    *,
    creator: Any = "",
    origin: Any = "",
    created_at: Any = UNKNOWN,
    unlike: Any = False,
    came_at: Any = None,
    fake: Any = False,
) -> Likes:
    """Columns of one length; what is given once holds for all."""
    times = np.asarray(occurred_at, np.int64).ravel()

    def full(values: Any, kind: Any) -> Any:
        return np.broadcast_to(np.asarray(values, kind), times.shape).copy()

    return Likes(
        occurred_at=times,
        actor=full(actor, np.str_),
        target=full(target, np.str_),
        creator=full(creator, np.str_),
        origin=full(origin, np.str_),
        actor_created_at=full(created_at, np.int64),
        unlike=full(unlike, np.bool_),
        came_at=full(times if came_at is None else came_at, np.int64),
        fake=full(fake, np.bool_),
    )


def joined(*parts: Likes) -> Likes:
    return Likes(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Likes)))


def names(prefix: str, count: int) -> Ids:
    """`count` ids, for accounts and targets that were not there before."""
    return np.array([f"{prefix}-{n}" for n in range(count)], np.str_)
