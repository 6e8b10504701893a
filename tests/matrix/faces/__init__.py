"""The faces of the matrix, in the order of its page."""

from __future__ import annotations

from tests.matrix.faces import anthropic, gemini, ollama, openai_chat, openai_completions, openai_responses

FACES = (
    openai_chat.FACE,
    openai_responses.FACE,
    openai_completions.FACE,
    anthropic.FACE,
    gemini.FACE,
    ollama.FACE,
)
