"""Who gives likes honestly, and on what occasion: one module each."""

from __future__ import annotations

from typing import Final

from services.simulator.crowds.agents import Agents
from services.simulator.crowds.fans import Fans
from services.simulator.crowds.friends import Friends
from services.simulator.crowds.newcomers import Newcomers
from services.simulator.crowds.offline import Offline
from services.simulator.crowds.releases import Releases
from services.simulator.crowds.sittings import Sittings
from services.simulator.scene import Source

AGENT: Final = "agent"
CROWDS: Final[dict[str, Source]] = {
    "person": Sittings(),
    "friends": Friends(),
    "fans": Fans(),
    "release": Releases(),
    "offline": Offline(),
    "newcomer": Newcomers(),
    AGENT: Agents(),
}
