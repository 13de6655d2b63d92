"""The documents of a report from a running stack, by the console's API."""

from __future__ import annotations

from typing import Any, Final

import httpx
from pydantic import BaseModel, ValidationError

from services.charts.counts import OF
from services.charts.periods import PERIODS
from shared.events import rfc3339
from shared.messages import Chart, PlatformChoice, PlatformLoop
from truelike.files.content import UnreadableFile
from truelike.report.documents import About, Document, Documents
from truelike.report.from_files import LANGUAGES

_JUDGED: Final = "by the running detector; likes by label are all since it began, charts and figures of their own time"


def fetch(url: str, headers: dict[str, str]) -> Documents:
    """Raises UnreadableFile with what is wrong and what to do."""
    with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        loop = _read(client, "/v1/loop", {}, PlatformLoop)
        choice = _read(client, "/v1/choice", {}, PlatformChoice)
        asked: list[dict[str, str]] = [{"period": period, "of": of} for period in PERIODS for of in OF]
        asked += [{"period": "week", "of": "target", "language": language} for language in languages(loop)]
        charts = [_read(client, "/v1/charts", query, Chart) for query in asked]
        stats = _read(client, "/v1/stats", {}, None)
    figures = (loop or choice or {"figures": []})["figures"]
    first_at, last_at = (rfc3339(figures[0][name]) if figures else None for name in ("first_at", "last_at"))
    labels = stats["likes"] if stats is not None else {}
    return Documents(About(url, _JUDGED, first_at, last_at, labels), [chart for chart in charts if chart], loop, choice)


def languages(loop: Document | None) -> list[str]:
    """Those that the loop's figures tell of, in their order: the API has no list of the charts that there are."""
    figures = loop["figures"] if loop is not None else []
    return list(dict.fromkeys(figure["language"] for figure in figures if "language" in figure))[:LANGUAGES]


def _read(client: httpx.Client, path: str, query: dict[str, str], model: type[BaseModel] | None) -> Document | None:
    """None where there is nothing yet."""
    where = f"{str(client.base_url).rstrip('/')}{path}"
    try:
        answer = client.get(path, params=query)
        if answer.status_code in (401, 403):
            raise UnreadableFile(f"{where} wants a token with the scope read: set ACCESS_TOKEN or ACCESS_TOKEN_FILE")
        if answer.status_code == httpx.codes.NOT_FOUND and _says_why(answer):
            return None
        answer.raise_for_status()
        document: Any = answer.json()
        if model is not None:
            model.model_validate(document)
    except httpx.HTTPError as error:
        raise UnreadableFile(f"{where}: {error}; give --url the console's address (`truelike status` has it)") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UnreadableFile(f"{where}: {field}: {first['msg']}; is the console of this version?") from None
    except ValueError as error:
        raise UnreadableFile(f"{where} answers no JSON ({error}): give --url the console's address") from None
    found: Document = document
    return found


def _says_why(answer: httpx.Response) -> bool:
    """A console that has nothing yet says so; another server, or an older console, knows no such path."""
    return bool(answer.json().get("detail") not in (None, "Not Found"))
