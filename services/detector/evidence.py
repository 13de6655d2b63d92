"""What a verdict says and shows: sentences that a moderator can read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from services.detector.pairs import Repeated


class Evidence(msgspec.Struct, frozen=True):
    """One signal of a verdict: what was seen, what it was compared with, and how much it says (log-odds)."""

    signal: str
    value: float
    baseline: float
    log_odds: float
    points_at: dict[str, list[str]]
    sentence: str


class Verdict(msgspec.Struct, frozen=True):
    """What was seen of an actor in a window (`verdicts.v1`). Times are ms since the epoch."""

    verdict_id: str
    actor_id: str
    window_start: int
    window_end: int
    label: str
    human_probability: float
    likes: int
    revision: int
    evidence: list[Evidence]


def rate_evidence(likes: int, baseline: float, log_odds: float) -> Evidence:
    sentence = f"{likes} likes in the window, where {baseline:.1f} would be usual for this actor and this stream."
    return Evidence("rate", likes, round(baseline, 2), round(log_odds, 3), {}, sentence)


def lockstep_evidence(
    log_odds: float, pairs: list[Repeated], peers: Mapping[int, str], targets: Mapping[int, str], gap_seconds: int
) -> Evidence:
    """`pairs` are one actor's; `peers` and `targets` map hashes to ids. Who is not named there is not shown."""
    closest = max(pairs, key=lambda pair: (pair.log_odds, pair.peer))
    met = sorted(peers[pair.peer] for pair in pairs if pair.peer in peers)
    seen = sorted({targets[t] for pair in pairs for t in pair.targets if t in targets})
    others = f"{len(met)} other actor{'s' if len(met) != 1 else ''}"
    sentence = (
        f"Liked the same targets as {others} within {gap_seconds} s of each other, "
        f"on up to {closest.meetings} different targets, where chance would give {closest.expected:.2g}."
    )
    points_at = {"peers": met[:20], "targets": seen[:20]}
    rounded = round(closest.expected, 4), round(log_odds, 3)
    return Evidence("lockstep", closest.meetings, *rounded, points_at, sentence)


def agent_evidence() -> Evidence:
    return Evidence("declared_agent", 1.0, 0.0, 0.0, {}, "The actor declares itself automated (actor_kind=agent).")
