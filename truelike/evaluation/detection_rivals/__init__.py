"""Published methods on the same streams, one module each. A new one is a module and a line here."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from truelike.evaluation.detection_rivals import coordination_toolkit, coortweet, fraudar, midas
from truelike.evaluation.detection_rivals.rival import Edges, Verdict

RIVALS: Final[dict[str, Callable[[Edges], Verdict]]] = {
    "MIDAS-R": midas.score,
    "FRAUDAR": fraudar.score,
    "CooRTweet, 10 s": partial(coortweet.score, within_ms=10_000),
    "CooRTweet, 60 s": partial(coortweet.score, within_ms=60_000),
    "coordination-network-toolkit, 60 s": coordination_toolkit.score,
}
