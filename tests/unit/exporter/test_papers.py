"""The papers say of the files what a full read of them says."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from services.exporter import card
from services.exporter.columns import columns
from services.exporter.croissant import FILES
from services.exporter.deloop import WEIGHT
from services.exporter.files import ExportFolder, readable
from services.exporter.inventory import Inventory
from services.exporter.papers import CARD, CROISSANT, papers
from services.exporter.sums import DIMENSIONS, Sums
from shared import forgetting
from shared.checkpoints import Fenced
from shared.compiled import PROJECT
from shared.forgetting import Request
from shared.frames import from_message
from shared.schemas import CODES
from tests.likes import START_MS
from tests.trusted_likes import row
from tests.unit.exporter.feeds import batch, likes, revisions
from tests.unit.shared.test_reliability import exporter, feed

LATEST = next(line for name, _, line in card.READERS if name == "DuckDB")

TALLY = """
    select {key}, count(*), sum(if(label in ('bot', 'agent'), 0, round(human_probability::double * 1e6)))::bigint
    from latest where {which} group by 1
"""
KEYS = {
    "language": """(select if(tag = 'unknown' or regexp_full_match(tag, '[a-z]{2,3}'), tag, 'other') from (select
        lower(regexp_replace(coalesce(content_language, actor_locale, 'unknown'), '[-_].*', '')) as tag))
    """,
    "loop": """case
        when content_origin = 'ai' and surface in ('recommended', 'autoplay') then 'recommended AI'
        when content_origin = 'ai' or actor_kind = 'agent' then 'other AI' else 'no AI' end
    """,
}


def in_folder(folder: Path, line: str) -> str:
    """A line of the card, as it is read elsewhere."""
    return line.replace(FILES, str(folder / FILES))


def read(folder: Path) -> dict[str, dict[str, tuple[int, int]]]:
    """The tallies, from all rows."""
    latest = duckdb.sql(in_folder(folder, LATEST))
    found = {}
    for name in DIMENSIONS:
        which = "true" if name == "action" else "action <> 'unlike'"
        query = TALLY.format(key=KEYS.get(name, name), which=which)
        found[name] = {key: (n, weight) for key, n, weight in latest.query("latest", query).fetchall()}
    return found


def export(folder: Path, rows: list[dict[str, Any]], cuts: list[int], loop_share: float = 1.0) -> ExportFolder:
    made, start = ExportFolder(folder, loop_share), 0
    for stop in [*sorted(set(cuts)), len(rows)]:
        if stop > start:
            places = made.stage(1, 0, start, stop - 1, batch(rows[start:stop]))
            made.publish(1, places + made.stage_papers(1, places, 0, 0))
        start = max(start, stop)
    return made


def sums(folder: Path) -> Sums:
    return Inventory(folder).with_staged(folder, [])


@settings(max_examples=25, deadline=None)
@given(likes, st.lists(st.integers(0, 36), max_size=4), st.sampled_from([[], ["ann"], ["ann", "bob"]]))
def test_they_say_what_a_full_read_says(said: list[Any], cuts: list[int], forgotten: list[str]) -> None:
    rows = revisions(said)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = export(folder, rows, [cut for cut in cuts if cut < len(rows)], 0.3)
        places, removed = made.erase(1, set(forgotten))
        if places:
            made.publish(1, places + made.stage_papers(1, places, 1, sum(removed.values())))
        found = sums(folder)
        assert found.tallies == read(folder)
        times = [r["occurred_at"] for r in rows if r["actor_id"] not in forgotten]
        assert (found.first_at, found.last_at) == ((min(times), max(times)) if times else (None, None))
        trained = f"select count(*), sum(round({WEIGHT}::double * 1e6))::bigint from '{folder / FILES}'"
        assert duckdb.sql(trained).fetchall() == [(found.training.rows, found.training.weight if times else None)]
        expected = papers(found, int(bool(places)), sum(removed.values()))
        assert {place: (folder / place).read_bytes() for place in expected} == expected


@settings(max_examples=15, deadline=None)
@given(likes, st.lists(st.integers(0, 36), max_size=4))
def test_however_rows_were_cut_into_files_they_add_up_to_the_same(said: list[Any], cuts: list[int]) -> None:
    rows = revisions(said)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        export(Path(one), rows, [])
        export(Path(other), rows, [cut for cut in cuts if cut < len(rows)])
        first, second = sums(Path(one)), sums(Path(other))
    assert (first.tallies, first.rows, first.corrections) == (second.tallies, second.rows, second.corrections)
    assert first.training.weight == second.training.weight


def test_files_of_before_and_files_taken_away_are_noticed(tmp_path: Path) -> None:
    said = {"content_origin": 0, "actor_kind": 0}
    made = export(tmp_path, [row(k, "ann", "x", **said) for k in range(4)], [2])
    former = readable(batch([row(k, "bob", "x", **said) for k in range(4, 7)]))
    (tmp_path / "date=2025-01-01").mkdir()
    former = former.drop_columns(["principal_id", "slate_id"])
    pq.write_table(former, tmp_path / "date=2025-01-01" / "likes-0-4-6.parquet")
    places = made.stage(1, 0, 7, 7, batch([row(7, "cem", "x", **said)]))
    made.publish(1, places + made.stage_papers(1, places, 0, 0))
    text = (tmp_path / CARD).read_text()
    assert "Files: 4. Rows: 8," in text
    assert "no `training_weight`: 3." in text
    assert sums(tmp_path).tallies == read(tmp_path)
    (tmp_path / "date=2025-01-01" / "likes-0-4-6.parquet").unlink()
    made.publish(1, made.stage_papers(1, [], 0, 0))
    assert "Files: 3. Rows: 5," in (tmp_path / CARD).read_text()


def test_rows_of_the_forgotten_go_and_the_others_keep_the_bound(tmp_path: Path) -> None:
    made_by_ai = {"content_origin": 2, "surface": 3, "human_probability": 1.0}
    rows = [
        *(row(k, "ann", "x", human_probability=1.0) for k in range(8)),
        *(row(8 + k, "bob", "y", **made_by_ai) for k in range(2)),
        *(row(10 + k, "bob", "z", human_probability=1.0) for k in range(2)),
    ]
    made = export(tmp_path, rows, [], 0.1)
    assert sums(tmp_path).training.largest == pytest.approx(0.1, abs=1e-6)
    places, _ = made.erase(1, {"ann"})
    made.publish(1, places)
    found = sums(tmp_path)
    assert found.training.rows == 4
    assert found.training.largest == pytest.approx(0.1, abs=1e-6)


def test_a_table_is_read_from_the_folder_with_its_papers(tmp_path: Path) -> None:
    export(tmp_path, [row(k, "ann", "x") for k in range(4)], [2])
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {CARD, CROISSANT}
    assert pq.read_table(tmp_path).num_rows == 4


def test_every_column_is_described_with_all_that_it_can_hold(tmp_path: Path) -> None:
    export(tmp_path, [row(k, "ann", "x") for k in range(4)], [])
    (path,) = tmp_path.glob(FILES)
    assert [column.name for column in columns()] == pq.read_schema(path).names
    description = json.loads((tmp_path / CROISSANT).read_text())
    sets = {found["@id"]: found for found in description["recordSet"]}
    fields = {field["@id"]: field for found in sets.values() for field in found["field"]}
    assert len(fields) == sum(len(found["field"]) for found in sets.values())
    by_column = {f["source"]["extract"]["column"]: f for f in sets["likes"]["field"]}
    assert list(by_column) == pq.read_schema(path).names
    for name, field in by_column.items():
        assert field["description"]
        if name in CODES:
            referred = field["references"]["field"]["@id"]
            values = sets[referred.split("/")[0]]["data"]
            assert tuple(value[referred] for value in values) == CODES[name]
        else:
            assert "references" not in field
    assert {key["@id"] for key in sets["likes"]["key"]} <= fields.keys()
    assert description["distribution"][0]["includes"] == FILES
    assert description["temporalCoverage"] == "2026-01-01T00:00:00Z/2026-01-01T00:00:03Z"


def test_a_card_tells_of_all_and_names_nobody(tmp_path: Path) -> None:
    languages = [{"content_language": "no"}, {"content_language": "x-made-up"}, {}]
    ai = {"content_origin": 2, "surface": 3}
    rows = [row(k, f"somebody{k}", "x", **languages[k % 3], **(ai if k % 2 else {})) for k in range(6)]
    made = export(tmp_path, rows, [], 0.25)
    places, _ = made.erase(1, {"somebody0"})
    made.publish(1, places + made.stage_papers(1, places, 3, 1))
    text = (tmp_path / CARD).read_text()
    _, matter, body = text.split("---\n", 2)
    said = yaml.safe_load(matter)
    assert said["language"] == ["no"]
    assert said["size_categories"] == ["n<1K"]
    assert said["configs"] == [{"config_name": "default", "data_files": FILES}]
    assert "Files: 1. Rows: 5, of which likes that come for the first time 5 (unlikes among them: 0)" in body
    assert "is 60.0 %: 60.0 % recommended or played by itself, 0.0 % other" in body
    assert "2.50-fold" in body
    assert "By `training_weight` it is 25.0 %" in body
    assert "Requests to forget users: 3. Rows erased: 1." in body
    assert "| human | 5 | 4.50 |" in body
    assert "- 40.0 % of likes do not say who made the target." in body
    assert "somebody" not in text


def test_the_page_on_the_feed_has_the_lines_of_the_card() -> None:
    page = (PROJECT / "docs" / "feed.md").read_text()
    assert [name for name, _, line in card.READERS if line not in page] == []


async def test_a_request_to_forget_is_counted_and_nobody_named(tmp_path: Path) -> None:
    runner = exporter(tmp_path)
    await runner.assign(0)
    await feed(runner, range(5))
    await runner.checkpoint([0])
    for user in ("ann", "nobody"):
        message = forgetting.to_message(Request(user, [user], START_MS))
        runner.held[0].task.process(from_message(message.value, message.headers), 5)
        runner.restored(0, runner.prepare(0, runner.held[0]))
    text = (tmp_path / "export" / CARD).read_text()
    assert "Requests to forget users: 2. Rows erased: 5." in text
    assert "Rows: 0," in text
    assert "nobody" not in text


@pytest.mark.parametrize(("rows", "size"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**12, "n>100B")])
def test_sizes(rows: int, size: str) -> None:
    assert f"- {size}\n" in card.card(Sums(rows), 0, 0)


async def test_a_worker_that_was_paused_writes_no_papers_over_those_of_its_successor(tmp_path: Path) -> None:
    paused, other = exporter(tmp_path), exporter(tmp_path)
    await paused.assign(0)
    await feed(paused, range(5))
    publish = paused.folder.publish
    late: list[Any] = []
    paused.folder.publish = lambda *files: late.append(files)  # type: ignore[method-assign]  # paused behind its snapshot
    await paused.checkpoint([0])
    await other.assign(0)
    await feed(other, range(5, 12))
    await other.checkpoint([0])
    for files in late:
        publish(*files)
    await feed(paused, range(5, 7))
    with pytest.raises(Fenced):
        await paused.checkpoint([0])
    assert "Files: 2. Rows: 12," in (tmp_path / "export" / CARD).read_text()
    await paused.assign(0)
    await feed(paused, range(12, 13))
    paused.folder.publish = publish  # type: ignore[method-assign]
    await paused.checkpoint([0])
    assert "Files: 3. Rows: 13," in (tmp_path / "export" / CARD).read_text()
