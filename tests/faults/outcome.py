"""What a run ended with, read from where users read it, and how it differs from what it must be."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq

from services.predictor.publishing import Basis, Documents
from services.predictor.task import PredictorTask
from shared import redis_connection, redis_keys
from shared.labels import LABELS
from shared.settings import ServiceSettings
from shared.topics import CAMPAIGNS, LIKES_REJECTED, PREFERENCES, TRUSTED_LIKES, VERDICTS
from tests import choice_outcome
from tests.charts_outcome import ChartsOutcome
from tests.choice_outcome import ChoiceOutcome
from tests.faults.log import Log
from tests.topics import read_frames, read_topic

Weight = tuple[float, int]


@dataclass
class Outcome:
    """Everything by name, so that two runs can be compared."""

    verdicts: dict[str, tuple[str, float, int]] = field(default_factory=dict)
    campaigns: set[tuple[tuple[str, ...], int]] = field(default_factory=set)
    # Each like's last weight and label, and how often it came as new after repetitions were left out.
    weights: dict[str, Weight] = field(default_factory=dict)
    first_times: Counter[str] = field(default_factory=Counter)
    target_of: dict[str, str] = field(default_factory=dict)
    rows: Counter[tuple[str, int]] = field(default_factory=Counter)
    exported: Counter[tuple[str, int]] = field(default_factory=Counter)
    exported_weights: dict[str, Weight] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    label_counts: dict[str, int] = field(default_factory=dict)
    target_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    # Of each user: its ranking in Redis and what it follows from.
    rankings: dict[str, dict[str, Any]] = field(default_factory=dict)
    preferences: dict[str, dict[str, Any]] = field(default_factory=dict)
    # The same, by an undisturbed predictor over the very same trusted-likes.v1.
    expected_rankings: dict[str, dict[str, Any]] = field(default_factory=dict)
    # What was said of choices, and what an undisturbed predictor and choice service say over the same logs.
    choice: ChoiceOutcome = field(default_factory=ChoiceOutcome)
    expected_choice: ChoiceOutcome = field(default_factory=ChoiceOutcome)
    choice_reports: dict[str, Any] = field(default_factory=dict)
    charts: ChartsOutcome = field(default_factory=ChartsOutcome)
    expected_charts: ChartsOutcome = field(default_factory=ChartsOutcome)
    repetitions: int = 0


def read(settings: ServiceSettings, export: Path, charts: tuple[ChartsOutcome, ChartsOutcome]) -> Outcome:
    """Of a platform that is at rest and whose Redis was filled anew from the predictors' state. `charts`: as found
    while it still ran, since they are said now and then, and as expected.
    """
    return asyncio.run(_read(settings, export, charts))


async def _read(settings: ServiceSettings, export: Path, charts: tuple[ChartsOutcome, ChartsOutcome]) -> Outcome:
    found = Outcome(charts=charts[0], expected_charts=charts[1])
    revisions: dict[str, int] = {}
    for record in await read_topic(settings, VERDICTS, settings.partitions):
        verdict = msgspec.json.decode(record.value)
        identifier, revision = verdict["verdict_id"], verdict["revision"]
        if revision > revisions.get(identifier, 0) and not identifier.startswith("closing"):
            revisions[identifier] = revision
            found.verdicts[identifier] = (verdict["label"], verdict["human_probability"], verdict["likes"])
    await _campaigns(settings, found)
    await _trusted_likes(settings, found)
    for record in await read_topic(settings, LIKES_REJECTED):
        found.rejected[dict(record.headers)["truelike-source"].decode()] += 1
    newest = {record.key: record.value for record in await read_topic(settings, PREFERENCES, settings.partitions)}
    found.preferences = {key.decode(): msgspec.json.decode(value) for key, value in newest.items()}
    rows = pq.read_table(export, partitioning="hive", columns=["event_id", "revision", "human_probability", "label"])
    latest: dict[str, tuple[int, float, int]] = {}
    for row in rows.to_pylist():
        found.exported[row["event_id"], row["revision"]] += 1
        if row["revision"] >= latest.get(row["event_id"], (-1, 0.0, 0))[0]:
            latest[row["event_id"]] = (row["revision"], row["human_probability"], LABELS.index(row["label"]))
    found.exported_weights = {k: v[1:] for k, v in latest.items()}
    await _redis(settings, found)
    found.choice, _ = await choice_outcome.read(settings)
    found.expected_choice, _ = await choice_outcome.undisturbed(settings)
    found.choice_reports = await choice_outcome.reports_in_topic(settings)
    return found


async def _campaigns(settings: ServiceSettings, found: Outcome) -> None:
    latest = {}
    for record in await read_topic(settings, CAMPAIGNS):
        if record.value is not None:
            campaign = msgspec.json.decode(record.value)
            latest[campaign["campaign_id"]] = campaign
    live = [c for c in latest.values() if c["merged_into"] is None and not c["withdrawn"]]
    found.campaigns = {(tuple(c["actors"]), c["actor_count"]) for c in live}


async def _trusted_likes(settings: ServiceSettings, found: Outcome) -> None:
    """Weights, and the predictions of an undisturbed predictor."""
    predictor = PredictorTask(settings.partitions)
    frames, found.repetitions = await read_frames(settings, TRUSTED_LIKES)
    for offset, frame in frames:
        predictor.process(frame, offset)
        columns = ("event_id", "revision", "human_probability", "label", "target_id")
        for event_id, revision, probability, label, target in zip(
            *(frame.batch.column(c).to_pylist() for c in columns), strict=True
        ):
            found.rows[event_id, revision] += 1
            found.first_times[event_id] += revision == 0
            found.weights[event_id] = (probability, label)
            found.target_of[event_id] = target
    users = np.flatnonzero(predictor.present[: len(predictor.share_of)])
    basis, documents = Basis(0, predictor.as_of, predictor.model.probabilities()), Documents()
    for start in range(0, len(users), 4096):
        rankings = predictor.model.ranked(users[start : start + 4096])
        for record in map(msgspec.json.decode, documents.of_topic(basis, predictor.model, rankings)):
            found.expected_rankings[record["user_id"]] = ranking_of(record)


def ranking_of(record: dict[str, Any]) -> dict[str, Any]:
    """Of a record as in preferences.v1: what may not depend on when it was written."""
    items = {p["target_id"]: p["probability"] for p in record["predictions"]}
    return {"items": items, "because": [p["because"] for p in record["predictions"]]}


async def _redis(settings: ServiceSettings, found: Outcome) -> None:
    redis: Any = redis_connection.connect(settings)
    try:
        found.label_counts = {k.decode(): int(v) for k, v in (await redis.hgetall(redis_keys.LABEL_COUNTS)).items()}
        async for key in redis.scan_iter(f"{redis_keys.target('')}*", count=1000):
            counts = {k.decode(): int(v) for k, v in (await redis.hgetall(key)).items() if int(v)}
            found.target_counts[key.decode().removeprefix(redis_keys.target(""))] = counts
        async for key in redis.scan_iter(f"{redis_keys.predictions('')}*", count=1000):
            document = json.loads(await redis.get(key))
            items = dict(zip(document["targets"], document["probabilities"], strict=True))
            user = key.decode().removeprefix(redis_keys.predictions(""))
            found.rankings[user] = {"items": items, "because": document["because"]}
    finally:
        await redis.aclose()


@dataclass
class Difference:
    """`lost`: what should be there and is not; `doubled`: what counts more than once; `wrong`: sentences."""

    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)

    def compare(self, what: str, found: Any, expected: Any) -> None:
        if found == expected:
            return
        detail = f"{found!r:.200} instead of {expected!r:.200}"
        if isinstance(found, dict) and isinstance(expected, dict):
            keys = [k for k in {**expected, **found} if found.get(k) != expected.get(k)]
            examples = ", ".join(f"{k}: {found.get(k)!r:.120} instead of {expected.get(k)!r:.120}" for k in keys[:2])
            detail = f"{len(keys):,} of {len(expected):,} differ: {examples}"
        if isinstance(found, set) and isinstance(expected, set):
            extra, missing = sorted(found - expected), sorted(expected - found)
            detail = f"{len(extra):,} too many: {extra[:2]!r:.300}; {len(missing):,} missing: {missing[:2]!r:.300}"
        self.wrong.append(f"{what}: {detail}")


def check(log: Log, found: Outcome, counters: dict[str, float], partitions: int) -> Difference:
    """Every fed message is accounted for once, and all places that users read agree with each other."""
    difference = Difference()
    trusted = log.trusted | {f"closing-{p}" for p in range(partitions)}
    for seen in (found.first_times, Counter(k for k, revision in found.exported if revision == 0)):
        difference.lost += len(trusted - {k for k, n in seen.items() if n})
        difference.doubled += sum(n - 1 for n in seen.values() if n > 1) + len(set(seen) - trusted)
    difference.doubled += sum(n - 1 for n in found.exported.values() if n > 1)
    difference.lost += max(0, log.rejected - len(found.rejected))
    difference.doubled += max(0, len(found.rejected) - log.rejected)
    accepted = len(trusted) + log.late
    for name, expected in {
        "ingest/received_total": len(log) + partitions,
        "ingest/accepted_total": accepted,
        "ingest/rejected_total": log.rejected,
        "ingest/duplicates_total": log.duplicates,
        "actor/likes_total": accepted,
        "actor/late_likes_total": log.late,
        "verdict/judged_likes_total": len(trusted),
        "predictor/predictor_likes_total": len(trusted),
        "exporter/exported_likes_total": len(trusted),
        "ingest/slates_received_total": len(log.slates),
        "ingest/slates_accepted_total": len(log.slates) - log.slates_twice,
        "ingest/slates_duplicates_total": log.slates_twice,
        "choice/joined_likes_total": len(trusted),
        "choice/shown_items_total": log.items,
        "charts/charts_likes_total": len(trusted),
    }.items():
        difference.compare(name, counters.get(name), expected)
    difference.compare("Parquet rows", dict(found.exported), dict(found.rows))
    difference.compare("Parquet weights", found.exported_weights, found.weights)
    labels: Counter[str] = Counter()
    targets: dict[str, Counter[str]] = {}
    for event_id, (_, label) in found.weights.items():
        labels[LABELS[label]] += 1
        targets.setdefault(found.target_of[event_id], Counter())[LABELS[label]] += 1
    difference.compare("likes by label in Redis", {k: v for k, v in found.label_counts.items() if v}, dict(labels))
    difference.compare("likes by target in Redis", found.target_counts, {k: dict(v) for k, v in targets.items()})
    difference.compare("predictions in Redis", found.rankings, found.expected_rankings)
    stated = {user: ranking_of(record) for user, record in found.preferences.items()}
    difference.compare("preferences.v1", stated, found.expected_rankings)
    difference.wrong += found.choice.differences(found.expected_choice)
    difference.compare("choice-reports.v1", found.choice_reports, found.expected_choice.reports)
    for name, charts, expected in found.charts.beside(found.expected_charts):
        difference.compare(name, charts, expected)
    return difference


def same_as(undisturbed: Outcome, found: Outcome, difference: Difference) -> None:
    """Against another run over the same log."""
    # Whether somebody was suspected for a moment depends on when it was looked; what was overturned is as if unsaid.
    standing = [{k: v for k, v in one.verdicts.items() if v[0] != "human"} for one in (found, undisturbed)]
    difference.compare("verdicts", *standing)
    difference.compare("trusted likes", found.weights, undisturbed.weights)
    difference.compare("likes by label", found.label_counts, undisturbed.label_counts)
    difference.compare("campaigns (actors listed, how many)", found.campaigns, undisturbed.campaigns)
