"""Whether a message is as the contracts describe it, with no room for fields that they do not name."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs

from shared import contracts
from shared.frames import Headers, from_message
from shared.topics import TOPICS, Arrow, AsItCame, Json

BY_NAME = {topic.name: topic for topic in TOPICS}


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if schema.get("type") == "object" and "properties" in schema else {}
    return {name: closed(part) for name, part in schema.items()} | more


@cache
def of_topic(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(closed(contracts.schemas()[name]), validate_formats=True)


@cache
def of_header(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(closed(contracts.asyncapi()["components"]["schemas"][name]))


def described_as(topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> str:
    """The name that the AsyncAPI document has for such a message. Fails where it is not as described there."""
    match BY_NAME[topic].content:
        case Json(tombstones=True) if value is None:
            return "Tombstone"
        case Json(model):
            assert value is not None
            message = json.loads(value)
            of_topic(topic).validate(message)
            model.model_validate_json(value, extra="forbid")
            assert key == str(message[BY_NAME[topic].key]).encode()
            return model.__name__
        case AsItCame(model):
            ours = {name: text.decode() for name, text in headers if name.startswith("truelike-")}
            of_topic(topic).validate(ours)
            model.model_validate(ours, extra="forbid")
            return "Rejected"
        case Arrow(schemas):
            assert value is not None
            frame = from_message(value, headers)
            assert frame.batch.schema.equals(schemas[frame.kind]), (topic, frame.kind)
            for name, text in headers:
                if name != "kind":
                    of_header(name.capitalize()).validate(json.loads(text))
            return frame.kind


def descriptions() -> set[tuple[str, str]]:
    """All messages of the AsyncAPI document: topic and name."""
    channels = contracts.asyncapi()["channels"]
    return {(topic, name) for topic, channel in channels.items() for name in channel["messages"]}
