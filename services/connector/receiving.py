"""Takes a source that calls over HTTP: answered 200 only when the broker has acknowledged what the call holds."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka.errors import KafkaError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from services.connector.convert import rejected
from services.connector.delivery import Delivery
from services.connector.kind import Kind, Posted
from services.connector.settings import ConnectorSettings
from shared.auth import WriteRoutes, too_many
from shared.bodies import Event, split_body
from shared.body_reader import BODY_SECONDS, BodyReader, BodyTooLarge, Overloaded
from shared.contract.envelopes import Ignored
from shared.contract.opening import DoesNotFit
from shared.dependency import Dependency
from shared.frames import Output
from shared.health import Sample
from shared.problems import problem

log = structlog.get_logger()

ACKNOWLEDGE_SECONDS: Final = 10.0


@dataclass
class Judged:
    """What became of the events of one call."""

    outputs: list[Output] = field(default_factory=list)
    accepted: int = 0
    ignored: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)


class Receiver(BodyReader):
    """The HTTP routes of a source, and the producer behind them."""

    def __init__(self, settings: ConnectorSettings, kind: str, source: Posted) -> None:
        super().__init__()
        self.settings = settings
        self.source = source
        self.counters = dict.fromkeys(("read", "accepted", "rejected", "ignored", "refused", "unavailable"), 0)
        self.delivery = Delivery(settings, settings.connector_max_pending)
        self.kafka = Dependency("kafka", KafkaError)
        self.kafka.error = "not connected yet"
        self._kind = kind
        self._failed = asyncio.Event()

    @property
    def write_routes(self) -> WriteRoutes:
        return WriteRoutes(frozenset(self.source.paths), self.source.checked)

    def routes(self) -> list[BaseRoute]:
        return [Route(path, self._post, methods=["POST"]) for path in self.source.paths]

    async def run(self) -> None:
        """Keep a producer open until cancelled; one that failed is replaced."""
        while True:
            self._failed.clear()
            await self.kafka.when_available(self.delivery.open)
            await self._failed.wait()
            self.kafka.error = "the last messages were not acknowledged"

    async def finish(self) -> None:
        await self.delivery.close()

    async def _post(self, request: Request) -> Response:
        limit = self.settings.connector_max_body_bytes
        try:
            async with self.body(request, limit) as body:
                return await self._answer(request, body)
        except BodyTooLarge:
            return problem(413, f"the body is larger than {limit} bytes")
        except Overloaded:
            return self._unavailable("too many likes are under way; send the same again")
        except TimeoutError:
            return problem(408, f"the body did not come within {BODY_SECONDS:.0f} s")

    async def _answer(self, request: Request, body: bytes) -> Response:
        if (why := self.source.refusal(body, request.headers)) is not None:
            self.counters["refused"] += 1
            return problem(401, why, {"WWW-Authenticate": self.source.challenge})
        try:
            events = split_body(_unpacked(body, request, self.settings.connector_max_body_bytes), request.headers)
        except ValueError as error:
            return problem(400, str(error))
        if len(events) > self.settings.connector_max_batch:
            return problem(413, f"{len(events)} events in one call; at most {self.settings.connector_max_batch}")
        if not self.delivery.is_open:
            return self._unavailable("the broker cannot be reached")
        if not self.has_room(len(events)):
            raise Overloaded
        if (limited := too_many(request.scope, len(events))) is not None:
            return limited
        judged = self._judge(events, request, int(time.time() * 1000))
        self.likes_under_way += len(events)
        try:
            await asyncio.wait_for(self._deliver(judged.outputs), ACKNOWLEDGE_SECONDS)
        except TimeoutError:
            # It is away, and may still take what the producer goes on offering it.
            return self._unavailable("the broker did not acknowledge; send the same again")
        except KafkaError as error:
            log.warning("not acknowledged", error=str(error))
            self._failed.set()
            return self._unavailable("the broker did not acknowledge; send the same again")
        finally:
            self.likes_under_way -= len(events)
        return self._receipt(judged, len(events))

    def _judge(self, events: list[Event], request: Request, now_ms: int) -> Judged:
        judged, source = Judged(), f"{self._kind}{request.url.path}"
        for index, event in enumerate(events):
            try:
                judged.outputs.append(self.source.like(event, request.url.path, request.headers, now_ms))
            except DoesNotFit as error:
                judged.errors.append({"index": index, "errors": list(error.errors)})
                judged.outputs.append(rejected(event.value, error, source, now_ms))
            except Ignored:
                judged.ignored += 1
            else:
                judged.accepted += 1
        return judged

    async def _deliver(self, outputs: list[Output]) -> None:
        await asyncio.gather(*await self.delivery.hand_over(outputs))

    def _receipt(self, judged: Judged, count: int) -> Response:
        found: dict[str, Any] = {"accepted": judged.accepted, "rejected": len(judged.errors), "ignored": judged.ignored}
        for name, number in {"read": count, **found}.items():
            self.counters[name] += number
        if judged.errors and not judged.accepted and not judged.ignored:
            first = judged.errors[0]
            why = f"none of {count} events is a like that can be accepted; event {first['index']}: {first['errors'][0]}"
            return problem(422, why, **found, errors=judged.errors)
        return JSONResponse({"success": True, **found, "errors": judged.errors})

    def _unavailable(self, why: str) -> Response:
        self.counters["unavailable"] += 1
        return problem(503, why, {"Retry-After": "2"})

    def ready(self) -> dict[str, str | None]:
        return {"kafka": self.kafka.error}

    def live(self, missing: Iterable[str | None]) -> dict[str, str | None]:
        return {"progress": None}

    def samples(self) -> Iterable[Sample]:
        for name, value in self.counters.items():
            yield Sample(f"{name}_total", value, {"stage": "connector", "kind": self._kind})


def posted(name: str, summary: str, example: str, source: Callable[[ConnectorSettings], Posted]) -> Kind:
    """A kind that is posted to."""
    return Kind(name, summary, example, lambda settings: Receiver(settings, name, source(settings)))


def _unpacked(body: bytes, request: Request, limit: int) -> bytes:
    """Raises ValueError for what cannot be unpacked, and BodyTooLarge."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise ValueError(f"a body with Content-Encoding {encoding[:40]!r} cannot be read: send gzip, or none")
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        found = unpacking.decompress(body, limit + 1)
    except zlib.error as error:
        raise ValueError(f"the body is no gzip: {error}") from None
    if len(found) > limit:
        raise BodyTooLarge
    if not unpacking.eof:
        raise ValueError("the body is no whole gzip")
    return found
