"""What `reviews.v1` holds: of each actor the newest review, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from services.charts import spoken
from services.charts.judged import Reviewed
from shared.contract import reviews
from shared.contract.opening import DoesNotFit
from shared.hashing import hash_strings
from shared.reviews import Review

# What an actor's review says, as one number: these bits, then the locale.
_BOT: Final = 1
_INDEPENDENT: Final = 2
_LOCALE: Final = 2


@dataclass(frozen=True)
class Refused:
    """A message that does not fit: its place among those given, and which fields are wrong."""

    index: int
    fields: tuple[str, ...]


class ReviewTable:
    """Messages in log order; what it holds is what the compacted topic does. Of more than `most` actors those whose
    ids' hashes are smallest count, which has to do with nothing that they did.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.counters = {"charts_reviews_read": 0, "charts_reviews_rejected": 0}
        self._of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._of)

    def take(self, messages: Sequence[tuple[bytes | None, bytes | None]]) -> list[Refused]:
        """Keys and values. A message without a value says that the key's review is gone; so does one that does not fit,
        since compaction leaves nothing else of that key.
        """
        found: list[Review | None] = []
        refused = []
        for index, (key, value) in enumerate(messages):
            review = None
            if value is not None:
                try:
                    review = reviews.of_message(key, value)
                except DoesNotFit as error:
                    refused.append(Refused(index, tuple(sorted({why.partition(":")[0] for why in error.errors}))))
            found.append(review)
        keys = hash_strings(pa.array([key or b"" for key, _ in messages], pa.binary()).view(pa.string())).tolist()
        locales = spoken.codes(pa.array([r.locale if r is not None else None for r in found], pa.string())).tolist()
        for key, review, locale in zip(keys, found, locales, strict=True):
            self._of.pop(key, None)
            if review is not None:
                self._of[key] = _packed(review, locale)
        if len(self._of) > 2 * self.most:
            self._of = {key: self._of[key] for key in sorted(self._of)[: self.most]}
        self.counters["charts_reviews_read"] += len(messages)
        self.counters["charts_reviews_rejected"] += len(refused)
        return refused

    def reviewed(self) -> Reviewed:
        """Those that count."""
        key = np.array(sorted(self._of)[: self.most], np.uint64)
        said = np.array([self._of[of] for of in key.tolist()], np.int64)
        return Reviewed(key, (said & _BOT) > 0, (said & _INDEPENDENT) > 0, (said >> _LOCALE).astype(np.int32))


def _packed(review: Review, locale: int) -> int:
    bot = _BOT if review.found == "bot" else 0
    independent = _INDEPENDENT if review.drawn == "independently" else 0
    return bot | independent | locale << _LOCALE
