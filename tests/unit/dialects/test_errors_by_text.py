"""A status that stands for many things is told apart by the words that providers use; no other is."""

from __future__ import annotations

import json

import pytest

from dragoman.dialects.table import DIALECTS

VAGUE = (400, 413, 422)
LONG = "This model's maximum context length is 8192 tokens."
# Sentences as providers write them; each is all that tells its kind.
CHAT = [
    (LONG, "context_length"),
    ("Your input exceeds the context window of this model.", "context_length"),
    ("The decoder prompt (length 9) is longer than the maximum model length of 8.", "context_length"),
    ("Prompt is too long.", "context_length"),
    ("input length and `max_tokens` exceed context limit: 9 + 1 > 8", "context_length"),
    ("Please reduce the length of the messages or completion.", "context_length"),
    ("Please reduce the prompt; current length is 9000.", "context_length"),
    ("`inputs tokens + max_new_tokens` must be <= 4096.", "context_length"),
    ("This model's maximum prompt length is 131072.", "context_length"),
    ("the request exceeds the available context size, try increasing it", "context_length"),
    ("The number of tokens is greater than the context length.", "context_length"),
    ("The input (9 tokens) is longer than the model's context length (8 tokens).", "context_length"),
    ("Prompt exceeds maximum context length", "context_length"),
    ("invalid params, context window exceeds limit (2013)", "context_length"),
    ("Invalid request: Your request exceeded model token limit: 8 (requested: 9)", "context_length"),
    ("prompt too long; exceeded max context length by 5 tokens", "context_length"),
    ("Input length 9 exceeds the maximum allowed input length of 8 tokens.", "context_length"),
    ("Range of input length should be [1, 30720]", "context_length"),
    ("too many tokens: size limit exceeded", "context_length"),
    ("Incorrect API key provided: sk-***", "authentication"),
    ("API key not valid. Please pass a valid API key.", "authentication"),
    ("Your credit balance is too low.", "quota"),
]
ANTHROPIC = [
    *((text, kind) for text, kind in CHAT if kind == "context_length"),
    ("prompt is too long: 210000 tokens > 200000 maximum", "context_length"),
    ("input length and `max_tokens` exceed context limit: 9 + 1 > 8", "context_length"),
    ("Your credit balance is too low to access the Anthropic API.", "quota"),
    ("You have reached your specified API usage limits.", "quota"),
    ("invalid x-api-key", "authentication"),
]
SENTENCES = [*(("openai_chat", *row) for row in CHAT), *(("anthropic", *row) for row in ANTHROPIC)]


@pytest.mark.parametrize(("dialect", "sentence", "kind"), SENTENCES)
@pytest.mark.parametrize("status", VAGUE)
def test_a_vague_status_is_told_apart(dialect: str, status: int, sentence: str, kind: str) -> None:
    assert kind_of(dialect, status, sentence) == kind


@pytest.mark.parametrize(("dialect", "sentence", "kind"), SENTENCES)
@pytest.mark.parametrize("status", [409, 415, 500, 503])
def test_another_status_says_it_itself(dialect: str, status: int, sentence: str, kind: str) -> None:
    assert kind_of(dialect, status, sentence) == kind_of(dialect, status, "It did not work.") != kind


def kind_of(dialect: str, status: int, sentence: str) -> str:
    body = {"type": "error", "error": {"message": sentence}}
    return DIALECTS[dialect].errors.decode(status, {}, json.dumps(body).encode()).kind
