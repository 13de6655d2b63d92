"""What is told of one user: where it is, and that this user, and who may read it of anybody, reads it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, HTTPException, Request
from starlette.routing import compile_path

from services.console.ids import Identifier
from shared.access_tokens import Caller, Scope
from shared.auth import CALLER, OwnRoutes, lacking

# By path and by query.
REPORTS: Final = ("/v1/users/{user_id:id}/choice", "/v1/choice-report")
PREDICTIONS: Final = ("/v1/users/{user_id:id}/predictions", "/v1/predictions")
READS_REPORTS: Final = "users:read"
READS_PREDICTIONS: Final = "read"


def _matched(paths: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """What the routes themselves match these paths by."""
    return tuple(compile_path(path)[0] for path in paths)


ALL: Final = (
    OwnRoutes(_matched(REPORTS), READS_REPORTS),
    OwnRoutes(_matched(PREDICTIONS), READS_PREDICTIONS),
)


def _for(anybodys: Scope) -> Callable[[Request, str], Awaitable[str]]:
    async def of_whom(request: Request, user_id: Identifier) -> str:
        caller: Caller | None = request.scope[CALLER]
        if caller is not None and not caller.may_read_of(user_id, anybodys):
            raise HTTPException(403, *lacking(anybodys))
        return user_id

    return of_whom


# The id that was compared with the caller's scopes. A route takes it from here alone: a path and a query may hold
# several, and what is compared must be what is read.
ReportOf = Annotated[str, Depends(_for(READS_REPORTS))]
PredictionsOf = Annotated[str, Depends(_for(READS_PREDICTIONS))]
