"""A figure in two halves: what a partition's log adds up to, and what is said of the sum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.choice.cells import Adds
from services.choice.figure import Figure
from services.choice.log import Log

S = TypeVar("S", bound=Adds)


@dataclass(frozen=True)
class Measure(Generic[S]):
    """`kind`: the state's type. Called with a log it measures that alone."""

    name: str
    kind: type[S]
    state: Callable[[Log], S]
    figures: Callable[[S], Iterator[Figure]]

    def __call__(self, log: Log) -> Iterator[Figure]:
        return self.figures(self.state(log))
