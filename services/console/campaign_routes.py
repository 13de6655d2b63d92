"""Campaigns in the read API: page by page, by kind, actor and target."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from fastapi import APIRouter, HTTPException, Query
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from redis.asyncio import Redis

from services.console.ids import Identifier
from shared import redis_keys
from shared.messages import Campaign, CampaignKind

# Campaigns that one call looks at where filters leave few: the next page goes on from there.
MOST_LOOKED_AT: Final = 1000


class Campaigns(BaseModel):
    total: Annotated[int, Field(description="All that are kept, at most 10,000")]
    campaigns: list[Campaign]
    next_cursor: Annotated[
        str | None,
        Field(description="Of the page after this one, which may be shorter than `limit`; null: there is none"),
    ]


class Place(NamedTuple):
    """Of a campaign in the order of a list: by its last like, then by its id, both from the greatest."""

    last_at: int
    campaign_id: str


def to_cursor(place: Place) -> str:
    return base64.urlsafe_b64encode(f"{place.last_at}:{place.campaign_id}".encode()).decode().rstrip("=")


def of_cursor(cursor: str) -> Place:
    """Raises RequestValidationError: a cursor is one that a page gave."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        last_at, found, identifier = base64.b64decode(padded, b"-_", validate=True).decode().partition(":")
        if not found or not last_at.isascii() or not last_at.isdigit() or len(last_at) > 16:
            raise ValueError(cursor)
    except (ValueError, binascii.Error) as error:
        message = "not a cursor: take next_cursor of the page before"
        raise RequestValidationError([{"loc": ("query", "cursor"), "msg": message}]) from error
    return Place(int(last_at), identifier)


class Filter(NamedTuple):
    """What a campaign has to be, or to list, where it is not None."""

    kind: CampaignKind | None
    actor: str | None
    target: str | None

    def key(self) -> str:
        """The shortest sorted set that has all of them."""
        if self.actor is not None:
            return redis_keys.campaigns_of_actor(self.actor)
        if self.target is not None:
            return redis_keys.campaigns_of_target(self.target)
        return redis_keys.CAMPAIGNS if self.kind is None else redis_keys.campaigns_of_kind(self.kind)

    def fits(self, campaign: dict[str, Any]) -> bool:
        return (
            self.kind in (None, campaign["kind"])
            and (self.actor is None or self.actor in campaign["actors"])
            and (self.target is None or self.target in campaign["targets"])
        )


async def page(
    redis: Any, wanted: Filter, limit: int, after: Place | None
) -> tuple[list[dict[str, Any]], Place | None]:
    """Up to `limit` campaigns after a place, and the place to go on after (None: these were the last)."""
    found: list[dict[str, Any]] = []
    key, last, skipped, looked_at = wanted.key(), after, 0, 0
    while looked_at < MOST_LOOKED_AT:
        top = "+inf" if last is None else last.last_at
        rows = await redis.zrevrangebyscore(key, top, "-inf", start=skipped, num=limit + 1, withscores=True)
        places = [Place(int(score), identifier.decode()) for identifier, score in rows]
        # Others of this very instant stand before the place that it goes on after.
        places = [place for place in places if last is None or place < last]
        for place, body in zip(places, await _bodies(redis, places), strict=True):
            if len(found) == limit:
                return found, last
            last = place
            # What has gone since it was listed is left out.
            if body is not None and wanted.fits(campaign := msgspec.json.decode(body)):
                found.append(campaign)
        if len(rows) <= limit:
            return found, None
        looked_at += len(places)
        skipped = 0 if places else skipped + len(rows)
    return found, last


async def _bodies(redis: Any, places: list[Place]) -> list[bytes | None]:
    async with redis.pipeline(transaction=False) as all_of_them:
        for place in places:
            all_of_them.hget(redis_keys.campaign(place.campaign_id), "body")
        return list(await all_of_them.execute()) if places else []


def router(redis: Redis) -> APIRouter:
    routes = APIRouter(prefix="/v1/campaigns")

    @routes.get("")
    async def campaigns(
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        cursor: Annotated[str | None, Query(max_length=1024, description="`next_cursor` of the page before")] = None,
        kind: CampaignKind | None = None,
        actor: Annotated[Identifier | None, Query(description="Only those that list this actor")] = None,
        target: Annotated[Identifier | None, Query(description="Only those that list this target")] = None,
    ) -> Campaigns:
        """Likes that were given together, or by one actor as only a machine would: latest first, page by page."""
        after = None if cursor is None else of_cursor(cursor)
        found, last = await page(redis, Filter(kind, actor, target), limit, after)
        return Campaigns(
            total=await redis.zcard(redis_keys.CAMPAIGNS),
            campaigns=[Campaign.model_validate(campaign) for campaign in found],
            next_cursor=None if last is None else to_cursor(last),
        )

    @routes.get("/{campaign_id:id}")
    async def campaign(campaign_id: Identifier) -> Campaign:
        """One campaign."""
        body = await redis.hget(redis_keys.campaign(campaign_id), "body")
        if body is None:
            raise HTTPException(404, f"no campaign {campaign_id!r}: there was none, it is over, or another took it in")
        return Campaign.model_validate_json(body)

    return routes
