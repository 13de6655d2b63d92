"""Console: keeps the views in Redis up to date and serves the read API and the page."""

from __future__ import annotations

from services.console.keeper import ViewsKeeper
from shared import redis_connection
from shared.settings import ServiceSettings


class ConsoleSettings(ServiceSettings):
    """The console has no settings of its own yet."""


async def main(settings: ConsoleSettings) -> None:
    await ViewsKeeper(settings, redis_connection.connect(settings)).run()
