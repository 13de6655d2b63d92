"""The causal gain: Anderson and Rubin's set holds however weak the arms are, and says where it is unbounded."""

from __future__ import annotations

import numpy as np
import pytest

from services.charts import causal_gain
from services.charts.causal_gain import gain_set
from truelike.evaluation import loop
from truelike.evaluation.loop_world import retrained


@pytest.mark.parametrize(("strength", "bounded"), [(0.8, 0.9), (0.1, 0.0), (0.0, 0.0)])
@pytest.mark.parametrize("gain", [0.0, 0.6])
def test_it_holds_at_five_looks(strength: float, bounded: float, gain: float) -> None:
    held, inside = [], []
    for seed in range(400):
        columns = retrained(2_000, gain, strength, seed)
        sets = [gain_set(*(column[: round(2_000 * look)] for column in columns)) for look in loop.LOOKS]
        held.append(all(of.holds(gain) for of in sets))
        inside.append(sets[-1].kind == "inside")
    assert np.mean(held) >= 0.95
    assert np.mean(inside) >= bounded
    if not bounded:
        assert np.mean(inside) <= 0.1


def test_the_set_is_all_that_its_test_lets_stand() -> None:
    """By the test itself, value by value."""
    for strength, kind in ((1.0, "inside"), (0.16, "outside"), (0.0, "all")):
        found, columns = next(
            (of, columns)
            for of, columns in ((gain_set(*c), c) for c in (retrained(1_000, 3.0, strength, s) for s in range(500)))
            if of.kind == kind
        )
        arm, x, y = columns
        z = arm - arm.mean()
        for g in np.linspace(-60, 60, 241):
            moment = z * ((y - y.mean()) - g * (x - x.mean()))
            within = abs(moment.mean()) / (moment.std() / np.sqrt(1_000)) <= causal_gain.confidence.multiplier(1_000)
            assert found.holds(float(g)) == within


def test_what_is_published() -> None:
    strong = causal_gain.figure(*retrained(5_000, 0.6, 1.0, 3))
    assert strong.identified
    assert strong.low is not None
    assert strong.high is not None
    assert strong.low < 0.6 < strong.high
    assert strong.sentence.startswith("Of each unit that a retrained model brings, 0.")
    weak = causal_gain.figure(*retrained(1_000, 0.6, 0.0, 1))
    assert weak.why is not None
    assert "differ too little" in weak.why
    few = causal_gain.figure(*retrained(99, 0.6, 1.0, 3))
    assert few.why == "99 units; it takes 100"
    with pytest.raises(ValueError, match="all units are in one arm"):
        gain_set(np.ones(200), np.zeros(200), np.zeros(200))
    with pytest.raises(ValueError, match="of one length and finite"):
        gain_set(np.ones(200), np.zeros(199), np.zeros(200))
