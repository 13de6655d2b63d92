"""`truelike report`: the page's charts are those that the charts service counts of what the detector says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from services.charts.task import ChartsTask
from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.exporter.files import readable
from shared import frames, schemas
from shared.frames import from_message
from shared.topics import TRUSTED_LIKES
from tests.likes import crowd
from tests.unit.truelike.report.test_page import documents
from tests.unit.truelike.report.tree import Element, parsed
from truelike.cli.app import app
from truelike.evaluation import choice_files, choice_world
from truelike.files.offline import OfflineIngest
from truelike.files.options import ReadOptions
from truelike.files.reading import opened
from truelike.files.result import Result as Rows
from truelike.report import from_files
from truelike.report.documents import About, Documents
from truelike.report.page import html_of


def run(*words: object) -> Result:
    done = CliRunner().invoke(app, ["report", *map(str, words)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done


def written(path: Path, events: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events))
    return path


def page_of(path: Path) -> Element:
    return parsed(path.read_text())


def shown(page: Element) -> str:
    """All that charts, labels and the loop say, numbers and all."""
    return "".join(page.one("section", id=name).text for name in ("labels", "charts", "matrix", "loop"))


@pytest.fixture(scope="module")
def likes() -> list[dict[str, Any]]:
    events = crowd(people=150, likes=1500)
    return [{**e, "creator_id": f"by-{e['target_id']}", "content_language": "de"} for e in events]


@pytest.fixture(scope="module")
def frames_of(likes: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> list[pa.RecordBatch]:
    """What the detector says of them, as it says it."""
    path = written(tmp_path_factory.mktemp("likes") / "likes.jsonl", likes)
    ingest, detector = OfflineIngest(4), Detector(Judgement(4, 300_000))
    with opened(path, ReadOptions(), Rows(), lambda done, total: None) as spool:
        said = [o for _, messages in ingest.frames(spool, Rows()) for o in detector.feed(messages)]
    return [from_message(o.value, o.headers).batch for o in said if o.topic == TRUSTED_LIKES]


def test_charts_of_a_file_are_those_of_its_frames(
    likes: list[dict[str, Any]], frames_of: list[pa.RecordBatch], tmp_path: Path
) -> None:
    path = written(tmp_path / "likes.jsonl", likes)
    done = run(path, "--out", tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    page = page_of(tmp_path / "r.html")
    task = ChartsTask(0, from_files.limits_for(len(likes)))
    for batch in frames_of:
        task.take(batch)
    charts = from_files.charts_of(task)
    assert any(entry["moved"] for chart in charts for entry in chart["entries"])
    labels = from_files.labels_of(from_files.latest(frames.join(frames_of, schemas.TRUSTED_LIKES)))
    assert labels["bot"] > 50
    assert sum(labels.values()) == len(likes)
    about = About("", "", "", "", labels)
    expected = parsed(html_of(Documents(about, charts, from_files.loop_of(task))))
    assert shown(page) == shown(expected)
    assert page.one("section", id="charts").numbers == expected.one("section", id="charts").numbers
    # The day's chart holds every like.
    (day,) = (chart for chart in charts if (chart["period"], chart["of"]) == ("day", "target"))
    assert day["n"] == len(likes)


def test_files_together_are_one(likes: list[dict[str, Any]], tmp_path: Path) -> None:
    one = written(tmp_path / "one.jsonl", likes)
    parts = [written(tmp_path / "a.jsonl", likes[1::2]), written(tmp_path / "b.jsonl", [*likes[::2], *likes[:9]])]
    assert run(one, "--out", tmp_path / "one.html").exit_code == 0
    done = run(*parts, "--out", tmp_path / "two.html")
    assert done.exit_code == 0
    assert f"accepted {len(likes):,}, rejected 0, duplicates 9" in done.output
    assert shown(page_of(tmp_path / "one.html")) == shown(page_of(tmp_path / "two.html"))


def test_what_was_exported_is_taken_at_its_word(
    likes: list[dict[str, Any]], frames_of: list[pa.RecordBatch], tmp_path: Path
) -> None:
    raw = written(tmp_path / "likes.jsonl", likes)
    rows = readable(frames.join(frames_of, schemas.TRUSTED_LIKES))
    assert rows.num_rows > len(likes)
    # In any order, in several files.
    rows = rows.take(pa.array(range(rows.num_rows - 1, -1, -1)))
    parts = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, part in zip(parts, (rows.slice(0, 700), rows.slice(700)), strict=True):
        pq.write_table(part, path)
    assert run(raw, "--out", tmp_path / "raw.html").exit_code == 0
    done = run(*parts, "--out", tmp_path / "exported.html")
    assert done.exit_code == 0, done.output
    assert f"{rows.num_rows:,} rows: accepted {len(likes):,}" in done.output
    assert shown(page_of(tmp_path / "exported.html")) == shown(page_of(tmp_path / "raw.html"))
    assert "by whoever exported" in page_of(tmp_path / "exported.html").one("section", id="of-what").text
    # With a word on how to read it, it is a file like any other.
    again = run(*parts, "--sql", "select * from file where revision = 0", "--out", tmp_path / "again.html")
    assert "by the detector" in page_of(tmp_path / "again.html").one("section", id="of-what").text, again.output


def test_exported_files_of_before_and_broken_ones(frames_of: list[pa.RecordBatch], tmp_path: Path) -> None:
    rows = readable(frames.join(frames_of, schemas.TRUSTED_LIKES))
    kept = ("event_id", "occurred_at", "actor_id", "target_id", "action", "human_probability", "label", "revision")
    pq.write_table(rows.select(kept), tmp_path / "before.parquet")
    assert run(tmp_path / "before.parquet", "--out", tmp_path / "r.html").exit_code == 0
    at = rows.schema.get_field_index("label")
    pq.write_table(rows.set_column(at, "label", pa.array(["robot"] * rows.num_rows)), tmp_path / "broken.parquet")
    done = run(tmp_path / "broken.parquet", "--out", tmp_path / "none.html")
    assert done.exit_code == 1
    assert "broken.parquet: label: 'robot' is none of human, suspect, bot, agent" in done.output.replace("\n", " ")
    assert not (tmp_path / "none.html").exists()
    pq.write_table(rows.set_column(at, "label", pa.nulls(rows.num_rows, pa.string())), tmp_path / "null.parquet")
    done = run(tmp_path / "null.parquet", "--out", tmp_path / "none.html")
    assert (done.exit_code, "label: " in done.output) == (1, True)


def test_choice_is_that_of_truelike_choice(tmp_path: Path) -> None:
    made = choice_world.make(choice_world.World(people=200), 3)
    given = written(tmp_path / "likes.jsonl", list(choice_files.likes(made)))
    slates = written(tmp_path / "exposures.jsonl", list(choice_files.slates(made)))
    assert run(given, "--exposures", slates, "--out", tmp_path / "r.html").exit_code == 0
    other = CliRunner().invoke(app, ["choice", str(given), str(slates), "--report", str(tmp_path / "choice.json")])
    assert other.exit_code == 0
    figures = json.loads((tmp_path / "choice.json").read_text())["figures"]
    text = page_of(tmp_path / "r.html").text
    told = [figure for figure in figures if figure["identified"]]
    assert len(told) > 10
    assert all(figure["sentence"] in text for figure in told)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "name files of likes, or a running stack"),
        (("likes.jsonl", "--url", "http://127.0.0.1:1"), 2, "one of the two"),
        (("--url", "http://127.0.0.1:1", "--exposures", "likes.jsonl"), 2, "--exposures goes with files"),
        (("--url", "http://127.0.0.1:1"), 1, "give --url the console's address"),
        (("missing.jsonl",), 2, "missing.jsonl: No such file"),
        (("likes.jsonl", "--exposures", "missing.jsonl"), 2, "missing.jsonl: no such file"),
        (("likes.jsonl", "exported.parquet"), 2, "exported.parquet is the exporter's"),
        (("likes.jsonl", "--exposures", "r.html"), 2, "same file"),
        (("empty.csv",), 1, "0 rows"),
    ],
)
def test_wrong_use(
    words: tuple[str, ...], code: int, says: str, frames_of: list[pa.RecordBatch], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "likes.jsonl", crowd(people=20, likes=50))
    (tmp_path / "empty.csv").write_text("event_id,actor_id,target_id,occurred_at\n")
    pq.write_table(readable(frames_of[0]), tmp_path / "exported.parquet")
    (tmp_path / "r.html").write_text("as before")
    done = run(*words, "--out", "r.html")
    assert done.exit_code == code, done.output
    assert says in done.output.replace("\n", " ")
    assert (tmp_path / "r.html").read_text() == "as before"


class Console(BaseHTTPRequestHandler):
    """Answers as the API would, with the documents of a made world."""

    answers: ClassVar[dict[str, tuple[int, Any]]]
    asked: ClassVar[list[tuple[str, str | None]]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization")))
        status, document = self.answers.get(self.path, (404, {"detail": "nothing was counted"}))
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def console() -> Iterator[str]:
    made = documents()
    choice = (made.choice or {}) | {"exposure_sample": 1.0, "partitions": 1}
    answers: dict[str, tuple[int, Any]] = {"/v1/loop": (200, made.loop), "/v1/choice": (200, choice)}
    answers["/v1/stats"] = (200, {"likes": {"human": 5}, "campaigns": 0, "predictions": {}})
    for chart in made.charts:
        spoken = f"&language={chart['segment']}" if chart["segment"] else ""
        answers.setdefault(f"/v1/charts?period={chart['period']}&of={chart['of']}{spoken}", (200, chart))
    Console.answers, Console.asked = answers, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Console)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_of_a_running_stack(console: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCESS_TOKEN", "secret")
    done = run("--url", f"{console}/", "--out", tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    assert {token for _, token in Console.asked} == {"Bearer secret"}
    page, made = page_of(tmp_path / "r.html"), documents()
    first = {(chart["period"], chart["of"], chart["segment"]): chart for chart in reversed(made.charts)}
    charts = [chart for chart in made.charts if first[chart["period"], chart["of"], chart["segment"]] is chart]
    expected = parsed(html_of(Documents(About("", "", "", "", {"human": 5}), charts, made.loop, made.choice)))
    assert shown(page) == shown(expected)
    for name in ("charts", "loop", "languages", "choice", "matrix"):
        assert sorted(map(str, page.one("section", id=name).numbers)) == sorted(
            map(str, expected.one("section", id=name).numbers)
        )


def test_of_a_stack_that_has_nothing_yet(console: str, tmp_path: Path) -> None:
    Console.answers = {"/v1/stats": (200, {"likes": {}})}
    assert run("--url", console, "--out", tmp_path / "r.html").exit_code == 0
    assert "No chart was counted." in page_of(tmp_path / "r.html").text


@pytest.mark.parametrize(
    ("path", "answer", "says"),
    [
        ("/v1/loop", (401, {"detail": "no"}), "ACCESS_TOKEN"),
        ("/v1/loop", (404, {"detail": "Not Found"}), "404"),
        ("/v1/choice", (200, {"figures": []}), "/v1/choice: as_of: Field required"),
        ("/v1/stats", (500, {}), "500"),
    ],
)
def test_of_a_stack_that_fails(path: str, answer: tuple[int, Any], says: str, console: str, tmp_path: Path) -> None:
    Console.answers[path] = answer
    done = run("--url", console, "--out", tmp_path / "r.html")
    assert (done.exit_code, says in done.output.replace("\n", " ")) == (1, True), done.output
    assert not (tmp_path / "r.html").exists()
