"""The example as a service, `python -m tests.joining`: all that a joining stage has to say besides its task."""

from __future__ import annotations

from shared.checkpoints import CheckpointStore
from shared.faust_stages import FaustStages
from shared.joining import JoiningRunner
from shared.service import run
from shared.settings import ServiceSettings, load
from tests.joining.shown import EXPOSURES, LIKES, ShownTask, new_join


async def main(settings: ServiceSettings) -> None:
    stages = FaustStages("shown", settings)
    store = CheckpointStore(settings.checkpoint_dir, "shown")
    runner = JoiningRunner("shown", ShownTask, new_join, store, stages.send, settings.checkpoint_seconds)
    for topic in (EXPOSURES, LIKES):
        stages.add(topic, runner)
    await stages.run()


settings = load(ServiceSettings)
run("shown", settings, lambda: main(settings))
