"""Who is forgotten is in no file, also not as the person for whom an agent bought."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from services.exporter.files import ExportFolder, naming, readable
from services.exporter.runner import ExportTask
from shared import forgetting
from shared.events import BUY
from shared.forgetting import Request
from shared.frames import Frame, from_message
from shared.schemas import TRUSTED_LIKES
from tests.likes import START_MS
from tests.trusted_likes import row

ROWS = [
    row(0, "ann", "a"),
    row(1, "bob", "b"),
    row(2, "agent", "c", action=BUY, principal_id="ann"),
    row(3, "agent", "d", action=BUY, principal_id="bob"),
    row(4, "ann", "e", action=BUY, principal_id="ann"),
]


def batch(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)


def left(folder: Path) -> list[str]:
    return sorted(e for path in folder.glob("date=*/*.parquet") for e in pq.read_table(path)["event_id"].to_pylist())


def test_rows_that_name_somebody() -> None:
    likes = batch(ROWS)
    for given in (likes, readable(likes)):
        assert naming(given, {"ann"})[0].to_pylist() == [True, False, True, False, True]
        assert naming(given, {"ann"})[1] == {"ann": 3}
        assert naming(given, {"agent", "bob"})[1] == {"bob": 2, "agent": 1}
        assert naming(given, {"nobody"})[1] == {}


def test_files_are_written_without_them(tmp_path: Path) -> None:
    export = ExportFolder(tmp_path)
    export.publish(1, export.stage(1, 0, 0, 4, batch(ROWS)))
    # A file of before has no principals.
    former = readable(batch(ROWS[:2])).drop_columns(["principal_id"])
    (tmp_path / "date=2025-01-01").mkdir()
    pq.write_table(former, tmp_path / "date=2025-01-01" / "likes-0-0-1.parquet")
    places, removed = export.erase(1, {"ann"})
    export.publish(1, places)
    assert (len(places), removed) == (2, {"ann": 4})
    assert left(tmp_path) == ["e1", "e1", "e3"]


def test_no_correction_brings_them_back() -> None:
    task = ExportTask(0)
    request = forgetting.to_message(Request("r", ["ann"], START_MS))
    task.process(from_message(request.value, request.headers), 0)
    task.process(Frame("trusted", batch([{**r, "previous_probability": 0.9} for r in ROWS])), 1)
    assert task.likes()["event_id"].to_pylist() == ["e1", "e3"]
