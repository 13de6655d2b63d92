"""What the console shows, as Redis commands that follow from each message. Pure."""

from __future__ import annotations

from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from services.console import reviewable
from shared import forgetting, redis_keys
from shared.events import UNLIKE
from shared.forgetting import Request
from shared.frames import Frame, decode
from shared.idempotent_redis import Command
from shared.labels import LABELS
from shared.schemas import FORGET, FORGET_REQUESTS

KEPT_VERDICTS: Final = 50
TTL_SECONDS: Final = 30 * 86400
# Words that a script may unpack are bounded (Lua's stack).
ACTORS_AT_ONCE: Final = 1000

# Adds to what was seen of actors: pairs of a key and a number.
PROCEDURES: Final = f"""
procedures['likes.seen'] = function(...)
  local words = {{...}}
  for at = 1, #words, 2 do
    redis.call('INCRBY', words[at], words[at + 1])
    redis.call('EXPIRE', words[at], {TTL_SECONDS})
  end
end
"""


def of_verdict(value: bytes) -> list[Command]:
    actor = msgspec.json.decode(value)["actor_id"]
    key = redis_keys.verdict(actor)
    # A detector that died repeats what it said last.
    again: Command = ("LREM", key, 1, value)
    return [again, ("LPUSH", key, value), ("LTRIM", key, 0, KEPT_VERDICTS - 1), ("EXPIRE", key, TTL_SECONDS)]


def of_trusted_likes(value: bytes) -> list[Command]:
    """Likes per target and label, and per actor; a correction moves a like from its old label to the new one."""
    likes = decode(value)
    if likes.schema.equals(FORGET_REQUESTS):
        return _of_forget(forgetting.of_frame(Frame(FORGET, likes)))
    changes: dict[tuple[str, int], int] = {}
    totals = dict.fromkeys(range(len(LABELS)), 0)
    for column, step in (("label", 1), ("previous_label", -1)):
        table = pa.table({"target": likes.column("target_id"), "label": likes.column(column)}).drop_null()
        grouped = table.group_by(["target", "label"], use_threads=False).aggregate([([], "count_all")])
        for row in grouped.to_pylist():
            key = (row["target"], row["label"])
            changes[key] = changes.get(key, 0) + step * row["count_all"]
            totals[row["label"]] += step * row["count_all"]
    commands: list[Command] = [
        ("HINCRBY", redis_keys.target(target), LABELS[label], by) for (target, label), by in changes.items() if by
    ]
    # dict: each once, in the order of the frame.
    commands += [("EXPIRE", redis_keys.target(target), TTL_SECONDS) for target in dict.fromkeys(t for t, _ in changes)]
    commands += [*_seen(likes), *reviewable.of_likes(likes)]
    commands += [("HINCRBY", redis_keys.LABEL_COUNTS, LABELS[label], by) for label, by in totals.items() if by]
    return commands


def _seen(likes: pa.RecordBatch) -> list[Command]:
    """How many likes came of each actor; corrections and unlikes are none."""
    first = pc.and_(pc.is_null(likes.column("previous_label")), pc.not_equal(likes.column("action"), UNLIKE))
    counts = pc.value_counts(likes.column("actor_id").filter(first.fill_null(False)))
    words: list[str | int] = []
    for actor, count in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
        words += (redis_keys.likes_of(actor), count)
    size = 2 * ACTORS_AT_ONCE
    return [("likes.seen", *words[at : at + size]) for at in range(0, len(words), size)]


def _of_forget(request: Request) -> list[Command]:
    kinds = (redis_keys.verdict, redis_keys.likes_of, redis_keys.campaigns_of_actor)
    keys = [key(user) for user in request.user_ids for key in kinds]
    removed = forgetting.report(request.request_id, "console", {"redis_keys": len(keys)})
    return [*(("DEL", key) for key in keys), *reviewable.of_forgotten(request.user_ids), *removed]
