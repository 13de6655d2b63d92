"""Stage detector/verdict: weighs each like at once, and again when something is found about its actor.

What a like weighs in the end depends on the set of what was found, not on the order in which it came. Who has nothing
against them is in no verdict: how many those are is in the windows' summaries.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.detector import fusion
from services.detector.accusations import FAMILIES, Accusations, of_frame
from services.detector.dirty import DirtyActors
from services.detector.forgetting import pass_on, users
from services.detector.links import Links
from services.detector.pace import TICK_MS
from services.detector.partners import Partners
from services.detector.published import Groups, Published
from services.detector.retained import RetainedLikes
from services.detector.settings import Judgement
from services.detector.signals.bars import Habit
from services.detector.signals.lockstep import Lockstep
from services.detector.summaries import Summaries
from services.detector.verdict_messages import Judged, Saying
from services.detector.windows import beyond, tumbling
from shared import frames, schemas
from shared.checkpoints import Arrays
from shared.events import AGENT as DECLARED_AGENT
from shared.frames import Frame, Lineage, Output, to_outputs
from shared.hashing import U64, hash_strings
from shared.labels import AGENT, HUMAN, LABELS
from shared.reorder_buffer import ReorderBuffer
from shared.topics import LINKS_BY_GROUP, TRUSTED_LIKES
from shared.watermark import UNKNOWN, Watermark

I64 = npt.NDArray[np.int64]

# Between two moments whose rows are taken in because many wait.
STEP_MS: Final = 1_000
PENDING_ROWS: Final = 4096
# Where it has no links to send, it says how far it is as often as this.
SPEAK_MS: Final = 3_600_000


class VerdictTask:
    """State of one partition: what stands against its actors, their pairs, and the likes whose weight may change."""

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.settings = settings
        self.counters = {"judged_likes": 0, "verdicts": 0, "corrected_likes": 0, "links": 0, "evicted_likes": 0}
        self.counters |= {f"final_{name}": 0 for name in LABELS}
        self.lockstep = Lockstep(settings.max_pairs)
        self.accusations = Accusations(settings.max_actors // 4, settings.window_ms)
        self.retained = RetainedLikes(settings.max_retained_likes)
        self.meetings = ReorderBuffer(schemas.MEETINGS, ("met_at",))
        self.published = Published(settings.max_actors // 4)
        self.links = Links(settings.max_actors // 4)
        self.summaries = Summaries(partition, settings)
        self.saying = Saying(self.accusations, self.lockstep, self.retained, settings, partition)
        # The actor stage, and each target partition.
        self.watermark = Watermark(1 + settings.partitions)
        self.passed_ms = self.told_ms = self.forgotten_ms = UNKNOWN
        self.dirty = DirtyActors()
        # What the last request to forget users took out; no part of the state.
        self.removed: dict[str, int] = {}

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """One frame of likes, findings or meetings to trusted likes, verdicts, summaries and links."""
        assert frame.lineage is not None
        if frame.kind == schemas.FORGET:
            removed = self.forget(users(frame))
            if frame.lineage.stage != "actor-forget":
                return []
            self.removed = removed
            # Names of its own actors are all that this stage ever sent on.
            return pass_on(frame, "verdict", self.partition, offset, [(LINKS_BY_GROUP, 0)])
        outputs: list[Output] = []
        if frame.kind == "likes":
            outputs = self._weigh(frame.batch, offset)
        elif frame.kind == "findings":
            self.dirty.add(self.accusations.add(*of_frame(frame.batch)))
        else:
            self.meetings.add(frame.batch, frame.lineage.partition)
        self._see_progress(frame.lineage)
        now = self.watermark.now
        tick = now // TICK_MS > self.told_ms // TICK_MS
        if tick or (now >= self.passed_ms + STEP_MS and self.meetings.rows >= PENDING_ROWS):
            outputs += self._pass(now, offset)
        return outputs

    def _see_progress(self, lineage: Lineage) -> None:
        if lineage.stage == "actor-findings":
            self.watermark.advance(0, lineage.watermark)
        elif lineage.stage.startswith("target-"):
            self.watermark.advance(1 + lineage.partition, lineage.watermark)

    def _weigh(self, likes: pa.RecordBatch, offset: int) -> list[Output]:
        """Publish likes with the weight that is known now."""
        if likes.num_rows == 0:
            return []
        actors, targets = (hash_strings(likes.column(name)) for name in ("actor_id", "target_id"))
        times = likes.column("occurred_at").to_numpy()
        agent = likes.column("actor_kind").to_numpy() == DECLARED_AGENT
        stamps = fusion.stamp(*self._fused(actors, targets, times, agent))
        weight, label = fusion.of_stamp(stamps)
        n = likes.num_rows
        columns = [
            *(likes.column(f.name) for f in schemas.LIKES),
            likes.column("window_start"),
            pa.array(weight),
            pa.array(label),
            pa.array(np.zeros(n, np.int32)),
            pa.nulls(n, pa.float32()),
            pa.nulls(n, pa.int8()),
        ]
        batch = pa.RecordBatch.from_arrays(columns, schema=schemas.TRUSTED_LIKES)
        outputs = to_outputs(Frame("trusted-likes", batch, self._lineage("verdict-likes", offset)), TRUSTED_LIKES, 0)
        self.retained.add(batch, stamps, agent)
        self.counters["judged_likes"] += n
        self.counters["evicted_likes"] = self.retained.evicted
        self.summaries.add(likes.column("window_start").to_numpy(), actors, label)
        accused = agent | self.accusations.any(actors)
        self.dirty.add(actors[accused], likes.column("window_start").to_numpy()[accused])
        return outputs

    def _fused(self, actors: U64, targets: U64, times: I64, agent: Any) -> tuple[Any, Any]:
        """Probability and label of likes by what stands against them. Most actors have nothing against them."""
        probability = np.where(agent, 0.0, fusion.HUMAN_PROBABILITY).astype(np.float32)
        label = np.where(agent, AGENT, HUMAN).astype(np.int8)
        some = np.flatnonzero(self.accusations.any(actors))
        if len(some):
            against = self.accusations.against(actors[some], targets[some], times[some])
            fused = fusion.fuse(against.strength, against.convicts, FAMILIES, agent[some])
            probability[some], label[some] = fused
        return probability, label

    def _pass(self, now: int, offset: int) -> list[Output]:
        """Take in the meetings that event time has passed; judge again whom something new is known of."""
        self.passed_ms = now
        for met in self.lockstep.meet(self.meetings.take(now)):
            self.dirty.add(self._accuse(met))
        outputs, links = self._judge(*self.dirty.take(), offset)
        if links.num_rows or now // SPEAK_MS > self.told_ms // SPEAK_MS:
            frame = Frame("links", links, self._lineage("verdict-links", offset))
            outputs += to_outputs(frame, LINKS_BY_GROUP, 0)
        if now // TICK_MS > self.told_ms // TICK_MS:
            self.told_ms = now
            outputs += self.summaries.close(now)
        for code, name in enumerate(LABELS):
            self.counters[f"final_{name}"] = int(self.summaries.total[code])
        self._forget_old(beyond(self.settings.horizon_ms, now))
        return outputs

    def _accuse(self, met: U64) -> U64:
        """Bring how these actors stand in lockstep before the accusations. Returns those about whom it is news, and
        those whose links may be others now.
        """
        standing = self.lockstep.standing(met)
        numbers, owner = self.retained.of(met)
        until = self.retained.field("time", numbers) <= standing.met_at[owner]
        habit = Habit(np.bincount(owner[until], minlength=len(met)))
        changed = [
            self.accusations.replace(found, scale)
            for scale, found in enumerate(self.lockstep.bars.findings(standing, habit))
        ]
        linked = self.links.knows(met) | self.lockstep.bars.belong_together(standing).any(axis=1)
        return np.unique(np.concatenate([*changed, met[linked]]))

    def _judge(self, actors: U64, since: I64, offset: int) -> tuple[list[Output], pa.RecordBatch]:
        """Publish anew what is otherwise than published of these actors' likes from a time (ms) on: weights and
        verdicts. Also returns those of their links that are not as they were said.
        """
        if len(actors) == 0:
            return [], frames.join([], schemas.LINKS)
        numbers, owner = self.retained.of(actors)
        # What stood against older likes is forgotten, and they stay as they were judged.
        oldest = self.forgotten_ms + self.settings.window_ms
        recent = self.retained.field("time", numbers) >= np.maximum(since, oldest)[owner]
        order = np.argsort(numbers[recent])
        numbers, owner = numbers[recent][order], owner[recent][order]
        times, targets, agent = (self.retained.field(name, numbers) for name in ("time", "target", "agent"))
        against = self.accusations.against(actors[owner], targets, times)
        probability, label = fusion.fuse(against.strength, against.convicts, FAMILIES, agent)
        stamps = fusion.stamp(probability, label)
        before = self.retained.stamps(numbers)
        windows = tumbling(times, self.settings.window_ms)
        group = Groups.of(owner, windows, probability, stamps, label)
        off = before != stamps
        corrected = np.bincount(group.of_row[off], minlength=len(group.owner)) > 0
        revision = self.published.revise(actors[group.owner], group, corrected)
        outputs = self._correct(numbers[off], stamps[off], before[off], revision[group.of_row[off]], offset)
        self.summaries.move(windows[off], fusion.of_stamp(before[off])[1], label[off])
        self.summaries.relabel(actors[group.owner], group.window, group.label)
        partners = Partners(self.lockstep, actors)
        judged = Judged(actors, partners, numbers, owner, times, targets, stamps, against)
        verdicts = self.saying.verdicts(judged, group, revision)
        self.counters["verdicts"] += len(verdicts)
        links = self.links.of(judged, self.saying, since == 0)
        self.counters["links"] += links.num_rows
        return verdicts + outputs, links

    def _correct(self, numbers: I64, stamps: Any, before: Any, revision: Any, offset: int) -> list[Output]:
        """Publish likes again whose weight or label is not what it was."""
        if len(numbers) == 0:
            return []
        likes = self.retained.content(numbers)
        self.retained.stamp(numbers, stamps)
        self.counters["corrected_likes"] += len(numbers)
        (weight, label), (weight_before, label_before) = fusion.of_stamp(stamps), fusion.of_stamp(before)
        columns = {
            "human_probability": pa.array(weight),
            "label": pa.array(label),
            "revision": pa.array(revision),
            "previous_probability": pa.array(weight_before),
            "previous_label": pa.array(label_before),
        }
        arrays = [columns.get(f.name, likes.column(f.name)) for f in schemas.TRUSTED_LIKES]
        batch = pa.RecordBatch.from_arrays(arrays, schema=schemas.TRUSTED_LIKES)
        return to_outputs(Frame("trusted-likes", batch, self._lineage("verdict-corrections", offset)), TRUSTED_LIKES, 0)

    def _forget_old(self, before_ms: int) -> None:
        if self.retained.expire(before_ms):
            self.forgotten_ms = before_ms
            for part in (self.lockstep, self.accusations, self.published, self.summaries, self.links):
                part.expire(before_ms)

    def _lineage(self, stage: str, offset: int) -> Lineage:
        return Lineage(stage, self.partition, offset, self.passed_ms)

    def forget(self, actors: U64) -> dict[str, int]:
        """Forget these actors. Returns what was removed, by kind."""
        removed = {
            "likes": self.retained.forget(actors),
            "partners": self.lockstep.forget(actors),
            "accusations": self.accusations.forget(actors),
            "verdicts": self.published.forget(actors),
        }
        self.links.forget(actors)
        for column in ("actor", "peer"):
            self.meetings.keep(lambda b, c=column: ~np.isin(b.column(c).to_numpy(), actors))
        return removed

    def snapshot(self) -> Arrays:
        return {
            **self.lockstep.snapshot(),
            **self.accusations.snapshot(),
            **self.retained.snapshot(),
            **self.meetings.snapshot("meetings"),
            **self.published.snapshot(),
            **self.links.snapshot(),
            **self.summaries.snapshot(),
            "watermark": self.watermark.snapshot(),
            "passed_ms": np.array([self.passed_ms, self.told_ms, self.forgotten_ms]),
            **self.dirty.snapshot(),
        }

    def restore(self, arrays: Arrays) -> None:
        for part in (self.lockstep, self.accusations, self.retained, self.published, self.links, self.summaries):
            part.restore(arrays)
        self.meetings.restore("meetings", arrays)
        self.watermark.restore(arrays["watermark"])
        self.passed_ms, self.told_ms, self.forgotten_ms = arrays["passed_ms"].tolist()
        self.dirty.restore(arrays)
