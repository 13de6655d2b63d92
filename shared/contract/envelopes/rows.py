"""Rows of a platform's own tables and events: its names for the fields of a like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# The contract's own name first. Nothing here may be a name that other fields of such rows are likely to have.
ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "actor_id": ("actor_id", "user_id", "userId", "user", "member_id", "account_id"),
    "target_id": (
        "target_id",
        "item_id",
        "itemId",
        "post_id",
        "postId",
        "product_id",
        "video_id",
        "track_id",
        "content_id",
        "object_id",
    ),
    "creator_id": ("creator_id", "author_id", "artist_id", "seller_id"),
}


def renamed(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with the contract's names where it has others for them."""
    found = dict(row)
    for field, names in ALIASES.items():
        if found.get(field) is None:
            found[field] = next((row[name] for name in names if row.get(name) is not None), None)
    return {name: value for name, value in found.items() if value is not None}


def missing(field: str, where: str) -> ValueError:
    return ValueError(f"{field}: {where} has none of {', '.join(ALIASES[field])}")
