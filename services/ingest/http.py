"""`POST /v1/likes`, `/v1/exposures` and `/v1/reviews`: one event or many; 202 only for what Kafka has acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from services.ingest.settings import IngestSettings
from shared.auth import too_many
from shared.bodies import Event, split_body
from shared.body_reader import BODY_SECONDS, BodyReader, BodyTooLarge, Overloaded
from shared.contract import decode, reviews, slates
from shared.contract.envelopes import Ignored
from shared.contract.opening import DoesNotFit
from shared.events import Like
from shared.exposures import Exposure
from shared.health import Health
from shared.problems import problem, responses
from shared.reviews import Review
from shared.topics import EXPOSURES, LIKES, REVIEWS

# What a like in an envelope may look like is in docs/events.md.
LIKE_OR_ENVELOPE = {"anyOf": [Like.model_json_schema(), {"type": "object", "description": "A like in an envelope"}]}
ACKNOWLEDGE_SECONDS = 10.0


def _likes_actor(event: Event, now: int) -> str:
    return str(decode.parse(event.value, event.headers, now).actor_id)


def _slates_actor(event: Event, now: int) -> str:
    return str(slates.parse(event.value, event.headers, now).actor_id)


def _reviewed_actor(event: Event, now: int) -> str:
    return reviews.parse(event.value).actor_id


def _in_place(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with all that it refers to in place: within an API's document references lead elsewhere."""
    known = schema.get("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, list):
            return [resolved(one) for one in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolved(known[node["$ref"].rpartition("/")[2]])
        return {name: resolved(one) for name, one in node.items() if name != "$defs"}

    found: dict[str, Any] = resolved(schema)
    return found


@dataclass(frozen=True)
class Kind:
    """What may be posted where, and what the API's document says of it: which topic it goes to, how to find its actor
    (raises DoesNotFit, Ignored), what it is called in a refusal, its schema.
    """

    path: str
    says: str
    topic: str
    actor: Callable[[Event, int], str]
    called: str
    schema: dict[str, Any]
    types: tuple[str, ...] = ()


LIKE_KIND: Final = Kind(
    "/v1/likes",
    "Accept likes. Each event is checked by itself; 202 means: what is counted as accepted is in Kafka. Where nothing "
    "is accepted the answer is 422, with the reasons by the event's index.",
    LIKES,
    _likes_actor,
    "a like",
    LIKE_OR_ENVELOPE,
    ("application/cloudevents+json", "application/activity+json"),
)
SLATE_KIND: Final = Kind(
    "/v1/exposures",
    "Accept slates: what was put before whom, and what chance kept back (docs/choice.md). As for likes.",
    EXPOSURES,
    _slates_actor,
    "a slate",
    {
        "anyOf": [
            _in_place(Exposure.model_json_schema()),
            {"type": "object", "description": "A slate in an envelope"},
        ]
    },
    ("application/cloudevents+json",),
)
REVIEW_KIND: Final = Kind(
    "/v1/reviews",
    "Accept reviews: what reviewers found actors to be (docs/loop.md). As for likes.",
    REVIEWS,
    _reviewed_actor,
    "a review",
    Review.model_json_schema(),
)
KINDS: Final = (LIKE_KIND, SLATE_KIND, REVIEW_KIND)


def _many(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema, "minItems": 1}


def _body(kind: Kind) -> dict[str, Any]:
    """The bodies that a kind may come in, for the API's document."""
    content: dict[str, Any] = {
        "application/json": {"schema": {"anyOf": [kind.schema, _many(kind.schema)]}},
        "application/x-ndjson": {"schema": {"type": "string"}},
        "application/json-seq": {"schema": {"type": "string"}},
        **{name: {"schema": {"type": "object"}} for name in kind.types},
    }
    if kind.types:
        content["application/cloudevents-batch+json"] = {"schema": _many(kind.schema)}
    return {"requestBody": {"required": True, "content": content}}


class EventError(BaseModel):
    index: Annotated[int, Field(description="Place of the event in the request, from 0")]
    errors: list[str]


class Receipt(BaseModel):
    accepted: int
    rejected: int
    ignored: Annotated[int, Field(description="Events of their source that are about something else")] = 0
    errors: list[EventError]


class Gate(BodyReader):
    """Where HTTP events enter Kafka; `producer` is None while the broker is away."""

    def __init__(self, settings: IngestSettings) -> None:
        super().__init__()
        self.settings = settings
        self.producer: AIOKafkaProducer | None = None
        self.counters = dict.fromkeys(("http_accepted", "http_rejected", "http_ignored", "http_unavailable"), 0)

    async def take(self, events: list[Event], kind: Kind = LIKE_KIND) -> Receipt:
        """Check and send. Raises KafkaError or TimeoutError where not all is acknowledged."""
        self.likes_under_way += len(events)
        try:
            return await self._send(events, kind)
        finally:
            self.likes_under_way -= len(events)

    async def _send(self, events: list[Event], kind: Kind) -> Receipt:
        assert self.producer is not None
        now = int(time.time() * 1000)
        errors, acknowledgements, ignored = [], [], 0
        async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
            for index, event in enumerate(events):
                try:
                    actor = kind.actor(event, now)
                except DoesNotFit as error:
                    errors.append(EventError(index=index, errors=list(error.errors)))
                    continue
                except Ignored:
                    ignored += 1
                    continue
                # Waits while the producer's buffer is full.
                acknowledgements.append(
                    await self.producer.send(
                        kind.topic, event.value, key=actor.encode(), headers=list(event.headers.items())
                    )
                )
            await asyncio.gather(*acknowledgements)
        self.counters["http_accepted"] += len(acknowledgements)
        self.counters["http_rejected"] += len(errors)
        self.counters["http_ignored"] += ignored
        return Receipt(accepted=len(acknowledgements), rejected=len(errors), ignored=ignored, errors=errors)

    def unavailable(self, why: str) -> Response:
        self.counters["http_unavailable"] += 1
        return problem(503, why, {"Retry-After": "2"})


def build_app(gate: Gate, health: Health) -> FastAPI:
    app = FastAPI(title="Truelike ingest", version="1", routes=health.routes())
    nothing = {"model": Receipt, "description": "Nothing to accept: every event is about something else"}
    answers = {200: nothing, **responses(400, 401, 403, 408, 413, 422, 429, 503)}

    for kind in KINDS:
        app.add_api_route(
            kind.path,
            _poster(gate, kind),
            methods=["POST"],
            status_code=202,
            response_model=Receipt,
            responses=answers,
            openapi_extra=_body(kind),
            name=f"post {kind.path.rpartition('/')[2]}",
            description=kind.says,
        )
    return app


def _poster(gate: Gate, kind: Kind) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        return await _post(gate, request, kind)

    return post


async def _post(gate: Gate, request: Request, kind: Kind) -> Response:
    most = gate.settings.ingest_max_body_bytes
    try:
        async with gate.body(request, most) as body:
            answer = await _answer(gate, request, body, kind)
    except BodyTooLarge:
        answer = problem(413, f"the body is larger than {most} bytes")
    except Overloaded:
        answer = gate.unavailable("too many events are under way; send the same ones again")
    except TimeoutError:
        answer = problem(408, f"the body did not come within {BODY_SECONDS:.0f} s")
    return answer


async def _answer(gate: Gate, request: Request, body: bytes, kind: Kind) -> Response:
    settings = gate.settings
    try:
        events = split_body(body, request.headers)
    except ValueError as error:
        return problem(400, str(error))
    if not events:
        return problem(422, "the request holds no event", accepted=0, rejected=0, errors=[])
    if len(events) > settings.ingest_max_batch:
        return problem(413, f"{len(events)} events in one request; at most {settings.ingest_max_batch}")
    if gate.producer is None:
        return gate.unavailable("the broker cannot be reached")
    if not gate.has_room(len(events)):
        raise Overloaded
    # Last, so that a call which is refused for another reason costs its token nothing.
    if (refusal := too_many(request.scope, len(events))) is not None:
        return refusal
    try:
        receipt = await gate.take(events, kind)
    except (KafkaError, TimeoutError):
        return gate.unavailable("the broker did not acknowledge; send the same events again")
    if receipt.accepted == 0 and receipt.rejected > 0:
        first = receipt.errors[0]
        none = f"none of {len(events)} events is {kind.called} that can be accepted"
        why = f"{none}; event {first.index}: {first.errors[0]}"
        return problem(422, why, **receipt.model_dump())
    return JSONResponse(receipt.model_dump(), status_code=202 if receipt.accepted else 200)
