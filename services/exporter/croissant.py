"""The export's Croissant description (MLCommons, Croissant 1.0), as JSON-LD: files, columns, and what they can hold."""

from __future__ import annotations

from typing import Any, Final

from services.exporter.columns import Column, columns
from services.exporter.sums import Sums
from shared.events import rfc3339

NAME: Final = "truelike-likes"
FILES: Final = "date=*/*.parquet"
DESCRIPTION: Final = (
    "Likes as they were given, each with the probability that a person acted, a label and what it counts for in "
    "training. A like that is judged anew comes again with a higher revision: take the latest of each event_id and "
    "action."
)

# The context that the specification gives.
_CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(sums: Sums) -> dict[str, Any]:
    """Of an export whose files add up to `sums`. Files come and go, so they have no checksums here."""
    window = {}
    if sums.first_at is not None and sums.last_at is not None:
        window = {"temporalCoverage": f"{rfc3339(sums.first_at)}/{rfc3339(sums.last_at)}"}
    named = {column.name: column.values for column in columns() if column.values}
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": NAME,
        "description": DESCRIPTION,
        "isLiveDataset": True,
        **window,
        "distribution": [
            {
                "@type": "cr:FileSet",
                "@id": "files",
                "name": "files",
                "description": f"{sums.files:,} Parquet files, {sums.rows:,} rows",
                "encodingFormat": "application/x-parquet",
                "includes": FILES,
            }
        ],
        "recordSet": [_likes(), *(_enumeration(name, values) for name, values in named.items())],
    }


def _likes() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "likes",
        "name": "likes",
        "description": "A row for each revision of a like",
        "key": [{"@id": f"likes/{name}"} for name in ("event_id", "action", "revision")],
        "field": [_field(column) for column in columns()],
    }


def _field(column: Column) -> dict[str, Any]:
    references = {"references": {"field": {"@id": f"{column.name}_values/name"}}} if column.values else {}
    return {
        "@type": "cr:Field",
        "@id": f"likes/{column.name}",
        "name": column.name,
        "description": column.description,
        "dataType": column.data_type,
        "source": {"fileSet": {"@id": "files"}, "extract": {"column": column.name}},
        **references,
    }


def _enumeration(name: str, values: tuple[str, ...]) -> dict[str, Any]:
    field = f"{name}_values/name"
    return {
        "@type": "cr:RecordSet",
        "@id": f"{name}_values",
        "name": f"{name}_values",
        "description": f"All that {name} can be",
        "dataType": "sc:Enumeration",
        "key": {"@id": field},
        "field": [{"@type": "cr:Field", "@id": field, "name": "name", "dataType": "sc:Text"}],
        "data": [{field: value} for value in values],
    }
