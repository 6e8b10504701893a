"""Tells whether one of LiteLLM's entries for all models of a provider is the only one of its name, and which
of its settings are left out. Pure.

Such an entry (`model_name: "*"` or `"openai/*"`) becomes an alias, or nothing, so nothing could have its
settings. https://docs.litellm.ai/docs/wildcard_routing
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dragoman.config import litellm_words as words
from dragoman.config.foreign_prices import is_cost
from dragoman.config.litellm_bounds import LIMITS
from dragoman.config.litellm_clouds import PARAMS
from dragoman.errors import setting_path

_LEFT: Final = "left out: there is no entry here for all models of a provider, which could have it"
_TOGETHER: Final = "max_parallel_requests"
_OF_MODEL: Final = words.DEFAULTS | LIMITS.keys() | {_TOGETHER, "extra_body", "tags"}


def is_alone(name: str, entries: Sequence[Any]) -> bool:
    """Whether exactly one of LiteLLM's entries has this `model_name`. Several entries with one name share the
    requests.
    """
    return [one.get("model_name") for one in entries if isinstance(one, Mapping)].count(name) == 1


def unsettled(params: Mapping[str, Any], info: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Yield (path within the entry, text of a note, True = a person need not look at it) for each parameter
    that has not become a setting of the entry's provider (except `order` and `weight`), and for each member
    of `model_info`. Values that are null are passed over.
    """
    for key, value in params.items():
        if value is None or (key in words.OF_ACCOUNT | PARAMS and key != _TOGETHER):
            continue
        of_model = key in _OF_MODEL or is_cost(key)
        said = _LEFT if of_model else words.PARAMS.get(key) or words.of_setting(key)
        yield setting_path("litellm_params", key), said, False
    for key, value in info.items():
        if value is not None:
            yield setting_path("model_info", key), words.INFO.get(key, _LEFT), key in words.DONE
