"""Bots: one module each. Their likes are for sale, so what they push is obscure, and of creators who are strangers."""

from __future__ import annotations

from typing import Final

from services.simulator.bots.camouflage import Camouflage
from services.simulator.bots.flood import Flood
from services.simulator.bots.hijacked import Hijacked
from services.simulator.bots.jitter import Jitter
from services.simulator.bots.lockstep import Lockstep
from services.simulator.bots.metronome import Metronome
from services.simulator.bots.ring import Ring
from services.simulator.bots.throwaway import Throwaway
from services.simulator.scene import Source

BOTS: Final[dict[str, Source]] = {
    "flood": Flood(),
    "lockstep": Lockstep(),
    "camouflage": Camouflage(),
    "jitter": Jitter(),
    "throwaway": Throwaway(),
    "ring": Ring(),
    "metronome": Metronome(),
    "hijacked": Hijacked(),
}
