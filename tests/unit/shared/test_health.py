"""Logs that do not flood, an event loop that is watched, and workers that have fallen out of their group."""

from __future__ import annotations

import asyncio
import logging
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaTimeoutError
from starlette.applications import Starlette

from shared import healthcheck, kafka
from shared.faust_stages import FaustStages
from shared.health import Health
from shared.logs import Repeats
from shared.loop_watch import LoopWatch
from shared.membership import MembershipProbe, held_by
from shared.settings import ServiceSettings
from truelike.cli.embedded import free_port


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def line(message: Any, *args: Any, level: int = logging.WARNING, name: str = "aiokafka") -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, args, None)


def test_trouble_that_goes_on_is_a_line_a_minute_with_a_count() -> None:
    clock = Clock()
    repeats = Repeats(60, clock)
    assert repeats.filter(line("cannot connect to node %s: %s", 1, "refused"))
    for second in range(300):
        clock.now = 100.5 + second / 5
        last = line("cannot connect to node %s: %s", second % 3, "refused")
        assert repeats.filter(last) == (clock.now >= 160)
        if clock.now >= 160:
            break
    assert last.getMessage() == f"cannot connect to node {second % 3}: refused (and {second} more like this)"
    # Others are kinds of their own, and what is no trouble is not counted.
    assert repeats.filter(line("cannot connect to node %s: %s", 1, "refused", level=logging.ERROR))
    assert repeats.filter(line("another"))
    assert all(repeats.filter(line("step", level=logging.INFO)) for _ in range(3))


def test_our_own_lines_are_of_one_kind_where_event_and_subject_are() -> None:
    clock = Clock()
    repeats = Repeats(60, clock)
    waiting = {"event": "waiting for dependency", "dependency": "redis", "error": "refused"}
    assert repeats.filter(line(waiting))
    assert not repeats.filter(line({**waiting, "error": "timed out"}))
    assert repeats.filter(line({**waiting, "dependency": "kafka"}))
    clock.now += 61
    later = line(waiting)
    assert repeats.filter(later)
    assert later.msg["left_out"] == 1


def test_kinds_of_trouble_are_not_kept_without_end() -> None:
    clock = Clock()
    repeats = Repeats(60, clock)
    for number in range(5 * Repeats.MOST_KINDS):
        clock.now += 1
        assert repeats.filter(line(f"filled in already: {number}"))
    assert len(repeats._said) <= Repeats.MOST_KINDS


async def test_the_longest_block_of_the_event_loop_is_seen() -> None:
    health = Health("test", dict, dict, list)
    watching = asyncio.create_task(health.loop.run())
    await asyncio.sleep(0.25)
    time.sleep(0.3)  # noqa: ASYNC251 - what is to be seen
    await asyncio.sleep(0.25)
    watching.cancel()
    assert health.loop.longest >= 0.2
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(Starlette(routes=health.routes())), base_url="http://test"
    ) as client:
        assert "truelike_event_loop_longest_block_seconds" in (await client.get("/metrics")).text


def test_a_process_whose_event_loop_hangs_ends_and_says_where() -> None:
    script = (
        "import asyncio, time\n"
        "from shared.loop_watch import LoopWatch\n"
        "LoopWatch.HUNG_SECONDS = 1\n"
        "async def main():\n"
        "    watching = asyncio.create_task(LoopWatch().run())\n"
        "    await asyncio.sleep(0)\n"
        "    time.sleep(20)\n"
        "asyncio.run(main())\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "in main" in done.stderr
    assert time.monotonic() - began < 15
    assert LoopWatch.HUNG_SECONDS == 120


def assignment(**partitions: list[int]) -> bytes:
    return bytes(ConsumerProtocolMemberAssignment(0, list(partitions.items()), b"").encode())


def test_what_a_groups_members_hold_is_added_up() -> None:
    members = [("a", "", "", b"", assignment(x=[0, 2], y=[0])), ("b", "", "", b"", assignment(x=[1]))]
    assert held_by(members) == {"x": 3, "y": 1}
    assert held_by([]) == {}
    # A member that has none is told of; one of whom nothing is told may have all.
    assert held_by([("a", "", "", b"", assignment())]) == {}
    assert held_by([*members, ("c", "", "", b"", b"")]) is None


async def test_a_worker_is_out_of_its_group_only_where_nobody_holds_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, mine = Clock(), [True]
    held: dict[str, int] | None = {"x": 2}
    answers = True
    probe = MembershipProbe(ServiceSettings(), "group", lambda: {"x": 2}, lambda: mine[0], clock)

    async def held_by_anybody() -> dict[str, int] | None:
        if not answers:
            raise KafkaTimeoutError
        return held

    monkeypatch.setattr(probe, "_held_by_anybody", held_by_anybody)

    async def after(seconds: float) -> str | None:
        for _ in range(round(seconds)):
            clock.now += 1
            await probe.look()
        return probe.out()

    assert await after(100) is None
    mine[0] = False
    # Others have all there is: it stands by.
    assert await after(100) is None
    held = {"x": 1}
    assert await after(30) is None
    assert await after(2) == "no partition here, and partitions that nobody in group holds, for 31 s"
    mine[0] = True
    assert probe.out() is None
    assert await after(1) is None
    mine[0] = False
    # A broker that is away says nothing about the group, and the time begins anew.
    assert await after(25) is None
    answers = False
    with pytest.raises(KafkaTimeoutError):
        await probe.look()
    answers = True
    assert await after(25) is None
    assert await after(10) is not None
    # So does one that does not tell.
    held = None
    assert await after(100) is None


async def test_healthz_tells_what_only_a_new_process_mends() -> None:
    lost: dict[str, str | None] = {"group": None}
    health = Health("test", dict, lambda: {"progress": None}, list, lambda: lost)
    app = Starlette(routes=health.routes())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get("/healthz")).json()["checks"] == {"progress": "ok", "group": "ok"}
        lost["group"] = "nobody"
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()["checks"]["group"]) == (503, "nobody")


def test_a_process_that_only_a_new_one_can_help_ends_with_code_1() -> None:
    script = (
        "import asyncio\n"
        "from starlette.applications import Starlette\n"
        "from shared.health import Health\n"
        "from shared.service import Service, run\n"
        "from shared.settings import ServiceSettings\n"
        "settings = ServiceSettings(http_port=0)\n"
        "health = Health('lost', dict, dict, list, lambda: {'group': 'out of it'})\n"
        "async def main():\n"
        "    async with Service('lost', settings, Starlette(routes=health.routes()), health) as service:\n"
        "        await asyncio.sleep(20)\n"
        "run('lost', settings, main)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "only a new one helps" in done.stderr
    assert "out of it" in done.stderr


async def test_consumers_look_for_topics_again_soon_and_never_leave_for_having_nothing_to_read() -> None:
    """Both were seen to leave workers in a group without a partition for good, after a broker's outage."""
    consumer = kafka.consumer(ServiceSettings(), group="group")
    app = FaustStages("test", ServiceSettings()).faust
    assert consumer._client._metadata_max_age_ms == app.conf.consumer_metadata_max_age_ms == 3000
    years = 365 * 86400
    assert min(consumer._max_poll_interval_ms / 1000, app.conf.broker_max_poll_interval) > years
    await consumer.stop()


async def test_a_producer_keeps_what_it_cannot_send() -> None:
    producer = kafka.producer(ServiceSettings())
    assert producer._message_accumulator._append_batch(producer.create_batch(), ("x", 0))._ttl == math.inf
    full = [True, True]

    async def hand_over() -> str:
        if full:
            full.pop()
            raise KafkaTimeoutError
        return "taken"

    assert await kafka.when_there_is_room(hand_over) == "taken"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n{}", None),
        (b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"checks":{"broker":"away"}}', '{"checks":{"broker":"away"}}'),
        (b"", "/readyz answered nothing"),
    ],
)
async def test_a_container_says_in_a_line_what_is_wrong(answer: bytes, said: str | None) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asyncio.to_thread(healthcheck.check, port) == said


def test_a_container_that_does_not_answer_is_a_line_and_code_1() -> None:
    assert "refused" in (healthcheck.check(free_port()) or "")
    script = Path(healthcheck.__file__)
    done = subprocess.run([sys.executable, "-IS", str(script)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (1, 1, "")
