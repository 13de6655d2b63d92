"""What comes with the files: a dataset card and a Croissant description.

They follow from what the files' rows add up to, and how many were erased. Their names begin with an underscore:
readers that take a folder of Parquet as one table (Arrow, pandas, Spark) leave such files out.
"""

from __future__ import annotations

from typing import Final

import msgspec

from services.exporter.card import card
from services.exporter.croissant import croissant
from services.exporter.sums import Sums

CARD: Final = "_README.md"
CROISSANT: Final = "_croissant.json"


def papers(sums: Sums, requests: int, erased: int) -> dict[str, bytes]:
    """Their texts by name. `requests`, `erased`: requests to forget users, and rows that went with them."""
    description = msgspec.json.format(msgspec.json.encode(croissant(sums)), indent=1)
    return {CARD: card(sums, requests, erased).encode(), CROISSANT: description + b"\n"}
