"""Reading the bodies of HTTP requests that carry likes, within bounds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request

# A body that takes longer to come is given up: who sends a byte now and then must not hold a place.
BODY_SECONDS: Final = 30.0
# Bodies of all requests under way; more are answered with 503.
BODIES_BYTES: Final = 64 << 20
# Likes of all requests on their way to the broker. More at once would only wait longer for their answers than callers
# do; they are answered with 503. One request may always come in.
LIKES_UNDER_WAY: Final = 10_000


class BodyTooLarge(Exception):
    """One body has more bytes than the limit."""


class Overloaded(Exception):
    """All requests under way have more bytes, or more likes, than may be held."""


class BodyReader:
    """What all requests under way hold together."""

    def __init__(self) -> None:
        self.held_bytes = 0
        self.likes_under_way = 0

    @asynccontextmanager
    async def body(self, request: Request, limit: int) -> AsyncIterator[bytes]:
        """The body, held until the request is answered. Raises BodyTooLarge, Overloaded, TimeoutError."""
        held = 0
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.stream():
                    held += len(part)
                    self.held_bytes += len(part)
                    if held > limit:
                        raise BodyTooLarge
                    if self.held_bytes > BODIES_BYTES:
                        raise Overloaded
                    parts.append(part)
            yield b"".join(parts)
        finally:
            self.held_bytes -= held

    def has_room(self, likes: int) -> bool:
        return not self.likes_under_way or self.likes_under_way + likes <= LIKES_UNDER_WAY
