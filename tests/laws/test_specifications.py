"""What we write is what the published descriptions of Responses say: OpenAI's own, and Open Responses.

Every request, answer and event that our own cases of any dialect become is held to both JSON Schemas, and to
the models of OpenAI's client in their strict mode.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias, get_args

import msgspec
import pytest
from jsonschema.exceptions import ValidationError, best_match
from openai.types.responses import Response, ResponseStreamEvent
from openapi_schema_validator import OAS31Validator

from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.testing import corpus
from dragoman.testing.case import Case, dialect_of, split
from dragoman.wire.json import encode

Wire: TypeAlias = dict[str, Any]

NAME = "openai_responses"
FACE = DIALECTS[NAME]
CASES = Path(__file__).parent.parent / "cases"
OPENAI: Final = "openai-2.3.0.openapi.json"
OPEN: Final = "openresponses-2026-04-24.openapi.json"
NAMES: Final = {
    OPENAI: {"request": "CreateResponse", "response": "Response"},
    OPEN: {"request": "CreateResponseBody", "response": "ResponseResource"},
}
ONLY_OPENAI: Final = {
    *("web_search", "image_generation", "code_interpreter", "custom", "input_audio", "json_object"),
    *("web_search_call", "image_generation_call", "custom_tool_call", "custom_tool_call_output"),
    # Both know the event, under two names; clients of OpenAI's know this one.
    *("response.reasoning_text.delta", "response.reasoning_text.done"),
    *("response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"),
    *("minimal", "max", "xhigh"),
}
"""Words of types, events and efforts that Open Responses leaves to the extensions of those who serve it."""
BEYOND_OPENAI: Final = {"input_audio"}
"""Words that OpenAI's description leaves out, and its client has."""
OVERLOADED: Final = "server_is_overloaded"
"""A code of failures that OpenAI's servers send and its description does not list."""


ECHO: Final[Wire] = {
    "instructions": "Be brief.",
    "tools": [{"type": "function", "name": "look"}],
    "tool_choice": {"type": "function", "name": "look"},
    "text": {"verbosity": "low"},
    "reasoning": {"effort": "low"},
    "metadata": {"order": "7"},
    "max_output_tokens": 50,
    "max_tool_calls": 2,
    "parallel_tool_calls": False,
    "previous_response_id": "resp_1",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "service_tier": "flex",
    "temperature": 0.5,
    "top_p": 0.9,
    "truncation": "auto",
}
"""What a client said, which its answer repeats."""

Written: TypeAlias = list[tuple[str, str, Wire]]
"""The id of a case, what it became (a request, a response, an event), and the value."""


@pytest.fixture(scope="module")
def written() -> Written:
    """What the cases of the other dialects become."""
    return list(translations())


def translations() -> Iterator[tuple[str, str, Wire]]:
    for exchange in corpus.read(CASES):
        name = dialect_of(exchange.api)
        if name is None or name == NAME:
            continue
        case = Case(exchange, DIALECTS[name], [])
        reply = msgspec.structs.replace(case.reply(FACE, Report(NAME, "response")), echo=ECHO)
        if "request" in case.subjects and (body := asked(case)) is not None:
            yield exchange.id, "request", body
        if "response" in case.subjects:
            answer = FACE.response.encode(case.response, reply)
            yield exchange.id, "response", json.loads(encode(answer))
        if "stream" in case.subjects:
            encoder = FACE.stream.encoder(reply)
            for frame in split(*map(encoder.feed, case.events)):
                if frame != b"[DONE]":
                    yield exchange.id, "event", json.loads(frame)


def asked(case: Case) -> Wire | None:
    """A request as it is written here; None where it is refused."""
    try:
        if case.dialect.request.check_portable is not None:
            case.dialect.request.check_portable(case.wire_request)
        wire = FACE.request.encode(case.request, Target(Report(NAME), model="m"))
    except WireError:
        return None
    body: Wire = json.loads(encode(wire.body))
    return body


def schemas(folder: Path, name: str) -> Wire:
    """The schemas of a description. `oneOf` is read as `anyOf`: the alternatives overlap in both."""
    text = (folder / name).read_text(encoding="utf-8").replace('"oneOf"', '"anyOf"')
    document: Wire = json.loads(text)
    return document


def events(document: Wire) -> dict[str, Wire]:
    """The schema of each event, by its type."""
    found = {}
    for schema in document["components"]["schemas"].values():
        kind = schema.get("properties", {}).get("type", {})
        words = kind.get("enum") or [kind.get("const")]
        if "sequence_number" in schema.get("properties", {}):
            found[words[0]] = schema
    return found


def words_of(value: Any) -> Iterator[str]:
    """Every short text within a value."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from words_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from words_of(inner)
    elif isinstance(value, str) and len(value) < 50:
        yield value


def usual(value: Wire) -> Wire:
    """A value as OpenAI's description has it, where its own servers and clients go another way: `usage` is
    null until the answer is there, and what the model said is sent back without what only answers have.
    """
    if "input" in value:
        return {**value, "input": [whole(item) for item in value["input"]]}
    response = value.get("response", value)
    plain = {key: inner for key, inner in response.items() if (key, inner) != ("usage", None)}
    return {**value, "response": plain} if "response" in value else plain


def whole(item: Wire) -> Wire:
    """What the model said, with what its answer had."""
    if item.get("role") != "assistant":
        return item
    if isinstance(item["content"], str):
        return item
    parts = [{"logprobs": []} | part if part["type"] == "output_text" else part for part in item["content"]]
    return {"id": "msg_1", "status": "completed", **item, "content": parts}


def shown(error: ValidationError) -> str:
    """The innermost reason of a breach."""
    while error.context:
        error = max(error.context, key=lambda inner: len(inner.absolute_path))
    return f"{error.json_path}: {error.message[:200]}"


@pytest.mark.spec
@pytest.mark.parametrize("name", [OPENAI, OPEN])
def test_what_we_write_fits_the_published_schemas(specifications: Path, written: Written, name: str) -> None:
    document = schemas(specifications, name)
    components = {"components": document["components"]}
    judges = {
        what: OAS31Validator({"$ref": f"#/components/schemas/{schema}", **components})
        for what, schema in NAMES[name].items()
    }
    judges |= {kind: OAS31Validator({**schema, **components}) for kind, schema in events(document).items()}
    unlisted = ONLY_OPENAI if name == OPEN else BEYOND_OPENAI
    broken, judged = [], 0
    for id_, what, value in written:
        if not unlisted.isdisjoint(words_of(value)):
            continue
        told = usual(value) if name == OPENAI else value
        judge = judges[told["type"] if what == "event" else what]
        judged += 1
        error = best_match(judge.iter_errors(told))
        if error is not None and OVERLOADED not in error.message and OVERLOADED not in shown(error):
            broken.append(f"{id_}, {what} {told.get('type', '')}: {shown(error)}")
    assert broken == []
    assert judged > 300


def test_what_we_write_is_what_the_official_client_expects(written: Written) -> None:
    models: dict[str, Any] = {
        get_args(model.model_fields["type"].annotation)[0]: model
        for model in get_args(get_args(ResponseStreamEvent)[0])
    }
    broken, judged = [], 0
    for id_, what, value in written:
        if what == "request":
            continue
        model = models[value["type"]] if what == "event" else Response
        judged += 1
        try:
            model.model_validate_json(encode(usual(value)), strict=True)
        except ValueError as error:
            if OVERLOADED not in str(error):
                broken.append(f"{id_}, {what} {value.get('type', '')}: {error}")
    assert broken == []
    assert judged > 300
