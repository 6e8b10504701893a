"""A fact is carried, named, or missing; nothing else counts."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.testing.facts import Fact, missing, of_request, of_response

CALL = ir.ToolCall("c1", "add", '{"a": 1, "b": 2}')
IMAGE = ir.Media("image", "image/png", "AAAA", detail="low")
ODD = ir.Native("openai_chat", "odd", {"type": "odd"})
REQUEST = ir.Request(
    "openai_chat",
    "m",
    messages=(
        ir.Message("developer", (ir.Text("Be brief."),)),
        ir.Message("user", (ir.Text("One"), IMAGE), name="ann"),
        ir.Message("assistant", (ir.Thinking("Hm.", sealed=ir.Sealed("x", "seal")), CALL)),
        ir.Message("user", (ir.ToolResult("c1", (ir.Text("3"), ir.Json({"ok": True})), error=True),)),
        ir.Message("user", (ODD, ir.Refusal("No.", extra={"o": {"k": 1}}))),
    ),
    system=(ir.Text("Top", cache=ir.CacheMark("1h")),),
    tools=(
        ir.Function("add", "adds", {"type": "object"}, strict=True, extra={"o": {"x": 1, "y": None}}),
        ir.ProviderTool("openai_chat", "web_search", {}, options={"max_uses": 3}),
    ),
    tool_choice=ir.ToolChoice("tool", ("add",)),
    parallel=False,
    sampling=ir.Sampling(temperature=0.5, top_p=1.0, n=2, stop=("x",), logit_bias={"5": 1.0}),
    max_output=10,
    output=ir.Output("schema", schema={"type": "object"}, name="answer"),
    reasoning=ir.Reasoning(effort="high"),
    metadata={"a": "b"},
    stream=True,
    extra={"openai_chat": {"odd": [1], "nothing": None}},
)  # fmt: skip


def without(path: str) -> ir.Request:
    """The request with one value taken away."""
    return without_in(REQUEST, path.replace("[", ".[").split("."))


def without_in(value: Any, steps: list[str]) -> Any:
    step, *rest = steps
    if step.startswith("["):
        index = int(step[1:-1])
        inner = () if not rest else (without_in(value[index], rest),)
        return (*value[:index], *inner, *value[index + 1 :])
    if isinstance(value, dict):
        return {key: inner for key, inner in value.items() if key != step}
    field = next(f for f in msgspec.structs.fields(value) if f.name == step)
    if rest:
        return msgspec.structs.replace(value, **{step: without_in(getattr(value, step), rest)})
    empty = field.default if field.default is not msgspec.NODEFAULT else ""
    return msgspec.structs.replace(value, **{step: empty})


def test_a_request_says_what_it_says() -> None:
    assert missing(of_request(REQUEST), of_request(REQUEST), Report("x")) == []


@pytest.mark.parametrize(
    "path",
    [
        "messages[0].blocks[0].text",
        "messages[1].blocks[1].data",
        "messages[1].blocks[1].detail",
        "messages[1].name",
        "messages[2].blocks[0].text",
        "messages[2].blocks[0].sealed",
        "messages[2].blocks[1].name",
        "messages[2].blocks[1].arguments",
        "messages[3].blocks[0].id",
        "messages[3].blocks[0].content[0]",
        "messages[3].blocks[0].content[1]",
        "messages[3].blocks[0].error",
        "messages[4].blocks[0]",
        "messages[4].blocks[1].text",
        "messages[4].blocks[1].extra",
        "system[0].text",
        "system[0].cache",
        "system[0].cache.ttl",
        "tools[0].description",
        "tools[0].parameters",
        "tools[0].strict",
        "tools[0].extra",
        "tools[1]",
        "tools[1].options.max_uses",
        "tool_choice",
        "tool_choice.names",
        "parallel",
        "sampling.temperature",
        "sampling.top_p",
        "sampling.n",
        "sampling.stop",
        "sampling.logit_bias",
        "max_output",
        "output.schema",
        "output.name",
        "reasoning.effort",
        "metadata.a",
        "stream",
        "extra",
    ],
)
def test_what_is_taken_away_is_missed_where_it_was_unless_it_is_named(path: str) -> None:
    after = of_request(without(path))
    absent = missing(of_request(REQUEST), after, Report("x"))
    assert absent
    named = Report("x")
    for fact in absent:
        named.lose(fact.path, "for the test")
    assert missing(of_request(REQUEST), after, named) == []


def fact(path: str, kind: str = "k", words: Any = 1) -> Fact:
    return Fact(path, kind, words)


@pytest.mark.parametrize(
    ("loss", "covered"),
    [
        ("messages[3].blocks[1].text", True),
        ("messages[3].blocks[1]", True),
        ("messages[3].blocks", True),
        ("messages[3]", True),
        ("messages", True),
        ("messages[3].blocks[1].text.more", False),
        ("messages[3].blocks[1].cache", False),
        ("messages[3].blocks[11]", False),
        ("messages[30]", False),
        ("message", False),
    ],
)
def test_a_loss_names_what_it_contains(loss: str, covered: bool) -> None:
    report = Report("x")
    report.lose(loss, "for the test")
    assert (missing([fact("messages[3].blocks[1].text")], [], report) == []) is covered


def test_a_change_and_an_addition_name_a_fact_too() -> None:
    changed, added = Report("x"), Report("x")
    changed.change("a.b", "x", "y")
    added.add("a.b", "y")
    for report in (changed, added):
        assert missing([fact("a.b")], [], report) == []
        assert missing([fact("a.c")], [], report) != []


def test_facts_are_counted() -> None:
    assert missing([fact("a"), fact("b")], [fact("z")], Report("x")) == [fact("b")]


def test_texts_may_be_joined_but_only_within_a_role() -> None:
    told = [fact("a", "text of user", "One"), fact("b", "text of user", "Two")]
    assert missing(told, [fact("c", "text of user", "One\n\nTwo")], Report("x")) == []
    assert missing(told, [fact("c", "text of system", "One\n\nTwo")], Report("x")) == told


def test_how_things_are_written_does_not_matter() -> None:
    one = ir.Request(
        "a",
        None,
        (ir.Message("assistant", (CALL,)), ir.Message("user", (ir.ToolResult("c1", ()),))),
        parallel=True,
    )
    call = ir.ToolCall("other", "add", '{"b":2,"a":1}')
    other = ir.Request(
        "b",
        "m",
        (ir.Message("assistant", (call,)), ir.Message("user", (ir.ToolResult("other", ()),))),
        store=False,
    )
    assert missing(of_request(one), of_request(other), Report("x")) == []
    assert missing(of_request(other), of_request(one), Report("x")) == []


def test_a_result_must_stay_with_its_call() -> None:
    calls = (ir.ToolCall("1", "add", "{}"), ir.ToolCall("2", "sub", "{}"))
    messages = (ir.Message("assistant", calls), ir.Message("user", (ir.ToolResult("1", (ir.Text("x"),)),)))
    swapped = (ir.Message("assistant", calls), ir.Message("user", (ir.ToolResult("2", (ir.Text("x"),)),)))
    before, after = (of_request(ir.Request("a", None, m)) for m in (messages, swapped))
    assert [f.kind for f in missing(before, after, Report("x"))] == ["result of"]


def test_results_without_ids_belong_to_the_calls_of_their_name_in_order() -> None:
    one, two = ir.ToolCall(None, "add", '{"a":1}'), ir.ToolCall(None, "add", '{"a":2}')
    result = ir.ToolResult(None, (), name="add")
    legacy = (
        *(ir.Message("assistant", (one,)), ir.Message("user", (result,))),
        *(ir.Message("assistant", (two,)), ir.Message("user", (result,))),
    )
    linked = [f.words for f in of_request(ir.Request("a", None, legacy)) if f.kind == "result of"]
    assert linked == [("client", "add", '{"a":1}'), ("client", "add", '{"a":2}')]
    parallel = (ir.Message("assistant", (one, two)), ir.Message("user", (result, result)))
    assert [f.words for f in of_request(ir.Request("a", None, parallel)) if f.kind == "result of"] == linked


ANSWER = ir.Response(
    "openai_chat",
    "id",
    "model",
    1,
    (
        ir.Candidate(
            (
                ir.Thinking("Hm."),
                ir.Text("Yes", (ir.Citation(url="https://x"),), (ir.Logprob("Yes", -0.1),)),
                CALL,
            ),
            ir.Stop("sequence", sequence="x", detail={"why": "y"}),
            extra={"o": {"k": 1}},
        ),
    ),
    ir.Usage(3, cache_read=2, output=4, reasoning=5, detail={"searches": 1}, others=(("m2", ir.Usage(1)),)),
    tier="flex",
    error=ir.Fault("upstream", "late"),
    extra={"o": {"fingerprint": "f"}},
)


@pytest.mark.parametrize(
    ("changed", "kinds"),
    [
        ({"id": "other"}, ["id"]),
        ({"model": None}, ["model"]),
        ({"tier": None}, ["tier"]),
        ({"created": 2}, []),
        ({"error": None}, ["error"]),
        ({"extra": None}, ["extra"]),
        (
            {"usage": None},
            ["input tokens", "output tokens", "cache_read", "reasoning", "searches", "usage of"],
        ),
        ({"usage": ir.Usage(5, output=9)}, ["cache_read", "reasoning", "searches", "usage of"]),
        (
            {"candidates": ()},
            [
                *("text of candidate 0, thinking", "text of candidate 0", "citation", "logprobs", "call"),
                *("stop", "sequence", "why", "extra"),
            ],
        ),
    ],
)
def test_an_answer_says_what_it_says(changed: dict[str, Any], kinds: list[str]) -> None:
    after = msgspec.structs.replace(ANSWER, **changed)
    absent = missing(of_response(ANSWER), of_response(after), Report("x"))
    assert [f.kind for f in absent] == kinds


def test_no_usage_is_not_a_usage_of_zero() -> None:
    silent, zero = ir.Response("a"), ir.Response("a", usage=ir.Usage(0, output=0))
    assert [f.kind for f in missing(of_response(silent), of_response(zero), Report("x"))] == ["usage"]
    assert missing(of_response(silent), of_response(silent), Report("x")) == []


def test_a_fact_is_shown_cut() -> None:
    assert str(fact("a.b", "text", "x" * 500)).startswith("a.b: text xxx")
    assert len(str(fact("a.b", "text", "x" * 500))) < 250
