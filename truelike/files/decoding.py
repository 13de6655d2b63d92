"""Rows of a file to likes, by the contract of all inputs (`shared.contract`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shared import schemas
from shared.contract.decode import FastLike, of_values
from shared.contract.envelopes import ENVELOPES, Ignored
from shared.contract.identifiers import text_of
from shared.contract.like_rows import to_batch
from shared.contract.opening import NO_RECEIPT, DoesNotFit, fields_of
from shared.contract.times import EARLIEST_MS, LATEST_MS, TYPED, NotATime, read_time
from shared.events import Like
from truelike.files import paths, vectors
from truelike.files.columns import plain
from truelike.files.content import UnreadableFile
from truelike.files.options import FIELDS
from truelike.files.parts import Part, Refused
from truelike.files.result import Result

# Stands where a row has no id of its own, until one is derived; no id has this character.
_NO_ID: Final = "\x7f"
_NEEDED: Final = ("actor_id", "occurred_at", "target_id")
_IDS: Final = ("event_id", "actor_id", "target_id", "creator_id", "principal_id", "undoes")
_TIMES: Final = ("occurred_at", "actor_created_at")
_NUMBERS: Final = ("rank", "propensity")
_MOST_NAMES: Final = 40


@dataclass(frozen=True)
class Decoded:
    """Likes (schema `schemas.LIKES`) in the order of their rows, event_id null where the file has none; `undoes` null
    where an unlike names its target; `rows`, shape (n,), are their numbers in the file.
    """

    likes: pa.RecordBatch
    undoes: pa.Array
    rows: npt.NDArray[np.int64]


class Decoding:
    """Counts what it meets in `result`."""

    def __init__(self, mapping: Mapping[str, str], zone: tzinfo | None, result: Result, queried: bool = False) -> None:
        self._mapping = dict(mapping)
        self._queried = queried
        self._zone = zone
        self._result = result
        self._met: set[str] = set()
        self._names: dict[str, None] = {}
        self._whole = set(_NEEDED) <= set(self._mapping)

    def take(self, part: Part) -> Decoded:
        """Raises UnreadableFile where no row of the file can be a like."""
        self._result.rows += len(part.rows) + len(part.refused)
        self._result.reject(part.refused)
        if part.table is not None:
            return self._of_table(part)
        events = part.events or []
        columns = None if self._mapping else _as_columns(events)
        found = self._of_columns(part, columns, set(), len(events)) if columns is not None else None
        return found or self._of_events(part, events, self._fields)

    def end(self) -> None:
        """Raises UnreadableFile where a mapped name was in no row."""
        missing = sorted(set(self._mapping) - self._met)
        if missing and self._result.rows:
            raise UnreadableFile(
                f"--map {missing[0]}={self._mapping[missing[0]]}: no row has it; rows have {_listed(self._names)}"
            )

    def _of_table(self, part: Part) -> Decoded:
        table = part.table
        assert table is not None
        bound = self._bound(table)
        if bound is None:  # rows that are envelopes
            table, _ = plain(table, self._zone)
            return self._of_events(part, _to_rows(table), self._fields)
        whole = {name for name, _ in bound.values()}
        table, moments = plain(table.select([name for name in table.column_names if name in whole]), self._zone)
        direct = {field: name for field, (name, rest) in bound.items() if not rest}
        if len(direct) == len(bound):
            columns = {field: table.column(name).combine_chunks() for field, name in direct.items()}
            times = {field for field, name in direct.items() if name in moments}
            found = self._of_columns(part, columns, times, table.num_rows)
            if found is not None:
                return found

        def fields(row: dict[str, Any]) -> dict[str, Any]:
            event = {}
            for field, (name, rest) in bound.items():
                value = paths.at(row[name], rest)
                if value is not paths.MISSING and value is not None:
                    event[field] = _moment(value) if name in moments and not rest else value
            return event

        return self._of_events(part, _to_rows(table), fields, direct.get("occurred_at") in moments)

    def _of_columns(self, part: Part, columns: dict[str, Any], times: set[str], count: int) -> Decoded | None:
        found = vectors.likes(columns, times, count)
        if found is None:
            return None
        likes, form = found
        self._result.times[form] += count
        batch = pa.RecordBatch.from_arrays([likes[f.name] for f in schemas.LIKES], schema=schemas.LIKES)
        return Decoded(batch, pa.nulls(count, pa.string()), np.array(part.rows, np.int64))

    def _bound(self, table: pa.Table) -> dict[str, tuple[str, str]] | None:
        """(column, path in it) by field; None where rows are envelopes. Raises UnreadableFile."""
        found, names = {}, table.column_names
        for field in FIELDS:
            path = self._mapping.get(field, field)
            column = paths.column_of(path, names)
            if column is not None and (field in self._mapping or not column[1]):
                found[field] = column
                self._met.add(field)
            elif field in self._mapping:
                raise UnreadableFile(f"--map {field}={path}: no such column; columns are {_listed(names)}")
        lacking = [f for f in _NEEDED if f not in found and not (f == "target_id" and "undoes" in found)]
        if not lacking:
            return found
        first = _to_rows(plain(table.slice(0, 1), self._zone)[0])
        if any(envelope.recognises(row, {}) for row in first for envelope in ENVELOPES):
            return None
        fix = f"select it as {lacking[0]}" if self._queried else f"say which it is, --map {lacking[0]}=COLUMN"
        raise UnreadableFile(f"no column {lacking[0]}; columns are {_listed(names)}: {fix}")

    def _of_events(self, part: Part, events: Sequence[Any], fields: Any, typed: bool = False) -> Decoded:
        likes, rows, refused = [], [], []
        forms: Counter[str] = Counter()
        for n, (row, event) in enumerate(zip(part.rows, events, strict=True)):
            try:
                like, form = self._like(fields(event))
            except DoesNotFit as error:
                refused.append(Refused(row, error.errors, event, part.lines[n] if part.lines else None))
            except Ignored as why:
                self._result.ignore(str(why), row, part.lines[n] if part.lines else None)
            else:
                likes.append(like)
                rows.append(row)
                forms[form] += 1
        for form, count in forms.items():
            self._result.times[TYPED if typed else form] += count
        self._result.reject(refused)
        batch = to_batch(likes, [(0, 0, 0)] * len(likes))
        ids = batch.column("event_id").to_pylist()
        ids = pa.array([None if i == _NO_ID else i for i in ids], pa.string())
        batch = batch.set_column(0, schemas.LIKES.field(0), ids)
        undoes = pa.array([like.undoes if like.target_id is None else None for like in likes], pa.string())
        return Decoded(batch, undoes, np.array(rows, np.int64))

    def _fields(self, event: Any) -> dict[str, Any]:
        """The contract's fields of an event: mapped, as they are, or out of its envelopes. Raises as `_like`."""
        if not isinstance(event, dict):
            raise DoesNotFit("message: is no JSON object")
        if self._mapping:
            return self._mapped(event)
        if "actor_id" in event and "occurred_at" in event and "__deleted" not in event:
            return {name: event[name] for name in FIELDS if event.get(name) is not None}
        return _unwrapped(event)

    def _mapped(self, event: dict[str, Any]) -> dict[str, Any]:
        if len(self._names) < _MOST_NAMES:
            self._names |= dict.fromkeys(event)
        base = event if self._whole else _unwrapped(event)
        found = {name: base[name] for name in FIELDS if base.get(name) is not None and name not in self._mapping}
        for field, path in self._mapping.items():
            value = paths.at(event, path)
            if value is not paths.MISSING:
                self._met.add(field)
                if value is not None:
                    found[field] = value
        return found

    def _like(self, event: dict[str, Any]) -> tuple[FastLike | Like, str]:
        """A like and the form that its time came in. Raises DoesNotFit and Ignored."""
        form = ""
        for name in _TIMES:
            if name in event:
                try:
                    event[name], found = read_time(event[name], self._zone)
                except NotATime:  # the contract has the sentence for it
                    continue
                form = found if name == "occurred_at" else form
        for name in _IDS:
            if name in event and type(event[name]) is not str:
                try:
                    event[name] = text_of(event[name])
                except ValueError:
                    continue
        for name in _NUMBERS:
            if isinstance(event.get(name), str):
                event[name] = _number(event[name])
        event.setdefault("event_id", _NO_ID)
        return of_values(event, NO_RECEIPT), form


def _as_columns(events: Sequence[Any]) -> dict[str, Any] | None:
    """The contract's fields of events in no envelope, where each field's values are all of one type."""
    if not all(type(e) is dict and "actor_id" in e and "occurred_at" in e and "__deleted" not in e for e in events):
        return None
    try:
        columns = {name: pa.array([event.get(name) for event in events]) for name in FIELDS}
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return None
    return {name: column for name, column in columns.items() if column.null_count < len(events)}


def _unwrapped(event: dict[str, Any]) -> dict[str, Any]:
    fields = fields_of(event, {}, NO_RECEIPT)
    if not isinstance(fields, dict):
        raise DoesNotFit("envelope: holds no JSON object")
    return {name: fields[name] for name in FIELDS if fields.get(name) is not None}


def _to_rows(table: pa.Table) -> list[dict[str, Any]]:
    try:
        return table.to_pylist()
    except (OverflowError, ValueError) as error:
        raise UnreadableFile(f"a value inside a column cannot be read: {error}") from None


def _moment(ms: int) -> Any:
    """A time that is ms already; one of a year that nobody means as text, so that the reason names it."""
    return ms if EARLIEST_MS <= ms < LATEST_MS else f"{np.datetime64(ms, 'ms')}Z"


def _number(text: str) -> Any:
    """Whole where it is, as the contract has it; text that is no number stays, for the contract's sentence."""
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() else value


def _listed(names: Any) -> str:
    shown = [" ".join(str(name).split())[:60] for name in names]
    more = f" and {len(shown) - _MOST_NAMES} more" if len(shown) > _MOST_NAMES else ""
    return ", ".join(shown[:_MOST_NAMES]) + more
