"""The whole way of a Like on the embedded broker and Valkey: kills, HTTP, the API."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow.parquet as pq
import pytest
from redis import Redis as SyncRedis

from shared.frames import decode, lineage_of
from shared.topics import LIKES, LIKES_REJECTED, PREFERENCES, TRUSTED_LIKES, VERDICTS
from tests.integration.platform import Platform
from tests.likes import START_MS, crowd, like
from truelike.cli.forget import forget
from truelike.cli.rebuild import rebuild
from truelike.cli.stack import SERVICES, Stack

pytestmark = pytest.mark.integration


def exported(folder: Path) -> Counter[str]:
    rows = pq.read_table(folder / "export", partitioning="hive", columns=["event_id", "revision"]).to_pylist()
    return Counter(r["event_id"] for r in rows if r["revision"] == 0)


def test_kills_lose_nothing_and_double_nothing(platform: Platform) -> None:
    """Each service is killed (SIGKILL) and started again while likes flow."""
    events = crowd(seed=11)
    expected = {e["event_id"] for e in events}
    slices = [events[n * 512 : (n + 1) * 512] for n in range(8)]
    for number, part in enumerate(slices):
        asyncio.run(platform.send(part))
        if number < len(SERVICES):
            platform.stack.kill(SERVICES[number])
            platform.stack.start(SERVICES[number])
    platform.stack.wait_ready(*SERVICES)
    for counter in (
        "ingest/accepted_total",
        "actor/likes_total",
        "verdict/judged_likes_total",
        "predictor/predictor_likes_total",
        "exporter/exported_likes_total",
    ):
        platform.wait(counter, len(events))
    platform.stack.stop("exporter")
    assert exported(platform.stack.folder) == Counter(expected)
    # The topic itself may hold repetitions after a crash; lineage tells readers which to ignore, as here.
    marks: dict[str, int] = {}
    seen: Counter[str] = Counter()
    for record in platform.read(TRUSTED_LIKES):
        lineage = lineage_of(record.headers)
        assert lineage is not None
        if lineage.place > marks.get(lineage.source, -1):
            marks[lineage.source] = lineage.place
            seen.update(r["event_id"] for r in decode(record.value).to_pylist() if r["revision"] == 0)
    assert seen == Counter(expected)
    console = platform.stack.url("console")
    deadline = time.monotonic() + 20
    while sum((likes := httpx.get(f"{console}/v1/stats").json()["likes"]).values()) < len(events):
        assert time.monotonic() < deadline, likes
        time.sleep(0.3)
    assert sum(likes.values()) == len(events)


def test_a_like_goes_in_and_a_verdict_and_a_prediction_come_out(platform: Platform) -> None:
    ingest, console = platform.stack.url("ingest"), platform.stack.url("console")
    events = [like(n, f"u{n % 5}", f"song{(n * 7) % 23}", n) for n in range(60)]
    assert httpx.post(f"{ingest}/v1/likes", json=events[0]).json() == {
        "accepted": 1,
        "rejected": 0,
        "ignored": 0,
        "errors": [],
    }
    mixed = httpx.post(f"{ingest}/v1/likes", json=[*events[1:30], {"event_id": "x"}])
    assert mixed.status_code == 202
    assert (mixed.json()["accepted"], mixed.json()["errors"][0]["index"]) == (29, 29)
    body = b"\n".join(msgspec.json.encode(e) for e in events[30:])
    assert (
        httpx.post(f"{ingest}/v1/likes", content=body, headers={"content-type": "application/x-ndjson"}).json()[
            "accepted"
        ]
        == 30
    )
    assert httpx.post(f"{ingest}/v1/likes", content=b"7").status_code == 400
    assert httpx.post(f"{ingest}/v1/likes", content=b"[" + b" " * (5 << 20) + b"]").status_code == 413
    asyncio.run(platform.send([{**events[0], "occurred_at": "soon"}, events[0]]))
    platform.wait("ingest/duplicates_total", 1)
    platform.wait("ingest/rejected_total", 1)
    platform.wait("predictor/predictor_likes_total", 60)
    (rejected,) = platform.read(LIKES_REJECTED)
    headers = {k: v.decode() for k, v in rejected.headers}
    assert json.loads(rejected.value)["occurred_at"] == "soon"
    assert "occurred_at: not an RFC 3339 time" in headers["truelike-errors"]
    assert headers["truelike-source"].startswith(f"{LIKES}/")
    assert headers["truelike-time"].endswith("Z")

    prediction = httpx.get(f"{console}/v1/users/u0/predictions").json()
    assert prediction["items"]
    assert all(0 < i["probability"] < 1 for i in prediction["items"])
    assert any(i["because"] for i in prediction["items"])
    near = httpx.get(f"{console}/v1/targets/{prediction['items'][0]['target_id']}/neighbours").json()
    assert near["neighbours"][0]["weight"] > 0
    assert httpx.get(f"{console}/v1/stats/predictions").json()["trending"]
    # Of people there is no verdict, and nothing to wait for.
    deadline = time.monotonic() + 30
    while (answer := httpx.get(f"{console}/v1/actors/u0")).status_code == 404 and time.monotonic() < deadline:
        time.sleep(0.3)
    actor = answer.json()
    assert (actor["label"], actor["verdicts"]) == ("human", [])
    assert actor["sentence"] == "12 likes seen, nothing that speaks against a person"
    # Idle event time (600 times as fast here) closes the window.
    while not (windows := httpx.get(f"{console}/v1/windows").json()["windows"]) and time.monotonic() < deadline:
        time.sleep(0.3)
    assert (windows[0]["window_start"], windows[0]["actors"]["human"], windows[0]["likes"]["human"]) == (
        START_MS,
        5,
        60,
    )
    assert sum(httpx.get(f"{console}/v1/targets/song0").json()["likes"].values()) > 0
    assert httpx.get(f"{console}/v1/campaigns").json() == {"total": 0, "campaigns": [], "next_cursor": None}
    assert "Truelike" in httpx.get(console).text
    missing = httpx.get(f"{console}/v1/users/nobody/predictions")
    assert (missing.status_code, missing.headers["content-type"], missing.json()["status"]) == (
        404,
        "application/problem+json",
        404,
    )
    unfit = httpx.get(f"{console}/v1/campaigns?limit=0")
    assert (unfit.status_code, unfit.json()["errors"][0]["field"]) == (422, "query.limit")
    assert platform.read(VERDICTS, 2) == []


def test_every_service_tells_its_health_and_stops_within_ten_seconds(platform: Platform) -> None:
    for name in SERVICES:
        url = platform.stack.url(name)
        assert httpx.get(f"{url}/healthz").json()["status"] == "ok"
        assert httpx.get(f"{url}/readyz").json()["status"] == "ok"
        assert "truelike_" in httpx.get(f"{url}/metrics").text
    began = time.monotonic()
    codes = platform.stack.stop()
    assert codes == dict.fromkeys(SERVICES, 0)
    assert time.monotonic() - began < 10


def test_without_a_broker_http_says_503_and_acknowledges_nothing(tmp_path: Path) -> None:
    stack = Stack(tmp_path, {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "REDIS_URL": "redis://127.0.0.1:9/0"})
    stack.start("ingest")
    try:
        stack.wait_listening("ingest")
        url = stack.url("ingest")
        answer = httpx.post(f"{url}/v1/likes", json=like(1))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
        assert httpx.get(f"{url}/readyz").status_code == 503
    finally:
        assert stack.stop() == {"ingest": 0}


def test_a_demo_accounts_for_every_like(tmp_path: Path) -> None:
    from truelike.cli.stack import PROJECT

    done = subprocess.run(
        [sys.executable, "-m", "truelike.cli.app", "demo", "--duration", "8", "--rate", "800"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "demo-report.json").read_text())
    assert report["losses"] == []
    assert report["sent"] == report["accepted"] + report["rejected"] + report["duplicates"]
    assert report["judged"] == report["predicted"] == report["accepted"] > 3000
    assert report["rejected"] > 0
    assert report["duplicates"] > 0
    assert sum(sum(row.values()) for row in report["confusion"].values()) == report["accepted"]


def test_a_forgotten_user_is_gone_everywhere(platform: Platform) -> None:
    events = crowd(seed=5)
    asyncio.run(platform.send(events))
    platform.wait("predictor/predictor_likes_total", len(events))
    platform.wait("exporter/exported_likes_total", len(events))
    own = sum(e["actor_id"] == "person0" for e in events)
    assert own > 0
    reports = asyncio.run(forget(platform.settings, ["person0"], 30))
    assert reports["predictor"]["unlearnt_likes"] == own
    assert reports["exporter"]["parquet_rows"] >= own
    # Verdicts, the count of likes, and the list of campaigns that name the user.
    assert reports["console"]["redis_keys"] == 3
    detector = next(removed for name, removed in reports.items() if name.startswith("detector/"))
    assert detector["likes"] == own
    console = platform.stack.url("console")
    assert httpx.get(f"{console}/v1/users/person0/predictions").status_code == 404
    assert httpx.get(f"{console}/v1/users/person1/predictions").status_code == 200
    assert httpx.get(f"{console}/v1/actors/person0").status_code == 404
    assert httpx.get(f"{console}/v1/actors/person1").status_code == 200
    platform.stack.stop("predictor", "exporter")
    rows = pq.read_table(platform.stack.folder / "export", partitioning="hive", columns=["actor_id"])
    assert "person0" not in set(rows.column("actor_id").to_pylist())
    latest: dict[bytes, bytes | None] = {}
    for record in platform.read(PREFERENCES, platform.settings.partitions):
        latest[record.key] = record.value
    assert latest[b"person0"] is None
    assert json.loads(latest[b"person1"] or b"")["predictions"][0]["probability"] > 0


def predictions_in(url: str) -> dict[str, Any]:
    """All that Redis holds of users' predictions."""
    redis: Any = SyncRedis.from_url(url)
    found: dict[str, Any] = {}
    for key in redis.scan_iter("truelike:predictions:*"):
        document = json.loads(redis.get(key))
        found[key.decode()] = {k: v for k, v in document.items() if k != "source_offset"}
    return found


def rankings_now(platform: Platform, users: int) -> dict[str, Any]:
    """Empty Redis, and take what the workers fill it with: all users, ranked by the state at the end of the log."""
    platform.rest()
    SyncRedis.from_url(platform.redis.url).flushall()
    deadline = time.monotonic() + 60
    while len(found := predictions_in(platform.redis.url)) < users:
        assert time.monotonic() < deadline, f"{len(found)} of {users} users; logs in {platform.stack.folder}"
        time.sleep(0.3)
    assert len(found) == users
    return found


def test_four_workers_that_die_and_an_emptied_redis_end_with_the_predictions_of_one(platform: Platform) -> None:
    events = crowd(seed=7)
    users = len({e["actor_id"] for e in events})
    asyncio.run(platform.send(events))
    platform.wait("predictor/predictor_likes_total", len(events))
    of_one = rankings_now(platform, users)
    redis: Any = SyncRedis.from_url(platform.redis.url)
    user = next(iter(of_one))
    redis.delete(user)
    assert asyncio.run(rebuild(platform.settings, 30, lambda _: None)) == []
    assert predictions_in(platform.redis.url) == of_one
    deadline = time.monotonic() + 20
    while not redis.exists("truelike:neighbours:t3"):
        assert time.monotonic() < deadline
        time.sleep(0.3)

    # Four that begin with nothing, over the same log.
    platform.stack.stop("predictor")
    shutil.rmtree(platform.stack.folder / "checkpoints" / "predictor")
    labels = [f"predictor-{n}" for n in range(4)]
    for label in labels:
        platform.stack.start("predictor", label)
    platform.stack.wait_ready(*labels)
    platform.wait("predictor/predictor_likes_total", len(events))
    assert rankings_now(platform, users) == of_one

    # One of them dies, then two more: their shares are taken over.
    platform.stack.kill(labels[0])
    more = [{**e, "event_id": f"again-{e['event_id']}", "occurred_at": e["occurred_at"] + 1} for e in events[-500:]]
    asyncio.run(platform.send(more))
    platform.wait("predictor/predictor_likes_total", len(events) + len(more))
    of_three = rankings_now(platform, users)
    assert of_three != of_one
    platform.stack.kill(labels[1])
    platform.stack.kill(labels[2])
    assert rankings_now(platform, users) == of_three
