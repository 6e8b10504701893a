"""Removes the members of a client's body that are for the gateway, not for the provider. Most of them are
LiteLLM's.

Clients of LiteLLM's proxy put settings of the proxy into the request (`fallbacks`, `num_retries`, `cache`, …)
and tag their requests with `metadata: {"tags": […]}`. These members are removed before the body is checked.
Tags and metadata stay in the gateway. If the body names further models (`named_models`), the gateway itself
asks them when the first model fails. These uses are reported as changes; the other members are reported as
losses, unless they are null.

Sources: https://docs.litellm.ai/docs/proxy/user_keys and `all_litellm_params` in `litellm/types/utils.py`.
Names that a provider's server may define itself (`id`, `ttl`, `order`, `roles`, `weight`, …) are not in the
list. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import msgspec

from dragoman.dialects.loss import Change, Loss
from dragoman.dialects.named_models import MEMBERS as MODELS
from dragoman.dialects.named_models import Named, are_names, named
from dragoman.dialects.severity import Severity
from dragoman.wire.json import encode

MOST_TAGS: Final = 16
"""The most tags of one request. Clients choose the tags, and every log line of the request repeats them."""
LONGEST_TAG: Final = 100
"""The most characters of one tag."""
HEADERS: Final = ("x-dragoman-tags", "x-litellm-tags")
"""The request headers in which clients send tags, separated by commas."""

_Why: TypeAlias = tuple[Severity, str]

_FALLBACKS: Final[_Why] = (
    "hint",
    "except for a list of names, fallbacks are set by the configuration (models.NAME.fallbacks)",
)
_RETRIES: Final[_Why] = ("hint", "retries are set by the configuration, not by the request (retries)")
_TIMEOUT: Final[_Why] = (
    "hint",
    "timeouts are set by the configuration, not by the request (providers.NAME.timeouts)",
)
_CACHE: Final[_Why] = ("hint", "the gateway does not cache answers: each request goes to the provider")
_MOCK: Final[_Why] = (
    "meaning",
    "the gateway does not mock answers: the model is asked; see the provider `simulate`",
)
_FAULTS: Final[_Why] = ("meaning", "the gateway does not mock failures: the model is asked")
_GUARDS: Final[_Why] = ("meaning", "the gateway has no guardrails: nothing is checked")
_PROMPTS: Final[_Why] = ("meaning", "the gateway does not store prompts")
_ACCOUNT: Final[_Why] = (
    "meaning",
    "the provider's address, key and headers are set by the configuration, not by the request (providers)",
)
_ROUTING: Final[_Why] = ("hint", "routing is set by the configuration, not by the request")
_PARAMS: Final[_Why] = (
    "hint",
    "fields that a provider does not accept are left out and reported, or refused in strict mode",
)
_CHECKING: Final[_Why] = ("quality", "ask for it with the header x-dragoman-check-output")
_MESSAGES: Final[_Why] = ("quality", "the gateway always adapts messages to the provider")
_LIMITS: Final[_Why] = (
    "hint",
    "limits and budgets are set by the configuration or with the key, not by the request (limits)",
)
_PRICES: Final[_Why] = ("hint", "prices are set by the configuration, not by the request (prices)")
_LOGGING: Final[_Why] = (
    "hint",
    "the gateway calls no callbacks and no logging services; bodies are never logged",
)
_IDS: Final[_Why] = ("hint", "the gateway does not read it; the header X-Request-Id is written to the log")
_SERVERS: Final[_Why] = ("hint", "it is state of LiteLLM's server, which the gateway does not have")


def _all(why: _Why, words: str) -> dict[str, _Why]:
    return dict.fromkeys(words.split(), why)


LITELLM: Final[Mapping[str, _Why]] = MappingProxyType(
    {
        **_all(
            _FALLBACKS,
            "fallbacks default_fallbacks context_window_fallbacks context_window_fallback_dict "
            "content_policy_fallbacks disable_fallbacks max_fallbacks fallback_depth",
        ),
        **_all(_RETRIES, "num_retries max_retries retry_policy retry_strategy cooldown_time"),
        **_all(_TIMEOUT, "timeout stream_timeout request_timeout force_timeout"),
        **_all(_CACHE, "cache caching caching_groups cache_key preset_cache_key"),
        **_all(_MOCK, "mock_response mock_tool_calls mock_delay"),
        **_all(
            _FAULTS,
            "mock_timeout mock_testing_fallbacks mock_testing_context_fallbacks "
            "mock_testing_content_policy_fallbacks mock_testing_rate_limit_error",
        ),
        **_all(_GUARDS, "guardrails guardrail_config disable_global_guardrails disable_global_guardrail"),
        **_all(
            _PROMPTS, "prompt_id prompt_variables prompt_version prompt_label litellm_system_prompt policies"
        ),
        **_all(
            _ACCOUNT,
            "api_key api_base base_url api_version custom_llm_provider user_config model_list headers "
            "extra_headers provider_specific_header litellm_credential_name tenant_id client_id "
            "client_secret azure_ad_token azure_username azure_password azure_scope region_name "
            "allowed_model_region configurable_clientside_auth_params organization",
        ),
        **_all(
            _ROUTING,
            "routing_strategy fastest_response enable_tag_filtering model_info base_model hf_model_name "
            "use_in_pass_through use_litellm_proxy use_chat_completions_api specific_deployment",
        ),
        **_all(_PARAMS, "drop_params additional_drop_params allowed_openai_params"),
        **_all(_CHECKING, "enable_json_schema_validation"),
        **_all(
            _MESSAGES,
            "supports_system_message ensure_alternating_roles user_continue_message "
            "assistant_continue_message merge_reasoning_content_in_choices",
        ),
        **_all(_LIMITS, "rpm tpm itpm otpm max_parallel_requests max_budget budget_duration"),
        **_all(
            _PRICES,
            "input_cost_per_token output_cost_per_token input_cost_per_second output_cost_per_second",
        ),
        **_all(
            _LOGGING,
            "no-log callbacks success_callback failure_callback litellm_disabled_callbacks "
            "turn_off_message_logging logger_fn langfuse_public_key langfuse_secret langfuse_secret_key "
            "langfuse_host langfuse_prompt_version gcs_bucket_name gcs_path_service_account "
            "langsmith_api_key langsmith_project langsmith_base_url langsmith_sampling_rate "
            "langsmith_tenant_id humanloop_api_key arize_api_key arize_space_key arize_space_id "
            "posthog_api_key posthog_api_url wandb_api_key weave_project_id",
        ),
        **_all(_IDS, "litellm_call_id litellm_trace_id litellm_session_id"),
        **_all(
            _SERVERS,
            "litellm_logging_obj litellm_params litellm_request_debug proxy_server_request secret_fields "
            "user_api_key user_api_key_dict user_api_key_alias user_api_key_user_id user_api_key_team_id "
            "user_api_key_metadata",
        ),
    }
)
"""Member that LiteLLM's proxy reads from a body -> (severity, reason) of its loss."""

_METADATA: Final = ("metadata", "litellm_metadata")
_TAGS: Final = "tags"
_TAKEN: Final = frozenset({*LITELLM, *_METADATA, *MODELS, _TAGS})


def _names_models(value: Any) -> bool:
    """Whether a value of `fallbacks` has Anthropic's form: a list of objects, each with a `model`. An empty
    list has this form, too.
    """
    return isinstance(value, list) and all(isinstance(one, dict) and "model" in one for one in value)


def _are_moderations(value: Any) -> bool:
    """Whether a value of `guardrails` has Mistral's form: a list in which at least one object has several
    members.
    """
    return isinstance(value, list) and any(isinstance(one, dict) and len(one) > 1 for one in value)


_OTHERS: Final[Mapping[tuple[str, str], Callable[[Any], bool]]] = MappingProxyType(
    {
        ("anthropic", "fallbacks"): _names_models,
        ("openai_chat", "guardrails"): _are_moderations,
    }
)
"""(client's protocol, member in `LITELLM`) -> function that says whether a value of this member has the
protocol's own meaning, so that the member is not the gateway's."""

_OBEYED: Final = "the gateway itself turns to these models"
_KEPT: Final = "kept by the gateway, for its hooks and the tags of its log: no provider takes it"


class Taken(msgspec.Struct, frozen=True):
    """The values that were removed from a body. tags: for the log, at most `MOST_TAGS`. metadata: for hooks;
    the members that were removed from the metadata objects. losses, changes: to report to the client. models:
    further models that the request names, in the order in which the gateway asks them if the first model
    fails.
    """

    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}
    losses: tuple[Loss, ...] = ()
    changes: tuple[Change, ...] = ()
    models: tuple[Named, ...] = ()


def concerns_gateway(body: Mapping[str, Any]) -> bool:
    """Whether a body has a member with a name that `take` may remove. If not, `take` would change nothing."""
    return not _TAKEN.isdisjoint(body)


def take(body: dict[str, Any], head: dict[str, msgspec.Raw], dialect: str, maps: Collection[str]) -> Taken:
    """Remove the members that are for the gateway from one body, in place, and return their values.

    body: the decoded body. head: the same body with raw values, for the relay; it is changed in the same way.
    dialect: the client's protocol. maps: the members that this protocol defines; they stay in the body,
    except for members of a metadata object (`_own_part`). Other members stay if their value cannot be meant
    for the gateway, such as `tags` without a text. Raises WireError if the body names further models in a
    wrong form.
    """
    metadata: dict[str, Any] = {}
    tags: list[str] = []
    losses: list[Loss] = []
    changes: list[Change] = []
    models: list[Named] = []
    for key in [key for key in body if key in _TAKEN]:
        value = body[key]
        if key in _METADATA:
            kept = _own_part(key, value, body, maps, dialect)
            if kept:
                metadata.update(kept)
                _leave_only(body, head, key, {name: one for name, one in value.items() if name not in kept})
                tags.extend(_tags(kept.get(_TAGS)))
                changes.extend(_changes(key, value, kept))
                losses.extend(_lost(f"$.{key}.{name}", why) for name, why in _within(kept))
        elif key in maps or _is_others(dialect, key, value):
            continue
        elif key in MODELS and (key not in LITELLM or are_names(value)):
            further = named(key, value)
            models.extend(further)
            _leave_only(body, head, key, {})
            if further:
                changes.append(Change(f"$.{key}", "", _OBEYED))
        elif key == _TAGS:
            if found := _tags(value):
                tags.extend(found)
                _leave_only(body, head, key, {})
                changes.append(Change(f"$.{key}", "", _KEPT))
        else:
            _leave_only(body, head, key, {})
            if value is not None:
                losses.append(_lost(f"$.{key}", LITELLM[key]))
    noted, surplus = bounded(tags)
    return Taken(noted, metadata, (*losses, *surplus), tuple(changes), tuple(models))


def stated(value: str) -> list[str]:
    """Return the tags in one of the request headers `HEADERS`. value: the header's value, with commas between
    the tags. Empty tags are left out.
    """
    return [tag for one in value.split(",") if (tag := one.strip())]


def bounded(tags: Collection[str]) -> tuple[tuple[str, ...], tuple[Loss, ...]]:
    """Return (the tags for the log, each once; a loss if tags were left out, otherwise ()). Tags with more
    than `LONGEST_TAG` characters are left out, and of the others all after the first `MOST_TAGS`.
    """
    fit = [tag for tag in dict.fromkeys(tags) if len(tag) <= LONGEST_TAG]
    if len(fit) > MOST_TAGS or len(fit) < len(set(tags)):
        why = f"only {MOST_TAGS} tags of at most {LONGEST_TAG} characters are noted"
        return tuple(fit[:MOST_TAGS]), (_lost("$.metadata.tags", ("hint", why)),)
    return tuple(fit), ()


def _own_part(
    key: str, value: Any, body: Mapping[str, Any], maps: Collection[str], dialect: str
) -> dict[str, Any]:
    """Return the members of a metadata object that are removed from the body and stay in the gateway. key:
    the object's name in the body. value: the object; {} is returned for any other value. maps: the members
    that the client's protocol (`dialect`) defines.

    If the protocol does not define `key`, all members are returned. If all values except that of `user_id`
    are strings or null, the object is the protocol's own: {} is returned. Otherwise the object is meant for
    the gateway. Then all members are returned for OpenAI's chat without `store`, all except `user_id` for
    Anthropic's protocol, and in any other case those that are neither strings nor null.
    """
    if not isinstance(value, dict):
        return {}
    if key not in maps:
        return dict(value)
    foreign = {name: one for name, one in value.items() if not isinstance(one, str) and one is not None}
    if not foreign or foreign.keys() == {"user_id"}:
        return {}
    if dialect == "anthropic":
        return {name: one for name, one in value.items() if name != "user_id"}
    if dialect == "openai_chat" and not body.get("store"):
        return dict(value)
    return foreign


def _leave_only(body: dict[str, Any], head: dict[str, msgspec.Raw], key: str, rest: dict[str, Any]) -> None:
    if rest:
        body[key] = rest
        head[key] = msgspec.Raw(encode(rest))
    else:
        del body[key]
        head.pop(key, None)


def _changes(key: str, value: Mapping[str, Any], kept: Mapping[str, Any]) -> Iterator[Change]:
    if len(kept) == len(value):
        yield Change(f"$.{key}", "", _KEPT)
        return
    for name in list(kept)[:MOST_TAGS]:
        yield Change(f"$.{key}.{name}", "", _KEPT)


def _within(metadata: Mapping[str, Any]) -> Iterator[tuple[str, _Why]]:
    for name in ("guardrails", "disable_global_guardrails"):
        if metadata.get(name):
            yield name, _GUARDS


def _tags(value: Any) -> list[str]:
    return (
        [tag for one in value if isinstance(one, str) and (tag := one.strip())] if type(value) is list else []
    )


def _is_others(dialect: str, key: str, value: Any) -> bool:
    recognise = _OTHERS.get((dialect, key))
    return recognise is not None and recognise(value)


def _lost(path: str, why: _Why) -> Loss:
    severity, reason = why
    return Loss(path, reason, severity, "gateway")
