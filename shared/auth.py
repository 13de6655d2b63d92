"""What stands between the network and a service's HTTP routes: tokens, rates, headers. ASGI, no framework."""

from __future__ import annotations

import ipaddress
import math
import re
import time
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.access_tokens import Access, Caller
from shared.access_tokens import Scope as AccessScope
from shared.problems import problem

# Who calls; None where everybody may. A route that looks here and finds nothing is not behind this check.
CALLER: Final = "truelike.caller"
# Orchestrators ask these without a token; they say nothing of anybody.
OPEN: Final = frozenset({"/healthz", "/readyz", "/", "/page.js", "/page.css", "/docs", "/openapi.json"})


@dataclass(frozen=True)
class WriteRoutes:
    """Where a service takes what others say. `checked`: it checks every call there itself (a signature, a key), so that
    none needs a token as well. `scopes`: of paths that ask for another one than likes do.
    """

    paths: frozenset[str]
    checked: bool = False
    scopes: Mapping[str, AccessScope] = field(default_factory=dict)

    def scope_of(self, path: str) -> AccessScope:
        return self.scopes.get(path, "likes:write")


@dataclass(frozen=True)
class OwnRoutes:
    """Where a service tells of one user. `paths`: whole paths, as they are sent. Of whom is known only where an id has
    been decoded, so each of these routes checks `Caller.may_read_of` itself. `anybodys`: the scope that reads all.
    """

    paths: tuple[re.Pattern[str], ...]
    anybodys: AccessScope

    def hold(self, path: str) -> bool:
        return any(pattern.fullmatch(path) for pattern in self.paths)


# A reviewer is to say what was found, and not what anybody liked; who sends likes is not to judge its own.
LIKES_ROUTES: Final = WriteRoutes(
    frozenset({"/v1/likes", "/v1/exposures", "/v1/reviews"}), scopes={"/v1/reviews": "reviews:write"}
)

_POLICY: Final = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
# Swagger UI comes from a CDN, with a script and a style of its own in the page.
_DOCS: Final = " https://cdn.jsdelivr.net 'unsafe-inline'"
_DOCS_POLICY: Final = (
    f"default-src 'none'; script-src 'self'{_DOCS}; style-src 'self'{_DOCS}; connect-src 'self'; "
    "img-src 'self' data: https://fastapi.tiangolo.com"
)
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class AuthMiddleware:
    """Lets in who may come in. `access` None: everybody, for a service that only this machine reaches."""

    def __init__(
        self,
        app: ASGIApp,
        access: Access | None,
        write_routes: WriteRoutes = LIKES_ROUTES,
        own_routes: Sequence[OwnRoutes] = (),
    ) -> None:
        self._app = app
        self._access = access
        self._write_routes = write_routes
        self._own_routes = own_routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # This and routes decide by the path as it was sent: decoded, `/v1/likes%0A` is `/v1/likes` to a route alone.
        scope = {**scope, "path": scope["raw_path"].decode("latin-1")}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["Content-Security-Policy"] = _DOCS_POLICY if scope["path"] == "/docs" else _POLICY
            await send(message)

        # A write route comes first: one at "/" is not open because a page there would be.
        is_open = self._write_routes.checked if scope["path"] in self._write_routes.paths else scope["path"] in OPEN
        if self._access is None:
            scope[CALLER] = None
        refusal = self._refusal(self._access, scope) if self._access is not None and not is_open else None
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, access: Access, scope: Scope) -> ASGIApp | None:
        kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            return problem(401, "show a token: Authorization: Bearer ...", {"WWW-Authenticate": "Bearer"})
        caller = access.caller(token.strip())
        if caller is None:
            challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return problem(401, "this token is not known here", challenge)
        writes = scope["path"] in self._write_routes.paths
        own = None if writes else next((own for own in self._own_routes if own.hold(scope["path"])), None)
        wanted: AccessScope = own.anybodys if own is not None else "read"
        if writes:
            wanted = self._write_routes.scope_of(scope["path"])
        if not caller.may(wanted) and not (own is not None and caller.is_user()):
            return problem(403, *lacking(wanted))
        scope[CALLER] = caller
        # Likes are counted by who reads the body.
        return None if writes else too_many(scope, 1)


def lacking(wanted: AccessScope) -> tuple[str, dict[str, str]]:
    """What an answer with status 403 says, and its headers. They name no user: an id may hold what no header may."""
    challenge = f'Bearer error="insufficient_scope", scope="{wanted}"'
    return f"this token lacks the scope {wanted}", {"WWW-Authenticate": challenge}


def too_many(scope: MutableMapping[str, Any], units: int) -> Response | None:
    """An answer with status 429 if the caller asks for more than its rate, else None: the units are taken."""
    caller: Caller | None = scope.get(CALLER)
    wait = caller.bucket.take(units, time.monotonic()) if caller is not None else 0.0
    if wait == 0:
        return None
    return problem(429, "this token asks for more than its rate", {"Retry-After": str(math.ceil(wait))})


def only_this_machine(host: str) -> bool:
    """Whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
