"""Which API is asked: the expected column was written before the code, from the vendors' pages."""

from __future__ import annotations

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.providers.models import facts_for
from dragoman.routing.apis import Lesson, choose, lesson_of, taught

CHAT, RESPONSES, MESSAGES, TEXT = "openai_chat", "openai_responses", "anthropic", "openai_completions"
OPENAI = (CHAT, RESPONSES)
VLLM = (CHAT, RESPONSES, MESSAGES, TEXT)

PLAIN = ir.Request(CHAT, "m")
TOOLS = ir.Request(CHAT, "m", tools=(ir.Function("f"),))
FORCED = msgspec.structs.replace(TOOLS, tool_choice=ir.ToolChoice("any"))
HOSTED = ir.Request(CHAT, "m", tools=(ir.ProviderTool("anthropic", "web_search", {}),))


def thinking(
    request: ir.Request,
    mode: str | None = None,
    *,
    effort: str | None = None,
    budget: int | None = None,
    summary: str | None = None,
) -> ir.Request:
    """The request with these wishes about thinking."""
    told = ir.Reasoning(mode, effort, budget, summary)
    return msgspec.structs.replace(request, reasoning=told)


@pytest.mark.parametrize(
    ("face", "offered", "model", "request_", "preferred", "expected"),
    [
        # The client's own protocol where the provider speaks it, so that bytes are relayed.
        (CHAT, OPENAI, "gpt-4o", PLAIN, None, CHAT),
        (RESPONSES, OPENAI, "gpt-4o", PLAIN, None, RESPONSES),
        (MESSAGES, VLLM, "qwen", PLAIN, None, MESSAGES),
        (TEXT, VLLM, "qwen", PLAIN, None, TEXT),
        # Otherwise the first.
        (MESSAGES, OPENAI, "gpt-4o", PLAIN, None, CHAT),
        (TEXT, OPENAI, "gpt-4o", PLAIN, None, CHAT),
        (RESPONSES, (CHAT,), "gpt-4o", PLAIN, None, CHAT),
        (CHAT, (MESSAGES,), "claude-sonnet-4-5", PLAIN, None, MESSAGES),
        # Models of one API.
        (CHAT, OPENAI, "gpt-5-pro", PLAIN, None, RESPONSES),
        (MESSAGES, OPENAI, "o3-pro-2025-06-10", PLAIN, None, RESPONSES),
        (CHAT, OPENAI, "gpt-5.1-codex-max", PLAIN, None, RESPONSES),
        (CHAT, OPENAI, "codex-mini-latest", PLAIN, None, RESPONSES),
        (CHAT, OPENAI, "o4-mini-deep-research", PLAIN, None, RESPONSES),
        (CHAT, OPENAI, "computer-use-preview", PLAIN, None, RESPONSES),
        (RESPONSES, OPENAI, "gpt-audio", PLAIN, None, CHAT),
        (RESPONSES, OPENAI, "gpt-4o-search-preview", PLAIN, None, CHAT),
        (CHAT, (*OPENAI, TEXT), "gpt-3.5-turbo-instruct", PLAIN, None, TEXT),
        (TEXT, (*OPENAI, TEXT), "davinci-002", PLAIN, None, TEXT),
        # What leaves nothing leaves the judgement to the provider.
        (CHAT, (CHAT,), "gpt-5-pro", PLAIN, None, CHAT),
        (MESSAGES, (CHAT, MESSAGES), "gpt-5-pro", PLAIN, None, MESSAGES),
        # Functions and thoughts together.
        (CHAT, OPENAI, "gpt-5.4", thinking(TOOLS, effort="low"), None, RESPONSES),
        (CHAT, OPENAI, "gpt-5.4-mini", thinking(TOOLS, effort="high"), None, RESPONSES),
        (MESSAGES, OPENAI, "gpt-5.4", thinking(TOOLS, "on", budget=2048), None, RESPONSES),
        (MESSAGES, OPENAI, "gpt-5.4", thinking(TOOLS, "adaptive"), None, RESPONSES),
        (CHAT, OPENAI, "gpt-5.4", TOOLS, None, CHAT),  # its default is not to think
        (CHAT, OPENAI, "gpt-5.4", thinking(TOOLS, summary="auto"), None, CHAT),
        (CHAT, OPENAI, "gpt-5.4", thinking(TOOLS, effort="none"), None, CHAT),
        (MESSAGES, OPENAI, "gpt-5.6-luna", thinking(TOOLS, "off"), None, CHAT),
        (MESSAGES, OPENAI, "gpt-5.6-luna", thinking(TOOLS, budget=0), None, CHAT),
        (CHAT, OPENAI, "gpt-5.4", thinking(PLAIN, effort="high"), None, CHAT),
        (CHAT, OPENAI, "gpt-5.4", thinking(HOSTED, effort="high"), None, CHAT),
        (CHAT, OPENAI, "gpt-5.5", TOOLS, None, RESPONSES),  # its default is to think
        (CHAT, OPENAI, "gpt-5.6-luna", TOOLS, None, RESPONSES),
        (CHAT, OPENAI, "gpt-6-astra", TOOLS, None, RESPONSES),
        (CHAT, OPENAI, "gpt-6.2-sol", thinking(TOOLS, effort="low"), None, RESPONSES),
        (CHAT, OPENAI, "gpt-5.1", thinking(TOOLS, effort="high"), None, CHAT),  # older ones may
        (CHAT, OPENAI, "o3", thinking(TOOLS, effort="high"), None, CHAT),
        (RESPONSES, OPENAI, "gpt-5.6-luna", TOOLS, None, RESPONSES),
        (CHAT, (CHAT,), "gpt-5.6-luna", TOOLS, None, CHAT),
        # The operator's word, as far as it is possible.
        (CHAT, OPENAI, "gpt-4o", PLAIN, RESPONSES, RESPONSES),
        (RESPONSES, OPENAI, "gpt-4o", PLAIN, CHAT, CHAT),
        (CHAT, OPENAI, "gpt-5-pro", PLAIN, CHAT, CHAT),
        (CHAT, OPENAI, "gpt-5.6-luna", TOOLS, CHAT, CHAT),
        (CHAT, OPENAI, "gpt-4o", PLAIN, MESSAGES, CHAT),
    ],
)
def test_the_api_that_is_asked(
    face: str,
    offered: tuple[str, ...],
    model: str,
    request_: ir.Request,
    preferred: str | None,
    expected: str,
) -> None:
    assert choose(face, offered, facts_for("openai", model), lambda: request_, preferred) == expected


@pytest.mark.parametrize(
    ("face", "request_", "unforced", "expected"),
    [
        (MESSAGES, PLAIN, (MESSAGES,), MESSAGES),
        (MESSAGES, TOOLS, (MESSAGES,), MESSAGES),
        (MESSAGES, FORCED, (MESSAGES,), CHAT),
        (MESSAGES, FORCED, (), MESSAGES),
        (RESPONSES, FORCED, (MESSAGES, RESPONSES, CHAT), TEXT),
        (RESPONSES, FORCED, VLLM, RESPONSES),  # nothing can force it: as it would be
    ],
)
def test_a_forced_call_goes_where_it_can_be_forced(
    face: str, request_: ir.Request, unforced: tuple[str, ...], expected: str
) -> None:
    assert choose(face, VLLM, UNKNOWN, lambda: request_, unforced=unforced) == expected
    assert choose(face, VLLM, UNKNOWN, lambda: request_, MESSAGES, unforced=unforced) == MESSAGES


def never() -> ir.Request:
    raise AssertionError


@pytest.mark.parametrize("facts", [UNKNOWN, Facts(apis=(CHAT,)), Facts(tool_apis=(RESPONSES, CHAT))])
def test_a_request_is_decoded_only_where_it_decides(facts: Facts) -> None:
    assert choose(CHAT, OPENAI, facts, never) == CHAT


def test_a_provider_with_one_api_needs_no_request() -> None:
    assert choose(CHAT, (CHAT,), Facts(tool_apis=(RESPONSES,)), never) == CHAT


def test_another_makers_model_at_perplexity_has_the_responses_api_alone() -> None:
    facts = facts_for("perplexity", "openai/gpt-5.5")
    assert choose(CHAT, (CHAT, RESPONSES), facts, lambda: PLAIN) == RESPONSES
    assert facts_for("openrouter", "openai/gpt-5.5").apis is None


# What refusals tell ----------------------------------------------------------------------------------

NOT_CHAT = "This is not a chat model and thus not supported in the v1/chat/completions endpoint."
NO_TOOLS = "Function tools with reasoning_effort are not supported for m in /v1/chat/completions."


@pytest.mark.parametrize(
    ("status", "kind", "message", "lesson"),
    [
        (
            404,
            "not_found",
            "This model is only supported in v1/responses and not in v1/chat/completions.",
            "never",
        ),
        (404, "not_found", NOT_CHAT, "never"),
        (400, "invalid_request", "The requested model 'm' is not supported with the Responses API.", "never"),
        (404, "not_found", "This is a chat model and not supported in the v1/completions endpoint.", "never"),
        (400, "invalid_request", NO_TOOLS, "tools"),
        (404, "not_found", "Not Found", "never"),
        (405, "method_not_allowed", "Method Not Allowed", "never"),
        # Everything else is about something else.
        (404, "model_not_found", "There is no such thing.", None),
        (404, "not_found", 'model "m" not found, try pulling it first', None),
        (400, "invalid_request", "Not Found", None),
        (500, "upstream", NOT_CHAT, None),
        (None, "upstream", NOT_CHAT, None),
    ],
)
def test_what_a_refusal_tells(status: int | None, kind: ir.Kind, message: str, lesson: Lesson | None) -> None:
    assert lesson_of(ir.Fault(kind, message, status=status)) == lesson


def test_a_part_of_the_request_that_is_not_there_tells_nothing_of_the_api() -> None:
    fault = ir.Fault("not_found", "Item with id 'rs_1' not found.", param="input", status=404)
    assert lesson_of(fault) is None


@pytest.mark.parametrize(
    ("face", "request_", "lessons", "expected"),
    [
        (CHAT, PLAIN, {CHAT: "never"}, RESPONSES),
        (RESPONSES, PLAIN, {RESPONSES: "never"}, CHAT),
        (RESPONSES, PLAIN, {CHAT: "never"}, RESPONSES),
        (CHAT, PLAIN, {CHAT: "tools"}, CHAT),
        (CHAT, TOOLS, {CHAT: "tools"}, RESPONSES),  # its own default was refused
        (CHAT, thinking(TOOLS, effort="low"), {CHAT: "tools"}, RESPONSES),
        (CHAT, thinking(TOOLS, effort="none"), {CHAT: "tools"}, CHAT),
        (CHAT, TOOLS, {CHAT: "tools", RESPONSES: "never"}, CHAT),
        (CHAT, PLAIN, {CHAT: "never", RESPONSES: "never"}, CHAT),
    ],
)
def test_what_was_learnt_decides(
    face: str, request_: ir.Request, lessons: dict[str, Lesson], expected: str
) -> None:
    assert choose(face, OPENAI, taught(UNKNOWN, OPENAI, lessons), lambda: request_) == expected


def test_what_was_learnt_counts_beside_what_is_known() -> None:
    known = Facts(apis=OPENAI, tool_apis=OPENAI, thinks=False)
    assert taught(known, OPENAI, {CHAT: "never"}).apis == (RESPONSES,)
    assert taught(known, OPENAI, {CHAT: "tools"}) == Facts(apis=OPENAI, tool_apis=(RESPONSES,), thinks=False)
