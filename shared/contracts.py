"""The topics' contracts for tools to read: an AsyncAPI 3.0 document, and JSON Schemas (2020-12) of public messages.

Made from shared/topics.py and the models; nothing here depends on where or when it runs.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
import pyarrow as pa
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

from shared.frames import Lineage, Progress
from shared.schemas import CODES
from shared.settings import ServiceSettings
from shared.topics import EXPOSURES, LIKES, REVIEWS, TOPICS, Arrow, AsItCame, Json, Topic

Document = dict[str, Any]

ARROW_STREAM: Final = "application/vnd.apache.arrow.stream"
KAFKA_BINDINGS: Final = "0.5.0"
DESCRIPTION: Final = """\
Truelike takes a platform's like events, judges which of them people made, and predicts from those alone. \
`likes.v1`, `exposures.v1` and `reviews.v1` are written by others; every other topic with a version in its name is \
for them to read. Topics without a version are between Truelike's own stages and may change with any release. Within \
a version messages may get more fields: readers ignore those that they do not know.\
"""
_COMPONENT: Final = "#/components/schemas/{}"


def schemas() -> dict[str, Document]:
    """JSON Schemas by the topic that they describe: its messages, or where those are as they came, their headers."""
    models = {topic.name: _model(topic) for topic in TOPICS}
    return {
        name: {"$schema": GenerateJsonSchema.schema_dialect, **model.model_json_schema()}
        for name, model in models.items()
        if model is not None
    }


def asyncapi() -> Document:
    """The AsyncAPI document, complete in itself."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Truelike",
            "version": "1",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{broker}",
                "protocol": "kafka",
                "description": "KAFKA_BOOTSTRAP_SERVERS",
                "variables": {"broker": {"default": ServiceSettings.model_fields["kafka_bootstrap_servers"].default}},
            }
        },
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(_operation(topic) for topic in TOPICS if topic.public),
        "components": {"schemas": _components()},
    }


def files() -> dict[str, str]:
    """All of it as texts by their path below docs/contracts."""
    named = {"asyncapi.json": asyncapi(), **{f"schemas/{name}.json": schema for name, schema in schemas().items()}}
    return {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in named.items()}


def _model(topic: Topic) -> type[BaseModel] | None:
    match topic.content:
        case Json(model) | AsItCame(model):
            return model
        case Arrow():
            return None


def _components() -> Document:
    found = [model for topic in TOPICS if (model := _model(topic)) is not None]
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in found]
    _, of_models = models_json_schema(models, ref_template=_COMPONENT.format("{model}"))
    _, of_headers = msgspec.json.schema_components([Lineage, Progress], ref_template=_COMPONENT.format("{name}"))
    return {**of_models["$defs"], **of_headers}


def _reference(name: str) -> Document:
    return {"$ref": _COMPONENT.format(name)}


def _channel(topic: Topic) -> Document:
    partitions = ServiceSettings.model_fields["partitions"].default
    count = f"PARTITIONS ({partitions} unless set) partitions" if topic.keyed else "One partition"
    return {
        "address": topic.name,
        "summary": topic.summary,
        "description": f"{count}; key: {topic.key}.",
        "messages": _messages(topic),
        "tags": [{"name": "public" if topic.public else "internal"}],
        "bindings": {
            "kafka": {
                "topic": topic.name,
                # How many a keyed topic has is each installation's choice.
                **({"x-partitions-setting": "PARTITIONS"} if topic.keyed else {"partitions": 1}),
                "topicConfiguration": {name: _configured(name, value) for name, value in topic.config.items()},
                "bindingVersion": KAFKA_BINDINGS,
            }
        },
    }


def _configured(name: str, value: str) -> Any:
    """A topic's setting in the type that the Kafka bindings have for it."""
    if name == "cleanup.policy":
        return value.split(",")
    return int(value) if value.isdecimal() else value


def _messages(topic: Topic) -> Document:
    match topic.content:
        case Json(model, tombstones):
            bindings = _key({"type": "string", "description": topic.key})
            found = {model.__name__: {"payload": _reference(model.__name__), **bindings}}
            if tombstones:
                found["Tombstone"] = {"summary": "What the key names is gone", "payload": {"type": "null"}, **bindings}
            return found
        case AsItCame(headers):
            as_it_came = {
                "contentType": "application/octet-stream",
                "headers": _reference(headers.__name__),
                "payload": {"type": "string", "format": "binary", "description": "The message's value as it came"},
            }
            return {"Rejected": {**as_it_came, **_key({"description": topic.key})}}
        case Arrow(kinds):
            return {kind: _frame(kind, schema) for kind, schema in kinds.items()}


def _key(schema: Document) -> Document:
    return {"bindings": {"kafka": {"key": schema, "bindingVersion": KAFKA_BINDINGS}}}


def _frame(kind: str, schema: pa.Schema) -> Document:
    return {
        "contentType": ARROW_STREAM,
        "headers": {
            "type": "object",
            "properties": {
                "kind": {"const": kind},
                "lineage": _json_text("Lineage", "Which input this follows from: a repetition is told by it"),
                "progress": _json_text("Progress", "How far the sources' event time is"),
            },
            "required": ["kind"],
        },
        "payload": {
            "type": "string",
            "format": "binary",
            "description": "An Arrow IPC stream of one record batch, lz4 where it is large",
            "x-arrow-fields": [_arrow_field(field) for field in schema],
        },
    }


def _json_text(name: str, description: str) -> Document:
    return {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": _reference(name),
        "description": description,
    }


def _arrow_field(field: pa.Field) -> Document:
    codes = {"codes": list(CODES[field.name])} if field.name in CODES else {}
    return {"name": field.name, "type": str(field.type), "nullable": field.nullable, **codes}


def _operation(topic: Topic) -> tuple[str, Document]:
    action = "receive" if topic.name in (LIKES, EXPOSURES, REVIEWS) else "send"
    channel = {"$ref": f"#/channels/{topic.name}"}
    return f"{action}-{topic.name}", {"action": action, "channel": channel, "summary": topic.summary}
