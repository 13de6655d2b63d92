"""Attacks to lay over a stream of people, one module each. A new one is a module and its name here."""

from __future__ import annotations

from typing import Final

from truelike.evaluation.attacks import (
    big_raid,
    camouflage,
    churn,
    copycat,
    creators_ring,
    drip,
    flood,
    hijacked,
    jitter,
    lockstep,
    metronome,
    one_origin,
    partial,
    popular_flood,
    relike,
    rotating,
    slow_ring,
    small_crew,
    throwaway,
)
from truelike.evaluation.attacks.overlay import Attack

ATTACKS: Final[dict[str, Attack]] = {
    "flood": flood,
    "popular_flood": popular_flood,
    "lockstep": lockstep,
    "partial": partial,
    "camouflage": camouflage,
    "jitter": jitter,
    "drip": drip,
    "hijacked": hijacked,
    "rotating": rotating,
    "throwaway": throwaway,
    "metronome": metronome,
    "creators_ring": creators_ring,
    "slow_ring": slow_ring,
    "churn": churn,
    "relike": relike,
    "one_origin": one_origin,
    "small_crew": small_crew,
    "big_raid": big_raid,
    "copycat": copycat,
}
