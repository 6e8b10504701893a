"""Requests, field by field, both directions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_completions import DIALECT
from dragoman.dialects.openai_completions.terms import NAME
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError


def decoded(**members: Any) -> ir.Request:
    return DIALECT.request.decode(WireRequest("chat", {"model": "m", "prompt": "Hi", **members}))


def encoded(request: ir.Request, report: Report | None = None, quirks: Quirks = STANDARD) -> dict[str, Any]:
    target = Target(report or Report(NAME), model="m", quirks=quirks)
    body = DIALECT.request.encode(request, target).body
    return {key: value for key, value in body.items() if key != "model"}


def asked(*texts: str, **fields: Any) -> ir.Request:
    blocks = tuple(ir.Text(text) for text in texts)
    return ir.Request("other", "m", (ir.Message("user", blocks),), **fields)


def test_a_prompt_is_one_message_of_a_user() -> None:
    assert decoded().messages == (ir.Message("user", (ir.Text("Hi"),)),)
    assert decoded(prompt=["Hi"]).messages == decoded().messages


@pytest.mark.parametrize(
    ("prompt", "kind"), [(["a", "b"], "prompts"), ([1, 2], "tokens"), ([[1], [2]], "tokens")]
)
def test_what_is_no_single_text_stays_whole_and_goes_nowhere_else(prompt: Any, kind: str) -> None:
    assert decoded(prompt=prompt).messages[0].blocks == (ir.Native(NAME, kind, prompt),)
    assert DIALECT.request.check_portable is not None
    with pytest.raises(WireError) as refused:
        DIALECT.request.check_portable(WireRequest("chat", {"prompt": prompt}))
    assert (refused.value.path, refused.value.code) == ("prompt", "unsupported_value")


@pytest.mark.parametrize("prompt", ["a", ["a"]])
def test_one_text_may_go_anywhere(prompt: Any) -> None:
    assert DIALECT.request.check_portable is not None
    DIALECT.request.check_portable(WireRequest("chat", {"prompt": prompt}))


def test_the_apis_default_is_said_to_others_and_not_written_out_here() -> None:
    assert decoded().max_output == 16
    assert encoded(decoded()) == {"prompt": "Hi"}
    assert encoded(decoded(max_tokens=16)) == {"prompt": "Hi", "max_tokens": 16}


def test_logprobs_are_a_number_of_alternatives() -> None:
    sampling = decoded(logprobs=0).sampling
    assert (sampling.logprobs, sampling.top_logprobs) == (True, 0)
    assert decoded().sampling.logprobs is None
    report = Report(NAME)
    assert encoded(asked("Hi", sampling=ir.Sampling(logprobs=True, top_logprobs=9)), report)["logprobs"] == 5
    assert [(loss.path, loss.severity) for loss in report.losses] == [("sampling.top_logprobs", "quality")]
    assert encoded(asked("Hi", sampling=ir.Sampling(logprobs=True)))["logprobs"] == 0
    assert "logprobs" not in encoded(asked("Hi", sampling=ir.Sampling(logprobs=False)))


@pytest.mark.parametrize(
    "members",
    [
        {"echo": True, "suffix": "!", "stop": "x", "stream": False},
        {"stop": ["x", "y"], "n": 2, "best_of": 3, "seed": 1, "user": "u"},
        {"stream": True, "stream_options": {"include_usage": False, "include_obfuscation": False}},
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"top_k": 4, "min_p": 0.5, "of_a_vendor": [1]},
    ],
)
def test_our_own_clients_spelling_goes_out_again(members: dict[str, Any]) -> None:
    assert encoded(decoded(**members)) == {"prompt": "Hi", **members}


def test_texts_of_others_become_one_prompt_with_room_for_an_answer() -> None:
    report = Report(NAME)
    system = (ir.Text("Be brief."),)
    body = encoded(asked("One.", "Two.", system=system), report)
    assert body == {"prompt": "Be brief.\n\nOne.\n\nTwo.", "max_tokens": 4096}
    assert [(change.path, change.to) for change in report.changes] == [
        ("system", "prompt"),
        (None, "max_tokens"),
    ]
    assert report.losses == []


@pytest.mark.parametrize(
    ("prompt", "facts", "bound"),
    [
        ("Hi", Facts(max_output=4096, context=4096), 4094),
        ("Grüße", Facts(max_output=4096, context=4096), 4089),
        ("Hi", Facts(max_output=1000, context=4096), 1000),
        ("Hi", Facts(context=100_000), 4096),
        ("x" * 5000, Facts(max_output=4096, context=4096), 1024),
    ],
)
def test_prompt_and_answer_fit_the_window_together(prompt: str, facts: Facts, bound: int) -> None:
    """Servers refuse a bound that the prompt leaves no room for."""
    wire = DIALECT.request.encode(asked(prompt), Target(Report(NAME), model="m", facts=facts))
    assert wire.body["max_tokens"] == bound


@pytest.mark.parametrize(
    ("prompt", "bound"),
    [
        (["Hi"], 4094),
        (["Hi", "Hello"], 4091),
        ([5, 6, 7], 4093),
        ([[5], [6, 7]], 4094),
    ],
)
def test_the_longest_of_a_list_of_prompts_leaves_room(prompt: Any, bound: int) -> None:
    request = msgspec.structs.replace(decoded(prompt=prompt), max_output=None)
    target = Target(Report(NAME), model="m", facts=Facts(max_output=4096, context=4096))
    assert DIALECT.request.encode(request, target).body["max_tokens"] == bound


HELLO = ir.Message("user", (ir.Text("Hi"),))


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (ir.Request("other", "m", (HELLO, ir.Message("assistant", (ir.Text("Yes"),)), HELLO)), "messages[1]"),
        (ir.Request("other", "m", (HELLO, HELLO)), "messages[1]"),
        (
            ir.Request("other", "m", (ir.Message("user", (ir.Media("image", url="u"),)),)),
            "messages[0].blocks[0]",
        ),
        (ir.Request("other", "m", (HELLO,), tools=(ir.Function("f"),)), "tools"),
    ],
)
def test_what_no_prompt_can_hold_is_refused(request_: ir.Request, path: str) -> None:
    with pytest.raises(WireError) as refused:
        encoded(request_)
    assert (refused.value.path, refused.value.code) == (path, "unsupported_value")


def test_wishes_that_cannot_be_asked_for_are_losses() -> None:
    report = Report(NAME)
    output, reasoning = ir.Output("schema", {"type": "object"}, "x", strict=True), ir.Reasoning(effort="low")
    encoded(asked("Hi", output=output, reasoning=reasoning, cache=ir.Caching("k"), store=True), report)
    lost = {loss.path: loss.severity for loss in report.losses}
    assert lost == {
        "reasoning": "quality",
        "store": "hint",
        "output.kind": "meaning",
        "output.schema": "meaning",
        "output.name": "meaning",
        "cache.key": "hint",
    }


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("messages[0].blocks[0]", "$.prompt"),
        ("messages[0].blocks[1]", "$.suffix"),
        ("sampling.logit_bias", "$.logit_bias"),
        ("sampling.top_logprobs", "$.logprobs"),
        ("max_output", "$.max_tokens"),
        ("best_of", "$.best_of"),
    ],
)
def test_places(where: str, path: str) -> None:
    assert DIALECT.request.locate(where) == path


FORMS: list[tuple[ir.Output, Any]] = [
    (ir.Output("json"), {"type": "json_object"}),
    (
        ir.Output("schema", {"type": "object"}, "a", strict=True),
        {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}},
    ),
    (
        ir.Output("schema", {"type": "object"}),
        {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
    ),
]


@pytest.mark.parametrize(("output", "wire"), FORMS)
def test_the_form_of_an_answer_is_written_for_vendors_who_take_it(output: ir.Output, wire: Any) -> None:
    takes, report = Quirks(completion_format=True), Report(NAME)
    assert encoded(asked("Hi", output=output, max_output=9), report, takes)["response_format"] == wire
    assert report.losses == []
    assert "response_format" not in encoded(asked("Hi", output=output), report)
    assert report.losses[0].path == "output.kind"
    worded = asked("Hi", output=ir.Output(verbosity="low"))
    assert "response_format" not in encoded(worded, report, takes)
    assert report.losses[-1].path == "output.verbosity"
