"""SQL over a file, and columns by the name of a format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.files import CSV, HEADER, JSONL, LINES, ROWS, read, reasons
from truelike.files.content import UnreadableFile
from truelike.files.formats import FORMATS, snowplow

SQL = """select id as event_id, "when" as occurred_at, "user" as actor_id, song as target_id
from file where song <> 'song0'"""
KEPT = [row[3] for row in ROWS if row[3] != "song0"]


def test_sql_reads_csv_json_and_parquet_alike(tmp_path: Path) -> None:
    header = "id,when,user,song"
    table = {name: [row[n] for row in ROWS] for n, name in enumerate(header.split(","))}
    (tmp_path / "csv").write_text(CSV.replace(HEADER, header))
    (tmp_path / "json").write_text(json.dumps([dict(zip(table, row, strict=True)) for row in ROWS]))
    pq.write_table(pa.table(table), tmp_path / "parquet")
    for kind in ("csv", "json", "parquet"):
        result, likes = read(tmp_path / kind, sql=SQL)
        assert likes.column("target_id").to_pylist() == KEPT
        assert result.accepted == len(KEPT)


def test_rows_that_are_none_are_refused_before_sql(tmp_path: Path) -> None:
    (tmp_path / "csv").write_text(CSV + "z,a,b,c,d,e\n")
    (tmp_path / "json").write_text("\n".join([*LINES[:9], '{"event_id": bad}', *LINES[9:]]))
    for kind, said in (("csv", "row: has 6 values"), ("json", "message: not JSON")):
        result, _ = read(tmp_path / kind, sql="select * from file")
        assert (result.accepted, [r.startswith(said) for r in reasons(result)]) == (20, [True])


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("select nobody from file", "Binder Error"),
        ("selec", "Parser Error"),
        ("select cast(actor_id as int) as actor_id, occurred_at, target_id from file", "Conversion Error"),
        ("select 1 as x", "select it as actor_id"),
    ],
)
def test_an_error_of_sql_is_one_sentence(sql: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(CSV)
    with pytest.raises(UnreadableFile, match=said) as raised:
        read(tmp_path / "f", sql=sql)
    assert "\n" not in str(raised.value)


def test_times_of_sql_have_types(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(JSONL)
    for kind in ("timestamp", "timestamptz", "timestamp_ns", "timestamp_s", "date"):
        sql = f"select event_id, occurred_at::timestamptz::{kind} as occurred_at, actor_id, target_id from file"
        result, likes = read(tmp_path / "f", sql=sql)
        expected = 1772323200000 if kind == "date" else 1772355600000
        assert likes.column("occurred_at")[0].as_py() == expected
        assert result.times == {"timestamps": 20}


def snowplow_event(number: int, name: str) -> str:
    data = {
        "schema": "iglu:com.snowplowanalytics/unstruct",
        "data": {"schema": "iglu:x", "data": {"post_id": f"p{number}"}},
    }
    fields = dict.fromkeys(snowplow.FORMAT.columns, "") | {
        "event_id": f"s{number}",
        "derived_tstamp": f"2026-03-01 09:00:{number:02d}.250",
        "user_id": f"u{number}",
        "event_name": name,
        "unstruct_event": json.dumps(data),
    }
    return "\t".join(fields.values())


def written(folder: Path, name: str) -> Path:
    """A file of the format, with likes by u1 of i1 and u2 of i2, and what is no like."""
    path = folder / name
    if name == "lastfm":
        path.write_text('user,artist,album,track,utc\nu1,"A, B",x,"T ""1""",1772355600\nu2,A,x,T,1772355601\n')
    elif name == "movielens":
        path.write_text(
            "userId,movieId,rating,timestamp\nu1,i1,4.0,1772355600\nu3,i3,3.5,1772355600\nu2,i2,5,1772355601\n"
        )
    elif name == "recbole":
        path.write_text(
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
            "u1\ti1\t4\t1772355600\nu3\ti3\t3.5\t1772355600\nu2\ti2\t5\t1772355601\n"
        )
    elif name == "kuairand":
        path.write_text("user_id,video_id,time_ms,is_like\nu1,i1,1772355600000,1\nu3,i3,1,0\nu2,i2,1772355601000,1\n")
    elif name == "yambda":
        columns: dict[str, Any] = {
            "uid": [1, 3, 2],
            "item_id": [1, 3, 2],
            "timestamp": [0, 5, 10],
            "is_organic": [1, 0, 0],
        }
        pq.write_table(pa.table({**columns, "event_type": ["like", "listen", "unlike"]}), path)
    else:
        names = ("post_liked", "page_view", "post_unliked")
        path.write_text("\n".join(snowplow_event(n, event) for n, event in enumerate(names)))
    return path


@pytest.mark.parametrize("name", [found.name for found in FORMATS])
def test_a_format_by_its_name(name: str, tmp_path: Path) -> None:
    result, likes = read(written(tmp_path, name), format=name)
    assert (result.accepted, result.rejections) == (2, 0)
    assert f"format {name}" in result.notes
    found = likes.select(["actor_id", "target_id", "action"]).to_pydict()
    expected: dict[str, Any] = {
        "lastfm": (["u1", "u2"], ['A, B - T "1"', "A - T"], [0, 0]),
        "yambda": (["1", "2"], ["1", "2"], [0, 1]),
        "snowplow": (["u0", "u2"], ["p0", "p2"], [0, 1]),
    }
    assert tuple(found.values()) == expected.get(name, (["u1", "u2"], ["i1", "i2"], [0, 0]))
    if name == "snowplow":
        assert likes.column("occurred_at")[0].as_py() == 1772355600250
    if name == "yambda":
        assert likes.column("surface").to_pylist() == [1, 3]


@pytest.mark.parametrize("name", ["lastfm", "movielens"])
def test_a_header_that_is_a_formats_tells_it(name: str, tmp_path: Path) -> None:
    result, _ = read(written(tmp_path, name))
    assert (result.accepted, result.notes) == (2, [f"format {name}"])
