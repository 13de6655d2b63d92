"""What likes of a day, or of more of them, add up to: the state of the figures. `+` is of days and of partitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from services.charts import bootstrap
from services.charts.bootstrap import BUCKETS, I64, ONE, REPLICAS
from services.charts.hash_sample import I32, HashSample, Sampled
from services.charts.spoken import LANGUAGES
from services.charts.standing_likes import ACTOR, CODE, CREATOR, SCORE, TARGET, Given
from shared.checkpoints import Arrays
from shared.events import CONTENT_ORIGINS, SURFACES
from shared.hashing import U64, mix
from shared.labels import BOT, LABELS, teaches
from shared.measures.units import F64

# By what a like came: the platform put it before its actor, the actor looked for it, or neither is known.
WAYS: Final = ("pushed", "own", "else")
PUSHED, OWN, ELSE = range(len(WAYS))
_WAY_OF: Final = np.array(
    [
        PUSHED if name in ("recommended", "autoplay") else OWN if name in ("organic", "search") else ELSE
        for name in SURFACES
    ],
    np.int32,
)
# Bits of a like's code: label, origin, way, the content's language and the actor's.
_ORIGIN, _WAY, _LANGUAGE, _LOCALE = 2, 4, 6, 15
_LANGUAGE_MASK: Final = (1 << (_LOCALE - _LANGUAGE)) - 1
# Cells: likes and their weight by label, origin and way; scores and their squares; likes that teach by language and
# way.
SHAPE: Final = (len(LABELS), len(CONTENT_ORIGINS), len(WAYS))
KINDS: Final = len(LABELS) * len(CONTENT_ORIGINS)
_MATRIX: Final = KINDS * len(WAYS)
COUNT, WEIGHT = 0, _MATRIX
SCORES, SQUARES = 2 * _MATRIX, 2 * _MATRIX + 1
SPOKEN: Final = 2 * _MATRIX + 2
CELLS: Final = SPOKEN + len(LANGUAGES) * len(WAYS)
# Content by hash, apart for each part of the actors: what its entropy is reckoned from.
ACTOR_PARTS: Final = 16
CONTENT_PARTS: Final = 512
MOST_CREATORS: Final = 1_000
# Of each creator, buckets of the machines and of the others who gave likes (as `bootstrap.people`).
CREATOR_BUCKETS: Final = 32
# Of each language, and of each locale.
MOST_TARGETS: Final = 256
MOST_ACTORS: Final = 1_024
SAMPLES: Final = ("creators", "targets", "actors")


def packed(label: I64, origin: I64, surface: I64, language: I32, locale: I32) -> I64:
    """What decides a like's cells, as one number, shape (n,)."""
    found: I64 = (
        label
        | (origin << _ORIGIN)
        | (_WAY_OF[surface].astype(np.int64) << _WAY)
        | (language.astype(np.int64) << _LANGUAGE)
        | (locale.astype(np.int64) << _LOCALE)
    )
    return found


@dataclass(frozen=True)
class Unpacked:
    """Of each like, shapes (n,): places in LABELS, CONTENT_ORIGINS, WAYS, and LANGUAGES twice."""

    label: I64
    origin: I64
    way: I64
    language: I64
    locale: I64

    @classmethod
    def of(cls, code: I64) -> Unpacked:
        """What `packed` made these numbers of."""
        language = (code >> _LANGUAGE) & _LANGUAGE_MASK
        return cls(code & 3, (code >> _ORIGIN) & 3, (code >> _WAY) & 3, language, code >> _LOCALE)


@dataclass(frozen=True)
class Tally:
    """`cells`: those that anything is in, ascending, shape (rows,); `sums`: (rows, 1 + REPLICAS), the sum itself first;
    `seen`: (rows, BUCKETS); `content`: likes that teach, (ACTOR_PARTS, CONTENT_PARTS). Samples, with their likes: of
    creators, by label and origin, then buckets of machines and of others; of targets by language, pushed likes and all
    that teach; of actors by locale, by origin and those that teach.
    """

    cells: I64
    sums: I64
    seen: I32
    content: I64
    creators: Sampled
    targets: Sampled
    actors: Sampled

    def __add__(self, other: Tally) -> Tally:
        cells = np.union1d(self.cells, other.cells)
        sums = np.zeros((len(cells), 1 + REPLICAS), np.int64)
        seen = np.zeros((len(cells), BUCKETS), np.int32)
        for part in (self, other):
            at = np.searchsorted(cells, part.cells)
            sums[at] += part.sums
            seen[at] += part.seen
        samples: list[Any] = [getattr(self, name) + getattr(other, name) for name in SAMPLES]
        return Tally(cells, sums, seen, self.content + other.content, *samples)

    @classmethod
    def empty(cls) -> Tally:
        return DayTally().tally

    def _of(self, first: int, count: int) -> tuple[I64, I32]:
        """Sums and `seen` of so many cells from the first, those that nothing is in too."""
        sums, seen = np.zeros((count, 1 + REPLICAS), np.int64), np.zeros((count, BUCKETS), np.int32)
        mine = (self.cells >= first) & (self.cells < first + count)
        at = self.cells[mine] - first
        sums[at], seen[at] = self.sums[mine], self.seen[mine]
        return sums, seen

    def matrix(self, weights: bool = False) -> F64:
        """Likes, or their weight, by label, origin, way and replica, shape (4, 4, 3, 1 + REPLICAS)."""
        sums, _ = self._of(WEIGHT if weights else COUNT, _MATRIX)
        return sums.reshape(*SHAPE, -1) / (ONE if weights else 1)

    def matrix_seen(self) -> I32:
        """By label, origin and way, shape (4, 4, 3, BUCKETS)."""
        return self._of(COUNT, _MATRIX)[1].reshape(*SHAPE, -1)

    def scores(self) -> F64:
        """The sum of all likes' human probabilities, and of their squares, shape (2, 1 + REPLICAS)."""
        return self._of(SCORES, 2)[0] / ONE

    def spoken(self) -> tuple[F64, I32]:
        """Likes that teach by language and way, shape (languages, 3, 1 + REPLICAS), and who was seen."""
        sums, seen = self._of(SPOKEN, len(LANGUAGES) * len(WAYS))
        shape = (len(LANGUAGES), len(WAYS), -1)
        return sums.reshape(shape).astype(np.float64), seen.reshape(shape)

    def people(self, origin: int | None = None) -> int:
        """How many actors gave a like that counts, of this origin or any: exact while each locale has no more than
        MOST_ACTORS, else an estimate (3 % off in the mean). Who has two locales is two.
        """
        found = 0.0
        for locale in np.unique(self.actors.group).tolist():
            sample = self.actors.of(locale)
            likes = sample.sums[:, : len(CONTENT_ORIGINS)].sum(axis=1) if origin is None else sample.sums[:, origin]
            found += sample.stands_for * np.count_nonzero(likes > 0)
        return round(found)

    def arrays(self, prefix: str) -> Arrays:
        found = {f"{prefix}.{name}": getattr(self, name) for name in ("cells", "sums", "seen", "content")}
        for name in SAMPLES:
            sample = getattr(self, name)
            found |= {f"{prefix}.{name}.{column}": getattr(sample, column) for column in ("group", "key", "sums")}
        return found

    @classmethod
    def of_arrays(cls, prefix: str, arrays: Arrays) -> Tally:
        """Of what `arrays` gave."""
        samples: list[Any] = [
            Sampled(most, *(arrays[f"{prefix}.{name}.{column}"] for column in ("group", "key", "sums")))
            for name, most in zip(SAMPLES, (MOST_CREATORS, MOST_TARGETS, MOST_ACTORS), strict=True)
        ]
        held: list[Any] = [arrays[f"{prefix}.{name}"] for name in ("cells", "sums", "seen", "content")]
        return cls(*held, *samples)


class DayTally:
    """A day's likes as they come."""

    def __init__(self) -> None:
        self._row_of = np.full(CELLS, -1, np.int64)
        self._rows = 0
        self._sums = np.zeros((16, 1 + REPLICAS), np.int64)
        self._seen = np.zeros((16, BUCKETS), np.int32)
        self._content = np.zeros((ACTOR_PARTS, CONTENT_PARTS), np.int64)
        self._samples = {
            "creators": HashSample(MOST_CREATORS, KINDS + 2 * CREATOR_BUCKETS),
            "targets": HashSample(MOST_TARGETS, 2),
            "actors": HashSample(MOST_ACTORS, len(CONTENT_ORIGINS) + 1),
        }

    def take(self, given: Given) -> None:
        """Count likes, or take them back."""
        score, sign = given.values[:, SCORE], given.sign
        of = Unpacked.of(given.values[:, CODE])
        label, origin, way, language, locale = of.label, of.origin, of.way, of.language, of.locale
        taught = teaches(label).astype(np.int64)
        cell = (label * len(CONTENT_ORIGINS) + origin) * len(WAYS) + way
        square = (score * score + ONE // 2) // ONE
        ones = np.ones(len(given), np.int64)
        cells = [COUNT + cell, WEIGHT + cell, ones * SCORES, ones * SQUARES, SPOKEN + language * len(WAYS) + way]
        amounts = np.stack([ones, taught * score, score, square, taught], axis=1) * sign[:, None]
        rows = self._rows_of(np.stack(cells, axis=1), amounts)
        actors, targets = given.hashes(ACTOR), given.hashes(TARGET)
        bootstrap.accumulate(actors, rows, amounts, sign, self._sums, self._seen)
        np.add.at(self._content, (actor_part(actors), content_part(targets)), taught * sign)
        self._sample(given, label * len(CONTENT_ORIGINS) + origin, language, locale, way, taught * sign)

    def _rows_of(self, cells: I64, amounts: I64) -> I64:
        new = np.unique(cells[amounts != 0])
        new = new[self._row_of[new] < 0]
        self._row_of[new] = self._rows + np.arange(len(new))
        self._rows += len(new)
        while self._rows > len(self._sums):
            self._sums = np.concatenate([self._sums, np.zeros_like(self._sums)])
            self._seen = np.concatenate([self._seen, np.zeros_like(self._seen)])
        return self._row_of[cells]

    def _sample(self, given: Given, kind: I64, language: I64, locale: I64, way: I64, teaching: I64) -> None:
        def columns(count: int, at: I64, amount: I64) -> I64:
            sums = np.zeros((len(at), count), np.int64)
            sums[np.arange(len(at)), at] = amount
            return sums

        creators, sign = given.hashes(CREATOR), given.sign
        known = creators != 0
        machine = kind // len(CONTENT_ORIGINS) >= BOT
        bucket = KINDS + machine * CREATOR_BUCKETS + _part(given.hashes(ACTOR), 7, CREATOR_BUCKETS)
        kinds = columns(KINDS + 2 * CREATOR_BUCKETS, kind, sign) + columns(KINDS + 2 * CREATOR_BUCKETS, bucket, sign)
        self._samples["creators"].add(np.zeros(int(known.sum()), np.int32), creators[known], kinds[known])
        shown = np.stack([teaching * (way == PUSHED), teaching], axis=1)
        some = teaching != 0
        self._samples["targets"].add(language[some].astype(np.int32), given.hashes(TARGET)[some], shown[some])
        origins = columns(len(CONTENT_ORIGINS), kind % len(CONTENT_ORIGINS), sign)
        by = np.concatenate([origins, teaching[:, None]], axis=1)
        self._samples["actors"].add(locale.astype(np.int32), given.hashes(ACTOR), by)

    def forget(self, actors: U64) -> None:
        """After what they gave was taken back."""
        held = self._samples["actors"]
        held.replace(held.sampled.without(actors))

    @property
    def tally(self) -> Tally:
        """As it is now, whatever comes."""
        cells = np.flatnonzero(self._row_of >= 0)
        rows = self._row_of[cells]
        samples = [self._samples[name].sampled for name in SAMPLES]
        return Tally(cells, self._sums[rows], self._seen[rows], self._content.copy(), *samples)

    @classmethod
    def of(cls, tally: Tally) -> DayTally:
        found = cls()
        found._row_of[tally.cells] = np.arange(len(tally.cells))
        found._rows = len(tally.cells)
        found._sums = np.concatenate([tally.sums, np.zeros((16, 1 + REPLICAS), np.int64)])
        found._seen = np.concatenate([tally.seen, np.zeros((16, BUCKETS), np.int32)])
        found._content = tally.content.copy()
        for name in SAMPLES:
            found._samples[name].replace(getattr(tally, name))
        return found


def content_part(targets: U64) -> I64:
    return _part(targets, 3, CONTENT_PARTS)


def actor_part(actors: U64) -> I64:
    return _part(actors, 5, ACTOR_PARTS)


def _part(keys: U64, salt: int, parts: int) -> I64:
    return (mix(keys, np.full(len(keys), salt, np.uint64)) % np.uint64(parts)).astype(np.int64)
