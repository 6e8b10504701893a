"""One member, one severity: whichever dialect cannot say it, strictness means the same."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.severity import FIELDS, of_member
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError
from dragoman.upstreams.local.conversation import translate
from dragoman.upstreams.local.protocol import Draw

HELLO: Final = (ir.Message("user", (ir.Text("hi"),)),)
TOOL: Final = ir.Function(name="look", parameters={"type": "object", "properties": {}})
STATED: Final[dict[str, dict[str, Any]]] = {
    "sampling.seed": {"sampling": ir.Sampling(seed=7)},
    "sampling.min_p": {"sampling": ir.Sampling(min_p=0.1)},
    "sampling.repetition_penalty": {"sampling": ir.Sampling(repetition_penalty=1.1)},
    "sampling.frequency_penalty": {"sampling": ir.Sampling(frequency_penalty=0.5)},
    "sampling.presence_penalty": {"sampling": ir.Sampling(presence_penalty=0.5)},
    "sampling.logit_bias": {"sampling": ir.Sampling(logit_bias={"50256": -100})},
    "sampling.logprobs": {"sampling": ir.Sampling(logprobs=True)},
    "sampling.stop": {"sampling": ir.Sampling(stop=("END",))},
    "sampling.top_k": {"sampling": ir.Sampling(top_k=3)},
    "output.verbosity": {"output": ir.Output(verbosity="low")},
    "output.audio": {"output": ir.Output(audio={"voice": "alloy", "format": "wav"})},
    "cache.key": {"cache": ir.Caching(key="k")},
    "cache.retention": {"cache": ir.Caching(retention="24h")},
    "user": {"user": "u"},
    "safety_identifier": {"safety_identifier": "s", "user": "u"},
    "metadata": {"metadata": {"a": "b"}},
    "tier": {"tier": "nobody's"},
    "store": {"store": True},
    "prediction": {"prediction": (ir.Text("x"),)},
    "moderation": {"moderation": {"model": "m"}},
    "previous": {"previous": "resp_1"},
    "conversation": {"conversation": "conv_1"},
    "background": {"background": True},
}
MEMBERS: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "cachedContent": ("gemini", {"cachedContent": "cachedContents/1"}, "meaning"),
    "safetySettings": (
        "gemini",
        {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]},
        "meaning",
    ),
    "labels": ("gemini", {"labels": {"team": "a"}}, "hint"),
    "container": ("anthropic", {"container": "cont_1"}, "meaning"),
    "context_management": ("anthropic", {"context_management": {"edits": []}}, "meaning"),
    "compaction": ("anthropic", {"compaction": {"type": "summarize"}}, "meaning"),
    "mcp_servers": (
        "anthropic",
        {"mcp_servers": [{"type": "url", "url": "https://mcp.example", "name": "m"}]},
        "meaning",
    ),
    "prompt": ("openai_responses", {"prompt": {"id": "pmpt_1"}}, "meaning"),
    "max_tool_calls": ("openai_responses", {"max_tool_calls": 2}, "meaning"),
    "documents": ("openai_chat", {"documents": ["a text"]}, "meaning"),
    "nobody_knows_this": ("openai_chat", {"nobody_knows_this": 1}, "hint"),
}
BODIES: Final[dict[str, dict[str, Any]]] = {
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    "openai_responses": {"model": "m", "input": "hi"},
    "anthropic": {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}


def losses(request: ir.Request, name: str) -> Report:
    """What is lost of a request on its way to this dialect, or to a model on this machine."""
    report = Report(name)
    if name == "local":
        translate(request, report, Draw())
    else:
        DIALECTS[name].request.encode(request, Target(report, "m", STANDARD))
    return report


@pytest.mark.parametrize("name", [*DIALECTS, "local"])
@pytest.mark.parametrize("place", STATED)
def test_a_field_has_one_severity_everywhere(name: str, place: str) -> None:
    """5.2: whoever cannot say a field misses it as much as anybody else."""
    request = ir.Request("another", "m", HELLO, max_output=64, **STATED[place])
    report = losses(request, name)
    told = {x.severity for x in report.losses if x.path == place or x.path.startswith("metadata.")}
    assert told <= {FIELDS[place]}


@pytest.mark.parametrize("place", STATED)
def test_each_of_these_fields_is_lost_somewhere(place: str) -> None:
    """Otherwise the test above would prove nothing of it."""
    request = ir.Request("another", "m", HELLO, max_output=64, **STATED[place])
    named: set[str] = set()
    for name in [*DIALECTS, "local"]:
        try:
            named |= {x.path for x in losses(request, name).losses}
        except WireError:
            continue
    assert any(path == place or path.startswith(place + ".") for path in named)


@pytest.mark.parametrize("member", MEMBERS)
def test_what_held_part_of_the_question_or_its_limits_is_meaning(member: str) -> None:
    """5.2: strictness refuses a cache that held the prompt, a container, a limit; a label it lets pass."""
    dialect, wire, severity = MEMBERS[member]
    spoken = DIALECTS[dialect]
    request = spoken.request.decode(WireRequest("chat", {**BODIES[dialect], **wire}))
    for name in [*DIALECTS, "local"]:
        if name == dialect:
            continue
        found = [x.severity for x in losses(request, name).losses if x.path.split("[")[0] == member]
        assert found == [severity], name


def test_a_member_is_known_by_its_dialect_alone() -> None:
    assert of_member("openai_chat", "container") == "hint"
    assert of_member("nobody", "container") == "hint"


def test_a_refused_member_is_missed_as_its_field_is() -> None:
    """A vendor that refuses `logit_bias` loses as much as a protocol without it."""
    quirks = msgspec.structs.replace(STANDARD, refuses=frozenset({"logit_bias", "seed", "reasoning_effort"}))
    request = ir.Request(
        "openai_chat",
        "m",
        HELLO,
        sampling=ir.Sampling(seed=1, logit_bias={"1": 1}),
        reasoning=ir.Reasoning(effort="low"),
    )
    report = Report("openai_chat")
    DIALECTS["openai_chat"].request.encode(request, Target(report, "m", quirks))
    found = {x.path: x.severity for x in report.losses}
    assert found == {
        "sampling.logit_bias": "meaning",
        "sampling.seed": "hint",
        "reasoning.effort": "quality",
    }
