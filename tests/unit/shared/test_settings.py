from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from services.charts.settings import ChartsSettings
from services.choice.settings import ChoiceSettings
from services.connector.settings import ConnectorSettings
from services.console.app import ConsoleSettings
from services.detector.settings import DetectorSettings
from services.exporter.app import ExporterSettings
from services.ingest.settings import IngestSettings
from services.predictor.settings import PredictorSettings
from services.simulator.settings import SimulatorSettings
from shared.compiled import PROJECT
from shared.settings import ServiceSettings

OPERATIONS = PROJECT / "docs" / "operations.md"
KINDS = (
    ServiceSettings,
    IngestSettings,
    DetectorSettings,
    PredictorSettings,
    ExporterSettings,
    ChoiceSettings,
    ChartsSettings,
    ConsoleSettings,
    ConnectorSettings,
    SimulatorSettings,
)


def test_every_setting_is_in_the_table_with_its_default() -> None:
    table = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", OPERATIONS.read_text(), re.MULTILINE))
    expected = {}
    for kind in KINDS:
        for name, field in kind.model_fields.items():
            expected[name.upper()] = f"`{field.default}`" if field.default is not None else "none"
    assert table == expected


@pytest.mark.parametrize(
    ("name", "value"), [("CHECKPOINT_SECONDS", "soon"), ("PARTITIONS", "0"), ("LOG_FORMAT", "xml")]
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.exporter"],
        env={**os.environ, name: value},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"setting {name}='{value}': ")
    assert len(done.stderr.splitlines()) == 1
