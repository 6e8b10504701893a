from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.response import decode_response, encode_response
from dragoman.dialects.openai_responses.terms import NAME
from dragoman.dialects.openai_responses.tool_uses import may_tell, report_uses, with_tools
from dragoman.dialects.openai_responses.usage import encode_usage
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.ir.units import units_of

SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
OPENED = {**SEARCH, "action": {"type": "open_page", "url": "https://example.org"}}
FILES = {"type": "file_search_call", "id": "fs_1", "status": "completed", "queries": ["x"]}
CODE = {"type": "code_interpreter_call", "id": "ci_1", "status": "completed", "container_id": "c", "code": ""}
PICTURE = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"}
COUNTS = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
DRAWN = {
    "input_tokens": 30,
    "input_tokens_details": {"text_tokens": 20, "image_tokens": 10},
    "output_tokens": 400,
    "output_tokens_details": {"text_tokens": 0, "image_tokens": 400},
    "total_tokens": 430,
}
NOTHING = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}


def answer(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5",
        "status": "completed",
        "output": list(output),
        "usage": COUNTS,
        **more,
    }


def used(body: dict[str, Any]) -> ir.Usage:
    return with_tools(ir.Usage(10, output=5), body)


@pytest.mark.parametrize(
    ("output", "detail"),
    [
        ([SEARCH, OPENED, SEARCH], {"web_search_requests": 2}),
        ([{**SEARCH, "action": None}], {"web_search_requests": 1}),
        ([OPENED], None),
        ([FILES, CODE, CODE], {"file_search_requests": 1, "code_execution_requests": 2}),
        ([PICTURE], {"image_generation_requests": 1}),
        ([{"type": "shell_call", "environment": {"type": "container_auto"}}], {"code_execution_requests": 1}),
        ([{"type": "shell_call", "environment": {"type": "local"}}], None),
        ([{"type": "shell_call"}], None),
        ([{"type": "shell_call", "environment": {"type": []}}], None),
        ([{"type": "function_call"}, {"type": "mcp_call"}, {"type": 7}, "odd"], None),
    ],
)
def test_calls_are_counted_where_nothing_is_stated(output: list[Any], detail: Any) -> None:
    assert used(answer(*output)) == ir.Usage(10, output=5, detail=detail)


def test_what_is_stated_counts_more_than_the_calls() -> None:
    stated = {"web_search": {"num_requests": 3}, "image_gen": NOTHING}
    assert used(answer(SEARCH, FILES, tool_usage=stated)).detail == {
        "web_search_requests": 3,
        "file_search_requests": 1,
    }
    none = {"web_search": {"num_requests": 0}}
    assert used(answer(SEARCH, tool_usage=none)).detail is None


def test_the_tokens_of_pictures_are_those_of_the_model_that_made_them() -> None:
    tools = [{"type": "web_search"}, {"type": "image_generation", "model": "gpt-image-1"}]
    found = used(answer(PICTURE, tool_usage={"image_gen": DRAWN}, tools=tools))
    detail = {"input_text": 20, "input_image": 10, "output_text": 0, "output_image": 400}
    assert found.detail is None
    assert found.others == (("gpt-image-1", ir.Usage(30, output=400, detail=detail)),)
    assert units_of(found.others[0][1]) == {"input_image": 10, "input": 20, "output_image": 400}
    ((name, _),) = used(answer(PICTURE, tool_usage={"image_gen": DRAWN})).others
    assert name == "image_generation"


@pytest.mark.parametrize(
    "odd", [7, [], {"web_search": 1, "image_gen": []}, {"web_search": {"num_requests": -1}}]
)
def test_odd_statements_state_nothing(odd: Any) -> None:
    assert used(answer(tool_usage=odd, tools={"a": 1}, output="odd")) == ir.Usage(10, output=5)


def test_only_outputs_with_such_calls_are_worth_a_look() -> None:
    assert may_tell(b'[{"type":"web_search_call"}]')
    assert not may_tell(b'[{"type":"function_call"},{"type":"mcp_call"},{"type":"local_shell_call"}]')


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("relayed", [False, True])
def test_every_way_of_reading_an_answer_counts_them(relayed: bool, streamed: bool) -> None:
    body = answer(SEARCH, FILES, tool_usage={"web_search": {"num_requests": 2}, "image_gen": DRAWN})
    dialect = DIALECTS[NAME]
    reply = Reply(ir.Request(NAME, "gpt-5"), Report(NAME), "resp_2", 1)
    if not streamed:
        raw = msgspec.json.encode(body)
        usage = dialect.relay.response(raw, reply)[1] if relayed else decode_response(body, STANDARD).usage
    else:
        frames = [
            {"type": "response.created", "response": answer(status="in_progress", usage=None)},
            *(
                {"type": "response.output_item.done", "output_index": n, "item": item}
                for n, item in enumerate((SEARCH, FILES))
            ),
            {"type": "response.completed", "response": body},
        ]
        if relayed:
            stream = dialect.relay.stream(reply)
            for frame in frames:
                stream.feed(msgspec.json.encode(frame))
            usage = stream.usage
        else:
            decoder = dialect.stream.decoder(STANDARD)
            events = [event for frame in frames for event in decoder.feed(msgspec.json.encode(frame))]
            usage = ir.fold(events).usage
    assert usage is not None
    assert usage.detail == {"web_search_requests": 2, "file_search_requests": 1}
    assert [name for name, _ in usage.others] == ["image_generation"]


def test_an_answer_of_the_same_protocol_loses_nothing() -> None:
    body = answer(SEARCH, tool_usage={"web_search": {"num_requests": 1}, "image_gen": DRAWN})
    decoded = decode_response(body, STANDARD)
    report = Report(NAME)
    written = encode_response(decoded, Reply(ir.Request(NAME, "gpt-5"), report, "resp_2", 1))
    assert decode_response(written, STANDARD).usage == decoded.usage
    assert not report.losses
    encode_usage(decoded.usage, report, own=False)
    assert [loss.path for loss in report.losses] == ["usage.detail.web_search_requests", "usage.others"]


def test_uses_that_the_answer_does_not_show_are_reported() -> None:
    usage, report = used(answer(PICTURE, PICTURE, SEARCH)), Report(NAME)
    report_uses(usage, answer(PICTURE, PICTURE, SEARCH), report)
    assert not report.losses
    report_uses(usage, answer(PICTURE, SEARCH), report)
    assert [loss.path for loss in report.losses] == ["usage.detail.image_generation_requests"]
    report_uses(ir.Usage(10), answer(PICTURE), report)
    assert len(report.losses) == 1
