"""Defaults of a model: they fill what a request leaves out, and the client's own values win."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.defaults import with_defaults
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.request import Target, WireRequest

HELLO = ir.Message("user", (ir.Text("hello"),))
RULES = ir.Message("system", (ir.Text("Rules."),))


def request(
    *messages: ir.Message, temperature: float | None = None, max_output: int | None = None
) -> ir.Request:
    sampling = ir.Sampling(temperature=temperature)
    return ir.Request("anthropic", "m", messages or (HELLO,), sampling=sampling, max_output=max_output)


def test_what_the_client_leaves_out_is_filled_in() -> None:
    filled = with_defaults(request(temperature=0.5), {"temperature": 0.1, "seed": 7, "max_tokens": 9}, None)
    assert (filled.sampling.temperature, filled.sampling.seed, filled.max_output) == (0.5, 7, 9)
    assert (filled.model, filled.dialect, filled.messages) == ("m", "anthropic", (HELLO,))


def test_without_defaults_the_request_stays_itself() -> None:
    asked = request()
    assert with_defaults(asked, {}, None) is asked


@pytest.mark.parametrize(("messages", "system"), [((HELLO,), (ir.Text("Be brief."),)), ((RULES, HELLO), ())])
def test_a_system_prompt_is_for_requests_that_have_none(
    messages: tuple[ir.Message, ...], system: tuple[ir.Block, ...]
) -> None:
    filled = with_defaults(request(*messages), {}, "Be brief.")
    assert (filled.system, filled.messages) == (system, messages)


JSON = {"response_format": {"type": "json_object"}, "verbosity": "high"}


@pytest.mark.parametrize(
    ("stated", "kind", "verbosity"),
    [
        ({"verbosity": "low"}, "json", "low"),
        ({"response_format": {"type": "text"}}, "text", "high"),
        ({"response_format": {"type": "text"}, "verbosity": "low"}, "text", "low"),
        ({"response_format": {"type": "odd"}}, "text", "high"),
        ({}, "json", "high"),
    ],
)
def test_the_form_of_the_answer_and_its_verbosity_are_filled_in_apart(
    stated: dict[str, Any], kind: str, verbosity: str
) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **stated}
    filled = with_defaults(CHAT.request.decode(WireRequest("chat", body)), JSON, None)
    assert filled.output is not None
    assert (filled.output.kind, filled.output.verbosity) == (kind, verbosity)
    written = CHAT.request.encode(filled, Target(Report("openai_chat"), "m")).body
    assert written["response_format"] == stated.get("response_format", JSON["response_format"])
