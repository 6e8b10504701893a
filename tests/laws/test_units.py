"""The units of recorded answers are what the providers' answers state: nothing is counted twice or left out.

The totals are read from the recorded JSON here, without the codecs.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed, WireError
from dragoman.ir.units import INPUT, OUTPUT, units_of
from dragoman.providers.prices import PriceTable
from dragoman.testing import corpus
from dragoman.testing.case import Case, dialect_of
from dragoman.testing.hosted import unwrapped

CACHED = tuple(unit for unit in INPUT if unit.startswith("cache_read"))
WRITTEN = tuple(unit for unit in INPUT if unit.startswith("cache_write"))


def stated(case: Case) -> dict[str, Any]:
    """The usage in the provider's own words: the last usage object of the answer. Anthropic's last one has
    only what has changed since the first, and Gemini's may lack the answer's tokens if its chunk has no text.
    """
    found: dict[str, Any] = {}
    for value in values_of(case):
        for usage in usages(value):
            told = {key: one for key, one in usage.items() if one is not None}
            if case.dialect.name == "gemini" and told and "candidatesTokenCount" in found:
                told = {"candidatesTokenCount": found["candidatesTokenCount"]} | told
            found = found | told if case.dialect.name == "anthropic" else told or found
    return found


def values_of(case: Case) -> list[Any]:
    response = case.exchange.response
    assert response is not None
    if response.body is not None:
        return [response.body]
    if response.events is not None:
        return list(response.events)
    lines = (response.stream or b"").decode().splitlines()
    texts = [line.removeprefix("data:").strip() for line in lines]
    return [msgspec.json.decode(text) for text in texts if text.startswith(("{", "[{"))]


def usages(value: Any) -> Iterator[dict[str, Any]]:
    """The usage objects of an answer or event, and those inside of them; Ollama's answer is its own usage."""
    if isinstance(value, list):
        for one in value:
            yield from usages(one)
    elif isinstance(value, dict):
        if "prompt_eval_count" in value or "eval_count" in value:
            yield value
        for key, one in value.items():
            if key in {"usage", "usageMetadata"} and isinstance(one, dict):
                yield one
            elif key in {"message", "response", "x_groq", "choices", "delta"}:
                yield from usages(one)


def totals(dialect: str, usage: dict[str, Any]) -> tuple[int, int]:
    """(input tokens, output tokens), as each provider's page defines them."""

    def count(*path: str) -> int:
        value: Any = usage
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value if type(value) is int else 0

    if dialect == "anthropic":
        caches = count("cache_creation_input_tokens") + count("cache_read_input_tokens")
        return count("input_tokens") + caches, count("output_tokens")
    if dialect == "openai_responses":
        return count("input_tokens"), count("output_tokens")
    if dialect == "cohere":
        asked = count("tokens", "input_tokens") + count("tokens", "image_tokens")
        return asked, count("tokens", "output_tokens")
    if dialect == "ollama":
        return count("prompt_eval_count"), count("eval_count")
    if dialect == "gemini":
        asked = count("promptTokenCount") + count("toolUsePromptTokenCount")
        said = count("candidatesTokenCount") + count("thoughtsTokenCount")
        whole = count("totalTokenCount")
        if whole == asked + count("candidatesTokenCount"):  # the thoughts are among the candidates' tokens
            return asked, count("candidatesTokenCount")
        return asked, said
    asked, said = count("prompt_tokens"), count("completion_tokens")
    whole = count("total_tokens")
    if (cached := count("prompt_tokens_details", "cached_tokens")) > asked:  # xAI, whose bills agree
        return asked + cached, said
    if whole > asked + said:  # tokens of reasoning, or of sound, which the two counts leave out
        audio = count("prompt_tokens_details", "audio_tokens")
        if whole == asked + said + audio:
            return asked + audio, said
        if whole == asked + said + count("completion_tokens_details", "reasoning_tokens"):
            return asked, whole - asked
    return asked, said


def answers(recorded: Path, dialect: str) -> Iterator[tuple[Case, ir.Usage]]:
    for recording in corpus.read(recorded):
        if dialect_of(recording.api) != dialect or (exchange := unwrapped(recording)) is None:
            continue
        case = Case(exchange, DIALECTS[dialect], ())
        if case.exchange.response is not None and several(case):
            continue
        try:
            if "response" in case.subjects:
                usage = case.response.usage
            elif "stream" in case.subjects:
                usage = ir.fold(case.events).usage
            else:
                continue
        except (RequestFailed, WireError):
            continue  # a failure, or no answer at all
        if usage is not None:
            yield case, usage


def several(case: Case) -> bool:
    """Whether a recording holds several answers, of which the codec reads the first."""
    kinds = [value.get("type") for value in values_of(case) if isinstance(value, dict)]
    return max(kinds.count("message_start"), kinds.count("response.created")) > 1


XAI_ELSEWHERE = {"ai-5d49c1278ffb": "its cost is made up: 123456 for 150 tokens"}


@pytest.mark.wire
def test_bills_are_what_xai_states_in_its_answers(recorded: Path) -> None:
    """The cost of each answer is stated in 10⁻¹⁰ USD."""
    table, seen, wrong = PriceTable(), 0, []
    for dialect in ("openai_chat", "openai_responses"):
        for case, usage in answers(recorded, dialect):
            ticks = stated(case).get("cost_in_usd_ticks")
            if not case.exchange.api.startswith("xai.") or not ticks or case.exchange.id in XAI_ELSEWHERE:
                continue
            model = str(case.answer.get("model") if "response" in case.subjects else case.exchange.model)
            rates = table.find("xai", model)
            if rates is None:
                continue
            seen += 1
            bill = rates.bill(units_of(usage), at=1_790_000_000)
            if bill.cost != round(ticks / 10):
                wrong.append(f"{case.exchange.id}: {bill}, and xAI states {ticks / 10}")
    assert not wrong, "\n".join(wrong)
    assert seen >= 60


LEAST = {
    "anthropic": 400,
    "cohere": 45,
    "gemini": 400,
    "mistral": 70,
    "ollama": 5,
    "openai_chat": 700,
    "openai_completions": 40,
    "openai_responses": 400,
}


@pytest.mark.wire
@pytest.mark.parametrize("dialect", LEAST)
def test_units_add_up_to_what_the_provider_states(recorded: Path, dialect: str) -> None:
    seen, wrong = 0, []
    for case, usage in answers(recorded, dialect):
        units = units_of(usage)
        found = tuple(sum(units.get(unit, 0) for unit in side) for side in (INPUT, OUTPUT))
        wanted = totals(dialect, stated(case))
        seen += 1
        if found != wanted:
            wrong.append(f"{case.exchange.id}: {found}, and the answer states {wanted}: {stated(case)}")
    assert not wrong, "\n".join([f"{len(wrong)} of {seen}", *wrong[:20]])
    assert seen >= LEAST[dialect]


@pytest.mark.wire
@pytest.mark.parametrize("dialect", LEAST)
def test_cached_and_reasoning_tokens_are_counted_once(recorded: Path, dialect: str) -> None:
    for case, usage in answers(recorded, dialect):
        units = units_of(usage)
        assert sum(units.get(unit, 0) for unit in CACHED) == (usage.cache_read or 0), case.exchange.id
        assert sum(units.get(unit, 0) for unit in WRITTEN) == (usage.cache_write or 0), case.exchange.id
        assert units.get("reasoning", 0) == (usage.reasoning or 0), case.exchange.id
        assert all(type(amount) is int and amount > 0 for amount in units.values()), case.exchange.id
