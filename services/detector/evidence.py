"""What a verdict says and shows: sentences that a moderator can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from services.detector.partners import Partner
from services.detector.signals import SIGNALS
from services.detector.signals.signal import SCALES

SHOWN: Final = 20
_SENTENCES: Final = {signal.name: signal.sentence for signal in SIGNALS}
SCALE_NAMES: Final = ("a minute", "10 minutes", "an hour", "a day")


class Evidence(msgspec.Struct, frozen=True):
    """One signal of a verdict: what was seen, what it was compared with, and how much it says (score over its bar)."""

    signal: str
    value: float
    baseline: float
    strength: float
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


def of_signal(signal: str, value: float, baseline: float, strength: float, targets: Sequence[str]) -> Evidence:
    """Of one of `services.detector.signals.SIGNALS`; `targets`: what it is about, where it is not everything."""
    points_at = {"targets": list(targets[:SHOWN])} if targets else {}
    sentence = _SENTENCES[signal](value, baseline)
    return Evidence(signal, round(value, 3), round(baseline, 4), round(strength, 3), points_at, sentence)


def of_lockstep(
    scale: int, strength: float, partners: Sequence[Partner], peers: Sequence[str], targets: Sequence[str]
) -> Evidence:
    """`partners`: the actor's best at this scale, at least one; `peers` and `targets`: their names, where known."""
    closest = partners[0]
    met = f"{closest.met} of the same {'things' if closest.met != 1 else 'thing'}"
    others = "one other account" if len(partners) == 1 else f"each of {len(partners)} or more other accounts"
    if len(partners) > 1:
        met = f"up to {met}"
    sentence = (
        f"Liked {met} as {others} within {SCALE_NAMES[scale]} of each other, "
        f"where their activity would give {closest.expected:.2g}."
    )
    points_at = {"peers": list(peers[:SHOWN]), "targets": list(targets[:SHOWN])}
    return Evidence("lockstep", closest.met, round(closest.expected, 4), round(strength, 3), points_at, sentence)


def of_agent() -> Evidence:
    return Evidence("declared_agent", 1.0, 0.0, 0.0, {}, "The actor declares itself automated (actor_kind=agent).")


def scale_seconds(scale: int) -> int:
    return SCALES[scale] // 1000
