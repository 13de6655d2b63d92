"""What the console shows, as Redis commands that follow from each message. Pure."""

from __future__ import annotations

from typing import Final

import msgspec
import pyarrow as pa

from shared import forgetting, redis_keys
from shared.forgetting import Request
from shared.frames import FORGET, FORGET_REQUESTS, Frame, decode
from shared.guarded_redis import Command
from shared.labels import LABELS

KEPT_VERDICTS: Final = 50
TTL_SECONDS: Final = 30 * 86400


def of_verdict(value: bytes) -> list[Command]:
    actor = msgspec.json.decode(value)["actor_id"]
    key = redis_keys.verdict(actor)
    # A detector that died repeats what it said last.
    again: Command = ("LREM", key, 1, value)
    return [again, ("LPUSH", key, value), ("LTRIM", key, 0, KEPT_VERDICTS - 1), ("EXPIRE", key, TTL_SECONDS)]


def of_campaign(value: bytes) -> list[Command]:
    campaign = msgspec.json.decode(value)
    if campaign["merged_into"] is not None or campaign["expired"]:
        return [("HDEL", redis_keys.CAMPAIGNS, campaign["campaign_id"])]
    return [("HSET", redis_keys.CAMPAIGNS, campaign["campaign_id"], value)]


def of_trusted_likes(value: bytes) -> list[Command]:
    """Likes per target and label; a correction moves a like from its old label to the new one."""
    likes = decode(value)
    if likes.schema.equals(FORGET_REQUESTS):
        return _of_forget(forgetting.of_frame(Frame(FORGET, likes)))
    changes: dict[tuple[str, int], int] = {}
    totals = dict.fromkeys(range(len(LABELS)), 0)
    for column, step in (("label", 1), ("previous_label", -1)):
        table = pa.table({"target": likes.column("target_id"), "label": likes.column(column)}).drop_null()
        grouped = table.group_by(["target", "label"]).aggregate([([], "count_all")])
        for row in grouped.to_pylist():
            key = (row["target"], row["label"])
            changes[key] = changes.get(key, 0) + step * row["count_all"]
            totals[row["label"]] += step * row["count_all"]
    commands: list[Command] = [
        ("HINCRBY", redis_keys.target(target), LABELS[label], by) for (target, label), by in changes.items() if by
    ]
    commands += [("HINCRBY", redis_keys.LABEL_COUNTS, LABELS[label], by) for label, by in totals.items() if by]
    return commands


def _of_forget(request: Request) -> list[Command]:
    keys = [redis_keys.verdict(user) for user in request.user_ids]
    removed = forgetting.report(request.request_id, "console", {"redis_keys": len(keys)})
    return [*(("DEL", key) for key in keys), *removed]
