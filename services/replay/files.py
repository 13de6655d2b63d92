"""Likes from CSV, JSON lines or Parquet files, in batches, as messages of `likes.v1`."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from shared.events import Like

BATCH_ROWS = 10_000
_WHOLE = {"rank", "actor_created_at"}


class UnreadableFile(ValueError):
    """The file cannot be read as likes; the message says what to change."""


def count_rows(path: Path) -> int | None:
    """Rows of the file, for a progress bar; None where only reading it would tell."""
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    with _open(path) as file:
        lines = sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    return lines - (1 if ".csv" in path.suffixes else 0)


def read_events(path: Path, mapping: Mapping[str, str] | None = None) -> Iterator[list[dict[str, Any]]]:
    """Events as plain values, in file order.

    `mapping` gives the file's column for a field of the contract: {"actor_id": "user"}. Raises UnreadableFile.
    """
    mapping = dict(mapping or {})
    unknown = set(mapping) - set(Like.model_fields)
    if unknown:
        raise UnreadableFile(f"no such field: {', '.join(sorted(unknown))}; fields are {', '.join(Like.model_fields)}")
    if not path.exists():
        raise UnreadableFile(f"no such file: {path}")
    suffixes = [s for s in path.suffixes if s != ".gz"]
    kind = suffixes[-1] if suffixes else ""
    rows = 0
    for batch in _batches(path, kind):
        events = [_event(row, mapping, rows + i) for i, row in enumerate(batch)]
        rows += len(events)
        yield events


def _batches(path: Path, kind: str) -> Iterator[list[dict[str, Any]]]:
    if kind == ".csv":
        # Every column as text: an id such as 007 must stay what it is. `_event` turns numbers back.
        with _open(path) as file:
            names = file.readline().decode("utf-8-sig").strip().split(",")
        types = {name.strip('"'): pa.string() for name in names}
        options = pacsv.ConvertOptions(column_types=types, strings_can_be_null=True)
        with _open(path) as file, pacsv.open_csv(file, convert_options=options) as reader:
            for batch in reader:
                yield batch.to_pylist()
    elif kind in (".jsonl", ".ndjson", ".json"):
        with _open(path) as file:
            yield from _json_lines(file)
    elif kind == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches(BATCH_ROWS):
            yield batch.to_pylist()
    else:
        raise UnreadableFile(
            f"cannot tell the format of {path.name}: name it .csv, .jsonl or .parquet (csv and jsonl also .gz)"
        )


def _json_lines(file: Any) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for number, line in enumerate(file, 1):
        if line.strip():
            try:
                batch.append(msgspec.json.decode(line, type=dict[str, Any]))
            except msgspec.DecodeError as error:
                raise UnreadableFile(f"line {number} is no JSON object: {error}") from None
        if len(batch) == BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _open(path: Path) -> Any:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _event(row: dict[str, Any], mapping: Mapping[str, str], number: int) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for field in Like.model_fields:
        column = mapping.get(field, field)
        if column not in row:
            if field in mapping:
                raise UnreadableFile(f"the file has no column {column!r}; it has {', '.join(row)}")
            continue
        value = row[column]
        if value is None or value == "":
            continue
        event[field] = _value(field, value)
    event.setdefault("event_id", f"row-{number}")
    return event


def _value(field: str, value: Any) -> Any:
    if hasattr(value, "isoformat"):  # Parquet timestamps
        return value.isoformat() if value.tzinfo else value.isoformat() + "Z"
    if field.endswith("_id"):
        return str(value)
    if isinstance(value, str) and (field in _WHOLE or field == "occurred_at") and value.lstrip("-").isdigit():
        return int(value)
    return float(value) if field == "propensity" else value
