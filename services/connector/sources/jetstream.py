"""Bluesky Jetstream: the network's likes over a WebSocket, from a cursor on.

The cursor is the time (`time_us`) up to which everything is in Kafka. Servers order events by it only roughly, and
other instances have other times, so reading goes on a little before it, as Jetstream's documentation advises; what
comes again carries the same ids.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec
import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from services.connector.convert import Counts
from services.connector.kind import Emit
from services.connector.pulling import clock_ms, pulled
from services.connector.settings import ConnectorSettings
from shared.contract.envelopes.jetstream import LIKE, REPOST
from shared.dependency import Dependency
from shared.forgetting import Request, messages
from shared.frames import Output

log = structlog.get_logger()

# The server leaves out what is larger: a frame that we refused would come again after every reconnect.
MOST_MESSAGE_BYTES: Final = 1 << 20
TICK_SECONDS: Final = 1.0
# After a connection that lasted this long the next one is tried at once.
STEADY_SECONDS: Final = 60.0
# Servers keep a day or a day and a half, and begin with what they have without saying so.
RETENTION_MS: Final = 24 * 3600 * 1000
REMEMBERED_ACCOUNTS: Final = 1000


class _Account(msgspec.Struct):
    active: bool = True
    status: str | None = None


class _Head(msgspec.Struct):
    """What of a frame is read here; the like itself is the contract's (shared/contract/envelopes)."""

    time_us: int
    did: str
    account: _Account | None = None


_head = msgspec.json.Decoder(_Head)


class Feed:
    """The state of a Jetstream connector. Pure: frames and times come in, messages go out."""

    def __init__(self, forget: bool, forget_after_ms: int, partitions: int = 1) -> None:
        self._counts = Counts()
        self.counters = self._counts.counters
        self.counters["forgotten_accounts"] = 0
        self.cursor_us = 0
        self.changed = False
        self._forget = forget
        self._partitions = partitions
        self._forget_after_ms = forget_after_ms
        # Accounts deleted at (µs), with when to forget them (ms), in that order; and those forgotten already.
        self._waiting: dict[str, tuple[int, int]] = {}
        self._forgotten: dict[str, int] = {}

    def facts(self) -> dict[str, Any]:
        return {"cursor_us": self.cursor_us, "waiting": self._waiting, "forgotten": self._forgotten}

    def restore(self, facts: Mapping[str, Any]) -> None:
        self.cursor_us = facts["cursor_us"]
        self._waiting = {did: (at_us, due_ms) for did, (at_us, due_ms) in facts["waiting"].items()}
        self._forgotten = dict(facts["forgotten"])

    def take(self, frame: bytes, now_ms: int) -> list[Output]:
        """What follows from one frame."""
        self.changed = True
        try:
            head = _head.decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._counts.judge(frame, f"jetstream/{self.cursor_us}", now_ms)
        if head.account is not None and self._forget:
            self._note(head.did, head.account, head.time_us, now_ms)
        outputs = self._counts.judge(frame, f"jetstream/{head.time_us}", now_ms)
        # A server whose clock runs ahead must not make us skip what comes after it.
        self.cursor_us = max(self.cursor_us, min(head.time_us, now_ms * 1000))
        return outputs

    def _note(self, did: str, account: _Account, at_us: int, now_ms: int) -> None:
        known_us = self._forgotten.get(did, -1)
        if account.active:
            # It is back. What came before its deletion is only read again.
            self._waiting = {d: w for d, w in self._waiting.items() if d != did or w[0] >= at_us}
            if known_us < at_us:
                self._forgotten.pop(did, None)
        elif account.status == "deleted" and did not in self._waiting and did not in self._forgotten:
            self._waiting[did] = (at_us, now_ms + self._forget_after_ms)

    def due(self, now_ms: int) -> list[Output]:
        """Requests to forget the accounts whose time has come, each with an id that is always the same."""
        outputs = []
        while self._waiting:
            did, (at_us, due_ms) = next(iter(self._waiting.items()))
            if due_ms > now_ms:
                break
            del self._waiting[did]
            self._forgotten[did] = at_us
            if len(self._forgotten) > REMEMBERED_ACCOUNTS:
                del self._forgotten[next(iter(self._forgotten))]
            request_id = hashlib.sha256(f"jetstream {did}".encode()).hexdigest()[:32]
            outputs += messages(Request(request_id, [did], at_us // 1000), self._partitions)
            self.counters["forgotten_accounts"] += 1
            self.changed = True
        return outputs


class Jetstream(Feed):
    """The WebSocket around it."""

    def __init__(self, settings: ConnectorSettings) -> None:
        super().__init__(
            settings.connector_forget_deleted_accounts,
            round(settings.connector_forget_after_seconds * 1000),
            settings.partitions,
        )
        if urlsplit(settings.jetstream_url).scheme not in ("ws", "wss"):
            raise ValueError("setting JETSTREAM_URL must begin with ws:// or wss://")
        self.counters["reconnects"] = 0
        self.dependency = Dependency("jetstream", OSError, WebSocketException)
        self.dependency.error = "not connected yet"
        self._url = settings.jetstream_url
        self._collections = [LIKE, REPOST] if settings.jetstream_reposts else [LIKE]
        self._rewind_us = round(settings.jetstream_rewind_seconds * 1e6)

    def begin(self, now_ms: int) -> None:
        self.cursor_us = now_ms * 1000

    def cursor_ms(self) -> int:
        return self.cursor_us // 1000

    def address(self) -> str:
        """Where to go on from. Account events come whatever collections are wanted."""
        query = [("wantedCollections", name) for name in self._collections]
        query += [("maxMessageSizeBytes", str(MOST_MESSAGE_BYTES)), ("cursor", str(self.cursor_us - self._rewind_us))]
        return f"{self._url}{'&' if urlsplit(self._url).query else '?'}{urlencode(query)}"

    async def run(self, emit: Emit) -> None:
        if clock_ms() - self.cursor_ms() > RETENTION_MS:
            log.warning("cursor is older than a day: the server may no longer have all that follows it")
        while True:
            await self.dependency.when_available(partial(self._session, emit))

    async def _session(self, emit: Emit) -> None:
        """Read until the connection breaks. Raises why, unless it worked for long."""
        began = time.monotonic()
        try:
            # Twice what is asked for: that limit is on the event, this one on the frame.
            async with connect(self.address(), max_size=2 * MOST_MESSAGE_BYTES) as socket:
                self.dependency.error = None
                log.info("connected to jetstream", cursor_us=self.cursor_us)
                while True:
                    await self._step(socket, emit)
        except (OSError, WebSocketException):
            if self.dependency.error is None:
                self.counters["reconnects"] += 1
            if time.monotonic() - began < STEADY_SECONDS:
                raise

    async def _step(self, socket: Any, emit: Emit) -> None:
        outputs: list[Output] = []
        try:
            # Given up without loss: what is not received stays in the connection.
            async with asyncio.timeout(TICK_SECONDS):
                frame = await socket.recv()
        except TimeoutError:
            pass
        else:
            outputs = self.take(frame.encode() if isinstance(frame, str) else frame, clock_ms())
        await emit([*outputs, *self.due(clock_ms())])


KIND: Final = pulled(
    "jetstream",
    "likes of the Bluesky network, over Jetstream's WebSocket",
    "python -m services.connector jetstream",
    Jetstream,
)
