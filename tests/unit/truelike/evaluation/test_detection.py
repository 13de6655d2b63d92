"""`truelike evaluate detection`: the detector itself, on a small made world."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from shared.labels import BOT
from truelike.cli.app import app
from truelike.evaluation import detection
from truelike.evaluation.attacks import lockstep
from truelike.evaluation.attacks.overlay import STRENGTHS
from truelike.evaluation.background import Background
from truelike.evaluation.columns import DAY, HOUR, MINUTE, SECOND, joined
from truelike.evaluation.feeding import judge, settings_for
from truelike.evaluation.made_world import World, made_world

WORLD = World(people=700, days=3, targets=900, creators=100, sittings_a_day=0.5)


@pytest.fixture(scope="module")
def base() -> Background:
    return Background(made_world(WORLD, 6))


def test_a_like_is_followed_from_when_it_came_until_it_counts_for_nothing(base: Background) -> None:
    crew = lockstep.lay(base, np.random.default_rng(1), STRENGTHS["usual"])
    stream = joined(base.likes, crew).in_order()
    last = np.flatnonzero(stream.fake)[-1:]
    settings = settings_for(len(stream), 300_000)
    judged = judge(stream, settings, last, (0, HOUR, 400 * DAY))
    # It is weighed as it comes, by what is known of its actor then; and the stream ends before 400 days.
    assert judged.weight_at[1, 0] == 0.0
    assert np.isnan(judged.weight_at[2, 0])
    assert (judged.label[stream.fake] == BOT).mean() > 0.95
    first = np.flatnonzero(stream.fake)[:1]
    early = judge(stream, settings, first, (SECOND, HOUR))
    assert early.weight_at[:, 0].tolist() == [pytest.approx(1.0, abs=0.05), 0.0]


def test_weights_in_the_end_do_not_depend_on_batches_nor_on_pauses(base: Background) -> None:
    crew = lockstep.lay(base, np.random.default_rng(1), STRENGTHS["usual"])
    stream = joined(base.likes, crew).in_order()
    settings = settings_for(len(stream), 300_000)
    one = judge(stream, settings, np.zeros(0, np.int64), ())
    other = judge(stream, settings, np.flatnonzero(stream.fake)[::40], (MINUTE, HOUR), rows=511)
    assert np.array_equal(one.label, other.label)
    assert np.array_equal(one.probability, other.probability)


def test_the_report_has_attacks_crowds_and_rivals(base: Background) -> None:
    said: list[tuple[str, int, int]] = []
    options = detection.Options(
        attacks=("lockstep", "one_origin"), crowds=("raid", "cut_to_minute"), rivals=("FRAUDAR", "CooRTweet, 10 s")
    )
    report = detection.evaluate(base, options, lambda *step: said.append(step))
    assert [row["attack"] for row in report["attacks"]] == ["lockstep", "one_origin"]
    row = report["attacks"][0]
    assert (row["fake_likes"], row["fake_actors"]) == (480, 40)
    # Beside the calm stream it is as good or better: few people are taken for bots.
    assert 0.9 < row["precision"] <= row["precision_beside_calm"] <= 1.0
    assert row["recall"] > 0.95
    assert row["still_counted"]["hour"] < 0.05
    assert row["rivals"]["CooRTweet, 10 s"]["recall"] == 1.0
    assert [(row["crowd"], row["history"], row["members"]) for row in report["crowds"]] == [
        ("raid", False, 200),
        ("raid", True, 200),
        ("cut_to_minute", False, len(base.people)),
    ]
    assert report["calibration"]["ece"] < 0.2
    assert [(done, total) for _, done, total in said] == [(n, 6) for n in range(6)]
    again = detection.evaluate(base, detection.Options(attacks=("lockstep",), crowds=(), rivals=()), lambda *step: None)
    # The same whichever others are laid.
    kept = ("precision", "recall", "average_precision", "still_counted", "ece", "people_suspect")
    assert {name: again["attacks"][0][name] for name in kept} == {name: row[name] for name in kept}


def test_the_command_writes_a_report_and_pictures(tmp_path: Path) -> None:
    world, out = tmp_path / "world.parquet", tmp_path / "out"
    made = CliRunner().invoke(app, ["evaluate", "world", str(world), "--people", "400", "--days", "2", "--seed", "3"])
    assert made.exit_code == 0, made.output
    rows = pq.read_table(world)
    assert f"{rows.num_rows:,} likes" in made.output
    words = ["--attacks", "small_crew", "--crowds", "couples", "--no-rivals", "--strength", "strong", "--seed", "2"]
    done = CliRunner().invoke(app, ["evaluate", "detection", str(world), "--out", str(out), *words])
    assert done.exit_code == 0, done.output
    names = {path.name for path in out.iterdir()}
    assert names == {"report.json", "report.md", "precision_recall.png", "time_to_catch.png", "calibration.png"}
    report = json.loads((out / "report.json").read_text())
    assert report["likes"] == rows.num_rows
    assert (report["strength"], report["seed"], report["attacks"][0]["fake_actors"]) == ("strong", 2, 12)
    assert [row["crowd"] for row in report["crowds"]] == ["couples", "couples"]
    assert "| small_crew |" in (out / "report.md").read_text()


@pytest.mark.parametrize("words", [("--attacks", "lockstp"), ("--crowds", "mob"), ("--strength", "huge")])
def test_unknown_names_are_wrong_usage(words: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("event_id,actor_id,target_id,occurred_at\n")
    done = CliRunner().invoke(app, ["evaluate", "detection", str(tmp_path / "f.csv"), *words])
    assert done.exit_code == 2
    assert words[1] in done.output


def test_no_likes_is_exit_code_1_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("event_id,actor_id,target_id,occurred_at\n")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["evaluate", "detection", str(tmp_path / "f.csv"), "--out", str(out)])
    assert done.exit_code == 1
    assert not out.exists()
