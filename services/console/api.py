"""The read API: what was judged and predicted, from Redis."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.console import (
    campaign_routes,
    chart_routes,
    choice_routes,
    own_routes,
    review_routes,
    schemas,
    window_routes,
)
from services.console.ids import Identifier, query_is_utf8
from services.console.own_routes import PredictionsOf
from shared import redis_keys
from shared.health import Health
from shared.labels import LABELS
from shared.messages import PredictedItem, Verdict
from shared.problems import problem, responses

ABOUT: Final = """What was judged and predicted.

An id may be anything of 1 to 512 bytes of UTF-8, and there are two ways to ask by one. In a path it reaches up to the
end, or to the path's own ending, and is decoded once: percent-encode it whole, so that a `?`, a `#` or an ending like
`/neighbours` is the id's. In a query (`/v1/targets?target_id=...`) it survives clients and proxies that change paths:
many take `.` and `..` away, join slashes or decode `%2F`.
"""


NOTHING_AGAINST: Final = "nothing that speaks against a person"


class Predictions(BaseModel):
    user_id: str
    model: str
    as_of: Annotated[str, Field(description="Event time that the ranking reflects (RFC 3339)")]
    source_offset: Annotated[int, Field(description="Offset in trusted-likes.v1 that it follows from")]
    items: list[PredictedItem]


class Actor(BaseModel):
    actor_id: str
    label: Annotated[str, Field(description="The worst of the latest revisions of its windows' verdicts")]
    human_probability: Annotated[float | None, Field(description="Of that verdict; null: there is none")]
    sentence: Annotated[str, Field(description="What speaks most against a person, or that nothing does")]
    verdicts: Annotated[
        list[Verdict],
        Field(description="Latest revision of each window, newest first; none where nothing was to be said"),
    ]


class Target(BaseModel):
    target_id: str
    likes: dict[str, int]


class Neighbour(BaseModel):
    target_id: str
    weight: Annotated[float, Field(description="Trust of the pairs of likes of both by one user, recent ones more")]


class Neighbours(BaseModel):
    target_id: str
    neighbours: list[Neighbour]


class Trending(BaseModel):
    target_id: str
    likes_a_day: Annotated[float, Field(description="Trusted likes a day, half of the weight from the last 30 days")]


class PredictionStats(BaseModel):
    figures: Annotated[
        dict[str, Any],
        Field(
            description="Prequential figures, all and of the last window, by language and surface; docs/predictor.md"
        ),
    ]
    trending: list[Trending]


class Stats(BaseModel):
    likes: Annotated[dict[str, int], Field(description="Likes by the label they have now")]
    campaigns: int
    predictions: Annotated[dict[str, Any], Field(description="Prequential figures; see docs/predictor.md")]


def worst(verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    """The verdict least in favour of a person; declared agents stay agents."""
    agents = [v for v in verdicts if v["label"] == "agent"]
    return agents[0] if agents else min(verdicts, key=lambda v: v["human_probability"])


def said_against(verdict: dict[str, Any]) -> str:
    """The verdict's strongest evidence, which comes first."""
    if verdict["label"] == "human" or not verdict["evidence"]:
        return NOTHING_AGAINST
    return str(verdict["evidence"][0]["sentence"])


def latest_revisions(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    newest: dict[str, dict[str, Any]] = {}
    for verdict in verdicts:
        known = newest.get(verdict["verdict_id"])
        if known is None or verdict["revision"] > known["revision"]:
            newest[verdict["verdict_id"]] = verdict
    return sorted(newest.values(), key=lambda v: -v["window_start"])


def build_app(redis: Redis, health: Health) -> FastAPI:
    app = FastAPI(
        title="Truelike console",
        version="1",
        description=ABOUT,
        routes=health.routes(),
        dependencies=[Depends(query_is_utf8)],
        # An id may end in a slash.
        redirect_slashes=False,
        responses=responses(401, 403, 404, 422, 429, 503),
    )

    @app.exception_handler(HTTPException)
    async def as_problem(_: Request, error: HTTPException) -> Response:
        return problem(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def as_unprocessable(_: Request, error: RequestValidationError) -> Response:
        errors = [{"field": ".".join(str(p) for p in e["loc"]), "message": e["msg"]} for e in error.errors()]
        return problem(422, "the request does not fit", errors=errors)

    @app.exception_handler(RedisError)
    async def as_unavailable(_: Request, __: RedisError) -> Response:
        return problem(503, "Redis cannot be reached", {"Retry-After": "2"})

    by_path, by_query = own_routes.PREDICTIONS

    @app.get(by_path)
    @app.get(by_query)
    async def predictions(user: PredictionsOf) -> Predictions:
        """What the user is likely to like next."""
        document = await redis.get(redis_keys.predictions(user))
        if document is None:
            raise HTTPException(404, f"no predictions for user {user!r}")
        found = msgspec.json.decode(document)
        rows = zip(found["targets"], found["probabilities"], found["because"], strict=True)
        return Predictions(
            user_id=user,
            model=found["model"],
            as_of=found["as_of"],
            source_offset=found["source_offset"],
            items=[PredictedItem(target_id=t, probability=p, because=b) for t, p, b in rows],
        )

    @app.get("/v1/actors/{actor_id:id}")
    @app.get("/v1/actors")
    async def actor(actor_id: Identifier) -> Actor:
        """What speaks against an actor being a person, with evidence; of who liked and gave no cause, just that."""
        found = [msgspec.json.decode(v) for v in await redis.lrange(redis_keys.verdict(actor_id), 0, -1)]
        if not found:
            seen = int(await redis.get(redis_keys.likes_of(actor_id)) or 0)
            if not seen:
                raise HTTPException(404, f"no like of actor {actor_id!r} was seen within 30 days")
            sentence = f"{seen:,} like{'s' if seen > 1 else ''} seen, {NOTHING_AGAINST}"
            return Actor(actor_id=actor_id, label="human", human_probability=None, sentence=sentence, verdicts=[])
        verdicts = latest_revisions(found)
        overall = worst(verdicts)
        return Actor(
            actor_id=actor_id,
            label=overall["label"],
            human_probability=overall["human_probability"],
            sentence=said_against(overall),
            verdicts=verdicts,
        )

    # Before the target, whose id would else take this ending.
    @app.get("/v1/targets/{target_id:id}/neighbours")
    @app.get("/v1/neighbours")
    async def neighbours(target_id: Identifier) -> Neighbours:
        """What those who like a target also like."""
        found = await redis.zrevrange(redis_keys.neighbours(target_id), 0, -1, withscores=True)
        if not found:
            raise HTTPException(404, f"target {target_id!r} has no neighbours: nobody liked it and something else")
        return Neighbours(target_id=target_id, neighbours=_weighted(found))

    @app.get("/v1/targets/{target_id:id}")
    @app.get("/v1/targets")
    async def target(target_id: Identifier) -> Target:
        """Who likes a target: people, suspects, bots, agents."""
        found = await redis.hgetall(redis_keys.target(target_id))
        if not found:
            raise HTTPException(404, f"no likes of target {target_id!r}")
        return Target(target_id=target_id, likes=_counts(found))

    @app.get("/v1/stats/predictions")
    async def prediction_stats(
        language: Annotated[str, Query(max_length=8, description="Trending of one language, e.g. en")] = "",
    ) -> PredictionStats:
        """How good the predictions were, and what is trending."""
        figures = await redis.get(redis_keys.FIGURES)
        most: Any = await redis.zrevrange(redis_keys.trending(language), 0, -1, withscores=True)
        return PredictionStats(
            figures=msgspec.json.decode(figures) if figures else {},
            trending=[Trending(target_id=target.decode(), likes_a_day=rate) for target, rate in most],
        )

    @app.get("/v1/stats")
    async def stats() -> Stats:
        """Likes by label, number of campaigns, how good the predictions were."""
        figures = await redis.get(redis_keys.FIGURES)
        return Stats(
            likes=_counts(await redis.hgetall(redis_keys.LABEL_COUNTS)),
            campaigns=await redis.zcard(redis_keys.CAMPAIGNS),
            predictions=msgspec.json.decode(figures) if figures else {},
        )

    of_redis = (campaign_routes, chart_routes, choice_routes, review_routes, window_routes)
    for router in (*(routes.router(redis) for routes in of_redis), schemas.router):
        app.include_router(router)

    for path, name, kind in (
        ("/", "page.html", "text/html"),
        ("/page.js", "page.js", "text/javascript"),
        ("/page.css", "page.css", "text/css"),
    ):
        content = files("services.console").joinpath(name).read_bytes()
        app.add_route(path, partial(_static, Response(content, media_type=kind)), include_in_schema=False)

    return app


async def _static(answer: Response, _: Request) -> Response:
    return answer


def _weighted(found: Any) -> list[Neighbour]:
    return [Neighbour(target_id=target.decode(), weight=weight) for target, weight in found]


def _counts(found: Mapping[Any, Any]) -> dict[str, int]:
    named = {name.decode(): int(value) for name, value in found.items()}
    return {label: named.get(label, 0) for label in LABELS}
