"""Labels of a verdict, in order of what they mean for trust: they say what was seen, not what a person is."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args

import numpy as np
import numpy.typing as npt

Label = Literal["human", "suspect", "bot", "agent"]
LABELS: Final[tuple[Label, ...]] = get_args(Label)
HUMAN, SUSPECT, BOT, AGENT = range(4)
# Likes of these labels are nobody's taste.
TEACH_NOTHING: Final = LABELS[BOT:]


def teaches(label: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which likes may teach anything: those of no label of TEACH_NOTHING. Shape (n,)."""
    return label < BOT


def trust(human_probability: npt.NDArray[Any], label: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """How much each like may teach: its human probability, nothing where the label is of TEACH_NOTHING. Shapes (n,)."""
    return np.where(teaches(label), human_probability, 0.0)
