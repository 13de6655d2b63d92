"""What reviewers found beside what the actors were called: the same however and whenever either came."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.charts.loop_figures import LoopFigures
from services.charts.review_table import Refused, ReviewTable
from services.charts.reviews import BOT_FOUND, CALLED, PERSON, SAID_NO, Reviews
from services.charts.saying import PART_BITS
from services.charts.settings import ChartsSettings
from services.charts.spoken import LANGUAGES, OTHER, UNKNOWN
from services.charts.tallies import Tallies
from services.charts.task import ChartsTask
from shared.events import UNLIKE
from shared.forgetting import Request, to_message
from shared.frames import Frame, from_message
from shared.hashing import hash_strings
from shared.labels import LABELS
from shared.partitions import Partition
from shared.topics import REVIEWS
from tests.unit.charts.rows import BEGIN_MS, DAY_MS, batch, row
from tests.unit.charts.test_saying import LIMITS
from tests.unit.charts.test_tallies import events, log

DAYS = 3
Message = tuple[bytes, bytes | None]


def review(actor: int, found: str = "person", drawn: str = "independently", **said: Any) -> Message:
    fields = {"actor_id": f"a{actor}", "found": found, "drawn": drawn, "reviewed_at": BEGIN_MS, "reviewer_id": "r"}
    return f"a{actor}".encode(), msgspec.json.encode(fields | said)


def table(messages: list[Message], most: int = 100, at_once: int = 1000) -> ReviewTable:
    found = ReviewTable(most)
    for start in range(0, len(messages), at_once):
        found.take(messages[start : start + at_once])
    return found


def place(tag: str | None) -> int:
    if tag is None:
        return UNKNOWN
    primary = tag.lower().partition("-")[0]
    return LANGUAGES.index(primary) if primary in LANGUAGES[2:] else OTHER


def expected(rows: list[dict[str, Any]], messages: list[Message], forgotten: set[str]) -> dict[str, Any]:
    """One like and one review after the other."""
    newest = max((like["occurred_at"] for like in rows if is_like(like)), default=-DAY_MS)
    standing: dict[tuple[str, str], dict[str, Any]] = {}
    clock = -DAY_MS
    for like in rows:
        pair, stands = (like["actor_id"], like["target_id"]), standing.get((like["actor_id"], like["target_id"]))
        day = like["occurred_at"] // DAY_MS
        if like["action"] == UNLIKE:
            standing.pop(pair, None)
            continue
        clock = max(clock, like["occurred_at"] if is_like(like) else -DAY_MS)
        if day <= clock // DAY_MS - DAYS:
            continue
        if not is_like(like):
            if stands is not None and stands["event_id"] == like["event_id"]:
                standing[pair] = like
        elif stands is None or (
            stands["event_id"] != like["event_id"] and stands["occurred_at"] <= like["occurred_at"]
        ):
            standing[pair] = like
    of_actor: dict[str, list[dict[str, Any]]] = {}
    for (actor, _), like in standing.items():
        if actor not in forgotten and like["occurred_at"] // DAY_MS > newest // DAY_MS - DAYS:
            of_actor.setdefault(actor, []).append(like)
    of_actor = {actor: likes for actor, likes in of_actor.items() if not labelled(likes, "agent")}
    newest_review: dict[str, dict[str, Any]] = {}
    for key, value in messages:
        newest_review.pop(key.decode(), None)
        if value is not None:
            newest_review[key.decode()] = json.loads(value)
    for actor in forgotten:
        newest_review.pop(actor, None)
    counts, left_out, unseen = np.zeros((2, len(LANGUAGES), 2, 2), np.int64), 0, 0
    for actor, said in newest_review.items():
        if actor not in of_actor:
            unseen += 1
        elif said["drawn"] != "independently":
            left_out += 1
        else:
            likes = of_actor[actor]
            at = int(said["found"] == "bot"), int(labelled(likes, "bot"))
            locale = place(said.get("locale")) or most([like.get("actor_locale") for like in likes])
            counts[0, locale][at] += 1
            counts[1, most([like.get("content_language") for like in likes])][at] += 1
    called = sum(labelled(likes, "bot") for likes in of_actor.values())
    return {
        "counts": counts.tolist(),
        "left_out": left_out,
        "unseen": unseen,
        "judged": len(of_actor),
        "called": called,
    }


def is_like(like: dict[str, Any]) -> bool:
    return like["action"] != UNLIKE and "previous_label" not in like


def labelled(likes: list[dict[str, Any]], label: str) -> bool:
    return any(LABELS[like["label"]] == label for like in likes)


def most(tags: list[str | None]) -> int:
    """Of equals the first."""
    counts = Counter(place(tag) for tag in tags if tag is not None)
    return min(counts, key=lambda tag: (-counts[tag], tag)) if counts else UNKNOWN


def described(found: Reviews) -> dict[str, Any]:
    return {name: np.asarray(getattr(found, name)).tolist() for name in Reviews.__dataclass_fields__}


reviews = st.one_of(
    st.builds(
        review,
        st.integers(0, 5),
        st.sampled_from(["person", "bot"]),
        st.sampled_from(["independently", "independently", "by verdict", "by appeal"]),
        locale=st.sampled_from(["cy-GB", "de", "xyz", None]),
    ),
    st.builds(lambda actor: (f"a{actor}".encode(), None), st.integers(0, 5)),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(events, min_size=1, max_size=60),
    st.lists(reviews, max_size=12),
    st.sets(st.integers(0, 5), max_size=2),
    st.integers(1, 9),
    st.integers(1, 4),
    st.data(),
)
def test_neither_order_nor_cuts_nor_restarts_change_what_is_reckoned(
    drawn: list[Any], said: list[Message], forgotten: set[int], size: int, at_once: int, data: st.DataObject
) -> None:
    rows, gone = log(drawn), {f"a{actor}" for actor in forgotten}
    tombstones: list[Message] = [(actor.encode(), None) for actor in sorted(gone)]
    task = Tallies(DAYS, 1000)
    cuts = list(range(0, len(rows), size))
    restart = data.draw(st.sampled_from(cuts))
    reading = ReviewTable(100)
    for start in cuts:
        task.take(batch(rows[start : start + size]))
        # Reviews come in between, or all of them after the likes.
        reading.take(said[start * at_once : (start + size) * at_once])
        # What was reckoned on the way changes nothing.
        task.judged().reviews(reading.reviewed())
        if start == restart:
            arrays, task = task.snapshot(), Tallies(DAYS, 1000)
            task.restore(arrays)
            reading = table(said[: (start + size) * at_once], at_once=at_once)
    reading.take(said[len(cuts) * size * at_once :])
    if gone:
        task.forget(hash_strings(pa.array(sorted(gone))))
    reading.take(tombstones)
    assert described(task.judged().reviews(reading.reviewed())) == expected(rows, said + tombstones, gone)


def test_who_was_called_a_bot_once_is_called_one_until_that_is_corrected() -> None:
    task, found = Tallies(DAYS, 100), table([review(1), review(2, "bot"), review(3), review(4)])
    called = {"label": "bot", "human_probability": 0.05}
    task.take(
        batch([row(1, 1, 1, **called), row(2, 1, 2), row(3, 2, 1, **called), row(4, 3, 1, label="agent"), row(5, 9, 1)])
    )
    judged = task.judged().reviews(found.reviewed())
    everyone = judged.counts[0].sum(axis=0)
    assert everyone.tolist() == [[0, 1], [0, 1]]
    # Who declares to be an agent was not judged, and of the fourth no like came.
    assert (judged.unseen, judged.judged, judged.called) == (2, 3, 2)
    task.take(batch([row(1, 1, 1, previous_label="bot")]))
    corrected = task.judged().reviews(found.reviewed())
    assert corrected.counts[0, :, PERSON].sum(axis=0)[[SAID_NO, CALLED]].tolist() == [1, 0]
    assert corrected.counts[0, :, BOT_FOUND, CALLED].sum() == 1
    assert corrected.called == 1


@pytest.mark.parametrize(
    ("tags", "expected_tag"),
    [(["de", "cy", "cy-GB", None, None], "cy"), (["de", "cy"], "cy"), (["de", "xyz", "de"], "de"), ([None], None)],
)
def test_an_actor_has_the_language_and_the_locale_of_most_likes(
    tags: list[str | None], expected_tag: str | None
) -> None:
    task = Tallies(DAYS, 100)
    said = [{"content_language": tag, "actor_locale": tag} for tag in tags]
    task.take(batch([row(n, 1, n, **of) for n, of in enumerate(said)]))
    for own in (None, "ja"):
        judged = task.judged().reviews(table([review(1, locale=own)]).reviewed())
        by_locale, by_language = (np.flatnonzero(of.sum(axis=(1, 2))).tolist() for of in judged.counts)
        assert by_locale == [place(own or expected_tag)]
        assert by_language == [place(expected_tag)]


def test_what_does_not_fit_says_which_fields_and_leaves_no_older_review() -> None:
    found = table([review(1), review(2)])
    key, value = review(2)
    refused = found.take([review(1, "human"), (b"a3", value), (b"a4", b"\xff"), (b"\xff", None), (key, value)])
    assert refused == [Refused(0, ("found",)), Refused(1, ("key",)), Refused(2, ("message",))]
    assert len(found) == 1
    assert found.counters == {"charts_reviews_read": 7, "charts_reviews_rejected": 3}


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_of_more_reviews_than_there_is_room_for_the_same_ones_count(at_once: int) -> None:
    some = [review(actor) for actor in range(300)]
    keys = np.sort(hash_strings(pa.array([f"a{actor}" for actor in range(300)])))
    for order in (some, some[::-1]):
        found = table(order, 50, at_once)
        assert found.reviewed().actor.tolist() == keys[:50].tolist()
        assert len(found) <= 100 + at_once


def test_a_forgotten_users_review_goes_from_the_topic() -> None:
    task = ChartsTask(0, LIMITS)
    task.process(Frame("trusted-likes", batch([row(1, 1, 1)])), 0)
    request = to_message(Request("r", ["a1", "nobody"], BEGIN_MS))
    outputs = task.process(from_message(request.value, request.headers), 1)
    assert [(o.topic, o.partition, o.key, o.tombstone) for o in outputs] == [
        (REVIEWS, 0, b"a1", True),
        (REVIEWS, 0, b"nobody", True),
    ]


class Reader:
    """`reviews.v1`, as far as somebody wrote it."""

    def __init__(self) -> None:
        self.table, self.position = ReviewTable(100), 0
        self.log: list[Message] = []

    async def catch_up(self) -> None:
        self.table.take(self.log[self.position :])
        self.position = len(self.log)


class Store:
    def __init__(self) -> None:
        self.newest, self.writes = -1, 0
        self.loop: dict[str, Any] = {}

    def register_script(self, _: str) -> None: ...

    def job(self, entry: Partition, reader: Reader) -> LoopFigures:
        redis: Any = self
        job: Any = LoopFigures(ChartsSettings(), redis, lambda: [entry], reader)

        async def newest(_: int) -> int:
            return self.newest

        async def apply(_: int, place: int, commands: Any) -> int:
            if place > self.newest:
                self.newest, self.writes = place, self.writes + 1
                self.loop = json.loads(commands[0][2])
            return self.newest

        job.writer.newest = newest
        job.writer.apply = apply
        return job

    def wrongly(self) -> list[dict[str, Any]]:
        return [figure for figure in self.loop["figures"] if figure["figure"] == "wrongly_called_bot"]


async def test_a_review_changes_the_figures_though_no_like_comes() -> None:
    entry = Partition(ChartsTask(0, LIMITS))
    rows = [row(n, n, 1, label="bot" if n < 5 else "human", actor_locale="cy") for n in range(100)]
    entry.task.process(Frame("trusted-likes", batch(rows)), 0)
    entry.offset = 0
    store, reader = Store(), Reader()
    job = store.job(entry, reader)
    await job.work()
    await job.work()
    assert (store.writes, [figure["why"] for figure in store.wrongly()]) == (1, ["there are no reviews"])
    reader.log = [review(n) for n in range(50)]
    await job.work()
    of_all = store.wrongly()[0]
    assert (store.writes, of_all["value"], of_all["n"], of_all["identified"]) == (2, 0.1, 50, True)
    assert [(f["n"], f["value"]) for f in store.wrongly() if f.get("locale") == "cy"] == [(50, 0.1)]
    # A worker that takes up an older snapshot says nothing until it has caught up.
    store.newest = 7 << PART_BITS
    reader.log += [review(n) for n in range(50, 60)]
    await job.work()
    assert store.writes == 2
    # A Redis that was emptied is told again.
    store.newest = -1
    await job.work()
    assert (store.writes, store.wrongly()[0]["n"]) == (3, 60)
