"""What the topics carry, for tools to read: the same documents as in docs/contracts."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from shared import contracts

SCHEMAS: Final = contracts.schemas()
ASYNCAPI: Final = contracts.asyncapi()

router = APIRouter(prefix="/v1")


class JsonSchemaResponse(JSONResponse):
    media_type = "application/schema+json"


class AsyncApiResponse(JSONResponse):
    media_type = "application/vnd.aai.asyncapi+json"


class Schema(BaseModel):
    name: Annotated[str, Field(description="The topic")]
    title: str
    description: str


class Schemas(BaseModel):
    schemas: list[Schema]


@router.get("/schemas")
async def schemas() -> Schemas:
    """Which JSON Schemas there are."""
    return Schemas(schemas=[Schema(name=name, **found) for name, found in SCHEMAS.items()])


@router.get("/schemas/{name}", response_class=JsonSchemaResponse)
async def schema(name: Annotated[str, Path(description="A topic, e.g. verdicts.v1")]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a public topic's messages."""
    if name not in SCHEMAS:
        raise HTTPException(404, f"no schema {name!r}: there are {', '.join(SCHEMAS)}")
    return SCHEMAS[name]


@router.get("/asyncapi", response_class=AsyncApiResponse)
async def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of all topics."""
    return ASYNCAPI
