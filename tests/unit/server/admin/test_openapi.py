"""The description follows OpenAPI 3.1, and says what the operations take and give."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from dragoman.accounts.caller import Caller
from dragoman.dialects.table import DEFAULT
from dragoman.server.admin.access import barred
from dragoman.server.admin.api import OPERATIONS
from dragoman.server.admin.openapi import document
from dragoman.server.endpoint import Endpoint, Handler
from tests.unit.server.admin.conftest import Desk

DOCUMENT = document(OPERATIONS)
SCHEMAS = DOCUMENT["components"]["schemas"]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, row in DOCUMENT["paths"].items():
        for method, one in row.items():
            yield path, method, one


def test_every_reference_leads_to_a_schema_and_every_schema_is_used() -> None:
    named = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}
    assert named == set(SCHEMAS)


def test_it_has_what_openapi_requires() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    ids = [one["operationId"] for _, _, one in operations()]
    assert len(ids) == len(set(ids))
    for path, method, one in operations():
        assert path.startswith("/admin")
        assert method in {"get", "post", "put", "delete"}
        stated = {row["name"] for row in one.get("parameters", ()) if row["in"] == "path"}
        assert stated == set(re.findall(r"\{(\w+)\}", path))
        assert all(row.get("required") for row in one.get("parameters", ()) if row["in"] == "path")
        assert all(
            "schema" in row and row["in"] in {"path", "query", "header"} for row in one.get("parameters", ())
        )
        assert all({"description"} <= set(answer) for answer in one["responses"].values())
        assert {"200", "401", "403"} <= set(one["responses"])
        assert method != "get" or "requestBody" not in one


def test_a_change_takes_an_etag() -> None:
    disable = DOCUMENT["paths"]["/admin/providers/{name}/disable"]["post"]
    assert [row["name"] for row in disable["parameters"]] == ["name", "If-Match"]
    assert {"404", "412"} <= set(disable["responses"])
    assert "ETag" in disable["responses"]["200"]["headers"]


def valid(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a JSON value fits a schema, as far as ours go."""
    if "$ref" in schema:
        return valid(value, SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return any(valid(value, one) for one in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return bool(value == schema["const"])
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            more = schema.get("additionalProperties", True)
            return (
                isinstance(value, dict)
                and set(schema.get("required", ())) <= set(value)
                and all(
                    valid(one, fields.get(name, more if isinstance(more, dict) else {}))
                    for name, one in value.items()
                )
            )
        case "array":
            return isinstance(value, list) and all(valid(one, schema["items"]) for one in value)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int)
        case "number":
            return isinstance(value, int | float)
        case "null":
            return value is None
    return True


async def test_answers_are_as_described(desk: Desk) -> None:
    await desk.post("/admin/providers/up/disable")
    for path in ("/admin", "/admin/audit", "/admin/config", "/admin/providers", "/admin/providers/{name}"):
        answer = await desk.get(path.replace("{name}", "up"))
        content = DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]
        assert valid(answer.body, content["application/json"]["schema"]), path
    refused = await desk.get("/admin/providers/none")
    assert valid(refused.body, SCHEMAS["Error"])
    assert not valid({"error": {}}, SCHEMAS["Error"])


def test_a_403_is_described_as_the_server_gives_it() -> None:
    for row in OPERATIONS:
        handler = Handler(_answer, for_tenants=row.for_tenants)
        endpoint = Endpoint(row.path, DEFAULT, {row.method: handler}, scope="admin")
        asking: Any = SimpleNamespace(method=row.method)
        barring = {
            name: barred(caller, endpoint, asking) is not None
            for name, caller in {
                "read": Caller("a", scopes=frozenset({"read"})),
                "admin": Caller("b", scopes=frozenset({"admin"})),
                "tenant": Caller("c", scopes=frozenset(), scopes_in_tenant=frozenset({"admin"})),
            }.items()
        }
        about = DOCUMENT["paths"][row.path][row.method.lower()]["responses"]["403"]["description"]
        assert barring == {
            "read": "`read`" not in about,
            "admin": False,
            "tenant": "or it belongs to a tenant" in about,
        }


async def _answer(*_: Any) -> None: ...
