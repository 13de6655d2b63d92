"""Parquet files of every type that ids and times come in."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.files import ROWS, read, reasons

MS = [1772355600000 + 1000 * n for n in range(20)]
IDS = {name: [row[n] for row in ROWS] for n, name in ((0, "event_id"), (2, "actor_id"), (3, "target_id"))}


def written(folder: Path, options: dict[str, Any] | None = None, **columns: Any) -> Path:
    pq.write_table(pa.table({**IDS, "occurred_at": MS, **columns}), folder / "f.parquet", **options or {})
    return folder / "f.parquet"


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_times_of_every_unit(unit: str, zone: str | None, tmp_path: Path) -> None:
    number = {"s": lambda ms: ms // 1000, "ms": int, "us": lambda ms: ms * 1000 + 499, "ns": lambda ms: ms * 10**6 + 7}
    times = pa.array([number[unit](ms) for ms in MS], pa.timestamp(unit, zone))
    result, likes = read(written(tmp_path, occurred_at=times))
    assert likes.column("occurred_at").to_pylist() == MS
    assert result.times == {"timestamps": 20}


def test_times_without_a_zone_are_of_the_clock_that_is_named(tmp_path: Path) -> None:
    summer = [dt.datetime(2026, 7, 1, 12, n) for n in range(20)]
    path = written(tmp_path, occurred_at=pa.array(summer, pa.timestamp("us")))
    for zone, hour in (("Europe/Berlin", 10), ("+05:30", 6.5), (None, 12)):
        _, likes = read(path, timezone=zone)
        assert likes.column("occurred_at")[0].as_py() == 1782864000000 + hour * 3_600_000


@pytest.mark.parametrize("kind", [pa.date32(), pa.date64()])
def test_dates(kind: Any, tmp_path: Path) -> None:
    _, likes = read(written(tmp_path, occurred_at=pa.array([dt.date(2026, 3, 1)] * 20, kind)))
    assert set(likes.column("occurred_at").to_pylist()) == {1772323200000}


def test_int96(tmp_path: Path) -> None:
    times = pa.array([ms * 1000 for ms in MS], pa.timestamp("us"))
    _, likes = read(written(tmp_path, {"use_deprecated_int96_timestamps": True}, occurred_at=times))
    assert likes.column("occurred_at").to_pylist() == MS


@pytest.mark.parametrize(
    ("unit", "value"),
    [("s", 2**50), ("ms", 2**62), ("us", 2**62), ("us", -(2**62)), ("ns", -(2**63) + 1), ("ns", 2**63 - 1), ("s", 0)],
)
def test_a_time_beyond_every_year_costs_its_row_only(unit: str, value: int, tmp_path: Path) -> None:
    factor = {"s": 1 / 1000, "ms": 1, "us": 1000, "ns": 10**6}[unit]
    times = pa.array([value, *(int(ms * factor) for ms in MS[1:])], pa.timestamp(unit))
    result, likes = read(written(tmp_path, occurred_at=times))
    assert likes.column("occurred_at").to_pylist() == MS[1:]
    (said,) = reasons(result)
    assert said.startswith("occurred_at: ")


UUIDS = [uuid.UUID(int=n) for n in range(20)]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (pa.array([u.bytes for u in UUIDS], pa.uuid()), [str(u) for u in UUIDS]),
        (pa.array([u.bytes for u in UUIDS], pa.binary(16)), [u.bytes.hex() for u in UUIDS]),
        (pa.array([b"ann\xff"] * 20), [b"ann\xff".hex()] * 20),
        (pa.array([b"ann"] * 20), ["ann"] * 20),
        (pa.array(IDS["actor_id"]).dictionary_encode(), IDS["actor_id"]),
        (pa.array(IDS["actor_id"], pa.large_string()), IDS["actor_id"]),
        (pa.array(IDS["actor_id"], pa.string_view()), IDS["actor_id"]),
        (pa.array(range(20), pa.int8()), [str(n) for n in range(20)]),
        (pa.array([2**64 - 1] * 20, pa.uint64()), [str(2**64 - 1)] * 20),
        (pa.array([float(n) for n in range(20)]), [str(n) for n in range(20)]),
        (pa.array([Decimal("7.00")] * 20), ["7"] * 20),
    ],
)
def test_ids_become_text(ids: Any, text: list[str], tmp_path: Path) -> None:
    result, likes = read(written(tmp_path, actor_id=ids))
    assert result.accepted == 20
    assert likes.column("actor_id").to_pylist() == text


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (pa.array([[1]] * 20), "a list is no id"),
        (pa.array([{"id": 1}] * 20), "an object is no id"),
        (pa.array([True] * 20), "true is no id"),
        (pa.array([float("nan")] * 20), "NaN is no id"),
        (pa.array([1.5] * 20), "1.5 is no id"),
        (pa.nulls(20), "Field required"),
        (pa.array([dt.time(1)] * 20), "a value of type time is no id"),
    ],
)
def test_what_is_no_id_is_refused_with_the_reason(ids: Any, said: str, tmp_path: Path) -> None:
    result, _ = read(written(tmp_path, actor_id=ids))
    assert result.accepted == 0
    assert [said in reason for reason in reasons(result)] == [True]
    assert result.rejections == 20


def test_bytes_that_are_called_text_are_no_traceback(tmp_path: Path) -> None:
    buffers = pa.array([b"\xff\xfe"] * 20, pa.binary()).buffers()
    _, likes = read(written(tmp_path, actor_id=pa.Array.from_buffers(pa.string(), 20, buffers)))
    assert set(likes.column("actor_id").to_pylist()) == {"fffe"}


def test_a_path_leads_into_a_struct(tmp_path: Path) -> None:
    users = [{"id": n, "seen": dt.datetime(2026, 3, 1)} for n in range(20)]
    _, likes = read(written(tmp_path, user=pa.array(users)), ("actor_id=user.id",))
    assert likes.column("actor_id").to_pylist() == [str(n) for n in range(20)]


def test_names_in_capitals_and_optional_columns(tmp_path: Path) -> None:
    table = pa.table({**IDS, "occurred_at": MS, "rank": [3.0] * 19 + [None], "surface": ["search"] * 20})
    pq.write_table(table.rename_columns([name.upper() for name in table.column_names]), tmp_path / "f")
    result, likes = read(tmp_path / "f")
    assert result.accepted == 20
    assert likes.column("rank").to_pylist() == [3] * 19 + [None]
    assert set(likes.column("surface").to_pylist()) == {2}


def test_rows_may_be_events_in_an_envelope(tmp_path: Path) -> None:
    record = {"subject": {"uri": "at://x/y/z", "cid": "c"}}
    commit = {"operation": "create", "collection": "app.bsky.feed.like", "rkey": "r", "record": record}
    event = {"did": "did:plc:a", "time_us": 1772355600000000, "kind": "commit", "commit": commit}
    pq.write_table(pa.Table.from_pylist([event]), tmp_path / "f")
    _, likes = read(tmp_path / "f")
    assert likes.select(["event_id", "target_id"]).to_pylist() == [
        {"event_id": "at://did:plc:a/app.bsky.feed.like/r", "target_id": "at://x/y/z"}
    ]
