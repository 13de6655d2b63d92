from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.likes import crowd, like
from truelike.cli.app import app
from truelike.evaluation import rivals
from truelike.evaluation.predictions import ours
from truelike.evaluation.rivals import NOT_SCORED, WHOLE
from truelike.evaluation.stream import Stream, read, with_bots
from truelike.files.options import ReadOptions
from truelike.files.reading import opened
from truelike.files.result import Result

rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=2, max_size=60)


def stream_of(tmp: Path, events: list[dict[str, Any]]) -> Stream:
    file = tmp / "likes.jsonl"
    file.write_bytes(b"\n".join(msgspec.json.encode(e) for e in events))
    result = Result()
    with opened(file, ReadOptions(), result, lambda done, total: None) as spool:
        return read(spool, result, lambda done, total: None)


def plain_place(score: np.ndarray[Any, Any], item: int, own: set[int]) -> int:
    """The protocol's words: own items left out, ties in the middle."""
    if item in own:
        return len(score)
    others = [score[j] for j in range(len(score)) if j not in own and j != item]
    return 1 + sum(s > score[item] for s in others) + sum(s == score[item] for s in others) // 2


@settings(max_examples=30)
@given(rows)
def test_popularity_and_cosine_rank_as_the_protocol_says(tmp_path_factory: pytest.TempPathFactory, likes: Any) -> None:
    stream = stream_of(tmp_path_factory.mktemp("s"), [like(n, f"u{u}", f"i{i}", n) for n, (u, i) in enumerate(likes)])
    count = stream.item_count
    total, pairs = np.zeros(count), np.zeros((count, count))
    own: dict[int, list[int]] = {}
    by_popularity, by_cosine = [], []
    for user, item in zip(stream.users.tolist(), stream.items.tolist(), strict=True):
        mine = own.setdefault(user, [])
        if mine:
            cosine = sum(pairs[k] / np.sqrt(total[k]) for k in reversed(mine)) / np.sqrt(total + 1e-9)
            by_popularity.append(plain_place(total, item, set(mine)))
            by_cosine.append(
                (plain_place(cosine - 1e-4, item, set(mine)), plain_place(cosine.round(4), item, set(mine)))
            )
        for other in mine:
            pairs[other, item] += 1
            pairs[item, other] += 1
        total[item] += 1
        mine.append(item)
    found = rivals.popularity(stream).rank
    assert found[found != NOT_SCORED].tolist() == by_popularity
    found = rivals.item_item(stream, WHOLE).rank
    # Sums in another order: what rounding parts or joins may be ranked as one or the other.
    assert len(found[found != NOT_SCORED]) == len(by_cosine)
    agreeing = [a in pair for a, pair in zip(found[found != NOT_SCORED].tolist(), by_cosine, strict=True)]
    assert sum(agreeing) >= 0.9 * len(agreeing)


def test_methods_that_know_pairs_find_them(tmp_path: Path) -> None:
    """Songs come in pairs: who likes one likes the other next."""
    rng = np.random.default_rng(2)
    events = []
    for n in range(1500):
        pair = int(rng.integers(40))
        events += [like(2 * n + k, f"u{n}", f"s{pair}-{k}", n * 60 + k) for k in (0, 1)]
    stream = stream_of(tmp_path, events)
    for run in (rivals.item_item, rivals.ease, lambda s: ours(s, np.ones(len(s), np.float32))[0]):
        rank = run(stream).rank
        assert (rank[rank != NOT_SCORED] == 1).mean() > 0.8
    rank = rivals.isgd(stream).rank
    assert (rank != NOT_SCORED).sum() == 1500


def test_bots_are_as_many_as_asked_for_and_people_keep_their_likes_and_order(tmp_path: Path) -> None:
    people = stream_of(tmp_path, crowd())
    both, is_bot = with_bots(people, 0.2, seed=3)
    assert is_bot.sum() == round(0.2 * len(people))
    kept = both.likes.column("event_id").filter(pa.array(~is_bot))
    assert kept.to_pylist() == people.likes.column("event_id").to_pylist()
    assert (np.diff(both.times) >= 0).all()
    again, _ = with_bots(people, 0.2, seed=3)
    assert again.likes.equals(both.likes)


def test_the_command_writes_a_report_and_pictures(tmp_path: Path) -> None:
    file = tmp_path / "likes.jsonl"
    file.write_bytes(b"\n".join(msgspec.json.encode(e) for e in crowd(likes=1500)))
    done = CliRunner().invoke(app, ["evaluate", "predictions", str(file), "--out", str(tmp_path / "out"), "--no-river"])
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [row["method"] for row in report["methods"]][-1] == "Truelike"
    assert len({row["scored"] for row in report["methods"]}) == 1
    assert set(report["bots"]["rows"]) >= {"bots never there", "with bots, no weights"}
    for picture in ("hr_over_time.png", "reliability.png"):
        assert (tmp_path / "out" / picture).stat().st_size > 5000
