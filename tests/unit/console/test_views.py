from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from services.console import keeper, views
from services.console.api import latest_revisions, worst
from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.exporter.files import ExportFolder
from shared.frames import decode
from shared.topics import TRUSTED_LIKES
from tests.likes import crowd, ingest_in_batches
from truelike.cli.app import app
from truelike.cli.sending import parse_speed


def trusted() -> list[bytes]:
    detector = Detector(Judgement(2))
    messages = ingest_in_batches(crowd(), [100, 300, 500], 2)
    return [o.value for o in detector.feed(messages) if o.topic == TRUSTED_LIKES]


def test_views_follow_corrections() -> None:
    counts: dict[tuple[str, str], int] = {}
    last: dict[str, tuple[str, int]] = {}
    for value in trusted():
        for command, key, label, *by in views.of_trusted_likes(value):
            if command != "HINCRBY":
                continue
            counts[str(key), str(label)] = counts.get((str(key), str(label)), 0) + int(by[0])
        for row in decode(value).to_pylist():
            last[row["event_id"]] = (row["target_id"], row["label"])
    bots = sum(n for (key, label), n in counts.items() if label == "bot" and key.startswith("truelike:target:"))
    assert bots == sum(label == 2 for _, label in last.values()) > 0
    assert sum(n for (key, _), n in counts.items() if key == "truelike:counts") == len(last)


def test_an_actor_is_as_the_worst_of_its_latest_revisions() -> None:
    verdicts = [
        {"verdict_id": "a", "revision": 1, "label": "bot", "human_probability": 0.1, "window_start": 1},
        {"verdict_id": "a", "revision": 2, "label": "human", "human_probability": 0.9, "window_start": 1},
        {"verdict_id": "b", "revision": 1, "label": "suspect", "human_probability": 0.5, "window_start": 2},
    ]
    latest = latest_revisions(verdicts)
    assert [(v["verdict_id"], v["revision"]) for v in latest] == [("b", 1), ("a", 2)]
    assert worst(latest)["label"] == "suspect"


def test_an_export_is_whole_after_a_crash_at_any_point(tmp_path: Path) -> None:
    batch = decode(trusted()[0])
    folder = ExportFolder(tmp_path)
    places = folder.stage(1, 0, 3, 9, batch)
    assert list(tmp_path.glob("date=*")) == []
    folder.publish(1, places)
    folder.publish(1, places)  # again, as after a restart
    folder.stage(1, 0, 10, 12, batch)  # staged, but no snapshot names it
    folder.take_over()
    rows = pq.read_table(tmp_path, partitioning="hive")
    assert rows.num_rows == batch.num_rows
    assert {
        "human_probability",
        "revision",
        "source_topic",
        "source_partition",
        "source_offset",
        "label",
    } <= set(rows.column_names)
    assert set(rows.column("label").to_pylist()) <= {"human", "suspect", "bot", "agent"}


@pytest.mark.parametrize(("text", "factor"), [("max", None), ("real", 1.0), ("60x", 60.0), ("0.5", 0.5)])
def test_speeds(text: str, factor: float | None) -> None:
    assert parse_speed(text) == factor


def test_detect_and_predict_on_a_file(tmp_path: Path) -> None:
    path = tmp_path / "likes.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(e) for e in crowd()))
    result = CliRunner().invoke(
        app,
        ["detect", str(path), "--out", str(tmp_path / "v.jsonl"), "--campaigns", str(tmp_path / "c.jsonl")],
    )
    assert result.exit_code == 0, result.output
    verdicts = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert {v["label"] for v in verdicts} == {"bot"}
    assert [json.loads(line)["actor_count"] for line in (tmp_path / "c.jsonl").read_text().splitlines()] == [12]
    result = CliRunner().invoke(app, ["detect", str(path), "--out", str(tmp_path / "all.jsonl"), "--all"])
    assert result.exit_code == 0, result.output
    everyone = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert {v["verdict_id"] for v in everyone} == {
        f"{e['actor_id']}@{e['occurred_at'] // 300_000 * 300_000}" for e in crowd()
    }
    result = CliRunner().invoke(app, ["predict", str(path), "--report", str(tmp_path / "r.json")])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "r.json").read_text())
    assert {"hr@10", "hr@20", "mrr@20", "ece", "surprise_bits", "likes_per_second"} <= report.keys()


def test_a_wrong_file_is_one_clear_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["detect", str(tmp_path / "none.csv")])
    assert result.exit_code == 2
    assert "no such file" in result.output


def test_messages_are_viewed_together_until_they_are_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "BYTES_AT_ONCE", 10)
    records = [SimpleNamespace(value=b"x" * size if size else None) for size in (4, 4, 4, 0, 25, 1, 1)]
    parts = list(keeper.in_parts(records))
    assert [len(part) for part in parts] == [3, 2, 2]
    assert [record for part in parts for record in part] == records
