"""Whose choice it was, in the read API: of the platform, and of one user, who alone is told."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, HTTPException
from redis.asyncio import Redis

from services.console import own_routes
from services.console.own_routes import ReportOf
from shared import redis_keys
from shared.messages import ChoiceReport, PlatformChoice

NOT_YET: Final = "no likes have been measured yet"


def router(redis: Redis) -> APIRouter:
    routes = APIRouter()
    by_path, by_query = own_routes.REPORTS

    @routes.get("/v1/choice")
    async def platform_choice() -> PlatformChoice:
        """Whose choice the platform's likes were: figures of groups, each with its interval or why there is none."""
        document = await redis.get(redis_keys.PLATFORM_CHOICE)
        if document is None:
            raise HTTPException(404, NOT_YET)
        return PlatformChoice.model_validate_json(document)

    @routes.get(by_path)
    @routes.get(by_query)
    async def choice_report(user: ReportOf) -> ChoiceReport:
        """What foretold a user's latest likes: for that user (`user:` and the id), or who shows it to each
        (`users:read`).
        """
        document = await redis.get(redis_keys.choice_report(user))
        if document is None:
            raise HTTPException(404, f"no choice report of user {user!r}: no like of theirs has been measured")
        return ChoiceReport.model_validate_json(document)

    return routes
