"""What a kind of connector offers. It either pulls, and keeps a cursor, or is posted to, and keeps nothing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.routing import BaseRoute

from services.connector.settings import ConnectorSettings
from shared.auth import WriteRoutes
from shared.bodies import Event
from shared.dependency import Dependency
from shared.frames import Output
from shared.health import Latency, Sample

Emit = Callable[[Sequence[Output]], Awaitable[None]]


class Pulled(Protocol):
    """A source that is read. Its state follows from what it has read; `facts` are JSON values."""

    counters: dict[str, int]
    dependency: Dependency
    # Whether there is something to save.
    changed: bool

    def begin(self, now_ms: int) -> None:
        """The state of a connector that has never run."""

    def facts(self) -> dict[str, Any]: ...

    def restore(self, facts: Mapping[str, Any]) -> None: ...

    def cursor_ms(self) -> int:
        """How far it has read, in the source's time."""

    async def run(self, emit: Emit) -> None:
        """Read until cancelled. `emit` takes what the state already contains, and is called at least every few
        seconds while nothing is missing, if with nothing.
        """


class Posted(Protocol):
    """A source that calls over HTTP. `checked`: it says itself who may call; `challenge`: in what way (RFC 9110)."""

    paths: tuple[str, ...]
    checked: bool
    challenge: str

    def refusal(self, body: bytes, headers: Mapping[str, str]) -> str | None:
        """Why a caller is not let in, None: he is."""

    def like(self, event: Event, path: str, headers: Mapping[str, str], now_ms: int) -> Output:
        """Raises DoesNotFit, Ignored."""


class Worker(Protocol):
    """What runs a source of either sort. `finish` comes after `run` was cancelled, or has failed."""

    @property
    def write_routes(self) -> WriteRoutes: ...

    def routes(self) -> list[BaseRoute]: ...

    async def run(self) -> None: ...

    async def finish(self) -> None: ...

    def ready(self) -> dict[str, str | None]: ...

    def live(self, missing: Iterable[str | None]) -> dict[str, str | None]:
        """`missing`: what of its needs is away, and why. None for one that is there."""

    def samples(self) -> Iterable[Sample | Latency]: ...


@dataclass(frozen=True)
class Kind:
    """`worker` raises ValueError with a sentence where a setting is missing or wrong."""

    name: str
    summary: str
    example: str
    worker: Callable[[ConnectorSettings], Worker]
