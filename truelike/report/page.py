"""The report: one page that needs nothing else, neither a script nor a network."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from truelike.report.documents import Documents
from truelike.report.markup import Markup, joined, tag
from truelike.report.sections import SECTIONS

# Ids are anybody's: should one ever get through as markup, it can neither run nor fetch.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def html_of(documents: Documents) -> str:
    """The whole page. The same documents give the same text."""
    found = [(section, content) for section in SECTIONS if (content := section.content(documents)) is not None]
    links = (tag("li", tag("a", section.title, href=f"#{section.anchor}")) for section, _ in found)
    parts = (
        tag("section", tag("h2", section.title, id=f"{section.anchor}-title"), content, id=section.anchor)
        for section, content in found
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name_="viewport", content="width=device-width"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("title", f"Truelike: {documents.about.source}"),
        tag("style", Markup(files("truelike.report").joinpath("page.css").read_text("utf-8"))),
    )
    body = tag(
        "body",
        tag("h1", "Truelike"),
        tag("p", "Who is doing the liking, and whose choice was it.", class_="what"),
        tag("nav", tag("ul", *links)),
        tag("main", *parts),
    )
    return f"<!doctype html>\n{tag('html', joined(head, body), lang='en')}\n"
