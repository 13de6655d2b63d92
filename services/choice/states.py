"""What a partition's log adds up to for all figures: merged with other partitions', and sent as bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Final, get_args

import msgspec
import numpy as np

from services.choice.figures import FIGURES
from services.choice.log import Log
from shared.measures.cells import Adds, added
from shared.measures.figure import Figure

# Of the bytes of `encode`: another number where what a figure adds up is another.
VERSION: Final = 4
MEASURES: Final = {measure.name: measure for measure in FIGURES.values()}


@dataclass(frozen=True)
class States:
    """`first_at`, `last_at`: moments of what there is, ms, None where there is nothing; `of`: states by figure."""

    first_at: int | None
    last_at: int | None
    of: dict[str, Adds]

    @classmethod
    def of_log(cls, log: Log) -> States:
        first, last = log.window if any(map(len, (log.likes, log.shown, log.buys))) else (None, None)
        return cls(first, last, {name: measure.state(log) for name, measure in MEASURES.items()})

    def __add__(self, other: States) -> States:
        first, last = (
            [at for at in both if at is not None]
            for both in ((self.first_at, other.first_at), (self.last_at, other.last_at))
        )
        return States(min(first, default=None), max(last, default=None), added(self.of, other.of))

    @property
    def window(self) -> tuple[int, int]:
        """As of the whole log."""
        return self.first_at or 0, self.last_at or 0

    def figures(self) -> list[Figure]:
        """In the figures' order."""
        return [figure for name, measure in MEASURES.items() for figure in measure.figures(self.of[name])]


def merge(states: Iterable[States]) -> States:
    """Of at least one partition, in any order, all at the same moment; an actor is in one of them only."""
    return reduce(add, states)


def encode(states: States) -> bytes:
    return msgspec.msgpack.encode((states.first_at, states.last_at, states.of), enc_hook=_parts)


def decode(data: bytes) -> States:
    """Of what `encode` gave, by the types of the figures' own states; arrays can only be read."""
    first, last, raw = msgspec.msgpack.decode(data, type=tuple[int | None, int | None, dict[str, msgspec.Raw]])
    of = {
        name: msgspec.msgpack.decode(raw[name], type=measure.kind, dec_hook=_array)
        for name, measure in MEASURES.items()
    }
    return States(first, last, of)


def _parts(array: Any) -> tuple[str, tuple[int, ...], bytes]:
    """An array's kind of numbers, shape and bytes."""
    if not isinstance(array, np.ndarray):
        raise NotImplementedError(f"{type(array).__name__} is in no state")
    return array.dtype.str, array.shape, array.tobytes()


def _array(expected: Any, parts: Any) -> Any:
    """`expected`: the type of a state's field, npt.NDArray of some kind of numbers."""
    kind, shape, data = msgspec.convert(parts, tuple[str, tuple[int, ...], bytes])
    (number,) = get_args(get_args(expected)[1])
    if np.dtype(number).str != kind:
        raise ValueError(f"an array of {kind} where {np.dtype(number).str} is expected")
    return np.frombuffer(data, kind).reshape(shape)
