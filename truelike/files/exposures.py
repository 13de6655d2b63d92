"""A file of slates (`exposures.v1`, JSON or JSON lines, compressed or not) as columns."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from shared import frames, schemas
from shared.contract.envelopes import Ignored
from shared.contract.opening import DoesNotFit
from shared.contract.slates import of_event, to_items
from shared.exposures import Exposure
from truelike.files.content import UnreadableFile, look
from truelike.files.documents import read_events
from truelike.files.parts import Part, Refused
from truelike.files.reading import Advance
from truelike.files.result import Result


def read(path: Path, result: Result, advance: Advance) -> pa.RecordBatch:
    """All items of the slates that fit, each slate once, in the file's order (schema `schemas.EXPOSED_ITEMS`).

    Raises UnreadableFile and OSError.
    """
    with tempfile.TemporaryDirectory(prefix="truelike-") as name:
        content = look(path, Path(name))
        if content.kind != "json":
            raise UnreadableFile(f"{path} is {content.kind}; exposures are JSON, one slate a line (docs/choice.md)")
        result.notes += content.notes()
        size = content.path.stat().st_size
        batches, seen = [], set[str]()
        for part in read_events(content.path):
            batches.append(to_items(list(_slates(part, result, seen))))
            advance(part.done, size)
    return frames.join(batches, schemas.EXPOSED_ITEMS)


def _slates(part: Part, result: Result, seen: set[str]) -> Iterator[Exposure]:
    assert part.events is not None
    assert part.lines is not None
    result.rows += len(part.events) + len(part.refused)
    result.reject(part.refused)
    for event, row, line in zip(part.events, part.rows, part.lines, strict=True):
        try:
            slate = of_event(event)
        except DoesNotFit as error:
            result.reject([Refused(row, error.errors, event, line)])
            continue
        except Ignored as why:
            result.ignore(str(why), row, line)
            continue
        if slate.slate_id in seen:
            result.duplicates += 1
            continue
        seen.add(slate.slate_id)
        result.accepted += 1
        yield slate
