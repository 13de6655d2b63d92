"""Shapes that an event comes in where it is no plain object of its contract. A new one: a file here, a line below.

An event may be inside several (a CloudEvent whose data is an activity, a Debezium change inside a Kafka Connect
message): each is taken off in turn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from shared.contract.envelopes import (
    activitystreams,
    cloudevents,
    debezium,
    gharchive,
    jetstream,
    kafka_connect,
    lastfm,
    listenbrainz,
    segment,
)
from shared.contract.envelopes.envelope import Envelope, Ignored, Unwrapped

__all__ = ["CARRIERS", "ENVELOPES", "Ignored", "Unwrapped", "expand", "may_be_batch", "unwrap"]

# Most specific first: the first that recognises an event takes it.
ENVELOPES: Final[tuple[Envelope, ...]] = (
    cloudevents.ENVELOPE,
    kafka_connect.ENVELOPE,
    debezium.ENVELOPE,
    jetstream.ENVELOPE,
    gharchive.ENVELOPE,
    segment.ENVELOPE,
    listenbrainz.ENVELOPE,
    lastfm.ENVELOPE,
    activitystreams.ENVELOPE,
)
# Those whose content may be any event; the others are likes by their nature.
CARRIERS: Final[tuple[Envelope, ...]] = (cloudevents.ENVELOPE, kafka_connect.ENVELOPE, debezium.ENVELOPE)
_MOST_LAYERS: Final = 4
# A batch has its events in one of these.
_BATCHES: Final = ("batch", "feedback", "lovedtracks")


def unwrap(event: Any, headers: Mapping[str, bytes], envelopes: Sequence[Envelope] = ENVELOPES) -> Unwrapped:
    """The fields inside all envelopes of an event; what is in none of these comes back as it is.

    `headers` are the message's own (CloudEvents in binary mode). Raises ValueError for an envelope that cannot hold
    what it should, and Ignored for an event that is about something else.
    """
    return _unwrap(event, headers, envelopes, _MOST_LAYERS)


def _unwrap(event: Any, headers: Mapping[str, bytes], envelopes: Sequence[Envelope], layers: int) -> Unwrapped:
    if not isinstance(event, dict) and "ce_specversion" not in headers:
        return Unwrapped(event)
    for envelope in envelopes:
        if envelope.recognises(event, headers):
            if not layers:
                raise ValueError(f"more than {_MOST_LAYERS} envelopes inside each other")
            return envelope.unwrap(event, headers, lambda inner: _unwrap(inner, {}, envelopes, layers - 1))
    return Unwrapped(event)


def may_be_batch(fields: Collection[str]) -> bool:
    """Whether an object with these fields can hold several events: cheap, since most have none of them."""
    return any(name in fields for name in _BATCHES)


def expand(event: Any) -> list[Any]:
    """The single events of one that is a batch (Segment, Last.fm, ListenBrainz); any other is its own batch of one."""
    if isinstance(event, dict) and may_be_batch(event):
        for envelope in ENVELOPES:
            if envelope.expand is not None and (events := envelope.expand(event)) is not None:
                return events
    return [event]
