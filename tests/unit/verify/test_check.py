"""Answers against the form that was asked for: which are judged, what is told, whole and streamed alike."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pytest

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.observe.bounds import BOUNDS
from dragoman.verify.check import (
    CHECK_TOO_LONG,
    LARGEST_SCHEMA,
    LONGEST_TEXT,
    SCHEMA_TOO_LARGE,
    CheckOutput,
    Form,
    form_of,
)

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name"],
    "additionalProperties": False,
}
SCHEMA = ir.Output("schema", PERSON)
GOOD, BAD = '{"name": "Ann"}', '{"name": 5}'


def response(*blocks: ir.Block, stop: str | None = "end") -> ir.Response:
    ended = None if stop is None else ir.Stop(stop)  # type: ignore[arg-type]
    return ir.Response("t", candidates=(ir.Candidate(blocks, ended),))


def check(output: ir.Output = SCHEMA) -> CheckOutput:
    form = form_of(output)
    assert form is not None
    return CheckOutput(form, time.perf_counter)


def whole(answer: ir.Response, output: ir.Output = SCHEMA) -> ir.Fault | None:
    try:
        assert check(output).whole(answer) is answer
    except RequestFailed as failed:
        return failed.fault
    return None


def streamed(
    events: Iterable[ir.Event], output: ir.Output = SCHEMA
) -> tuple[list[ir.Event], ir.Fault | None]:
    """What passes, and the error that ends it."""
    step = check(output)
    passed: list[ir.Event] = []
    for event in events:
        for one in step.feed(event):
            if isinstance(one, ir.Error):
                return passed, one.fault
            passed.append(one)
    return passed, None


def judged(answer: ir.Response, output: ir.Output = SCHEMA) -> ir.Fault | None:
    """The verdict, which is the same whole and streamed."""
    fault = whole(answer, output)
    events = list(ir.unfold(answer))
    passed, in_band = streamed(events, output)
    assert in_band == fault
    if fault is None:
        assert passed == events
    else:
        assert passed == events[: len(passed)]
        assert isinstance(events[len(passed)], ir.Finish)
    return fault


def test_a_good_answer_passes() -> None:
    assert judged(response(ir.Text(GOOD))) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BAD, "does not match its schema at $.name (type)"),
        ("{}", "does not match its schema at $.name (required)"),
        ('{"name": "Ann", "tags": [1, 2, "secret"]}', "does not match its schema at $.tags[2] (type)"),
        ("secret", "is not JSON"),
        ("", "is not JSON"),
        ('{"name": NaN}', "is not JSON"),
        ('```json\n{"name": "Ann"}\n```', "is not JSON"),
    ],
)
def test_a_bad_answer_is_an_upstreams_failure_that_quotes_nothing(text: str, told: str) -> None:
    fault = judged(response(ir.Text(text)))
    assert fault == ir.Fault(
        "upstream", f"The model's response {told}.", code="invalid_output", blame="upstream"
    )
    assert "secret" not in fault.message


@pytest.mark.parametrize("stop", ["length", "context", "filter", "tool", "pause", "broken", "error"])
def test_what_did_not_end_by_itself_is_not_judged(stop: str) -> None:
    assert judged(response(ir.Text(BAD), stop=stop)) is None


@pytest.mark.parametrize("stop", ["end", "sequence", "other", None])
def test_what_ended_by_itself_is_judged(stop: str | None) -> None:
    assert judged(response(ir.Text(BAD), stop=stop)) is not None


@pytest.mark.parametrize(
    "block", [ir.ToolCall("1", "f", "{}"), ir.Refusal("No.")], ids=["tool call", "refusal"]
)
def test_calls_and_refusals_are_not_judged(block: ir.Block) -> None:
    assert judged(response(ir.Text(BAD), block)) is None


def test_what_the_provider_runs_is_no_answer() -> None:
    search = ir.ToolCall("1", "web_search", "{}", by="provider")
    assert judged(response(search, ir.Text(BAD))) is not None
    assert judged(response(search, ir.Thinking("{"), ir.Text(GOOD))) is None


def test_a_text_in_several_blocks_is_one() -> None:
    assert judged(response(ir.Text(GOOD[:5]), ir.Thinking("hm"), ir.Text(GOOD[5:]))) is None


def test_every_candidate_is_judged() -> None:
    good = ir.Candidate((ir.Text(GOOD),), ir.Stop("end"))
    bad = ir.Candidate((ir.Text(BAD),), ir.Stop("end"), 1)
    assert judged(ir.Response("t", candidates=(good, bad))) is not None
    assert judged(ir.Response("t", candidates=(good, ir.Candidate(good.blocks, good.stop, 1)))) is None


def test_a_block_replaced_at_its_end_is_what_counts() -> None:
    events: list[ir.Event] = [ir.Start("t"), ir.Open(0, ir.Text("")), ir.TextDelta(0, BAD)]
    _, fault = streamed([*events, ir.Close(0, ir.Text(GOOD)), ir.Finish(ir.Stop("end"))])
    assert fault is None
    _, fault = streamed([*events, ir.Close(0), ir.Finish(ir.Stop("end"))])
    assert fault is not None


def test_text_passes_while_it_comes() -> None:
    events: list[ir.Event] = [ir.Start("t"), ir.Open(0, ir.Text("")), ir.TextDelta(0, BAD), ir.Ping()]
    assert streamed(events) == (events, None)


def test_json_mode_wants_json_of_any_kind() -> None:
    assert judged(response(ir.Text("[1]")), ir.Output("json")) is None
    assert judged(response(ir.Text(BAD)), ir.Output("json")) is None
    assert judged(response(ir.Text("no")), ir.Output("json")) is not None


@pytest.mark.parametrize("output", [None, ir.Output(), ir.Output(verbosity="low")])
def test_plain_text_has_no_form(output: ir.Output | None) -> None:
    assert form_of(output) is None


def test_a_schema_is_compiled_once() -> None:
    first, second = form_of(SCHEMA), form_of(ir.Output("schema", dict(PERSON)))
    assert isinstance(first, Form)
    assert isinstance(second, Form)
    assert first.test is second.test


@pytest.mark.parametrize(
    ("schema", "param", "code"),
    [
        (
            {"properties": {"a": {"pattern": "("}}},
            "output.schema.properties.a.pattern",
            "invalid_json_schema",
        ),
        ({"$ref": "http://127.0.0.1:1/s.json"}, "output.schema.$ref", "invalid_json_schema"),
        ({"items": {"pattern": "a{2000000}"}}, "output.schema.items.pattern", SCHEMA_TOO_LARGE),
        ({"pattern": r"\d{90000000}"}, "output.schema.pattern", SCHEMA_TOO_LARGE),
        ({"$ref": "#"}, "output.schema", SCHEMA_TOO_LARGE),
        ({"description": "x" * LARGEST_SCHEMA}, "output.schema", SCHEMA_TOO_LARGE),
    ],
)
def test_a_schema_that_cannot_be_checked_is_the_clients_fault(
    schema: dict[str, Any], param: str, code: str
) -> None:
    with pytest.raises(RequestFailed) as caught:
        form_of(ir.Output("schema", schema))
    fault = caught.value.fault
    assert (fault.kind, fault.code, fault.param, fault.blame) == (
        "invalid_request",
        code,
        param,
        "client",
    )


def test_an_answer_that_takes_too_long_to_check_counts_as_wrong() -> None:
    fault = judged(response(ir.Text("[" * 100_000)))
    assert fault is not None
    assert (fault.code, fault.blame) == (CHECK_TOO_LONG, "upstream")
    assert "takes too long to validate" in fault.message
    assert {CHECK_TOO_LONG, SCHEMA_TOO_LARGE} <= BOUNDS


def test_compiled_schemas_are_kept_while_there_is_room() -> None:
    """What is kept is bounded by what it takes, not by how many there are."""

    def asked(number: int) -> ir.Output:
        return ir.Output("schema", {"pattern": f"^a{{{9_000 + number}}}$"})

    first = form_of(asked(0))
    again = form_of(asked(0))
    assert first is not None
    assert again is not None
    assert first.test is again.test
    for number in range(1, 8):  # each takes some 90,000 of the 400,000 bytes
        form_of(asked(number))
    late = form_of(asked(0))
    assert late is not None
    assert late.test is not first.test
    last, repeated = form_of(asked(7)), form_of(asked(7))
    assert last is not None
    assert repeated is not None
    assert last.test is repeated.test


def test_an_answer_too_long_to_be_checked_counts_as_wrong() -> None:
    fault = judged(response(ir.Text(f'"{"x" * LONGEST_TEXT}"')), ir.Output("json"))
    assert fault is not None
    assert "longer than 1000000 characters" in fault.message
    assert judged(response(ir.Text(f'"{"x" * (LONGEST_TEXT - 2)}"')), ir.Output("json")) is None


def test_the_place_of_a_mistake_is_bounded_and_written_safely() -> None:
    names = {"type": "object", "additionalProperties": {"type": "integer"}}
    fault = judged(response(ir.Text('{"a b\\n": "x"}')), ir.Output("schema", names))
    assert fault is not None
    assert '$["a b\\n"] (type)' in fault.message
    fault = judged(response(ir.Text('{"' + "n" * 5000 + '": "x"}')), ir.Output("schema", names))
    assert fault is not None
    assert len(fault.message) < 300
