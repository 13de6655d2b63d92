"""What was liked, bought and shown, as arrays: the input of every figure."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from shared.buys import bought_by
from shared.events import ACTIONS, AGENT, BUY, UNLIKE
from shared.hashing import U64, hash_strings, hashes, mix
from shared.languages import UNKNOWN_LANGUAGE, language_of

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LIKE: Final = ACTIONS.index("like")
HOUR_MS: Final = 3_600_000
# What a slate is said to have caused may come this much later.
ATTRIBUTION_MS: Final = 24 * HOUR_MS
NOBODY: Final = 0
NO_SLATE: Final = 0
NO_LANGUAGE: Final = -1


@dataclass(frozen=True)
class Rows:
    """Columns of one length."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def take(self, which: Any) -> Self:
        """Rows by index or mask."""
        return type(self)(*(getattr(self, f.name)[which] for f in fields(self)))

    def __add__(self, other: Self) -> Self:
        """These, then the others."""
        return type(self)(*(np.concatenate((getattr(self, f.name), getattr(other, f.name))) for f in fields(self)))


@dataclass(frozen=True)
class Likes(Rows):
    """Shapes (n,), in order of time. `actor`, `target`, `creator` are hashes (NOBODY: not known), `time` is in ms,
    `weight` is the probability that a person acted. `p_popular` and `p_history` were forecast of it by popularity and
    by the actor's own past, given that the actor likes something now; not a number where nothing was. `p_any`: were all
    that is known liked alike; `p_new`: that something comes which nobody liked before; `is_new`: whether it is that.
    `slate`: as of Shown, the one that the like names (`named_slates` has which of them are known), NO_SLATE where it
    names none; `topic`: a hash.
    """

    actor: U64
    target: U64
    creator: U64
    time: I64
    surface: npt.NDArray[np.int8]
    weight: F64
    p_popular: F64
    p_history: F64
    origin: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    language: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    p_with: F64 = field(default_factory=lambda: np.zeros(0))
    p_without: F64 = field(default_factory=lambda: np.zeros(0))
    slate: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    topic: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))
    p_any: F64 = field(default_factory=lambda: np.zeros(0))
    p_new: F64 = field(default_factory=lambda: np.zeros(0))
    is_new: Bools = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __post_init__(self) -> None:
        unknown = {"origin": np.int8(0), "language": np.int32(NO_LANGUAGE), "p_with": np.nan, "p_without": np.nan}
        unknown |= {"slate": np.int64(NO_SLATE), "topic": np.uint64(NOBODY)}
        unknown |= {"p_any": np.nan, "p_new": np.nan, "is_new": np.bool_(False)}
        for name, value in unknown.items():
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.full(len(self.actor), value))


@dataclass(frozen=True)
class Shown(Rows):
    """Items of slates, shown or withheld, shapes (n,), in order of time. `slate` and `policy` are numbers."""

    slate: I64
    actor: U64
    target: U64
    creator: U64
    time: I64
    surface: npt.NDArray[np.int8]
    arm: npt.NDArray[np.int8]
    policy: I64
    rank: I64
    # Not a number where it was not logged; 0 where it is not known among how many.
    propensity: F64
    candidates: I64
    withheld: Bools


@dataclass(frozen=True)
class Buys(Rows):
    """Shapes (n,), in order of time. `person`: the principal, where one is named, else the actor; `target`, `creator`
    as of likes. `declared`: it says itself that an agent acted: the actor does, or it names an agent's key, or a
    principal who is not the actor. The others are codes of `schemas.CODES`.
    """

    person: U64
    target: U64
    creator: U64
    time: I64
    surface: npt.NDArray[np.int8]
    declared: Bools
    signature: npt.NDArray[np.int8]
    mandate: npt.NDArray[np.int8]
    user_present: npt.NDArray[np.int8]

    @classmethod
    def none(cls) -> Buys:
        ids, codes, time = np.zeros(0, np.uint64), np.zeros(0, np.int8), np.zeros(0, np.int64)
        return cls(ids, ids, ids, time, codes, np.zeros(0, np.bool_), codes, codes, codes)


@dataclass(frozen=True)
class Bits(Rows):
    """Of likes with forecasts, shapes (n,): `at`, places among the log's likes; `popular`, what a like held; `shown`
    and `shown_first` are E in the two orders of the chain: whoever comes first takes the credit (services/choice/bits).
    """

    at: I64
    popular: F64
    history: F64
    shown: F64
    rest: F64
    # E where what was shown comes before one's own past.
    shown_first: F64
    # Whether the actor was shown anything within the window, and the liked item.
    exposed: Bools
    was_shown: Bools

    @property
    def p_shown(self) -> F64:
        """How probable the like was, given what was shown."""
        return np.exp2(-self.rest)


@dataclass(frozen=True)
class Log:
    """Likes that stand, what was shown and bought, up to a moment; `policies`, `languages`: names by number; `bits`:
    the likes', where they were found as the likes came; `others`: how many actions that are no likes twin forecasters
    had to learn from, None where none ran.
    """

    likes: Likes
    shown: Shown
    policies: tuple[str, ...]
    now_ms: int
    bits: Bits | None = None
    buys: Buys = field(default_factory=Buys.none)
    languages: tuple[str, ...] = ()
    others: int | None = None

    @cached_property
    def matured(self) -> Shown:
        """What was shown so long ago that all that is counted of it has come."""
        return self.shown.take(self.shown.time + ATTRIBUTION_MS <= self.now_ms)

    def until(self, now_ms: int) -> Log:
        """The log as it was then."""
        likes, shown, buys = self.likes, self.shown, self.buys
        then = likes.take(likes.time <= now_ms), shown.take(shown.time <= now_ms)
        bought = buys.take(buys.time <= now_ms)
        return Log(*then, self.policies, now_ms, None, bought, self.languages, self.others)

    @property
    def window(self) -> tuple[int, int]:
        times = np.r_[self.likes.time, self.shown.time, self.buys.time]
        return (int(times.min()), int(times.max())) if len(times) else (0, 0)


def likes_of(batch: pa.RecordBatch, **more: npt.NDArray[Any]) -> Likes:
    """Of likes in order of time (schema `schemas.LIKES`) those that were not taken back, in full. Shares and buys are
    none. `more`: other columns of Likes, of each row of the batch; without p_popular, p_history nothing was forecast.
    """
    action = batch.column("action").to_numpy()
    actor, target = (hash_strings(batch.column(name)) for name in ("actor_id", "target_id"))
    pairs, of_row = np.unique(mix(actor, target), return_inverse=True)
    rows, last_unlike = np.arange(len(of_row)), np.full(len(pairs), -1)
    unlikes = np.flatnonzero(action == UNLIKE)
    np.maximum.at(last_unlike, of_row[unlikes], unlikes)
    kept = np.flatnonzero((action == LIKE) & (rows > last_unlike[of_row]))
    nothing = np.full(len(rows), np.nan)
    columns = {"p_popular": nothing, "p_history": nothing, **more}
    return Likes(
        actor[kept],
        target[kept],
        hashes(batch.column("creator_id"))[kept],
        batch.column("occurred_at").to_numpy()[kept],
        batch.column("surface").to_numpy()[kept],
        np.ones(len(kept)),
        **{name: column[kept] for name, column in columns.items()},
    )


def buys_of(batch: pa.RecordBatch) -> Buys:
    """Of likes in order of time (schema `schemas.LIKES` or `schemas.FORECASTS`) those that are buys."""
    bought = batch.filter(pc.equal(batch.column("action"), BUY))
    person, actor = hash_strings(bought_by(bought)), hash_strings(bought.column("actor_id"))
    kind, surface, signature, mandate, present = (
        pc.fill_null(bought.column(name), 0).to_numpy()
        for name in ("actor_kind", "surface", "signature", "mandate", "user_present")
    )
    keyed = bought.column("agent_key").is_valid().to_numpy(zero_copy_only=False)
    return Buys(
        person,
        hash_strings(bought.column("target_id")),
        hashes(bought.column("creator_id")),
        bought.column("occurred_at").to_numpy(),
        surface,
        (kind == AGENT) | keyed | (person != actor),
        signature,
        mandate,
        present,
    )


def languages_of(batch: pa.RecordBatch) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """The number of each row's language (schema `schemas.LIKES`), NO_LANGUAGE where none is known; and their names."""
    spoken = language_of(batch)
    known = pc.if_else(pc.equal(spoken, UNKNOWN_LANGUAGE), None, spoken).dictionary_encode()
    numbers = known.indices.fill_null(NO_LANGUAGE).to_numpy().astype(np.int32)
    return numbers, tuple(known.dictionary.to_pylist())


def shown_of(items: pa.RecordBatch) -> tuple[Shown, tuple[str, ...]]:
    """Of items of slates that are each there once (schema `schemas.EXPOSED_ITEMS`); and the policies' names."""
    kept = items.take(pa.array(np.argsort(items.column("occurred_at").to_numpy(), kind="stable")))
    policies = kept.column("policy_id").dictionary_encode()
    columns = {
        "slate": kept.column("slate").to_numpy().view(np.int64),
        "time": kept.column("occurred_at").to_numpy(),
        "policy": policies.indices.to_numpy().astype(np.int64),
        "rank": kept.column("rank").to_numpy().astype(np.int64),
        "propensity": pc.fill_null(kept.column("propensity"), np.nan).to_numpy(),
        "candidates": kept.column("candidates").to_numpy().astype(np.int64),
        "withheld": kept.column("withheld").to_numpy(zero_copy_only=False),
    }
    found = [columns[f.name] if f.name in columns else kept.column(f.name).to_numpy() for f in fields(Shown)]
    return Shown(*found), tuple(policies.dictionary.to_pylist())
