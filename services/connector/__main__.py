from __future__ import annotations

import argparse
import sys

from services.connector.app import main
from services.connector.kind import Kind
from services.connector.settings import ConnectorSettings
from services.connector.sources import KINDS
from shared.service import run
from shared.settings import load

parser = argparse.ArgumentParser(
    prog="python -m services.connector",
    description="Writes the likes of a source that is not Kafka to likes.v1. Settings: docs/connectors.md.",
    epilog="\n\n".join(f"{kind.name}: {kind.summary}\n  {kind.example}" for kind in KINDS),
    formatter_class=argparse.RawDescriptionHelpFormatter,
)
parser.add_argument("kind", metavar="KIND", help=", ".join(kind.name for kind in KINDS))


def chosen(name: str) -> Kind:
    for kind in KINDS:
        if kind.name == name:
            return kind
    print(f"there is no connector {name!r}: choose {', '.join(k.name for k in KINDS)}", file=sys.stderr)
    raise SystemExit(2)


kind = chosen(parser.parse_args().kind)
settings = load(ConnectorSettings)
try:
    worker = kind.worker(settings)
except ValueError as error:
    print(error, file=sys.stderr)
    raise SystemExit(2) from None
run("connector", settings, lambda: main(settings, worker))
