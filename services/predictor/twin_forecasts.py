"""Twin forecasters (`twin`) in the running predictor: along its frames of trusted likes, where they are asked for."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.predictor.twin import DISOWNED, F64, LIKE, Acts, Bools, Twins
from shared.checkpoints import Arrays, under
from shared.events import UNLIKE
from shared.hashing import hash_strings

PREFIX: Final = "twins."


class TwinForecasts:
    """The twins as far as the log was read, or none."""

    def __init__(self, run: bool) -> None:
        self.twins = Twins() if run else None

    def observe(self, batch: pa.RecordBatch, first: Bools, trust: npt.NDArray[np.float32]) -> tuple[F64, F64] | None:
        """What each twin said of the rows of a batch of trusted likes before they came, not a number where nothing;
        then both learn them. `first`: rows that come for the first time; `trust`: as of now. Shapes (n,).
        """
        if self.twins is None:
            return None
        at, acts = _acts(batch, first, trust)
        found = np.full((2, batch.num_rows), np.nan)
        found[:, at] = self.twins.observe(acts)
        return found[0], found[1]

    def forget(self, user_ids: list[str]) -> None:
        if self.twins is not None:
            self.twins.forget(hash_strings(pa.array(user_ids, pa.string())))

    def snapshot(self) -> Arrays:
        return {} if self.twins is None else {PREFIX + name: values for name, values in self.twins.snapshot().items()}

    def restore(self, arrays: Arrays) -> None:
        """From a snapshot of when no twins ran, they begin."""
        if self.twins is None:
            return
        self.twins = Twins()
        if saved := under(PREFIX, arrays):
            self.twins.restore(saved)


def _acts(batch: pa.RecordBatch, first: Bools, trust: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], Acts]:
    """Which rows tell the twins anything, and what: that a person did something, or that nobody did. However much a
    like may teach, to them it counts as one.
    """
    action = batch.column("action").to_numpy()
    # What was nobody's when it came has no place in a history: learnt once it is corrected, it would stand behind what
    # its actor did since, and nobody would have forecast it.
    tells = np.where(first, (trust > 0) | (action == UNLIKE), (trust == 0) & (action == LIKE))
    at = np.flatnonzero(tells)
    actor, target = (hash_strings(batch.column(name)) for name in ("actor_id", "target_id"))
    kind = np.where(first, action, DISOWNED).astype(np.int8)
    return at, Acts(actor, target, batch.column("occurred_at").to_numpy(), kind).take(at)
