from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa

from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from shared import schemas
from shared.checkpoints import unpack_blobs
from shared.forgetting import Request, to_detector
from shared.frames import Output, decode
from shared.hashing import hash_strings
from shared.topics import CAMPAIGNS, TRUSTED_LIKES
from tests.likes import crowd, ingest_in_batches

GONE = "bot3"


def holds(detector: Detector, word: str) -> list[str]:
    """Arrays of all snapshots with the word, or its hash, in them."""
    hashed = hash_strings(pa.array([word]))[0]
    found = []
    for at, task in detector.tasks.items():
        arrays = task.snapshot()
        blobs = [name.removesuffix(".lengths") for name in arrays if name.endswith(".lengths")]
        for name in blobs:
            for blob in unpack_blobs(name, arrays):
                columns = decode(blob).to_pydict().items()
                found += [f"{at} {name} {c}" for c, values in columns if word in values or int(hashed) in values]
        for name, array in arrays.items():
            if f'"{word}"'.encode() in array.tobytes() or word.encode() + b"\xa0" in array.tobytes():
                found.append(f"{at} {name}")
            if array.dtype == np.uint64 and name.partition(".")[0] not in ("retained", "summaries") and hashed in array:
                found.append(f"{at} {name} (hash)")
    return found


def feed(detector: Detector, messages: list[Output]) -> list[Output]:
    return [o for message in messages for o in detector.feed([message])]


def last_weights(outputs: list[Output]) -> dict[str, Any]:
    rows = [r for o in outputs if o.topic == TRUSTED_LIKES for r in decode(o.value).to_pylist()]
    return {r["event_id"]: (r["human_probability"], r["label"]) for r in rows if r["actor_id"] != GONE}


def test_after_forgetting_no_state_knows_the_user_and_nobody_else_is_judged_otherwise() -> None:
    log = ingest_in_batches(crowd(), [1000, 2000, 3000, 3900], 2)
    # All but the end of the stream: the horizon has not passed.
    log = log[:-2]
    plain, forgetful = Detector(Judgement(2)), Detector(Judgement(2))
    before = feed(plain, log)
    outputs = feed(forgetful, log)
    assert holds(forgetful, GONE)
    outputs += feed(forgetful, to_detector(Request("r1", [GONE], 5), 2))
    assert holds(forgetful, GONE) == []
    assert holds(forgetful, "bot4")
    assert last_weights(outputs) == last_weights(before)
    campaigns = [json.loads(o.value) for o in outputs if o.topic == CAMPAIGNS]
    assert GONE in campaigns[-2]["actors"]
    assert GONE not in campaigns[-1]["actors"]
    assert campaigns[-1]["actor_count"] == campaigns[-2]["actor_count"] == 12
    assert campaigns[-1]["likes"] == campaigns[-2]["likes"]


def test_what_was_taken_out_is_counted_and_the_rest_goes_on_from_a_snapshot() -> None:
    log = ingest_in_batches(crowd(), [1000, 2000, 3000, 3900], 2)
    detector = Detector(Judgement(2))
    feed(detector, log[:-2])
    feed(detector, to_detector(Request("r1", [GONE, "person7"], 5), 2))
    removed = dict[str, int]()
    for task in detector.tasks.values():
        for name, count in getattr(task, "removed", {}).items():
            removed[name] = removed.get(name, 0) + count
    assert removed["likes"] == 8 + sum(e["actor_id"] == "person7" for e in crowd())
    assert min(removed["partners"], removed["accusations"], removed["verdicts"]) > 0
    other = Detector(Judgement(2))
    for at, task in detector.tasks.items():
        buffer = io.BytesIO()
        np.savez(buffer, **task.snapshot())
        buffer.seek(0)
        other.tasks[at].restore(dict(np.load(buffer)))
    other._offsets = dict(detector._offsets)
    assert [o.value for o in feed(other, log[-2:])] == [o.value for o in feed(detector, log[-2:])]
    assert schemas.FORGET not in {o.topic for o in log}
