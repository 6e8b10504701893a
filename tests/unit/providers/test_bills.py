"""Bills of real price pages, calculated by hand. The expected sums were written before the code.

The pages were read in November 2026; "M" is a million tokens or characters.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.gemini.embedding import EMBEDDING
from dragoman.dialects.gemini.searches import with_searches
from dragoman.dialects.openai_responses.tool_uses import with_tools
from dragoman.dialects.operation import Payload
from dragoman.ir.units import measured, units_of
from dragoman.providers.prices import PriceTable
from dragoman.providers.rates import NANO, Rates

AT = 1_795_392_000.0
"""2026-11-23, 00:00 UTC."""


@cache
def table() -> PriceTable:
    return PriceTable()


def spent(request: Any, response: Any) -> dict[str, int]:
    """What an answer beside chat has used: what is measured, and what its usage states."""
    usage = getattr(response, "usage", None)
    return {**measured(request, response), **({} if usage is None else units_of(usage))}


def rates(vendor: str, model: str) -> Rates:
    found = table().find(vendor, model)
    assert found is not None
    return found


def usd(text: str) -> int:
    return int(Decimal(text) * NANO)


def costs(vendor: str, model: str, usage: ir.Usage, tier: str | None = None) -> int | None:
    return rates(vendor, model).bill(units_of(usage), at=AT, tier=tier).cost


def test_openai_cached_input() -> None:
    # https://platform.openai.com/docs/pricing: gpt-4o: input $2.50 / M, cached $1.25 / M, output $10 / M
    # 2,000 × 2.50 / M = 0.005; 8,000 × 1.25 / M = 0.010; 500 × 10 / M = 0.005
    assert costs("openai", "gpt-4o-2024-08-06", ir.Usage(2_000, 8_000, output=500)) == usd("0.020")


def test_reasoning_is_billed_as_output_once() -> None:
    # https://platform.openai.com/docs/pricing: gpt-5: input $1.25 / M, cached $0.125 / M, output $10 / M
    # 1,000 × 1.25 / M = 0.00125; 300 × 10 / M + 700 × 10 / M = 0.010
    assert costs("openai", "gpt-5", ir.Usage(1_000, output=300, reasoning=700)) == usd("0.01125")


def test_anthropic_cache_writes_of_five_minutes_and_an_hour() -> None:
    # https://platform.claude.com/docs/en/about-claude/pricing: Claude Sonnet 4.5: input $3 / M, 5m writes
    # $3.75 / M, 1h writes $6 / M, hits $0.30 / M, output $15 / M; web search $10 per 1,000 searches
    # 1,200 × 3 = 0.0036; 4,000 × 3.75 = 0.015; 10,000 × 6 = 0.060; 30,000 × 0.30 = 0.009; 800 × 15 = 0.012;
    # 2 × 0.01 = 0.020
    usage = ir.Usage(
        1_200,
        cache_read=30_000,
        cache_write=14_000,
        cache_write_5m=4_000,
        cache_write_1h=10_000,
        output=800,
        detail={"web_search_requests": 2, "web_fetch_requests": 3},
    )
    assert costs("anthropic", "claude-sonnet-4-5-20250929", usage) == usd("0.1196")


def test_gemini_long_prompts_make_the_whole_request_dearer() -> None:
    # https://ai.google.dev/gemini-api/docs/pricing: Gemini 2.5 Pro: input $1.25 / M, $2.50 / M for prompts of
    # more than 200k tokens; output with thinking $10 / M, $15 / M; context caching $0.125 / M, $0.25 / M
    # 200,000 × 2.50 = 0.50; 50,000 × 0.25 = 0.0125; 5,000 × 15 = 0.075
    usage = ir.Usage(200_000, 50_000, output=2_000, reasoning=3_000)
    assert costs("gemini", "gemini-2.5-pro", usage) == usd("0.5875")
    # 200,000 tokens are not more than 200k: 200,000 × 1.25 = 0.25; 5,000 × 10 = 0.05
    assert costs("gemini", "gemini-2.5-pro", ir.Usage(200_000, output=5_000)) == usd("0.30")


def test_sound_in_and_out_by_tokens() -> None:
    # https://platform.openai.com/docs/models/gpt-4o-audio-preview: text $2.50 / M and $10 / M, audio $40 / M
    # and $80 / M
    # 100 × 2.50 = 0.00025; 1,000 × 40 = 0.04; 50 × 10 = 0.0005; 2,000 × 80 = 0.16
    usage = ir.Usage(1_100, output=2_050, detail={"input_audio": 1_000, "output_audio": 2_000})
    assert costs("openai", "gpt-4o-audio-preview-2024-12-17", usage) == usd("0.20075")


def test_service_tiers() -> None:
    # https://platform.openai.com/docs/pricing: gpt-4o: batch $1.25 / M and $5 / M; priority $4.25 / M, cached
    # $2.125 / M, output $17 / M
    batch = ir.Usage(1_000_000, output=100_000)
    assert costs("openai", "gpt-4o", batch, "batch") == usd("1.75")  # 1.25 + 0.5
    assert costs("openai", "gpt-4o", ir.Usage(1_000, 1_000, output=1_000), "priority") == usd("0.023375")
    assert costs("openai", "gpt-4o", ir.Usage(1_000), "default") == usd("0.0025")
    unknown = rates("openai", "gpt-4o").bill({"input": 1_000}, at=AT, tier="turbo")
    assert (unknown.cost, unknown.priced) == (None, usd("0.0025"))
    assert unknown.price.endswith("the price of the tier 'turbo' is unknown")


def test_embeddings() -> None:
    # https://platform.openai.com/docs/pricing: text-embedding-3-small: $0.02 / M
    # 12,345 × 0.02 / M = 0.0002469
    response = ir.EmbedResponse((), "text-embedding-3-small", ir.Usage(12_345))
    request = ir.EmbedRequest("openai_chat", "text-embedding-3-small", ())
    bill = rates("openai", "text-embedding-3-small").bill(spent(request, response), at=AT)
    assert bill.cost == usd("0.0002469")


def test_pictures_by_quality_and_size() -> None:
    # https://platform.openai.com/docs/models/dall-e-3: 1024x1024 $0.04, 1024x1792 $0.08; HD $0.08 and $0.12
    request = ir.ImageRequest("openai_chat", "dall-e-3", "a bridge", size="1792x1024", quality="hd")
    response = ir.ImageResponse((ir.Picture("1"), ir.Picture("2")))
    bill = rates("openai", "dall-e-3").bill(spent(request, response), at=AT)
    assert bill.cost == usd("0.24")  # 2 × 0.12
    # https://platform.openai.com/docs/pricing: gpt-image-1: text $5 / M, image in $10 / M, image out $40 / M
    # 50 × 5 = 0.00025; 300 × 10 = 0.003; 4,160 × 40 = 0.1664
    usage = ir.Usage(350, output=4_160, detail={"input_text": 50, "input_image": 300})
    told = ir.ImageResponse((ir.Picture("1"),), "gpt-image-1", usage=usage)
    bill = rates("openai", "gpt-image-1").bill(spent(request, told), at=AT)
    assert bill.cost == usd("0.16965")


def test_speech_by_characters() -> None:
    # https://platform.openai.com/docs/pricing: tts-1: $15 / M characters
    # 1,234 × 15 / M = 0.01851
    request = ir.SpeechRequest("openai_chat", "tts-1", "x" * 1_234, "alloy")
    bill = rates("openai", "tts-1").bill(spent(request, ir.SpeechResponse(b"", "mp3", "audio/mpeg")), at=AT)
    assert bill.cost == usd("0.01851")


def test_transcription_by_the_minute() -> None:
    # https://platform.openai.com/docs/pricing: whisper-1: $0.006 a minute
    # 754.3 s = 12.57166… minutes; × 0.006 = 0.07543
    request = ir.TranscriptionRequest("openai_chat", "whisper-1", ir.File(b"x", "a.mp3"))
    response = ir.TranscriptionResponse("hello", duration=754.3)
    bill = rates("openai", "whisper-1").bill(spent(request, response), at=AT)
    assert bill.cost == usd("0.07543")
    # https://groq.com/pricing: whisper-large-v3-turbo: $0.04 an hour, at least 10 seconds a request
    # 10 s × 0.04 / 3,600 = 0.000111111…
    short = ir.TranscriptionResponse("hi", duration=3.0)
    bill = rates("groq", "whisper-large-v3-turbo").bill(spent(request, short), at=AT)
    assert bill.cost == usd("0.000111111")


def test_reranking_by_searches() -> None:
    # https://cohere.com/pricing: Rerank 3.5: $2.00 per 1,000 searches
    # 3 × 0.002 = 0.006; the tokens that the answer states too are not billed
    response = ir.RerankResponse((), usage=ir.Usage(4_000, detail={"search_units": 3.0}))
    request = ir.RerankRequest("openai_chat", "rerank-v3.5", "query", ())
    assert rates("cohere", "rerank-v3.5").bill(spent(request, response), at=AT).cost == usd("0.006")


@pytest.mark.parametrize(
    ("hour", "cost"),
    [(0, "0.00021"), (1, "0.00042"), (3, "0.00042"), (4, "0.00021"), (6, "0.00042"), (10, "0.00021")],
)
def test_hours_of_the_day(hour: int, cost: str) -> None:
    # https://api-docs.deepseek.com/quick_start/pricing: deepseek-flash: input $0.15 / M, output $0.60 / M;
    # from 01:00 to 04:00 and from 06:00 to 10:00 UTC $0.30 / M and $1.20 / M
    # 1,000 × 0.15 / M + 100 × 0.60 / M = 0.00021
    bill = rates("deepseek", "deepseek-flash").bill({"input": 1_000, "output": 100}, at=AT + hour * 3_600)
    assert bill.cost == usd(cost)


def test_searches_of_the_responses_api() -> None:
    # https://developers.openai.com/api/docs/pricing: gpt-5: input $1.25 / M, output $10 / M; web search
    # $10 per 1,000 calls, file search $2.50 per 1,000 calls
    # 8,000 × 1.25 / M = 0.010; 500 × 10 / M = 0.005; 7 × 0.01 = 0.070; 2 × 0.0025 = 0.005
    answer = {
        "output": [
            *[{"type": "web_search_call", "action": {"type": "search"}}] * 7,
            *[{"type": "web_search_call", "action": {"type": "open_page"}}] * 2,
            *[{"type": "file_search_call"}] * 2,
        ]
    }
    usage = with_tools(ir.Usage(8_000, output=500), answer)
    assert costs("openai", "gpt-5", usage) == usd("0.090")
    # A container costs by its time, which no answer states.
    coded = with_tools(ir.Usage(8_000), {"output": [{"type": "code_interpreter_call"}]})
    bill = rates("openai", "gpt-5").bill(units_of(coded), at=AT)
    assert (bill.cost, bill.priced) == (None, usd("0.010"))


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        # https://ai.google.dev/gemini-api/docs/pricing: Gemini 2.5 Flash: input $0.30 / M, output $2.50 / M;
        # $35 per 1,000 grounded prompts. 1,000 × 0.30 / M + 100 × 2.50 / M + 0.035
        ("gemini-2.5-flash", "0.03555"),
        # Gemini 3 Flash: input $0.50 / M, output $3 / M; $14 per 1,000 search queries
        # 1,000 × 0.50 / M + 100 × 3 / M + 3 × 0.014
        ("gemini-3-flash-preview", "0.0428"),
    ],
)
def test_searches_of_google_by_prompt_or_by_query(model: str, cost: str) -> None:
    grounded = [{"groundingMetadata": {"webSearchQueries": ["a", "b", "", "c", "a"]}}]
    assert costs("gemini", model, with_searches(ir.Usage(1_000, output=100), grounded)) == usd(cost)


def test_pictures_in_embeddings() -> None:
    # https://ai.google.dev/gemini-api/docs/pricing: gemini-embedding-2: text $0.20 / M, images $0.45 / M
    # 3 × 0.20 / M = 0.0000006; 258 × 0.45 / M = 0.0001161
    answer = (
        b'{"embeddings":[{"values":[0.5]}],"usageMetadata":{"promptTokenCount":261,"promptTokenDetails":'
        b'[{"modality":"IMAGE","tokenCount":258},{"modality":"TEXT","tokenCount":3}]}}'
    )
    request = ir.EmbedRequest("gemini", "gemini-embedding-2", ("a",))
    response = EMBEDDING.provider.decode(Payload(answer), request)
    bill = rates("gemini", "gemini-embedding-2").bill(spent(request, response), at=AT)
    assert bill.cost == usd("0.0001167")


def test_a_cache_of_gemini_at_openrouter_costs_input_and_storage() -> None:
    # https://openrouter.ai/docs/features/prompt-caching: input $1.25 / M and 5 minutes of $4.50 / M an hour;
    # both twice as much for prompts above 200k, but for the storage
    # 100,000 × 1.25 / M = 0.125; 100,000 × 0.375 / M = 0.0375; 100 × 10 / M = 0.001
    usage = ir.Usage(0, cache_write=100_000, output=100)
    assert costs("openrouter", "google/gemini-2.5-pro", usage) == usd("0.1635")
    # 300,000 × 2.875 / M = 0.8625; 100 × 15 / M = 0.0015
    longer = ir.Usage(0, cache_write=300_000, output=100)
    assert costs("openrouter", "google/gemini-2.5-pro", longer) == usd("0.864")


def test_long_prompts_of_anthropic_with_a_cache_and_in_a_batch() -> None:
    # https://platform.claude.com/docs/en/about-claude/pricing: Claude Haiku 5.5: input $0.10 / M, hits
    # $0.01 / M, output $0.50 / M; prompts above 100,000 tokens $0.50 / M, $0.05 / M and $2.50 / M;
    # batches half of it
    # 1,000 × 0.50 / M = 0.0005; 100,000 × 0.05 / M = 0.005; 1,000 × 2.50 / M = 0.0025
    longer = ir.Usage(1_000, cache_read=100_000, output=1_000)
    assert costs("anthropic", "claude-haiku-5-5", longer) == usd("0.008")
    assert costs("anthropic", "claude-haiku-5-5", longer, "batch") == usd("0.004")
    # 100,000 × 0.01 / M = 0.001; 1,000 × 0.50 / M = 0.0005
    short = ir.Usage(0, cache_read=100_000, output=1_000)
    assert costs("anthropic", "claude-haiku-5-5", short) == usd("0.0015")
