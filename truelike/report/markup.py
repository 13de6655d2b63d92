"""HTML and SVG as text: whatever is not markup already is escaped."""

from __future__ import annotations

import html
import json
from typing import Final


class Markup(str):
    """Text that is HTML."""

    __slots__ = ()


Part = str | None
Attribute = str | float | None

# In HTML these have no end tag; all elements of SVG have one.
_VOID: Final = {"meta"}
# Control characters are no text in HTML; those that turn the direction would go on after the id that has them.
_UNSHOWN: Final = dict.fromkeys(
    [*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], "\ufffd"
)


def escaped(text: str) -> Markup:
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(text.encode("utf-8", "replace").decode().translate(_UNSHOWN)))


def joined(*parts: Part) -> Markup:
    return Markup("".join(escaped(part) for part in parts if part is not None))


def tag(name: str, /, *parts: Part, **attributes: Attribute) -> Markup:
    """An element. Of an attribute's name a last `_` is left out, others become `-`; None leaves the attribute out."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(_text(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>") if name in _VOID else Markup(f"<{name}{said}>{joined(*parts)}</{name}>")


def _text(value: str | float) -> str:
    """Of coordinates two places are enough."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def data(value: float | None, shown: str) -> Markup:
    """A number as it is shown, and exactly as the document has it, for who reads the page by program."""
    return tag("data", shown, value=json.dumps(value)) if value is not None else Markup("&ndash;")


def count(value: float | None) -> Markup:
    return data(value, "" if value is None else f"{value:,.0f}")


def share(value: float | None) -> Markup:
    return data(value, "" if value is None else f"{100 * value:.1f} %")


def decimal(value: float | None, places: int = 3) -> Markup:
    return data(value, "" if value is None else plain(value, places))


def plain(value: float, places: int = 3) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{places}f}"


def identifier(text: str) -> Markup:
    """An id, whatever its direction."""
    return tag("bdi", text)


def table(head: tuple[str, ...], rows: list[Markup], caption: str | None = None, class_: str | None = None) -> Markup:
    first = tag("caption", caption) if caption else None
    names = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in head)))
    return tag("div", tag("table", first, names, tag("tbody", *rows), class_=class_), class_="scrolls")


def row(*cells: Part, **attributes: Attribute) -> Markup:
    """The first cell is the row's head."""
    first = tag("th", cells[0], scope="row")
    return tag("tr", first, *(tag("td", cell) for cell in cells[1:]), **attributes)


def folded(summary: str, *parts: Part) -> Markup:
    return tag("details", tag("summary", summary), *parts)


def picture(
    width: float, height: float, title: str, desc: str | None, *parts: Part, class_: str | None = None
) -> Markup:
    """An SVG of its own that says what it shows."""
    about = (tag("title", title), tag("desc", desc) if desc else None)
    attributes = {"viewBox": f"0 0 {_text(width)} {_text(height)}", "role": "img"}
    return tag("svg", *about, *parts, **attributes, class_=class_, **{"aria-label": title})


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"
