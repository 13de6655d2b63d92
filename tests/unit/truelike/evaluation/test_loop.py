"""`truelike evaluate loop`: coverage over seeds on which nothing was tuned, and what is said where nothing can be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from truelike.cli.app import app

SEEDS = 60


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("loop") / "report.json"
    command = ["evaluate", "loop", "--seeds", str(SEEDS), "--first-seed", "5000", "--report", str(path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_every_interval_holds_as_often_as_it_says(report: dict[str, Any]) -> None:
    assert len(report["figures"]) == 60
    for row in report["figures"]:
        assert row["identified"] == row["seeds"] == SEEDS, row["figure"]
        assert row["coverage"] >= 0.95, row["figure"]
        # Not by being so wide that anything is inside; what may be is a bound, and no estimate.
        if not row["figure"].startswith("loop, share"):
            assert abs(row["mean_value"] - row["truth"]) < row["median_width"] / 4, row["figure"]


def test_the_gain_holds_however_weak_the_arms_are(report: dict[str, Any]) -> None:
    rows = {row["arms"]: row for row in report["gain"]}
    assert min(row["coverage"] for row in rows.values()) >= 0.95
    assert rows["strong"]["bounded"] == SEEDS
    assert rows["weak"]["bounded"] < SEEDS / 10


def test_what_cannot_be_known_is_not_said(report: dict[str, Any]) -> None:
    assert len(report["refusals"]) == 5
    for row in report["refusals"]:
        assert row["not_identified"] == row["said"] > 0
