"""What two published descriptions say of the Responses API: OpenAI's own, and Open Responses.

Every answer is held to OpenAI's, because OpenAI's clients read it. What Open Responses describes as well is
held to that too. Where both cannot be obeyed at once OpenAI's word counts; `APART` lists those places.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema.exceptions import ValidationError, best_match
from openapi_schema_validator import OAS31Validator

Wire = dict[str, Any]
FILES = {"openai": "openai-2.3.0.openapi.json", "open": "openresponses-2026-04-24.openapi.json"}
EVENTS = "ResponseStreamEvent"
APART = {
    "response.reasoning_text.delta": "Open Responses names it response.reasoning.delta",
    "response.reasoning_text.done": "Open Responses names it response.reasoning.done",
    "response.custom_tool_call_input.delta": "of custom tools, which Open Responses has not",
    "response.custom_tool_call_input.done": "of custom tools, which Open Responses has not",
}
"""Events that only OpenAI's description has, and why. Its clients know no other names."""
LOOSER = (
    ("openai", "Response", ("allOf", 2, "properties", "usage")),
    ("openai", "TextResponseFormatJsonSchema", ("properties", "description")),
    ("open", "JsonSchemaResponseFormat", ("properties", "schema")),
)
"""Members that may be null although the description forgets it, because OpenAI's server says so and the other
description demands it; and one that Open Responses only has as null, which no server can mean.
"""


class Described:
    """Both descriptions. folder: of their files."""

    def __init__(self, folder: Path) -> None:
        self._schemas = {
            name: nullable(json.loads((folder / file).read_text("utf-8"))["components"])
            for name, file in FILES.items()
        }
        for description, name, path in LOOSER:
            member: Any = self._of(description, name)
            for step in path[:-1]:
                member = member[step]
            member[path[-1]] = {"anyOf": [member[path[-1]], {"type": ["null", "object"]}]}
        self._events = {
            "openai": dict(self._kinds("openai", self._of("openai", EVENTS)["anyOf"])),
            "open": dict(self._kinds("open", [{"$ref": name} for name in self._of_events()])),
        }
        self._items = dict(self._kinds("open", self._of("open", "ItemField")["oneOf"]))

    def _of(self, description: str, name: str) -> Wire:
        schema: Wire = self._schemas[description]["schemas"][name]
        return schema

    def _of_events(self) -> Iterator[str]:
        for name in self._schemas["open"]["schemas"]:
            if name.endswith("StreamingEvent"):
                yield f"#/components/schemas/{name}"

    def _kinds(self, description: str, references: list[Wire]) -> Iterator[tuple[str, str]]:
        """The `type` that each schema demands, with its name."""
        for reference in references:
            name = reference["$ref"].rpartition("/")[2]
            kind = self._of(description, name).get("properties", {}).get("type", {})
            for value in kind.get("enum", ()):
                yield value, name

    @cache  # noqa: B019  (there is one of these in a session)
    def _validator(self, description: str, name: str) -> OAS31Validator:
        return OAS31Validator(
            {"$ref": f"#/components/schemas/{name}", "components": self._schemas[description]}
        )

    def mistakes(self, name: str, value: Any, description: str = "openai") -> list[str]:
        """What a named schema finds wrong."""
        errors = self._validator(description, name).iter_errors(value)
        return [f"{description} {name}: {_deepest(error)}" for error in errors]

    def response(self, value: Wire) -> list[str]:
        """What is wrong with a response object."""
        found = self.mistakes("Response", value)
        if self._is_open(value):
            found += self.mistakes("ResponseResource", value, "open")
        return found

    def _is_open(self, response: Wire) -> bool:
        """Whether Open Responses has the kinds of items and tools of this response."""
        kinds = {item.get("type") for item in response.get("output", ())}
        tools = {tool.get("type") for tool in response.get("tools", ())}
        return kinds <= self._items.keys() and tools <= {"function"}

    def event(self, value: Wire) -> list[str]:
        """What is wrong with one event of a stream."""
        kind = value.get("type", "")
        name = self._events["openai"].get(kind)
        if name is None:
            return [f"there is no event {kind!r}"]
        found = self.mistakes(name, value)
        inside = [*value.get("response", {}).get("output", ()), *([value["item"]] if "item" in value else ())]
        if not self._is_open({**value.get("response", {}), "output": inside}) or kind in APART:
            return found
        return found + self.mistakes(self._events["open"][kind], value, "open")

    def message(self, value: Wire) -> list[str]:
        """What is wrong with one message on a WebSocket: an event, or the error of a whole request."""
        if value.get("type") == "error" and "status" in value:
            return self.mistakes("WebSocketErrorEvent", value, "open")
        return self.event(value)


def _deepest(error: ValidationError) -> str:
    """The mistake in the branch of a union that was meant."""
    found = best_match([error]) or error
    return f"{found.json_path}: {found.message[:300]}"


def nullable(schema: Any) -> Any:
    """The schema with the word `nullable`, which its version no longer knows, as the null type."""
    if isinstance(schema, list):
        return [nullable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: nullable(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [inner, {"type": "null"}]} if schema.get("nullable") is True else inner
