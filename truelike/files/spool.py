"""Likes on disk, and back in order of event time: files are in any order, and may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared import schemas
from shared.contract.opening import NO_RECEIPT
from shared.hashing import KEY, hash_strings
from truelike.files.content import UnreadableFile
from truelike.files.decoding import Decoded

BATCH_ROWS: Final = 10_000
MEMORY: Final = "200MB"
_PLACE: Final = ("sent_at", "source_partition", "source_offset")
_LIKE: Final = pa.schema([field for field in schemas.LIKES if field.name not in _PLACE])
# `derived`: the event_id is ours. `content`: a hash of all that the order's other columns leave out.
_SPOOLED: Final = pa.schema(
    [*_LIKE, ("undoes", pa.string()), ("row", pa.int64()), ("derived", pa.bool_()), ("content", pa.uint64())]
)
_ORDER: Final = (
    "occurred_at, actor_id, target_id nulls last, action, case when derived then null else event_id end nulls last, "
    "undoes nulls last, content, row"
)
_SECOND_KEY: Final = (KEY[1], KEY[0])
_SEPARATOR: Final = "\x1f"


@dataclass(frozen=True)
class Sorted:
    """Likes in order of time (schema `schemas.LIKES`), their rows' numbers, shape (n,), and what unlikes take back by
    row of the batch.
    """

    likes: pa.RecordBatch
    rows: npt.NDArray[np.int64]
    undoes: dict[int, str]


class Spool:
    """`add` likes in any order, then read `batches` in order of (time, actor, target, action, id). A context manager.

    `name` is the file's that is being added: an event_id that is derived follows from it, from the row's number and
    from its content.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.rows = 0
        self._folder = folder
        self.name = name
        self._path = folder / "likes.parquet"
        self._writer = pq.ParquetWriter(self._path, _SPOOLED, compression="zstd", use_dictionary=False)

    def add(self, decoded: Decoded) -> None:
        likes, count = decoded.likes, decoded.likes.num_rows
        if count == 0:
            return
        content = self._content(likes, decoded.undoes)
        missing = pc.is_null(likes.column("event_id"))
        ids = likes.column("event_id")
        if pc.any(missing).as_py():
            ids = pc.if_else(missing, self._derived(likes, decoded, content), ids)
        columns = [ids if f.name == "event_id" else likes.column(f.name) for f in _LIKE]
        columns += [decoded.undoes, pa.array(decoded.rows), missing, pa.array(content)]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_SPOOLED))
        self.rows += count

    def _content(self, likes: pa.RecordBatch, undoes: pa.Array) -> npt.NDArray[np.uint64]:
        others = [
            likes.column(f.name) for f in _LIKE if f.name not in ("event_id", "occurred_at", "actor_id", "action")
        ]
        filled = [c for c in (*others, undoes) if c.null_count < len(c) and pc.any(_said(c)).as_py()]
        return hash_strings(_joined(filled)) if filled else np.zeros(likes.num_rows, np.uint64)

    def _derived(self, likes: pa.RecordBatch, decoded: Decoded, content: npt.NDArray[np.uint64]) -> pa.Array:
        columns = [likes.column(name) for name in ("occurred_at", "actor_id", "target_id", "action")]
        text = _joined([pa.array([self.name] * len(content)), pa.array(decoded.rows), pa.array(content), *columns])
        first, second = hash_strings(text), hash_strings(text, _SECOND_KEY)
        return pa.array([f"file-{a:016x}{b:016x}" for a, b in zip(first.tolist(), second.tolist(), strict=True)])

    def before(self, ms: int) -> int:
        """How many likes lie before a moment."""
        self._writer.close()
        if not self.rows:
            return 0
        return pq.read_table(self._path, columns=["occurred_at"], filters=[("occurred_at", "<", ms)]).num_rows

    def rows_of(self, event_ids: Sequence[str]) -> dict[str, int]:
        """The number of a row that has the id, by id."""
        if not event_ids:
            return {}
        found = pq.read_table(self._path, columns=["event_id", "row"], filters=[("event_id", "in", event_ids)])
        return dict(zip(found.column("event_id").to_pylist(), found.column("row").to_pylist(), strict=True))

    def batches(self) -> Iterator[Sorted]:
        """Each of BATCH_ROWS rows but the last, whatever order they came in. Sorts in bounded memory, free again
        before the first is given.
        """
        self._writer.close()
        if not self.rows:
            return
        path = self._folder / "sorted.parquet"
        with connected(self._folder) as connection:
            query = f"select * from read_parquet('{quoted(self._path)}') order by {_ORDER}"
            try:
                connection.execute(f"copy ({query}) to '{quoted(path)}' (format parquet, row_group_size {BATCH_ROWS})")
            except duckdb.InterruptException:
                raise KeyboardInterrupt from None
            except duckdb.Error as error:
                raise UnreadableFile(f"cannot sort the likes in TMPDIR: {str(error).splitlines()[0]}") from None
        held: list[pa.RecordBatch] = []
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                held.append(batch)
                while sum(b.num_rows for b in held) >= BATCH_ROWS:
                    table = pa.Table.from_batches(held).combine_chunks()
                    yield _sorted(table.slice(0, BATCH_ROWS))
                    held = table.slice(BATCH_ROWS).to_batches()
        if held:
            yield _sorted(pa.Table.from_batches(held))


def _sorted(table: pa.Table) -> Sorted:
    count = table.num_rows
    place = {
        "sent_at": pa.array(np.full(count, NO_RECEIPT)),
        "source_partition": pa.array(np.zeros(count, np.int32)),
        "source_offset": pa.array(np.zeros(count, np.int64)),
    }
    columns = [
        place[f.name] if f.name in place else table.column(f.name).combine_chunks().cast(f.type) for f in schemas.LIKES
    ]
    undoes = table.column("undoes")
    named = np.flatnonzero(undoes.is_valid().to_numpy()) if undoes.null_count < count else np.zeros(0, np.int64)
    return Sorted(
        pa.RecordBatch.from_arrays(columns, schema=schemas.LIKES),
        table.column("row").to_numpy(),
        {int(row): undoes[int(row)].as_py() for row in named},
    )


def connected(folder: Path) -> Any:
    """DuckDB in bounded memory, the rest goes to `folder`. It loads nothing from outside and prints nothing."""
    connection = duckdb.connect(
        config={
            "memory_limit": MEMORY,
            "temp_directory": str(folder / "duckdb"),
            "threads": 2,
            "TimeZone": "UTC",
            "autoinstall_known_extensions": False,
        }
    )
    connection.execute("set enable_progress_bar = false")
    return connection


def quoted(path: Path) -> str:
    """As SQL's text has it."""
    return str(path).replace("'", "''")


def _said(column: Any) -> Any:
    """Whether a value is there that is not the default, which codes have as 0."""
    return pc.not_equal(column, 0) if pa.types.is_int8(column.type) else column.is_valid()


def _joined(columns: list[Any]) -> pa.Array:
    """The columns' values as one text a row."""
    texts = [column.cast(pa.string()) for column in columns]
    return pc.binary_join_element_wise(*texts, _SEPARATOR, null_handling="replace", null_replacement="")
