"""Accounts for likes: what was sent must be found at every stage, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.table import Table

from shared.frames import decode
from shared.topics import TRUSTED_LIKES
from truelike.cli.confusion import likes_by_label, read_truth, table_of
from truelike.cli.confusion import summary as confusion_table
from truelike.cli.stack import Metrics, latency_quantile


def losses(metrics: Metrics) -> list[str]:
    """A sentence for each stage that has not seen exactly what the stage before it passed on."""
    at = {name: int(metrics.get(name, 0)) for name in _COUNTERS}
    accepted = at["ingest/accepted_total"]
    judged = accepted - at["actor/late_likes_total"]
    checks = [
        ("received by ingest", at["simulator/acknowledged_messages_total"], at["ingest/received_total"]),
        (
            "accepted, rejected, duplicate or ignored",
            at["ingest/received_total"],
            accepted + sum(at[f"ingest/{name}_total"] for name in ("rejected", "duplicates", "ignored")),
        ),
        ("counted by actor", accepted, at["actor/likes_total"]),
        ("weighed", judged, at["verdict/judged_likes_total"]),
        ("predicted", judged, at["predictor/predictor_likes_total"]),
        ("slates taken in", at["simulator/simulated_slates_total"], at["ingest/slates_accepted_total"]),
        ("joined with what was shown", judged, at["choice/joined_likes_total"]),
        ("counted in charts", judged, at["charts/charts_likes_total"]),
        ("exported", judged, at["exporter/exported_likes_total"]),
    ]
    return [f"{what}: expected {want:,}, found {have:,}" for what, want, have in checks if want != have]


_COUNTERS = (
    "simulator/acknowledged_messages_total",
    "ingest/received_total",
    "ingest/accepted_total",
    "ingest/rejected_total",
    "ingest/duplicates_total",
    "ingest/ignored_total",
    "actor/likes_total",
    "actor/late_likes_total",
    "verdict/judged_likes_total",
    "predictor/predictor_likes_total",
    "exporter/exported_likes_total",
    "choice/joined_likes_total",
    "charts/charts_likes_total",
    "simulator/simulated_slates_total",
    "ingest/slates_accepted_total",
)


async def confusion(bootstrap_servers: str, truth: Path) -> dict[str, Any]:
    """What every like ended with, beside what it truly was (`confusion.table_of`); and likes published for the first
    time twice.
    """
    ended: dict[str, tuple[int, float]] = {}
    doubled = 0
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap_servers, enable_auto_commit=False, max_partition_fetch_bytes=4 << 20
    )
    await consumer.start()
    try:
        place = TopicPartition(TRUSTED_LIKES, 0)
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    likes = decode(record.value)
                    rows = zip(*(likes.column(c).to_pylist() for c in _ENDED), strict=True)
                    for event_id, label, weight, revision in rows:
                        doubled += revision == 0 and event_id in ended
                        ended[event_id] = label, weight
    finally:
        await consumer.stop()
    # Likes that somebody else sent meanwhile have no truth here.
    known = read_truth(truth)
    rows_of_ours = ((event, *what) for event, what in ended.items() if event in known.kinds)
    return {"doubled": doubled, **table_of(known, rows_of_ours)}


_ENDED = ("event_id", "label", "human_probability", "revision")


def report(metrics: Metrics, found: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What `demo-report.json` says."""
    lost = losses(metrics)
    if found["doubled"]:
        lost.append(f"{found['doubled']:,} likes were published twice as new")
    judged = int(metrics.get("verdict/judged_likes_total", 0))
    scored = int(metrics.get("predictor/scored_likes_total", 0))
    return {
        "seconds": round(seconds, 1),
        "sent": int(metrics.get("simulator/acknowledged_messages_total", 0)),
        "accepted": int(metrics.get("ingest/accepted_total", 0)),
        "rejected": int(metrics.get("ingest/rejected_total", 0)),
        "duplicates": int(metrics.get("ingest/duplicates_total", 0)),
        "late": int(metrics.get("actor/late_likes_total", 0)),
        "slates": int(metrics.get("ingest/slates_accepted_total", 0)),
        "judged": judged,
        "verdicts": int(metrics.get("verdict/verdicts_total", 0)),
        "predicted": int(metrics.get("predictor/predictor_likes_total", 0)),
        "likes_per_second": round(judged / seconds, 1),
        "latency_seconds": {
            "to_provisional_weight": {
                q: latency_quantile(metrics, "verdict", v) for q, v in (("p50", 0.5), ("p99", 0.99))
            },
            "to_prediction_in_redis": {
                q: latency_quantile(metrics, "predictor", v) for q, v in (("p50", 0.5), ("p99", 0.99))
            },
            "to_choice_report": {q: latency_quantile(metrics, "choice", v) for q, v in (("p50", 0.5), ("p99", 0.99))},
        },
        "anticipated": {
            "scored": scored,
            "hit@10": round(metrics.get("predictor/hits_at_10_total", 0) / max(scored, 1), 4),
            "hit@20": round(metrics.get("predictor/hits_at_20_total", 0) / max(scored, 1), 4),
        },
        "confusion": likes_by_label(found),
        "by_kind": found["by_kind"],
        "actors": found["actors"],
        "losses": lost,
    }


def summary(found: dict[str, Any]) -> Table:
    """Truth against label, a row a kind."""
    latencies = (found["latency_seconds"][to]["p99"] for to in ("to_provisional_weight", "to_choice_report"))
    p99, report_p99 = ("unknown" if seconds is None else f"{seconds:.2f} s" for seconds in latencies)
    title = (
        f"{found['accepted']:,} likes accepted, {found['rejected']:,} rejected, {found['duplicates']:,} duplicates; "
        f"{found['likes_per_second']:,.0f} likes/s; p99 to weight {p99}, to a choice report {report_p99}"
    )
    return confusion_table(found, title)
