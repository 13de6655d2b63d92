"""Connectors before ingest. Killed in mid stream: every like is in likes.v1, what is there twice has one id, and ingest
counts each once.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.forgetting import of_frame
from shared.frames import from_message
from shared.topics import LIKES, LIKES_REJECTED, TRUSTED_LIKES
from tests.integration.platform import Platform
from tests.jetstream import JetstreamServer, account, commit, identity
from tests.listenbrainz import ListenBrainzServer
from truelike.cli.embedded import free_port

pytestmark = pytest.mark.integration

PEOPLE = 40
EACH = 40
STEP_US = 1000
TRACK = {"type": "track", "event": "Post Liked", "userId": "ann", "properties": {"post_id": "p"}}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    running = Platform(tmp_path, ("ingest",))
    try:
        yield running
    finally:
        running.stop()


def stream(start_us: int) -> list[dict[str, Any]]:
    """Likes of people in turn; every tenth is taken back by its key alone; one account ends, one frame is broken."""
    frames: list[dict[str, Any]] = []

    def at() -> int:
        return start_us + len(frames) * STEP_US

    for turn in range(EACH):
        for person in range(PEOPLE):
            did, rkey = f"did:plc:{person:024}", f"3k{turn:08}"
            frames.append(commit(at(), did, rkey, f"at://did:plc:author/app.bsky.feed.post/{person}{turn}"))
            if turn % 10 == 9:
                frames.append(commit(at(), did, rkey, None))
    frames.append(account(at(), f"did:plc:{0:024}", False, "deleted"))
    frames.append(account(at(), f"did:plc:{1:024}", False, "deactivated"))
    frames.append(identity(at(), f"did:plc:{2:024}"))
    broken = commit(at(), f"did:plc:{3:024}", "3kbroken", "")
    del broken["commit"]["record"]["subject"]
    frames.append(broken)
    return frames


def wait_until(reached: Any, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_connector_killed_in_mid_stream_loses_nothing(platform: Platform) -> None:
    likes, unlikes = EACH * PEOPLE, EACH // 10 * PEOPLE
    with JetstreamServer([], drop_after=600, pause=0.001) as server:
        settings = {
            "JETSTREAM_URL": server.url,
            "JETSTREAM_REWIND_SECONDS": "0.1",
            "CONNECTOR_FORGET_AFTER_SECONDS": "1",
            "CHECKPOINT_SECONDS": "0.3",
        }
        platform.stack.start("connector jetstream", "connector", **settings)
        wait_until(lambda: server.queries)
        frames = stream(int(time.time() * 1e6))
        server.frames += frames
        for _ in range(3):
            before = server.sent
            wait_until(lambda before=before: server.sent > before + 350)
            platform.stack.kill("connector")
            platform.stack.start("connector jetstream", "connector", **settings)
        wait_until(lambda: platform.stack.metrics().get("ingest/accepted_total", 0) >= likes + unlikes)
        wait_until(lambda: platform.stack.metrics().get("connector/forgotten_accounts_total", 0) >= 1)
        platform.stack.wait_ready("connector")
        platform.rest(still_seconds=1.5)
        counted = platform.stack.metrics()
        assert platform.stack.stop("connector") == {"connector": 0}
    sent = [json.loads(record.value) for record in platform.read(LIKES, 2)]
    ids = Counter((like["event_id"], like.get("action", "like")) for like in sent)
    assert len(ids) == likes + unlikes
    assert len({json.dumps(like, sort_keys=True) for like in sent}) == len(ids)
    assert len(sent) > len(ids)
    assert all(record.key == json.loads(record.value)["actor_id"].encode() for record in platform.read(LIKES, 2))
    # Ingest finds the target of each unlike, and counts everything once.
    assert counted["ingest/accepted_total"] == likes + unlikes
    assert counted["ingest/duplicates_total"] == len(sent) - len(ids)
    assert counted["ingest/rejected_total"] == 0
    rejected = {dict(r.headers)["truelike-source"] for r in platform.read(LIKES_REJECTED)}
    assert rejected == {f"jetstream/{frames[-1]['time_us']}".encode()}
    asked = [of_frame(from_message(r.value, r.headers)) for r in platform.read(TRUSTED_LIKES)]
    assert {tuple(request.user_ids) for request in asked} == {(f"did:plc:{0:024}",)}
    assert len(asked) == 1


def test_calls_and_loves_reach_ingest_and_a_lost_broker_is_said(platform: Platform) -> None:
    created = int(time.time()) - 3600
    loves = {"ann": {f"recording{n}": created + n for n in range(150)}}
    ports = {kind: free_port() for kind in ("segment", "webhook", "listenbrainz")}
    with ListenBrainzServer(loves) as server:
        settings = {
            "SEGMENT_WRITE_KEY": "key",
            "WEBHOOK_MAP": "event_id=id,actor_id=user.id,target_id=post",
            "LISTENBRAINZ_URL": server.url,
            "LISTENBRAINZ_USERS": "ann",
            "LISTENBRAINZ_SECONDS": "1",
        }
        for kind, port in ports.items():
            platform.stack.start(f"connector {kind}", kind, HTTP_PORT=str(port), **settings)
        platform.stack.wait_ready(*ports)
        batch = {"batch": [{**TRACK, "messageId": f"m{n}", "timestamp": created} for n in range(200)]}
        answer = httpx.post(f"http://127.0.0.1:{ports['segment']}/v1/batch", json=batch, auth=("key", ""))
        assert (answer.status_code, answer.json()["accepted"]) == (200, 200)
        events = [{"id": f"w{n}", "user": {"id": n}, "post": "p"} for n in range(100)] + [{"id": "w"}]
        url = f"http://127.0.0.1:{ports['webhook']}/"
        answer = httpx.post(url, json=events)
        assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"]) == (200, 100, 1)
        platform.wait("ingest/accepted_total", 450)
        for n in range(40):
            del loves["ann"][f"recording{n}"]
        platform.wait("ingest/accepted_total", 490)
        platform.stack.kill("listenbrainz")
        platform.stack.start("connector listenbrainz", "listenbrainz", **settings)
        del loves["ann"]["recording40"]
        platform.wait("ingest/accepted_total", 491)
        (record,) = platform.read(LIKES_REJECTED)
        assert (json.loads(record.value), dict(record.headers)["truelike-source"]) == ({"id": "w"}, b"webhook/")
        platform.stack.kill("ingest")
        platform.broker.stop()
        began = time.monotonic()
        answer = httpx.post(url, json=events[:1], timeout=30)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert time.monotonic() - began < 15
        wait_until(lambda: httpx.get(f"{url}readyz").status_code == 503)
        assert httpx.get(f"{url}readyz").json()["checks"]["broker"] != "ok"
        assert httpx.get(f"{url}healthz").status_code == 200
        codes = platform.stack.stop(*ports)
    assert codes == dict.fromkeys(ports, 0)
