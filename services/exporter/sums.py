"""What the rows of Parquet files add up to. A file carries its own sums in its footer, so that those of all files are
known without their rows.

A correction takes back what its like counted for before, so sums over all rows are those of each like's latest
revision. Weights are whole millionths: they add up to the same in any order, however rows were cut into files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.exporter import deloop
from services.exporter.codes import I64, Coded, codes_of
from shared.languages import UNKNOWN_LANGUAGE, language_of

ONE: Final = 1_000_000
UNKNOWN: Final = "unknown"
FOOTER: Final = b"truelike"
# Subtags of ISO 639 have two or three letters; a client can say anything.
OTHER_LANGUAGES: Final = "other"
_LANGUAGE: Final = f"^([a-z]{{2,3}}|{UNKNOWN_LANGUAGE})$"

# Likes, and their weight in millionths, by value of a column.
Tally = dict[str, tuple[int, int]]

# By which columns there are tallies; unlikes are in that of actions only. `loop`: what the bound of training weights is
# about.
DIMENSIONS: Final = ("action", "label", "content_origin", "surface", "language", "actor_kind", "loop")
RECOMMENDED_AI, OTHER_AI, NO_AI = LOOPS = ("recommended AI", "other AI", "no AI")


class Training(msgspec.Struct, frozen=True):
    """What `training_weight` adds up to over rows that have one, superseded ones too: `weight` of all and `ai` of what
    AI made or liked, millionths; `largest`: AI's share in the file where it is largest.
    """

    rows: int = 0
    weight: int = 0
    ai: int = 0
    largest: float = 0.0

    def __add__(self, other: Training) -> Training:
        return Training(
            self.rows + other.rows, self.weight + other.weight, self.ai + other.ai, max(self.largest, other.largest)
        )


class Sums(msgspec.Struct, frozen=True):
    """`first_at`, `last_at`: of `occurred_at`, ms. `versions`: files by the version of Truelike that exported them;
    `bounds`: files by the bound of their training weights.
    """

    rows: int = 0
    corrections: int = 0
    first_at: int | None = None
    last_at: int | None = None
    tallies: dict[str, Tally] = {}
    training: Training = Training()
    versions: dict[str, int] = {}
    bounds: dict[str, int] = {}

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.rows + other.rows,
            self.corrections + other.corrections,
            min((at for at in (self.first_at, other.first_at) if at is not None), default=None),
            max((at for at in (self.last_at, other.last_at) if at is not None), default=None),
            {name: _added(self.tallies.get(name, {}), other.tallies.get(name, {})) for name in DIMENSIONS},
            self.training + other.training,
            _counted(self.versions, other.versions),
            _counted(self.bounds, other.bounds),
        )

    @property
    def files(self) -> int:
        return sum(self.versions.values())


def of_rows(likes: pa.Table, version: str, bound: float | None) -> Sums:
    """Of one file. `bound`: the one of its training weights, None where it has none."""
    times = pc.min_max(likes.column("occurred_at").cast(pa.int64())).as_py()
    corrections = likes.num_rows - likes.column("previous_probability").null_count
    tallies = _tallies(likes)
    training = _training(likes) if deloop.WEIGHT in likes.column_names else Training()
    bounds = {} if bound is None else {str(bound): 1}
    return Sums(likes.num_rows, corrections, times["min"], times["max"], tallies, training, {version: 1}, bounds)


def total(sums: Iterable[Sums]) -> Sums:
    return sum(sums, Sums())


def share(tally: Mapping[str, tuple[int, int]], *names: str, by_weight: bool = True) -> float:
    """Of these values over all of them; 0 where there is nothing."""
    which = int(by_weight)
    whole = sum(cell[which] for cell in tally.values())
    return sum(tally[name][which] for name in names if name in tally) / whole if whole else 0.0


def _tallies(likes: pa.Table) -> dict[str, Tally]:
    again = likes.filter(pc.is_valid(likes.column("previous_probability")))
    before = deloop.trust(again, "previous_probability", "previous_label")
    now, taken_back = _of(likes, "label", deloop.trust(likes), 1), _of(again, "previous_label", before, -1)
    return {name: _added(now[name], taken_back[name]) for name in DIMENSIONS}


def _of(likes: pa.Table, label: str, weight: deloop.F64, sign: int) -> dict[str, Tally]:
    loop = np.where(deloop.of_ai(likes), LOOPS.index(OTHER_AI), LOOPS.index(NO_AI))
    loop[deloop.recommended_ai(likes)] = LOOPS.index(RECOMMENDED_AI)
    coded = {name: codes_of(likes, name) for name in ("action", "content_origin", "surface", "actor_kind")}
    coded |= {"label": codes_of(likes, label), "language": _languages(likes), "loop": (loop, list(LOOPS))}
    millionths = sign * _millionths(weight)
    positive = ~deloop.unlikes(likes)
    found = {name: _tally(codes[positive], names, millionths[positive], sign) for name, (codes, names) in coded.items()}
    return found | {"action": _tally(*coded["action"], millionths, sign)}


def _languages(likes: pa.Table) -> Coded:
    """By the few pairs of content's and actor's language that there are."""
    tags = ("content_language", "actor_locale")
    (content, contents), (actor, actors) = (codes_of(likes, name) for name in tags)
    pairs, which = np.unique(content * len(actors) + actor, return_inverse=True)
    columns = [
        pa.array(names, pa.string()).take(pa.array(codes))
        for names, codes in ((contents, pairs // len(actors)), (actors, pairs % len(actors)))
    ]
    language = language_of(pa.RecordBatch.from_arrays(columns, names=list(tags)))
    known = pc.match_substring_regex(language, _LANGUAGE)
    names = pc.if_else(known, language, OTHER_LANGUAGES).dictionary_encode()
    return names.indices.to_numpy()[which], names.dictionary.to_pylist()


def _tally(codes: I64, names: list[str | None], millionths: I64, sign: int) -> Tally:
    likes = sign * np.bincount(codes, minlength=len(names))
    # Sums of whole numbers, exact up to 2^53.
    weight = np.bincount(codes, millionths, len(names)).astype(np.int64)
    cells = zip(names, likes.tolist(), weight.tolist(), strict=True)
    return {name or UNKNOWN: (n, w) for name, n, w in cells if n or w}


def _training(likes: pa.Table) -> Training:
    weight = _millionths(likes.column(deloop.WEIGHT).to_numpy().astype(np.float64))
    whole, ai = int(weight.sum()), int(weight[deloop.of_ai(likes)].sum())
    return Training(likes.num_rows, whole, ai, ai / whole if whole else 0.0)


def _millionths(weight: deloop.F64) -> I64:
    return np.rint(weight * ONE).astype(np.int64)


def _added(one: Tally, other: Tally) -> Tally:
    both = {value: _sum(one.get(value, (0, 0)), other.get(value, (0, 0))) for value in {**one, **other}}
    return {value: cell for value, cell in both.items() if any(cell)}


def _sum(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _counted(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
