"""From log-odds to a probability and a label."""

from __future__ import annotations

from typing import Any, Final

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
