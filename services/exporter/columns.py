"""What each column of the training feed means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from services.exporter.deloop import WEIGHT
from shared.events import Like
from shared.schemas import CODES, TRUSTED_LIKES

TIMES: Final = ("occurred_at", "actor_created_at", "sent_at", "window_start")
SOURCE: Final = "source_topic"

# Where the contract's words (shared.events) are not of what files hold.
_OWN: Final = {
    "event_id": "The same id and action is one like, in all its revisions",
    "occurred_at": "When the like was given",
    "actor_id": "Who liked",
    "target_id": "What was liked",
    "action": "An unlike takes back its actor's earlier likes of its target, whose rows stay",
    "content_origin": "Who made the target, as the platform says",
    "actor_created_at": "When the account was made",
    "actor_locale": "Of the actor, BCP 47",
    "content_language": "Of the target, BCP 47",
    "sent_at": "When the producer handed the like to Kafka",
    "source_partition": "Partition of source_topic that the like came from",
    "source_offset": "Its offset there",
    SOURCE: "Topic that the like came from",
    "window_start": "Start of the event-time window that the like was judged in",
    "human_probability": "Probability that a person acted, as judged in this revision",
    "label": "What was seen of the actor in the window; it does not say what a person is",
    "revision": "0 at first; a like that is judged anew comes again with a higher one",
    "previous_probability": "human_probability of the revision before; null where the like comes for the first time",
    "previous_label": "label of the revision before; null where the like comes for the first time",
    WEIGHT: "What the like counts for in training: human_probability, or 0 of bots, agents and unlikes; of AI-made "
    "targets that were recommended or played by themselves lowered to the bound of the file",
}


@dataclass(frozen=True)
class Column:
    """`data_type`: as in Croissant; `values`: all that it can be, where that is a list."""

    name: str
    data_type: str
    description: str
    values: tuple[str, ...] = ()


def columns() -> list[Column]:
    """In the order in which files have them."""
    likes = [Column(f.name, _type(f), _description(f.name), CODES.get(f.name, ())) for f in TRUSTED_LIKES]
    return [*likes, Column(SOURCE, "sc:Text", _OWN[SOURCE]), Column(WEIGHT, "sc:Float", _OWN[WEIGHT])]


def _type(field: pa.Field) -> str:
    if field.name in TIMES:
        return "sc:DateTime"
    if field.name in CODES or pa.types.is_string(field.type):
        return "sc:Text"
    return "sc:Integer" if pa.types.is_integer(field.type) else "sc:Float"


def _description(name: str) -> str:
    return _OWN.get(name) or Like.model_fields[name].description or name
