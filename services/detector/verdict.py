"""Stage detector/verdict: fuses evidence, weighs each like at once, and judges windows as they close.

What a window's verdict ends as depends on the set of its evidence, not on the order in which it came.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.detector import evidence, fusion
from services.detector.actor_names import ActorNames
from services.detector.pairs import Pairs, Repeated
from services.detector.retained import RetainedLikes
from services.detector.settings import Judgement
from services.detector.waiting_meetings import WaitingMeetings
from services.detector.windows import UNKNOWN, Watermark, tumbling
from shared import frames
from shared.checkpoints import Arrays
from shared.events import AGENT as DECLARED_AGENT
from shared.frames import Frame, Lineage, Output, to_outputs
from shared.hashing import U64, hash_strings, mix
from shared.labels import HUMAN, LABELS
from shared.slots import Slots, SlotTable
from shared.topics import LINKS_BY_GROUP, TRUSTED_LIKES, VERDICTS

I64 = npt.NDArray[np.int64]

KNOWN_TARGETS: Final = 100_000
PUBLISHED_AT_ONCE: Final = 200
PUBLISHED_WHEN_IDLE: Final = 5_000

_COLUMNS: Final = {
    "actor": np.uint64,
    "window": np.int64,
    "likes": np.int64,
    "agent": np.bool_,
    "closed": np.bool_,
    "rate_log_odds": np.float64,
    "rate_baseline": np.float64,
    "probability": np.float32,
    "label": np.int8,
    # The least and the greatest stamp (`fusion.stamp`) of the window's likes as published; the same once it is judged.
    "lowest": np.int16,
    "highest": np.int16,
    "revision": np.int64,
}


class VerdictTask:
    """State of one partition: actors' windows, their pairs, and the likes whose weight may still change."""

    def __init__(self, partition: int, settings: Judgement) -> None:
        self.partition = partition
        self.settings = settings
        self.counters = {
            "judged_likes": 0,
            "verdicts": 0,
            "corrected_likes": 0,
            "links": 0,
            "uncorrectable_likes": 0,
        }
        self.counters |= {f"final_{name}": 0 for name in LABELS}
        self.windows = SlotTable(_COLUMNS, settings.max_actors)
        self.pairs = Pairs(settings.max_pairs)
        self.retained = RetainedLikes(settings.max_retained_likes)
        self.meetings = WaitingMeetings(settings.window_ms)
        self.names = ActorNames()
        self.watermark = Watermark(1 + settings.partitions)
        self.closed_ms = UNKNOWN
        # Windows (keys) judged human, whose verdicts are published a few at a time.
        self.unpublished: U64 = np.zeros(0, np.uint64)
        # What was looked up lately; no part of the state, since the retained likes say the same.
        self._known_targets: dict[int, str] = {}

    def process(self, frame: Frame, offset: int) -> list[Output]:
        """One frame of likes, rates or meetings to trusted likes, verdicts and links."""
        assert frame.lineage is not None
        touched: Slots = np.zeros(0, np.int64)
        outputs: list[Output] = []
        if frame.kind == "likes":
            outputs, touched = self._weigh(frame.batch, offset)
        elif frame.kind == "rates":
            touched = self._take_rates(frame.batch)
            self.watermark.advance(0, frame.lineage.watermark)
        else:
            self.meetings.add(frame.batch)
            self.watermark.advance(1 + frame.lineage.partition, frame.lineage.watermark)
        reopened = self.windows.keys[touched[self.windows["closed"][touched]]]
        # A late like is told of even where it changes neither probability nor label.
        outputs += self._judge(self.windows.find(reopened), offset, always=frame.kind == "likes")
        outputs += self._close(offset)
        outputs += self.publish(PUBLISHED_AT_ONCE if frame.batch.num_rows else PUBLISHED_WHEN_IDLE)
        return outputs

    def publish(self, most: int) -> list[Output]:
        """Up to `most` of the verdicts that wait. A window's end brings one for each of its actors; likes that
        come in meanwhile must not wait for all of them.
        """
        slots = self.windows.find(self.unpublished[:most])
        self.unpublished = self.unpublished[most:]
        slots = slots[slots >= 0]
        # What was overturned while it waited has been published since, as it is now.
        return self._verdicts(slots[self.windows["revision"][slots] == 1])

    def _weigh(self, likes: pa.RecordBatch, offset: int) -> tuple[list[Output], Slots]:
        """Publish likes with the weight that is known now."""
        if likes.num_rows == 0:
            return [], np.zeros(0, np.int64)
        actors = hash_strings(likes.column("actor_id"))
        window = likes.column("window_start").to_numpy()
        agent = likes.column("actor_kind").to_numpy() == DECLARED_AGENT
        odds = likes.column("rate_log_odds").to_numpy() + self.pairs.log_odds(actors)
        probability = fusion.human_probability(odds, agent)
        label = fusion.label(probability, agent)
        slots, new, stamps = self._note(actors, window, agent, probability, label)
        self.names.add(window[new], actors[new], likes.column("actor_id").filter(pa.array(new)))
        weight, label = fusion.of_stamp(stamps)
        n = likes.num_rows
        columns = [
            *(likes.column(f.name) for f in frames.LIKES),
            pa.array(window),
            pa.array(weight),
            pa.array(label),
            pa.array(np.zeros(n, np.int32)),
            pa.nulls(n, pa.float32()),
            pa.nulls(n, pa.int8()),
        ]
        batch = pa.RecordBatch.from_arrays(columns, schema=frames.TRUSTED_LIKES)
        outputs = to_outputs(Frame("trusted-likes", batch, self._lineage("verdict-likes", offset)), TRUSTED_LIKES, 0)
        for part, output in zip(frames.split(batch), outputs, strict=True):
            self.retained.add(part, output.value)
        self.counters["judged_likes"] += n
        return outputs, np.unique(slots)

    def _note(self, actors: U64, window: I64, agent: Any, probability: Any, label: Any) -> tuple[Slots, Any, Any]:
        """Take likes into their windows. Returns the windows' slots, which likes are their windows' first, and the
        likes' stamps: in a window that is judged, the one that its other likes have.
        """
        slots, new = self.windows.insert(mix(actors, window.astype(np.uint64)))
        t = self.windows
        t["actor"][slots], t["window"][slots], t["touched"][slots] = actors, window, window
        stamps = np.where(t["closed"][slots], t["lowest"][slots], fusion.stamp(probability, label))
        t["lowest"][slots[new]] = t["highest"][slots[new]] = stamps[new]
        np.minimum.at(t["lowest"], slots, stamps)
        np.maximum.at(t["highest"], slots, stamps)
        np.add.at(t["likes"], slots, 1)
        np.logical_or.at(t["agent"], slots, agent)
        t["probability"][slots[new]], t["label"][slots[new]] = probability[new], label[new]
        return slots, new, stamps

    def _take_rates(self, rates: pa.RecordBatch) -> Slots:
        keys = mix(hash_strings(rates.column("actor_id")), rates.column("window_start").to_numpy().astype(np.uint64))
        slots = self.windows.find(keys)
        known = slots >= 0
        self.windows["rate_log_odds"][slots[known]] = rates.column("rate_log_odds").to_numpy()[known]
        self.windows["rate_baseline"][slots[known]] = rates.column("baseline").to_numpy()[known]
        return np.unique(slots[known])

    def _close(self, offset: int) -> list[Output]:
        """Judge the windows that the watermark has passed, oldest first.

        Meetings change what is known of actors, so they are taken in window by window; between two windows with
        meetings any number of others is judged at once. How far the watermark jumps changes nothing.
        """
        outputs: list[Output] = []
        end = self.watermark.now - self.watermark.now % self.settings.window_ms
        if end <= self.closed_ms or self.watermark.now < 0:
            return outputs
        self.closed_ms = end
        links: list[Repeated] = []
        for start, meetings in self.meetings.take(end):
            outputs += self._judge(self._due(start), offset)
            changed = self.pairs.meet(meetings)
            repeated = self.pairs.repeated(changed)
            links += repeated
            due = np.concatenate([self._due(start + self.settings.window_ms), self._windows_of(repeated)])
            outputs += self._judge(np.unique(due), offset)
            self.pairs.forget(start - self.settings.horizon_ms)
        outputs += self._judge(self._due(end), offset)
        if links:
            outputs += self._link(links, offset)
        # Last, because it moves rows: slots do not outlive it.
        self._forget(end)
        return outputs

    def _due(self, end: int) -> Slots:
        """Open windows that end by `end`; they count as closed from now on."""
        used = self.windows.occupied()
        due = used[~self.windows["closed"][used] & (self.windows["window"][used] + self.settings.window_ms <= end)]
        self.windows["closed"][due] = True
        return due

    def _windows_of(self, links: list[Repeated]) -> Slots:
        """Closed windows in which repeated meetings took place: what was judged then is judged again."""
        actors = np.array([link.actor for link in links for _ in link.times], np.uint64)
        times = np.array([t for link in links for t in link.times], np.int64)
        slots = self.windows.find(mix(actors, tumbling(times, self.settings.window_ms).astype(np.uint64)))
        slots = slots[slots >= 0]
        return slots[self.windows["closed"][slots]]

    def _forget(self, end: int) -> None:
        oldest = end - self.settings.horizon_ms
        self.retained.forget(oldest)
        used = self.windows.occupied()
        old = (self.windows["window"][used] < oldest) & ~np.isin(self.windows.keys[used], self.unpublished)
        if old.any():
            self.windows.keep(used[~old])
        # Also of windows that had to make room: names must not outlive them.
        self.names.keep(self.windows["window"][self.windows.occupied()])

    def _judge(self, slots: Slots, offset: int, always: bool = False) -> list[Output]:
        """Publish the verdicts on these windows that are new or have changed, and correct their likes."""
        t = self.windows
        agent = t["agent"][slots]
        lockstep = self.pairs.log_odds(t["actor"][slots])
        probability = fusion.human_probability(t["rate_log_odds"][slots] + lockstep, agent)
        label = fusion.label(probability, agent)
        first = t["revision"][slots] == 0
        stamps = fusion.stamp(probability, label)
        off = (t["lowest"][slots] != stamps) | (t["highest"][slots] != stamps)
        changed = first | off | (probability != t["probability"][slots]) | always
        slots, probability, label, stamps, off = (a[changed] for a in (slots, probability, label, stamps, off))
        if len(slots) == 0:
            return []
        for code, name in enumerate(LABELS):
            self.counters[f"final_{name}"] += int((label == code).sum())
            self.counters[f"final_{name}"] -= int(((t["label"][slots] == code) & (t["revision"][slots] > 0)).sum())
        t["revision"][slots] += 1
        outputs = self._correct(slots[off], stamps[off], offset)
        t["probability"][slots], t["label"][slots] = probability, label
        waits = (label == HUMAN) & (t["revision"][slots] == 1)
        self.unpublished = np.concatenate([self.unpublished, t.keys[slots[waits]]])
        return self._verdicts(slots[~waits]) + outputs

    def _verdicts(self, slots: Slots) -> list[Output]:
        if len(slots) == 0:
            return []
        t = self.windows
        lockstep = self.pairs.log_odds(t["actor"][slots])
        names = self._names_of(slots)
        actors = np.unique(t["actor"][slots[lockstep > 0]])
        repeated = self.pairs.repeated(actors) if len(actors) else []
        targets = self._target_names(repeated)
        pairs: dict[int, list[Repeated]] = {}
        for pair in repeated:
            pairs.setdefault(pair.actor, []).append(pair)
        rows = zip(
            slots.tolist(),
            t["probability"][slots].tolist(),
            t["label"][slots].tolist(),
            lockstep.tolist(),
            t["window"][slots].tolist(),
            t["likes"][slots].tolist(),
            t["revision"][slots].tolist(),
            t["rate_baseline"][slots].tolist(),
            t["rate_log_odds"][slots].tolist(),
            t["agent"][slots].tolist(),
            t["actor"][slots].tolist(),
            strict=True,
        )
        outputs, gap_seconds = [], self.settings.lockstep_gap_ms // 1000
        encode = msgspec.json.Encoder().encode
        for slot, p, code, lock, window, likes, revision, baseline, rate, agent, actor in rows:
            seen = [evidence.rate_evidence(likes, baseline, rate)]
            if actor in pairs:
                seen.append(evidence.lockstep_evidence(lock, pairs[actor], self.pairs.names, targets, gap_seconds))
            if agent:
                seen.append(evidence.agent_evidence())
            actor_id = names[slot]
            verdict = evidence.Verdict(
                f"{actor_id}@{window}",
                actor_id,
                window,
                window + self.settings.window_ms,
                LABELS[code],
                round(p, 4),
                likes,
                revision,
                seen,
            )
            outputs.append(Output(VERDICTS, encode(verdict), self.partition, actor_id.encode()))
        self.counters["verdicts"] += len(outputs)
        return outputs

    def _names_of(self, slots: Slots) -> dict[int, str]:
        names: dict[int, str] = {}
        windows, actors = self.windows["window"][slots], self.windows["actor"][slots]
        for start in np.unique(windows).tolist():
            here = windows == start
            names.update(zip(slots[here].tolist(), self.names.of(start, actors[here]).to_pylist(), strict=True))
        return names

    def _target_names(self, pairs: list[Repeated]) -> dict[int, str]:
        """Names of the targets that pairs met on, from the retained likes of the pairs' own actors."""
        wanted = [
            (pair.actor, time)
            for pair in pairs
            for x, time in zip(pair.targets, pair.times, strict=True)
            if x not in self._known_targets
        ]
        if wanted:
            actors = np.array([actor for actor, _ in wanted], np.uint64)
            windows = tumbling(np.array([time for _, time in wanted], np.int64), self.settings.window_ms)
            keys = mix(actors, windows.astype(np.uint64))
            ids = self.retained.of(keys, np.unique(windows)).column("target_id").unique()
            if len(self._known_targets) > KNOWN_TARGETS:
                self._known_targets.clear()
            self._known_targets.update(zip(hash_strings(ids).tolist(), ids.to_pylist(), strict=True))
        return self._known_targets

    def _correct(self, slots: Slots, stamps: Any, offset: int) -> list[Output]:
        """Publish likes again whose weight or label is not what their window's verdict says."""
        if len(slots) == 0:
            return []
        t = self.windows
        likes = self.retained.of(t.keys[slots], t["window"][slots])
        keys = mix(hash_strings(likes.column("actor_id")), likes.column("window_start").to_numpy().astype(np.uint64))
        at = t.find(keys)
        row = np.searchsorted(slots, at)
        # A row holds what it was first published with; once its window was judged, all of its likes have one stamp.
        first = fusion.stamp(likes.column("human_probability").to_numpy(), likes.column("label").to_numpy())
        before = np.where(t["lowest"][at] == t["highest"][at], t["lowest"][at], first)
        off = before != stamps[row]
        kept = likes.filter(pa.array(off))
        row, before = row[off], before[off]
        missing = int(t["likes"][slots].sum()) - likes.num_rows
        self.counters["uncorrectable_likes"] += missing
        t["lowest"][slots] = t["highest"][slots] = stamps
        if kept.num_rows == 0:
            return []
        self.counters["corrected_likes"] += kept.num_rows
        (weight, label), (weight_before, label_before) = fusion.of_stamp(stamps[row]), fusion.of_stamp(before)
        columns = {
            "human_probability": pa.array(weight),
            "label": pa.array(label),
            "revision": pa.array(t["revision"][slots][row].astype(np.int32)),
            "previous_probability": pa.array(weight_before),
            "previous_label": pa.array(label_before),
        }
        arrays = [columns.get(f.name, kept.column(f.name)) for f in frames.TRUSTED_LIKES]
        batch = pa.RecordBatch.from_arrays(arrays, schema=frames.TRUSTED_LIKES)
        return to_outputs(Frame("trusted-likes", batch, self._lineage("verdict-corrections", offset)), TRUSTED_LIKES, 0)

    def _link(self, links: list[Repeated], offset: int) -> list[Output]:
        t = self.windows
        used = t.occupied()
        mine = used[np.isin(t["actor"][used], np.array([link.actor for link in links], np.uint64))]
        names = self._names_of(mine)
        actors = {int(t["actor"][slot]): name for slot, name in names.items()}
        targets = self._target_names(links)
        rows = [
            {
                "actor_id": actors[link.actor],
                "peer_id": self.pairs.names[link.peer],
                "target_ids": sorted({targets[x] for x in link.targets if x in targets}),
                "weight": link.log_odds,
                "first_at": min(link.times),
                "last_at": max(link.times),
            }
            for link in links
            if link.actor in actors and link.peer in self.pairs.names
        ]
        self.counters["links"] += len(rows)
        batch = pa.RecordBatch.from_pylist(rows, frames.LINKS)
        return to_outputs(Frame("links", batch, self._lineage("verdict-links", offset)), LINKS_BY_GROUP, 0)

    def _lineage(self, stage: str, offset: int) -> Lineage:
        return Lineage(stage, self.partition, offset, self.closed_ms)

    def snapshot(self) -> Arrays:
        return {
            **self.windows.snapshot("windows"),
            **self.pairs.snapshot(),
            **self.retained.snapshot(),
            **self.meetings.snapshot(),
            **self.names.snapshot(),
            "watermark": self.watermark.snapshot(),
            "closed_ms": np.array([self.closed_ms]),
            "unpublished": self.unpublished.copy(),
        }

    def restore(self, arrays: Arrays) -> None:
        self.windows.restore("windows", arrays)
        self.pairs.restore(arrays)
        self.retained.restore(arrays)
        self.meetings.restore(arrays)
        self.names.restore(arrays)
        self.watermark.restore(arrays["watermark"])
        self.closed_ms = int(arrays["closed_ms"][0])
        self.unpublished = arrays["unpublished"].copy()
