"""A connector killed in mid stream: every like is in likes.v1, what is there twice has one id, and ingest counts each
once.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.forgetting import of_frame
from shared.frames import from_message
from shared.topics import LIKES, LIKES_REJECTED, TRUSTED_LIKES
from tests.integration.platform import Platform
from tests.jetstream import JetstreamServer, account, commit, identity

pytestmark = pytest.mark.integration

PEOPLE = 40
EACH = 40
STEP_US = 1000


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
