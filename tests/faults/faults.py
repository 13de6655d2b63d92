"""The faults. Each happens to a running platform while likes flow, and returns how long it took to recover (s)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from redis import Redis as BlockingRedis

from tests.faults.fixture import Fixture
from truelike.cli.stack import SERVICES

# Of one partition: a second worker has nothing to do until the first is gone.
STANDING_BY = ("charts", "exporter")

RECOVER_SECONDS = 120.0
# Longer than the group's session (6 s): the partitions have gone to another worker when this one wakes up.
PAUSE_SECONDS = 10.0
NETWORK_SECONDS = 10.0
BREATH_SECONDS = 2.0


@dataclass(frozen=True)
class Happened:
    """A fault that took place. `recovered`: seconds until work went on, None where nothing stood still."""

    fault: str
    recovered: float | None = None


Fault = Callable[[Fixture, int], Iterator[Happened]]


def wait(reached: Callable[[], bool], what: str, seconds: float = RECOVER_SECONDS) -> float:
    """Seconds until then. Raises RuntimeError where that takes longer than `seconds`."""
    began = time.monotonic()
    while not reached():
        if time.monotonic() - began > seconds:
            raise RuntimeError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began


def breathe(fixture: Fixture) -> None:
    time.sleep(fixture.random.uniform(0.5, 1.5) * BREATH_SECONDS)


def _until_past(fixture: Fixture, name: str, label: str, before: float) -> float:
    """Until the new process is ready and has done all that the old one had."""
    # The console's count begins anew; its place is in Redis, and ready means that it reads on from there.
    target = 0.0 if name == "console" else before
    return wait(
        lambda: fixture.ready(label) and fixture.work_of(name, label) >= target,
        f"{label} does not get to {target:,.0f} {name} likes",
    )


def kills(fixture: Fixture, times: int) -> Iterator[Happened]:
    """SIGKILL at random moments, each service in turn in a random order."""
    names: list[str] = []
    for _ in range(times):
        names = names or fixture.random.sample(SERVICES, len(SERVICES))
        name = names.pop()
        yield Happened(f"kill -9 {name}", _replace(fixture, name, fixture.stack.kill))


def terms(fixture: Fixture, times: int) -> Iterator[Happened]:
    """SIGTERM: the process leaves in good order, another comes."""

    def stop(label: str) -> None:
        (code,) = fixture.stack.stop(label).values()
        if code != 0:
            raise RuntimeError(f"{label} ended with {code} after SIGTERM")

    for name in fixture.random.sample(SERVICES, len(SERVICES))[:times]:
        yield Happened(f"SIGTERM {name}", _replace(fixture, name, stop))


def _replace(fixture: Fixture, name: str, end: Callable[[str], None]) -> float:
    """End a service's one process and start another; returns the seconds until that has done what the old one had."""
    breathe(fixture)
    (label,) = fixture.labels[name]
    before = fixture.work(name)
    began = time.monotonic()
    end(label)
    new = fixture.restart(name, label)
    _until_past(fixture, name, new, before)
    return time.monotonic() - began


def pauses(fixture: Fixture, times: int) -> Iterator[Happened]:
    """SIGSTOP for longer than the session: another worker takes over, then the paused one wakes up."""
    names = [n for n in SERVICES if n != "console"]
    added = {name: fixture.add(name) for name in names}
    fixture.stack.wait_listening(*(added[name] for name in STANDING_BY))
    fixture.stack.wait_ready(*(label for name, label in added.items() if name not in STANDING_BY))
    for turn in range(times):
        name = names[turn % len(names)]
        breathe(fixture)
        before = fixture.work(name)
        # The one that works: of some there is one that waits.
        label = max(fixture.labels[name], key=lambda one: fixture.work_of(name, one))
        process = fixture.stack.processes[label]
        os.kill(process.pid, signal.SIGSTOP)
        began = time.monotonic()
        others = [one for one in fixture.labels[name] if one != label]
        wait(partial(_works_beyond, fixture, name, others, before), f"nobody took over from {label}")
        recovered = time.monotonic() - began
        time.sleep(max(0.0, PAUSE_SECONDS - recovered))
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(BREATH_SECONDS)
        yield Happened(f"SIGSTOP {name}", recovered)


def workers(fixture: Fixture, times: int) -> Iterator[Happened]:
    """Workers of ingest, detector and predictor from one or two to four, then down to two."""
    for _ in range(times):
        began = time.monotonic()
        names = ("ingest", "detector", "predictor")
        for name in names:
            while len(fixture.labels[name]) < 4:
                fixture.add(name)
        fixture.stack.wait_ready(*(label for name in names for label in fixture.labels[name]), timeout=180)
        yield Happened("workers to 4", time.monotonic() - began)
        breathe(fixture)
        before = {name: fixture.work(name) for name in names}
        began = time.monotonic()
        for name in names:
            killed, left = fixture.labels[name][:2]
            fixture.stack.kill(killed)
            fixture.stack.stop(left)
            fixture.labels[name] = fixture.labels[name][2:]
        for name in names:
            reached = partial(_works_beyond, fixture, name, fixture.labels[name], before[name] - 1)
            wait(reached, f"{name}: work of two that are gone is not taken over")
        yield Happened("workers to 2", time.monotonic() - began)


def _works_beyond(fixture: Fixture, name: str, labels: list[str], before: float) -> bool:
    return sum(fixture.work_of(name, label) for label in labels) > before


def _is_filled(client: BlockingRedis) -> bool:
    return client.dbsize() > 100


def _working(fixture: Fixture) -> bool:
    return all(fixture.ready(label) for labels in fixture.labels.values() for label in labels)


def _turned(fixture: Fixture, check: str, name: str) -> float:
    """Seconds until a worker's `/readyz` says that `check` fails."""
    label = fixture.labels[name][0]
    return wait(lambda: check in fixture.failing(label), f"/readyz of {label} does not turn", 15)


def broker(fixture: Fixture, times: int) -> Iterator[Happened]:
    """The only broker is restarted: in good order, then by SIGKILL."""
    for turn in range(times):
        breathe(fixture)
        kill = turn % 2 == 1
        (fixture.kafka.kill_broker if kill else fixture.kafka.stop_broker)(0)
        turned = _turned(fixture, "broker", "ingest")
        yield Happened("/readyz after losing the broker", turned)
        fixture.kafka.start_broker(0)
        fixture.kafka.wait_for_broker(0)
        yield Happened("broker killed" if kill else "broker restarted", wait(partial(_working, fixture), "broker"))


def leader(fixture: Fixture, times: int) -> Iterator[Happened]:
    """One of three brokers is lost, another one each time: each leads a third of the partitions."""
    for turn in range(times):
        breathe(fixture)
        number = turn % len(fixture.kafka.ports)
        before = fixture.work("ingest")
        fixture.kafka.kill_broker(number)
        recovered = wait(
            partial(_works_beyond, fixture, "ingest", fixture.labels["ingest"], before), "a lost broker of three"
        )
        recovered += wait(partial(_working, fixture), "a lost broker of three")
        yield Happened("one broker of three killed", recovered)
        fixture.kafka.start_broker(number)
        fixture.kafka.wait_for_broker(number)
        time.sleep(5)


def redis(fixture: Fixture, times: int) -> Iterator[Happened]:
    """Redis dies and comes back with what its log has; then it is emptied."""
    for turn in range(times):
        breathe(fixture)
        if turn % 2 == 0:
            fixture.redis.kill()
            yield Happened("/readyz after losing Redis", _turned(fixture, "redis", "predictor"))
            fixture.redis.start()
            yield Happened("Redis killed", wait(partial(_working, fixture), "Redis"))
        else:
            with BlockingRedis.from_url(fixture.redis.url) as client:
                client.flushall()
                yield Happened("Redis emptied", wait(partial(_is_filled, client), "Redis stays empty"))


def disk(fixture: Fixture, times: int) -> Iterator[Happened]:
    """The exporter's disk (a small tmpfs) is full for a while."""
    for _ in range(times):
        breathe(fixture)
        filler = fixture.disk / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(b"\0" * (1 << 20))
                    file.flush()
            except OSError:
                pass
        yield Happened("/readyz after the disk is full", _turned(fixture, "disk", "exporter"))
        time.sleep(BREATH_SECONDS)
        filler.unlink()
        yield Happened("full disk", wait(partial(_working, fixture), "the exporter"))


def network(fixture: Fixture, times: int) -> Iterator[Happened]:
    """A second worker of each service whose way to the broker goes through a proxy: slow, then cut off."""
    names = ("ingest", "detector", "predictor", *STANDING_BY)
    through = {"KAFKA_BOOTSTRAP_SERVERS": fixture.kafka.proxied_servers}
    for name in names:
        # Of four partitions two workers have two each; a third would stand by.
        while len(fixture.labels[name]) > 1:
            fixture.stack.stop(fixture.labels[name].pop())
        label = fixture.add(name, **through)
        (fixture.stack.wait_listening if name in STANDING_BY else fixture.stack.wait_ready)(label)
    # The first worker leaves, so that the one behind the proxy has the partition.
    for name in STANDING_BY:
        fixture.stack.stop(fixture.labels[name].pop(0))
    for turn in range(times):
        breathe(fixture)
        if turn % 2 == 0:
            for proxy in fixture.proxies:
                proxy.slow(0.15)
            time.sleep(NETWORK_SECONDS)
            for proxy in fixture.proxies:
                proxy.heal()
            yield Happened("slow network", wait(partial(_working, fixture), "after a slow network"))
        else:
            for proxy in fixture.proxies:
                proxy.cut()
            time.sleep(NETWORK_SECONDS)
            for proxy in fixture.proxies:
                proxy.heal()
            yield Happened("cut off", wait(partial(_working, fixture), "after being cut off"))
