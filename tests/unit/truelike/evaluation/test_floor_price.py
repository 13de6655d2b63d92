"""What a floor for languages costs, against rankings made one like at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from services.predictor.language_floor import Floor, LanguageFloor
from services.predictor.model import CoPreference
from services.predictor.ranking import TOP
from tests.likes import like
from tests.unit.truelike.evaluation.test_evaluation import stream_of
from truelike.cli.app import app
from truelike.evaluation import floor_price, prequential
from truelike.evaluation.stream import Stream


def silent(what: str) -> None:
    pass


def spoken(n: int, language: Any = lambda item: "cy" if item % 6 == 5 else "en") -> list[dict[str, Any]]:
    """Likes by 40 users of 150 items, each user mostly of a third of them."""
    rng = np.random.default_rng(8)
    found = []
    for k in range(n):
        user = int(rng.integers(40))
        item = int(3 * rng.integers(50) + user % 3) if rng.random() < 0.8 else int(rng.integers(150))
        said = {"content_language": language(item)} if language(item) else {}
        found.append(like(k, f"u{user}", f"i{item}", float(k), **said))
    return found


def one_by_one(stream: Stream, share: float) -> tuple[list[int], set[int]]:
    """Places in the published ranking before each like, and what was shown; languages as of the frame's beginning."""
    model, places, shown = CoPreference(), list[int](), set[int]()
    least = LanguageFloor(share).least(TOP)
    users, items = (stream.likes.column(name) for name in ("actor_id", "target_id"))
    language: dict[int, bool] = {}
    known: dict[int, bool] = {}
    for k in range(len(stream)):
        if k % prequential.FRAME == 0:
            known = dict(language)
        user, item = int(stream.users[k]), int(stream.items[k])
        if user in stream.users[:k]:
            mask = np.array([known.get(i, False) for i in range(len(model.items.ids))])
            (top,) = model.ranked(np.array([user]), floor=Floor(mask, least)).top.tolist()
            places.append(top.index(item) + 1 if item in top else 0)
            shown |= {number for number in top if number >= 0}
        model.score_and_learn(users[k : k + 1], items[k : k + 1], stream.times[k : k + 1], np.ones(1, np.float32))
        language[item] = stream.likes.column("content_language")[k].as_py() == "cy"
    return places, shown


def test_places_are_those_in_rankings_made_one_like_at_a_time(tmp_path: Path) -> None:
    stream = stream_of(tmp_path, spoken(900))
    report = floor_price.evaluate(stream, (0.6,), (), silent)
    assert report is not None
    assert report["protected"] == ["cy"]
    for row, share in zip(report["rows"], (0.0, 0.6), strict=True):
        places, shown = one_by_one(stream, share)
        at = np.array(places)
        assert row["hr@10"] == pytest.approx(((at > 0) & (at <= 10)).mean())
        assert row["hr@20"] == pytest.approx((at > 0).mean())
        assert row["mrr@20"] == pytest.approx((1 / at[at > 0]).sum() / len(at))
        assert row["coverage"] == pytest.approx(len(shown) / stream.item_count)
    plain, floored = report["rows"]
    assert floored["lost_hr@10"] == pytest.approx(plain["hr@10"] - floored["hr@10"])
    assert floored["lost_hr@10"] > 0
    assert floored["shown_protected"] > plain["shown_protected"]


def test_languages_add_up_to_all_likes(tmp_path: Path) -> None:
    stream = stream_of(tmp_path, spoken(900))
    report = floor_price.evaluate(stream, (0.0, 0.6), (), silent)
    assert report is not None
    for row in report["rows"]:
        languages = row["by_language"].values()
        assert sum(one["likes"] for one in languages) == report["likes"]
        assert sum(one["likes"] * one["hr@10"] for one in languages) / report["likes"] == pytest.approx(row["hr@10"])
        assert sum(one["shown"] for one in languages) == pytest.approx(1)
        covered = sum(one["items"] * one["coverage"] for one in languages)
        assert covered == pytest.approx(row["coverage"] * stream.item_count)
    plain, nothing, floored = report["rows"]
    assert {**plain, "by_language": nothing["by_language"]} == nothing
    assert floored["by_language"]["cy"]["coverage"] >= plain["by_language"]["cy"]["coverage"]
    assert floored["by_language"]["cy"]["surprise_bits"] == plain["by_language"]["cy"]["surprise_bits"]


def test_a_stream_without_languages_has_no_price(tmp_path: Path) -> None:
    assert floor_price.evaluate(stream_of(tmp_path, spoken(300, lambda item: None)), (0.6,), (), silent) is None


def test_the_command_prints_the_price(tmp_path: Path) -> None:
    file = tmp_path / "likes.jsonl"
    file.write_bytes(b"\n".join(msgspec.json.encode(e) for e in spoken(900)))
    given = ["evaluate", "predictions", str(file), "--out", str(tmp_path / "out"), "--no-river", "--no-bots"]
    done = CliRunner().invoke(app, [*given, "--language-floor", ".3,.6", "--floor-languages", "cy"])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["share"] for row in report["language_floor"]["rows"]] == [0, 0.3, 0.6]
    assert "floors for cy: rankings as published" in done.output
    assert done.output.count("cy") == 2
    (ours,) = (row for row in report["methods"] if row["method"] == "Truelike")
    # Published rankings break ties by number, which this protocol does in the middle.
    assert report["language_floor"]["rows"][0]["hr@10"] == pytest.approx(ours["hr@10"], abs=0.02)
    for wrong in (["--language-floor", "1.5"], ["--language-floor", "a"], ["--floor-languages", "9"]):
        assert CliRunner().invoke(app, [*given, *wrong]).exit_code == 2
