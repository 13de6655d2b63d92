"""What people call the actions: "Post Liked", "track_unliked", "com.shop.product.favorited", "Like Removed"."""

from __future__ import annotations

import re
from typing import Final

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_LIKE: Final = re.compile(r"(un)?((like|love|favou?rite|upvote)[sd]?|heart(s|ed)?|star(s|red)?)")
_SHARE: Final = re.compile(r"(share|repost|reblog|boost|retweet)(s|d|ed|ged)?")
_BUY: Final = re.compile(r"buy|bought|purchased?")
_TAKEN_BACK: Final = re.compile(r"(remove|delete|undo|undone|withdraw|withdrawn|cancel|cancell?ed)d?")


def action_of(name: str) -> str | None:
    """The action that an event's name speaks of, or None where it speaks of none that Truelike knows."""
    words = [word.lower() for word in _WORDS.findall(name)]
    taken_back = any(_TAKEN_BACK.fullmatch(word) for word in words)
    for word in reversed(words):
        if found := _LIKE.fullmatch(word):
            return "unlike" if taken_back or found[1] else "like"
        for action, pattern in (("share", _SHARE), ("buy", _BUY)):
            if pattern.fullmatch(word):
                return None if taken_back else action
    return None
