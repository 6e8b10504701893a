"""A provider in several dialects: which upstream is asked, and what its refusals leave behind."""

from __future__ import annotations

from typing import Any, cast

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.table import DIALECTS
from dragoman.net.transport import Transport
from dragoman.upstreams.upstream import Call, Stopwatch
from dragoman.upstreams.wire import WireUpstream

CHAT, RESPONSES, TEXT = "openai_chat", "openai_responses", "openai_completions"
NOT_CHAT = ir.Fault("not_found", "This is not supported in the v1/chat/completions endpoint.", status=404)
TOO_LONG = ir.Fault("context_length", "Your input is too long.", status=400)


def upstream(dialect: str, **more: Any) -> WireUpstream:
    """An upstream that nothing is sent to."""
    unused = cast("Transport", None)
    return WireUpstream("up", DIALECTS[dialect], unused, chat_url="https://up.example/", **more)


def request() -> ir.Request:
    """What a client asks."""
    return ir.Request(CHAT, "m")


def provider() -> WireUpstream:
    """One that speaks three dialects, the last of them for few models."""
    return upstream(CHAT, further=[upstream(RESPONSES), upstream(TEXT, models=("davinci-*",))])


def asked(provider: WireUpstream, face: str, model: str = "m", facts: Facts = UNKNOWN) -> str:
    """The dialect in which a face's request for a model is asked."""
    return provider.spoken(face, model, facts, request).dialect.name


def test_a_provider_with_one_dialect_is_itself() -> None:
    alone = upstream(CHAT)
    assert alone.spoken(RESPONSES, "m", Facts(apis=(RESPONSES,)), request, RESPONSES) is alone


def test_the_others_are_found_by_face_facts_and_wish() -> None:
    up = provider()
    assert up.spoken(CHAT, "m", UNKNOWN, request) is up
    assert asked(up, RESPONSES) == RESPONSES
    assert asked(up, "anthropic") == CHAT
    assert asked(up, CHAT, facts=Facts(apis=(RESPONSES,))) == RESPONSES
    assert up.spoken(CHAT, "m", UNKNOWN, request, RESPONSES).dialect.name == RESPONSES


def test_a_dialect_may_be_for_some_models_only() -> None:
    up = provider()
    assert asked(up, TEXT, "davinci-002") == TEXT
    assert asked(up, TEXT, "gpt-4o") == CHAT
    assert up.spoken(CHAT, "gpt-4o", UNKNOWN, request, TEXT) is up


def test_a_model_that_no_dialect_is_for_is_asked_in_any() -> None:
    up = upstream(CHAT, models=("!claude-*",), further=[upstream(RESPONSES, models=("gpt-*",))])
    assert asked(up, CHAT, "claude-1") == CHAT
    assert asked(up, RESPONSES, "claude-1") == RESPONSES
    assert asked(up, "anthropic", "claude-1") == CHAT
    assert up.learns("claude-1", NOT_CHAT)
    assert asked(up, CHAT, "claude-1") == RESPONSES


def test_the_model_behind_a_name_says_in_which_dialect_it_is_asked() -> None:
    base = {"prod": "davinci-002"}
    texts = upstream(TEXT, models=("davinci-*",))
    up = upstream(CHAT, further=[texts], base_models=base)
    assert asked(up, TEXT, "prod") == TEXT
    assert asked(up, TEXT, "davinci-003") == TEXT
    assert asked(up, TEXT, "other") == CHAT


def test_a_refusal_counts_for_its_model_and_dialect() -> None:
    up = provider()
    assert up.learns("m", NOT_CHAT)
    assert up.learns("m", NOT_CHAT)  # somebody who asked before it was known
    assert not up.learns("other", TOO_LONG)
    assert (asked(up, CHAT), asked(up, RESPONSES), asked(up, CHAT, "other")) == (RESPONSES, RESPONSES, CHAT)
    assert up.spoken(RESPONSES, "m", UNKNOWN, request).learns("m", NOT_CHAT)
    assert (asked(up, CHAT), asked(up, RESPONSES)) == (CHAT, RESPONSES)


NO_THOUGHTS = ir.Fault("invalid_request", "Encrypted content is not supported with this model.", status=400)


def test_a_model_that_is_known_not_to_think_has_these_facts() -> None:
    up = provider()
    assert up.facts("m", UNKNOWN) is UNKNOWN
    assert up.learns_thoughtless("m", NO_THOUGHTS)
    assert up.facts("m", Facts(reasoning=True, context=7)) == Facts(reasoning=False, context=7)
    assert up.facts("other", UNKNOWN) is UNKNOWN


def test_what_is_configured_for_a_model_is_merged_into_forms_too() -> None:
    """Set in its place where the request has it, else first."""
    request = ir.TranscriptionRequest("openai_chat", None, ir.File(b"x", "a.wav"), temperature=0.5)
    body = {"temperature": 0, "diarize": True, "context_bias": ["Ruby", "Zoë"]}
    call = Call("at_1", "voxtral", Report("mistral"), Stopwatch(lambda: 0.0), body=body)
    wire = upstream("mistral", base_url="https://up.example").encode_operation("transcription", request, call)
    assert [(field.name, bytes(field.value)) for field in wire.fields] == [
        ("diarize", b"true"),
        ("context_bias[]", b"Ruby"),
        ("context_bias[]", "Zoë".encode()),
        ("model", b"voxtral"),
        ("temperature", b"0"),
        ("file", b"x"),
    ]
