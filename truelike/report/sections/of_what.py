"""What the report is of."""

from __future__ import annotations

from typing import Final

from truelike.report.documents import Documents
from truelike.report.markup import Markup, Part, count, joined, tag
from truelike.report.sections.section import Section


def content(documents: Documents) -> Markup:
    about, loop, choice = documents.about, documents.loop, documents.choice
    window = f"{about.first_at} to {about.last_at}" if about.first_at else "nothing was liked"
    told: list[tuple[str, Part]] = [
        ("from", tag("bdi", about.source)),
        ("likes", count(sum(about.labels.values()))),
        ("window", window),
        ("judged", about.judged),
    ]
    if loop is not None:
        told.append(("the loop", f"of the last {loop['days']} days of event time, as of {loop['as_of']}"))
    if choice is not None:
        told.append(("choice", _of_choice(choice)))
    told += [("mind", note) for note in about.notes]
    pairs = (joined(tag("dt", name), tag("dd", said)) for name, said in told)
    return tag("dl", *pairs)


def _of_choice(choice: dict[str, object]) -> str:
    hours = choice["attribution_hours"]
    model = choice["model"] or "nobody: no like was forecast"
    return (
        f"as of {choice['as_of']}; likes were forecast by {model}; a slate may have brought likes {hours:g} hours later"
    )


SECTION: Final = Section("of-what", "What this is of", content)
