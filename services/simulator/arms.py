"""An experiment that parts people at random: shown what the learner chose, held out, or not in it."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from services.simulator.likes import F64, I64
from shared.exposures import HOLDOUT, NO_ARM, TREATED
from shared.hashing import mix

# Each question has chances of its own.
ARM, WITHHELD, AGENT, WHOSE_AGENT, NAMED = range(1, 6)
_RANGE: Final = 2.0**64


def chance(seed: int, question: int, people: I64, things: I64 | int = 0) -> F64:
    """Evenly in [0, 1), by the person (and thing) alone: the same whenever it is asked. Shape as given."""
    people, things = np.broadcast_arrays(people, np.asarray(things, np.int64))
    asked = mix(np.full(1, seed, np.uint64), np.full(1, question, np.uint64))
    found: F64 = mix(mix(people.astype(np.uint64), things.astype(np.uint64)), asked) / _RANGE
    return found


def arms(seed: int, people: int, treated: float, holdout: float) -> npt.NDArray[np.int8]:
    """The arm of each person, a code of `shared.exposures.ARMS`: of all people these shares. Shape (people,)."""
    drawn = chance(seed, ARM, np.arange(people))
    return np.select([drawn < holdout, drawn < holdout + treated], [HOLDOUT, TREATED], NO_ARM).astype(np.int8)
