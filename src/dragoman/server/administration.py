"""Hints for clients that use the administration paths of other gateways. If this gateway does not have the
path of a request, but `instead` knows the path, the 404 answer contains a hint: what to use here instead, or
that there is nothing of the kind. `manages_keys` recognises LiteLLM's own paths below `/key/`; any other path
below `/key/` contains a client's key.

Sources: https://docs.litellm.ai/docs/proxy/virtual_keys and LiteLLM's own OpenAPI page, the admin APIs of
Portkey and Helicone, Bifrost's `/api/…`, Open WebUI's proxied paths.
"""

from __future__ import annotations

import re
from typing import Final

LITELLM: Final = "docs/litellm.md"
_FILE: Final = "The configuration file is changed instead"
_USAGE: Final = "docs/usage.md"
_LIMITS: Final = "docs/limits.md"

_KEY: Final = re.compile(r"(?:/v\d)?/key/(.+?)/*", re.DOTALL)
KEY_WORDS: Final = frozenset(
    {
        *("info", "generate", "list", "update", "delete", "regenerate", "block", "unblock", "health"),
        *("aliases", "bulk_update", "access_group_assignment", "service-account/generate"),
    }
)
"""The texts that follow `/key/` in LiteLLM's own paths without a key. In any other path, the text between
`/key/` and the next slash is read as the key of a client of this gateway.
"""


def manages_keys(path: str) -> bool:
    """Whether the path is `/key/` and one of the texts in `KEY_WORDS`, such as `/key/generate`. A version
    before it (`/v1/key/list`) and slashes after it are allowed. False for every other path, for example
    `/key/KEY/…`, in which a client of this gateway sends its key.
    """
    found = _KEY.fullmatch(path)
    return found is not None and found[1] in KEY_WORDS


_KEYS: Final = (
    f"Clients' keys are made by `dragoman keys` or POST /admin/keys: see docs/keys.md and {LITELLM}."
)
_PEOPLE: Final = (
    "What users, teams and tenants (organisations) may use is at /admin/users, /admin/teams and "
    f"/admin/tenants, with their limits (budgets): see docs/keys.md and {LITELLM}."
)
_LIMITED: Final = (
    "Limits and budgets, also for each end user and each tag, are set by `limits` in the configuration, "
    f"`dragoman limits` or PUT /admin/limits/NAME: see {_LIMITS} and {LITELLM}."
)
_SPENT: Final = (
    "Usage and costs are told by `dragoman usage`, GET /admin/usage and, for each request, "
    f"GET /admin/usage/records: see {_USAGE} and {LITELLM}."
)
_MODELS: Final = (
    "Models are added by `dragoman models add`, PUT /admin/models/NAME or in the configuration file "
    f"(`models`, `aliases`, `providers`); GET /v1/models lists what there is: see {LITELLM}."
)
_SET: Final = f"{_FILE}; `dragoman config show` shows what is in force: see docs/settings.md and {LITELLM}."
_PAGES: Final = f"There are no pages to administer it; {_FILE[0].lower()}{_FILE[1:]}: see {LITELLM}."
_ABSENT: Final = f"There is nothing of the kind here; {LITELLM} says what is there instead."
_SEEN: Final = (
    f"The access log has a line for each request, GET /admin/requests shows what runs: see {LITELLM}."
)
_COUNTS: Final = (
    "Counts for Prometheus are at GET /metrics, unless metrics.enabled is false: see docs/operations.md."
)
_HEALTH: Final = f"GET /health tells of all providers: see {LITELLM}."
_OLLAMA: Final = "Ollama's paths are at /api, OpenAI's at /v1: see docs/clients/README.md."


def _paths(sentence: str, *words: str) -> list[tuple[re.Pattern[str], str]]:
    """Return one row of `_TABLE`, as a list of one pair: a pattern of paths, and the hint `sentence` for
    them. words: regular expressions. A path matches if it is `/` and one of them, perhaps with a version
    (`/v1`) before it, and perhaps with a slash and more text after it.
    """
    return [(re.compile(rf"(?:/v\d)?/(?:{'|'.join(words)})(?:/.*)?", re.DOTALL), sentence)]


_TABLE: Final = (
    *_paths(_KEYS, "key", "api-keys", "virtual-keys", "credentials", r"sso/key", r"api/keys"),
    *_paths(
        _PEOPLE,
        *("user", "team", "organization", "project", "sso", "invitation", "scim", "access_group"),
        *(r"api/governance", r"admin/(?:users|workspaces)"),
    ),
    *_paths(_LIMITED, "budget", "customer", "end_user", "tag", r"provider/budgets"),
    *_paths(_SPENT, "spend", "global", "cost", "analytics", r"api/usage"),
    *_paths(_MODELS, "model", "model_group", "model_hub", r"public/model_hub", r"api/providers"),
    *_paths(
        _SET,
        *("config", "configs", r"get/config", r"update/config", "callbacks", "settings", "router"),
        "fallback",
        *("update", "add", "delete", "integrations", r"api/config", r"api/plugins", r"reload"),
    ),
    *_paths(_PAGES, "ui", "login", "logout", "dashboard", "get_image", "onboarding"),
    *_paths(
        _ABSENT,
        *("guardrails", "cache", "prompts", "mcp", "mcp-rest", "agents", "policies", "policy", "utils"),
        *("email", "vector_store", "search_tools", "collections", "feedback", r"api/mcp"),
        *("pass-through-endpoint", "jwt"),
    ),
    *_paths(_COUNTS, "metrics", r"prometheus"),
    *_paths(_SEEN, "audit", "logs", r"request", "active", r"api/logs", "debug", "queue"),
    *_paths(_HEALTH, r"health/\w+", "test", "test_connection"),
    *_paths(_OLLAMA, "ollama"),
)


def instead(path: str) -> str | None:
    """Return the hint for a path, a sentence for the person who reads the 404 answer. None = the path is not
    known as an administration path of another gateway.
    """
    for pattern, sentence in _TABLE:
        if pattern.fullmatch(path):
            return sentence
    return None
