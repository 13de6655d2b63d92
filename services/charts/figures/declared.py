"""Of figure 13: creators by what their works are declared to be. Nobody's origin is guessed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from services.charts.bootstrap import I64
from services.charts.hash_sample import Sampled
from services.charts.tally import CREATOR_BUCKETS, KINDS, Tally
from shared.events import CONTENT_ORIGINS
from shared.labels import BOT, LABELS, SUSPECT
from shared.measures import confidence
from shared.measures.figure import LEAST_PEOPLE, Figure, measured, not_identified, percent
from shared.measures.units import UnitSums

NAME: Final = "who_likes_creators"
MOST_TOLD: Final = 20
_OF: Final = {"ai": "AI influencers, of whom only AI-made work is known,", "human": "People, of whom no AI is known,"}
_UNKNOWN: Final = CONTENT_ORIGINS.index("unknown")
WHOLE, MACHINES, SUSPECTS = range(3)


def creators(whole: Tally) -> Iterator[Figure]:
    """Who likes those all of whose declared works are AI's, and those all of whose are people's; then the AI
    influencers that are liked most, each by the hash of its id.
    """
    sample = whole.creators.of(0)
    likes = sample.sums[:, :KINDS].reshape(-1, len(LABELS), len(CONTENT_ORIGINS))
    seen = sample.sums[:, KINDS:].reshape(-1, 2, CREATOR_BUCKETS)
    for declared in ("ai", "human"):
        mine = _only(likes, CONTENT_ORIGINS.index(declared))
        if mine.any():
            yield _few({"creators": declared}, likes[mine], seen[mine]) or _of_all(sample, likes[mine], declared)
    only_ai = np.flatnonzero(_only(likes, CONTENT_ORIGINS.index("ai")))
    most = only_ai[np.lexsort((sample.key[only_ai], -likes[only_ai].sum(axis=(1, 2))))][:MOST_TOLD]
    for at in most.tolist():
        about = {"creators": "ai", "creator": f"{int(sample.key[at]):016x}"}
        who = f"The AI influencer {about['creator']} gets"
        yield _few(about, likes[[at]], seen[[at]]) or _counted(about, _columns(likes[[at]])[0], who, {})


def _only(likes: I64, origin: int) -> Any:
    """Of which creators all likes whose origin is declared are of this one, and some are. Shape (creators,)."""
    by_origin = likes.sum(axis=1)
    declared = by_origin.sum(axis=1) - by_origin[:, _UNKNOWN]
    return (by_origin[:, origin] > 0) & (by_origin[:, origin] == declared)


def _columns(likes: I64) -> I64:
    by_label = likes.sum(axis=2)
    return np.stack([by_label.sum(axis=1), by_label[:, BOT:].sum(axis=1), by_label[:, SUSPECT]], axis=1)


def _few(about: dict[str, Any], likes: I64, seen: I64) -> Figure | None:
    """Nothing is told where few liked, nor where few of them were machines, or few were not. `seen`: by creator."""
    machines, others = (int(np.count_nonzero(kind > 0)) for kind in seen.sum(axis=0))
    if machines + others >= LEAST_PEOPLE and not any(0 < who < LEAST_PEOPLE for who in (machines, others)):
        return None
    n = int(likes.sum()) if machines + others >= LEAST_PEOPLE else 0
    return not_identified(
        NAME, about, n, f"fewer than {LEAST_PEOPLE} machines or others liked it, whom it could tell of"
    )


def _of_all(sample: Sampled, likes: I64, declared: str) -> Figure:
    columns, about = _columns(likes), {"creators": declared}
    n, count = int(columns[:, WHOLE].sum()), len(columns)
    if sample.whole:
        return _counted(about, columns.sum(axis=0), f"{_OF[declared]} get", {"creators_in_all": count})
    sums = UnitSums.of(columns.astype(np.float64), n)
    if (few := confidence.too_few(sums)) is not None:
        return not_identified(NAME, about, n, few.replace("people", "creators").replace("person", "creator"))
    found = confidence.of_ratio_of_means(sums, (MACHINES, WHOLE))
    sentence = f"{_OF[declared]} get {percent(found.value)} of their likes from machines, by a sample of creators."
    more = {"creators_in_sample": count, "stands_for": sample.stands_for}
    return measured(NAME, about, n, found, sentence, unknown_share=sums.ratio((SUSPECTS, WHOLE)), more=more)


def _counted(about: dict[str, Any], columns: I64, who: str, more: dict[str, Any]) -> Figure:
    """A count, so no chance is in it; suspects could be either."""
    n, machines, suspects = (int(column) for column in columns)
    share, unknown = machines / n, suspects / n
    said = percent(share) if not suspects else f"between {percent(share)} and {percent((machines + suspects) / n)}"
    sentence = f"{who} {said} of {'its' if 'creator' in about else 'their'} likes from machines."
    return Figure(NAME, about, n, sentence, share, share, (machines + suspects) / n, 1.0, unknown, more=more)
