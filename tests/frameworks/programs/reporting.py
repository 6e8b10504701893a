"""What every program here shares: what it is told to ask, and how it tells what came.

Its one argument is JSON: the gateway's `url`, a `key`, the `models` that chat, those that make `vectors`, and
which `kinds` of client. What it found is one JSON object on stdout: kind → model → feature → what came, or
the error that came instead, as text.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pydantic

Feature = Callable[[str], Awaitable[Any]]
Kinds = Mapping[str, Mapping[str, Feature]]

HELLO = "Say hello."
QUESTION = "Get weather of Oslo and of Lima."
HANDOFF = "Transfer to weather: get weather of Oslo and of Lima."
WHO = "Which person was Ada Lovelace?"
FAIL = "Fail with 429.\nsimulate: fail:429"
TEXTS = ["one", "two words", "three more words"]
DEGREES = {"Oslo": 7, "Lima": 19}
AT_ONCE = 4


class Person(pydantic.BaseModel):
    """A person."""

    name: str
    year: int


class Weather:
    """The tool, which remembers the cities that it was asked for."""

    def __init__(self) -> None:
        self.cities: list[str] = []

    def look(self, city: str) -> str:
        """The weather of a city."""
        self.cities.append(city)
        return f"{DEGREES.get(city, 0)} degrees in {city}"

    def told(self, text: Any, **more: Any) -> dict[str, Any]:
        """What a feature reports: which cities, sorted, and what the model made of it."""
        return {"cities": sorted(self.cities), "text": text, **more}


def person(value: Any) -> dict[str, Any]:
    """A person as JSON; anything else is no answer."""
    if not isinstance(value, Person):
        raise TypeError(f"no person: {value!r}")
    return value.model_dump()


def streamed(pieces: list[str]) -> dict[str, Any]:
    """A text that came in pieces."""
    whole = [piece for piece in pieces if piece]
    return {"text": "".join(whole), "several": len(whole) > 1}


async def failures(
    ask: Callable[[str, str, str], Awaitable[Any]], model: str, key: str
) -> dict[str, list[Any]]:
    """How a refused request, an unknown model and a wrong key show themselves.

    ask: with a model, a key and a question.
    """
    found = {}
    for name, asked in {
        "limit": (model, key, FAIL),
        "model": ("nobody/nothing", key, HELLO),
        "key": (model, "wrong", HELLO),
    }.items():
        try:
            came = await ask(*asked)
        except Exception as error:  # noqa: BLE001 - which class it is, is the question
            found[name] = [type(error).__name__, _status(error)]
        else:
            found[name] = ["no error", repr(came)[:200]]
    return found


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error has, or what it was raised from."""
    at: BaseException | None = error
    while at is not None:
        for name in ("status_code", "code"):
            if isinstance(status := getattr(at, name, None), int):
                return status
        at = at.__cause__ or at.__context__
    return None


async def _all(kinds: Kinds, models: list[str], vectors: list[str]) -> dict[str, Any]:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(feature: Feature, model: str) -> Any:
        async with places:
            try:
                return await feature(model)
            except Exception:  # noqa: BLE001 - the test tells which
                return traceback.format_exc()[-3000:]

    cells = [
        (kind, model, name, feature)
        for kind, features in kinds.items()
        for name, feature in features.items()
        for model in (vectors if name.startswith("vectors") else models)
    ]
    came = await asyncio.gather(*(one(feature, model) for _, model, _, feature in cells))
    report: dict[str, Any] = {}
    for (kind, model, name, _), value in zip(cells, came, strict=True):
        report.setdefault(kind, {}).setdefault(model, {})[name] = value
    return report


def main(make: Callable[[str, str], Kinds]) -> None:
    """Run what is asked for. make: the kinds of client of one framework, for a URL and a key."""
    told = json.loads(sys.argv[1])
    kinds = {name: kind for name, kind in make(told["url"], told["key"]).items() if name in told["kinds"]}
    print(json.dumps(asyncio.run(_all(kinds, told["models"], told["vectors"]))))
