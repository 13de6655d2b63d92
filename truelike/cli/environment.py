"""Where the services of this machine are, and what settings their commands take."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from shared.settings import S, ServiceSettings, load

ENDPOINTS: Final = Path(".truelike/endpoints")


def settings() -> ServiceSettings:
    """Settings from the environment; a demo that runs in this folder is found by itself."""
    return settings_of(ServiceSettings)


def settings_of(kind: type[S]) -> S:
    demo_environment = ENDPOINTS.parent / "environment.json"
    if "KAFKA_BOOTSTRAP_SERVERS" not in os.environ and demo_environment.exists():
        for name, value in json.loads(demo_environment.read_text()).items():
            os.environ.setdefault(name, value)
    return load(kind)
