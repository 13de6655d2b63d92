"""Kinds of files: what is read, what is refused and why. Nothing is ever a traceback."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from shared.contract.decode import MOST_BYTES
from tests.files import CSV, EVENTS, HEADER, JSONL, LINES, ROWS, read, reasons
from truelike.files.content import UnreadableFile

T = "2026-03-01T09:00:01Z"


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def quoted(line_end: str) -> str:
    return line_end.join([HEADER, *(f'{a},{b},"{c}\nx","{d}"' for a, b, c, d in ROWS)]) + line_end


def pretty(events: list[Any]) -> str:
    return ",\n".join(e if isinstance(e, str) else json.dumps(e, indent=1) for e in events)


WHOLE: dict[str, bytes | str] = {
    "csv": CSV,
    "without an end of line": CSV.rstrip("\n"),
    "BOM": b"\xef\xbb\xbf" + CSV.encode(),
    "UTF-16": CSV.encode("utf-16"),
    "UTF-16 BE without a mark": CSV.encode("utf-16-be"),
    "UTF-16 LE without a mark": CSV.encode("utf-16-le"),
    "UTF-32": CSV.encode("utf-32"),
    "tabs": CSV.replace(",", "\t"),
    "semicolons": CSV.replace(",", ";"),
    "bars": CSV.replace(",", "|"),
    "CRLF": CSV.replace("\n", "\r\n"),
    "CR": CSV.replace("\n", "\r"),
    "CRLF and LF": CSV.replace("\n", "\r\n", 9),
    "blank lines": CSV.replace("\n", "\n\n"),
    "line ends in quotes": quoted("\n"),
    "line ends in quotes, CRLF": quoted("\r\n"),
    "a header in capitals": CSV.replace(HEADER, HEADER.upper()),
    "a header with a quote too many": CSV.replace(",actor_id", ',"actor_id" '),
    "a header in quotes": CSV.replace(HEADER, ",".join(f'"{name}"' for name in HEADER.split(","))),
    "blanks behind commas": CSV.replace(",", ", "),
    "a comma at every end": CSV.replace("\n", ",\n"),
    "gzip": gzip.compress(CSV.encode()),
    "gzip of two members": gzip.compress(CSV[:300].encode()) + gzip.compress(CSV[300:].encode()),
    "gzip in gzip": gzip.compress(gzip.compress(CSV.encode())),
    "bz2": bz2.compress(CSV.encode()),
    "xz": lzma.compress(CSV.encode()),
    "zstd": zstd(CSV.encode()),
    "jsonl": JSONL,
    "jsonl, UTF-16": JSONL.encode("utf-16"),
    "jsonl, BOM": b"\xef\xbb\xbf" + JSONL.encode(),
    "trailing commas": JSONL.replace("}\n", "},\n"),
    "array": "[" + ",".join(LINES) + "]",
    "pretty array": f"[\n{pretty(EVENTS)}\n]\n",
    "one behind the other": "".join(LINES),
    "RFC 7464": "".join(f"\x1e{line}\n" for line in LINES),
    "gzip of jsonl": gzip.compress(JSONL.encode()),
}


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("name", ["likes.csv.gz", "LIKES.PARQUET"])
def test_content_decides_and_the_name_does_not(kind: str, name: str, tmp_path: Path) -> None:
    data = WHOLE[kind]
    (tmp_path / name).write_bytes(data.encode() if isinstance(data, str) else data)
    result, likes = read(tmp_path / name)
    assert (result.rows, result.accepted, result.rejections) == (20, 20, 0)
    assert result.times == {"RFC 3339": 20}
    actors = [row[2] + ("\nx" if "quotes" in kind and "header" not in kind else "") for row in ROWS]
    assert likes.column("actor_id").to_pylist() == actors
    assert likes.column("event_id").to_pylist() == [row[0] for row in ROWS]


BAD_OBJECT = '{"event_id": bad, "more": [{"x": 1}, {"y": 2}]}'
# Content, rows accepted, and the reasons of the rejected.
PARTLY: dict[str, tuple[bytes | str, int, list[str]]] = {
    "too many values": (CSV + f"z,{T},a,b,c,d\n", 20, ["row: has 6 values where the header names 4 columns"]),
    "too few values": (CSV + f"z,{T}\n", 20, ["actor_id: Field required"]),
    "a quote that never ends": (
        f'{HEADER}\nz,{T},"a,b\n' + CSV.partition("\n")[2],
        20,
        ["row: cannot be read as CSV: a quote is opened and not closed"],
    ),
    "a quote that never ends, before much": (
        f'{HEADER}\nz,{T},"a,b\n' + "".join(f"n{n},{T},a,{n}\n" for n in range(20_000)),
        20_000,
        ["row: cannot be read as CSV: a quote is opened and not closed"],
    ),
    "a quote within quotes": (CSV + f'z,{T},"a"b,c\n', 20, ["row: cannot be read as CSV: ',' expected after '\"'"]),
    "NUL": (CSV + f"z,{T},a\0b,c\n", 20, ["actor_id: an id cannot hold the character NUL"]),
    "a line of 400 kB": (
        CSV + f"z,{T},a,{'x' * 400_000}\ny,{T},a,b\n",
        21,
        [f"row: cannot be read as CSV: a line has more than {MOST_BYTES} characters"],
    ),
    "a long id": (
        CSV + f"z,{T},a,{'x' * 600}\n",
        20,
        ["target_id: an id has at most 512 bytes in UTF-8, this one 600"],
    ),
    "one line that is no UTF-8": (
        CSV.encode() + f"y,{T},müller,b\ny2,{T},müller,b\nz,{T},".encode() + b"\xff,b\n",
        22,
        ["row: is not valid UTF-8"],
    ),
    "a bad line": ("\n".join([*LINES[:9], BAD_OBJECT, *LINES[9:]]), 20, ["message: not JSON: Expecting value"]),
    "a bad element": (
        f"[{','.join([*LINES[:9], BAD_OBJECT[:16] + '}', *LINES[9:]])}]",
        20,
        ["message: not JSON: Expecting value"],
    ),
    "a bad element of a pretty array": (
        f"[\n{pretty([*EVENTS[:9], BAD_OBJECT, *EVENTS[9:]])}\n]",
        20,
        ["message: not JSON: Expecting value"],
    ),
    "words between": (
        "\n".join([*LINES[:9], "hello world", *LINES[9:]]),
        20,
        ["message: not JSON: expected an object"],
    ),
    "NaN": (JSONL + '{"event_id": "n", "rank": NaN}\n', 20, ["message: not JSON: NaN is no JSON"]),
    "a lone surrogate": (
        JSONL + f'{{"event_id":"s","occurred_at":"{T}","actor_id":"\\ud800","target_id":"t"}}\n',
        20,
        ["message: holds text that is not valid Unicode"],
    ),
    "cut in the middle of a line": (JSONL[:-30], 19, ["message: not JSON: Expecting value"]),
    "deeper than anybody nests": (
        JSONL + '{"a":' * 50_000 + "\n" + LINES[0].replace("e0", "z"),
        21,
        ["message: not JSON: maximum recursion depth exceeded while decoding a JSON object from a unicode string"],
    ),
    "a time with no zone": (
        CSV + "z,2026-03-01T09:00:00,a,b\n",
        20,
        [
            "occurred_at: a time needs a zone: write 2026-03-01T09:00:00Z for UTC, or say where its clock stood "
            "(--timezone)"
        ],
    ),
    "1970": (CSV + "z,1970-01-01T00:00:00Z,a,b\n", 20, ["occurred_at: a time must lie between 1973 and 2200"]),
    "true for an id": (
        JSONL + f'{{"event_id":"z","occurred_at":"{T}","actor_id":true,"target_id":"t"}}',
        20,
        ["actor_id: true is no id"],
    ),
    "a list for an id": (
        JSONL + f'{{"event_id":"z","occurred_at":"{T}","actor_id":"a","target_id":["t"]}}',
        20,
        ["target_id: a list is no id: ids are text, integers, UUIDs or bytes"],
    ),
    "an activity without a time": (
        JSONL + '{"id": "https://a/1", "type": "Like", "actor": "https://a", "object": "https://b"}',
        20,
        ["occurred_at: it says no time itself, and a file has no time of receipt"],
    ),
}


@pytest.mark.parametrize("kind", PARTLY)
def test_a_bad_row_is_one_rejection_and_the_rest_is_read(kind: str, tmp_path: Path) -> None:
    data, accepted, expected = PARTLY[kind]
    (tmp_path / "f").write_bytes(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    result, _ = read(tmp_path / "f")
    assert reasons(result) == dict.fromkeys(expected, 1)
    assert result.accepted == accepted
    assert result.rows == accepted + 1


@pytest.mark.parametrize("method", ["gzip", "xz", "bz2", "zstd"])
def test_a_cut_archive_is_read_up_to_where_it_was_cut(method: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    rows = [f"e{n},{T},a{rng.getrandbits(60)},t{rng.getrandbits(60)}" for n in range(40_000)]
    data = "\n".join([HEADER, *rows]).encode()
    whole = {"gzip": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zstd": zstd}[method](data)
    (tmp_path / "f").write_bytes(whole[: len(whole) // 2])
    result, likes = read(tmp_path / "f")
    assert 10_000 < result.accepted < 30_000
    # No row was cut within and taken for whole.
    expected = [row.split(",")[3] for row in rows[: result.accepted]]
    assert sorted(likes.column("target_id").to_pylist()) == sorted(expected)
    assert [r.startswith(f"file: the archive is cut after row {result.accepted}: ") for r in reasons(result)] == [True]


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "no header": ("\n".join(",".join(row) for row in ROWS).encode(), "name all columns in their order"),
    "two columns of a name": (CSV.replace(HEADER, "actor_id,occurred_at,actor_id,target_id").encode(), "'actor_id'"),
    "a header whose quote never ends": ((CSV.replace("target_id", '"target_id')).encode(), "opens a quote"),
    "no actor": (CSV.replace("actor_id", "user").encode(), "--map actor_id=COLUMN"),
    "a cut archive with nothing": (gzip.compress(CSV.encode())[:15], "broken archive"),
    "a cut Parquet file": (b"PAR1" + b"x" * 99, "was cut"),
    "ZIP": (b"PK\x03\x04" + b"x" * 99, "ZIP archive"),
    "SQLite": (b"SQLite format 3\0" + b"x" * 99, "SQLite"),
    "junk": (bytes(range(256)) * 20, "holds no text"),
    "one zero": (b"\0", "holds no text"),
    "thrice compressed": (gzip.compress(gzip.compress(gzip.compress(b"x"))), "more than 2 times"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_cannot_be_read_is_one_sentence(kind: str, tmp_path: Path) -> None:
    data, said = UNREADABLE[kind]
    (tmp_path / "f").write_bytes(data)
    with pytest.raises(UnreadableFile, match=said) as raised:
        read(tmp_path / "f")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"  \n ", HEADER.encode(), HEADER.encode() + b"\r\n", b"[]", gzip.compress(b"", mtime=0)]
)
def test_an_empty_file_has_no_likes(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(data)
    result, _ = read(tmp_path / "f")
    assert (result.rows, result.accepted, result.rejections) == (0, 0, 0)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, said in ((tmp_path, "folder"), (tmp_path / "pipe", "regular"), (Path("/dev/null"), "regular")):
        with pytest.raises(UnreadableFile, match=said):
            read(path)
    with pytest.raises(UnreadableFile, match="no such file"):
        read(tmp_path / "none")


def test_latin_1_is_read_and_said(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(f"{HEADER}\ne,{T},müller,\u00fcber\n".encode("latin-1"))
    result, likes = read(tmp_path / "f")
    assert likes.column("actor_id").to_pylist() == ["müller"]
    assert result.notes == ["read as cp1252"]


def test_units_of_time_are_told_apart_and_counted(tmp_path: Path) -> None:
    times = ["1772355600", "1772355600.25", "1772355600000", "1772355600000000", "1772355600000000000"]
    rows = [f"{n},{at},a,{n}" for n, at in enumerate(times)]
    (tmp_path / "f").write_text("\n".join([HEADER, *rows]))
    result, likes = read(tmp_path / "f")
    assert set(likes.column("occurred_at").to_pylist()) == {1772355600000, 1772355600250}
    assert result.times == {"seconds": 2, "milliseconds": 1, "microseconds": 1, "nanoseconds": 1}


def test_ids_that_look_like_nothing_are_ids(tmp_path: Path) -> None:
    ids = ["NA", "null", "None", "nan", "007", "true"]
    (tmp_path / "f").write_text("\n".join([HEADER, *(f"e{n},{T},{i},{i}" for n, i in enumerate(ids))]))
    _, likes = read(tmp_path / "f")
    assert sorted(likes.column("actor_id").to_pylist()) == sorted(ids)


def test_times_of_a_clock_need_its_zone(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(f"{HEADER}\ne,2026-07-01 12:00:00,a,b\n")
    for zone, hour in (("Europe/Berlin", 10), ("+05:30", 6.5), ("UTC", 12)):
        _, likes = read(tmp_path / "f", timezone=zone)
        assert likes.column("occurred_at")[0].as_py() == 1782864000000 + hour * 3_600_000
    with pytest.raises(UnreadableFile, match="no such zone"):
        read(tmp_path / "f", timezone="Mars/Olympus")


def test_paths_lead_into_events_and_optional_ones_may_be_absent(tmp_path: Path) -> None:
    events = [{"w": row[1], "u": {"id": n}, "o": [{}, {"ids": ["x", row[3]]}]} for n, row in enumerate(ROWS)]
    events[3]["by"] = {"name": "artist"}
    (tmp_path / "f").write_text("\n".join(map(json.dumps, events)))
    mapping = ("occurred_at=w", "actor_id=u.id", "target_id=o.1.ids.1", "creator_id=by.name")
    result, likes = read(tmp_path / "f", mapping)
    assert result.accepted == 20
    assert likes.column("target_id").to_pylist() == [row[3] for row in ROWS]
    assert likes.column("creator_id").drop_null().to_pylist() == ["artist"]
    with pytest.raises(UnreadableFile, match=r"--map creator_id=by.nobody: no row has it; rows have w, u, o, by"):
        read(tmp_path / "f", (*mapping[:3], "creator_id=by.nobody"))


def test_a_path_into_an_envelope_leaves_the_other_fields_to_it(tmp_path: Path) -> None:
    commit = {"operation": "create", "collection": "app.bsky.feed.like", "rkey": "r"}
    record = {"subject": {"uri": "at://x/y/z", "cid": "c"}, "via": {"uri": "at://via"}}
    event = {"did": "did:plc:a", "time_us": 1772355600000000, "kind": "commit", "commit": {**commit, "record": record}}
    (tmp_path / "f").write_text(json.dumps(event))
    for path, target in (("commit.record.subject.uri", "at://x/y/z"), ("commit.record.via.uri", "at://via")):
        result, likes = read(tmp_path / "f", (f"target_id={path}",))
        assert likes.column("target_id").to_pylist() == [target]
        assert likes.column("actor_id").to_pylist() == ["did:plc:a"]
        assert result.times == {"microseconds": 1}


def test_batches_are_taken_apart(tmp_path: Path) -> None:
    track = {"type": "track", "event": "Post Liked", "userId": "u", "timestamp": T, "properties": {"post_id": "p"}}
    (tmp_path / "f").write_text(json.dumps({"batch": [{**track, "messageId": f"m{n}"} for n in range(5)]}))
    result, likes = read(tmp_path / "f")
    assert result.rows == result.accepted == 5
    assert likes.column("event_id").to_pylist() == [f"m{n}" for n in range(5)]


def test_an_unlike_may_name_its_like_and_is_rejected_where_nobody_knows_it(tmp_path: Path) -> None:
    def event(number: int, **more: Any) -> str:
        ids = {"event_id": f"at://like/{number}", "actor_id": "a", "occurred_at": 1772355600000 + number}
        return json.dumps({**ids, **more})

    lines = [
        event(9, action="unlike", undoes="at://like/1"),
        event(1, target_id="t"),
        event(8, action="unlike", undoes="x"),
    ]
    (tmp_path / "f").write_text("\n".join(lines))
    result, likes = read(tmp_path / "f")
    assert likes.column("target_id").to_pylist() == ["t", "t"]
    assert [(r.said[:20], r.count, r.examples) for r in result.rejected.values()] == [
        ("undoes: no like 'x' ", 1, ["3"])
    ]


def test_what_is_no_like_is_ignored_and_counted(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(json.dumps({"type": "PushEvent", "repo": {}, "actor": {}}) + "\n" + JSONL)
    result, _ = read(tmp_path / "f")
    assert (result.accepted, result.rejections, result.ignorations) == (20, 0, 1)


def test_an_id_is_derived_from_file_row_and_content(tmp_path: Path) -> None:
    def ids(name: str, text: str) -> list[str]:
        (tmp_path / name).write_text(text)
        return read(tmp_path / name)[1].column("event_id").to_pylist()

    text = "\n".join(["occurred_at,actor_id,target_id", *(f"{T},a,t" for _ in range(3))])
    first = ids("day1.csv", text)
    assert len(set(first)) == 3
    assert ids("day1.csv", text) == first
    assert not set(ids("day2.csv", text)) & set(first)
    assert not set(ids("day1.csv", text.replace("a,t", "a,u"))) & set(first)


def test_ids_given_in_some_rows_stay(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(CSV.replace("e3,", ",").replace("e7,", '"",'))
    _, likes = read(tmp_path / "f")
    found = likes.column("event_id").to_pylist()
    assert [i for i in found if not i.startswith("file-")] == [row[0] for n, row in enumerate(ROWS) if n not in (3, 7)]
    assert len(set(found)) == 20
