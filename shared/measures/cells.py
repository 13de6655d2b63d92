"""What a log adds up to for a figure: sums by cell. Of logs that share no actor the sum is that of the whole log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from shared.measures.units import UnitSums

# What a sum is of: a policy's name, a surface, a rank; nothing where it is of all.
Cell = tuple[str, ...]


class Adds(Protocol):
    """`+` is of two parts' states that of both: whichever comes first, and however many there are."""

    def __add__(self, other: Self, /) -> Self: ...


K = TypeVar("K")
A = TypeVar("A", bound=Adds)


def added(first: Mapping[K, A], second: Mapping[K, A]) -> dict[K, A]:
    """Key by key; what only one has stays as it is."""
    return {**first, **second} | {key: first[key] + second[key] for key in first.keys() & second.keys()}


@dataclass(frozen=True)
class Cells:
    """`exposures`: how many items were shown or withheld in all."""

    exposures: int
    sums: dict[Cell, UnitSums]

    def __add__(self, other: Cells) -> Cells:
        return Cells(self.exposures + other.exposures, added(self.sums, other.sums))
