"""No like waits for the compiler: after the warm-up, a stream needs no function compiled for other types."""

from __future__ import annotations

import subprocess
import sys

from shared.compiled import PROJECT

# In a process of its own: tests before this one may have compiled what the warm-up does not.
SCRIPT = """
from services.charts.limits import ChartLimits
from services.charts.task import ChartsTask
from services.choice.states import States
from services.choice.task import ChoiceTask
from services.detector.pipeline import Detector
from services.detector.settings import Judgement
from services.predictor.publishing import Basis, Documents
from services.predictor.task import PredictorTask
from shared.frames import from_message
from shared.topics import TRUSTED_LIKES
from tests.choice_steps import slates, steps
from tests.compiled import signatures
from tests.likes import crowd, ingest_in_batches, like
from tests.trusted_likes import made
from truelike.cli.compiling import WARM_UPS, warm_up

for module in WARM_UPS:
    warm_up(module)
warm = signatures("services.")
events = crowd()
again = [(e["actor_id"], e["target_id"]) for e in events[:40]]
unlikes = [like(len(events) + n, *pair, 2e4, action="unlike") for n, pair in enumerate(again)]
events += unlikes
frames = ingest_in_batches(events, list(range(100, len(events), 300)), 2)
detector, task, charts = Detector(Judgement(2)), PredictorTask(2, twins=True), ChartsTask(0, ChartLimits())
for number, output in enumerate(o for o in detector.feed(frames) if o.topic == TRUSTED_LIKES):
    task.process(from_message(output.value, output.headers), number)
    charts.process(from_message(output.value, output.headers), number)
    basis = Basis(number, task.as_of, task.model.probabilities())
    Documents().of_redis(basis, task.model, task.model.ranked(task.take_changed()))
    if number == 2:
        other, task = task, PredictorTask(2, twins=True)
        task.restore(other.snapshot())
task.take_stale_neighbours(10)
task.trending()
task.figures()
task.model.forget(["person1"])
task.twins.forget(["person1"])
assert task.counters["unlearnt_likes"], "no correction"
charts.counts.forget(["person1"])
charts.restore(charts.snapshot())
assert [charts.chart(key) for key in charts.changed()]
choice = ChoiceTask(0, 1000, 1000)
for step in steps([made(300), made(300)[:9], ["u1"]], slates(99)):
    choice.process(step)
choice.reports(choice.users())
States.of_log(choice.kept().log(2**64 - 1))
print(*sorted(signatures("services.") - warm), sep="\\n")
"""


def test_a_stream_compiles_nothing_that_the_warm_up_did_not() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=PROJECT, check=False, capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stdout + done.stderr
