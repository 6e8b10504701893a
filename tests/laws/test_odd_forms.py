"""Forms that compatible vendors and clients really write, and no recording has: every law holds over them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed, WireError
from dragoman.testing.case import Case, events_of, split
from dragoman.testing.corpus import Exchange, Request, Response
from dragoman.testing.laws import LAWS
from dragoman.testing.ledger import Exceptions, Ledger, shown
from dragoman.testing.mutations import mutants, odd_streams

URLS = {
    "gemini.generateContent": "https://x.example/v1beta/models/gemini-3:generateContent",
    "gemini.streamGenerateContent": "https://x.example/v1beta/models/gemini-3:streamGenerateContent",
}


def holds(exchange: Exchange, *laws: str) -> None:
    """Every law holds over one exchange, its mutants' too."""
    ledger = Ledger(DIALECTS, Exceptions({}), mutants=4)
    broken = ledger.run(exchange, laws or tuple(LAWS))
    assert not broken, "\n".join(line for one in broken for line in shown(one, whole=True))
    assert ledger.counts[exchange.api].exchanges == 1


def answered(api: str, body: Any) -> Exchange:
    return Exchange(f"odd {api}", api, model="m", response=Response(body=body))


def streamed(api: str, *events: Any) -> Exchange:
    return Exchange(f"odd {api}", api, model="m", response=Response(events=events))


def asked(api: str, body: Any) -> Exchange:
    return Exchange(f"odd {api}", api, model="m", request=Request(url=URLS.get(api), body=body))


def chat(message: dict[str, Any], **members: Any) -> Exchange:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    head = {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m"}
    return answered("openrouter.chat", {**head, "choices": [choice], **members})


CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}

ANSWERS = {
    "arguments that are null": chat(
        {"content": "x", "tool_calls": [{**CALL, "function": {"name": "look", "arguments": None}}]}
    ),
    "arguments that are an object": chat(
        {"content": "x", "tool_calls": [{**CALL, "function": {"name": "look", "arguments": {"a": 1}}}]}
    ),
    "a call of Moonshot's own search, which the client answers": chat(
        {
            "content": "",
            "tool_calls": [
                {
                    "id": "t",
                    "type": "builtin_function",
                    "function": {"name": "$web_search", "arguments": "{}"},
                }
            ],
        }
    ),
    "calls of tools that the vendor has run": chat(
        {
            "content": "x",
            "tool_calls": [
                {"id": "m", "type": "mcp", "mcp": {"type": "mcp_call", "name": "t", "output": {"a": 1}}},
                {"id": "c", "type": "code_interpreter", "code_interpreter": {"input": "1", "outputs": []}},
            ],
        }
    ),
    "a name of the model": chat({"content": "x", "name": "MiniMax AI", "audio_content": ""}),
    "reasoning in three members": chat(
        {
            "content": "x",
            "reasoning_content": "Hm.",
            "reasoning_details": [{"type": "reasoning.text", "id": "r-1", "index": 0, "text": "Hm."}],
        }
    ),
    "an empty model": chat({"content": "x"}, model=""),
    "content that is an object": chat({"content": {"answer": 4}}),
    "reasoning beside reasoning_content": chat(
        {"content": "x", "reasoning": "Short.", "reasoning_content": "Long thoughts."}
    ),
    "an annotation without a title": chat(
        {
            "content": "x",
            "annotations": [
                {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": ""}},
                {"type": "url_citation", "url_citation": {"url": "https://b.example"}},
                {"type": "url_citation", "url_citation": {"title": "No address"}},
                {"type": "url_citation", "url_citation": {}},
            ],
        }
    ),
    "a search of the web without an id": answered(
        "xai.responses",
        {
            "id": "resp_1",
            "object": "response",
            "created_at": 1,
            "status": "completed",
            "model": "m",
            "output": [
                {
                    "type": "web_search_call",
                    "status": "completed",
                    "action": {"type": "search", "query": "q"},
                },
                {
                    "type": "message",
                    "role": "assistant",
                    "status": "completed",
                    "content": [
                        {
                            "type": "output_text",
                            "text": "x",
                            "annotations": [
                                {"type": "url_citation", "url": "https://a.example", "title": ""},
                                {"type": "url_citation", "url": "https://b.example"},
                            ],
                        }
                    ],
                },
            ],
        },
    ),
    "a prompt that was blocked without a reason": answered(
        "vertex.generateContent",
        {
            "promptFeedback": {"safetyRatings": []},
            "usageMetadata": {"promptTokenCount": 3},
            "responseId": "r",
        },
    ),
    "counts and no candidate": answered(
        "gemini.generateContent",
        {"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}, "modelVersion": "g"},
    ),
    "a call that did not end its message": answered(
        "anthropic.messages",
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    ),
}


EXCEPTED = {
    ("content that is an object", "response.stream"),  # a stream can only carry its text
    ("a prompt that was blocked without a reason", "response.stream"),  # a stream that says no more broke off
    ("counts and no candidate", "response.stream"),
}


@pytest.mark.parametrize("form", ANSWERS)
def test_a_vendors_odd_answer_keeps_every_law(form: str) -> None:
    holds(ANSWERS[form], *(law for law in LAWS if (form, law) not in EXCEPTED))


def test_choices_of_one_number_get_numbers_of_their_own() -> None:
    said = [{"index": 0, "message": {"role": "assistant", "content": text}} for text in ("one", "two")]
    read = DIALECTS["openai_chat"].response.decode({"choices": said}, STANDARD)
    assert [(one.index, one.blocks) for one in read.candidates] == [
        (0, (ir.Text("one"),)),
        (1, (ir.Text("two"),)),
    ]


def delta(delta: dict[str, Any], reason: str | None = None, **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [choice], **members}


def of_call(arguments: str, name: str | None = None) -> dict[str, Any]:
    called = {"index": 0, "id": "", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "tool_calls": called}


DONE = delta({}, "stop")
STREAMS = {
    "a call of Moonshot's own search": streamed(
        "openrouter.chat",
        delta(
            {
                "tool_calls": [
                    {"index": 0, "id": "t", "type": "builtin_function", "function": {"name": "$web_search"}}
                ]
            }
        ),
        delta({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
        delta({}, "tool_calls"),
    ),
    "calls of tools that the vendor has run": streamed(
        "zai.chat",
        delta({"tool_calls": [{"index": 0, "id": "m", "type": "mcp", "mcp": {"type": "mcp_list_tools"}}]}),
        delta({"content": "x"}),
        DONE,
    ),
    "a call that is no list": streamed(
        "openrouter.chat", delta(of_call("{", "look")), delta(of_call("}")), delta({}, "eos_token")
    ),
    "reasoning in two members": streamed(
        "openrouter.chat",
        *(
            delta(
                {
                    "reasoning_content": word,
                    "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": word}],
                }
            )
            for word in ("Hm", ".")
        ),
        delta({"content": "x"}),
        DONE,
    ),
    "an error of Groq's": streamed(
        "groq.chat", delta({"content": "x"}), delta({}, x_groq={"id": "r", "error": "over capacity"})
    ),
}


@pytest.mark.parametrize("form", STREAMS)
def test_a_vendors_odd_stream_keeps_every_law(form: str) -> None:
    holds(STREAMS[form])


def folded(form: str) -> ir.Response:
    exchange = STREAMS[form]
    assert exchange.response is not None
    frames = [msgspec.json.encode(event) for event in exchange.response.events or ()]
    return ir.fold(events_of(DIALECTS["openai_chat"].stream.decoder(STANDARD), frames))


def test_what_odd_streams_say() -> None:
    searched = folded("a call of Moonshot's own search").candidates[0]
    assert searched.blocks == (ir.ToolCall("t", "$web_search", "{}", form="type:builtin_function"),)
    ran = folded("calls of tools that the vendor has run").candidates[0]
    assert [type(block) for block in ran.blocks] == [ir.Native, ir.Text]
    assert ran.stop == ir.Stop("end")
    called = folded("a call that is no list").candidates[0]
    assert called.blocks == (ir.ToolCall("", "look", "{}"),)
    (thought, _) = folded("reasoning in two members").candidates[0].blocks
    assert isinstance(thought, ir.Thinking)
    assert thought.text == "Hm."
    error = folded("an error of Groq's").error
    assert error is not None
    assert error.message == "over capacity"


REQUESTS = {
    "a call of Moonshot's own search": asked(
        "openrouter.chat",
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "x"},
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [
                        {
                            "id": "t",
                            "type": "builtin_function",
                            "function": {"name": "$web_search", "arguments": "{}"},
                        },
                        {"id": "m", "type": "mcp", "mcp": {"name": "a"}},
                    ],
                },
                {"role": "tool", "tool_call_id": "t", "name": "$web_search", "content": "{}"},
            ],
            "tools": [{"type": "builtin_function", "function": {"name": "$web_search"}}],
        },
    ),
    "an empty list beside calls": asked(
        "openai.chat",
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": [], "tool_calls": [{**CALL, "id": "functions.look:0"}]},
                {"role": "tool", "tool_call_id": "functions.look:0", "name": "look", "content": "3"},
            ],
        },
    ),
    "sound by its address": asked(
        "openrouter.chat",
        {
            "model": "m",
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "input_audio",
                            "input_audio": {"data": "https://a.example/a.wav", "format": "wav"},
                        }
                    ],
                }
            ],
        },
    ),
    "top_k without a limit": asked(
        "openrouter.chat", {"model": "m", "messages": [{"role": "user", "content": "x"}], "top_k": -1}
    ),
    "no system blocks": asked(
        "anthropic.messages",
        {
            "model": "m",
            "max_tokens": 9,
            "system": [],
            "messages": [{"role": "user", "content": "x"}],
            "tools": [
                {"type": "custom", "name": "a", "input_schema": {"type": "object"}},
                {"name": "b", "input_schema": {"type": "object"}},
            ],
        },
    ),
    "the model beside the address": asked(
        "gemini.generateContent", {"model": "models/gemini-3", "contents": [{"parts": [{"text": "x"}]}]}
    ),
    "a result whose call a search found": asked(
        "openai.responses",
        {
            "model": "m",
            "input": [
                {"type": "tool_search_output", "call_id": "ts_1", "tools": [], "status": "completed"},
                {"type": "function_call_output", "call_id": "call_1", "output": "x"},
            ],
        },
    ),
    "a result whose call is stored": asked(
        "openai.responses",
        {
            "model": "m",
            "input": [
                {"type": "item_reference", "id": "fc_1"},
                {"type": "function_call_output", "call_id": "call_1", "output": "x"},
            ],
        },
    ),
}


@pytest.mark.parametrize("form", REQUESTS)
def test_a_clients_odd_request_keeps_every_law(form: str) -> None:
    holds(REQUESTS[form])


def test_a_result_without_any_call_is_still_refused() -> None:
    body = {"model": "m", "input": [{"type": "function_call_output", "call_id": "call_1", "output": "x"}]}
    case = Ledger(DIALECTS, Exceptions({})).case(asked("openai.responses", body))
    assert case is not None
    with pytest.raises(WireError, match="No tool call found"):
        case.dialect.request.check(case.wire_request)


def test_a_response_that_is_created_twice_is_one() -> None:
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "output": []}
    created = {
        "type": "response.created",
        "response": {**head, "status": "in_progress"},
        "sequence_number": 0,
    }
    done: dict[str, Any] = {
        "type": "response.completed",
        "response": {**head, "status": "completed"},
        "sequence_number": 3,
    }
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    part = {"type": "output_text", "text": "Hi", "annotations": []}
    told = {"type": "response.output_item.done", "output_index": 0, "item": {**item, "content": [part]}}
    done["response"]["output"] = [told["item"]]
    holds(streamed("xai.responses", created, created, told, done))


def test_an_error_inside_of_a_success_is_an_error() -> None:
    body = {"candidates": [], "error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}
    gemini = DIALECTS["gemini"]
    reply = Reply(ir.Request("gemini", "m"), Report("gemini", "response"), id="a", created=1)
    with pytest.raises(RequestFailed, match="Slow down") as read:
        gemini.response.decode(body, STANDARD)
    with pytest.raises(RequestFailed, match="Slow down") as relayed:
        gemini.relay.response(msgspec.json.encode(body), reply)
    assert read.value.fault.kind == relayed.value.fault.kind == "rate_limit"


@pytest.mark.parametrize("face", DIALECTS)
@pytest.mark.parametrize("kind", ir.STATUS)
def test_an_error_in_a_stream_keeps_its_kind(face: str, kind: ir.Kind) -> None:
    dialect = DIALECTS[face]
    reply = Reply(ir.Request(face, "m", stream=True), Report(face, "response"), id="a", created=1)
    encoder, decoder = dialect.stream.encoder(reply), dialect.stream.decoder(STANDARD)
    begun = (ir.Start(face, "i", "m", 1), ir.Open(0, ir.Text("")), ir.TextDelta(0, "Hi"))
    case = Case(streamed("openai.chat"), dialect, ())
    told = b"".join(encoder.feed(event) for event in (*begun, ir.Error(ir.Fault(kind, "It broke."))))
    (error,) = [
        event
        for event in events_of(decoder, split(told, framing=case.dialect.stream.framing))
        if isinstance(event, ir.Error)
    ]
    assert (error.fault.kind, error.fault.message) == (kind, "It broke.")


def test_members_of_other_types_are_carried_to_their_own_clients() -> None:
    body = {"id": 7, "object": "chat.completion", "created": [1], "model": "m", "usage": [], "choices": []}
    chat, claude = DIALECTS["openai_chat"], DIALECTS["anthropic"]
    read = chat.response.decode(dict(body), STANDARD)
    assert (read.id, read.created, read.usage) == (None, None, None)
    reply = Reply(ir.Request("openai_chat", "m"), Report("openai_chat", "response"), id="a", created=1)
    assert chat.response.encode(read, reply) | body == chat.response.encode(read, reply)
    report = Report("anthropic", "response")
    claude.response.encode(read, Reply(ir.Request("anthropic", "m"), report, id="a", created=1))
    assert {"id", "created", "usage"} <= {loss.path for loss in report.losses}


def test_what_an_answer_cannot_be_read_without_is_named() -> None:
    broken = {"choices": [{"message": {"tool_calls": [{"function": {"name": 7}}]}}]}
    with pytest.raises(WireError, match="expected a string") as refused:
        DIALECTS["openai_chat"].response.decode(broken, STANDARD)
    assert refused.value.path == "choices[0].message.tool_calls[0].function.name"


@pytest.mark.parametrize(
    ("tool", "path"),
    [
        ({"type": "web_search_20250305", "name": 7}, "tools[0].name"),
    ],
)
def test_an_odd_tool_is_refused_with_its_place(tool: dict[str, Any], path: str) -> None:
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "tools": [tool]}
    case = Ledger(DIALECTS, Exceptions({})).case(asked("anthropic.messages", body))
    assert case is not None
    with pytest.raises(WireError) as refused:
        case.dialect.request.check(case.wire_request)
    assert refused.value.path == path


# --- The harness -------------------------------------------------------------------------------


def test_an_exchange_that_cannot_be_read_is_a_finding() -> None:
    """A request that its provider refused is not checked; reading it raises what its reader raises."""
    strange = Exchange(
        "strange",
        "openai.chat",
        request=Request(body={"messages": [7]}),
        response=Response(status=403, body={"error": {"message": "No."}}),
    )
    ledger = Ledger(DIALECTS, Exceptions({}))
    (broken,) = ledger.run(strange, ["request.check"])
    assert broken.law == "request.ir"
    assert ledger.counts["openai.chat"].failed == 1


def test_mutants_are_the_same_for_the_same_seed_and_leave_the_original_alone() -> None:
    body = {"a": [1, {"b": "c"}], "d": None}
    first, again, other = (list(mutants(body, seed, 40)) for seed in ("x", "x", "y"))
    assert first == again != other
    assert body == {"a": [1, {"b": "c"}], "d": None}
    kinds = {mutant.name.split()[1] for mutant in first}
    assert kinds == {"removed", "null", "emptied", "doubled", "retyped", "reordered", "unknown"}
    frames = [b'{"a":1}', b"[DONE]"]
    assert {len(mutant.value) for mutant in odd_streams(frames, "x", 40)} >= {1, 2, 3}
    assert frames == [b'{"a":1}', b"[DONE]"]


def test_a_codec_that_loses_an_odd_answer_is_found() -> None:
    """The law is no law if nothing breaks it."""
    anthropic = DIALECTS["anthropic"]

    def forgetful(response: ir.Response, reply: Reply) -> dict[str, Any]:
        return {**anthropic.response.encode(response, reply), "content": []}

    losing = msgspec.structs.replace(
        anthropic, response=msgspec.structs.replace(anthropic.response, encode=forgetful)
    )
    held = Ledger({**DIALECTS, "anthropic": losing}, Exceptions({}), mutants=4)
    broken = held.run(ANSWERS["a call that did not end its message"], ["response.mutants"])
    assert {one.law for one in broken} == {"response.mutants"}
    assert held.counts["anthropic.messages"].mutants == 8


def test_a_codec_that_dies_of_an_odd_answer_is_found() -> None:
    chat = DIALECTS["openai_chat"]

    def trusting(body: dict[str, Any], _: Any) -> ir.Response:
        return ir.Response("openai_chat", body["id"].strip(), model=body["model"])

    dying = msgspec.structs.replace(chat, response=msgspec.structs.replace(chat.response, decode=trusting))
    held = Ledger({**DIALECTS, "openai_chat": dying}, Exceptions({}), mutants=40)
    (broken,) = held.run(ANSWERS["an empty model"], ["response.mutants"])
    assert any(" in trusting, line" in how for how in broken.how)
