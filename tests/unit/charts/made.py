"""Logs of trusted likes for tests of charts, and the charts that plain loops make of them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from services.charts.counts import ChartKey
from services.charts.limits import ChartLimits
from services.charts.periods import DAY_MS, HOUR_MS, KEPT_MS, LENGTH_MS, PERIODS, WEEK_MS, start_of
from services.charts.task import ChartsTask
from shared.events import ACTIONS, UNLIKE
from shared.frames import Frame
from shared.labels import BOT
from shared.schemas import FORGET, FORGET_REQUESTS, TRUSTED_LIKES
from tests.likes import START_MS

Rows = list[dict[str, Any]]
ROOMY = ChartLimits(entries=20_000, likes=2_000, segments=8, horizon_ms=52 * WEEK_MS)
SHARE = ACTIONS.index("share")


def like(number: int, actor: str, target: str, at_ms: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "occurred_at": START_MS + at_ms,
        "actor_id": actor,
        "target_id": target,
        "creator_id": f"by-{target}",
        "action": 0,
        "content_origin": 1,
        "surface": 1,
        "human_probability": 0.9,
        "label": 0,
        "revision": 0,
        **more,
    }


def correction(of: dict[str, Any], probability: float, label: int = 0) -> dict[str, Any]:
    before = {"previous_probability": of["human_probability"], "previous_label": of["label"]}
    return {**of, **before, "human_probability": probability, "label": label, "revision": of["revision"] + 1}


def unlike(number: int, of: dict[str, Any], at_ms: int) -> dict[str, Any]:
    bare = dict.fromkeys(("creator_id", "content_language", "topic", "previous_probability", "previous_label"))
    return {**of, **bare, "event_id": f"e{number}", "action": UNLIKE, "occurred_at": START_MS + at_ms}


def fed(log: list[Rows | list[str]], limits: ChartLimits = ROOMY, task: ChartsTask | None = None) -> ChartsTask:
    """Frames of rows, and of users to forget."""
    task = task or ChartsTask(0, limits)
    for number, frame in enumerate(log):
        if frame and isinstance(frame[0], str):
            users: Any = [{"user_id": user, "request_id": "r", "requested_at": 0} for user in frame]
            task.process(Frame(FORGET, pa.RecordBatch.from_pylist(users, FORGET_REQUESTS)), number)
        else:
            rows: Any = frame
            task.process(Frame("trusted-likes", pa.RecordBatch.from_pylist(rows, TRUSTED_LIKES)), number)
    return task


def charts_of(task: ChartsTask, size: int = 50) -> dict[ChartKey, dict[str, Any]]:
    """All that is said of all charts that have entries; how often it was said again is not part of it."""
    found = {key: task.chart(key, size) for key in task.counts.charts()}
    said = {key: chart.described() for key, chart in found.items() if chart is not None and chart.n}
    return {key: {**chart, "revision": 0} for key, chart in said.items()}


def plainly(log: Rows) -> dict[ChartKey, dict[str, tuple[list[int], float, list[int]]]]:
    """By chart and entry the likes by label, weight, and likes by origin of what stands at the end."""
    standing: dict[str, dict[str, Any]] = {}
    for row in log:
        if row["action"] == UNLIKE:
            pair = (row["actor_id"], row["target_id"])
            standing = {e: r for e, r in standing.items() if (r["actor_id"], r["target_id"]) != pair}
        elif row["action"] == 0 and (row.get("previous_probability") is None or row["event_id"] in standing):
            standing[row["event_id"]] = row
    clock = max((r["occurred_at"] for r in log if r.get("previous_probability") is None), default=0)
    found: dict[ChartKey, dict[str, tuple[list[int], float, list[int]]]] = defaultdict(dict)
    for row in standing.values():
        for kind, period in enumerate(PERIODS):
            start = start_of(period, row["occurred_at"])
            if start + LENGTH_MS[kind] + KEPT_MS[kind] <= clock:
                continue
            segments = [("all", ""), ("topic", row.get("topic"))]
            language = row.get("content_language")
            segments.append(("language", language and language.replace("_", "-").split("-")[0].lower()))
            for of, entry in (("target", row["target_id"]), ("creator", row["creator_id"])):
                for facet, segment in segments:
                    if segment is None or entry is None:
                        continue
                    key: Any = ChartKey(period, start, of, facet, segment)  # type: ignore[arg-type]
                    labels, weight, origins = found[key].get(entry, ([0] * 4, 0.0, [0] * 4))
                    labels[row["label"]] += 1
                    origins[row["content_origin"]] += 1
                    weight += row["human_probability"] if row["label"] < BOT else 0.0
                    found[key][entry] = (labels, weight, origins)
    return found


@st.composite
def logs(draw: st.DrawFn, longest: int = 40) -> Rows:
    """Likes over some weeks, likes again, shares, unlikes, corrections; also of what was taken back."""
    log: Rows = []
    likes: Rows = []
    at = 0
    for number in range(draw(st.integers(1, longest))):
        at += draw(st.sampled_from([0, 60_000, HOUR_MS, 30 * HOUR_MS, 6 * DAY_MS]))
        what = draw(st.integers(0, 9))
        if what < 6 or not likes:
            back = draw(st.sampled_from([0, 0, 2 * HOUR_MS, 60 * HOUR_MS]))
            row = like(
                number,
                f"u{draw(st.integers(0, 3))}",
                f"t{draw(st.integers(0, 5))}",
                at - back,
                creator_id=draw(st.sampled_from(["c1", "c2", None])),
                content_language=draw(st.sampled_from(["de-AT", "DE", "en_US", None])),
                topic=draw(st.sampled_from(["jazz", "folk", None])),
                content_origin=draw(st.integers(0, 3)),
                human_probability=draw(st.sampled_from([0.0, 0.25, 0.95, 1.0])),
                label=draw(st.integers(0, 3)),
            )
            likes.append(row)
        else:
            k = draw(st.integers(0, len(likes) - 1))
            if what < 8:
                row = correction(likes[k], draw(st.sampled_from([0.0, 0.5, 1.0])), draw(st.integers(0, 3)))
                likes[k] = row
            elif what == 8:
                row = unlike(number, likes[k], at)
            else:
                row = like(number, "u1", "t1", at, action=SHARE)
        log.append(row)
    return log
