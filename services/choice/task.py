"""Stage choice: a user's likes, what was forecast of them, and what was put before the user, as choice bits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from services.choice import bits, named_slates
from services.choice.forecast_rows import anticipated, likes_of
from services.choice.kept import Kept
from services.choice.log import ATTRIBUTION_MS, HOUR_MS, I64, LIKE, NO_SLATE, Bools, Likes, Shown, buys_of, shown_of
from services.choice.mixture import Mixture
from services.choice.named_slates import CameFrom
from services.choice.person import PARTS
from services.choice.retained_buys import RetainedBuys
from services.choice.retained_likes import NONE, RetainedLikes
from services.choice.retained_slates import RetainedSlates
from services.choice.twins import TwinMixtures
from shared import forgetting, frames, schemas
from shared.as_of_join import JOINED_AT, Step
from shared.checkpoints import Arrays, pack, unpack
from shared.events import BUY, UNLIKE, rfc3339
from shared.frames import Frame, Lineage, Output, to_outputs
from shared.hashing import U64, hash_strings, mix
from shared.schemas import FORGET
from shared.slots import SlotTable
from shared.topics import CHOICE_REPORTS, CHOICES

STAGE: Final = "choice"
_AS_THEY_CAME: Final = ("event_id", "occurred_at", "actor_id", "target_id", "action", "surface")
NO_SLATES: Final = shown_of(frames.join([], schemas.EXPOSED_ITEMS))[0]


@dataclass(frozen=True)
class Effects:
    """What a step changed, beside what it sends: of whom the report is another now, who is forgotten by which request
    and what of them was removed, and when its likes were sent (ms).
    """

    users: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    request_id: str = ""
    removed: dict[str, int] = field(default_factory=dict)
    sent_at: I64 = field(default_factory=lambda: np.zeros(0, np.int64))


class ChoiceTask:
    """One partition's users: all of their likes, forecasts and slates come here."""

    def __init__(self, partition: int, most_likes: int, most_items: int) -> None:
        self.partition = partition
        self.counters = dict.fromkeys(
            (
                "joined_likes",
                "choice_likes",
                "forecast_likes",
                "likes_naming_slates",
                "likes_naming_unknown_slates",
                "corrected_likes",
                "unlikes",
                "buys",
                "other_actions",
                "shown_items",
                "repeated_items",
            ),
            0,
        )
        self.likes = RetainedLikes(most_likes)
        self.slates = RetainedSlates(most_items)
        self.buys = RetainedBuys(most_likes)
        self.effects = Effects()
        # How far event time is, the steps that were processed last, and the model that forecast.
        self.clock, self.step, self.step_before = 0, NONE, NONE
        self.model = ""
        self._mixture = Mixture(most_items)
        self._twins = TwinMixtures(most_items)
        # Slates that came within the window, since ingest may say them again, each with the number of its first item;
        # and what was withheld from whom.
        self._slates_seen = SlotTable({"item": np.int64}, most_items)
        self._withheld = SlotTable({}, most_items)

    def process(self, step: Step) -> list[Output]:
        self.clock, self.step, self.step_before = max(self.clock, step.clock), step.number, self.step
        shown = self._take_slates(step.rows["exposures"])
        if step.frame.kind == FORGET:
            # What was shown before the request is forgotten, too.
            self._take_likes(frames.join([], schemas.FORECASTS), shown)
            return self._forget(step.frame)
        return self._take_likes(step.frame.batch, shown)

    def _take_slates(self, rows: pa.RecordBatch) -> Shown:
        """Keep what was not seen before; returns it with the times at which it joined the log."""
        if not rows.num_rows:
            return NO_SLATES
        new = self._not_seen(rows)
        items = rows.take(pa.array(new[np.argsort(rows.column("occurred_at").to_numpy()[new], kind="stable")]))
        shown, policies = shown_of(items)
        self._number(shown.slate)
        self.slates.append(shown, policies)
        self.counters["shown_items"] += len(shown)
        self.counters["repeated_items"] += rows.num_rows - len(shown)
        withheld = np.flatnonzero(shown.withheld)
        slots, _ = self._withheld.insert(mix(shown.actor[withheld], shown.target[withheld]))
        np.maximum.at(self._withheld["touched"], slots, shown.time[withheld])
        return replace(shown, time=items.column(JOINED_AT).to_numpy())

    def _number(self, slate: I64) -> None:
        """Of the slates of the next items to be kept, where each begins."""
        begins = np.flatnonzero(np.r_[True, slate[1:] != slate[:-1]][: len(slate)])
        slots = self._slates_seen.find(slate[begins].view(np.uint64))
        self._slates_seen["item"][slots[::-1]] = self.slates.rows.stop + begins[::-1]

    def _not_seen(self, rows: pa.RecordBatch) -> I64:
        """Which items are of slates that no step before had, each once, in order."""
        slate, target, rank = (rows.column(name).to_numpy() for name in ("slate", "target", "rank"))
        known = self._slates_seen.find(slate) >= 0
        place = rank.astype(np.uint64) * np.uint64(2) + rows.column("withheld").to_numpy(zero_copy_only=False)
        _, first = np.unique(mix(mix(slate, target), place), return_index=True)
        first.sort()
        new: I64 = first[~known[first]]
        slots, _ = self._slates_seen.insert(slate[new])
        self._slates_seen["touched"][slots] = rows.column(JOINED_AT).to_numpy()[new]
        hour = (self.clock - ATTRIBUTION_MS) // HOUR_MS * HOUR_MS
        for table in (self._slates_seen, self._withheld):
            table.expire_once(hour)
        return new

    def _take_likes(self, rows: pa.RecordBatch, shown: Shown) -> list[Output]:
        action = rows.column("action").to_numpy()
        correction = rows.column("correction").to_numpy(zero_copy_only=False)
        actors, targets, events = (hash_strings(rows.column(name)) for name in ("actor_id", "target_id", "event_id"))
        first, again = (np.flatnonzero((action == LIKE) & of) for of in (~correction, correction))
        unlikes = np.flatnonzero((action == UNLIKE) & ~correction)
        numbers, base = np.full(len(actors), NONE), self.likes.rows.stop
        languages = self.likes.numbers_of(rows.column("language").take(pa.array(first)))
        likes = replace(likes_of(rows, actors, targets, first), language=languages)
        numbers[first] = self._keep(rows, likes, events[first], first, shown)
        numbers[again] = self.likes.find(events[again])
        kept = again[numbers[again] != NONE]
        self.likes.reweigh(numbers[kept], rows.column("weight").to_numpy()[kept])
        # Of this frame's own likes those that came before the unlike.
        self.likes.take_back(actors[unlikes], targets[unlikes], base + np.searchsorted(first, unlikes))
        if (bought := (action == BUY) & ~correction).any():
            self._take_buys(rows.filter(pa.array(bought)))
        others = (action != LIKE) & (action != UNLIKE) & ~correction & (rows.column("weight").to_numpy() > 0)
        self.counters["other_actions"] += int(others.sum())
        self.counters["joined_likes"] += int((~correction).sum())
        self.counters["corrected_likes"] += len(kept)
        self.counters["unlikes"] += len(unlikes)
        said = np.sort(np.concatenate([first, kept, unlikes]))
        known = said[self.likes.touch(actors[said], self.step, self.clock)]
        users = rows.column("actor_id").take(pa.array(known)).unique().to_pylist()
        self.effects = Effects(users=users, sent_at=rows.column("sent_at").to_numpy()[first])
        return self._said(rows.take(pa.array(said)), numbers[said])

    def _keep(self, rows: pa.RecordBatch, likes: Likes, events: U64, which: I64, shown: Shown) -> I64:
        """Likes that come for the first time, those of the rows `which`, with their bits. Returns their numbers."""
        came_from = self._came_from(likes)
        likes = replace(likes, slate=came_from.slate)
        found = bits.following(self._mixture, likes, shown, came_from)
        likes = self._twins.following(likes, shown)
        was_shown = came_from.showed.copy()
        was_shown[found.at] = found.was_shown
        withheld = np.where(came_from.known, ~came_from.showed, self._was_withheld(likes))
        flags = {"anticipated": anticipated(rows)[which], "was_shown": was_shown, "withheld": withheld}
        numbers = self.likes.append(events, likes, found, flags)
        self.likes.name(likes.actor, rows.column("actor_id").take(pa.array(which)))
        if rows.num_rows:
            self.model = rows.column("model")[rows.num_rows - 1].as_py()
        self.counters["choice_likes"] += len(which)
        self.counters["forecast_likes"] += len(found.at)
        return numbers

    def _take_buys(self, rows: pa.RecordBatch) -> None:
        """A buy is what it is, whatever its buyer is called later."""
        buys = buys_of(rows)
        self.buys.append(buys)
        self.counters["buys"] += len(buys)

    def _came_from(self, likes: Likes) -> CameFrom:
        """Of what is known by now: the others fall back to the latest slates."""
        naming = np.flatnonzero(likes.slate != NO_SLATE)
        found = CameFrom(np.full(len(likes), NO_SLATE), np.zeros(len(likes), np.bool_))
        if len(naming):
            ones = likes.take(naming)
            slots = self._slates_seen.find(ones.slate.view(np.uint64))
            first = np.where(slots >= 0, self._slates_seen["item"][slots], NONE)
            of = named_slates.among(ones, self.slates.rows, first, self._slates_seen["touched"][slots])
            found.slate[naming], found.showed[naming] = of.slate, of.showed
            self.counters["likes_naming_slates"] += len(naming)
            self.counters["likes_naming_unknown_slates"] += int((~of.known).sum())
        return found

    def _was_withheld(self, likes: Likes) -> Bools:
        slots = self._withheld.find(mix(likes.actor, likes.target))
        at = np.where(slots >= 0, self._withheld["touched"][slots], -ATTRIBUTION_MS)
        found: Bools = (slots >= 0) & (at <= likes.time) & (likes.time <= at + ATTRIBUTION_MS)
        return found

    def _said(self, rows: pa.RecordBatch, numbers: I64) -> list[Output]:
        """Choices of these rows; unlikes have no number. A later row of an event replaces an earlier one."""
        if not rows.num_rows:
            return []
        like = numbers != NONE
        known = like & self.likes.values("forecast", numbers)
        weight = np.where(like, self.likes.values("weight", numbers), rows.column("weight").to_numpy())
        columns = [rows.column(name) for name in _AS_THEY_CAME]
        columns.append(pa.array(weight))
        for names, there in ((PARTS, known), (("anticipated", "was_shown", "withheld"), like)):
            columns += [pa.array(self.likes.values(name, numbers), mask=~there) for name in names]
        columns.append(rows.column("model"))
        batch = pa.RecordBatch.from_arrays(columns, schema=schemas.CHOICES)
        lineage = Lineage(STAGE, self.partition, self.step, self.clock)
        return to_outputs(Frame("choices", batch, lineage), CHOICES, self.partition)

    def _forget(self, frame: Frame) -> list[Output]:
        request = forgetting.of_frame(frame)
        actors = hash_strings(pa.array(request.user_ids, pa.string()))
        items, withheld = self.slates.forget(actors)
        removed = {"likes": self.likes.forget(actors), "buys": self.buys.forget(actors), "shown_items": items}
        self._withheld.drop(withheld)
        self._mixture.forget(actors)
        self._twins.forget(actors)
        self.effects = Effects(forgotten=request.user_ids, request_id=request.request_id, removed=removed)
        gone = (Output(CHOICE_REPORTS, b"", self.partition, user.encode(), tombstone=True) for user in request.user_ids)
        return list(gone)

    def reports(self, users: list[str]) -> list[bytes]:
        """Each one's choice report: messages of choice-reports.v1."""
        actors = hash_strings(pa.array(users, pa.string()))
        last_said = self.likes.last_said(actors)
        # Most were last said something of at one moment.
        as_of = {clock: rfc3339(clock) for clock in {clock for _, clock in last_said}}
        rows = zip(users, self.likes.people(actors), last_said, strict=True)
        return [
            msgspec.json.encode(
                {
                    "user_id": user,
                    "as_of": as_of[clock],
                    "source_offset": step,
                    "model": self.model,
                    **person.described(),
                }
            )
            for user, person, (step, clock) in rows
        ]

    def users(self) -> list[str]:
        """All who have a report."""
        return list(self.likes.names.values())

    def kept(self) -> Kept:
        """The log as it is now."""
        likes, shown, buys = (held.rows.copied() for held in (self.likes, self.slates, self.buys))
        # What twins had to learn from besides likes.
        others = self.counters["other_actions"] if self._twins.run else None
        return Kept(likes, shown, tuple(self.slates.policies), self.clock, buys, tuple(self.likes.languages), others)

    def snapshot(self) -> Arrays:
        return {
            **self.likes.snapshot(),
            **self.slates.snapshot(),
            **self.buys.snapshot(),
            **self._mixture.snapshot(),
            **self._twins.snapshot(),
            **self._slates_seen.snapshot("seen"),
            **self._withheld.snapshot("withheld"),
            "choice": np.array([self.clock, self.step]),
            "model": pack([self.model]),
        }

    def restore(self, arrays: Arrays) -> None:
        self.likes.restore(arrays)
        self.slates.restore(arrays)
        self.buys.restore(arrays)
        self._mixture.restore(arrays)
        self._twins.restore(arrays)
        # A snapshot of before does not say where slates begin: likes that name them fall back.
        self._slates_seen.restore("seen", {"seen.item": np.full(len(arrays["seen.key"]), NONE), **arrays})
        self._withheld.restore("withheld", arrays)
        self.clock, self.step = arrays["choice"].tolist()
        (self.model,) = unpack(arrays["model"])
