"""A request with one value of another JSON type is answered, or refused as the client's mistake: on the whole
way through a gateway (decode, widen, plan, translate), and never with an internal error.

The law `request_mutants` tests the codecs alone, with changes at random. Here each member that our cases or
the recorded traffic have is replaced, once in each place of its own, by a value of each other type.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from dragoman.dialects.table import DIALECTS
from dragoman.errors import CallFailed
from dragoman.gateway import Gateway
from dragoman.testing import corpus
from dragoman.testing.case import APIS

CASES = Path(__file__).parent.parent / "cases"
FACES = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "openai_completions": "/v1/completions",
    "gemini": "/v1beta/models/simulate/echo:generateContent",
    "ollama": "/api/chat",
}
"""Each face, with the path of its chat."""
OPERATIONS: dict[str, dict[str, Any]] = {
    "/v1/embeddings": {"input": ["a", "b"], "dimensions": 8, "encoding_format": "float", "user": "u"},
    "/v1beta/models/simulate/echo:embedContent": {
        "content": {"parts": [{"text": "a"}], "role": "user"},
        "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 8,
    },
    "/api/embed": {"input": ["a"], "truncate": True, "options": {"num_ctx": 8}, "dimensions": 8},
    "/v1/images/generations": {"prompt": "a", "n": 1, "size": "256x256", "response_format": "b64_json"},
    "/v1/audio/speech": {"input": "a", "voice": "alloy", "response_format": "wav", "speed": 1.5},
    "/v1/moderations": {"input": [{"type": "text", "text": "a"}]},
    "/v1/rerank": {"query": "a", "documents": ["a", {"text": "b"}], "top_n": 1, "return_documents": True},
    "/v1/messages/count_tokens": {
        "system": [{"type": "text", "text": "a"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
    },
    "/v1/responses/input_tokens": {"input": [{"role": "user", "content": "a"}], "instructions": "b"},
}
"""Requests beside chat: their path, and a body to which the model is added."""
FOR_GATEWAYS: dict[str, Any] = {
    "models": ["simulate/lorem"],
    "fallbacks": ["simulate/lorem"],
    "metadata": {"tags": ["a"], "user_id": "u", "team": {"x": 1}},
    "litellm_metadata": {"tags": ["a"], "user": "u"},
    "tags": ["a"],
    "safety_identifier": "u",
    "user": "u",
    "service_tier": "auto",
    "plugins": [{"id": "fusion", "model": "simulate/lorem", "analysis_models": ["simulate/lorem"]}],
    "compound_custom": {"models": {"answering_model": "simulate/lorem"}},
    "tools": [{"type": "function", "model": "simulate/lorem", "parameters": {"model": "simulate/lorem"}}],
}
"""Members of a body that the gateway itself reads."""
VALUES: tuple[Any, ...] = ([], {}, True, 1, "x", None)
LONGEST = 400
"""The most members and elements of a recorded body; longer ones have the same kinds of places."""

Place: TypeAlias = tuple[str | int, ...]


def places(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Each place inside a value, and what stands there."""
    inner = value.items() if type(value) is dict else enumerate(value) if type(value) is list else ()
    for key, one in inner:
        yield (*path, key), one
        yield from places(one, (*path, key))


def changed(value: Any, path: Place, new: Any) -> Any:
    """The value, with another one at a place."""
    if not path:
        return new
    copied: Any = dict(value) if type(value) is dict else list(value)
    copied[path[0]] = changed(value[path[0]], path[1:], new)
    return copied


def odd_forms(bodies: Iterator[Any]) -> Iterator[tuple[Place, Any, Any]]:
    """Each kind of place in the bodies (elements of a list are alike), with each value of another type. The
    place, the new value, the body.
    """
    seen = set()
    for body in bodies:
        found = list(places(body))
        for path, old in found if len(found) <= LONGEST else ():
            kind = (tuple("*" if type(key) is int else key for key in path), type(old))
            if kind not in seen:
                seen.add(kind)
                for new in VALUES:
                    if type(new) is not type(old):
                        yield path, new, changed(body, path, new)


async def failures(path: str, bodies: Iterator[Any]) -> tuple[int, list[str]]:
    """(How many odd forms were sent, those of them that ended in an internal error)."""
    gateway, sent, found = Gateway({}), 0, []
    for place, new, body in odd_forms(bodies):
        sent += 1
        try:
            await gateway.ask(body, path, headers={"anthropic-version": "2023-06-01"})
        except CallFailed as failed:
            if failed.status >= 500:
                found.append(f"{place}: {new!r}: {failed.status} {failed}")
    return sent, found


def bodies_of(face: str, folder: Path) -> Iterator[Any]:
    """The recorded bodies of a face, for a model that answers."""
    for exchange in corpus.read(folder, *APIS.get(face, (f"{face}.chat",))):
        if exchange.request is not None and type(body := exchange.request.body) is dict:
            yield body if "{model}" in DIALECTS[face].paths.chat else {**body, "model": "simulate/echo"}


@pytest.mark.parametrize("face", FACES)
async def test_over_our_own_cases(face: str) -> None:
    sent, found = await failures(FACES[face], bodies_of(face, CASES))
    assert (sent > 50, found) == (True, [])


@pytest.mark.wire
@pytest.mark.parametrize("face", FACES)
async def test_over_recorded_traffic(recorded: Path, face: str) -> None:
    sent, found = await failures(FACES[face], bodies_of(face, recorded))
    assert (sent > 100, found) == (True, [])


@pytest.mark.parametrize("path", OPERATIONS)
async def test_in_other_operations(path: str) -> None:
    body = {"model": "simulate/echo", **OPERATIONS[path]}
    await Gateway({}).ask(body, path, headers={"anthropic-version": "2023-06-01"})
    sent, found = await failures(path, iter([body]))
    assert (sent > 10, found) == (True, [])


@pytest.mark.parametrize("face", FACES)
async def test_in_members_that_the_gateway_reads(face: str) -> None:
    simplest = min(bodies_of(face, CASES), key=lambda body: len(list(places(body))))
    each = [{**simplest, name: value} for name, value in FOR_GATEWAYS.items()]
    sent, found = await failures(FACES[face], iter([*each, {**simplest, **FOR_GATEWAYS}]))
    assert (sent > 100, found) == (True, [])


def test_every_face_is_tested() -> None:
    assert {name for name, dialect in DIALECTS.items() if dialect.face is not None} == FACES.keys()
