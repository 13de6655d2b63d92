"""All detector stages in one process, without a broker: what `truelike detect FILE` and the tests run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from services.detector.actor import ActorTask
from services.detector.group import GroupTask
from services.detector.settings import Judgement
from services.detector.target import TargetTask
from services.detector.verdict import VerdictTask
from shared.frames import Output, from_message, numbered
from shared.stage import Task
from shared.topics import EVIDENCE_BY_ACTOR, FRAMES_BY_ACTOR, FRAMES_BY_TARGET, LINKS_BY_GROUP


class Detector:
    """Feeds messages to the same tasks as the service, in the order in which they are produced."""

    def __init__(self, settings: Judgement) -> None:
        count = range(settings.partitions)
        self.tasks: dict[tuple[str, int], Task] = {
            **{(FRAMES_BY_ACTOR, p): ActorTask(p, settings) for p in count},
            **{(FRAMES_BY_TARGET, p): TargetTask(p, settings) for p in count},
            **{(EVIDENCE_BY_ACTOR, p): VerdictTask(p, settings) for p in count},
            (LINKS_BY_GROUP, 0): GroupTask(0, settings),
        }
        self._offsets = dict.fromkeys(self.tasks, -1)

    def feed(self, messages: Iterable[Output]) -> Iterator[Output]:
        """Messages of `frames.by-actor` to the messages for the outside that follow from them."""
        waiting = deque(messages)
        while waiting:
            message = waiting.popleft()
            at = (message.topic, message.partition or 0)
            task = self.tasks.get(at)
            if task is None:
                yield message
                continue
            self._offsets[at] += 1
            frame = from_message(message.value, message.headers)
            waiting.extend(numbered(task.process(frame, self._offsets[at])))

    def counters(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for task in self.tasks.values():
            for name, value in task.counters.items():
                total[name] = total.get(name, 0) + value
        return total
