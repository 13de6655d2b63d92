"""Files that people really had trouble with (../shared/cases): exit code, accepted and rejected of each."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.compiled import PROJECT
from truelike.cli.app import app

CASES = PROJECT.parent / "shared" / "cases" / "files"
ALL = (0, 30, 0)
# Where a sentence is all there is, neither number.
EXPECTED: dict[str, tuple[int, int | None, int | None]] = {
    "csv_dup_header.csv": (1, None, None),
    "csv_no_header.csv": (1, None, None),
    "csv_empty.csv": (1, 0, 0),
    "csv_header_only_no_eol.csv": (1, 0, 0),
    "empty.parquet": (1, 0, 0),
    "csv_naive.csv": (1, 0, 30),
    "csv_ragged.csv": (3, 30, 1),
    "jetstream.jsonl": (0, 54, 6),  # six unlikes of likes that are in no file
    "json_concat.json": (0, 60, 0),
    "jsonl_bool_null.jsonl": (1, 0, 30),
    "jsonl_list_target.jsonl": (1, 0, 30),
    "jsonl_one_bad.jsonl": (3, 60, 1),
    "jsonl_sparse_mapped.jsonl": (0, 60, 0),
    "lastfm_shape.csv": (0, 60, 0),
    "likes_cut.csv.gz": (3, 10, 1),
    "pq_float_ids_realnan.parquet": (3, 25, 5),
    "pq_list_target.parquet": (1, 0, 30),
    "pq_struct.parquet": (1, 0, 30),
    "pq_year_beyond.parquet": (3, 29, 1),
    "replay_day1_no_event_id.csv": (0, 1000, 0),
    "replay_day2_no_event_id.csv": (0, 1000, 0),
    "replay_own_likes_2025.csv": (0, 600, 0),
}
MAPPED = {"jsonl_sparse_mapped.jsonl": ("occurred_at=when", "actor_id=user", "target_id=song", "creator_id=artist")}


@pytest.mark.shared_data
@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not here")
def test_every_shared_case(tmp_path: Path) -> None:
    found, expected = {}, {}
    for path in sorted(CASES.iterdir()):
        maps = [word for pair in MAPPED.get(path.name, ()) for word in ("--map", pair)]
        done = CliRunner().invoke(app, ["detect", str(path), "--out", str(tmp_path / "v"), *maps])
        assert done.exception is None or isinstance(done.exception, SystemExit), (path.name, done.output)
        said = re.search(r"accepted ([\d,]+), rejected ([\d,]+)", done.output)
        numbers = [int(n.replace(",", "")) for n in said.groups()] if said is not None else [None, None]
        found[path.name] = (done.exit_code, *numbers)
        expected[path.name] = EXPECTED.get(path.name, ALL)
    assert found == expected
