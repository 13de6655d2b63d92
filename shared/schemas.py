"""Schemas: what columns the frames between stages have, and what those of before had."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from shared.events import ACTIONS, ACTOR_KINDS, CONTENT_ORIGINS, MANDATES, SIGNATURES, SURFACES, USER_PRESENT
from shared.exposures import ARMS
from shared.labels import LABELS

LIKES: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("occurred_at", pa.int64()),
        ("actor_id", pa.string()),
        ("target_id", pa.string()),
        ("action", pa.int8()),
        ("creator_id", pa.string()),
        ("actor_kind", pa.int8()),
        ("actor_created_at", pa.int64()),
        ("content_origin", pa.int8()),
        ("surface", pa.int8()),
        ("rank", pa.int32()),
        ("propensity", pa.float64()),
        ("actor_locale", pa.string()),
        ("content_language", pa.string()),
        ("origin_hash", pa.string()),
        ("slate_id", pa.string()),
        ("topic", pa.string()),
        # Of a buy (docs/buy-it.md).
        ("principal_id", pa.string()),
        ("agent_key", pa.string()),
        ("signature", pa.int8()),
        ("mandate", pa.int8()),
        ("user_present", pa.int8()),
        # When the producer handed the like to Kafka: what latency is counted from.
        ("sent_at", pa.int64()),
        ("source_partition", pa.int32()),
        ("source_offset", pa.int64()),
    ]
)

# An item of a slate, shown or withheld; the first seven columns are the slate's. Ids are hashes (shared.hashing).
EXPOSED_ITEMS: Final = pa.schema(
    [
        ("slate", pa.uint64()),
        ("occurred_at", pa.int64()),
        ("actor", pa.uint64()),
        ("policy_id", pa.string()),
        ("surface", pa.int8()),
        ("arm", pa.int8()),
        # 0 where it is not known among how many.
        ("candidates", pa.int32()),
        ("target", pa.uint64()),
        ("rank", pa.int32()),
        # Null where it was not logged.
        ("propensity", pa.float64()),
        # 0 where it is not known.
        ("creator", pa.uint64()),
        ("withheld", pa.bool_()),
        # Of the slate's message: whoever reads these frames tells by it what comes again after a crash.
        ("source_partition", pa.int32()),
        ("source_offset", pa.int64()),
    ]
)

# What brings likes together at the stage behind: the same target, the same origin, or the pair of their actor and their
# target's creator.
LIKE_KEYS: Final = ("target", "origin", "creator_pair")

# Of these columns, where a like came from; the others are what it says.
PLACE: Final = ("sent_at", "source_partition", "source_offset")

# A like, once for each of its keys. Ids in these frames are hashes (shared.hashing): the names are with the likes in
# trusted-likes.v1.
KEYED_LIKES: Final = pa.schema(
    [
        ("keyed_by", pa.int8()),
        ("occurred_at", pa.int64()),
        ("actor", pa.uint64()),
        ("target", pa.uint64()),
        ("creator", pa.uint64()),
        ("origin", pa.uint64()),
        ("unlike", pa.bool_()),
        ("actor_created_at", pa.int64()),
        ("first_seen", pa.int64()),
        ("actor_likes", pa.int64()),
        *((f"recent_{scale}", pa.int32()) for scale in ("60s", "10m", "1h", "1d")),
        ("settled", pa.bool_()),
        # Who the actor is, for those who met it.
        ("actor_id", pa.string()),
    ]
)

JUDGED_LIKES: Final = pa.schema([*LIKES, ("window_start", pa.int64())])

# What a signal found (services.detector.signals.signal.Findings).
FINDINGS: Final = pa.schema(
    [
        ("signal", pa.string()),
        ("actor", pa.uint64()),
        ("target", pa.uint64()),
        ("strength", pa.float64()),
        ("convicts", pa.bool_()),
        ("value", pa.float64()),
        ("baseline", pa.float64()),
        ("first_at", pa.int64()),
        ("last_at", pa.int64()),
    ]
)

MEETINGS: Final = pa.schema(
    [
        # When they met (the later like), and when the actor's own like was.
        ("met_at", pa.int64()),
        ("occurred_at", pa.int64()),
        ("actor", pa.uint64()),
        ("peer", pa.uint64()),
        ("target", pa.uint64()),
        # What counts once however often it is met on: the target's creator, or the target where none is known.
        ("place", pa.uint64()),
        ("creator_known", pa.bool_()),
        # The least of the scales that the two likes are within, and how many meetings chance gives at each.
        ("scale", pa.int8()),
        *((f"expected_{scale}", pa.float32()) for scale in ("60s", "10m", "1h", "1d")),
        # Likes of the stream until then, decayed: what shares are reckoned from.
        ("stream_likes", pa.float32()),
        ("peer_id", pa.string()),
    ]
)

# An actor's part in a campaign, as it is now; a later one of the same actor replaces it.
LINKS: Final = pa.schema(
    [
        # Code of shared.messages.CampaignKind.
        ("kind", pa.int8()),
        ("scale_seconds", pa.int32()),
        ("actor", pa.uint64()),
        ("actor_id", pa.string()),
        # Whom it belongs together with: other actors (lockstep, ring), or what a crowd came to (crowd, a hash of
        # target and window) or the actor itself (flood). Nodes that are linked are one campaign. None: nothing links
        # the actor any more.
        ("nodes", pa.list_(pa.uint64())),
        ("target_ids", pa.list_(pa.string())),
        ("creator_ids", pa.list_(pa.string())),
        ("first_at", pa.int64()),
        ("last_at", pa.int64()),
        ("strength", pa.float32()),
        # Likes that the actor gave in it, and what they count for now, together.
        ("likes", pa.int64()),
        ("weight", pa.float64()),
        ("sentence", pa.string()),
    ]
)

TRUSTED_LIKES: Final = pa.schema(
    [
        *LIKES,
        ("window_start", pa.int64()),
        ("human_probability", pa.float32()),
        ("label", pa.int8()),
        ("revision", pa.int32()),
        # Null where the like comes for the first time; otherwise what it was published with before.
        ("previous_probability", pa.float32()),
        ("previous_label", pa.int8()),
    ]
)

# What the predictor had forecast of a trusted like before it came; corrections come without a forecast, and forecasts
# are missing where there was nothing to go by.
FORECASTS: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("occurred_at", pa.int64()),
        ("actor_id", pa.string()),
        ("target_id", pa.string()),
        ("creator_id", pa.string()),
        ("action", pa.int8()),
        ("surface", pa.int8()),
        ("sent_at", pa.int64()),
        # The probability that a person acted; 0 where the label is bot or agent.
        ("weight", pa.float32()),
        # The like came before, with another weight.
        ("correction", pa.bool_()),
        # Given that this user likes something now: by what all like, and by what this user liked. The latter is what
        # the predictor stated for the like's place, or, of what was in no place, its part of the rest.
        ("p_popular", pa.float32()),
        ("p_history", pa.float32()),
        # In the user's ranking of candidates, 1 the first, 0 where it was no candidate.
        ("place", pa.int32()),
        ("model", pa.string()),
        # Hashes of what the like names, 0 where it names none: the slate that it came from, and what it is about.
        ("slate", pa.uint64()),
        ("topic", pa.uint64()),
        # Of a buy, as the like has them: a buy's row is at its principal's partition, where it has one.
        ("actor_kind", pa.int8()),
        ("principal_id", pa.string()),
        ("agent_key", pa.string()),
        ("signature", pa.int8()),
        ("mandate", pa.int8()),
        ("user_present", pa.int8()),
        # As p_popular, were all that is known liked alike; how probable something was that nobody had liked before; and
        # whether it was that.
        ("p_any", pa.float32()),
        ("p_new", pa.float32()),
        ("is_new", pa.bool_()),
        # Of whose work the like is, and in which language (primary subtag), where that is known.
        ("content_origin", pa.int8()),
        ("language", pa.string()),
        # By twin forecasters, one of which learns likes and one of which does not, where they run.
        ("p_with", pa.float32()),
        ("p_without", pa.float32()),
    ]
)

# Whose choice a like was, in bits (docs/choice.md). A later row of an event replaces an earlier one.
CHOICES: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("occurred_at", pa.int64()),
        ("actor_id", pa.string()),
        ("target_id", pa.string()),
        # An unlike takes back its actor's earlier likes of its target, of which no row is repeated.
        ("action", pa.int8()),
        ("surface", pa.int8()),
        # 0 where it is none that a person gave.
        ("weight", pa.float32()),
        # Null where nothing was forecast of it: what it held, and what of it was foretold by the own past (H), by what
        # was put before (E; also with E first), and by neither (R).
        *((f"bits_{part}", pa.float32()) for part in ("popular", "history", "shown", "shown_first", "rest")),
        # Whether it was among the first places of the user's ranking, in a slate of the attribution window, and kept
        # back by chance within it.
        *((name, pa.bool_()) for name in ("anticipated", "shown", "withheld")),
        ("model", pa.string()),
    ]
)

# A request to forget users, in trusted-likes.v1: so that all readers see it at one place in the order of likes.
FORGET: Final = "forget"
FORGET_REQUESTS: Final = pa.schema(
    [("user_id", pa.string()), ("request_id", pa.string()), ("requested_at", pa.int64())]
)

# What the codes of enumerated columns stand for.
CODES: Final[dict[str, tuple[str, ...]]] = {
    "action": ACTIONS,
    "keyed_by": LIKE_KEYS,
    "actor_kind": ACTOR_KINDS,
    "content_origin": CONTENT_ORIGINS,
    "surface": SURFACES,
    "arm": ARMS,
    "signature": SIGNATURES,
    "mandate": MANDATES,
    "user_present": USER_PRESENT,
    "label": LABELS,
    "previous_label": LABELS,
}

# Schemas that got more columns, by the names that they had before: frames and snapshots of then are read as likes that
# say nothing of these.
_NEW_IN_LIKES: Final = ("slate_id", "topic", "principal_id", "agent_key", "signature", "mandate", "user_present")
_NEWEST_IN_FORECASTS: Final = ("p_any", "p_new", "is_new", "content_origin", "language", "p_with", "p_without")
_NEW_IN_FORECASTS: Final = ("slate", "topic", *_NEWEST_IN_FORECASTS)
_FORMER: Final = {
    tuple(name for name in schema.names if name not in new): schema
    for schema, new in (
        (LIKES, _NEW_IN_LIKES),
        (JUDGED_LIKES, _NEW_IN_LIKES),
        (TRUSTED_LIKES, _NEW_IN_LIKES),
        (FORECASTS, _NEWEST_IN_FORECASTS),
        (FORECASTS, _NEW_IN_FORECASTS),
        (FORECASTS, (*_NEW_IN_FORECASTS, "actor_kind", *_NEW_IN_LIKES[2:])),
    )
}
_FORMER_SIZES: Final = frozenset(map(len, _FORMER))


def as_now(batch: pa.RecordBatch) -> pa.RecordBatch:
    """With all columns that its schema has now."""
    if batch.num_columns not in _FORMER_SIZES:
        return batch
    schema = _FORMER.get(tuple(batch.schema.names))
    if schema is None:
        return batch
    columns = [
        batch.column(field.name) if field.name in batch.schema.names else _unsaid(field, batch.num_rows)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _unsaid(field: pa.Field, rows: int) -> pa.Array:
    """Where no row says anything: nulls, an enumeration's first name, or the hash of nothing."""
    has_none = field.name in CODES or field.type == pa.uint64()
    return pa.array(np.zeros(rows), field.type) if has_none else pa.nulls(rows, field.type)
