"""Functions for the endpoints of stored objects: they read the query and the body of a request, send an
answer, or make an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.errors import RequestFailed, WireError
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import HttpRequest
from dragoman.server.numbers import whole_number
from dragoman.wire.json import TOO_LARGE, decode_object, refuse_many_values

_MOST_LISTED: Final = 100
_MOST_METADATA: Final = 16


def page_of(query: Mapping[str, str], order: str = "desc") -> tuple[int, bool, str | None]:
    """Return the page that a query asks for: how many items it has at most (1 to 100, default 20), whether
    the newest items come first, and the id of the item after which it begins (None = at the first item).
    order: "asc" or "desc", used if the query has no `order`. Raises RequestFailed (400) for an invalid
    `limit` or `order`; `after` is not checked.
    """
    limit = number(query, "limit", 20, at_least=1, at_most=_MOST_LISTED)
    order = query.get("order", order)
    if order not in {"asc", "desc"}:
        raise RequestFailed(invalid("order", "'asc' or 'desc'"))
    return limit, order == "desc", query.get("after")


def number(query: Mapping[str, str], name: str, default: int, *, at_least: int, at_most: int = 2**53) -> int:
    """Return the whole number in the field `name` of a query, or `default` if the query has no such field.
    Raises RequestFailed (400) for a value that is not a whole number from `at_least` to `at_most`.
    """
    stated = query.get(name)
    if stated is None:
        return default
    value = whole_number(stated)
    if value is None or not at_least <= value <= at_most:
        most = f" to {at_most}" if at_most < 2**53 else " or more"
        raise RequestFailed(invalid(name, f"a whole number, {at_least}{most}"))
    return value


async def object_of(gateway: Core, request: HttpRequest) -> dict[str, Any]:
    """Return the JSON object in a request's body, decoded; {} = the body is empty. Raises RequestFailed: 400
    for invalid JSON or another JSON value, 413 for too many values.
    """
    settings = gateway.config.server

    def read() -> dict[str, Any]:
        refuse_many_values(request.body, settings.max_values)
        return decode_object(request.body or b"{}", settings.max_depth)

    try:
        return await gateway.heavy.run(len(request.body), request.caller.name, read)
    except WireError as error:
        of: ir.Kind = "too_large" if error.code == TOO_LARGE else "invalid_request"
        raise RequestFailed(ir.Fault(of, error.message, error.code, error.path or None)) from error


async def answer_stored(request: HttpRequest, client: HttpClient, body: bytes) -> None:
    """Send `body` (JSON) with status 200. Before that, count its bytes as memory of the request. Raises
    RequestFailed if there is not enough memory.
    """
    request.room.take(len(body))
    await client.answer(200, (), body)


def metadata_of(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the field `metadata` of a body; {} = the field is missing or null. Raises RequestFailed (400)
    unless it is an object with at most 16 fields, whose names have at most 64 characters, and whose values
    are strings of at most 512 characters.
    """
    stated = body.get("metadata")
    if stated is None:
        return {}
    if not (
        isinstance(stated, dict)
        and len(stated) <= _MOST_METADATA
        and all(
            len(key) <= 64 and isinstance(value, str) and len(value) <= 512 for key, value in stated.items()
        )
    ):
        raise RequestFailed(invalid("metadata", "at most 16 strings of 512 characters, by keys of 64"))
    return stated


def invalid(param: str, expected: str) -> ir.Fault:
    """Return the error (400) for a field with an invalid value. expected: says which values are valid."""
    return ir.Fault("invalid_request", f"Invalid '{param}': expected {expected}.", "invalid_value", param)


def missing(param: str) -> ir.Fault:
    """Return the error (400) for a field that is missing."""
    text = f"Missing required parameter: '{param}'."
    return ir.Fault("invalid_request", text, "missing_required_parameter", param)


NOT_LISTED: Final = invalid("after", "the id of an item of this list")
