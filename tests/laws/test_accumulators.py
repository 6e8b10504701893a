"""What a stream adds up to is what the official clients' own accumulators make of it.

Both ways: of the recorded stream, and of the stream that our encoder writes for a client.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.streaming._beta_messages import accumulate_event
from httpx2 import Headers
from openai import omit
from openai._models import construct_type
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.lib.streaming.responses import ResponseStreamState
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.table import DIALECTS
from dragoman.testing import corpus
from dragoman.testing.case import APIS, Case, split
from dragoman.testing.facts import of_response
from dragoman.testing.hosted import unwrapped

SEVERAL = "the sample is several answers, one after the other; the accumulator goes on, we end with the first"
EXCEPT = {
    "ai-1ee643bf65c0": SEVERAL,
    "ai-ab6de64c0432": SEVERAL,
    "ai-af7d3fe2b313": SEVERAL,
    "ai-f927ced46ce0": SEVERAL,
    "ai-3689e5ba7e2a": SEVERAL,
    "ai-3df6a059daf4": SEVERAL,
    "ai-fe7c84f67575": "the items have other ids in every event, which the accumulator takes for other items",
    "ai-57adf0da2ad7": "the sample's deltas were made up: they say something else than the text at its end",
    "ai-cdff2633dd96": "the sample's deltas stop before its texts do: we tell the rest, it does not",
    "pydantic-ai-91494029558e": "a chunk with usage null follows the one with usage, and it is forgotten",
    "pydantic-ai-bbfd620da790": "the vendor's finish reason is empty, which the accumulator takes for none",
}
"""Where the accumulator is not the judge, and why."""


def openai_chat(frames: Sequence[bytes]) -> dict[str, Any]:
    state = ChatCompletionStreamState()
    for frame in frames:
        if frame != b"[DONE]":
            state.handle_chunk(ChatCompletionChunk.construct(**json.loads(frame)))
    return state.current_completion_snapshot.to_dict(mode="json", warnings=False)


def anthropic(frames: Sequence[bytes]) -> dict[str, Any]:
    message: Any = None
    partial: dict[int, bytes] = {}
    for frame in frames:
        event = json.loads(frame)
        if event["type"] != "ping":
            message = accumulate_event(
                event=event, current_snapshot=message, json_bufs=partial, request_headers=Headers()
            )
    return message.to_dict(mode="json", warnings=False)


def openai_responses(frames: Sequence[bytes]) -> dict[str, Any]:
    """The answer that ends the stream; of texts and arguments what their deltas add up to."""
    state = ResponseStreamState[Any](input_tools=omit, text_format=omit)
    last: dict[str, Any] = {}
    for frame in frames:
        if frame != b"[DONE]":
            last = json.loads(frame)
            event: Any = construct_type(type_=ResponseStreamEvent, value=last)
            state.handle_event(event)
    output = []
    grown: Any
    for index, grown in state._output_items.items():
        item: Any = state._completed_output[index]
        told = item.to_dict(mode="json", warnings=False)
        if item.type == "function_call":
            told["arguments"] = grown.arguments
        elif item.type == "message":
            for place, part in enumerate(grown.content):
                if part.type == "output_text":
                    told["content"][place]["text"] = part.text
        output.append(told)
    return {**last["response"], "output": output}


ACCUMULATE: dict[str, Callable[[Sequence[bytes]], dict[str, Any]]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic": anthropic,
}
"""The other clients have none: they hand out chunk after chunk, as the tests of those codecs judge."""


def told(response: ir.Response) -> Counter[tuple[str, Any]]:
    """What a client sees: texts, calls, the reason to stop, tokens."""
    seen = ("text of", "call", "stop", "input tokens", "output tokens")
    return Counter((f.kind, ordered(f.words)) for f in of_response(response) if f.kind.startswith(seen))


def ordered(words: Any) -> Any:
    """Words that are a JSON object, with their members in one order: accumulators change it."""
    if not isinstance(words, str) or not words.startswith("{"):
        return words
    try:
        return json.dumps(json.loads(words), sort_keys=True)
    except ValueError:
        return words


def streams(folder: Path, dialect: str, *apis: str) -> list[Case]:
    exchanges = map(unwrapped, corpus.read(folder, *apis))
    cases = [Case(exchange, DIALECTS[dialect], ()) for exchange in exchanges if exchange is not None]
    return [case for case in cases if "stream" in case.subjects and ir.fold(case.events).error is None]


@pytest.mark.wire
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("dialect", ACCUMULATE)
def test_a_recorded_stream_adds_up_to_what_the_official_client_makes_of_it(
    recorded: Path, dialect: str
) -> None:
    """Only of the protocol's own vendor: an accumulator need not understand others."""
    own = APIS[dialect][0]
    cases = streams(recorded, dialect, own)
    assert len(cases) > 50
    judged = [(case, accumulated(dialect, case.frames)) for case in cases]
    assert differing(judged) <= EXCEPT.keys()


@pytest.mark.wire
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("dialect", ACCUMULATE)
def test_what_we_stream_adds_up_for_the_official_client(recorded: Path, dialect: str) -> None:
    face = DIALECTS[dialect]
    cases = streams(recorded, dialect, *APIS[dialect])
    assert len(cases) > 50
    judged = []
    for case in cases:
        encoder = face.stream.encoder(case.reply(face, Report(dialect, "response")))
        judged.append((case, accumulated(dialect, split(*map(encoder.feed, case.events)))))
    assert differing(judged) <= EXCEPT.keys()


def accumulated(dialect: str, frames: Sequence[bytes]) -> dict[str, Any] | None:
    """What the official client makes of a stream; None where it refuses it."""
    try:
        return ACCUMULATE[dialect](frames)
    except RuntimeError:
        return None


def differing(judged: Sequence[tuple[Case, dict[str, Any] | None]]) -> set[str]:
    """The ids of the streams that are refused, or add up to something else than the accumulator says."""
    return {
        case.exchange.id
        for case, whole in judged
        if whole is None
        or told(ir.fold(case.events)) != told(case.dialect.response.decode(whole, case.quirks))
    }
