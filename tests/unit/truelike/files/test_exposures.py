"""Files of slates, and `truelike choice` over them."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from services.choice import named_slates
from services.choice.figures import slot_effect
from services.choice.log import NO_SLATE, likes_of, shown_of
from shared.hashing import hashes
from tests.files import read
from tests.likes import like
from tests.unit.choice.test_named_slates import named
from truelike.cli.app import app
from truelike.evaluation import choice_files
from truelike.evaluation.choice_world import Made, World, make
from truelike.evaluation.drift_world import DriftWorld
from truelike.evaluation.drift_world import make as make_drift
from truelike.files import exposures
from truelike.files.content import UnreadableFile
from truelike.files.result import Result


def written(made: Made, folder: Path) -> tuple[Path, Path]:
    """A made platform's likes and slates as a platform would write them."""
    files = folder / "likes.jsonl", folder / "exposures.jsonl.gz"
    files[0].write_text("\n".join(map(json.dumps, choice_files.likes(made))))
    files[1].write_bytes(gzip.compress("\n".join(map(json.dumps, choice_files.slates(made))).encode()))
    return files


def test_files_say_what_the_arrays_say(tmp_path: Path) -> None:
    """Whatever way the log comes in, the figures are the same."""
    from services.choice.figures import measure

    made = make(World(people=400), 5)
    likes, slates = written(made, tmp_path)
    report = tmp_path / "choice.json"
    done = CliRunner().invoke(app, ["choice", str(likes), str(slates), "--report", str(report)])
    assert done.exit_code == 0, done.output
    found = json.loads(report.read_text())
    assert (found["likes"], found["shown"] + found["withheld"], found["slates"]) == (len(made.log.likes), 24_000, 2_400)
    last = max(int(made.log.likes.time[-1]), int(made.log.shown.time[-1]))
    # Forecasts are made from files only, and drift's error is drawn by people's ids, which are others here.
    others = ("choice_bits", "induced_drift", "value_of_likes")
    expected = [f for f in measure(made.log.until(last)) if f.name not in others]
    of_files = [f for f in found["figures"] if f["figure"] not in others]
    assert [f["sentence"] for f in of_files] == [f.sentence for f in expected]
    assert [f["value"] for f in of_files] == pytest.approx([f.value for f in expected])
    assert "8,679 likes, 2,400 slates" in done.output


def told(made: Made, folder: Path) -> dict[str, Any]:
    """What is reported of a made platform's files."""
    report = folder / "choice.json"
    command = ["choice", *map(str, written(made, folder)), "--report", str(report)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return dict(json.loads(report.read_text()))


def test_likes_in_a_file_are_of_the_slates_that_they_name(tmp_path: Path) -> None:
    log, _ = named(World(people=1500, unknown_surface=0.0), 5)
    naming = log.likes.slate != NO_SLATE
    # Every fifth that names one names that of somebody else.
    wrong = naming & (np.cumsum(naming) % 5 == 0)
    slate = np.where(wrong, log.likes.slate % 9_000 + 1, log.likes.slate)
    found = told(
        Made(replace(log, likes=replace(log.likes, slate=slate)), np.zeros(0), np.zeros(0), np.zeros(0, np.int64)),
        tmp_path,
    )
    assert (found["likes_naming_slates"], found["likes_naming_unknown_slates"]) == (naming.sum(), wrong.sum())
    resolved = replace(log, likes=replace(log.likes, slate=np.where(wrong, NO_SLATE, slate)))
    last = max(int(log.likes.time[-1]), int(log.shown.time[-1]))
    expected = list(slot_effect.measure(resolved.until(last)))
    of_file = [f for f in found["figures"] if f["figure"] == "slot_effect"]
    assert [f["value"] for f in of_file] == pytest.approx([f.value for f in expected])
    assert all(f.identified for f in expected)


def test_what_likes_name_is_what_brought_them(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "slates", str(tmp_path), "--people", "300", "--named", "0.5"])
    assert done.exit_code == 0, done.output
    result, batch = read(tmp_path / "likes.jsonl")
    assert result.accepted == batch.num_rows
    shown, _ = shown_of(exposures.read(tmp_path / "exposures.jsonl", Result(), lambda done, total: None))
    likes = likes_of(batch, slate=hashes(batch.column("slate_id")).view(np.int64))
    found = named_slates.of(likes, shown)
    truth = json.loads((tmp_path / "truth.json").read_text())["came_from"]
    brought = [truth.get(event) for event in batch.column("event_id").to_pylist()]
    # Each that names one is of what brought it, and nothing else that a slate brought is.
    assert (found.slate == likes.slate).all()
    assert (found.showed == found.known).all()
    assert (likes.slate == hashes(pa.array(brought)).view(np.int64))[found.known].all()
    assert 0.45 < found.known.sum() / len(truth) < 0.55


def test_drift_of_a_file_is_by_creator_and_by_topic(tmp_path: Path) -> None:
    world = DriftWorld(people=600, likes=9000)
    log = make_drift(world, 1000)
    log = replace(log, shown=replace(log.shown, candidates=np.ones(600, np.int64)))
    figures = told(Made(log, np.zeros(0), np.zeros(0), np.zeros(0, np.int64)), tmp_path)["figures"]
    drift = {f["by"]: f for f in figures if f["figure"] == "induced_drift"}
    assert set(drift) == {"creator", "topic"}
    for by, figure in drift.items():
        assert figure["value"] == pytest.approx(world.truth(by), abs=0.012)


def test_without_slates_nothing_is_said_of_influence(tmp_path: Path) -> None:
    likes, _ = written(make(World(people=60), 5), tmp_path)
    report = tmp_path / "choice.json"
    done = CliRunner().invoke(app, ["choice", str(likes), "--report", str(report)])
    assert done.exit_code == 0, done.output
    figures = {f["figure"]: f for f in json.loads(report.read_text())["figures"]}
    assert figures["caused_share"]["why"] == figures["slot_effect"]["why"] == "there are no exposures"
    assert figures["self_directed_novelty"]["value"] is None
    assert figures["self_directed_novelty"]["bound"] == "no exposures"
    assert figures["value_of_likes"]["why"].startswith("there are neither other actions (shares, buys) nor exposures")


def test_what_became_of_each_slate_is_told(tmp_path: Path) -> None:
    path = tmp_path / "slates.jsonl"
    good = {
        "slate_id": "a",
        "occurred_at": 1_767_225_600_000,
        "actor_id": "x",
        "items": [{"target_id": "t", "rank": 0}],
    }
    bad = {**good, "slate_id": "b", "items": [{"target_id": "t", "rank": -1}]}
    path.write_text("\n".join([json.dumps(good), json.dumps(bad), json.dumps(good), "nonsense"]))
    result = Result()
    batch = exposures.read(path, result, lambda done, total: None)
    assert (batch.num_rows, result.rows, result.accepted, result.duplicates, result.rejections) == (1, 4, 1, 1, 2)
    assert [r.said for r in result.rejected.values()] == [
        "message: not JSON: expected an object",
        "items.0.rank: Input should be greater than or equal to 0",
    ]


def test_a_file_in_which_no_slate_fits_has_none(tmp_path: Path) -> None:
    path = tmp_path / "slates.jsonl"
    path.write_text('{"slate_id": "a"}\n')
    result = Result()
    assert exposures.read(path, result, lambda done, total: None).num_rows == 0
    assert result.rejections == 1


def test_a_table_is_no_file_of_slates(tmp_path: Path) -> None:
    path = tmp_path / "slates.csv"
    path.write_text("slate_id,actor_id\n1,2\n")
    with pytest.raises(UnreadableFile, match="one slate a line"):
        exposures.read(path, Result(), lambda done, total: None)
    (tmp_path / "likes.jsonl").write_text('{"actor_id":"a","target_id":"t","occurred_at":1767225600000}\n')
    done = CliRunner().invoke(
        app, ["choice", str(tmp_path / "likes.jsonl"), str(path), "--report", str(tmp_path / "r")]
    )
    assert done.exit_code != 0
    assert not (tmp_path / "r").exists()


def test_the_report_is_no_file_that_is_read(tmp_path: Path) -> None:
    likes, slates = written(make(World(people=30, slates=1), 5), tmp_path)
    before = slates.read_bytes()
    done = CliRunner().invoke(app, ["choice", str(likes), str(slates), "--report", str(slates)])
    assert done.exit_code != 0
    assert slates.read_bytes() == before


def test_bits_come_from_the_predictors_own_forecasts(tmp_path: Path) -> None:
    """Two circles of people with tastes of their own: their past foretells what they like."""
    rng = np.random.default_rng(2)
    rows = []
    liked = set[tuple[int, int]]()
    for n in range(12_000):
        person = int(rng.integers(240))
        item = int(150 * rng.random() ** 2) + (150 if person % 2 else 0)
        # Nobody likes a thing twice.
        if (person, item) in liked:
            continue
        liked.add((person, item))
        rows.append({"actor_id": f"p{person}", "target_id": f"t{item}", "occurred_at": 1_767_225_600_000 + n * 60_000})
    (tmp_path / "likes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    report = tmp_path / "choice.json"
    command = ["choice", str(tmp_path / "likes.jsonl"), "--report", str(report)]
    done = CliRunner().invoke(app, [*command, "--person", "p3"])
    assert done.exit_code == 0, done.output
    found = json.loads(report.read_text())
    bits = {f["bits_of"]: f for f in found["figures"] if f["figure"] == "choice_bits" and f["surface"] == "all"}
    # Knowing the circle is worth a bit.
    assert 0.4 < bits["history"]["value"] < 1.3
    assert bits["history"]["low"] > 0
    assert bits["shown"]["why"] == "there are no exposures"
    assert found["model"].startswith("co-preference")
    assert found["person"]["forecast"] == found["person"]["likes"] - 1
    assert f"p3: {found['person']['sentence']}" in done.output


def circles(n: int) -> list[dict[str, object]]:
    """People of two circles with tastes of their own; whatever is liked, somebody shares anything."""
    rng = np.random.default_rng(3)
    rows: dict[tuple[int, int], dict[str, object]] = {}
    for number in range(n):
        person, sharer, shared = (int(x) for x in rng.integers(240, size=3))
        item = int(40 * rng.random() ** 2) + (40 if person % 2 else 0)
        at = 1_767_225_600_000 + number * 60_000
        origin = {"content_origin": ("human", "ai")[item % 2], "content_language": ("de-AT", "ja")[item % 2]}
        # Nobody likes a thing twice.
        like = {"actor_id": f"p{person}", "target_id": f"t{item}", "occurred_at": at, **origin}
        rows.setdefault((person, item), like)
        share = {"actor_id": f"p{sharer}", "target_id": f"t{shared % 80}", "occurred_at": at + 1, "action": "share"}
        rows[n + number, -1] = share
    return list(rows.values())


def test_what_likes_teach_beside_shares_and_slates(tmp_path: Path) -> None:
    likes, slates, report = tmp_path / "likes.jsonl", tmp_path / "slates.jsonl", tmp_path / "choice.json"
    rows = circles(6_000)
    likes.write_text("\n".join(map(json.dumps, rows)))
    liked = [row for row in rows if "action" not in row]
    shown = [
        {
            "slate_id": f"s{n}",
            "occurred_at": int(str(row["occurred_at"])) - 1000,
            "actor_id": row["actor_id"],
            "surface": "recommended",
            # Every second slate holds what is liked then.
            "items": [{"target_id": row["target_id"] if n % 2 else f"t{n % 80}", "rank": 0}],
        }
        for n, row in enumerate(liked)
    ]
    slates.write_text("\n".join(map(json.dumps, shown)))
    found = {}
    for files in ([likes], [likes, slates]):
        done = CliRunner().invoke(app, ["choice", *map(str, files), "--report", str(report)])
        assert done.exit_code == 0, done.output
        figures = [f for f in json.loads(report.read_text())["figures"] if f["figure"] == "value_of_likes"]
        assert [f.get("content_origin", f.get("language", "all")) for f in figures] == [
            "all",
            "human",
            "ai",
            "de",
            "ja",
        ]
        assert all(f["identified"] for f in figures)
        assert figures[0]["n"] == len(liked) == figures[1]["n"] + figures[2]["n"]
        assert figures[0]["sentence"].startswith("Without likes, forecasts of what people like next would be")
        assert done.output.count("value_of_likes") == 5
        found[len(files)] = figures[0]
    # Of one's circle only likes tell; of half of the likes the slates tell, too.
    assert found[1]["low"] > 0
    assert 0 < found[2]["value"] < found[1]["value"]


def test_a_made_platform_is_written_with_its_truth(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    run = CliRunner().invoke
    done = run(app, ["evaluate", "slates", str(folder), "--people", "500", "--seed", "9", "--caused-share", "0.4"])
    assert done.exit_code == 0, done.output
    truth = json.loads((folder / "truth.json").read_text())
    assert truth["caused_share"] == 0.4
    report = tmp_path / "choice.json"
    files = [str(folder / "likes.jsonl"), str(folder / "exposures.jsonl")]
    assert run(app, ["choice", *files, "--report", str(report)]).exit_code == 0
    found = [f for f in json.loads(report.read_text())["figures"] if f["figure"] == "caused_share"]
    assert [f["low"] <= 0.4 <= f["high"] for f in found] == [True, True]


def test_buys_in_a_file_are_on_a_ladder(tmp_path: Path) -> None:
    signed = {"actor_kind": "agent", "agent_key": "k", "signature": "valid", "mandate": "standing"}
    rows = [like(n, f"p{n}", "t", n) for n in range(30)]
    rows += [like(100 + n, f"p{n}", "t", 100 + n, action="buy") for n in range(60)]
    rows += [like(200 + n, "agent", "t", 200 + n, action="buy", principal_id=f"p{n}", **signed) for n in range(120)]
    path, report = tmp_path / "likes.jsonl", tmp_path / "choice.json"
    path.write_text("\n".join(map(json.dumps, rows)))
    done = CliRunner().invoke(app, ["choice", str(path), "--report", str(report)])
    assert done.exit_code == 0, done.output
    found = json.loads(report.read_text())
    assert (found["likes"], found["buys"]) == (30, 180)
    ladder = {f["rung"]: f for f in found["figures"] if f["figure"] == "buyer_ladder" and "surface" in f}
    standing = ladder["standing mandate"]
    assert (standing["value"], standing["n"], standing["people"]) == (pytest.approx(2 / 3), 180, 120)
    assert standing["unknown_share"] == ladder["unknown"]["value"] == pytest.approx(1 / 3)
    new = next(f for f in found["figures"] if f.get("of") == "new to the person")
    assert new["why"].startswith("there are no exposures")
    assert "standing mandate" in done.output
