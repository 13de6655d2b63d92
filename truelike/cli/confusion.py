"""What likes and actors of a simulated world were called, beside what they truly are. Pure but for reading the truth.

An actor is called what the worst of its likes was called: bot, then suspect. Its kind is the one of its bots' likes if
it has any (a hijacked person), and honest otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from rich import box
from rich.table import Table

from services.simulator.world import AGENT_KIND, BOT_KINDS, KINDS
from shared.labels import AGENT, BOT, HUMAN, LABELS, SUSPECT

FIRST_BOT: Final = len(KINDS) - len(BOT_KINDS)
# Labels from the mildest to the worst: an actor has the last of those that its likes have.
SEVERITY: Final = (AGENT, HUMAN, SUSPECT, BOT)


@dataclass(frozen=True)
class Truth:
    """By event id: the actor, and the place of its kind in KINDS."""

    actors: dict[str, str]
    kinds: dict[str, int]


def read_truth(path: Path) -> Truth:
    """The file that the simulator writes: event_id, actor_id, kind."""
    truth = Truth({}, {})
    places = {kind: place for place, kind in enumerate(KINDS)}
    with path.open() as file:
        next(file)
        for line in file:
            event_id, actor, kind = line.rstrip("\n").split(",")
            truth.actors[event_id], truth.kinds[event_id] = actor, places[kind]
    return truth


def table_of(truth: Truth, ended: Iterable[tuple[str, int, float]]) -> dict[str, Any]:
    """`ended`: event id, label's code and weight, each like once. By kind what its likes and actors were called; and
    of actors precision and recall of "bot", of all bots and of each kind (its own among itself and the people).
    """
    rows = [(truth.actors[e], truth.kinds[e], label, weight) for e, label, weight in ended]
    names = {name: number for number, name in enumerate(dict.fromkeys(row[0] for row in rows))}
    actor = np.array([names[row[0]] for row in rows], np.int64)
    kind, label = (np.array([row[at] for row in rows], np.int64) for at in (1, 2))
    weight = np.array([row[3] for row in rows], np.float64)
    severity = np.argsort(SEVERITY)[label] if len(rows) else label
    truly = _worst_kind(len(names), actor, kind)
    by_kind: dict[str, Any] = {}
    for place, name in enumerate(KINDS):
        which = kind == place
        # What is said of a hijacked person is said in the row of the hijacked.
        own = which & ((truly[actor] >= FIRST_BOT) == (place >= FIRST_BOT))
        if which.any():
            by_kind[name] = {
                "likes": int(which.sum()),
                "likes_called": _called(label[which]),
                "mean_weight": round(float(weight[which].mean()), 4),
                "actors": len(np.unique(actor[own])),
                "actors_called": _called(_worst(actor[own], severity[own])),
            }
    return {"by_kind": by_kind, "actors": _scores(truly, actor, severity)}


def _worst(actor: Any, severity: Any) -> Any:
    """The label of each actor, by the worst of its likes."""
    found, which = np.unique(actor, return_inverse=True)
    worst = np.zeros(len(found), np.int64)
    np.maximum.at(worst, which, severity)
    return np.array(SEVERITY)[worst]


def _called(labels: Any) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(LABELS)).tolist()
    return dict(zip(LABELS, counts, strict=True))


def _worst_kind(count: int, actor: Any, kind: Any) -> Any:
    """What each actor is: bots' kinds come last."""
    truly = np.zeros(count, np.int64)
    np.maximum.at(truly, actor, kind)
    return truly


def _scores(truly: Any, actor: Any, severity: Any) -> dict[str, Any]:
    """Precision and recall of "bot" over actors. Declared agents are neither people nor bots."""
    called = np.zeros(len(truly), np.int64)
    np.maximum.at(called, actor, severity)
    called_bot = called == SEVERITY.index(BOT)
    people, bots = (truly < FIRST_BOT) & (truly != AGENT_KIND), truly >= FIRST_BOT
    wrongly = int((called_bot & people).sum())
    scores = {
        name: _score(truly == FIRST_BOT + place, called_bot, wrongly)
        for place, name in enumerate(BOT_KINDS)
        if (truly == FIRST_BOT + place).any()
    }
    return {
        "people": int(people.sum()),
        "people_called_bot": wrongly,
        "all_bots": _score(bots, called_bot, wrongly),
        "by_kind": scores,
    }


def _score(which: Any, called_bot: Any, wrongly: int) -> dict[str, float | int | None]:
    caught, there = int((which & called_bot).sum()), int(which.sum())
    return {
        "actors": there,
        "precision": round(caught / (caught + wrongly), 4) if caught + wrongly else None,
        "recall": round(caught / there, 4) if there else None,
    }


def likes_by_label(found: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Kind: label: likes, without the labels that there are none of."""
    return {
        kind: {label: count for label, count in row["likes_called"].items() if count}
        for kind, row in found["by_kind"].items()
    }


def summary(found: dict[str, Any], title: str) -> Table:
    """A row a kind: its likes, what they weigh, and what its actors were called."""
    # It must fit into 80 columns.
    table = Table(
        title=title,
        caption=_caption(found["actors"]),
        pad_edge=False,
        show_edge=False,
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    for name in ("truth", "likes", "weight", "actors", *LABELS, "prec.", "recall"):
        table.add_column(name, justify="left" if name == "truth" else "right", no_wrap=True)
    for kind, row in found["by_kind"].items():
        scores = found["actors"]["by_kind"].get(kind, {})
        table.add_row(
            kind,
            f"{row['likes']:,}",
            f"{row['mean_weight']:.2f}",
            f"{row['actors']:,}",
            *(f"{count:,}" for count in row["actors_called"].values()),
            *(_share(scores.get(name)) for name in ("precision", "recall")),
            end_section=kind == KINDS[AGENT_KIND],
        )
    return table


def _caption(actors: dict[str, Any]) -> str:
    bots, people = actors["all_bots"], actors["people"]
    return (
        f"called bot: {actors['people_called_bot']:,} of {people:,} people; all bots: "
        f"precision {_share(bots['precision'])}, recall {_share(bots['recall'])} of {bots['actors']:,}"
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
