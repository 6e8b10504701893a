"""Makes the description of the administration (OpenAPI 3.1) from the rows that describe its operations
(`Operation`).

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from inspect import cleandoc
from typing import Any, Final

import msgspec

from dragoman.server.admin.operation import Operation
from dragoman.version import __version__

_ABOUT: Final = (
    "What an operator sees and changes while the gateway runs. Every path needs a client key: with the scope "
    "`read` or `admin` for GET, with `admin` for the other methods. No key is needed on the Unix socket, nor "
    "on this machine while no key is configured. A key that belongs to a tenant may call only the operations "
    "that say so, and sees and changes only what belongs to its tenant."
)
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_REFERENCE: Final = "#/components/schemas/{name}"


class ErrorObject(msgspec.Struct):
    """An error in OpenAI's form. param: the field that is wrong, null = no single field. Some errors have
    further fields, such as `problems`.
    """

    message: str
    type: str
    param: str | None
    code: str | None


class Error(msgspec.Struct):
    """The body of each answer with a status of 400 or above."""

    error: ErrorObject


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the OpenAPI description of these operations, as a JSON value."""
    rows = list(operations)
    kinds = [kind for row in rows for kind in (row.answer, row.body) if kind not in {None, Any}]
    _, components = msgspec.json.schema_components([*dict.fromkeys(kinds), Error], ref_template=_REFERENCE)
    for component in components.values():
        if isinstance(about := component.get("description"), str):
            component["description"] = cleandoc(
                about
            )  # before Python 3.13, docstrings keep their indentation
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dragoman's administration", "version": __version__, "description": _ABOUT},
        "security": [{"key": []}, {}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(row: Operation) -> dict[str, Any]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PLACEHOLDER.findall(row.path)
    ]
    parameters += _queried(row.query)
    if row.tagged and row.method != "GET":
        about = "Make the change only if the ETag is still this one."
        parameters.append(
            {"name": "If-Match", "in": "header", "description": about, "schema": {"type": "string"}}
        )
    described: dict[str, Any] = {"operationId": row.name, "summary": row.summary}
    if parameters:
        described["parameters"] = parameters
    if row.body is not None:
        schema = {"description": row.about} if row.body is Any else _reference(row.body)
        content = {"application/json": {"schema": schema}}
        described["requestBody"] = {"required": False, "content": content}
    described["responses"] = _responses(row)
    return described


def _queried(kind: Any) -> list[dict[str, Any]]:
    if kind is None:
        return []
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    _, components = msgspec.json.schema_components([kind])
    found: Mapping[str, Any] = components[schema["$ref"].rpartition("/")[2]]["properties"]
    return [{"name": name, "in": "query", "schema": one} for name, one in found.items()]


def _responses(row: Operation) -> dict[str, Any]:
    answer = {"type": "object"} if row.answer is None else _reference(row.answer)
    done: dict[str, Any] = {"description": "Done.", "content": {"application/json": {"schema": answer}}}
    if row.tagged:
        done["headers"] = {"ETag": {"schema": {"type": "string"}}}
    found = {"200": done, "400": _failure("A field is wrong: `param` names it.")}
    found["401"] = _failure("The key is missing or unknown.")
    found["403"] = _failure(_barred(row))
    if "{" in row.path:
        found["404"] = _failure("There is nothing of this name.")
    if row.tagged and row.method != "GET":
        found["412"] = _failure("It has been changed since: If-Match names another ETag.")
    return found


def _barred(row: Operation) -> str:
    """Return when the answer has the status 403 (see `server.admin.access`)."""
    lacks = "has neither the scope `read` nor `admin`" if row.method == "GET" else "lacks the scope `admin`"
    if row.for_tenants:
        return f"The key {lacks}. A key that belongs to a tenant may call this for its tenant."
    return f"The key {lacks}, or it belongs to a tenant."


def _failure(about: str) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": _reference(Error)}}}


def _reference(kind: type[Any]) -> dict[str, Any]:
    return {"$ref": _REFERENCE.format(name=kind.__name__)}
