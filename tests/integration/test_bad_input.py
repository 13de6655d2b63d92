"""What nobody should send, through Kafka and HTTP: each message is accepted or rejected with a reason."""

from __future__ import annotations

import asyncio
import json
import time

import httpx
import pytest

from shared import kafka
from shared.contract.decode import MOST_BYTES
from shared.topics import LIKES, LIKES_REJECTED
from tests.integration.platform import Platform
from tests.likes import crowd
from tests.mutations import mutated

pytestmark = pytest.mark.integration

THROUGH_KAFKA = 60_000
THROUGH_HTTP = 60_000
ALONE = 500
KEYS = (None, b"", b"\x00", b"\xff\xfe", b"person1", b"k" * 5000)
HEADERS = (
    [],
    [],
    [],
    [("ce_specversion", b"1.0"), ("ce_id", b"\xff"), ("ce_time", b"soon")],
    [("truelike-errors", b"forged"), ("truelike-source", b"forged"), ("x", b"\x00" * 300)],
    [("ce_specversion", b"1.0")],
)


async def send_all(platform: Platform, values: list[bytes]) -> None:
    producer = kafka.producer(platform.settings)
    await producer.start()
    try:
        pending = []
        for number, value in enumerate(values):
            key, headers = KEYS[number % len(KEYS)], HEADERS[number % len(HEADERS)]
            pending.append(await producer.send(LIKES, value or (None if key else b""), key=key, headers=headers))
            if len(pending) > 2000:
                await asyncio.gather(*pending)
                pending = []
        await asyncio.gather(*pending)
    finally:
        await producer.stop()


def test_bad_messages_are_accounted_for_and_stop_nobody(platform: Platform) -> None:
    good = crowd(seed=2)
    asyncio.run(send_all(platform, list(mutated(1, THROUGH_KAFKA))))
    began = time.monotonic()
    asyncio.run(platform.send(good))
    counted = wait_for(platform, THROUGH_KAFKA + len(good))
    assert time.monotonic() - began < 60
    assert counted["ingest/accepted_total"] + counted["ingest/rejected_total"] + counted[
        "ingest/duplicates_total"
    ] + counted["ingest/ignored_total"] == THROUGH_KAFKA + len(good)
    assert counted["ingest/accepted_total"] > len(good) + THROUGH_KAFKA // 50
    assert counted["ingest/rejected_total"] > THROUGH_KAFKA // 2
    rejected = platform.read(LIKES_REJECTED)
    assert len(rejected) == counted["ingest/rejected_total"]
    sources = set()
    for record in rejected:
        headers = dict(record.headers)
        assert all(json.loads(headers["truelike-errors"]))
        assert not headers["truelike-errors"].startswith(b"forged")
        sources.add(headers["truelike-source"])
    assert len(sources) == len(rejected)
    # Whatever was accepted goes the whole way.
    judged = counted["ingest/accepted_total"] - platform.stack.metrics().get("actor/late_likes_total", 0)
    platform.wait("predictor/predictor_likes_total", int(judged))
    platform.wait("exporter/exported_likes_total", int(judged))
    through_http(platform)


def through_http(platform: Platform) -> None:
    url = f"{platform.stack.url('ingest')}/v1/likes"
    lines = [line for line in mutated(2, THROUGH_HTTP) if line.strip() and not set(line) & set(b"\n\r")]
    accepted = rejected = 0
    with httpx.Client(timeout=30) as client:
        for start in range(0, len(lines), 1000):
            batch = lines[start : start + 1000]
            # Likes that are mostly padding do not all fit into one body.
            small = [line for line in batch if len(line) < MOST_BYTES]
            large = [[line] for line in batch if len(line) >= MOST_BYTES]
            for part in (small, *large):
                content, kind = b"\n".join(part), {"content-type": "application/x-ndjson"}
                answer = client.post(url, content=content, headers=kind)
                assert answer.status_code in (200, 202, 422), answer.text[:300]
                receipt = answer.json()
                assert receipt["accepted"] + receipt["rejected"] + receipt["ignored"] == len(part)
                assert (answer.status_code == 202) == (receipt["accepted"] > 0)
                assert all(error["errors"] for error in receipt["errors"])
                accepted += receipt["accepted"]
                rejected += receipt["rejected"] + receipt["ignored"]
        for value in mutated(3, ALONE):
            answer = client.post(url, content=value)
            assert answer.status_code in (200, 202, 400, 413, 422), (answer.status_code, value[:200])
            assert answer.status_code in (200, 202) or answer.json()["detail"]
        assert client.post(url, content=b" " * (10 << 20)).status_code == 413
        assert client.get(url.replace("/v1/likes", "/healthz")).status_code == 200
    assert accepted + rejected == len(lines)
    assert accepted > len(lines) // 50


def wait_for(platform: Platform, count: int) -> dict[str, float]:
    deadline = time.monotonic() + 120
    while (found := platform.stack.metrics()).get("ingest/received_total", 0) < count:
        died = {label: p.returncode for label, p in platform.stack.processes.items() if p.poll() is not None}
        assert not died, f"ended: {died}; logs in {platform.stack.folder}"
        assert time.monotonic() < deadline, f"{found.get('ingest/received_total')} of {count}"
        time.sleep(0.3)
    return found
