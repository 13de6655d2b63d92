"""The language that a like is of."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

UNKNOWN_LANGUAGE: Final = "unknown"


def language_of(likes: pa.RecordBatch) -> pa.Array:
    """The language of each like, shape (n,): the content's, else the actor's; the primary subtag of BCP 47."""
    tag = pc.coalesce(likes.column("content_language"), likes.column("actor_locale"), UNKNOWN_LANGUAGE)
    return primary_subtag(tag)


def primary_subtag(tags: pa.Array) -> pa.Array:
    """Of tags of BCP 47, null where there is none. Shape (n,)."""
    return pc.utf8_lower(pc.replace_substring_regex(tags, "[-_].*", ""))
