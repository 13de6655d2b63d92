"""Well-known files whose columns have other names than the contract. A new one: a file here, a line below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from truelike.files.formats import kuairand, lastfm, movielens, recbole, snowplow, yambda
from truelike.files.formats.format import Format

FORMATS: Final[tuple[Format, ...]] = (
    lastfm.FORMAT,
    movielens.FORMAT,
    recbole.FORMAT,
    kuairand.FORMAT,
    yambda.FORMAT,
    snowplow.FORMAT,
)
BY_NAME: Final = {found.name: found for found in FORMATS}


def of_header(names: Sequence[str]) -> Format | None:
    """The format whose header this is, to the letter (but not its case)."""
    header = tuple(name.lower() for name in names)
    return next((found for found in FORMATS if header in found.headers), None)
