"""What a floor for languages costs: the same likes, each looked for in the published ranking before it, without a floor
and with one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from services.predictor import prequential
from services.predictor.language_floor import Floor, LanguageFloor
from services.predictor.ranking import TOP
from shared.languages import UNKNOWN_LANGUAGE, language_of
from truelike.evaluation.prequential import FRAME, Model
from truelike.evaluation.stream import Stream

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]

_NAMES = ("hr@10", "hr@20", "mrr@20")


def evaluate(
    stream: Stream, shares: Sequence[float], languages: Collection[str], say: Callable[[str], None]
) -> dict[str, Any] | None:
    """`rows`: one for each share, no floor first: figures of published rankings, what the floor takes of HR@10 with its
    standard error (by users), and by language HR@10, surprise, coverage, and how much of what is shown is of it.
    None where no like says a language.
    """
    spoken = language_of(stream.likes).dictionary_encode()
    names = ["other", UNKNOWN_LANGUAGE, *(n for n in spoken.dictionary.to_pylist() if n != UNKNOWN_LANGUAGE)]
    if len(names) == 2:
        return None
    place = np.array([names.index(name) for name in spoken.dictionary.to_pylist()], np.int64)
    codes = place[spoken.indices.to_numpy()]
    floors = [LanguageFloor(share, frozenset(languages)) for share in (0.0, *shares)]
    found = _rank(stream, codes, names, floors, say)
    rows = [
        {
            "share": floor.share,
            "least_in_10": int(floor.least(TOP)[9]),
            "least_in_20": int(floor.least(TOP)[-1]),
            **_of_all(found, number),
            "by_language": _by_language(found, number),
        }
        for number, floor in enumerate(floors)
    ]
    return {"likes": len(found.codes), "protected": found.protected, "rows": rows}


class _Ranked:
    """Scored likes, shape (n,): their users, languages and surprise; their places by floor, (floors, n). Of items:
    languages, and how often shown by floor, (floors, items). `protected`: languages, in the end.
    """

    def __init__(self, names: list[str], floors: int, items: int) -> None:
        self.names, self.protected = names, list[str]()
        self.of_item = np.full(items, names.index(UNKNOWN_LANGUAGE), np.int64)
        self.shown = np.zeros((floors, items), np.int64)
        self.users, self.codes = np.zeros((2, 0), np.int64)
        self.bits = np.zeros(0)
        self.places = np.zeros((floors, 0), np.int64)


def _rank(
    stream: Stream, codes: I64, names: list[str], floors: list[LanguageFloor], say: Callable[[str], None]
) -> _Ranked:
    model = Model(stream.likes.column("actor_id"), stream.likes.column("target_id"))
    found = _Ranked(names, len(floors), stream.item_count)
    likes, everything = np.zeros(len(names)), np.ones(len(stream), np.bool_)
    least = [floor.least(TOP) for floor in floors]
    parts: list[tuple[I64, I64, F64, I64]] = []
    for first in range(0, len(stream), FRAME):
        part = slice(first, first + FRAME)
        # As the service has it: by the likes of the frames before.
        protects = floors[-1].protects(names, likes)
        asked = [Floor(protects[found.of_item], one) for one in least]
        scored, at = model.rank_and_learn(part, stream.times, everything, everything, asked, found.shown)
        mine = codes[part][scored.at]
        parts.append((stream.users[part][scored.at], mine, scored.surprise_bits, at[:, scored.at]))
        likes += np.bincount(mine, minlength=len(names))
        found.of_item[model.items[part]] = codes[part]
        if first % (32 * FRAME) == 0:
            say(f"language floors: {first:,} of {len(stream):,} likes")
    found.users, found.codes, found.bits, found.places = (np.concatenate(p, axis=-1) for p in zip(*parts, strict=True))
    found.protected = [n for n, is_so in zip(names, floors[-1].protects(names, likes), strict=True) if is_so]
    found.protected = [name for name in found.protected if name != names[0]]
    return found


def _of_all(found: _Ranked, number: int) -> dict[str, float]:
    plain, place = found.places[0], found.places[number]
    lost = ((plain > 0) & (plain <= 10)).astype(np.float64) - ((place > 0) & (place <= 10))
    by_user = np.bincount(found.users, lost)
    shown = found.shown[number]
    protected = np.isin(found.of_item, [found.names.index(name) for name in found.protected])
    figures = prequential.figures(prequential.sums(place, found.bits).sum(axis=0))
    return {
        **{name: figures[name] for name in _NAMES},
        "lost_hr@10": float(lost.mean()),
        "standard_error": float(np.sqrt((by_user**2).sum()) / len(lost)),
        "coverage": float((shown > 0).mean()),
        "shown_protected": float(shown[protected].sum() / max(shown.sum(), 1)),
    }


def _by_language(found: _Ranked, number: int) -> dict[str, dict[str, float]]:
    shown, rows = found.shown[number], {}
    for code in np.unique(found.codes).tolist():
        mine, of_it = found.codes == code, found.of_item == code
        figures = prequential.figures(prequential.sums(found.places[number][mine], found.bits[mine]).sum(axis=0))
        rows[found.names[code]] = {
            "likes": figures["predictions"],
            "hr@10": figures["hr@10"],
            # Of the model's forecast, which no floor changes.
            "surprise_bits": figures["surprise_bits"],
            "items": int(of_it.sum()),
            "coverage": float((shown[of_it] > 0).mean()) if of_it.any() else 0.0,
            "shown": float(shown[of_it].sum() / max(shown.sum(), 1)),
        }
    return dict(sorted(rows.items(), key=lambda row: -row[1]["likes"]))
