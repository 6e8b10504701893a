"""Checks the default parameters and messages that a model or an alias adds to requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from dragoman.config.decode import suggest
from dragoman.config.misfit import Misfit
from dragoman.config.settings import Alias
from dragoman.dialects.openai_chat import DIALECT as CHAT
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError, setting_path

_NO_DEFAULT: Final = frozenset({"messages", "model", "stream", "stream_options"})
_FIELDS: Final = frozenset(
    {
        *("audio", "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens"),
        *("max_tokens", "metadata", "modalities", "n", "parallel_tool_calls", "prediction"),
        *("presence_penalty", "prompt_cache_key", "reasoning_effort", "response_format"),
        *("safety_identifier", "seed", "service_tier", "stop", "store", "temperature", "tool_choice"),
        *("tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options"),
    }
)
"""Request fields of the Chat Completions API. A default of a model or an alias whose name is only similar to
one of them is probably misspelt and gets a warning.
https://platform.openai.com/docs/api-reference/chat/create
"""


def unfit(alias: Alias) -> Iterator[Misfit]:
    """Yield the mistakes in the default parameters and messages of an alias. Each `place` is relative to the
    alias.
    """
    yield from unfit_defaults(alias.defaults)
    if alias.messages:
        wire = WireRequest("chat", {"model": "any", "messages": list(alias.messages)})
        try:
            CHAT.request.check(wire)
        except WireError as error:
            yield Misfit(error.path or "messages", error.message)


def unfit_defaults(defaults: Iterable[str]) -> Iterator[Misfit]:
    """Yield the mistakes in the default parameters of a model or alias. Each `place` is relative to the model
    or alias. defaults: the names of the parameters; the values are not checked.
    """
    for one in unsuitable(defaults):
        yield one._replace(place=f"defaults.{one.place}")


def unsuitable(names: Iterable[str]) -> Iterator[Misfit]:
    """Yield a mistake for each parameter that cannot have a default, and a warning for each that is probably
    misspelt. Each `place` is relative to the setting `defaults`. names: of the parameters.
    """
    for name in names:
        place = setting_path("", name)
        if name in _NO_DEFAULT:
            yield Misfit(place, "cannot have a default")
        elif name not in _FIELDS and (near := suggest(name, _FIELDS)) is not None:
            said = "is not a parameter of the Chat Completions API; it is sent unchanged"
            yield Misfit(place, said, near, odd=True)
