"""The columns of the matrix: who answers, and which of its models a feature is asked of."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.e2e.strict import bedrock as aws

_COMPLETE = {"tools", "parallel tools", "JSON schema"}
_SEVERAL = frozenset({"parallel tools"})
_AGAIN = frozenset({"text", "stream", "image in", "image out", "audio in", "audio out"})


class Upstream(msgspec.Struct, frozen=True):
    """One column.

    dialect: of the strict fake provider behind it, None = it answers by itself. model: to ask, and models:
    for the features that need another; `provider/model`, where a provider is a known vendor, or has the
    dialect in its `row`.
    limit: of tokens, where each is computed here; whole: of those answers that must be complete.
    again: the features that it is asked for through every face, None = all; the first asks for all.
    unforced: the features that it is asked for without forcing a call: one that it is forced to make is one
    structured answer, so that it cannot be several.
    """

    name: str
    title: str
    dialect: str | None
    model: str
    models: dict[str, str] = {}
    row: dict[str, Any] = {}
    limit: int | None = None
    whole: int | None = None
    again: frozenset[str] | None = None
    unforced: frozenset[str] = frozenset()

    def model_for(self, feature: str) -> str:
        return self.models.get(feature, self.model)

    def limit_for(self, feature: str) -> int | None:
        return self.whole if feature in _COMPLETE else self.limit

    def providers(self, url: str) -> dict[str, dict[str, Any]]:
        """The configuration of its providers, each of which speaks this one protocol alone."""
        names = {model.partition("/")[0] for model in (self.model, *self.models.values())}
        return {name: {"base_url": url, "keys": ["up-key"], "apis": [], **self.row} for name in names}


UPSTREAMS = (
    Upstream(
        "openai_chat",
        "OpenAI chat",
        "openai_chat",
        "openai/gpt-4o",
        {
            "reasoning": "openai/gpt-5",
            "audio in": "openai/gpt-4o-audio-preview",
            "audio out": "openai/gpt-4o-audio-preview",
            # Images in answers are OpenRouter's addition to this dialect.
            "image out": "openrouter/google/gemini-2.5-flash-image",
        },
    ),
    Upstream(
        "openai_responses",
        "OpenAI Responses",
        "openai_responses",
        "responses/gpt-4o",
        {"reasoning": "responses/gpt-5"},
        {"dialect": "openai_responses"},
    ),
    Upstream(
        "openai_completions",
        "OpenAI completions",
        "openai_completions",
        "completions/gpt-3.5-turbo-instruct",
        # Who asks for thoughts asks for more than the other can hold.
        {"reasoning": "completions/davinci-002"},
        row={"dialect": "openai_completions"},
    ),
    Upstream("anthropic", "Anthropic", "anthropic", "anthropic/claude-sonnet-4-5"),
    Upstream(
        "gemini",
        "Gemini",
        "gemini",
        "gemini/gemini-2.5-flash",
        {
            "image out": "gemini/gemini-2.5-flash-image",
            "audio out": "gemini/gemini-2.5-flash-preview-tts",
        },
    ),
    Upstream(
        "mistral",
        "Mistral",
        "mistral",
        "mistral/mistral-large-latest",
        {"reasoning": "mistral/mistral-small-latest", "audio in": "mistral/voxtral-small-latest"},
    ),
    Upstream(
        "cohere",
        "Cohere",
        "cohere",
        "cohere/command-a-03-2025",
        {"reasoning": "cohere/command-a-reasoning-08-2025", "image in": "cohere/command-a-vision-07-2025"},
    ),
    Upstream(
        "bedrock",
        "Bedrock Converse",
        "bedrock",
        f"bedrock/{aws.CLAUDE}",
        {"audio in": f"bedrock/{aws.NOVA}"},
        row={"keys": [f"{aws.ID}:{aws.SECRET}"], "region": aws.REGION},
    ),
    Upstream("ollama", "Ollama", "ollama", "machine/qwen3", row={"dialect": "ollama"}, unforced=_SEVERAL),
    Upstream("local", "Embedded model", None, "local/smollm2:135m", limit=16, whole=48, again=_AGAIN),
    Upstream(
        "simulate", "Simulator", None, "simulate/echo", {"stream": "simulate/lorem", "seed": "simulate/lorem"}
    ),
)
