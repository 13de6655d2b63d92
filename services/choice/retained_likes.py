"""What a partition keeps of its likes, with their bits. Bounded; the oldest rows go."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from services.choice.growing import GOES_AT_ONCE, GrowingColumns
from services.choice.log import I64, NO_LANGUAGE, NOBODY, Bits, Bools, Likes
from services.choice.person import MOST_LIKES, PARTS, Person
from shared.checkpoints import Arrays, pack, unpack
from shared.hashing import U64, mix
from shared.slots import SlotTable

NONE: Final = -1
# Of a user's likes so many are looked through for those that stand.
LOOKED_THROUGH: Final = 10 * MOST_LIKES

# Of snapshots of before, what they do not say of likes: slates and topics, then what twin forecasters are compared by.
_NEW: Final = {"slate": 0, "topic": 0, "origin": 0, "language": NO_LANGUAGE, "p_with": np.nan, "p_without": np.nan}
# Clients may think of any.
MOST_LANGUAGES: Final = 1000
_FLAGS: Final = ("forecast", "exposed", "was_shown", "withheld", "anticipated")
_LIKES: Final = {
    "actor": np.uint64,
    "target": np.uint64,
    "creator": np.uint64,
    "time": np.int64,
    "surface": np.int8,
    # The slate that it came from, and what it is about: 0 where that is not known.
    "slate": np.int64,
    "topic": np.uint64,
    "origin": np.int8,
    # A number of `languages`, NO_LANGUAGE where none is known.
    "language": np.int32,
    # By twin forecasters, not a number where none ran.
    "p_with": np.float32,
    "p_without": np.float32,
    # 0 where it was taken back, or where none that a person gave.
    "weight": np.float32,
    **dict.fromkeys(PARTS, np.float32),
    **dict.fromkeys(_FLAGS, np.bool_),
    # It was taken back by its actor: no correction brings it back.
    "taken_back": np.bool_,
    # Numbers of the same actor's like before, and of the actor's like of the same target before.
    "before_of_actor": np.int64,
    "before_of_pair": np.int64,
}


class RetainedLikes:
    """Likes by number, in log order; found by event, and by actor and target."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.rows = GrowingColumns(_LIKES)
        # Each with the number of the latest row; of actors, also how many of their likes stand.
        self.events = SlotTable({"row": np.int64}, 2 * most)
        self.pairs = SlotTable({"row": np.int64}, 2 * most)
        # Where and when something was last said of them: the step, and how far event time was (ms).
        said = {"step": np.int64, "clock": np.int64}
        self.actors = SlotTable({"row": np.int64, "standing": np.int64, **said}, 2 * most)
        # Of each actor of these, by hash.
        self.names: dict[int, str] = {}
        # Their numbers, in order.
        self.languages: dict[str, int] = {}

    def numbers_of(self, languages: pa.Array) -> npt.NDArray[np.int32]:
        """Of each row's language, null where none is known. Shape (n,)."""
        known = languages.dictionary_encode()
        of: list[int] = []
        for name in known.dictionary.to_pylist():
            if len(self.languages) < MOST_LANGUAGES:
                self.languages.setdefault(name, len(self.languages))
            of.append(self.languages.get(name, NO_LANGUAGE))
        return np.array([*of, NO_LANGUAGE], np.int32)[known.indices.fill_null(-1).to_numpy()]

    def append(self, events: U64, likes: Likes, bits: Bits, flags: dict[str, Bools]) -> I64:
        """Likes in log order, with the bits of those that were forecast. Returns their numbers."""
        n = len(likes)
        self._make_room(n)
        parts = {part: np.zeros(n, np.float32) for part in PARTS}
        for part, column in parts.items():
            column[bits.at] = getattr(bits, part)
        found = {name: np.zeros(n, np.bool_) for name in _FLAGS} | flags
        found["forecast"][bits.at] = True
        found["exposed"][bits.at] = bits.exposed
        numbers = self.rows.stop + np.arange(n)
        self.rows.append(
            actor=likes.actor,
            target=likes.target,
            creator=likes.creator,
            time=likes.time,
            surface=likes.surface,
            slate=likes.slate,
            topic=likes.topic,
            origin=likes.origin,
            language=likes.language,
            p_with=likes.p_with.astype(np.float32),
            p_without=likes.p_without.astype(np.float32),
            weight=likes.weight.astype(np.float32),
            taken_back=np.zeros(n, np.bool_),
            before_of_actor=_chained(self.actors, likes.actor, numbers),
            before_of_pair=_chained(self.pairs, mix(likes.actor, likes.target), numbers),
            **parts,
            **found,
        )
        slots, _ = self.events.insert(events)
        self.events["row"][slots] = numbers
        standing = likes.weight > 0
        np.add.at(self.actors["standing"], self.actors.find(likes.actor[standing]), 1)
        return numbers

    def _make_room(self, incoming: int) -> None:
        if len(self.rows) + incoming <= self.most:
            return
        going = min(len(self.rows), max(incoming, round(self.most * GOES_AT_ONCE)))
        self._stand(np.arange(self.rows.first, self.rows.first + going), np.zeros(going, np.float32))
        self.rows.drop(going)
        for table in (self.events, self.pairs, self.actors):
            used = table.occupied()
            table.keep(used[table["row"][used] >= self.rows.first])
        self.names = {key: self.names[key] for key in self.actors.keys[self.actors.occupied()].tolist()}

    def name(self, actors: U64, ids: pa.Array) -> None:
        """Who the actors of likes that were just appended are, shapes (n,)."""
        _, first = np.unique(actors, return_index=True)
        new = [at for at in first.tolist() if int(actors[at]) not in self.names]
        self.names.update(zip(actors[new].tolist(), ids.take(pa.array(new, pa.int64())).to_pylist(), strict=True))

    def touch(self, actors: U64, step: int, clock: int) -> Bools:
        """Something is said of these actors now. Returns which of them any likes are kept of. Shape (n,)."""
        slots = self.actors.find(actors)
        known: Bools = slots >= 0
        self.actors["step"][slots[known]], self.actors["clock"][slots[known]] = step, clock
        return known

    def last_said(self, actors: U64) -> list[tuple[int, int]]:
        """Step and time of the last `touch` of each, 0 of who is not known."""
        slots = self.actors.find(actors)
        columns = (np.where(slots >= 0, self.actors[name][slots], 0).tolist() for name in ("step", "clock"))
        return list(zip(*columns, strict=True))

    def find(self, events: U64) -> I64:
        """Numbers of the likes of these events, NONE where they are not kept. Shape (n,)."""
        slots = self.events.find(events)
        found: I64 = np.where(slots >= 0, self.events["row"][slots], NONE)
        return found

    def values(self, name: str, numbers: I64) -> npt.NDArray[Any]:
        """A column's values of these likes, 0 of those that are not kept. Shape (n,)."""
        column, known = self.rows[name], numbers >= self.rows.first
        found = np.zeros(len(numbers), column.dtype)
        found[known] = column[numbers[known] - self.rows.first]
        return found

    def reweigh(self, numbers: I64, weight: npt.NDArray[np.float32]) -> None:
        """Corrections, the latest of a like last. What was taken back stays so."""
        # Of several of one like only the last one counts.
        latest, at = np.unique(numbers[::-1], return_index=True)
        self._stand(latest, weight[::-1][at])

    def _stand(self, numbers: I64, weight: npt.NDArray[np.float32]) -> None:
        """Give likes, each named once, another weight."""
        at = numbers - self.rows.first
        weight = np.where(self.rows["taken_back"][at], np.float32(0), weight)
        step = (weight > 0).astype(np.int64) - (self.rows["weight"][at] > 0)
        self.rows["weight"][at] = weight
        slots = self.actors.find(self.rows["actor"][at])
        np.add.at(self.actors["standing"], slots[slots >= 0], step[slots >= 0])

    def take_back(self, actors: U64, targets: U64, before: I64) -> None:
        """Unlikes: all likes of an actor and a target whose numbers are below `before` are none. Shapes (n,)."""
        slots = self.pairs.find(mix(actors, targets))
        at, before = self.pairs["row"][slots[slots >= 0]], before[slots >= 0]
        while len(at):
            kept = at >= self.rows.first
            at, before = at[kept], before[kept]
            self._give_up(np.unique(at[at < before]))
            at = self.rows["before_of_pair"][at - self.rows.first]

    def _give_up(self, numbers: I64) -> None:
        self.rows["taken_back"][numbers - self.rows.first] = True
        self._stand(numbers, np.zeros(len(numbers), np.float32))

    def forget(self, actors: U64) -> int:
        """All of these actors' likes are none, and nothing says whose they were. Returns how many there were."""
        slots = self.actors.find(actors)
        at, found = self.actors["row"][slots[slots >= 0]], []
        while len(at := at[at >= self.rows.first]):
            found.append(at)
            at = self.rows["before_of_actor"][at - self.rows.first]
        numbers = np.concatenate(found) if found else np.zeros(0, np.int64)
        self._give_up(numbers)
        rows = numbers - self.rows.first
        self.pairs.drop(mix(self.rows["actor"][rows], self.rows["target"][rows]))
        self.actors.drop(actors)
        for actor in actors.tolist():
            self.names.pop(actor, None)
        used = self.events.occupied()
        self.events.keep(used[~np.isin(self.events["row"][used], numbers)])
        for name in ("actor", "target", "creator", "slate", "topic"):
            self.rows[name][rows] = NOBODY
        return len(numbers)

    def people(self, actors: U64) -> list[Person]:
        """Each one's own likes in bits."""
        slots = self.actors.find(actors)
        known = slots >= 0
        latest = np.where(known, self.actors["row"][slots], NONE)
        standing = np.where(known, self.actors["standing"][slots], 0)
        parts = tuple(self.rows[part] for part in PARTS)
        flags = (self.rows[name] for name in ("before_of_actor", "weight", "forecast", "was_shown", "exposed"))
        sums = np.zeros((len(actors), len(PARTS)))
        counts = np.zeros((len(actors), 3), np.int64)
        _add_up(latest, self.rows.first, *flags, parts, sums, counts)
        rows = zip(standing.tolist(), counts.tolist(), sums.tolist(), strict=True)
        return [Person(n, held, of, shown, exposed > 0) for n, (held, shown, exposed), of in rows]

    def snapshot(self) -> Arrays:
        tables = {"events": self.events, "pairs": self.pairs, "actors": self.actors}
        saved = {name: array for of, table in tables.items() for name, array in table.snapshot(f"likes.{of}").items()}
        # In the actors' order there.
        names = [self.names[key] for key in saved["likes.actors.key"].tolist()]
        words = {"likes.names": pack(names), "likes.languages": pack(list(self.languages))}
        return {**saved, **self.rows.snapshot("likes.rows"), **words}

    def restore(self, arrays: Arrays) -> None:
        # A snapshot of before says nothing of these.
        count = len(arrays["likes.rows.actor"])
        unsaid: Arrays = {f"likes.rows.{name}": np.full(count, value, _LIKES[name]) for name, value in _NEW.items()}
        self.rows.restore("likes.rows", {**unsaid, **arrays})
        self.events.restore("likes.events", arrays)
        self.pairs.restore("likes.pairs", arrays)
        self.actors.restore("likes.actors", arrays)
        languages = unpack(arrays["likes.languages"]) if "likes.languages" in arrays else []
        self.languages = {name: number for number, name in enumerate(languages)}
        self.names = dict(zip(arrays["likes.actors.key"].tolist(), unpack(arrays["likes.names"]), strict=True))


def _chained(table: SlotTable, keys: U64, numbers: I64) -> I64:
    """Of each key the number before, NONE where there is none; the table's is then the latest. Shape (n,)."""
    slots, new = table.insert(keys)
    table["row"][slots[new]] = NONE
    before = np.empty(len(numbers), np.int64)
    _chain(table["row"], slots, numbers, before)
    return before


@njit(cache=True)
def _chain(row: Any, slots: Any, numbers: Any, before: Any) -> None:
    for i in range(len(slots)):
        before[i] = row[slots[i]]
        row[slots[i]] = numbers[i]


@njit(cache=True)
def _add_up(
    latest: Any, first: int, before: Any, weight: Any, forecast: Any, was_shown: Any, exposed: Any,
    parts: Any, sums: Any, counts: Any,
) -> None:  # fmt: skip
    """By person, over the latest likes that stand and were forecast: bits by part, and how many likes there are, how
    many were of what was shown, and of how many it is known what was.
    """
    for i in range(len(latest)):
        at = latest[i]
        for _ in range(LOOKED_THROUGH):
            if at < first or counts[i, 0] == MOST_LIKES:
                break
            k = at - first
            if weight[k] > 0 and forecast[k]:
                counts[i, 0] += 1
                counts[i, 1] += was_shown[k]
                counts[i, 2] += exposed[k]
                for part in range(len(parts)):
                    sums[i, part] += parts[part][k]
            at = before[k]
