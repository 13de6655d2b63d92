"""Debezium change events of a table of likes: an inserted row is a like, a deleted one an unlike.

`{"before", "after", "source", "op": "c" | "u" | "d" | "r" | "t", "ts_ms"}`, or flattened by ExtractNewRecordState with
`__op` and `__deleted`. Rows have the contract's names or those of `rows.ALIASES`; the row's `id` is its event_id where
it has none, so that a row that is read again (snapshot, update) is a duplicate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.contract.envelopes.envelope import Envelope, Ignored, Inner, Unwrapped
from shared.contract.envelopes.rows import renamed

_OPS: Final = tuple("cudrtm")


def _recognises(event: Any, headers: Mapping[str, bytes]) -> bool:
    if not isinstance(event, dict):
        return False
    return "__deleted" in event or (event.get("op") in _OPS and ("after" in event or "before" in event))


def _unwrap(event: Any, headers: Mapping[str, bytes], inner: Inner) -> Unwrapped:
    if "__deleted" in event:
        deleted, row = str(event["__deleted"]).lower() == "true", event
        changed_at = event.get("__source_ts_ms") or event.get("__ts_ms")
    else:
        if event["op"] in "tm":
            raise Ignored(f"a Debezium event with op {event['op']!r} is about no row")
        deleted = event["op"] == "d"
        row = event.get("before" if deleted else "after")
        source = event.get("source")
        changed_at = (source.get("ts_ms") if isinstance(source, dict) else None) or event.get("ts_ms")
    if not isinstance(row, dict):
        side = "before (set the table's REPLICA IDENTITY to FULL)" if deleted else "after"
        raise ValueError(f"a Debezium event must have the row as an object in {side}")
    fields = renamed(row)
    fields.setdefault("event_id", row.get("id"))
    if deleted:
        # The row's own time is that of the like, not of its end.
        fields |= {"action": "unlike", "occurred_at": changed_at}
    else:
        fields.setdefault("occurred_at", row.get("created_at") or changed_at)
    return Unwrapped(fields)


ENVELOPE: Final = Envelope("debezium", _recognises, _unwrap)
