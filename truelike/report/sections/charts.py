"""Charts side by side: by all likes and by people's, of targets and creators; then by language."""

from __future__ import annotations

from itertools import zip_longest
from typing import Final

from truelike.report.documents import Document, Documents
from truelike.report.markup import (
    Markup,
    Part,
    count,
    decimal,
    folded,
    identifier,
    joined,
    row,
    share,
    table,
    tag,
)
from truelike.report.pictures.slopes import MACHINES, first_places, from_machines, slopes
from truelike.report.sections.section import Section

_OF: Final = {"target": "Targets", "creator": "Creators"}
_COLUMNS: Final = ("id", "place", "among people's", "it can have", "likes", "from machines", "people's weight")

_LEGEND: Final = (
    "A line leads from a place by all likes to that by people's; it ends where people's first places do not have it. "
    f"{MACHINES}: most of its likes are from bots and agents."
)


def content(documents: Documents) -> Markup:
    charts = [chart for chart in documents.charts if chart["n"]]
    if not charts:
        return tag("p", "No chart was counted.", class_="quiet")
    whole = [chart for chart in charts if chart["facet"] == "all"]
    parts = [chart for chart in charts if chart["facet"] != "all"]
    shown: list[Part] = [tag("p", _LEGEND, class_="quiet"), tag("div", *map(_chart, whole), class_="pair")]
    if parts:
        shown += [tag("h3", "By language"), tag("div", *map(_of_part, parts), class_="small")]
    return joined(*shown)


def _chart(chart: Document) -> Markup:
    title = tag("h3", f"{_OF[chart['of']]}, {chart['period']} {chart['name']}")
    entries = sorted({e["id"]: e for places in first_places(chart) for e in places}.values(), key=_place)
    rows = folded("the same as a table", table(_COLUMNS, [_entry(entry) for entry in entries]))
    return tag("section", title, tag("p", *_told(chart)), slopes(chart), rows)


def _place(entry: Document) -> tuple[int, str]:
    return entry["rank"], entry["id"]


def _told(chart: Document) -> list[Part]:
    overlap, made = chart["overlap"], chart["ai_made"]
    told: list[Part] = [count(chart["n"]), " like" if chart["n"] == 1 else " likes", ", by weight "]
    told += [decimal(chart["human_weight"], 1), "; ", share(chart["ai_liked"]), " from bots and agents"]
    if made is not None:
        told += [", ", share(made["low"]), " to ", share(made["high"]), " of AI-made work"]
    told += [". ", count(chart["slots_changed"]), f" of the first {chart['size']} are others among people"]
    told += ["; rank-biased overlap ", decimal(overlap["extrapolated"], 2)]
    told += [" (", decimal(overlap["least"], 2), " to ", decimal(overlap["most"], 2), ")."]
    if not chart["exact"]:
        told += [" What is not listed had at most ", count(chart["error"]), " likes."]
    return told


def _entry(entry: Document) -> Markup:
    first, last = entry["human_ranks"]
    ranks = joined(count(first), " to ", count(last) if last is not None else "any below")
    numbers = count(entry["likes"]), share(entry["from_machines"]), decimal(entry["human_weight"], 1)
    return row(identifier(entry["id"]), count(entry["rank"]), count(entry["human_rank"]), ranks, *numbers)


def _of_part(chart: Document) -> Markup:
    raw, human = first_places(chart)
    rows = [
        row(str(place), _liked(left, "likes"), _liked(right, "human_weight"))
        for place, (left, right) in enumerate(zip_longest(raw, human), 1)
    ]
    told = joined(tag("bdi", chart["segment"]), f", {chart['period']} {chart['name']}: ", count(chart["n"]), " likes, ")
    caption = joined(told, share(chart["ai_liked"]), " from bots and agents")
    return table(("place", "by all likes", "by people's"), rows, caption)


def _liked(entry: Document | None, by: str) -> Markup | None:
    if entry is None:
        return None
    mark = f"{MACHINES} " if from_machines(entry) else None
    return joined(
        mark, identifier(entry["id"]), " \u00b7 ", decimal(entry[by], 1) if by != "likes" else count(entry[by])
    )


SECTION: Final = Section("charts", "Charts, side by side", content)
