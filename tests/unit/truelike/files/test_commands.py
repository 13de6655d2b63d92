"""Commands on a file: one result whatever the order of rows, exit codes, outputs that are whole or not there."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from tests.files import CSV, HEADER, JSONL
from tests.likes import crowd
from truelike.cli.app import app

BAD = "z,2026-03-01T09:00:00Z,,t\n"


def run(*words: object) -> Result:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done


def detect(path: Path, folder: Path, *more: object) -> tuple[Result, bytes, bytes]:
    done = run("detect", path, "--out", folder / "v", "--campaigns", folder / "c", *more)
    return done, (folder / "v").read_bytes(), (folder / "c").read_bytes()


@pytest.mark.parametrize("with_ids", [True, False])
def test_one_result_whatever_the_order(with_ids: bool, tmp_path: Path) -> None:
    events = crowd(people=150, likes=1500)
    # Likes of one second, as many files have them, and rows that are nothing.
    events = [{**e, "occurred_at": e["occurred_at"] // 1000} for e in events]
    rows: list[dict[str, object]] = [*events, *events[:40], {"actor_id": "nobody"}]
    if not with_ids:
        rows = [{n: v for n, v in row.items() if n != "event_id"} for row in [*events, {"actor_id": "nobody"}]]
    by_time = sorted(rows, key=lambda row: int(str(row.get("occurred_at", 0))))
    shuffled, again = list(rows), list(rows)
    random.Random(1).shuffle(shuffled)
    random.Random(2).shuffle(again)
    found = []
    for n, order in enumerate((rows, by_time, by_time[::-1], shuffled, again)):
        path = tmp_path / f"{n}.jsonl"
        path.write_bytes(b"\n".join(msgspec.json.encode(row) for row in order))
        done, verdicts, campaigns = detect(path, tmp_path)
        assert f"{len(events):,} likes judged" in done.output
        assert f"accepted {len(events):,}, rejected 1, duplicates {40 if with_ids else 0}" in done.output
        assert "late 0" in done.output
        found.append((verdicts, campaigns))
    assert found[0][0].count(b'"bot"') > 5
    assert all(other == found[0] for other in found)


@pytest.mark.parametrize(
    ("text", "more", "code"),
    [
        (CSV, (), 0),
        (CSV + BAD, (), 3),
        (CSV + BAD, ("--tolerate", "0.1"), 0),
        (HEADER, (), 1),
        ("", (), 1),
        (f"{HEADER}\n{BAD}", ("--tolerate", "1"), 1),
        (CSV.replace("actor_id", "user"), (), 1),
        (CSV, ("--map", "actor=user"), 2),
        (CSV, ("--format", "xls"), 2),
        (CSV, ("--delimiter", "ab"), 2),
        (CSV, ("--encoding", "klingon"), 2),
        (CSV, ("--timezone", "Mars"), 2),
        (CSV, ("--sql", "select * from file", "--map", "actor_id=x"), 2),
    ],
)
def test_exit_codes(text: str, more: tuple[str, ...], code: int, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(text)
    for command in (("detect", "--out", tmp_path / "v"), ("predict", "--report", tmp_path / "r")):
        name, *places = command
        done = run(name, tmp_path / "f", *places, *more)
        assert done.exit_code == code, done.output
        assert (tmp_path / str(places[1])).exists() == (code in (0, 3))


@pytest.mark.parametrize("place", ["/", "/dev/null", "missing/f.csv"])
def test_what_is_no_file_is_wrong_usage(place: str, tmp_path: Path) -> None:
    for command in (("detect",), ("predict",), ("evaluate", "predictions"), ("evaluate", "detection"), ("replay",)):
        assert run(*command, tmp_path / place).exit_code == 2


def test_a_rejected_row_is_told_with_its_number_its_line_and_why(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(CSV.replace("e3,", '"e\n3",') + BAD + BAD)
    done, _, _ = detect(tmp_path / "f", tmp_path, "--rejected", tmp_path / "r")
    assert "22 rows: accepted 20, rejected 2, duplicates 0, ignored 0, late 0" in done.output
    assert "actor_id: Field required" in done.output
    assert "21 (line 23), 22 (line" in done.output
    assert "times: 20 in RFC 3339" in done.output
    first, second = map(json.loads, (tmp_path / "r").read_text().splitlines())
    event = {"event_id": "z", "occurred_at": "2026-03-01T09:00:00Z", "actor_id": None, "target_id": "t"}
    assert first == {"row": 21, "line": 23, "errors": ["actor_id: Field required"], "event": event}
    assert second["row"] == 22


def test_rejected_rows_are_written_where_nothing_else_is(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(f"{HEADER}\n{BAD}")
    assert run("detect", tmp_path / "f", "--out", tmp_path / "v", "--rejected", tmp_path / "r").exit_code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "r"]


@pytest.mark.parametrize("how", ["itself", "symlink", "hardlink", "dotted"])
def test_an_output_that_is_the_input_is_refused_before_anything_is_touched(how: str, tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text(CSV)
    other = {"itself": path, "dotted": tmp_path / "x" / ".." / "f.csv"}.get(how, tmp_path / "other")
    (tmp_path / "x").mkdir()
    if how == "symlink":
        other.symlink_to(path)
    elif how == "hardlink":
        other.hardlink_to(path)
    for words in (
        ("detect", path, "--out", other),
        ("detect", path, "--out", tmp_path / "v", "--campaigns", other),
        ("detect", path, "--out", tmp_path / "v", "--rejected", other),
        ("detect", path, "--out", tmp_path / "v", "--campaigns", tmp_path / "v"),
        ("predict", path, "--report", other),
        ("replay", path, "--rejected", other),
    ):
        done = run(*words)
        assert done.exit_code == 2
        assert "the same file" in done.output
        assert path.read_text() == CSV
        assert not (tmp_path / "v").exists()


def test_a_run_that_fails_leaves_earlier_outputs(tmp_path: Path) -> None:
    (tmp_path / "v").write_text("earlier")
    (tmp_path / "bad").write_text(f"{HEADER}\n{BAD}")
    (tmp_path / "unreadable").write_bytes(bytes(range(256)))
    for name in ("bad", "unreadable"):
        assert run("detect", tmp_path / name, "--out", tmp_path / "v").exit_code == 1
    assert (tmp_path / "v").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad", "unreadable", "v"]


def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(JSONL)
    for place, said in ((tmp_path, "folder"), (tmp_path / "no" / "v", "cannot write")):
        done = run("detect", tmp_path / "f", "--out", place)
        assert (done.exit_code, said in done.output) == (2, True)


def test_a_device_is_written_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "f").write_text(CSV)
    assert run("detect", tmp_path / "f", "--out", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Ten times the rows, shuffled: what reading and sorting takes grows by less than the file does."""
    program = """
import re, sys
from pathlib import Path
from truelike.files.options import ReadOptions
from truelike.files.reading import opened
from truelike.files.result import Result
with opened(Path(sys.argv[1]), ReadOptions(), Result(), lambda done, total: None) as spool:
    assert sum(batch.likes.num_rows for batch in spool.batches()) == spool.rows
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""
    peaks = []
    for rows in (12_000, 120_000):
        numbers = list(range(rows))
        random.Random(3).shuffle(numbers)
        path = tmp_path / f"{rows}.csv"
        lines = (
            f"event-number-{n},{1_772_355_600_000 + n},actor-{n % 999},target-{n % 77}-{'x' * 300}" for n in numbers
        )
        path.write_text("\n".join([HEADER, *lines]))
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, env=os.environ)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
    assert path.stat().st_size > 40 << 20
    assert peaks[1] < peaks[0] + 250
    assert peaks[1] < 700
