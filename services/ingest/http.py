"""`POST /v1/likes`: one event, a JSON array, or NDJSON; 202 only for what Kafka has acknowledged."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from services.ingest.decode import NotALike, parse
from services.ingest.settings import IngestSettings
from shared.health import Health
from shared.problems import problem
from shared.topics import LIKES

ACKNOWLEDGE_SECONDS = 10.0


class EventError(BaseModel):
    index: Annotated[int, Field(description="Place of the event in the request, from 0")]
    errors: list[str]


class Receipt(BaseModel):
    accepted: int
    rejected: int
    errors: list[EventError]


class Gate:
    """Where HTTP likes enter Kafka; `producer` is None while the broker is away."""

    def __init__(self, settings: IngestSettings) -> None:
        self.settings = settings
        self.producer: AIOKafkaProducer | None = None
        self.counters = {"http_accepted": 0, "http_rejected": 0, "http_unavailable": 0}

    async def take(self, events: list[bytes]) -> Receipt:
        """Check and send. Raises KafkaError or TimeoutError where not all is acknowledged."""
        assert self.producer is not None
        now = int(time.time() * 1000)
        errors, acknowledgements = [], []
        for index, event in enumerate(events):
            try:
                like = parse(event, {}, now)
            except NotALike as error:
                errors.append(EventError(index=index, errors=list(error.errors)))
                continue
            acknowledgements.append(await self.producer.send(LIKES, event, key=like.actor_id.encode()))
        await asyncio.wait_for(asyncio.gather(*acknowledgements), ACKNOWLEDGE_SECONDS)
        self.counters["http_accepted"] += len(acknowledgements)
        self.counters["http_rejected"] += len(errors)
        return Receipt(accepted=len(acknowledgements), rejected=len(errors), errors=errors)


def split_body(body: bytes, content_type: str) -> list[bytes]:
    """The events of a request body as JSON texts. Raises ValueError with what is wrong."""
    if "ndjson" in content_type or "jsonl" in content_type:
        return [line for line in body.splitlines() if line.strip()]
    try:
        raw = msgspec.json.decode(body, type=list[msgspec.Raw] | dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"body is neither a JSON object nor an array: {error}") from None
    return [bytes(event) for event in raw] if isinstance(raw, list) else [body]


def build_app(gate: Gate, health: Health) -> FastAPI:
    app = FastAPI(title="Truelike ingest", version="1", routes=health.routes())
    settings = gate.settings

    @app.post(
        "/v1/likes",
        status_code=202,
        response_model=Receipt,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": {"type": ["object", "array"]}},
                    "application/x-ndjson": {"schema": {"type": "string"}},
                },
            }
        },
    )
    async def post_likes(request: Request) -> Response:
        """Accept likes. Each event is checked by itself; 202 means: what is counted as accepted is in Kafka."""
        body = await _read(request, settings.ingest_max_body_bytes)
        if body is None:
            return problem(413, f"the body is larger than {settings.ingest_max_body_bytes} bytes")
        try:
            events = split_body(body, request.headers.get("content-type", ""))
        except ValueError as error:
            return problem(400, str(error))
        if len(events) > settings.ingest_max_batch:
            return problem(413, f"{len(events)} events in one request; at most {settings.ingest_max_batch}")
        if gate.producer is None:
            gate.counters["http_unavailable"] += 1
            return problem(503, "the broker cannot be reached", {"Retry-After": "2"})
        try:
            receipt = await gate.take(events)
        except (KafkaError, TimeoutError):
            gate.counters["http_unavailable"] += 1
            return problem(503, "the broker did not acknowledge; send the same events again", {"Retry-After": "2"})
        return JSONResponse(receipt.model_dump(), status_code=202)

    return app


async def _read(request: Request, limit: int) -> bytes | None:
    """The body, or None once it is larger than `limit`."""
    parts: list[Any] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)
