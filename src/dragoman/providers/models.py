"""Known facts of models, as data: limits, abilities, and the values that each model accepts. Pure.

A row states only what a page of the vendor or a cited observation says. Every other fact is None, so that the
provider decides. A new model has facts only if a pattern (`gemini-3*`) matches its name; for other new
models, the encoders write the newest form of a request.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import translate
from functools import lru_cache
from re import Pattern
from re import compile as pattern
from typing import Any, Final

import msgspec

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.ir import Value


class Row(Value, frozen=True):
    """Facts about the models whose names match.

    names: exact names, or shell patterns with `*`. A model's name is compared with them twice: as it is, and
    without a snapshot date or `latest` at its end. vendor: the only vendor (by its name in the catalogue) at
    which the facts hold; None = they hold at every vendor. source: the page that states the facts; for our
    own models, our module. read: the month in which that page was read.
    """

    names: tuple[str, ...]
    facts: Facts
    source: str
    vendor: str | None = None
    read: str = "2026-11"


def facts_for(vendor: str | None, model: str, overrides: Facts = UNKNOWN) -> Facts:
    """Return the known facts of a model at a vendor, with `overrides` over them. UNKNOWN = there are neither.
    vendor: its name in the catalogue, None = it has no name there. overrides: facts that replace the known
    ones; a field that is None replaces nothing.

    One row states the known facts. It is a row of the vendor itself; a row with `vendor=None` is used only if
    none of the vendor's rows matches. Of several rows, the one whose matching name has the most characters
    besides `*` is used, the first in `ROWS` if they are equal. A fine-tuned model (`ft:…`) is looked up by
    the name of its base model, a Claude at Bedrock by its name at Anthropic.
    """
    return overrides.over(_known(vendor, model))


@lru_cache(maxsize=8192)
def _known(vendor: str | None, model: str) -> Facts:
    tuned = _TUNED.match(model) or (_HOSTED.match(model) if vendor == "bedrock" else None)
    name = model if tuned is None else tuned[1]
    spelled = {name, _SNAPSHOT.sub("", name)}
    for holder in (None,) if vendor is None else (vendor, None):
        places = _PLACES.get(holder)
        found = [] if places is None else [rank for one in spelled for rank in places.fitting(one)]
        if found:
            return ROWS[-max(found)[1]].facts
    return UNKNOWN


_TUNED: Final = pattern(r"ft:([^:]+):")
"""Matches the beginning of a fine-tuned model's name; group 1 is the name of the base model."""
_HOSTED: Final = pattern(r"(?:.*[./])?anthropic\.(claude-[a-z0-9-]+?)(?:-v\d+)?(?::\d+)?\Z")
"""Matches the name of a Claude at Bedrock, of its inference profile or its ARN; group 1 is the name at
Anthropic. For the form see https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html, read
in 2026-11.
"""
_SNAPSHOT: Final = pattern(r"[-@](?:20\d{6}|20\d\d-\d\d-\d\d|latest)\Z")

# Anthropic ----------------------------------------------------------------------------------------
# The abilities of each generation: platform.claude.com, the pages of the single models and those on thinking,
# effort, structured outputs and tool use.

_CLAUDE_DOCS: Final = "https://platform.claude.com/docs/en/models/overview"
_CLAUDE_EFFORT: Final = "https://platform.claude.com/docs/en/build-with-claude/effort"
_CLAUDE_SCHEMAS: Final = "https://platform.claude.com/docs/en/build-with-claude/structured-outputs"

_UP_TO_HIGH: Final = ("low", "medium", "high")
_UP_TO_MAX: Final = ("low", "medium", "high", "max")
_ALL_LEVELS: Final = ("low", "medium", "high", "xhigh", "max")


def _but(facts: Facts, **changes: Any) -> Facts:
    return msgspec.structs.replace(facts, **changes)


_CLAUDE_3: Final = Facts(
    context=200_000,
    max_output=4096,
    tools=True,
    images=True,
    structured=False,
    forced_tool=True,
    sampling=True,
    prefill=True,
    mid_system=False,
    thinking=(),
    efforts=(),
)
_CLAUDE_4: Final = _but(
    _CLAUDE_3,
    max_output=32_000,
    documents=True,
    reasoning=True,
    thinking=("enabled", "disabled"),
    thinks=False,
)
# "`temperature` and `top_p` cannot both be specified for this model": since Opus 4.1, see
# https://platform.claude.com/docs/en/about-claude/models/migrating-to-claude-4, and for Opus 4.1
# https://github.com/open-webui/functions/pull/9, read in 2026-11.
_CLAUDE_4_1: Final = _but(_CLAUDE_4, sampling_pair=False)
_CLAUDE_4_5: Final = _but(_CLAUDE_4_1, max_output=64_000, structured=True)
_CLAUDE_4_6: Final = _but(
    _CLAUDE_4_5,
    context=1_000_000,
    max_output=128_000,
    prefill=False,
    thinking=("enabled", "adaptive", "disabled"),
    efforts=_UP_TO_MAX,
)
_CLAUDE_4_7: Final = _but(
    _CLAUDE_4_6,
    sampling=False,
    sampling_pair=None,
    thinking=("adaptive", "disabled"),
    efforts=_ALL_LEVELS,
)
_CLAUDE_4_8: Final = _but(_CLAUDE_4_7, mid_system=True)
_CLAUDE_5: Final = _but(_CLAUDE_4_8, thinks=True)
_CLAUDE_5_5: Final = _but(_CLAUDE_5, forced_tool=False, bound_thinking=True)

_ANTHROPIC: Final = (
    Row(("claude-3-*",), _CLAUDE_3, _CLAUDE_DOCS),
    Row(("claude-3-5-haiku",), _but(_CLAUDE_3, max_output=8192), _CLAUDE_DOCS),
    Row(("claude-3-5-sonnet",), _but(_CLAUDE_3, max_output=8192, documents=True), _CLAUDE_DOCS),
    Row(("claude-3-7-sonnet",), _but(_CLAUDE_4, max_output=64_000), _CLAUDE_DOCS),
    Row(("claude-opus-4", "claude-opus-4-0"), _CLAUDE_4, _CLAUDE_SCHEMAS),
    Row(("claude-opus-4-1",), _CLAUDE_4_1, _CLAUDE_SCHEMAS),
    Row(("claude-sonnet-4", "claude-sonnet-4-0"), _but(_CLAUDE_4, max_output=64_000), _CLAUDE_SCHEMAS),
    Row(("claude-haiku-4-5", "claude-sonnet-4-5"), _CLAUDE_4_5, _CLAUDE_SCHEMAS),
    Row(("claude-opus-4-5",), _but(_CLAUDE_4_5, efforts=_UP_TO_HIGH), _CLAUDE_EFFORT),
    Row(("claude-opus-4-6", "claude-sonnet-4-6"), _CLAUDE_4_6, _CLAUDE_EFFORT),
    Row(("claude-opus-4-7",), _CLAUDE_4_7, _CLAUDE_EFFORT),
    Row(("claude-opus-4-8",), _CLAUDE_4_8, _CLAUDE_DOCS),
    Row(("claude-sonnet-5",), _CLAUDE_5, _CLAUDE_DOCS),
    # Thinking cannot be turned off together with high effort; the page says no more.
    Row(("claude-opus-5",), _but(_CLAUDE_5, thinking=("adaptive",)), _CLAUDE_DOCS),
    Row(("claude-fable-5",), _but(_CLAUDE_5, thinking=("adaptive",)), _CLAUDE_DOCS),
    Row(("claude-fable-5-1", "claude-opus-5-5"), _but(_CLAUDE_5_5, thinking=("adaptive",)), _CLAUDE_DOCS),
    Row(("claude-sonnet-5-5",), _but(_CLAUDE_5_5, thinking=("adaptive", "between_tools")), _CLAUDE_DOCS),
    Row(
        ("claude-haiku-5-5",),
        _but(_CLAUDE_5, thinking=("adaptive",), bound_thinking=True),
        "https://platform.claude.com/docs/en/models/haiku-5-5/whats-new-haiku-5-5",
    ),
)

# OpenAI -------------------------------------------------------------------------------------------
# developers.openai.com, the pages of the single models; efforts also from the lists in OpenAI's errors.

_OPENAI_DOCS: Final = "https://developers.openai.com/api/docs/models"
_OPENAI_EFFORT: Final = "https://developers.openai.com/api/docs/guides/reasoning"
# The API of each model: `ResponsesModel` and the models of `completions.create` in OpenAI's own client.
_OPENAI_CLIENT: Final = "https://github.com/openai/openai-python/tree/main/src/openai/types"

_RESPONSES: Final = ("openai_responses",)
_CHAT: Final = ("openai_chat",)
_COMPLETIONS: Final = ("openai_completions",)

_GPT_4: Final = Facts(
    context=8192, max_output=8192, tools=True, structured=False, reasoning=False, sampling=True, efforts=()
)
_GPT_4O: Final = Facts(
    context=128_000,
    max_output=16_384,
    tools=True,
    images=True,
    audio=False,
    documents=True,
    structured=True,
    reasoning=False,
    forced_tool=True,
    sampling=True,
    mid_system=True,
    efforts=(),
)
_O_SERIES: Final = _but(
    _GPT_4O,
    context=200_000,
    max_output=100_000,
    reasoning=True,
    sampling=False,
    efforts=_UP_TO_HIGH,
    max_tokens=False,
)
_GPT_5: Final = _but(
    _O_SERIES, context=400_000, max_output=128_000, efforts=("minimal", "low", "medium", "high")
)
# From here on a model accepts sampling only while the effort is "none", so it is no fact of the model.
_GPT_5_1: Final = _but(_GPT_5, sampling=None, efforts=("none", "low", "medium", "high"))
_GPT_5_2: Final = _but(_GPT_5_1, efforts=("none", "low", "medium", "high", "xhigh"))
# From here on the chat API refuses functions with any effort but "none", even if the effort is only the
# default: https://github.com/openai/openai-openapi/issues/541, https://github.com/laurent22/joplin/pull/16451.
_GPT_5_4_MINI: Final = _but(_GPT_5_2, thinks=False, tool_apis=_RESPONSES)
_GPT_5_4: Final = _but(_GPT_5_4_MINI, context=1_050_000)
_GPT_5_5: Final = _but(_GPT_5_4, thinks=True)
_GPT_5_6: Final = _but(_GPT_5_5, efforts=("none", *_ALL_LEVELS))
# Models of which only the API is known.
_ONLY_RESPONSES: Final = Facts(tools=True, reasoning=True, apis=_RESPONSES)
_INSTRUCT: Final = Facts(
    context=4096,
    max_output=4096,
    tools=False,
    images=False,
    audio=False,
    documents=False,
    structured=False,
    reasoning=False,
    sampling=True,
    efforts=(),
    apis=_COMPLETIONS,
    draws=False,
)

_OPENAI: Final = (
    Row(("gpt-3.5-turbo*", "gpt-35-turbo*"), _but(_GPT_4, context=16_385, max_output=4096), _OPENAI_DOCS),
    Row(("gpt-3.5-turbo-instruct*", "gpt-35-turbo-instruct*"), _INSTRUCT, _OPENAI_CLIENT),
    Row(("davinci-002", "babbage-002"), _but(_INSTRUCT, context=16_384, max_output=16_384), _OPENAI_CLIENT),
    Row(("gpt-4", "gpt-4-0613"), _GPT_4, _OPENAI_DOCS),
    Row(("gpt-4-turbo*",), _but(_GPT_4, context=128_000, max_output=4096, images=True), _OPENAI_DOCS),
    Row(("gpt-4o", "gpt-4o-mini"), _GPT_4O, _OPENAI_DOCS),
    Row(("gpt-4o-2024-05-13",), _but(_GPT_4O, max_output=4096, structured=False), _OPENAI_DOCS),
    Row(
        ("gpt-4o-audio-preview*", "gpt-4o-mini-audio-preview*", "gpt-audio*"),
        Facts(
            context=128_000,
            max_output=16_384,
            tools=True,
            audio=True,
            reasoning=False,
            sampling=True,
            efforts=(),
            apis=_CHAT,
        ),
        _OPENAI_DOCS,
    ),
    Row(
        ("gpt-4o-search-preview", "gpt-4o-mini-search-preview"),
        Facts(reasoning=False, apis=_CHAT),
        _OPENAI_DOCS,
    ),
    Row(
        ("gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"),
        _but(_GPT_4O, context=1_047_576, max_output=32_768),
        _OPENAI_DOCS,
    ),
    Row(("o1", "o3", "o4-mini"), _O_SERIES, _OPENAI_EFFORT),
    Row(("o3-mini",), _but(_O_SERIES, images=None, documents=None), _OPENAI_EFFORT),
    Row(("gpt-5", "gpt-5-mini", "gpt-5-nano"), _GPT_5, _OPENAI_EFFORT),
    Row(("gpt-5-chat",), _but(_GPT_4O, sampling=None, efforts=None), _OPENAI_DOCS),
    # These models decide by themselves whether to think.
    Row(
        ("gpt-5.1-chat", "gpt-5.2-chat"),
        _but(_GPT_4O, reasoning=None, sampling=None, efforts=None),
        _OPENAI_DOCS,
    ),
    Row(("o1-pro", "o3-pro"), _but(_O_SERIES, apis=_RESPONSES), _OPENAI_CLIENT),
    Row(
        ("o3-deep-research", "o4-mini-deep-research", "computer-use-preview", "codex-mini"),
        _ONLY_RESPONSES,
        _OPENAI_CLIENT,
    ),
    Row(("gpt-5-codex",), _but(_GPT_5, efforts=_UP_TO_HIGH, apis=_RESPONSES), _OPENAI_EFFORT),
    Row(("gpt-5-pro",), _but(_GPT_5, max_output=272_000, efforts=("high",), apis=_RESPONSES), _OPENAI_DOCS),
    Row(
        (
            *("gpt-5.1-codex", "gpt-5.1-codex-max", "gpt-5.1-codex-mini", "gpt-5.2-codex"),
            *("gpt-5.2-pro", "gpt-5.4-pro", "gpt-5.5-pro"),
        ),
        _ONLY_RESPONSES,
        _OPENAI_CLIENT,
    ),
    Row(
        (
            *("gpt-5.6-cyber", "gpt-6-cyber", "gpt-6-rosalind", "gpt-6.2-astra-law"),
            *("gpt-daybreak-blue", "gpt-daybreak-red", "gpt-rosalind-research"),
        ),
        Facts(apis=_RESPONSES),
        _OPENAI_CLIENT,
    ),
    Row(("gpt-5.1",), _GPT_5_1, _OPENAI_EFFORT),
    Row(("gpt-5.2",), _GPT_5_2, _OPENAI_EFFORT),
    Row(
        ("gpt-5.3-codex",),
        _but(_GPT_5_2, efforts=("low", "medium", "high", "xhigh"), apis=_RESPONSES),
        _OPENAI_DOCS,
    ),
    Row(("gpt-5.4",), _GPT_5_4, _OPENAI_EFFORT),
    Row(("gpt-5.4-mini", "gpt-5.4-nano"), _GPT_5_4_MINI, _OPENAI_EFFORT),
    Row(
        ("gpt-5.5",),
        _GPT_5_5,
        "https://developers.openai.com/api/docs/guides/deployment-checklist",  # the default effort
    ),
    # The live API accepts "max": https://github.com/enricoros/big-AGI/issues/1159
    Row(("gpt-5.6", "gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna"), _GPT_5_6, _OPENAI_EFFORT),
    # It always thinks: neither "none" nor "minimal". https://github.com/QwenLM/qwen-code/pull/11295
    Row(("gpt-6-astra",), _but(_GPT_5_6, sampling=False, efforts=_ALL_LEVELS), _OPENAI_DOCS),
    Row(("gpt-6-luna",), _GPT_5_6, _OPENAI_DOCS),
    Row(
        ("gpt-6-sol", "gpt-6.1-sol", "gpt-6.1-terra", "gpt-6.2-sol", "gpt-6.2-astra"),
        Facts(tools=True, reasoning=True, tool_apis=_RESPONSES),
        _OPENAI_CLIENT,
    ),
)

# Perplexity ---------------------------------------------------------------------------------------

_PERPLEXITY: Final = (
    Row(
        ("sonar-reasoning*",),
        Facts(reasoning_text="tags"),
        "recorded traffic of sonar-reasoning-pro: its content begins with <think>",
        vendor="perplexity",
    ),
    # Models of other makers; Perplexity's chat API does not serve them.
    Row(
        ("*/*",),
        Facts(apis=_RESPONSES),
        "https://docs.perplexity.ai/docs/agent-api/openai-compatibility",
        vendor="perplexity",
    ),
)

# Models with open weights -------------------------------------------------------------------------

_OPEN: Final = (
    # Recorded: whole answers, and one that ended in its reasoning.
    Row(
        ("deepseek-ai/DeepSeek-R1*",),
        Facts(reasoning_text="tags"),
        "https://mintlify.com/sgl-project/sglang/advanced/separate-reasoning",
        vendor="huggingface",
    ),
    # `reasoning_format` is "raw" if a request does not state it. Recorded: deepseek-r1-distill-llama-70b.
    Row(
        ("deepseek-r1-distill-*", "qwen/qwen3-*"),
        Facts(reasoning_text="tags"),
        "https://reference.langchain.com/python/langchain-groq/chat_models/ChatGroq/reasoning_format",
        vendor="groq",
    ),
)

# Google -------------------------------------------------------------------------------------------
# ai.google.dev, the pages of the single models, on thinking and on thought signatures; the table of levels in
# the thinking guide of docs.cloud.google.com.

_GEMINI_DOCS: Final = "https://ai.google.dev/gemini-api/docs/models"
_GEMINI_THINKING: Final = "https://ai.google.dev/gemini-api/docs/thinking"
_GEMINI_LEVELS: Final = "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thinking"
_GEMINI_IMAGES: Final = "https://ai.google.dev/gemini-api/docs/image-generation"

_GEMINI_2: Final = Facts(
    context=1_048_576,
    max_output=8192,
    tools=True,
    images=True,
    audio=True,
    documents=True,
    structured=True,
    forced_tool=True,
    sampling=True,
    thinking=(),
    efforts=(),
    signed_calls=False,
    mixed_tools=False,
    media_results=False,
)
_GEMINI_2_5: Final = _but(
    _GEMINI_2,
    max_output=65_536,
    reasoning=True,
    thinking=("enabled",),
    thinking_budget=(0, 24_576),
    efforts=None,
)
_GEMINI_3: Final = _but(
    _GEMINI_2_5,
    sampling=None,  # accepted, but the page advises against it
    thinking=("level",),
    thinking_budget=None,
    efforts=("minimal", "low", "medium", "high"),
    signed_calls=True,
    mixed_tools=True,
    media_results=True,
)
_GEMINI_PICTURES: Final = Facts(tools=False, images=True, signed_calls=False, draws=True)

_GOOGLE: Final = (
    Row(("gemini-1.5-*",), _GEMINI_2, _GEMINI_DOCS),
    Row(("gemini-2.0-*",), _GEMINI_2, _GEMINI_DOCS),
    Row(("gemini-2.5-flash*",), _GEMINI_2_5, _GEMINI_THINKING),
    Row(("gemini-2.5-pro*",), _but(_GEMINI_2_5, thinking_budget=(128, 32_768)), _GEMINI_THINKING),
    Row(("gemini-2.5-flash-image*", "gemini-2.0-flash-*image-generation"), _GEMINI_PICTURES, _GEMINI_IMAGES),
    Row(("gemini-2.5-flash*-tts*", "gemini-2.5-pro*-tts*"), Facts(tools=False, images=False), _GEMINI_DOCS),
    Row(("gemini-3*",), _GEMINI_3, _GEMINI_LEVELS),
    Row(("gemini-3-pro*",), _but(_GEMINI_3, efforts=("low", "high")), _GEMINI_LEVELS),
    Row(
        ("gemini-3.1-pro*", "gemini-3.7-*", "gemini-3.8-*"),
        _but(_GEMINI_3, efforts=_UP_TO_HIGH),
        _GEMINI_LEVELS,
    ),
    Row(
        ("gemini-3-pro-image*", "gemini-3.1-flash-image*", "gemini-3.1-flash-lite-image*"),
        # It accepts Google Search, so not every tool is refused.
        _but(_GEMINI_PICTURES, tools=None, signed_calls=None, reasoning=True, thinking=("level",)),
        _GEMINI_IMAGES,
    ),
)

# Mistral ------------------------------------------------------------------------------------------
# docs.mistral.ai, the pages of the single models and the page on reasoning.

_MISTRAL_REASONING: Final = "https://docs.mistral.ai/capabilities/reasoning/"
_MISTRAL_DOCS: Final = "https://docs.mistral.ai/getting-started/models/"

_MISTRAL: Final = (
    Row(
        ("mistral-small-latest", "mistral-small-2603", "mistral-medium-3-5*", "mistral-medium-latest"),
        Facts(tools=True, images=True, structured=True, reasoning=True, efforts=("none", "high")),
        _MISTRAL_REASONING,
        vendor="mistral",
    ),
    # These models always think and have no effort setting.
    Row(
        ("magistral-*",), Facts(tools=True, reasoning=True, efforts=()), _MISTRAL_REASONING, vendor="mistral"
    ),
    Row(("voxtral-small-*", "voxtral-mini-*"), Facts(audio=True), _MISTRAL_DOCS, vendor="mistral"),
    Row(
        ("codestral-*", "mistral-tiny*", "open-mistral-7b", "open-mixtral-*"),
        Facts(images=False, audio=False),
        _MISTRAL_DOCS,
        vendor="mistral",
    ),
)

# Amazon Bedrock -----------------------------------------------------------------------------------
# Models of other authors by Converse. The abilities: the table of `_CONVERSE`. Schemas: none of these models
# is in the list of https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html. Forced calls:
# "This model doesn't support the toolConfig.toolChoice.any field", and the lists of
# https://github.com/langchain-ai/langchain-aws/blob/main/libs/aws/langchain_aws/chat_models/bedrock_converse.py.

_CONVERSE: Final = "https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html"
_WITHOUT_TOOLS: Final = Facts(tools=False, structured=False)
_LLAMA: Final = Facts(tools=True, structured=False, forced_tool=False, streams_tools=False)
_WHOLE_CALLS: Final = Facts(tools=True, streams_tools=False)

_BEDROCK: Final = (
    Row(
        (
            *("*amazon.titan-text-*", "*ai21.jamba-instruct-*", "*deepseek.r1-*"),
            *("*meta.llama2-*", "*meta.llama3-8b-*", "*meta.llama3-70b-*"),
            *("*meta.llama3-2-1b-*", "*meta.llama3-2-3b-*"),
            *("*mistral.mistral-7b-*", "*mistral.mixtral-8x7b-*"),
        ),
        _WITHOUT_TOOLS,
        _CONVERSE,
        vendor="bedrock",
    ),
    Row(
        (
            *("*meta.llama3-1-*", "*meta.llama3-2-11b-*", "*meta.llama3-2-90b-*"),
            *("*meta.llama3-3-*", "*meta.llama4-*"),
        ),
        _LLAMA,
        _CONVERSE,
        vendor="bedrock",
    ),
    Row(
        (
            *("*mistral.mistral-large-24*", "*mistral.mistral-small-24*"),
            *("*writer.palmyra-x4-*", "*writer.palmyra-x5-*"),
        ),
        _WHOLE_CALLS,
        _CONVERSE,
        vendor="bedrock",
    ),
)

# Our own ------------------------------------------------------------------------------------------

_OWN: Final = (
    Row(
        ("*",),
        Facts(
            tools=True,
            images=True,
            audio=True,
            documents=True,
            structured=True,
            reasoning=True,
            forced_tool=True,
            sampling=True,
            prefill=True,
            mid_system=True,
        ),
        "upstreams/simulate: it accepts everything",
        vendor="simulate",
    ),
    Row(
        (
            *("all-minilm:l6-v2", "all-minilm-l6-v2", "all-minilm"),
            *("hibari-heart", "hibari"),
            *("whisper-tiny.en", "whisper-tiny", "whisper"),
        ),
        Facts(tools=False, images=False, audio=False, documents=False, structured=False, reasoning=False),
        "upstreams/local: models of vectors, speech and transcription, which do not chat",
        vendor="local",
    ),
    Row(
        ("*",),
        Facts(tools=True, structured=True, forced_tool=True, sampling=True, mid_system=True, efforts=()),
        "upstreams/local: schemas and forced calls by grammar; limits are in the file's own header",
        vendor="local",
    ),
)

_SOUND: Final = (
    Row(("*",), Facts(chat=False), "https://developers.deepgram.com/docs/models", vendor="deepgram"),
    Row(("*",), Facts(chat=False), "https://api.jina.ai/redoc", vendor="jina"),
    Row(("*",), Facts(chat=False), "https://docs.voyageai.com/reference/reranker-api", vendor="voyage"),
    Row(("*",), Facts(chat=False), "https://github.com/elevenlabs/elevenlabs-python", vendor="elevenlabs"),
)

ROWS: Final = (*_ANTHROPIC, *_OPENAI, *_PERPLEXITY, *_OPEN, *_GOOGLE, *_MISTRAL, *_BEDROCK, *_SOUND, *_OWN)
"""Every row, by maker. Of two rows that match a name equally well, the first one is used; otherwise the order
has no meaning.
"""


class _Places:
    """An index of the rows for one vendor, which makes finding a row fast: providers list thousands of names,
    and few of them match a row. vendor: as `Row.vendor`, so None = the rows that hold at every vendor.

    A rank is (the number of characters of a row's name besides `*`, minus the row's place in `ROWS`). The row
    with the greatest rank is the best.
    """

    def __init__(self, vendor: str | None) -> None:
        self._exact: dict[str, tuple[int, int]] = {}
        self._patterns: list[tuple[Pattern[str], tuple[int, int]]] = []
        for place, row in enumerate(ROWS):
            for name in row.names if row.vendor == vendor else ():
                rank = len(name) - name.count("*"), -place
                if "*" in name:
                    self._patterns.append((pattern(translate(name)), rank))
                else:
                    self._exact.setdefault(name, rank)
        self._any = pattern("|".join(one.pattern for one, _ in self._patterns) or r"(?!)")

    def fitting(self, name: str) -> Iterator[tuple[int, int]]:
        """Yield the ranks of the rows that have `name` itself, or a pattern that matches it, among their
        names.
        """
        if (rank := self._exact.get(name)) is not None:
            yield rank
        if self._any.match(name) is not None:
            yield from (rank for one, rank in self._patterns if one.match(name) is not None)


_PLACES: Final = {vendor: _Places(vendor) for vendor in {row.vendor for row in ROWS}}
