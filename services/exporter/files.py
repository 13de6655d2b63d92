"""Trusted likes as Parquet by date: staged, then listed in a snapshot, then renamed into place.

A snapshot names the files that belong to it. After a crash the files of the last snapshot are moved into place
(again), and staged files that no snapshot names are removed: every row is in the export once, or not yet.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.exporter import papers
from services.exporter.columns import SOURCE, TIMES
from services.exporter.deloop import WEIGHT, with_training_weight
from services.exporter.inventory import Inventory, sums_in
from services.exporter.sums import FOOTER, Sums, of_rows
from shared.schemas import CODES
from shared.topics import LIKES

VERSION = importlib.metadata.version("truelike")
_NAMES = ("actor_id", "principal_id")


def readable(likes: pa.RecordBatch) -> pa.Table:
    """The frame with names for codes, times as timestamps (UTC), and where each like came from."""
    columns = {}
    for name in likes.schema.names:
        column = likes.column(name)
        if name in CODES:
            column = pa.DictionaryArray.from_arrays(column.cast(pa.int32()), pa.array(CODES[name]))
        elif name in TIMES:
            column = column.cast(pa.timestamp("ms", "UTC"))
        columns[name] = column
    columns[SOURCE] = pa.array([LIKES] * likes.num_rows, pa.string()).dictionary_encode()
    return pa.table(columns)


def naming(likes: pa.Table | pa.RecordBatch, users: Iterable[str]) -> tuple[Any, dict[str, int]]:
    """Which rows are of these users, or of buys that an agent made for them, shape (n,); and how many by user. Files of
    before have no principals.
    """
    wanted, actors = pa.array(sorted(users), pa.string()), likes.column("actor_id")
    theirs, whose = pc.is_in(actors, value_set=wanted), actors
    if "principal_id" in likes.schema.names:
        principals = likes.column("principal_id")
        for_them = pc.is_in(principals, value_set=wanted)
        theirs, whose = pc.or_(theirs, for_them), pc.if_else(for_them, principals, actors)
    counts = whose.filter(theirs).value_counts().to_pylist()
    return theirs, {row["values"]: row["counts"] for row in counts}


class ExportFolder:
    """`folder/date=YYYY-MM-DD/likes-<partition>-<first>-<last>.parquet`, and papers that tell of all of them.

    Who takes a partition stages under its own fencing token: a worker that was paused and woke up cannot write into
    files of the one that took over. `loop_share`: the bound of training weights (services.exporter.deloop).
    """

    def __init__(self, folder: Path, loop_share: float = 1.0) -> None:
        self.folder = folder
        self.staging = folder / ".staging"
        self.loop_share = loop_share
        self.inventory = Inventory(folder)

    def stage(self, fencing_token: int, partition: int, first: int, last: int, likes: pa.RecordBatch) -> list[str]:
        """Write one file a date under .staging. Returns their final places, relative to the folder."""
        days = likes.column("occurred_at").to_numpy() // 86_400_000
        places = []
        for day in np.unique(days).tolist():
            date = np.datetime64(day, "D")
            place = f"date={date}/likes-{partition}-{first}-{last}.parquet"
            rows = with_training_weight(readable(likes.filter(pc.equal(pa.array(days), day))), self.loop_share)
            self._write_rows(fencing_token, place, rows, of_rows(rows, VERSION, self.loop_share))
            places.append(place)
        return places

    def erase(self, fencing_token: int, users: set[str]) -> tuple[list[str], dict[str, int]]:
        """Write anew, under .staging, the files that hold likes of these users, without them. Returns the files'
        places and the number of rows left out, by user.
        """
        places, removed = [], dict.fromkeys(users, 0)
        for path in sorted(self.folder.glob("date=*/*.parquet")):
            file = pq.ParquetFile(path)
            theirs, counts = naming(file.read(columns=[n for n in _NAMES if n in file.schema_arrow.names]), users)
            if not counts:
                continue
            for user, count in counts.items():
                removed[user] += count
            place = str(path.relative_to(self.folder))
            rows, former = file.read().filter(pc.invert(theirs)), sums_in(path)
            (version,) = former.versions
            bound = float(*former.bounds) if WEIGHT in rows.column_names else None
            if bound is not None:
                # Without them the others' share of what AI made is another one.
                rows = with_training_weight(rows, bound)
            self._write_rows(fencing_token, place, rows, of_rows(rows, version, bound))
            places.append(place)
        return places, removed

    def stage_papers(self, fencing_token: int, places: list[str], requests: int, erased: int) -> list[str]:
        """Write the papers of all files, these staged ones among them. Returns their places."""
        sums = self.inventory.with_staged(self.staging / str(fencing_token), places)
        texts = papers.papers(sums, requests, erased)
        for place, text in texts.items():
            self._write(fencing_token, place, text)
        return list(texts)

    def _write_rows(self, fencing_token: int, place: str, rows: pa.Table, sums: Sums) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(rows.replace_schema_metadata({FOOTER: msgspec.json.encode(sums)}), sink, compression="zstd")
        self._write(fencing_token, place, sink.getvalue())

    def _write(self, fencing_token: int, place: str, content: Any) -> None:
        staged = self._staged(fencing_token, place)
        staged.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def publish(self, fencing_token: int, places: list[str]) -> None:
        """Move staged files into place; those moved before are left as they are."""
        for place in places:
            staged, final = self._staged(fencing_token, place), self.folder / place
            if staged.exists():
                final.parent.mkdir(parents=True, exist_ok=True)
                staged.replace(final)

    def _staged(self, fencing_token: int, place: str) -> Path:
        return self.staging / str(fencing_token) / place

    def take_over(self) -> None:
        """Remove what was staged by whoever held the partition before, and see anew what is in place."""
        shutil.rmtree(self.staging, ignore_errors=True)
        self.inventory.forget()
