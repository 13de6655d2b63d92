"""Confluent's wire format: byte 0, a schema's id as 4 bytes (big-endian), then Avro or JSON as that schema says.

Pure: the schemas come in as an argument; who fetches them from a registry is the shell.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import fastavro
import msgspec

MAGIC: Final = b"\x00"
_HEAD_BYTES: Final = 5

# Reads what follows the head; raises ValueError with the reason where it cannot.
Reader = Callable[[bytes], Any]


def schema_id(value: bytes | None) -> int | None:
    """The id of the schema that a framed message names, None for a message that is not framed."""
    if value is None or not value.startswith(MAGIC) or len(value) < _HEAD_BYTES:
        return None
    return int.from_bytes(value[1:_HEAD_BYTES], "big")


def unframe(value: bytes, readers: Mapping[int, Reader]) -> Any:
    """The event inside a framed message, as plain values. Raises ValueError with the reason."""
    number = schema_id(value)
    if number is None:
        raise ValueError("not JSON, and too short for Confluent's wire format")
    reader = readers.get(number)
    if reader is None:
        raise ValueError(f"is framed with schema {number} of a registry: set SCHEMA_REGISTRY_URL")
    return reader(value[_HEAD_BYTES:])


def refusal(reason: str) -> Reader:
    """Reads nothing: what the registry said of a schema stands as the reason."""

    def refuse(_: bytes) -> Any:
        raise ValueError(reason)

    return refuse


def reader_of(kind: str, schema: str, references: list[str]) -> Reader:
    """A reader for a registry's schema. `kind` is its schemaType; `references` are Avro schemas that it names, those
    that others need first.
    """
    if kind == "JSON":
        return _read_json
    if kind != "AVRO":
        return refusal(f"its schema is {kind}: only Avro and JSON Schema can be read")
    try:
        named: dict[str, Any] = {}
        for text in references:
            fastavro.parse_schema(json.loads(text), named)
        parsed = fastavro.parse_schema(json.loads(schema), named)
    except Exception as error:  # whatever a registry holds: fastavro raises of many kinds
        return refusal(f"its Avro schema cannot be read: {error}")
    return lambda content: _read_avro(content, parsed)


def _read_avro(content: bytes, schema: Any) -> Any:
    stream = io.BytesIO(content)
    try:
        event = fastavro.schemaless_reader(stream, schema, None)
    except Exception as error:  # whatever bytes somebody sent: EOFError, IndexError, struct.error and more
        raise ValueError(f"not what its Avro schema says: {type(error).__name__} {error}") from None
    if stream.tell() != len(content):
        raise ValueError("not what its Avro schema says: bytes are left over")
    return event


def _read_json(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
