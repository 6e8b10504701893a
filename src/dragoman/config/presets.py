"""Presets: ready-made settings by name. Data.

The settings of the file, the environment and the command line are merged over the presets that they name,
entry by entry. A preset has the form of a configuration file.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final


def _to_gemini(models: Mapping[str, str], default: str) -> dict[str, Any]:
    """Return a preset with OpenAI's model names as aliases for Gemini models.
    models: {OpenAI's name: the Gemini model}. default: the Gemini model for requests that name no model.
    """
    return {
        "providers": {"gemini": {"catalog": "gemini"}},
        "aliases": {name: f"gemini/{model}" for name, model in models.items()},
        "default_model": f"gemini/{default}",
    }


PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # Alibaba's commercial models under their own names, at a provider with the name `qwen`.
        "qwen": {
            "providers": {"qwen": {"catalog": "dashscope"}},
            "models": {name: f"qwen/{name}" for name in ("qwen3-max", "qwen-max", "qwen-plus", "qwen-turbo")},
        },
        "openai-to-gemini": _to_gemini(
            {
                "gpt-3.5-turbo": "gemini-3.5-flash-lite",
                "gpt-4": "gemini-3.1-pro-preview",
                "gpt-4-turbo": "gemini-3.8-flash",
                "gpt-4-turbo-preview": "gemini-3.8-flash",
                "gpt-4o": "gemini-3.8-flash",
                "gpt-4o-mini": "gemini-3.5-flash-lite",
            },
            default="gemini-3.8-flash",
        ),
        # The same with model names of 2025. Google has retired them, but some other servers still accept
        # them.
        "openai-to-gemini-classic": _to_gemini(
            {
                "gpt-3.5-turbo": "gemini-1.5-flash",
                "gpt-4": "gemini-1.5-pro",
                "gpt-4-turbo": "gemini-2.5-pro-exp-03-25",
                "gpt-4-turbo-preview": "gemini-2.5-pro-exp-03-25",
            },
            default="gemini-2.5-pro-exp-03-25",
        ),
    }
)
