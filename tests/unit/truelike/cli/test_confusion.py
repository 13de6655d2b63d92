"""What the demo says at its end: kinds against labels, and what becomes of actors."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from shared.labels import AGENT, BOT, HUMAN, SUSPECT
from truelike.cli.confusion import likes_by_label, read_truth, summary, table_of

TRUTH = """event_id,actor_id,kind
1,ann,person
2,ann,person
3,bob,friends
4,bob,hijacked
5,cid,person
6,flood1-0,flood
7,flood2-0,flood
8,agent1,agent
9,dan,person
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "truth.csv"
    file.write_text(TRUTH)
    return file


def test_likes_and_actors_by_kind(path: Path) -> None:
    labels = {1: HUMAN, 2: SUSPECT, 3: HUMAN, 4: BOT, 5: BOT, 6: BOT, 7: SUSPECT, 8: AGENT, 9: HUMAN}
    found = table_of(read_truth(path), [(str(e), label, 0.0 if label == BOT else 1.0) for e, label in labels.items()])
    person = found["by_kind"]["person"]
    assert (person["likes"], person["actors"], person["mean_weight"]) == (4, 3, 0.75)
    # Ann is called what the worst of her likes is.
    assert person["actors_called"] == {"human": 1, "suspect": 1, "bot": 1, "agent": 0}
    assert likes_by_label(found)["flood"] == {"bot": 1, "suspect": 1}
    actors = found["actors"]
    # Bob is no person here: his account was taken over. The agent is neither.
    assert (actors["people"], actors["people_called_bot"]) == (3, 1)
    assert actors["all_bots"] == {"actors": 3, "precision": 0.6667, "recall": 0.6667}
    assert actors["by_kind"]["flood"] == {"actors": 2, "precision": 0.5, "recall": 0.5}
    assert actors["by_kind"]["hijacked"] == {"actors": 1, "precision": 0.5, "recall": 1.0}


def test_it_is_shown_by_kind(path: Path) -> None:
    console = Console(width=80, file=StringIO())
    console.print(summary(table_of(read_truth(path), [("1", HUMAN, 1.0), ("6", BOT, 0.0)]), "title"))
    shown = console.file.getvalue()
    assert "…" not in console.file.getvalue()
    assert "0 of 1 people; all bots: precision 1.000, recall 1.000 of 1" in " ".join(shown.split())


def test_without_a_like_there_are_no_shares(path: Path) -> None:
    found = table_of(read_truth(path), [])
    assert found["by_kind"] == {}
    assert found["actors"]["all_bots"] == {"actors": 0, "precision": None, "recall": None}
