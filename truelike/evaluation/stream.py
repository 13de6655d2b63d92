"""A file's likes as arrays, and bots' likes laid over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared import frames, schemas
from shared.events import UNLIKE
from shared.frames import from_message
from shared.topics import FRAMES_BY_ACTOR
from truelike.files.offline import OfflineIngest
from truelike.files.reading import Advance
from truelike.files.result import Result
from truelike.files.spool import Spool

I64 = npt.NDArray[np.int64]

FLOOD, LOCKSTEP, THROWAWAY = range(3)
# Actors (or, of a flood, likes), likes of each, and time between and within rounds, s.
_CAMPAIGNS: Final = {FLOOD: (300, 900), LOCKSTEP: (15, 40), THROWAWAY: (20, 60)}
_ROUNDS: Final = {LOCKSTEP: (8, 90, 30), THROWAWAY: (3, 120, 40)}


@dataclass(frozen=True)
class Stream:
    """Likes in log order: `likes` (schema schemas.LIKES), and their users, items (numbers in order of first sight)
    and times (ms), shapes (n,).
    """

    likes: pa.RecordBatch
    users: I64
    items: I64
    times: I64

    def __len__(self) -> int:
        return len(self.users)

    @property
    def user_count(self) -> int:
        return int(self.users.max(initial=-1)) + 1

    @property
    def item_count(self) -> int:
        return int(self.items.max(initial=-1)) + 1


def of_likes(likes: pa.RecordBatch) -> Stream:
    """The stream of a batch of likes; unlikes are left out, since the rivals know none."""
    kept = likes.filter(pa.array(likes.column("action").to_numpy() != UNLIKE))
    users, items = (
        kept.column(name).dictionary_encode().indices.to_numpy().astype(np.int64) for name in ("actor_id", "target_id")
    )
    return Stream(kept, users, items, kept.column("occurred_at").to_numpy())


def read(spool: Spool, result: Result, advance: Advance) -> Stream:
    """A file's likes in order of time, after ingest's own checks."""
    return of_likes(read_all(spool, result, advance))


def read_all(spool: Spool, result: Result, advance: Advance) -> pa.RecordBatch:
    """The same as they are, unlikes too (schema schemas.LIKES)."""
    ingest, batches, done = OfflineIngest(1), [], 0
    for rows, messages in ingest.frames(spool, result):
        batches += [from_message(m.value, m.headers).batch for m in messages if m.topic == FRAMES_BY_ACTOR]
        done += rows
        advance(done, spool.rows)
    return frames.join(batches, schemas.LIKES)


def with_bots(people: Stream, share: float, seed: int) -> tuple[Stream, npt.NDArray[np.bool_]]:
    """The stream with bots' likes laid over it, `share` of the people's in number, in order of time; and which
    likes are the bots'. Campaigns begin where people like, so that they are as dense as the stream.
    """
    rng = np.random.default_rng(seed)
    wanted = round(len(people) * share)
    actors: list[str] = []
    targets: list[I64] = []
    times: list[I64] = []
    campaign = 0
    while len(actors) < wanted:
        begin = int(people.times[rng.integers(len(people))])
        made = _campaign(campaign, begin, people.item_count, rng)
        actors += made[0]
        targets.append(made[1])
        times.append(made[2])
        campaign += 1
    item_ids = people.likes.column("target_id").dictionary_encode().dictionary
    bots = _as_likes(
        actors[:wanted],
        item_ids.take(pa.array(np.concatenate(targets)[:wanted])),
        np.concatenate(times)[:wanted],
    )
    both = pa.concat_batches([people.likes, bots])
    order = np.argsort(both.column("occurred_at").to_numpy(), kind="stable")
    return of_likes(both.take(pa.array(order))), order >= len(people)


def _campaign(number: int, begin: int, items: int, rng: np.random.Generator) -> tuple[list[str], I64, I64]:
    """Actors, targets and times (ms) of one campaign, kinds in turn."""
    kind = number % len(_CAMPAIGNS)
    size = int(rng.integers(*_CAMPAIGNS[kind]))
    if kind == FLOOD:
        spent = np.sort(rng.integers(0, 240_000, size))
        return [f"bot-flood{number}"] * size, rng.integers(0, items, size), begin + spent
    rounds, every, spread = _ROUNDS[kind]
    targets = rng.choice(items, min(rounds, items), replace=False)
    actors = [f"bot-{number}-{a}" for a in range(size)] * len(targets)
    start = begin + np.repeat(np.arange(len(targets)) * every * 1000, size)
    return actors, np.repeat(targets, size), start + rng.integers(0, spread * 1000, len(actors))


def _as_likes(actors: list[str], targets: pa.Array, times: I64) -> pa.RecordBatch:
    given = {
        "event_id": pa.array([f"bot-{n}" for n in range(len(actors))]),
        "occurred_at": pa.array(times),
        "actor_id": pa.array(actors),
        "target_id": targets,
    }
    zero = {name: pa.array(np.zeros(len(actors), np.int8)) for name in schemas.CODES if name in schemas.LIKES.names}
    zero["sent_at"] = pa.array(times)
    zero["source_partition"] = pa.array(np.zeros(len(actors), np.int32))
    zero["source_offset"] = pa.array(np.arange(len(actors)))
    columns = [
        {**given, **zero}.get(field.name, pa.nulls(len(actors), field.type)).cast(field.type) for field in schemas.LIKES
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schemas.LIKES)
