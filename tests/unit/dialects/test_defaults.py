"""Defaults of a model: they fill what a request leaves out, and the client's own values win."""

from __future__ import annotations

import pytest

from dragoman import ir
from dragoman.dialects.defaults import with_defaults

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
