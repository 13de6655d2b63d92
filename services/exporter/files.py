"""Trusted likes as Parquet by date: staged, then listed in a snapshot, then renamed into place.

A snapshot names the files that belong to it. After a crash the files of the last snapshot are moved into place
(again), and staged files that no snapshot names are removed: every row is in the export once, or not yet.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shared.frames import CODES
from shared.topics import LIKES

_TIMES = ("occurred_at", "actor_created_at", "sent_at", "window_start")
_NAMES = ("actor_id", "principal_id")


def readable(likes: pa.RecordBatch) -> pa.Table:
    """The frame with names for codes, times as timestamps (UTC), and where each like came from."""
    columns = {}
    for name in likes.schema.names:
        column = likes.column(name)
        if name in CODES:
            column = pa.DictionaryArray.from_arrays(column.cast(pa.int32()), pa.array(CODES[name]))
        elif name in _TIMES:
            column = column.cast(pa.timestamp("ms", "UTC"))
        columns[name] = column
    columns["source_topic"] = pa.array([LIKES] * likes.num_rows, pa.string()).dictionary_encode()
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
    """`folder/date=YYYY-MM-DD/likes-<partition>-<first>-<last>.parquet`.

    Who takes a partition stages under its own fencing token: a worker that was paused and woke up cannot write into
    files of the one that took over.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staging = folder / ".staging"

    def stage(self, fencing_token: int, partition: int, first: int, last: int, likes: pa.RecordBatch) -> list[str]:
        """Write one file a date under .staging. Returns their final places, relative to the folder."""
        days = likes.column("occurred_at").to_numpy() // 86_400_000
        places = []
        for day in np.unique(days).tolist():
            date = np.datetime64(day, "D")
            place = f"date={date}/likes-{partition}-{first}-{last}.parquet"
            self._write(fencing_token, place, readable(likes.filter(pc.equal(pa.array(days), day))))
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
            self._write(fencing_token, place, file.read().filter(pc.invert(theirs)))
            places.append(place)
        return places, removed

    def _write(self, fencing_token: int, place: str, rows: pa.Table) -> None:
        staged = self._staged(fencing_token, place)
        staged.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("wb") as file:
            pq.write_table(rows, file, compression="zstd")
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

    def clear_staging(self) -> None:
        shutil.rmtree(self.staging, ignore_errors=True)
