"""A figure in two halves: what a part of a log adds up to, and what is said of the sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.measures.cells import Adds
from shared.measures.figure import Figure

L = TypeVar("L")
S = TypeVar("S", bound=Adds)


@dataclass(frozen=True)
class Measure(Generic[L, S]):
    """`kind`: the state's type. Called with a log it measures that alone."""

    name: str
    kind: type[S]
    state: Callable[[L], S]
    figures: Callable[[S], Iterator[Figure]]

    def __call__(self, log: L) -> Iterator[Figure]:
        return self.figures(self.state(log))
