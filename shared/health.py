"""`/healthz`, `/readyz` and `/metrics`, the same for every service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from shared.latency import LatencyHistogram
from shared.loop_watch import LoopWatch

Labels = dict[str, str]


@dataclass(frozen=True)
class Sample:
    """One counter or gauge at this moment."""

    name: str
    value: float
    labels: Labels = field(default_factory=dict)
    kind: str = "counter"


@dataclass(frozen=True)
class Latency:
    name: str
    histogram: LatencyHistogram
    labels: Labels = field(default_factory=dict)


# What is checked -> None (fine) or what is wrong.
Checks = Callable[[], dict[str, str | None]]


class StallWatch:
    """Whether a process makes no progress although there is work.

    A process that waits for a dependency that is away does not stall: a restart would not help it.
    """

    STALLED_SECONDS: Final = 30.0

    def __init__(self) -> None:
        self._working_since: float | None = None

    def stalled(self, behind: int, progressed_at: float, missing: Iterable[str | None], now: float) -> str | None:
        """A sentence if `behind` messages have waited too long since work came and since the last progress (s)."""
        if behind == 0 or any(why is not None for why in missing):
            self._working_since = None
            return None
        if self._working_since is None:
            self._working_since = now
        silent = now - max(self._working_since, progressed_at)
        return f"{behind} messages wait, none processed for {silent:.0f} s" if silent > self.STALLED_SECONDS else None


class Health(Collector):
    """What a service tells about itself.

    `ready` names each dependency with None (fine) or what is wrong; `live` the same for progress, and `vital` for what
    only a new process mends: the process then ends with code 1. `samples` are read when somebody asks, from the state
    itself, so they can never disagree with it.
    """

    def __init__(
        self,
        service: str,
        ready: Checks,
        live: Checks,
        samples: Callable[[], Iterable[Sample | Latency]],
        vital: Checks = dict,
    ) -> None:
        self.service = service
        self.vital = vital
        self.loop = LoopWatch()
        self._ready, self._live, self._samples = ready, live, samples
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Any] = {}
        block = Sample("event_loop_longest_block_seconds", self.loop.longest, {}, "gauge")
        for item in (*self._samples(), block):
            labels = {"service": self.service, **item.labels}
            name = f"truelike_{item.name}"
            if isinstance(item, Latency):
                histogram = HistogramMetricFamily(name, item.name, labels=list(labels))
                buckets = [
                    (f"{e / 1000:g}" if e != float("inf") else "+Inf", n) for e, n in item.histogram.cumulative()
                ]
                histogram.add_metric(list(labels.values()), buckets, item.histogram.sum_ms / 1000)
                families[name + str(labels)] = histogram
                continue
            family = CounterMetricFamily if item.kind == "counter" else GaugeMetricFamily
            metric = families.setdefault(name, family(name, item.name, labels=list(labels)))
            metric.add_metric(list(labels.values()), item.value)
        yield from families.values()

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/healthz", self._healthz, include_in_schema=False),
            Route("/readyz", self._readyz, include_in_schema=False),
            Route("/metrics", self._metrics, include_in_schema=False),
        ]

    async def _healthz(self, _: Request) -> Response:
        return self._answer(self._live() | self.vital())

    async def _readyz(self, _: Request) -> Response:
        return self._answer(self._ready())

    def _answer(self, checks: dict[str, str | None]) -> Response:
        fine = all(why is None for why in checks.values())
        body = {
            "service": self.service,
            "status": "ok" if fine else "failing",
            "checks": {name: why or "ok" for name, why in checks.items()},
        }
        return JSONResponse(body, status_code=200 if fine else 503)

    async def _metrics(self, _: Request) -> Response:
        return Response(generate_latest(self._registry), media_type="text/plain; version=0.0.4")
