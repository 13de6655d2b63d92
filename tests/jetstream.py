"""A Jetstream of our own on loopback: recorded frames from a cursor on, connections that break, events sent twice."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

POST = "app.bsky.feed.post"
LIKE = "app.bsky.feed.like"
REPOST = "app.bsky.feed.repost"


def commit(time_us: int, did: str, rkey: str, subject: str | None, collection: str = LIKE) -> dict[str, Any]:
    """A record made, or, without a subject, deleted."""
    found: dict[str, Any] = {"rev": f"3l{time_us}", "collection": collection, "rkey": rkey}
    if subject is None:
        found |= {"operation": "delete"}
    else:
        record = {
            "$type": collection,
            "createdAt": "2019-01-01T00:00:00.000Z",
            "subject": {"cid": "bafyreidwaivazkwu67xztlmuobx35hs2lnfh3kolmgfmucldvhd3sgzcqi", "uri": subject},
        }
        found |= {
            "operation": "create",
            "record": record,
            "cid": "bafyreia2ijzyxqvyuvpfbvxjsgmu2fy3kh5cbsufbhs4zlbdkz3tyt4f6q",
        }
    return {"did": did, "time_us": time_us, "kind": "commit", "commit": found}


def account(time_us: int, did: str, active: bool, status: str | None = None) -> dict[str, Any]:
    found = {"active": active, "did": did, "seq": time_us % 1_000_000, "time": "2026-01-01T00:00:00.000Z"}
    if status is not None:
        found["status"] = status
    return {"did": did, "time_us": time_us, "kind": "account", "account": found}


def identity(time_us: int, did: str) -> dict[str, Any]:
    found = {"did": did, "handle": "someone.example", "seq": time_us % 1_000_000, "time": "2026-01-01T00:00:00.000Z"}
    return {"did": did, "time_us": time_us, "kind": "identity", "identity": found}


class JetstreamServer:
    """Sends what is in `frames` (in order of time_us) and at or after a connection's cursor, every tenth frame twice;
    breaks each connection after `drop_after` frames. `pause`: seconds between frames.
    """

    def __init__(self, frames: list[dict[str, Any]], drop_after: int | None = None, pause: float = 0.0) -> None:
        self.frames = frames
        self.drop_after = drop_after
        self.pause = pause
        self.queries: list[dict[str, list[str]]] = []
        self.sent = 0
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> JetstreamServer:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        async with serve(self._session, "127.0.0.1", 0) as server:
            self.url = f"ws://127.0.0.1:{_port(server)}/subscribe"
            self._started.set()
            await self._stop.wait()

    async def _session(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = parse_qs(urlsplit(socket.request.path).query)
        self.queries.append(query)
        cursor, sent, place = int(query["cursor"][0]), 0, 0
        try:
            while socket.state is State.OPEN:
                for frame in self.frames[place:]:
                    place += 1
                    if frame["time_us"] < cursor or not _wanted(frame, query["wantedCollections"]):
                        continue
                    for _ in range(2 if sent % 10 == 0 else 1):
                        await socket.send(json.dumps(frame))
                    sent += 1
                    self.sent += 1
                    if sent == self.drop_after:
                        socket.transport.abort()
                        return
                    await asyncio.sleep(self.pause)
                await asyncio.sleep(0.02)
        except ConnectionClosed:
            return


def _wanted(frame: dict[str, Any], collections: list[str]) -> bool:
    return frame["kind"] != "commit" or frame["commit"]["collection"] in collections


def _port(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])
