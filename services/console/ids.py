"""Ids in URLs: whatever an id holds, a path or a query that names it can be written."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import parse_qsl, quote, unquote

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.convertors import Convertor, register_url_convertor

from shared.contract.identifiers import MOST_BYTES

NO_UTF8: Final = "what is percent-encoded here is not UTF-8"


class IdConvertor(Convertor[str]):
    """`{name:id}` in a route: percent-encoding (RFC 3986) is decoded here, once, after the route is found.

    Paths come to routes undecoded (shared/auth.py): in `/v1/targets/a%2Fneighbours` the slash is the target's.
    Bytes that are no UTF-8 become lone surrogates, which `Identifier` refuses.
    """

    regex = ".*"

    def convert(self, value: str) -> str:
        return unquote(value, errors="surrogateescape")

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


register_url_convertor("id", IdConvertor())


def _is_utf8(value: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in value)


def _checked(value: str) -> str:
    if not _is_utf8(value):
        raise PydanticCustomError("id_utf8", NO_UTF8)
    if not 1 <= len(value.encode()) <= MOST_BYTES:
        raise PydanticCustomError("id_bytes", f"an id has 1 to {MOST_BYTES} bytes of UTF-8")
    if "\0" in value:
        raise PydanticCustomError("id_nul", "no id holds a NUL: take %00 out")
    return value


Identifier = Annotated[
    str,
    AfterValidator(_checked),
    # JSON Schema counts characters; that ids are bounded in bytes is said in words.
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": MOST_BYTES,
            "pattern": r"^[^\x00]+$",
            "description": f"Any id of 1 to {MOST_BYTES} bytes of UTF-8, percent-encoded",
        }
    ),
]


async def query_is_utf8(request: Request) -> None:
    """Raises RequestValidationError naming the field: what is no UTF-8 would else be read as U+FFFD, another id."""
    query = request.scope["query_string"].decode("latin-1")
    for name, value in parse_qsl(query, keep_blank_values=True, errors="surrogateescape"):
        if not _is_utf8(name + value):
            field = name.encode("utf-8", "backslashreplace").decode()
            raise RequestValidationError([{"loc": ("query", field), "msg": NO_UTF8}])
