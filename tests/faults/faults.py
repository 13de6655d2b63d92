"""The faults. Each happens to a running platform while likes flow, and returns how long it took to recover (s)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from redis import Redis as BlockingRedis

from tests.faults.ground import Ground
from truelike.cli.stack import SERVICES

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


Fault = Callable[[Ground, int], Iterator[Happened]]


def wait(reached: Callable[[], bool], what: str, seconds: float = RECOVER_SECONDS) -> float:
    """Seconds until then. Raises RuntimeError where that takes longer than `seconds`."""
    began = time.monotonic()
    while not reached():
        if time.monotonic() - began > seconds:
            raise RuntimeError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - began


def breathe(ground: Ground) -> None:
    time.sleep(ground.random.uniform(0.5, 1.5) * BREATH_SECONDS)


def _until_past(ground: Ground, name: str, label: str, before: float) -> float:
    """Until the new process is ready and has done all that the old one had."""
    # The console's count begins anew; its place is in Redis, and ready means that it reads on from there.
    target = 0.0 if name == "console" else before
    return wait(
        lambda: ground.ready(label) and ground.work_of(name, label) >= target,
        f"{label} does not get to {target:,.0f} {name} likes",
    )


def kills(ground: Ground, times: int) -> Iterator[Happened]:
    """SIGKILL at random moments, each service in turn in a random order."""
    names: list[str] = []
    for _ in range(times):
        names = names or ground.random.sample(SERVICES, len(SERVICES))
        name = names.pop()
        yield Happened(f"kill -9 {name}", _replace(ground, name, ground.stack.kill))


def terms(ground: Ground, times: int) -> Iterator[Happened]:
    """SIGTERM: the process leaves in good order, another comes."""

    def stop(label: str) -> None:
        (code,) = ground.stack.stop(label).values()
        if code != 0:
            raise RuntimeError(f"{label} ended with {code} after SIGTERM")

    for name in ground.random.sample(SERVICES, len(SERVICES))[:times]:
        yield Happened(f"SIGTERM {name}", _replace(ground, name, stop))


def _replace(ground: Ground, name: str, end: Callable[[str], None]) -> float:
    """End a service's one process and start another; returns the seconds until that has done what the old one had."""
    breathe(ground)
    (label,) = ground.labels[name]
    before = ground.work(name)
    began = time.monotonic()
    end(label)
    new = ground.restart(name, label)
    _until_past(ground, name, new, before)
    return time.monotonic() - began


def pauses(ground: Ground, times: int) -> Iterator[Happened]:
    """SIGSTOP for longer than the session: another worker takes over, then the paused one wakes up."""
    names = [n for n in SERVICES if n != "console"]
    for name in names:
        # The exporter's second worker stands by, with nothing to do until the first is gone.
        (ground.stack.wait_listening if name == "exporter" else ground.stack.wait_ready)(ground.add(name))
    for turn in range(times):
        name = names[turn % len(names)]
        breathe(ground)
        before = ground.work(name)
        # The one that works: of the exporter's two, one waits.
        label = max(ground.labels[name], key=lambda one: ground.work_of(name, one))
        process = ground.stack.processes[label]
        os.kill(process.pid, signal.SIGSTOP)
        began = time.monotonic()
        others = [one for one in ground.labels[name] if one != label]
        wait(partial(_works_beyond, ground, name, others, before), f"nobody took over from {label}")
        recovered = time.monotonic() - began
        time.sleep(max(0.0, PAUSE_SECONDS - recovered))
        os.kill(process.pid, signal.SIGCONT)
        time.sleep(BREATH_SECONDS)
        yield Happened(f"SIGSTOP {name}", recovered)


def workers(ground: Ground, times: int) -> Iterator[Happened]:
    """Workers of ingest, detector and predictor from one or two to four, then down to two."""
    for _ in range(times):
        began = time.monotonic()
        names = ("ingest", "detector", "predictor")
        for name in names:
            while len(ground.labels[name]) < 4:
                ground.add(name)
        ground.stack.wait_ready(*(label for name in names for label in ground.labels[name]), timeout=180)
        yield Happened("workers to 4", time.monotonic() - began)
        breathe(ground)
        before = {name: ground.work(name) for name in names}
        began = time.monotonic()
        for name in names:
            killed, left = ground.labels[name][:2]
            ground.stack.kill(killed)
            ground.stack.stop(left)
            ground.labels[name] = ground.labels[name][2:]
        for name in names:
            reached = partial(_works_beyond, ground, name, ground.labels[name], before[name] - 1)
            wait(reached, f"{name}: work of two that are gone is not taken over")
        yield Happened("workers to 2", time.monotonic() - began)


def _works_beyond(ground: Ground, name: str, labels: list[str], before: float) -> bool:
    return sum(ground.work_of(name, label) for label in labels) > before


def _is_filled(client: BlockingRedis) -> bool:
    return client.dbsize() > 100


def _working(ground: Ground) -> bool:
    return all(ground.ready(label) for labels in ground.labels.values() for label in labels)


def _turned(ground: Ground, check: str, name: str) -> float:
    """Seconds until a worker's `/readyz` says that `check` fails."""
    label = ground.labels[name][0]
    return wait(lambda: check in ground.failing(label), f"/readyz of {label} does not turn", 15)


def broker(ground: Ground, times: int) -> Iterator[Happened]:
    """The only broker is restarted: in good order, then by SIGKILL."""
    for turn in range(times):
        breathe(ground)
        kill = turn % 2 == 1
        (ground.kafka.kill_broker if kill else ground.kafka.stop_broker)(0)
        turned = _turned(ground, "broker", "ingest")
        yield Happened("/readyz after losing the broker", turned)
        ground.kafka.start_broker(0)
        ground.kafka.wait_for_broker(0)
        yield Happened("broker killed" if kill else "broker restarted", wait(partial(_working, ground), "broker"))


def leader(ground: Ground, times: int) -> Iterator[Happened]:
    """One of three brokers is lost, another one each time: each leads a third of the partitions."""
    for turn in range(times):
        breathe(ground)
        number = turn % len(ground.kafka.ports)
        before = ground.work("ingest")
        ground.kafka.kill_broker(number)
        recovered = wait(
            partial(_works_beyond, ground, "ingest", ground.labels["ingest"], before), "a lost broker of three"
        )
        recovered += wait(partial(_working, ground), "a lost broker of three")
        yield Happened("one broker of three killed", recovered)
        ground.kafka.start_broker(number)
        ground.kafka.wait_for_broker(number)
        time.sleep(5)


def redis(ground: Ground, times: int) -> Iterator[Happened]:
    """Redis dies and comes back with what its log has; then it is emptied."""
    for turn in range(times):
        breathe(ground)
        if turn % 2 == 0:
            ground.redis.kill()
            yield Happened("/readyz after losing Redis", _turned(ground, "redis", "predictor"))
            ground.redis.start()
            yield Happened("Redis killed", wait(partial(_working, ground), "Redis"))
        else:
            with BlockingRedis.from_url(ground.redis.url) as client:
                client.flushall()
                yield Happened("Redis emptied", wait(partial(_is_filled, client), "Redis stays empty"))


def disk(ground: Ground, times: int) -> Iterator[Happened]:
    """The exporter's disk (a small tmpfs) is full for a while."""
    for _ in range(times):
        breathe(ground)
        filler = ground.disk / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(b"\0" * (1 << 20))
                    file.flush()
            except OSError:
                pass
        yield Happened("/readyz after the disk is full", _turned(ground, "disk", "exporter"))
        time.sleep(BREATH_SECONDS)
        filler.unlink()
        yield Happened("full disk", wait(partial(_working, ground), "the exporter"))


def network(ground: Ground, times: int) -> Iterator[Happened]:
    """A second worker of each service whose way to the broker goes through a proxy: slow, then cut off."""
    names = ("ingest", "detector", "predictor", "exporter")
    through = {"KAFKA_BOOTSTRAP_SERVERS": ground.kafka.proxied_servers}
    for name in names:
        # Of four partitions two workers have two each; a third would stand by.
        while len(ground.labels[name]) > 1:
            ground.stack.stop(ground.labels[name].pop())
        label = ground.add(name, **through)
        (ground.stack.wait_listening if name == "exporter" else ground.stack.wait_ready)(label)
    # The exporter's first worker leaves, so that the one behind the proxy has the partition.
    first = ground.labels["exporter"].pop(0)
    ground.stack.stop(first)
    for turn in range(times):
        breathe(ground)
        if turn % 2 == 0:
            for proxy in ground.proxies:
                proxy.slow(0.15)
            time.sleep(NETWORK_SECONDS)
            for proxy in ground.proxies:
                proxy.heal()
            yield Happened("slow network", wait(partial(_working, ground), "after a slow network"))
        else:
            for proxy in ground.proxies:
                proxy.cut()
            time.sleep(NETWORK_SECONDS)
            for proxy in ground.proxies:
                proxy.heal()
            yield Happened("cut off", wait(partial(_working, ground), "after being cut off"))
