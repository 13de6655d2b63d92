"""From log-odds to a probability, a label, and sentences that a moderator can read."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from shared.labels import AGENT, BOT, HUMAN, SUSPECT

PRIOR_LOG_ODDS: Final = -3.0
SUSPECT_BELOW: Final = 0.8
BOT_BELOW: Final = 0.2
# Likes weigh in steps of this: a change within a step is not worth a republished like, and what a like weighs in the
# end follows from its window's verdict alone, not from when it came.
WEIGHT_STEPS: Final = 20

# People of one taste meet more often than chance over all says; by how much, and a floor for sparse streams.
SHARED_TASTE: Final = 12.0
LEAST_EXPECTED: Final = 0.02
MOST_LOCKSTEP_LOG_ODDS: Final = 9.0


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


def human_probability(log_odds: npt.NDArray[Any], declared_agent: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Probability that a person acted, from the summed log-odds for automation; 0 for who declares itself one."""
    probability = 1.0 / (1.0 + np.exp(np.clip(log_odds + PRIOR_LOG_ODDS, -30, 30)))
    return np.where(declared_agent, 0.0, np.round(probability, 4)).astype(np.float32)


def label(probability: npt.NDArray[Any], declared_agent: npt.NDArray[np.bool_]) -> npt.NDArray[np.int8]:
    """Label codes (shared.labels), shape (n,)."""
    judged = np.where(probability >= SUSPECT_BELOW, HUMAN, np.where(probability >= BOT_BELOW, SUSPECT, BOT))
    return np.where(declared_agent, AGENT, judged).astype(np.int8)


def stamp(probability: npt.NDArray[Any], label: npt.NDArray[np.int8]) -> npt.NDArray[np.int16]:
    """A like's weight and label as one number, to compare and keep. Shape (n,)."""
    steps = np.round(probability * WEIGHT_STEPS).astype(np.int16)
    return (label.astype(np.int16) * (WEIGHT_STEPS + 1) + steps).astype(np.int16)


def of_stamp(stamps: npt.NDArray[np.int16]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]]:
    """The weight and the label of each stamp. Shapes (n,)."""
    label, steps = np.divmod(stamps, WEIGHT_STEPS + 1)
    return (steps / WEIGHT_STEPS).astype(np.float32), label.astype(np.int8)


def expected_meetings(mine: npt.NDArray[Any], theirs: npt.NDArray[Any], total: float) -> npt.NDArray[np.float64]:
    """On how many targets two actors would meet by chance, given how many others each met, of `total` pairs."""
    return np.asarray(SHARED_TASTE * mine * theirs / max(total, 1.0) + LEAST_EXPECTED)


def lockstep_log_odds(
    meetings: npt.NDArray[Any], expected: npt.NDArray[Any], mine: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """Log-odds from a pair's meetings on different targets against those expected by chance.

    Chernoff's bound on the Poisson tail, less the log of how many pairs the actor could have repeated: who meets
    many people meets some of them twice.
    """
    surprise = meetings * np.log(meetings / expected) - meetings + expected - np.log1p(mine)
    return np.where((meetings >= 2) & (meetings > expected), np.clip(surprise, 0.0, MOST_LOCKSTEP_LOG_ODDS), 0.0)


def rate_evidence(likes: int, baseline: float, log_odds: float) -> Evidence:
    sentence = f"{likes} likes in the window, where {baseline:.1f} would be usual for this actor and this stream."
    return Evidence("rate", likes, round(baseline, 2), round(log_odds, 3), {}, sentence)


def lockstep_evidence(
    log_odds: float, meetings: int, expected: float, peers: list[str], targets: list[str], gap_seconds: int
) -> Evidence:
    others = f"{len(peers)} other actor{'s' if len(peers) != 1 else ''}"
    sentence = (
        f"Liked the same targets as {others} within {gap_seconds} s of each other, "
        f"on up to {meetings} different targets, where chance would give {expected:.2g}."
    )
    points_at = {"peers": peers[:20], "targets": targets[:20]}
    return Evidence("lockstep", meetings, round(expected, 4), round(log_odds, 3), points_at, sentence)


def agent_evidence() -> Evidence:
    return Evidence("declared_agent", 1.0, 0.0, 0.0, {}, "The actor declares itself automated (actor_kind=agent).")
