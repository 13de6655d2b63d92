"""Connectors that read: Jetstream's frames as likes, and a cursor that is never ahead of the broker."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError, KafkaTimeoutError

from services.connector import pulling
from services.connector.delivery import Delivery
from services.connector.lease import Lease
from services.connector.pulling import Puller
from services.connector.settings import ConnectorSettings
from services.connector.sources import KINDS
from services.connector.sources.jetstream import REMEMBERED_ACCOUNTS, Feed, Jetstream
from shared.checkpoints import Fenced
from shared.compiled import PROJECT
from shared.contract.decode import Message, decode, parse, to_message
from shared.events import Like
from shared.forgetting import of_frame
from shared.frames import Output, from_message
from shared.topics import FRAMES_BY_ACTOR, LIKES, LIKES_REJECTED, TRUSTED_LIKES
from tests.jetstream import POST, REPOST, JetstreamServer, account, commit, identity
from tests.mutations import mutated

START_US = 1_767_225_600_000_000
NOW_MS = START_US // 1000 + 60_000
ANN, BOB = "did:plc:eygmaihciaxprqvxpfvl6flk", "did:plc:z72i7hdynmk6r22z27h6tvur"
SONG = f"at://{BOB}/app.bsky.feed.post/3l3qo2vuowo2b"


def feed() -> Feed:
    return Feed(forget=True, forget_after_ms=1000)


def taken(found: Feed, *frames: dict[str, Any], now_ms: int = NOW_MS) -> list[Output]:
    return [output for frame in frames for output in found.take(json.dumps(frame).encode(), now_ms)]


def again(found: Feed) -> Feed:
    """The same after a restart."""
    other = feed()
    other.restore(json.loads(json.dumps(found.facts())))
    return other


def test_a_recorded_stream_becomes_canonical_likes() -> None:
    found = feed()
    outputs = taken(
        found,
        commit(START_US + 1, ANN, "3k1", SONG),
        identity(START_US + 2, ANN),
        commit(START_US + 3, ANN, "3k2", SONG, REPOST),
        commit(START_US + 4, ANN, "3k3", "text", POST),
        commit(START_US + 5, ANN, "3k2", None, REPOST),
        commit(START_US + 6, ANN, "3k1", None),
    )
    assert [json.loads(o.value) for o in outputs] == [
        {
            "event_id": f"at://{ANN}/app.bsky.feed.like/3k1",
            "occurred_at": START_US // 1000,
            "actor_id": ANN,
            "target_id": SONG,
            "creator_id": BOB,
        },
        {
            "event_id": f"at://{ANN}/app.bsky.feed.repost/3k2",
            "occurred_at": START_US // 1000,
            "actor_id": ANN,
            "target_id": SONG,
            "action": "share",
            "creator_id": BOB,
        },
        {
            "event_id": f"at://{ANN}/app.bsky.feed.like/3k1",
            "occurred_at": START_US // 1000,
            "actor_id": ANN,
            "action": "unlike",
            "undoes": f"at://{ANN}/app.bsky.feed.like/3k1",
        },
    ]
    assert {(o.topic, o.key) for o in outputs} == {(LIKES, ANN.encode())}
    assert found.counters == {"read": 6, "accepted": 3, "rejected": 0, "ignored": 3, "forgotten_accounts": 0}
    # Ingest reads them as they were meant.
    messages = [Message(o.value, 0, n, NOW_MS, {}) for n, o in enumerate(outputs)]
    read = decode(messages)
    assert (read.likes.num_rows, read.rejections) == (3, ())
    assert read.undoes == {2: f"at://{ANN}/app.bsky.feed.like/3k1"}


def test_what_does_not_fit_is_kept_with_reasons_and_the_cursor_goes_on() -> None:
    found = feed()
    broken = commit(START_US + 7, ANN, "3k1", SONG)
    del broken["commit"]["record"]["subject"]["uri"]
    (output,) = taken(found, broken)
    headers = dict(output.headers or ())
    assert (output.topic, json.loads(output.value)) == (LIKES_REJECTED, broken)
    assert headers["truelike-source"] == f"jetstream/{START_US + 7}".encode()
    assert "record.subject.uri" in json.loads(headers["truelike-errors"])[0]
    assert headers["truelike-time"] == b"2026-01-01T00:01:00Z"
    (output,) = found.take(b"\x28\xb5\x2f\xfd", NOW_MS)
    assert dict(output.headers or ())["truelike-source"] == f"jetstream/{START_US + 7}".encode()
    assert found.cursor_us == START_US + 7


def test_the_cursor_never_goes_back_nor_ahead_of_the_clock() -> None:
    found = feed()
    taken(found, commit(START_US + 9, ANN, "3k1", SONG), commit(START_US + 5, ANN, "3k0", SONG))
    assert found.cursor_us == START_US + 9
    taken(found, identity(START_US + 10**12, ANN))
    assert found.cursor_us == NOW_MS * 1000


def test_damaged_frames_are_counted_one_by_one() -> None:
    found = feed()
    frames = [f for f in mutated(5, 3000) if f]
    outputs = [o for frame in frames for o in found.take(frame, NOW_MS)]
    counts = found.counters
    assert counts["read"] == len(frames) == counts["accepted"] + counts["rejected"] + counts["ignored"]
    assert len(outputs) == counts["accepted"] + counts["rejected"]
    assert counts["rejected"] > 100
    for output in outputs:
        if output.topic == LIKES:
            parse(output.value, {}, NOW_MS)


def forgotten(outputs: Sequence[Output]) -> list[tuple[str, str]]:
    """(id, user) of each request; the detector is asked for the same beside the others."""
    found: dict[str, list[tuple[str, str]]] = {TRUSTED_LIKES: [], FRAMES_BY_ACTOR: []}
    for output in outputs:
        request = of_frame(from_message(output.value, output.headers))
        found[output.topic] += [(request.request_id, user) for user in request.user_ids]
    assert found[TRUSTED_LIKES] == found[FRAMES_BY_ACTOR]
    return found[TRUSTED_LIKES]


def test_a_deleted_account_is_forgotten_once_also_when_read_again() -> None:
    found = feed()
    gone = account(START_US + 1, ANN, False, "deleted")
    taken(found, gone, account(START_US + 2, BOB, False, "takendown"))
    assert forgotten(found.due(NOW_MS + 999)) == []
    found = again(found)
    ((first_id, user),) = forgotten(found.due(NOW_MS + 1000))
    assert user == ANN
    found = again(found)
    taken(found, gone, now_ms=NOW_MS + 5000)
    assert forgotten(found.due(NOW_MS + 9000)) == []
    # Killed between sending and saving: the same request, known by its id.
    other = feed()
    taken(other, gone, now_ms=NOW_MS + 7000)
    assert forgotten(other.due(NOW_MS + 8000)) == [(first_id, ANN)]
    assert found.counters["forgotten_accounts"] == 0
    assert other.counters["forgotten_accounts"] == 1


def test_an_account_that_comes_back_is_not_forgotten_and_may_go_again() -> None:
    found = feed()
    taken(found, account(START_US + 1, ANN, False, "deleted"), account(START_US + 2, ANN, True))
    assert found.due(NOW_MS + 9000) == []
    taken(found, account(START_US + 3, ANN, False, "deleted"))
    assert len(forgotten(found.due(NOW_MS + 9000))) == 1
    # Read again from before: neither the return nor the deletion is news.
    taken(found, account(START_US + 2, ANN, True), account(START_US + 3, ANN, False, "deleted"))
    assert found.due(NOW_MS + 99_000) == []
    taken(found, account(START_US + 4, ANN, True), account(START_US + 5, ANN, False, "deleted"))
    assert len(forgotten(found.due(NOW_MS + 99_000))) == 1


def test_accounts_remembered_are_bounded() -> None:
    found = feed()
    taken(found, *(account(START_US + n, f"did:plc:{n}", False, "deleted") for n in range(REMEMBERED_ACCOUNTS + 50)))
    assert len(forgotten(found.due(NOW_MS + 1000))) == REMEMBERED_ACCOUNTS + 50
    assert len(found.facts()["forgotten"]) == REMEMBERED_ACCOUNTS
    quiet = Feed(forget=False, forget_after_ms=0)
    taken(quiet, account(START_US, ANN, False, "deleted"))
    assert quiet.due(NOW_MS + 1000) == []


def settings(folder: Path, **more: Any) -> ConnectorSettings:
    return ConnectorSettings.model_validate({"checkpoint_dir": folder, "checkpoint_seconds": 0.05, **more})


def test_the_address_has_what_is_wanted_and_where_from(tmp_path: Path) -> None:
    source = Jetstream(settings(tmp_path, jetstream_url="wss://js.example/subscribe", jetstream_reposts=True))
    source.begin(NOW_MS)
    assert source.address() == (
        "wss://js.example/subscribe?wantedCollections=app.bsky.feed.like&wantedCollections=app.bsky.feed.repost"
        f"&maxMessageSizeBytes=1048576&cursor={NOW_MS * 1000 - 10_000_000}"
    )


async def test_a_connection_that_breaks_is_made_anew_from_the_cursor(tmp_path: Path) -> None:
    frames = [commit(START_US + n * 1000, ANN, f"3k{n}", f"at://x/y/{n}") for n in range(400)]
    seen: list[str] = []
    with JetstreamServer(frames, drop_after=150) as server:
        source = Jetstream(settings(tmp_path, jetstream_url=server.url, jetstream_rewind_seconds=0.02))
        source.begin(START_US // 1000)
        assert source.dependency.error == "not connected yet"

        async def emit(outputs: Sequence[Output]) -> None:
            seen.extend(json.loads(o.value)["event_id"] for o in outputs)

        reading = asyncio.create_task(source.run(emit))
        await until(lambda: len(set(seen)) == len(frames))
        assert source.dependency.error is None
        reading.cancel()
        await asyncio.wait([reading])
        cursors = [int(query["cursor"][0]) for query in server.queries]
    assert cursors == sorted(cursors)
    assert len(cursors) >= 3
    assert source.counters["reconnects"] == len(cursors) - 1
    assert len(seen) > len(frames)


class Wire(Delivery):
    """A producer whose broker answers when the test says so."""

    def __init__(self, most_pending: int = 100) -> None:
        super().__init__(ConnectorSettings(), most_pending)
        self.sent: list[tuple[Output, asyncio.Future[Any]]] = []
        self.opened = 0

    async def open(self) -> None:
        await self.close()
        self.opened += 1

    async def hand_over(self, outputs: Any) -> list[asyncio.Future[Any]]:
        futures = []
        for output in outputs:
            futures.append(asyncio.get_running_loop().create_future())
            self.sent.append((output, futures[-1]))
        return futures

    def acknowledge(self, count: int) -> None:
        for _, future in [(o, f) for o, f in self.sent if not f.done()][:count]:
            future.set_result(None)


class Numbers:
    """A source that counts; each number is an event."""

    def __init__(self, most: int) -> None:
        self.counters = {"read": 0}
        self.changed = False
        self.place = -1
        self.most = most
        self.dependency = Jetstream(ConnectorSettings()).dependency
        self.dependency.error = None

    def begin(self, now_ms: int) -> None:
        self.place = 0

    def facts(self) -> dict[str, Any]:
        return {"place": self.place}

    def restore(self, facts: Any) -> None:
        self.place = facts["place"]

    def cursor_ms(self) -> int:
        return self.place

    async def run(self, emit: Any) -> None:
        while True:
            if self.place < self.most:
                self.place, self.changed = self.place + 1, True
                self.counters["read"] += 1
                await emit([Output(LIKES, str(self.place).encode())])
            else:
                await emit([])
                await asyncio.sleep(0.01)


def puller(folder: Path, most: int, wire: Wire, **more: Any) -> Puller:
    found = Puller(settings(folder, **more), "numbers", Numbers(most))
    found.delivery = wire
    return found


def saved(folder: Path) -> int:
    store = Puller(settings(folder), "numbers", Numbers(0))._store
    found = store.load(0)
    assert found is not None
    return int(found.facts["source"]["place"])


async def until(reached: Any) -> None:
    async with asyncio.timeout(20):
        while True:
            if reached():
                return
            await asyncio.sleep(0.005)


async def test_the_cursor_is_saved_only_behind_acknowledgements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "FINISH_SECONDS", 0.2)
    wire = Wire()
    worker = puller(tmp_path, 10, wire)
    working = asyncio.create_task(worker.run())
    await until(lambda: len(wire.sent) == 10)
    await asyncio.sleep(0.15)
    assert saved(tmp_path) == 0
    wire.acknowledge(9)
    await asyncio.sleep(0.15)
    assert saved(tmp_path) == 0
    wire.acknowledge(1)
    await until(lambda: saved(tmp_path) == 10)
    working.cancel()
    await asyncio.wait([working])
    await worker.finish()
    # Another one goes on where this one was.
    later = Wire()
    other = puller(tmp_path, 12, later)
    working = asyncio.create_task(other.run())
    await until(lambda: len(later.sent) == 2)
    assert [o.value for o, _ in later.sent] == [b"11", b"12"]
    assert other.source.counters == {"read": 12}
    working.cancel()
    await asyncio.wait([working])
    await other.finish()
    assert saved(tmp_path) == 10


async def test_no_more_is_under_way_than_is_allowed(tmp_path: Path) -> None:
    wire = Wire(most_pending=5)
    worker = puller(tmp_path, 50, wire, checkpoint_seconds=60)
    working = asyncio.create_task(worker.run())
    await until(lambda: len(wire.sent) == 5)
    await asyncio.sleep(0.1)
    assert len(wire.sent) == 5
    wire.acknowledge(3)
    await until(lambda: len(wire.sent) == 8)
    working.cancel()
    await asyncio.wait([working])
    await worker.finish()


async def test_what_the_broker_refused_is_read_again(tmp_path: Path) -> None:
    wire = Wire()
    worker = puller(tmp_path, 10, wire)
    working = asyncio.create_task(worker.run())
    await until(lambda: len(wire.sent) == 10)
    wire.sent[3][1].set_exception(KafkaTimeoutError())
    for output, future in wire.sent:
        if not future.done():
            future.set_result(output)
    await until(lambda: worker.ready()["kafka"] is not None)
    await until(lambda: wire.opened == 2 and len(wire.sent) == 20)
    assert worker.ready() == {"lease": None, "kafka": None, "disk": None, "jetstream": None}
    assert [o.value for o, _ in wire.sent[10:]] == [str(n).encode() for n in range(1, 11)]
    wire.acknowledge(10)
    await until(lambda: saved(tmp_path) == 10)
    working.cancel()
    await asyncio.wait([working])
    await worker.finish()


async def test_stopped_in_the_middle_nothing_is_saved_that_was_not_handed_over(tmp_path: Path) -> None:
    wire = Wire(most_pending=2)
    worker = puller(tmp_path, 10, wire)
    working = asyncio.create_task(worker.run())
    # The third number is in the state, and waits for room.
    await until(lambda: worker.source.facts() == {"place": 3})
    working.cancel()
    await asyncio.wait([working])
    wire.acknowledge(2)
    await worker.finish()
    assert saved(tmp_path) == 0


async def test_stopped_while_it_waits_for_acknowledgements_it_does_not_forget_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "FINISH_SECONDS", 0.2)
    wire = Wire()
    worker = puller(tmp_path, 10, wire)
    working = asyncio.create_task(worker.run())
    await until(lambda: len(wire.sent) == 10)
    await asyncio.sleep(0.15)
    working.cancel()
    await asyncio.wait([working])
    for _, future in wire.sent[1:]:
        future.set_result(None)
    await worker.finish()
    assert saved(tmp_path) == 0


async def test_an_error_of_the_producer_is_not_taken_for_one_of_the_source(tmp_path: Path) -> None:
    wire = Wire()
    worker = puller(tmp_path, 10, wire)
    await wire.open()
    await worker._acquire()
    await worker._restore()

    async def broken(_: Any) -> list[asyncio.Future[Any]]:
        raise ConnectionResetError

    wire.hand_over = broken  # type: ignore[method-assign]
    with pytest.raises(KafkaError):
        await worker.emit([Output(LIKES, b"1")])


async def test_who_waits_for_what_is_away_does_not_stand_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    worker = puller(tmp_path, 10, Wire())
    assert worker.live([None]) == {"progress": None}
    now += 1000
    assert worker.live([None, "broker: away"]) == {"progress": None}
    assert worker.live([None]) == {"progress": None}
    now += 31
    assert worker.live([None])["progress"] is not None


async def test_a_second_connector_stands_by_and_an_earlier_one_is_fenced(tmp_path: Path) -> None:
    first, second = puller(tmp_path, 5, Wire()), puller(tmp_path, 5, Wire())
    working = asyncio.create_task(first.run())
    await until(lambda: len(first.delivery.sent) == 5)  # type: ignore[attr-defined]
    waiting = asyncio.create_task(second.run())
    await until(lambda: second.ready()["lease"] is not None)
    assert "stands by" in str(second.ready()["lease"])
    # Where locks do not work, the fencing token decides.
    first._lease.give_up()
    await until(lambda: len(second.delivery.sent) == 5)  # type: ignore[attr-defined]
    first.delivery.acknowledge(5)  # type: ignore[attr-defined]
    with pytest.raises(Fenced):
        await asyncio.wait_for(working, 10)
    await first.finish()
    waiting.cancel()
    await asyncio.wait([waiting])
    await second.finish()


HOLD = """
import asyncio, pathlib, sys, time
from services.connector.lease import Lease
lease = Lease(pathlib.Path(sys.argv[1]))
asyncio.run(lease.wait())
print("held", flush=True)
time.sleep(60)
"""


def holder(path: Path) -> subprocess.Popen[bytes]:
    """Another process that has its lease."""
    found = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, cwd=PROJECT)
    assert found.stdout is not None
    assert found.stdout.readline() == b"held\n"
    return found


async def test_a_turn_ends_with_its_process(tmp_path: Path) -> None:
    other = holder(tmp_path / "lease")
    lease = Lease(tmp_path / "lease")
    waiting = asyncio.create_task(lease.wait())
    await until(lambda: lease.dependency.error is not None)
    other.kill()
    other.wait()
    await asyncio.wait_for(waiting, 10)
    assert lease.dependency.error is None
    lease.give_up()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.connector", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)


def test_kinds_are_listed_and_another_is_one_sentence() -> None:
    shown = run("--help")
    assert shown.returncode == 0
    for kind in KINDS:
        assert kind.example in shown.stdout
    wrong = run("carrier-pigeon")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == (
        "there is no connector 'carrier-pigeon': choose jetstream, segment, webhook, listenbrainz\n"
    )


@pytest.mark.parametrize(
    ("kind", "wrong", "sentence"),
    [
        ("listenbrainz", {}, "setting LISTENBRAINZ_USERS is needed: names of users, ann,bob"),
        ("jetstream", {"jetstream_url": "js.example"}, "setting JETSTREAM_URL must begin with ws:// or wss://"),
        ("webhook", {"webhook_map": "actor_id"}, "setting WEBHOOK_MAP has 'actor_id': write NAME=VALUE,NAME=VALUE"),
        ("webhook", {"webhook_map": "who=user.id"}, "setting WEBHOOK_MAP names 'who'; a like's fields are event_id, "),
        ("webhook", {"webhook_map": "action=a", "webhook_actions": "new=star"}, "setting WEBHOOK_ACTIONS names 'star'"),
        ("webhook", {"webhook_actions": "new=like"}, "setting WEBHOOK_ACTIONS needs an action in WEBHOOK_MAP"),
    ],
)
def test_a_wrong_setting_of_a_kind_is_one_sentence(kind: str, wrong: dict[str, Any], sentence: str) -> None:
    (found,) = [k for k in KINDS if k.name == kind]
    with pytest.raises(ValueError, match=re.escape(sentence)):
        found.worker(ConnectorSettings.model_validate(wrong))


def test_a_like_as_a_message_is_the_same_like_when_read() -> None:
    event = {"event_id": "e", "occurred_at": START_US // 1000, "actor_id": "a", "target_id": "t", "rank": 0}
    fast = parse(json.dumps({**event, "surface": "search", "action": "like"}).encode(), {}, NOW_MS)
    slow = Like.model_validate({**event, "surface": "search"})
    assert Like.model_validate_json(to_message(slow)) == slow
    assert json.loads(to_message(fast)) == json.loads(to_message(slow)) == {**event, "surface": "search"}
