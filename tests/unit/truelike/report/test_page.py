"""What is printed is what the documents say, and what anybody put into them stays text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from services.charts.figures import wrongly_called_bot
from services.charts.limits import ChartLimits
from services.charts.task import ChartsTask
from services.choice.figures import measure
from shared.labels import LABELS
from shared.messages import Chart, PlatformChoice, PlatformLoop
from tests.unit.truelike.report.tree import Element, parsed
from truelike.evaluation import choice_world, loop_world
from truelike.report import from_files
from truelike.report.documents import About, Documents
from truelike.report.figures import about
from truelike.report.page import html_of
from truelike.report.pictures.slopes import first_places
from truelike.report.sections import SECTIONS
from truelike.report.sections.loop import BY_DAY

ABOUT = About("likes.jsonl", "by hand", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", {"human": 3, "bot": 1})
HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</title></svg><script>",
    "</style><b>",
    "&lt;b&gt; & &#60;",
    "javascript:alert(1)",
    "\u05d0\u05d1 x",
    "x" * 500,
]


@cache
def documents() -> Documents:
    """Of made worlds in which most figures are identified."""
    task = ChartsTask(0, ChartLimits(likes=50_000))
    for batch in loop_world.make(loop_world.LoopWorld(), 3):
        task.take(batch)
    loop = from_files.loop_of(task)
    window = loop["figures"][0]["first_at"], loop["figures"][0]["last_at"]
    loop["figures"] += [
        figure.described(window) for figure in wrongly_called_bot.figures(sum_of(loop_world.reviews(1000, 5)))
    ]
    log = choice_world.make(choice_world.World(), 3).log
    figures = [figure.described(log.window) for figure in measure(log)]
    choice = {"as_of": "2026-01-02T00:00:00Z", "model": "m-1", "attribution_hours": 24.0, "figures": figures}
    return Documents(ABOUT, from_files.charts_of(task), loop, json.loads(json.dumps(choice)))


def sum_of(reviews: list[Any]) -> Any:
    whole = reviews[0]
    for part in reviews[1:]:
        whole = whole + part
    return whole


@cache
def page() -> Element:
    return parsed(html_of(documents()))


def told() -> Iterator[dict[str, Any]]:
    yield from (figure for figure in documents().figures() if figure["identified"])


def numbers_of(figure: dict[str, Any], *names: str) -> list[Any]:
    return [figure[name] for name in names if figure[name] is not None]


def test_the_documents_are_those_of_the_api() -> None:
    found = documents()
    assert found.loop is not None
    PlatformLoop.model_validate(found.loop)
    assert found.choice is not None
    PlatformChoice.model_validate(found.choice | {"exposure_sample": 1.0, "partitions": 1})
    assert found.charts
    for chart in found.charts:
        Chart.model_validate(chart)


def test_every_figure_is_printed_with_its_own_numbers() -> None:
    rows = {row.parts[0].text: row.numbers for row in page().all("tr") if isinstance(row.parts[0], Element)}
    cells = {e.attributes["title"]: e.numbers for e in page().all("td", "div") if "title" in e.attributes}
    days = {e.text for e in page().all("title")}
    seen = set()
    for figure in told():
        edges = numbers_of(figure, "value", "low", "high")
        if figure.get("liked_by") in LABELS:
            expected = numbers_of(figure, "likes", "value", "low", "high", "bits", "weight")
            assert cells[figure["sentence"]] == expected
            seen.add("matrix")
        elif "over" in figure:
            assert cells[figure["sentence"]] == edges
            assert figure["share"] in rows[figure["language"]]
            seen.add("languages")
        elif figure.get("of") in BY_DAY:
            assert figure["sentence"] in days
            assert all(number in rows[figure["day"]] for number in edges)
            seen.add("days")
        else:
            assert rows[figure["sentence"] + about(figure)] == [*edges, figure["n"]]
            seen.add(figure["figure"])
        if "ceiling" in figure:
            names = ("ceiling", "ceiling_low", "ceiling_high", "recommended_and_ai_made", "unknown_share")
            assert rows[figure["feed"]] == numbers_of(figure, *names)
    assert {"matrix", "languages", "days", "who_likes_creators", "loop", "wrongly_called_bot"} <= seen
    assert {"caused_share", "slot_effect", "surface_mix"} <= seen


def test_what_is_not_identified_is_told_with_its_reason() -> None:
    rows = [row.text for row in page().one("section", id="not-identified").all("tr")]
    left = [figure for figure in documents().figures() if not figure["identified"]]
    assert left
    for figure in left:
        name = figure["figure"].replace("_", " ")
        assert any(row.startswith(name) and figure["why"] in row and about(figure) in row for row in rows), figure
    assert not any(figure["sentence"] in page().text for figure in left)


def test_charts_are_printed_with_their_own_numbers() -> None:
    whole = [chart for chart in documents().charts if chart["facet"] == "all"]
    shown = list(page().one("section", id="charts").all("section"))
    assert len(shown) == len(whole) > 3
    for chart, section in zip(whole, shown, strict=True):
        overlap, made = chart["overlap"], chart["ai_made"]
        about_it = [chart["n"], chart["human_weight"], chart["ai_liked"], made["low"], made["high"]]
        about_it += [chart["slots_changed"], overlap["extrapolated"], overlap["least"], overlap["most"]]
        assert next(section.all("p")).numbers == about_it
        entries = {entry["id"]: entry for places in first_places(chart) for entry in places}
        rows = [row for row in section.all("tr") if row.numbers]
        assert {row.one("bdi").text for row in rows} == set(entries)
        for row in rows:
            entry = entries[row.one("bdi").text]
            numbers = [entry["rank"], entry["human_rank"], *entry["human_ranks"], entry["likes"]]
            numbers += [entry["from_machines"], entry["human_weight"]]
            assert row.numbers == [number for number in numbers if number is not None]
    spoken = [chart for chart in documents().charts if chart["facet"] == "language"]
    captions = {e.text.split(",")[0]: e.numbers for e in page().all("caption")}
    assert captions == {chart["segment"]: [chart["n"], chart["ai_liked"]] for chart in spoken}
    assert len(spoken) > 2


def test_labels_are_printed() -> None:
    section = page().one("section", id="labels")
    assert section.numbers == [3, 0.75, 0, 0.0, 1, 0.25, 0, 0.0]


def test_the_page_needs_nothing_else() -> None:
    everything = list(page().all())
    assert not {"script", "link", "img", "iframe", "object", "form", "base", "image", "use"} & {
        e.tag for e in everything
    }
    for element in everything:
        assert not any(name.startswith("on") or name == "src" for name in element.attributes)
        assert (element.attributes.get("href") or "#").startswith("#")
        assert "url(" not in (element.attributes.get("style") or "")
    style = page().one("style").text
    assert "url(" not in style
    assert "@import" not in style
    policy = page().one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_every_picture_says_what_it_shows() -> None:
    pictures = list(page().all("svg"))
    assert len(pictures) > 20
    for one in pictures:
        first = one.parts[0]
        assert isinstance(first, Element)
        assert first.tag == "title"
        assert first.text
        assert one.attributes["role"] == "img"
        assert not any(name in str(one.attributes) for name in ("nan", "inf"))
    ids = [e.attributes["id"] for e in page().all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for link in page().all("a"):
        assert (link.attributes["href"] or "").removeprefix("#") in ids


@pytest.mark.parametrize("text", HOSTILE)
def test_what_anybody_wrote_stays_text(text: str) -> None:
    plain = documents()
    charts = [
        chart | {"segment": chart["segment"] and text, "entries": [e | {"id": text} for e in chart["entries"][:1]]}
        for chart in plain.charts
    ]
    of = {"figure": text, "surface": text, "feed": text, "language": text, "why": text, "sentence": text}

    def spoilt(document: Any) -> Any:
        figures = [
            figure
            | {name: of[name] for name in of.keys() & figure.keys() if figure[name] is not None and name != "figure"}
            for figure in document["figures"]
        ]
        return document | {"figures": figures, "model": text, "as_of": text}

    hostile = Documents(
        About(text, text, text, text, {"human": 1}, (text,)), charts, spoilt(plain.loop), spoilt(plain.choice)
    )
    found = parsed(html_of(hostile))
    assert {e.tag for e in found.all()} <= {e.tag for e in page().all()}
    assert {n for e in found.all() for n in e.attributes} <= {n for e in page().all() for n in e.attributes}
    assert {e.text for e in found.one("section", id="charts").all("bdi")} == {text}
    assert next(found.all("title")).text == f"Truelike: {text}"


def test_characters_that_are_no_text_are_marked() -> None:
    found = parsed(html_of(Documents(About("a\x00b\u202ec\ud800d\x7f", "", None, None, {}))))
    assert next(found.all("bdi")).text == "a\ufffdb\ufffdc?d\ufffd"


def test_nothing_was_measured() -> None:
    found = parsed(html_of(Documents(About("nothing.csv", "by nobody", None, None, {}))))
    assert "nothing was liked" in found.one("section", id="of-what").text
    assert "No like was judged." in found.one("section", id="labels").text
    assert "No chart was counted." in found.one("section", id="charts").text
    left = found.one("section", id="not-identified").text
    assert "Nothing was measured of the loop." in left
    assert "Nothing was measured of whose choice it was." in left


def test_sections_that_have_nothing_are_left_out() -> None:
    empty = Documents(
        ABOUT, [], {"as_of": "", "days": 28, "figures": []}, {**(documents().choice or {}), "figures": []}
    )
    shown = {e.attributes["id"] for e in parsed(html_of(empty)).all("section") if "id" in e.attributes}
    assert shown == {"of-what", "labels", "charts", "not-identified"}
    assert shown < {section.anchor for section in SECTIONS}
