"""Bodies held to the types of the official clients: nothing unknown, nothing of another type."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.warnings import TypedDictExtraConfigWarning
from pydantic_core import SchemaValidator

_KINDS = {"literal_error": 0, "missing": 0, "dict_type": 0}
"""Mistakes that say rather that another branch of a union is meant."""


class Refused(Exception):
    """A request as its provider refuses it. path: in the body ("messages[0].content"), "" = the whole."""

    def __init__(self, message: str, path: str = "", code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.code = code
        self.status = status


class Types:
    """A checker by one type of an official client: a TypedDict, a model, or a union of them."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._validator: SchemaValidator | None = None

    def hold(self, body: Any) -> None:
        """Raises Refused with the deepest mistake."""
        if self._validator is None:
            # Configuration cannot be given for such a type itself, but what contains it hands it down.
            # A model's class has a validator of its own, which must not be taken: it is not closed.
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", TypedDictExtraConfigWarning
                )  # some types say that they are open
                adapter = TypeAdapter(list[self._kind], config=ConfigDict(extra="forbid"))  # type: ignore[name-defined]
            self._validator = SchemaValidator(_eager(adapter.core_schema), _use_prebuilt=False)
        try:
            self._validator.validate_json(json.dumps([body]), strict=True)
        except ValidationError as error:
            mistakes = error.errors(include_url=False, include_context=False, include_input=False)
            found = [(_walked(body, mistake["loc"][1:], mistake["type"]), mistake) for mistake in mistakes]
            path, mistake = max(found, key=lambda one: (len(one[0]), _KINDS.get(one[1]["type"], 1)))
            raise Refused(f"{mistake['msg']} ({mistake['type']})", _written(path)) from None


def _eager(schema: Any) -> Any:
    """A schema that is closed and whose iterables are lists: pydantic looks into others too late."""
    if isinstance(schema, dict):
        made = {key: value if key == "metadata" else _eager(value) for key, value in schema.items()}
        if made.get("type") == "generator":
            made["type"] = "list"
        elif (
            made.get("type") == "model-fields" and "extras_schema" not in made
        ):  # some clients' models ignore what they do not know
            made["extra_behavior"] = "forbid"
        return made
    if isinstance(schema, list):
        return [_eager(one) for one in schema]
    if isinstance(schema, tuple):
        return tuple(_eager(one) for one in schema)
    return schema


def _walked(body: Any, location: Sequence[int | str], kind: str) -> list[int | str]:
    """The part of a location that is a path of the body; branches of unions have names in it too."""
    path: list[int | str] = []
    here = body
    for step in location:
        if (isinstance(here, dict) and step in here) or (
            isinstance(here, list) and isinstance(step, int) and step < len(here)
        ):
            here = here[step]  # type: ignore[index]
            path.append(step)
        elif kind == "missing" and step == location[-1]:
            path.append(step)
    return path


def _written(path: Sequence[int | str]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def demand(holds: object, message: str, path: str = "", code: str | None = None, status: int = 400) -> None:
    """Refuse a request unless this holds."""
    if not holds:
        raise Refused(message, path, code, status)


def within(body: dict[str, Any], key: str, least: float, most: float, *, path: str = "") -> None:
    """Refuse a number that is out of range; absent and null are fine."""
    value = body.get(key)
    demand(
        value is None or least <= value <= most,
        f"{key} must be between {least:g} and {most:g}, not {value}",
        f"{path}{key}",
    )
