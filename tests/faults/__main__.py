"""The fault suite: one seeded log through an undisturbed platform and through disturbed ones, and what differs.

python -m tests.faults --likes 500000 --seeds 3          everything, about two hours on two cores
python -m tests.faults --short                           what CI runs
python -m tests.faults --only kills --seeds-from 2       one kind of fault, with the seed of a failure
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests import charts_outcome
from tests.faults import faults, outages, outcome
from tests.faults.faults import Fault, Happened
from tests.faults.feeder import Feeder
from tests.faults.fixture import PARTITIONS, Fixture
from tests.faults.log import Log, make
from tests.faults.outcome import Difference, Outcome

out = Console(width=110)


@dataclass(frozen=True)
class Scenario:
    """Faults that happen one after the other in one run, each so many times."""

    name: str
    faults: Sequence[tuple[Fault, int]]
    brokers: int = 1
    small_disk: bool = False
    # Share of the rate: four workers of each stage take their cores from one another where cores are few.
    pace: float = 1.0


SCENARIOS = (
    Scenario("kills", ((faults.kills, 15), (faults.terms, 5))),
    Scenario("workers", ((faults.pauses, 4), (faults.workers, 1)), pace=0.4),
    Scenario("brokers", ((faults.broker, 2),)),
    Scenario("leader", ((faults.leader, 3),), brokers=3),
    Scenario("redis", ((faults.redis, 4), (faults.disk, 2)), small_disk=True),
    Scenario("network", ((faults.network, 4),)),
    Scenario(
        "outages",
        ((outages.while_starting, 5), *((partial(outages.outage, seconds=s), 5) for s in (5.0, 60.0, 300.0))),
        pace=0.06,
    ),
    Scenario("rolling", ((outages.rolling, 5), (outages.coordinator, 5)), brokers=3, pace=0.1),
)
# A little of everything in one run, for CI.
SHORT = Scenario(
    "short",
    (
        (faults.kills, 5),
        (faults.redis, 2),
        (faults.disk, 1),
        (faults.leader, 1),
        (faults.pauses, 2),
        (faults.network, 2),
        (faults.workers, 1),
        # On a machine that has other things to do as well.
        (partial(outages.outage, seconds=5.0, within=120.0), 1),
    ),
    brokers=3,
    small_disk=True,
)


@dataclass
class Run:
    seed: int
    scenario: str
    happened: list[Happened] = field(default_factory=list)
    found: Outcome | None = None
    difference: Difference = field(default_factory=Difference)
    seconds: float = 0.0

    @property
    def fine(self) -> bool:
        return not (self.difference.wrong or self.difference.lost or self.difference.doubled)


def run(done: Run, log: Log, scenario: Scenario | None, rate: float, folder: Path) -> None:
    """From an empty platform to one at rest. Raises RuntimeError where it does not get there."""
    began = time.monotonic()
    fixture = Fixture(
        folder / f"{done.scenario}-{done.seed}",
        done.seed,
        scenario.brokers if scenario else 1,
        scenario.small_disk if scenario else False,
    )
    try:
        fixture.start()
        feeder = Feeder(fixture.settings, log, rate * (scenario.pace if scenario else 1.0))
        feeder.start()
        for fault, times in scenario.faults if scenario else ():
            for happened in fault(fixture, times):
                done.happened.append(happened)
                took = f" {happened.recovered:.1f} s" if happened.recovered is not None else ""
                out.print(f"  {happened.fault}{took}; {feeder.sent:,} of {len(log):,} sent", highlight=False)
        late = feeder.done and scenario is not None
        feeder.hurry()
        feeder.join()
        if late:
            out.print("  all was sent before the last fault: feed more likes, or slower", style="yellow")
        counters = fixture.wait_until_done(log)
        fixture.rewrite_predictions()
        charts = asyncio.run(charts_outcome.settled(fixture.settings))
        fixture.stack.stop()
        done.found = outcome.read(fixture.settings, fixture.disk / "export", charts)
        done.difference = outcome.check(log, done.found, counters, PARTITIONS)
    finally:
        fixture.stop()
    done.seconds = time.monotonic() - began
    if done.fine:
        fixture.clean()


def report(runs: list[Run]) -> Table:
    table = Table(title="likes lost and doubled, by fault")
    for column in ("fault", "times", "s to recover: median, most", "lost", "doubled", "differs"):
        table.add_column(column, justify="left" if column == "fault" else "right")
    kinds: dict[str, list[tuple[Run, Happened]]] = {}
    for one in runs:
        for happened in one.happened:
            kinds.setdefault(happened.fault, []).append((one, happened))
    for fault, rows in sorted(kinds.items()):
        took = [h.recovered for _, h in rows if h.recovered is not None]
        of = {id(one): one for one, _ in rows}.values()
        table.add_row(
            fault,
            str(len(rows)),
            f"{statistics.median(took):.1f}, {max(took):.1f}" if took else "",
            f"{sum(one.difference.lost for one in of)}",
            f"{sum(one.difference.doubled for one in of)}",
            "yes" if any(one.difference.wrong for one in of) else "no",
        )
    return table


def main() -> int:
    # So that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Every reconnect attempt of the feeder would be a line.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--likes", type=int, help="likes in the log (500,000; 60,000 with --short)")
    parser.add_argument("--rate", type=float, help="likes a second while faults happen (2,500; 240 with --short)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument("--seeds-from", type=int, default=1, help="the first seed")
    parser.add_argument("--short", action="store_true", help="fewer faults and likes")
    parser.add_argument("--only", action="append", choices=[s.name for s in SCENARIOS], help="these scenarios")
    parser.add_argument("--folder", type=Path, help="where logs of a failed run stay")
    options = parser.parse_args()
    likes = options.likes or (60_000 if options.short else 500_000)
    rate = options.rate or (240.0 if options.short else 2_500.0)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="truelike-faults-"))
    runs: list[Run] = []
    for seed in range(options.seeds_from, options.seeds_from + options.seeds):
        log = make(seed, likes)
        out.print(f"seed {seed}: {len(log):,} messages, {len(log.trusted):,} likes that count", highlight=False)
        chosen = [s for s in SCENARIOS if not options.only or s.name in options.only]
        for scenario in (None, *([SHORT] if options.short else chosen)):
            runs.append(Run(seed, scenario.name if scenario is not None else "undisturbed"))
            try:
                run(runs[-1], log, scenario, rate, folder)
            except RuntimeError as error:
                # The other faults are still worth knowing of.
                runs[-1].difference.wrong.append(f"did not come to rest: {error}")
            compare(runs)
    out.print(report(runs))
    failed = [one for one in runs if not one.fine]
    for one in failed:
        out.print(
            f"again: python -m tests.faults {'--short' if options.short else '--only ' + one.scenario} "
            f"--seeds-from {one.seed} --likes {likes} --rate {rate:g}; logs in {folder}",
            highlight=False,
        )
    return 1 if failed else 0


def compare(runs: list[Run]) -> None:
    """The newest run with the undisturbed one of its seed; says what was found."""
    one = runs[-1]
    undisturbed = next(r for r in runs if r.seed == one.seed)
    if one is not undisturbed and one.found is not None and undisturbed.found is not None:
        outcome.same_as(undisturbed.found, one.found, one.difference)
        one.found = None
    out.print(
        f"{one.scenario} (seed {one.seed}): {one.difference.lost} lost, {one.difference.doubled} doubled, "
        f"{'equal' if one.fine else 'DIFFERENT'}, {one.seconds:.0f} s",
        style="green" if one.fine else "red",
        highlight=False,
    )
    for sentence in one.difference.wrong:
        out.print(f"  {sentence}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
