"""What is planted in a world that shows slates: what the figures of choice are to find again."""

from __future__ import annotations

from typing import Any

from services.simulator.buys import LADDER, NEW, RUNGS
from services.simulator.policies import CANDIDATES, EXPLORED, PROPENSITIES, SWAPPED
from services.simulator.recommender import CAUSED_SHARE, THETA, WITHHELD_SHARE
from services.simulator.settings import Planted


def truth_of(seed: int, planted: Planted, drift: float) -> dict[str, Any]:
    """As JSON. `drift`: in bits, what is to be expected by now (`Drift.expected`)."""
    return {
        "seed": seed,
        # Of likes that slates brought, those that would not have been; of all likes of what was shown it is less, since
        # people also like things by themselves.
        "caused_share": CAUSED_SHARE,
        "theta": [round(float(share), 6) for share in THETA],
        "withheld_share": WITHHELD_SHARE,
        "policies": {
            "learner": {
                "candidates": CANDIDATES,
                "explored": EXPLORED,
                "swapped": SWAPPED,
                # By place in its ranking, then by rank in the slate.
                "propensities": PROPENSITIES.round(6).tolist(),
            },
            "uniform": {"candidates": CANDIDATES},
        },
        "arms": {"treated": planted.treated, "holdout": planted.holdout},
        "drift": {"moved_in_the_end": planted.drift, "divergence_bits": drift},
        "named": planted.named,
        "buys": {
            "for_each_like": planted.buys,
            "ladder": dict(zip(RUNGS, LADDER.tolist(), strict=True)),
            "new_under_standing_mandate": NEW,
        },
    }
