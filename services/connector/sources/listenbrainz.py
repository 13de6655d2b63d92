"""ListenBrainz: the loves of named users, read again and again from its feedback API.

The API lists loves, newest first, and says nothing of one that was taken back: it is missing. So the newest loves of
each user are remembered; one that is gone from among them, or was given anew, is an unlike. Older ones are not missed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final, Literal
from urllib.parse import quote

import httpx
import msgspec
import structlog
from pydantic import BaseModel, ValidationError

from services.connector.convert import Counts
from services.connector.kind import Emit
from services.connector.pulling import clock_ms, pulled
from services.connector.settings import ConnectorSettings
from shared.dependency import Dependency
from shared.frames import Output

log = structlog.get_logger()

# The most that the API gives at once.
PAGE: Final = 1000
TICK_SECONDS: Final = 1.0
REQUEST_SECONDS: Final = 30.0
# However long a server asks to be left alone, it is asked again after this.
MOST_PAUSE_SECONDS: Final = 300.0


class Love(BaseModel):
    """One row of `feedback`; `created` in s."""

    recording_mbid: str | None = None
    recording_msid: str | None = None
    score: Literal[1]
    created: int

    @property
    def recording(self) -> str:
        return self.recording_mbid or self.recording_msid or ""


class Page(BaseModel):
    """https://listenbrainz.readthedocs.io: get-feedback, with `score=1`."""

    feedback: list[Love]


class Unavailable(Exception):
    """The server does not answer, or not as its API does."""


@dataclass
class Known:
    """Loves of a user by recording, with when each was given (s). What is older than `floor` is not looked at."""

    floor: int = 0
    loves: dict[str, int] = field(default_factory=dict)


class Loves:
    """The state of a ListenBrainz connector. Pure: all of a user's loves down to his floor come in, messages go out."""

    def __init__(self, remembered: int) -> None:
        self._counts = Counts()
        self.counters = self._counts.counters
        self.changed = False
        self._remembered = remembered
        self._known: dict[str, Known] = {}
        self._looked_ms = 0

    def facts(self) -> dict[str, Any]:
        users = {user: [known.floor, known.loves] for user, known in self._known.items()}
        return {"users": users, "looked_ms": self._looked_ms}

    def restore(self, facts: Mapping[str, Any]) -> None:
        self._known = {user: Known(floor, dict(loves)) for user, (floor, loves) in facts["users"].items()}
        self._looked_ms = facts["looked_ms"]

    def begin(self, now_ms: int) -> None:
        self._known, self._looked_ms = {}, now_ms

    def cursor_ms(self) -> int:
        """When all users' loves had last been read."""
        return self._looked_ms

    def looked(self, now_ms: int) -> None:
        self._looked_ms, self.changed = now_ms, True

    def floor(self, user: str) -> int:
        return self._known[user].floor if user in self._known else 0

    def take(self, user: str, loves: Iterable[Love], now_ms: int) -> list[Output]:
        """What changed since the last look: what was taken back, then what is new, the oldest first."""
        known = self._known.setdefault(user, Known())
        found = {love.recording: love for love in loves if love.created >= known.floor}
        outputs: list[Output] = []
        for recording, created in sorted(known.loves.items(), key=lambda love: love[1]):
            if recording not in found or found[recording].created != created:
                outputs += self._judge(user, recording, created, now_ms, taken_back=True)
        for love in sorted(found.values(), key=lambda love: love.created):
            if known.loves.get(love.recording) != love.created:
                outputs += self._judge(user, love.recording, love.created, now_ms)
        self._remember(known, found)
        self.changed = self.changed or bool(outputs)
        return outputs

    def _judge(self, user: str, recording: str, created: int, now_ms: int, taken_back: bool = False) -> list[Output]:
        """A love, or its end under the same id: nobody says when that was, so it is now."""
        event = {
            "event_id": f"{user} {recording} {created}",
            "user_id": user,
            "recording_mbid": recording,
            "score": 0 if taken_back else 1,
            "created": now_ms if taken_back else created,
        }
        return self._counts.judge(msgspec.json.encode(event), f"listenbrainz/{user}/{created}", now_ms)

    def _remember(self, known: Known, found: Mapping[str, Love]) -> None:
        times = sorted((love.created for love in found.values()), reverse=True)
        if len(times) > self._remembered:
            known.floor = times[self._remembered] + 1
        known.loves = {r: love.created for r, love in found.items() if love.created >= known.floor}


class ListenBrainz(Loves):
    """The HTTP around it."""

    def __init__(self, settings: ConnectorSettings) -> None:
        super().__init__(settings.listenbrainz_remembered)
        self._users = [name.strip() for name in (settings.listenbrainz_users or "").split(",") if name.strip()]
        if not self._users:
            raise ValueError("setting LISTENBRAINZ_USERS is needed: names of users, ann,bob")
        self.dependency = Dependency("listenbrainz", Unavailable)
        self.dependency.error = "not asked yet"
        self._url = settings.listenbrainz_url.rstrip("/")
        self._seconds = settings.listenbrainz_seconds
        self._pause_until = 0.0

    async def run(self, emit: Emit) -> None:
        async with httpx.AsyncClient(timeout=REQUEST_SECONDS) as client:
            while True:
                began = time.monotonic()
                for user in self._users:
                    loves = await self._sweep(client, user, emit)
                    if loves is not None:
                        await emit(self.take(user, loves, clock_ms()))
                self.looked(clock_ms())
                await self._wait(began + self._seconds, emit)

    async def _sweep(self, client: httpx.AsyncClient, user: str, emit: Emit) -> list[Love] | None:
        """A user's loves down to his floor, None where there is no such user. Pages overlap by one love: where the
        next page lacks the last of the one before, something was taken back meanwhile, and another love may have
        slipped through; then from the beginning.
        """
        while True:
            found: list[Love] = []
            while True:
                await self._wait(self._pause_until, emit)
                offset = max(0, len(found) - 1)
                page = await self.dependency.when_available(partial(self._page, client, user, offset))
                if page is None:
                    return None
                if found and found[-1] not in page.feedback:
                    break
                new = page.feedback[page.feedback.index(found[-1]) + 1 :] if found else page.feedback
                found += new
                # A short page is not the end: servers may give fewer at once than they are asked for.
                if not new or new[-1].created < self.floor(user):
                    return found

    async def _page(self, client: httpx.AsyncClient, user: str, offset: int) -> Page | None:
        """Raises Unavailable, after the time that the server asks for."""
        url = f"{self._url}/1/user/{quote(user, safe='')}/get-feedback"
        try:
            answer = await client.get(url, params={"score": 1, "count": PAGE, "offset": offset})
        except httpx.HTTPError as error:
            raise Unavailable(f"{self._url}: {type(error).__name__} {error}") from None
        self._pause_until = time.monotonic() + _pause(answer, time.time())
        if answer.status_code == 404:
            log.warning("user not known at listenbrainz", user_id=user)
            return None
        if answer.status_code != 200:
            self.dependency.error = f"{self._url} answers {answer.status_code}"
            await asyncio.sleep(_pause(answer, time.time()))
            raise Unavailable(self.dependency.error)
        try:
            return Page.model_validate_json(answer.content)
        except ValidationError as error:
            raise Unavailable(f"{self._url}: no page of feedback: {error.errors()[0]['msg']}") from None

    @staticmethod
    async def _wait(until: float, emit: Emit) -> None:
        while (left := until - time.monotonic()) > 0:
            await emit([])
            await asyncio.sleep(min(TICK_SECONDS, left))


def _pause(answer: httpx.Response, now: float) -> float:
    """Seconds to leave the server alone: Retry-After, or X-RateLimit-Reset-In where nothing remains."""
    headers = answer.headers
    said = headers.get("retry-after")
    if said is None and (answer.status_code == 429 or headers.get("x-ratelimit-remaining") == "0"):
        said = headers.get("x-ratelimit-reset-in", "1")
    try:
        seconds = float(said or 0)
    except ValueError:
        seconds = _until(str(said), now)
    return min(MOST_PAUSE_SECONDS, max(0.0, seconds))


def _until(date: str, now: float) -> float:
    """Retry-After may be a date (RFC 9110)."""
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return 1.0


KIND: Final = pulled(
    "listenbrainz",
    "loves of named users, read from ListenBrainz's API",
    "LISTENBRAINZ_USERS=ann,bob python -m services.connector listenbrainz",
    ListenBrainz,
)
