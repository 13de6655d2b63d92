"""What was put before people, as columns and as events of `exposures.v1`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from services.simulator.events import names_of, slate_id, targets_of
from services.simulator.feeds import RECOMMENDED
from services.simulator.likes import F64, I64, Bools
from services.simulator.policies import CANDIDATES, POLICIES, SIZE
from shared.events import SURFACES
from shared.exposures import ARMS


@dataclass(frozen=True)
class Slates:
    """In order of time. Shapes (n,), and of things (n, SIZE), by rank; `withheld` of them were kept back. `policies`
    are places in POLICIES, `arms` codes of `shared.exposures`; no two slates of a world have one of `numbers`.
    """

    numbers: I64
    times_ms: I64
    actors: I64
    policies: I64
    arms: npt.NDArray[np.int8]
    things: I64
    creators: I64
    propensities: F64
    withheld: Bools

    def __len__(self) -> int:
        return len(self.times_ms)

    def take(self, which: Any) -> Slates:
        """Rows by index, mask or slice."""
        return Slates(*(getattr(self, f.name)[which] for f in fields(self)))

    def in_order(self) -> Slates:
        return self.take(np.argsort(self.times_ms, kind="stable"))


_NONE: Final = np.zeros(0, np.int64)
_NO_THINGS: Final = np.zeros((0, SIZE), np.int64)
NO_SLATES: Final = Slates(
    _NONE, _NONE, _NONE, _NONE, _NONE.astype(np.int8), _NO_THINGS, _NO_THINGS, _NO_THINGS / 1.0, _NO_THINGS > 0
)


def slates_in_order(parts: Sequence[Slates]) -> Slates:
    columns = ([getattr(part, f.name) for part in (NO_SLATES, *parts)] for f in fields(Slates))
    return Slates(*map(np.concatenate, columns)).in_order()


def slate_events(slates: Slates, first_number: int, seed: int) -> list[dict[str, Any]]:
    """In the same order; numbers in ids are from `first_number` on."""
    found = []
    rows = zip(
        slates.numbers.tolist(),
        slates.times_ms.tolist(),
        names_of(slates.actors),
        slates.policies.tolist(),
        slates.arms.tolist(),
        _by_slate(targets_of(slates.things.ravel())),
        _by_slate(names_of(slates.creators.ravel())),
        slates.propensities.tolist(),
        slates.withheld.tolist(),
        strict=True,
    )
    for number, time, actor, policy, arm, things, makers, likely, kept_back in rows:
        items = [
            {"target_id": thing, "rank": rank, "propensity": propensity, "creator_id": maker}
            for rank, (thing, maker, propensity) in enumerate(zip(things, makers, likely, strict=True))
        ]
        event = {
            "slate_id": slate_id(seed, first_number + number),
            "occurred_at": time,
            "actor_id": actor,
            "surface": SURFACES[RECOMMENDED],
            "policy_id": POLICIES[policy],
            "candidates": CANDIDATES,
            "items": [item for item, gone in zip(items, kept_back, strict=True) if not gone],
            "withheld": [item for item, gone in zip(items, kept_back, strict=True) if gone],
        }
        if arm:
            event["arm"] = ARMS[arm]
        found.append(event)
    return found


def _by_slate(ids: list[str]) -> list[list[str]]:
    return [ids[at : at + SIZE] for at in range(0, len(ids), SIZE)]
