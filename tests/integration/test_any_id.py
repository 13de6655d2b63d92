"""Ids of any kind go the whole way: in over HTTP, through Kafka and Redis, out of the API by path and by query."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.integration.platform import Platform
from tests.likes import like
from tests.unit.console.test_ids import AWKWARD, WAYS

pytestmark = pytest.mark.integration

IDS = list(AWKWARD)


def ask(service: str, target: str) -> tuple[int, Any]:
    """As the target stands: other clients tidy it."""
    connection = http.client.HTTPConnection(urlsplit(service).netloc, timeout=10)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_any_id_goes_the_whole_way(platform: Platform) -> None:
    count = len(IDS)
    pairs = [(user, (user + 7 * n) % count) for n in range(6) for user in range(count)]
    events = [like(n, IDS[user], IDS[target], n) for n, (user, target) in enumerate(pairs)]
    receipt = httpx.post(f"{platform.stack.url('ingest')}/v1/likes", json=events).json()
    assert receipt == {"accepted": len(events), "rejected": 0, "ignored": 0, "errors": []}
    platform.wait("predictor/predictor_likes_total", len(events))
    console = platform.stack.url("console")
    deadline = time.monotonic() + 60
    for name in IDS:
        for field, only, way in WAYS:
            target = way(quote(name, safe=""))
            while (answer := ask(console, target))[0] == 404:
                assert time.monotonic() < deadline, answer
                time.sleep(0.3)
            status, body = answer
            assert (status, body[field]) == (200, name), target
            assert body[only], target
    liked = [sum(ask(console, f"/v1/targets/{quote(name, safe='')}")[1]["likes"].values()) for name in IDS]
    assert liked == [6] * count
    assert ask(console, "/v1/targets/..")[1]["target_id"] == ".."
    assert ask(console, "/v1/likes%0A")[0] == ask(console, "//v1/stats")[0] == 404
    assert ask(console, "/v1/targets/%FF")[0] == ask(console, "/v1/targets?target_id=%FF")[0] == 422
