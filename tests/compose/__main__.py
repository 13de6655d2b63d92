"""docker-compose.yml from its build to its end: likes through Kafka's port and over HTTP, processes added and killed,
everything stopped and started again, and every like accounted for.

python -m tests.compose          needs a Docker engine with Compose 2; builds the image; some minutes
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx
import msgspec
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from tests.compose import account, likes
from tests.compose.likes import Feeder
from tests.compose.stack import ComposeStack, missing_engine
from tests.quiescence import Quiescence

out = Console(width=110)
LIMIT_SECONDS = 720
HEALTHY_SECONDS = 240.0
WAIT_SECONDS = 120.0
# Until a window of five minutes has ended, and its end is known.
WINDOW_SECONDS = 330.0
# Of 50,000 likes: so many are of the minutes before, so many are given while processes are killed, the others after
# the restart.
EARLIER, LIVE, AFTER = 10_000, 35_000, 5_000
OVER_HTTP = 1_000
HTTP_BATCH = 100
# Likes a second: until the last fault has happened, and where nothing is waited for.
SLOW, FAST = 100.0, 5_000.0
BREATH_SECONDS = 3.0
# Actors who are asked for over the API.
ASKED = 10


@dataclass
class Report:
    """Phases with their seconds and what they counted."""

    rows: list[tuple[str, float, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[list[str]]:
        """What is appended to the list is said beside the name."""
        began, said = time.monotonic(), list[str]()
        try:
            yield said
        finally:
            self.rows.append((name, time.monotonic() - began, "; ".join(said)))
            out.print(f"{name}: {self.rows[-1][1]:.0f} s {self.rows[-1][2]}", highlight=False)

    def table(self) -> Table:
        table = Table(title="docker compose")
        for column in ("phase", "s", ""):
            table.add_column(column, justify="right" if column == "s" else "left")
        for name, seconds, said in self.rows:
            table.add_row(name, f"{seconds:.0f}", said)
        table.add_row("all", f"{sum(seconds for _, seconds, _ in self.rows):.0f}", "")
        return table


def until(reached: Callable[[], bool], what: str, seconds: float = WAIT_SECONDS) -> None:
    """Raises RuntimeError where that takes longer."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: not within {seconds:.0f} s")
        time.sleep(1)


def healthy(stack: ComposeStack) -> str:
    return f"{stack.wait_healthy(HEALTHY_SECONDS)} containers healthy"


def start(stack: ComposeStack, report: Report) -> None:
    with report.phase("build"):
        stack.compose("build")
    with report.phase("up, until all are healthy") as said:
        stack.compose("up", "--detach")
        said.append(healthy(stack))
    stack.read_token()


def send_over_http(stack: ComposeStack, events: list[dict[str, Any]]) -> int:
    """Likes of now, in several calls; how many were accepted. Raises RuntimeError where one is refused."""
    accepted = 0
    for begin in range(0, len(events), HTTP_BATCH):
        now = round(time.time() * 1000)
        body = msgspec.json.encode([{"occurred_at": now, **event} for event in events[begin : begin + HTTP_BATCH]])
        answer = stack.post_likes(body)
        if answer.status_code != 202:
            raise RuntimeError(f"POST /v1/likes answered {answer.status_code}: {answer.text}")
        accepted += answer.json()["accepted"]
    return accepted


def ask(stack: ComposeStack, path: str) -> bool:
    """Whether there is an answer. Raises RuntimeError where it is neither that nor "not yet"."""
    answer = stack.get(path)
    if answer.status_code not in (200, 404):
        raise RuntimeError(f"GET {path} answered {answer.status_code}: {answer.text}")
    return answer.status_code == 200


def feed(stack: ComposeStack, report: Report, events: list[dict[str, Any]], http: list[dict[str, Any]]) -> None:
    with report.phase("likes of the minutes before, and over HTTP") as said:
        sending = Feeder(stack.settings, likes.earlier(events, round(time.time() * 1000)), FAST)
        said.append(f"{send_over_http(stack, likes.live(http)):,} accepted over HTTP")
        sending.join()
        said.append(f"{sending.sent:,} through Kafka's port")
    with report.phase("predictions") as said:
        asked = people(events)
        for actor in asked:
            until(partial(ask, stack, f"/v1/users/{actor}/predictions"), f"predictions for {actor}")
        said.append(f"for {len(asked)} actors")
    with report.phase("whose choice it was"):
        until(partial(ask, stack, "/v1/choice"), "the platform's figures")
    with report.phase("charts and the loop"):
        until(partial(ask, stack, "/v1/charts?period=hour"), "a chart")
        until(partial(ask, stack, "/v1/loop"), "the loop's figures")


def people(events: list[dict[str, Any]]) -> list[str]:
    """Those who like most."""
    found = Counter(e["actor_id"] for e in events if e["actor_id"].startswith("test-u"))
    return [actor for actor, _ in found.most_common(ASKED)]


def disturb(stack: ComposeStack, report: Report, events: list[dict[str, Any]]) -> None:
    sending = Feeder(stack.settings, likes.live(events), SLOW)
    with report.phase("scale to detector=3, predictor=2, choice=2") as said:
        scaled = {"detector": 3, "predictor": 2, "choice": 2}
        scale = [part for name, count in scaled.items() for part in ("--scale", f"{name}={count}")]
        stack.compose("up", "--detach", "--no-deps", "--no-recreate", *scale, *scaled)
        said.append(healthy(stack))
    with report.phase("kill a detector, then kafka; start them again") as said:
        for service in ("detector", "kafka"):
            killed = stack.of(service)[0]
            stack.docker("kill", killed.identifier)
            time.sleep(BREATH_SECONDS)
            stack.docker("start", killed.identifier)
            time.sleep(BREATH_SECONDS)
        if sending.done:
            report.wrong.append("all was sent before the last was killed: send more, or slower")
        said.append(healthy(stack))
    with report.phase("the others") as said:
        sending.rate = FAST
        sending.join()
        said.append(f"{sending.sent:,} through Kafka's port")


def restart(stack: ComposeStack, report: Report, events: list[dict[str, Any]]) -> None:
    report.wrong += stack.wrong(stack.containers())
    with report.phase("stop and down"):
        report.wrong += stack.stop()
        stack.compose("down")
    with report.phase("up again") as said:
        stack.compose("up", "--detach")
        said.append(healthy(stack))
        sending = Feeder(stack.settings, likes.live(events), FAST)
        sending.join()
        said.append(f"{sending.sent:,} through Kafka's port")


def read_verdicts(stack: ComposeStack, report: Report, events: list[dict[str, Any]]) -> None:
    with report.phase("verdicts") as said:
        asked = people(events)
        for actor in asked:
            until(partial(ask, stack, f"/v1/actors/{actor}"), f"what was seen of {actor}", WINDOW_SECONDS)
        said.append(f"on {len(asked)} actors")


def settle(stack: ComposeStack, report: Report, sent: set[str]) -> None:
    stack.compose("stop", "simulator")
    with report.phase("until nothing waits"):
        quiescence = Quiescence()
        counted: dict[str, float] = {}

        def still() -> bool:
            counted.clear()
            counted.update(stack.metrics())
            return quiescence.lasts(counted, BREATH_SECONDS)

        until(still, "at rest")
    with report.phase("every like accounted for") as said:
        found = account.settle(sent, stack, counted)
        report.wrong += found.wrong
        if found.lost or found.doubled:
            report.wrong.append(f"{found.lost:,} likes lost, {found.doubled:,} doubled")
        said.append(f"{found.sent:,} sent, {found.lost:,} lost, {found.doubled:,} doubled")
        said.append(f"{found.all_likes:,} with the simulator's")
    report.wrong += stack.wrong(stack.containers())


def run(stack: ComposeStack, report: Report) -> None:
    made = likes.make(EARLIER + LIVE + AFTER + OVER_HTTP)
    cuts = (EARLIER, EARLIER + LIVE, EARLIER + LIVE + AFTER)
    start(stack, report)
    feed(stack, report, made[: cuts[0]], made[cuts[2] :])
    disturb(stack, report, made[cuts[0] : cuts[1]])
    restart(stack, report, made[cuts[1] : cuts[2]])
    read_verdicts(stack, report, made[: cuts[0]])
    settle(stack, report, {event["event_id"] for event in made})


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.compose", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, default=LIMIT_SECONDS, help="give up after so many seconds (720)")
    limit: int = parser.parse_args().limit
    missing = missing_engine()
    if missing is not None:
        print(missing, file=sys.stderr)
        return 2
    # Every reconnect attempt while the broker is away would be a line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    stack, report = ComposeStack(SIMULATOR_RATE="10"), Report()

    def end(number: int, _: object) -> None:
        raise RuntimeError(f"not done within {limit} s" if number == signal.SIGALRM else "told to stop")

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGALRM, end)
    signal.alarm(limit)
    try:
        stack.compose("down", "--volumes", "--remove-orphans")
        run(stack, report)
    except (RuntimeError, KafkaError, httpx.HTTPError) as error:
        report.wrong.append(str(error))
    finally:
        signal.alarm(0)
        stack.compose("down", "--volumes", "--remove-orphans")
    out.print(report.table())
    for sentence in report.wrong:
        out.print(sentence, style="red", markup=False, highlight=False)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
