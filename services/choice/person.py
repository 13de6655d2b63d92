"""A person's own likes in choice bits, for that person to read."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from services.choice import bits
from services.choice.log import Log

# Of fewer likes a mean says nothing about the person.
LEAST_LIKES: Final = 50
# The latest ones.
MOST_LIKES: Final = 120


def report(log: Log, actor: int) -> dict[str, Any]:
    """Of the actor with this hash: means of the latest likes' bits, and the same as a sentence."""
    mine = np.flatnonzero(log.likes.actor == np.uint64(actor))
    own = log.likes.take(mine)
    found = bits.of(log.likes, log.shown)
    held = np.flatnonzero(np.isin(found.at, mine))[-MOST_LIKES:]
    known = bool((~log.shown.withheld & (log.shown.actor == np.uint64(actor))).any())
    report: dict[str, Any] = {"likes": len(own), "forecast": len(held), "identified": len(held) >= LEAST_LIKES}
    if report["identified"]:
        means = {name: float(getattr(found, name)[held].mean()) for name in ("popular", "history", "shown", "rest")}
        report |= means | {"shown_first": float(found.shown_first[held].mean()), "exposures_known": known}
        report["put_before"] = int(found.was_shown[held].sum()) if known else None
    return report | {"sentence": sentence(report)}


def sentence(report: dict[str, Any]) -> str:
    """What a report says. Predictable is not unchosen: it speaks of what was foretold, and of nobody's will."""
    n = report["forecast"]
    if not report["identified"]:
        had = {0: "None of your likes was", 1: "One of your likes was"}.get(n, f"{n} of your likes were")
        return f"{had} forecast before it came; it takes {LEAST_LIKES} to say what foretold them."
    held = f"Of the {report['popular']:.1f} bits that each of your last {n} likes held in the mean"
    past = f"{report['history']:.1f} were foretold by your own past"
    if not report["exposures_known"]:
        return f"{held}, {past}; {report['rest']:.1f} were not. What was put before you is not known."
    low, high = sorted((report["shown"], report["shown_first"]))
    put_before = f"between {low:.1f} and {high:.1f} by what was put before you"
    return f"{held}, {past}, {put_before}; {report['rest']:.1f} were neither."
