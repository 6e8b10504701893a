"""What is counted, what it is counted as, and when the number is exact."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.testing.case import Case, dialect_of
from dragoman.testing.corpus import read
from dragoman.tokens import Count, Counter, ceiling, count
from dragoman.tokens.vocabulary import Vocabulary, vocabulary

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "wire"
LETTERS = Vocabulary(len, own=True, priming=0, tools=100, picture=50)
OWN_VOCABULARY = pytest.mark.skipif(
    not vocabulary("gpt-4o").own, reason="the extra `tokens` is not installed"
)


def asking(*blocks: ir.Block) -> ir.Request:
    return ir.Request("here", "m", (ir.Message("user", blocks),))


def weight(request: ir.Request) -> Count:
    """With a token for each letter."""
    counter = Counter("m", LETTERS)
    return Count(
        counter.frame(request) + sum(counter.message(message) for message in request.messages), counter.exact
    )


@pytest.mark.parametrize(
    ("block", "tokens", "exact"),
    [
        (ir.Text("abcd"), 4, True),
        (ir.Refusal("abcd"), 4, False),
        (ir.Thinking("abcd", ("a summary",), ir.Sealed("here", "x" * 999)), 4, False),
        (ir.ToolCall("an id", "abc", '{"a":1}'), 4 + 10, False),
        (ir.ToolResult("an id", (ir.Text("abcd"), ir.Text("e"))), 4 + 5, False),
        (ir.ToolResult("an id", (ir.Media("image", url="https://x.test/a.png"),)), 4 + 50, False),
        (ir.Json({"a": 1}), 7, False),
        (ir.Native("here", "item", {"a": 1}), 7, False),
        (ir.Media("image", data="A" * 4000), 50, False),
        (ir.Media("image", data="A" * 4000, detail="low"), 85, False),
        (ir.Media("audio", data="A" * 4000), 6, False),
        (ir.Media("audio", url="https://x.test/a.wav"), 1920, False),
        (ir.Media("video", data="A" * 4000), 6, False),
        (ir.Media("video", file="file-1"), 15_780, False),
        (ir.Media("document", data="A" * 4000), 1500, False),
        (ir.Media("document", data="A" * 400_000), 7500, False),
        (ir.Media("document", file="file-1"), 1500, False),
        (ir.Media("document", text="abcd"), 4, False),
        (ir.Media("document", blocks=(ir.Text("abcd"), ir.Text("e"))), 5, False),
    ],
)
def test_each_kind_of_block_counts(block: ir.Block, tokens: int, exact: bool) -> None:
    assert weight(asking(block)) == Count(4 + tokens, exact)


@pytest.mark.parametrize(
    ("request_", "tokens", "exact"),
    [
        (ir.Request("here", "m"), 0, True),
        (ir.Request("here", "m", system=(ir.Text("abc"), ir.Text("d"))), 4 + 4, True),
        (ir.Request("here", "m", (ir.Message("user", (ir.Text("a"),), name="Ann"),)), 4 + 1 + 1 + 3, True),
        (ir.Request("here", "m", (ir.Message("user", ()), ir.Message("assistant", ()))), 8, True),
        (ir.Request("here", "m", tools=()), 0, True),
        (
            ir.Request("here", "m", tools=(ir.Function("abc", "does", {"a": 1}), ir.Function("d"))),
            100 + 4 + 3 + 4 + 7 + 4 + 1 + 2,
            False,
        ),
        (ir.Request("here", "m", tools=(ir.Function("abc", format={"a": 1}),)), 100 + 4 + 3 + 7, False),
        (ir.Request("here", "m", tools=(ir.ProviderTool("here", "web_search", {"a": 1}),)), 107, False),
        (ir.Request("here", "m", output=ir.Output("schema", {"a": 1})), 7, False),
        (ir.Request("here", "m", output=ir.Output("json")), 0, True),
    ],
)
def test_what_is_no_message_counts(request_: ir.Request, tokens: int, exact: bool) -> None:
    assert weight(request_) == Count(tokens, exact)


@OWN_VOCABULARY
def test_the_published_example_comes_out() -> None:
    """OpenAI's own, with the counts that it gives: 129 by cl100k_base, 124 by o200k_base."""
    said = [
        (
            "system",
            None,
            (
                "You are a helpful, pattern-following assistant that translates "
                "corporate jargon into plain English."
            ),
        ),
        ("system", "example_user", "New synergies will help drive top-line growth."),
        ("system", "example_assistant", "Things working well together will increase revenue."),
        (
            "system",
            "example_user",
            (
                "Let's circle back when we have more bandwidth to touch base "
                "on opportunities for increased leverage."
            ),
        ),
        ("system", "example_assistant", "Let's talk later when we're less busy about how to do better."),
        (
            "user",
            None,
            "This late pivot means we don't have time to boil the ocean for the client deliverable.",
        ),
    ]
    messages = tuple(ir.Message(role, (ir.Text(text),), name) for role, name, text in said)  # type: ignore[arg-type]
    request = ir.Request("here", None, messages)
    assert count(request, "gpt-3.5-turbo") == Count(129, exact=True)
    assert count(request, "gpt-4-0613") == Count(129, exact=True)
    assert count(request, "gpt-4o") == Count(124, exact=True)
    assert count(request, "gpt-4o-mini") == Count(124, exact=True)
    assert count(request, "claude-sonnet-4-5").exact is False


def test_a_claude_is_told_of_tools_at_length() -> None:
    request = ir.Request("here", None, tools=(ir.Function("f"),))
    assert count(request, "claude-sonnet-4-5").tokens > count(request, "gpt-4o").tokens + 300


BLOCKS: st.SearchStrategy[ir.Block] = st.one_of(
    st.builds(ir.Text, st.text()),
    st.builds(ir.ToolCall, st.none(), st.text(max_size=9), st.text()),
    st.builds(ir.Json, st.dictionaries(st.text(), st.integers() | st.text(), max_size=3)),
    st.builds(
        ir.Media, st.sampled_from(["image", "audio", "video", "document"]), data=st.text("A", max_size=99)
    ),
)


TOOLS: st.SearchStrategy[tuple[ir.Tool, ...] | None] = st.sampled_from([None, (ir.Function("f", "does"),)])


@given(st.lists(BLOCKS, max_size=4), TOOLS, st.sampled_from(["gpt-4", "gpt-4o", "mistral-s", "claude", None]))
def test_nothing_counts_more_than_its_ceiling(
    blocks: list[ir.Block], tools: tuple[ir.Tool, ...] | None, model: str | None
) -> None:
    request = msgspec.structs.replace(asking(*blocks), tools=tools)
    assert count(request, model).tokens <= ceiling(request)


@pytest.mark.parametrize("text", ["word " * 4_000_000, "a" * 20_000_000, " " * 20_000_000, "語" * 6_000_000])
def test_a_huge_prompt_is_estimated_at_once(text: str) -> None:
    began = time.perf_counter()
    counted = count(asking(ir.Text(text)), "gpt-4o")
    assert not counted.exact
    assert 1_000_000 < counted.tokens <= ceiling(asking(ir.Text(text)))
    assert time.perf_counter() - began < 2


def test_many_small_texts_are_bounded_together() -> None:
    request = asking(*[ir.Text("word " * 100)] * 5000)
    assert not count(request, "gpt-4o").exact
    assert 400_000 < count(request, "gpt-4o").tokens < 700_000


# Against what providers counted --------------------------------------------------------------------


def recorded(*apis: str) -> Iterator[tuple[str, ir.Request, int]]:
    """(model, request, input tokens that the provider counted) of recorded requests that say all there is."""
    for exchange in read(RECORDED, *apis):
        name = dialect_of(exchange.api)
        if name is None:
            continue
        case = Case(exchange, DIALECTS[name], [])
        if not case.subjects >= {"request", "response"}:
            continue
        request, usage = case.request, case.response.usage
        if usage and usage.input_total and request.previous is None and request.conversation is None:
            yield exchange.model or request.model or "", request, usage.input_total


@OWN_VOCABULARY
@pytest.mark.wire
@pytest.mark.parametrize("api", ["openai.chat", "openai.responses"])
def test_exact_counts_are_what_openai_counted(api: str) -> None:
    """But for prompts that the API adds to: hidden instructions, formats of answers."""
    off = [
        count(request, model).tokens - counted
        for model, request, counted in recorded(api)
        if count(request, model).exact
    ]
    assert len(off) > 50
    assert off.count(0) >= 0.9 * len(off)


@pytest.mark.wire
@pytest.mark.parametrize("api", ["openai.chat", "openai.responses", "anthropic.messages", "mistral.chat"])
def test_estimates_of_tools_are_near(api: str) -> None:
    """Half of them within a quarter, whatever the maker writes around a tool."""
    near = sorted(
        count(request, model).tokens / counted
        for model, request, counted in recorded(api)
        if request.tools and all(isinstance(tool, ir.Function) for tool in request.tools)
    )
    assert len(near) > 20
    assert near[len(near) // 4] > 0.75
    assert near[len(near) * 3 // 4] < 1.25
