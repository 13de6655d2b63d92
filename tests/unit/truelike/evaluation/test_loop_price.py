"""What de-loop weights cost, where it can be told by hand and beside the predictor's own model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from services.exporter import deloop
from services.exporter.files import readable
from services.predictor.model import CoPreference
from shared.events import CONTENT_ORIGINS, SURFACES
from shared.labels import LABELS
from shared.schemas import TRUSTED_LIKES
from tests.likes import crowd
from tests.trusted_likes import row
from truelike.cli.app import app
from truelike.evaluation.loop_price import dealt_out, evaluate, weights

AI = {"content_origin": CONTENT_ORIGINS.index("ai"), "surface": SURFACES.index("recommended")}
OWN = {"content_origin": CONTENT_ORIGINS.index("human"), "surface": SURFACES.index("organic")}
HOUR = 3_600_000


def silent(what: str) -> None:
    pass


def likes(n: int = 1200) -> pa.RecordBatch:
    """An hour apart: of 30 things that people made, found by themselves, and 15 that AI made, recommended. An agent and
    an unlike are among them.
    """
    rng, rows = np.random.default_rng(4), []
    for k in range(n):
        taste = int(rng.integers(3))
        ai = rng.random() < 0.4
        target = f"ai{int(rng.integers(5)) * 3 + taste}" if ai else f"own{int(rng.integers(10)) * 3 + taste}"
        user = f"u{int(rng.integers(20)) * 3 + taste}"
        rows.append(row(k, user, target, **(AI if ai else OWN)) | {"human_probability": 0.5 + k % 2 / 2})
        rows[-1]["occurred_at"] += k * HOUR
    rows[700] |= {"action": 1}
    rows[701] |= {"label": LABELS.index("agent")}
    return pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)


def by_the_model(batch: pa.RecordBatch, trust: Any) -> dict[int, int]:
    """The place of each like that the model itself scores."""
    scored = CoPreference().score_and_learn(
        batch.column("actor_id"), batch.column("target_id"), batch.column("occurred_at").to_numpy(), trust
    )
    return dict(zip(scored.at.tolist(), scored.rank.tolist(), strict=True))


def test_a_bound_of_nothing_loses_the_hits_of_what_is_no_longer_learnt() -> None:
    batch = likes()
    kept = batch.filter(pa.array(batch.column("action").to_numpy() != 1))
    trust = deloop.trust(readable(kept))
    is_ai = kept.column("content_origin").to_numpy() == AI["content_origin"]
    whole, without = by_the_model(kept, trust), by_the_model(kept, np.where(is_ai, 0.0, trust))
    report = evaluate(batch, (0.0,), silent)
    plain, bounded = report["rows"]
    assert (report["likes"], report["people"]) == (1199, len(whole))
    assert plain["hr@10"] == pytest.approx(np.mean([0 < place <= 10 for place in whole.values()]))
    # What AI made is never learnt, so never ranked; the rest as by a model that never heard of it.
    assert bounded["hr@10 of recommended AI"] == 0
    hits = [0 < without.get(at, -1) <= 10 for at in whole if not is_ai[at]]
    assert bounded["hr@10 of the rest"] == pytest.approx(np.mean(hits))
    assert bounded["hr@10"] == pytest.approx(sum(hits) / len(whole))
    assert bounded["lost hr@10"] == pytest.approx(plain["hr@10"] - bounded["hr@10"])
    assert bounded["share of AI"] == 0
    assert bounded["weight left"] == pytest.approx(1 - plain["share of AI"])


def test_no_bound_costs_nothing_and_a_tighter_one_keeps_less() -> None:
    free, loose, tight = evaluate(likes(), (1.0, 0.3, 0.1), silent)["rows"][1:]
    assert (free["lost hr@10"], free["lost by chance"], free["weight left"]) == (0, 0, pytest.approx(1))
    assert 1 > loose["weight left"] > tight["weight left"]
    assert tight["share of AI"] == pytest.approx(0.1, abs=1e-6)


def test_each_day_keeps_the_bound_by_itself() -> None:
    batch = likes()
    table, times = readable(batch), batch.column("occurred_at").to_numpy()
    weight, ai, day = weights(table, times, 0.2), deloop.of_ai(table), times // (24 * HOUR)
    assert (weight <= deloop.trust(table) + 1e-7).all()
    for one in np.unique(day):
        assert weight[ai & (day == one)].sum() <= 0.2 * weight[day == one].sum() + 1e-6
    assert (weight[~ai] == np.where(deloop.unlikes(table), 0, deloop.trust(table))[~ai]).all()


def test_chance_takes_as_much_from_others() -> None:
    trust = np.tile([1.0, 0.0, 0.5], 200)
    weight = trust * np.repeat([0.25, 1.0], 300)
    found = dealt_out(weight, trust)
    assert (found[trust == 0] == 0).all()
    lowered = trust > 0
    ratios = (np.sort(one[lowered] / trust[lowered]) for one in (found, weight))
    assert np.array_equal(*ratios)
    assert not np.array_equal(found, weight)


@pytest.mark.parametrize("exported", [True, False])
def test_the_command_takes_the_exporters_files_and_others(tmp_path: Path, exported: bool) -> None:
    file, report = tmp_path / "likes", tmp_path / "price.json"
    if exported:
        pq.write_table(readable(likes()), file)
    else:
        said = [{**event, "content_origin": "ai", "surface": "recommended"} for event in crowd(likes=800)[::2]]
        file.write_bytes(b"\n".join(msgspec.json.encode(event) for event in said + crowd(likes=800)[1::2]))
    given = ["evaluate", "loop-price", str(file), "--loop-share", ".2,.4", "--report", str(report)]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    found = json.loads(report.read_text())
    assert [one["bound"] for one in found["rows"]] == [None, 0.2, 0.4]
    assert found["recommended AI"] > 0
    assert found["rows"][1]["share of AI"] == pytest.approx(0.2, abs=0.01)
    assert CliRunner().invoke(app, [*given, "--loop-share", "2"]).exit_code == 2
