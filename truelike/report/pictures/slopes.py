"""A chart: the first places by all likes on the left, by people's on the right, a line for what is in both."""

from __future__ import annotations

from typing import Final

from truelike.report.documents import Document
from truelike.report.markup import Markup, picture, shortened, tag

PLACES: Final = 10
LINE: Final = 26.0
LEFT: Final = 225.0
RIGHT: Final = 345.0
WIDE: Final = 570.0
_LONGEST: Final = 24
# So that nobody needs to tell red from green.
MACHINES: Final = "\u25c6"


def first_places(chart: Document) -> tuple[list[Document], list[Document]]:
    """The first entries by all likes, and by people's."""
    entries = chart["entries"]
    raw = sorted((e for e in entries if e["likes"]), key=lambda e: (e["rank"], e["id"]))
    human = sorted((e for e in entries if e["human_weight"] > 0), key=lambda e: (e["human_rank"], e["id"]))
    return raw[:PLACES], human[:PLACES]


def slopes(chart: Document) -> Markup:
    raw, human = first_places(chart)
    places = max(len(raw), len(human))
    parts = [
        tag("text", "by all likes", x=LEFT, y=LINE * 0.7, class_="quiet end"),
        tag("text", "by people's", x=RIGHT, y=LINE * 0.7, class_="quiet"),
    ]
    for at, entry in enumerate(raw):
        to = human.index(entry) if entry in human else None
        parts += [_on_the_left(entry, at), _line(entry, at, to)]
    parts += [_on_the_right(entry, at) for at, entry in enumerate(human)]
    title = f"The first {places} by all likes and by people's, {chart['name']}"
    desc = f"{MACHINES} marks what has most of its likes from bots and agents. The table has the same numbers."
    return picture(WIDE, LINE * (places + 1), title, desc, *parts, class_="slopes")


def from_machines(entry: Document) -> bool:
    return bool(entry["from_machines"] > 0.5)


def _kind(entry: Document) -> str:
    return "machines" if from_machines(entry) else "people"


def _y(place: int) -> float:
    return LINE * (place + 1.6)


def _name(entry: Document) -> str:
    return (f"{MACHINES} " if from_machines(entry) else "") + shortened(entry["id"], _LONGEST)


def _on_the_left(entry: Document, at: int) -> Markup:
    told = f"{entry['id']}: {entry['likes']:,} likes, {100 * entry['from_machines']:.1f} % from bots and agents"
    shown = f"{_name(entry)} \u00b7 {entry['likes']:,}"
    return tag("text", tag("title", told), shown, x=LEFT, y=_y(at), class_=f"{_kind(entry)} end")


def _on_the_right(entry: Document, at: int) -> Markup:
    first, last = entry["human_ranks"]
    ranks = f"{first}" if first == last else f"{first} to {last if last is not None else 'any below'}"
    told = f"{entry['id']}: among people's likes place {ranks}; by all likes {entry['rank']}"
    shown = f"{entry['human_weight']:,.0f} \u00b7 {_name(entry)}"
    return tag("text", tag("title", told), shown, x=RIGHT, y=_y(at), class_=_kind(entry))


def _line(entry: Document, at: int, to: int | None) -> Markup:
    begin, y = LEFT + 6, _y(at) - 5
    if to is None:
        return tag("line", x1=begin, y1=y, x2=begin + 34, y2=y, class_=f"{_kind(entry)} out")
    return tag("line", x1=begin, y1=y, x2=RIGHT - 6, y2=_y(to) - 5, class_=_kind(entry))
