"""A request to forget users, and what each service says it removed.

The request is a frame in trusted-likes.v1, so that every reader meets it at one place in the order of likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import pyarrow as pa

from shared import redis_keys
from shared.frames import Frame, Output, to_output
from shared.hashing import hash_strings
from shared.idempotent_redis import Command
from shared.schemas import FORGET, FORGET_REQUESTS
from shared.topics import FRAMES_BY_ACTOR, TRUSTED_LIKES

REPORT_TTL_SECONDS: Final = 86_400
# Who must report before a request is done; of the others each partition that knows a user, as `detector/PARTITION`.
SERVICES: Final = ("predictor", "charts", "exporter", "console")
BY_USER: Final = ("detector", "choice")


@dataclass(frozen=True)
class Request:
    """Users to forget; `requested_at` in ms since epoch."""

    request_id: str
    user_ids: list[str]
    requested_at: int


def to_message(request: Request) -> Output:
    count = len(request.user_ids)
    columns = [request.user_ids, [request.request_id] * count, [request.requested_at] * count]
    return to_output(Frame(FORGET, pa.record_batch(columns, FORGET_REQUESTS)), TRUSTED_LIKES, 0)


def to_detector(request: Request, partitions: int) -> list[Output]:
    """The same for the detector, to the partitions of `frames.by-actor` that know these users."""
    outputs = []
    for partition, users in sorted(_by_partition(request, partitions).items()):
        columns = [users, [request.request_id] * len(users), [request.requested_at] * len(users)]
        frame = Frame(FORGET, pa.record_batch(columns, FORGET_REQUESTS))
        outputs.append(to_output(frame, FRAMES_BY_ACTOR, partition))
    return outputs


def _by_partition(request: Request, partitions: int) -> dict[int, list[str]]:
    owners = hash_strings(pa.array(request.user_ids, pa.string())) % partitions
    found: dict[int, list[str]] = {}
    for user, owner in zip(request.user_ids, owners.tolist(), strict=True):
        found.setdefault(owner, []).append(user)
    return found


def messages(request: Request, partitions: int) -> list[Output]:
    """All that is to be sent to forget these users."""
    return [to_message(request), *to_detector(request, partitions)]


def reporters(user_ids: Sequence[str], partitions: int) -> list[str]:
    """Who must report before a request is done."""
    owners = sorted(_by_partition(Request("", list(user_ids), 0), partitions))
    return [*SERVICES, *(f"{service}/{p}" for service in BY_USER for p in owners)]


def of_frame(frame: Frame) -> Request:
    columns = frame.batch.to_pydict()
    return Request(columns["request_id"][0], columns["user_id"], columns["requested_at"][0])


def report(request_id: str, service: str, removed: dict[str, int]) -> Sequence[Command]:
    """What `service` removed, where `truelike forget` looks for it."""
    key = redis_keys.forget_report(request_id)
    return [("HSET", key, service, msgspec.json.encode(removed)), ("EXPIRE", key, REPORT_TTL_SECONDS)]
