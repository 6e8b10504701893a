"""Defaults of a model: they fill what a request leaves out, and the client's own values win."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.defaults import with_defaults
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError

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


ASKED: dict[str, dict[str, Any]] = {
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "ollama": {"messages": [{"role": "user", "content": "Hi"}]},
    "cohere": {"messages": [{"role": "user", "content": "Hi"}]},
    "openai_responses": {"input": "Hi"},
    "mistral": {"messages": [{"role": "user", "content": "Hi"}]},
    "anthropic": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9000},
    "bedrock": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
    "openai_chat": {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9000},
}
LEVELS = Facts(thinking=("level",), efforts=("low", "high"))
BUDGETS = Facts(thinking=("enabled", "disabled"))


def asked_by(dialect: str, facts: Facts, defaults: dict[str, Any], **members: Any) -> dict[str, Any]:
    """The body for a provider of the client's own protocol, with these defaults."""
    wire = WireRequest("chat", {"model": "m", **ASKED[dialect], **members}, params={"model": "m"})
    codec = DIALECTS[dialect].request
    filled = with_defaults(codec.decode(wire), defaults, None)
    return codec.encode(filled, Target(Report(dialect), "m", facts=facts)).body


@pytest.mark.parametrize(
    ("dialect", "effort", "facts", "members"),
    [
        ("gemini", "max", LEVELS, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}),
        ("gemini", "none", LEVELS, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}),
        ("gemini", "none", BUDGETS, {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}}),
        ("gemini", "high", UNKNOWN, {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}}),
        ("ollama", "none", UNKNOWN, {"think": False}),
        ("ollama", "minimal", UNKNOWN, {"think": "low"}),
        ("cohere", "none", UNKNOWN, {"thinking": {"type": "disabled"}}),
        ("cohere", "high", UNKNOWN, {"thinking": {"type": "enabled"}}),
        ("openai_responses", "max", LEVELS, {"reasoning": {"effort": "high"}}),
        ("mistral", "max", LEVELS, {"reasoning_effort": "high"}),
        (
            "anthropic",
            "minimal",
            UNKNOWN,
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
        ("anthropic", "none", UNKNOWN, {"thinking": {"type": "disabled"}, "output_config": None}),
        ("anthropic", "high", BUDGETS, {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
    ],
)
def test_an_effort_becomes_what_the_clients_own_protocol_has(
    dialect: str, effort: str, facts: Facts, members: dict[str, Any]
) -> None:
    body = asked_by(dialect, facts, {"reasoning_effort": effort})
    assert {member: body.get(member) for member in members} == members


@pytest.mark.parametrize(
    ("dialect", "members"),
    [
        ("gemini", {"generationConfig": {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}}),
        ("ollama", {"think": "max"}),
        ("cohere", {"thinking": {"type": "enabled", "token_budget": 7}}),
        ("openai_responses", {"reasoning": {"effort": "none"}}),
        ("mistral", {"reasoning_effort": "medium"}),
    ],
)
def test_the_clients_own_effort_stays_as_it_is(dialect: str, members: dict[str, Any]) -> None:
    body = asked_by(dialect, LEVELS, {"reasoning_effort": "low"}, **members)
    assert {member: body.get(member) for member in members} == members


MODES = (UNKNOWN, BUDGETS, Facts(thinking=("adaptive", "disabled"), efforts=("low", "medium", "high")))


def told_by(
    client: str, provider: str, defaults: dict[str, Any], facts: Facts = UNKNOWN, **members: Any
) -> tuple[dict[str, Any], Report]:
    """What a provider is told for a client that states nothing but these members, and the report."""
    wire = WireRequest("chat", {"model": "m", **ASKED[client], **members}, params={"model": "m"})
    filled = with_defaults(DIALECTS[client].request.decode(wire), defaults, None)
    report = Report(provider)
    return DIALECTS[provider].request.encode(filled, Target(report, "m", facts=facts)).body, report


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "xhigh"])
@pytest.mark.parametrize("facts", MODES)
def test_an_effort_works_for_claude_s_clients_as_for_those_of_chat(effort: str, facts: Facts) -> None:
    own, told = told_by("anthropic", "anthropic", {"reasoning_effort": effort}, facts)
    others, shown = told_by("openai_chat", "anthropic", {"reasoning_effort": effort}, facts)
    assert own == others
    assert [loss.path for loss in told.losses] == [loss.path for loss in shown.losses]


def test_what_claude_s_client_states_is_fitted_to_the_effort() -> None:
    body, report = told_by("anthropic", "anthropic", {"reasoning_effort": "high"}, temperature=0.2, top_k=7)
    assert body["thinking"] == {"type": "adaptive"}
    assert body.keys().isdisjoint({"temperature", "top_k"})
    assert [loss.path for loss in report.losses] == ["sampling.temperature", "sampling.top_k"]
    body, report = told_by("anthropic", "anthropic", {"reasoning_effort": "none"}, temperature=0.2)
    assert body["temperature"] == 0.2
    assert not report.losses


@pytest.mark.parametrize(
    "members",
    [{"output_config": {"effort": "odd"}}, {"thinking": {"type": "enabled", "budget_tokens": 20_000}}],
)
def test_the_own_effort_of_claude_s_client_stays_as_it_is(members: dict[str, Any]) -> None:
    effort = {"reasoning_effort": "low"}
    body, report = told_by("anthropic", "anthropic", effort, UNKNOWN, **members, temperature=0.2)
    assert body == {"model": "m", **ASKED["anthropic"], **members, "temperature": 0.2}
    assert not report.losses


THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
CALLED = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}


@pytest.mark.parametrize(
    ("effort", "facts", "said", "kept", "thinking", "lost"),
    [
        # A turn that began without thinking goes on without it.
        ("high", BUDGETS, [CALLED], [CALLED], None, ["reasoning"]),
        ("high", BUDGETS, [THOUGHT, CALLED], [THOUGHT, CALLED], "enabled", []),
        ("high", UNKNOWN, [THOUGHT, CALLED], [THOUGHT, CALLED], "adaptive", []),
        # Without thinking, the history may have none.
        ("none", UNKNOWN, [THOUGHT, CALLED], [CALLED], "disabled", ["messages[1].blocks[0]"]),
    ],
)
def test_an_effort_agrees_with_the_history_of_claude_s_client(
    effort: str, facts: Facts, said: list[Any], kept: list[Any], thinking: str | None, lost: list[str]
) -> None:
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": said},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]},
    ]
    body, report = told_by("anthropic", "anthropic", {"reasoning_effort": effort}, facts, messages=messages)
    assert body["messages"][1]["content"] == kept
    assert body.get("thinking", {}).get("type") == thinking
    assert [loss.path for loss in report.losses] == lost


TIERED = {
    "anthropic": ("service_tier", "odd"),
    "gemini": ("serviceTier", "odd"),
    "mistral": ("service_tier", "odd"),
    "bedrock": ("serviceTier", {"type": "odd"}),
}


@pytest.mark.parametrize("tier", ["auto", "default", "flex", "priority", "scale"])
@pytest.mark.parametrize("dialect", TIERED)
def test_a_tier_works_for_the_clients_of_every_protocol_alike(dialect: str, tier: str) -> None:
    member, stated = TIERED[dialect]
    own, told = told_by(dialect, dialect, {"service_tier": tier})
    others, shown = told_by("openai_chat", dialect, {"service_tier": tier})
    assert own.get(member) == others.get(member)
    assert [loss for loss in told.losses if loss.path == "tier"] == [
        loss for loss in shown.losses if loss.path == "tier"
    ]
    kept, _ = told_by(dialect, dialect, {"service_tier": tier}, UNKNOWN, **{member: stated})
    assert kept[member] == stated


def test_a_schema_is_adapted_to_the_clients_own_protocol() -> None:
    loose = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": loose}}
    wire = WireRequest(
        "chat", {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    )
    codec = DIALECTS["anthropic"].request
    filled = with_defaults(codec.decode(wire), {"response_format": wanted}, None)
    body = codec.encode(filled, Target(Report("anthropic"), "m")).body
    assert body["output_config"]["format"]["schema"]["additionalProperties"] is False


FUNCTION = {
    "type": "function",
    "function": {"name": "f", "strict": True, "parameters": {"type": "object", "properties": {"a": {}}}},
}
CHAT_S: list[dict[str, Any]] = [
    {"temperature": 1.5},
    {"temperature": 0.2, "top_p": 0.5},
    {"top_k": -1},
    {"min_p": 0.1},
    {"stop": ["\n", "a"]},
    {"stop": list("abcdefgh")},
    {"seed": 2**40},
    {"presence_penalty": 2},
    {"logprobs": True, "top_logprobs": 20},
    {"metadata": {"a": "b"}},
    {"store": True},
    {"tools": [FUNCTION]},
    {"tools": [FUNCTION], "tool_choice": "required", "parallel_tool_calls": False},
    {"tool_choice": "required"},
    {"web_search_options": {"search_context_size": "low"}},
    {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "mp3"}},
    {"verbosity": "low"},
    {"max_tokens": 5},
]
UNLIMITED: dict[str, dict[str, Any]] = {
    **{face: ASKED[face] for face in ("gemini", "ollama", "openai_responses")},
    "anthropic": {"messages": [{"role": "user", "content": "Hi"}]},
    "openai_completions": {"prompt": "Hi"},
}
NO_SAMPLING = Facts(sampling=False, sampling_pair=False)
IN_CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hi"}]}


def added_by(
    client: str, body: dict[str, Any], provider: str, defaults: dict[str, Any], facts: Facts
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What the defaults add to what a provider is told for this body, and the losses that they add."""
    codec, wire = DIALECTS[client].request, WireRequest("chat", {"model": "m", **body}, params={"model": "m"})
    with_report = []
    for stated in ({}, defaults):
        report = Report(provider)
        filled = with_defaults(codec.decode(wire), stated, None)
        try:
            written = DIALECTS[provider].request.encode(filled, Target(report, "m", facts=facts)).body
        except WireError as refused:
            return {}, [("refused", str(refused))]
        with_report.append((written, [(loss.path, loss.reason) for loss in report.losses]))
    (before, lost), (after, more) = with_report
    added = {key: value for key, value in after.items() if before.get(key) != value}
    return added, [loss for loss in more if loss not in lost]


@pytest.mark.parametrize("facts", [UNKNOWN, NO_SAMPLING])
@pytest.mark.parametrize("defaults", CHAT_S, ids=str)
@pytest.mark.parametrize("face", UNLIMITED)
def test_a_default_works_for_the_clients_of_every_protocol_alike(
    face: str, defaults: dict[str, Any], facts: Facts
) -> None:
    own = added_by(face, UNLIMITED[face], face, defaults, facts)
    if face == "openai_completions" and defaults.keys() & {"tools", "web_search_options"}:
        assert own[1][0] == ("tools", "the Completions API has no tool calls")  # no client has stated them
        return
    assert own == added_by("openai_chat", IN_CHAT, face, defaults, facts)


def test_only_the_default_is_adapted() -> None:
    body, report = told_by("anthropic", "anthropic", {"temperature": 1.5}, stop_sequences=["\n"], top_k=-1)
    assert (body["temperature"], body["stop_sequences"], body["top_k"]) == (1, ["\n"], -1)
    assert [loss.path for loss in report.losses] == ["sampling.temperature"]
    body, report = told_by("anthropic", "anthropic", {"stop": ["\n"]}, temperature=1.5)
    assert (body["temperature"], body.get("stop_sequences")) == (1.5, None)
    config = {"stopSequences": list("abcdefgh")}
    body, report = told_by("gemini", "gemini", {"seed": 2**40}, generationConfig=config)
    assert body["generationConfig"] == {**config, "seed": 0}
    declared = {"name": "f", "parameters": {"type": "OBJECT"}}
    tools = [{"functionDeclarations": [declared]}]
    body, report = told_by("gemini", "gemini", {"tool_choice": "required"}, tools=tools)
    assert body["tools"] == tools
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_a_default_gives_way_to_what_the_client_states() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2000}
    body, report = told_by("anthropic", "anthropic", {"temperature": 0.2}, thinking=thinking)
    assert "temperature" not in body
    assert [loss.path for loss in report.losses] == ["sampling.temperature"]
    one = Facts(sampling_pair=False)
    body, report = told_by("anthropic", "anthropic", {"temperature": 0.2}, one, top_p=0.9)
    assert ("temperature" in body, body["top_p"]) == (False, 0.9)
    assert [loss.path for loss in report.losses] == ["sampling.temperature"]
    body, report = told_by("anthropic", "anthropic", {"tool_choice": "required"})
    assert "tool_choice" not in body
    assert [loss.path for loss in report.losses] == ["tool_choice"]


@pytest.mark.parametrize(("stated", "limit"), [({}, 99), ({"max_tokens": 7}, 7)])
def test_a_limit_replaces_only_that_of_the_completions_api_itself(stated: dict[str, Any], limit: int) -> None:
    body = {"model": "m", "prompt": "Hi", **stated}
    codec = DIALECTS["openai_completions"].request
    filled = with_defaults(codec.decode(WireRequest("chat", body)), {"max_tokens": 99}, None)
    for provider in ("openai_completions", "openai_chat"):
        written = DIALECTS[provider].request.encode(filled, Target(Report(provider), "m")).body
        assert limit in (written.get("max_tokens"), written.get("max_completion_tokens"))
