"""Names of settings in other programs, each with a hint about the setting that Dragoman has instead. Data.

The names come from LiteLLM's configuration (https://docs.litellm.ai/docs/proxy/config_settings) and from the
vendors' clients. A section without a setting of such a name refuses the name, and the error message has the
hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_KEYS: Final = "providers.NAME.keys are a provider's, auth.keys the clients'"
_ADDRESS: Final = "here: providers.NAME.base_url"

HINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "api_key": _KEYS,
        "api_keys": _KEYS,
        "master_key": "here: auth.keys",
        "api_base": _ADDRESS,
        "endpoint": _ADDRESS,
        "url": _ADDRESS,
        "model_list": "here: models, aliases and providers; dragoman check FILE --convert writes them",
        "model_name": "here: the name of an entry of models or aliases",
        "litellm_params": "here: models.NAME.use and providers.NAME",
        "litellm_settings": "docs/litellm.md says what becomes of each",
        "general_settings": "here: auth, server and stores",
        "router_settings": "here: models.NAME.deployments and retries",
        "environment_variables": "here: ${VARIABLE} wherever a value stands",
        "model_group_alias": "here: aliases",
        "fallback": "here: models.NAME.fallbacks",
        "default_fallbacks": "here: models.NAME.fallbacks",
        "context_window_fallbacks": "here: models.NAME.fallbacks.context",
        "content_policy_fallbacks": "here: models.NAME.fallbacks.content",
        "num_retries": "here: retries.attempts",
        "timeout": "here: timeouts.first_byte, timeouts.idle and timeouts.total",
        "request_timeout": "here: providers.NAME.timeouts",
        "stream_timeout": "here: providers.NAME.timeouts.first_byte",
        "drop_params": "the default here; strict: true refuses instead",
    }
)
"""By the name in another program: the hint. It is used only in a section that has no setting with this
name.
"""
