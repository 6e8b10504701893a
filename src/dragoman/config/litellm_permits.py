"""Converts the models, operations and limits that a row of LiteLLM's tables permits into our settings. Pure.

Sources: LiteLLM's schema.prisma, its `LiteLLMRoutes`, https://docs.litellm.ai/docs/proxy/virtual_keys,
https://docs.litellm.ai/docs/proxy/users and https://docs.litellm.ai/docs/proxy/model_access_groups.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from dragoman.accounts.grants import GROUP, WILDCARD
from dragoman.config.stated import stated_bounds
from dragoman.wire.json import UNDECODABLE

Note: TypeAlias = Callable[[str], None]
"""Gets a text about something in a row that is not taken over."""
_ALL: Final = frozenset({"all-proxy-models", "all-team-models", WILDCARD})
"""Texts in LiteLLM's list of models that stand for all models. For a key, `all-team-models` stands for all
models of the key's team.
"""
_NONE: Final = "no-default-models"
_DURATION: Final = re.compile(r"(\d+)\s*(s|m|h|d|w|mo)")
_WINDOWS: Final[Mapping[str, str]] = {
    "1s": "s",
    "1m": "min",
    "60s": "min",
    "1h": "h",
    "60m": "h",
    "1d": "day",
    "24h": "day",
    "daily": "day",
    "7d": "week",
    "1w": "week",
    "weekly": "week",
    "30d": "month",
    "31d": "month",
    "1mo": "month",
    "monthly": "month",
}
_ROUTES: Final = (
    ("/utils/token_counter", "count"),
    ("/messages/count_tokens", "count"),
    ("/responses/input_tokens", "count"),
    ("/chat/completions", "chat"),
    ("/completions", "chat"),
    ("/responses", "chat"),
    ("/messages", "chat"),
    ("/embeddings", "embed"),
    ("/images/", "image"),
    ("/audio/speech", "speech"),
    ("/audio/transcriptions", "transcription"),
    ("/audio/translations", "transcription"),
    ("/moderations", "moderation"),
    ("/rerank", "rerank"),
    ("/models", "models"),
    ("/realtime", "realtime"),
    ("/batches", "pass_through"),
    ("/files", "pass_through"),
    ("/fine_tuning", "pass_through"),
    ("/vector_stores", "pass_through"),
    ("/containers", "pass_through"),
)
"""Paths of LiteLLM, without the version before them, and the operations that they are here."""
_OF_GEMINI: Final[Mapping[str, str]] = {
    "generateContent": "chat",
    "streamGenerateContent": "chat",
    "countTokens": "count",
    "embedContent": "embed",
    "batchEmbedContents": "embed",
}
"""The actions at the end of Gemini's paths (`/v1beta/models/NAME:generateContent`)."""
_GROUPS_OF_ROUTES: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic_routes": ("chat", "count"),
    "google_routes": ("chat", "count"),
}
_EVERY_ROUTE: Final = frozenset({"llm_api_routes", "openai_routes", "/*", WILDCARD})
_VERSION: Final = re.compile(r"/v\d\w*(?=/)|/openai/deployments/[^/]*|/engines/[^/]*")
_OF_MODELS: Final = (("model_rpm_limit", "requests"), ("model_tpm_limit", "tokens"))
"""Limits for single models, which LiteLLM keeps in columns or in `metadata`."""
SETTINGS: Final = frozenset({"tags", *(name for name, _ in _OF_MODELS)})
"""Members of LiteLLM's `metadata` that are settings here."""


class Names(NamedTuple):
    """The names in the configuration of this gateway. groups: of groups of models. models: of models and
    aliases.
    """

    groups: Collection[str] = ()
    models: Collection[str] = ()

    def has(self, grant: str) -> bool:
        """Whether a grant, one entry of a key's list of models, is in `models`. True also for a pattern,
        `provider/model` and `group:NAME`, which are not looked up.
        """
        return WILDCARD in grant or "/" in grant or grant.startswith(GROUP) or grant in self.models


def grants_of(stated: Sequence[str], names: Names) -> tuple[str, ...] | None:
    """Return our grants for LiteLLM's list of models; None = all models (the list is empty, or has a word
    such as `all-proxy-models`), () = no model. The name of a group of this gateway becomes `group:NAME`, and
    stays as well if it also names a model.
    """
    if not stated or _ALL.intersection(stated):
        return None
    return tuple(entry for name in stated if name != _NONE for entry in _granted(name, names))


def _granted(name: str, names: Names) -> Iterator[str]:
    if name in names.groups:
        yield GROUP + name
    if name not in names.groups or name in names.models:
        yield name


def operations_of(routes: Sequence[str]) -> tuple[tuple[str, ...] | None, list[str]]:
    """Return (the operations that a key may ask for; the routes that have no operation here). None = all
    operations: the list is empty, or has a word for all routes, such as `llm_api_routes`. () = no route has
    an operation here. routes: paths, or LiteLLM's names of groups of paths.
    """
    if not routes or _EVERY_ROUTE.intersection(routes):
        return None, []
    found: set[str] = set()
    left: list[str] = []
    for route in routes:
        operations = _GROUPS_OF_ROUTES.get(route) or _operation_of(_VERSION.sub("", route))
        found.update(operations)
        left += [] if operations else [route]
    return tuple(sorted(found)), left


def _operation_of(path: str) -> tuple[str, ...]:
    """Return the operation of a LiteLLM path as a tuple of one; () = Dragoman has no such operation. path:
    the path without its version (`/v1`).
    """
    _, sign, action = path.rpartition(":")
    if sign and path.startswith("/models/"):
        return (_OF_GEMINI[action],) if action in _OF_GEMINI else ()
    return tuple(
        operation for start, operation in _ROUTES if path.startswith(start) or path == start.rstrip("/")
    )[:1]


def limits_of(row: Mapping[str, Any], metadata: Mapping[str, Any], note: Note) -> list[dict[str, Any]]:
    """Return the limits of a row as a list of sections such as {"requests": ["60/min"], "models": ["gpt-5"]}:
    first one for all models, if there are such limits, then those for single models. What is spent of a
    budget for all time is subtracted from it; a budget for a time that Dragoman lacks becomes one for a
    month. metadata: that of the row, which may have limits for single models, too. note: gets what is changed
    or cannot be converted.
    """
    found: dict[str, Any] = {}
    for column in ("rpm_limit", "tpm_limit", "max_parallel_requests", "max_budget"):
        if row.get(column) not in (None, "") and number(row[column]) is None:
            note(f"{column} cannot be read, so there is no such limit")
    for column, resource in (("rpm_limit", "requests"), ("tpm_limit", "tokens")):
        if (most := number(row.get(column))) is not None:
            found[resource] = [f"{max(0, int(most))}/min"]
    if (most := number(row.get("max_parallel_requests"))) is not None:
        found["concurrency"] = max(0, int(most))
    if (budget := number(row.get("max_budget"))) is not None:
        spent = number(row.get("spend")) or 0.0
        found["money"] = [_budget(max(0.0, budget), row.get("budget_duration"), spent, note)]
    sections = [found] if found else []
    for name, resource in _OF_MODELS:
        for model, most in _by_model(_present(row.get(name)) or metadata.get(name), name, note):
            if (count := number(most)) is not None:
                sections.append({resource: [f"{max(0, int(count))}/min"], "models": [model]})
            elif most is not None:
                note(f"{name} of {model} cannot be read, so there is no such limit")
    for model, stated in _by_model(row.get("model_max_budget"), "model_max_budget", note):
        sections += _of_model(model, stated, note)
    return [kept for section in sections if (kept := _kept(section, note))]


def _present(stated: Any) -> Any:
    """Return a value of LiteLLM's; None = it is None, an empty text or an empty JSON object."""
    return None if stated in ("", {}, "{}") else stated


def _by_model(stated: Any, name: str, note: Note) -> Iterable[tuple[str, Any]]:
    """Return (model, limit) for each model in a value of LiteLLM's, {model: limit} as an object or as JSON;
    () = there is none, or the value cannot be read, which is noted. name: the value's name, for the note.
    """
    value = json_of(stated)
    if isinstance(value, Mapping):
        return [(str(model), limit) for model, limit in value.items()]
    if value or (value is None and stated):
        note(f"{name} cannot be read, so there is no such limit")
    return ()


def _of_model(model: str, stated: Any, note: Note) -> list[dict[str, Any]]:
    """Return the limit for one model as a list of one section; [] = the budget cannot be read, which is
    noted. stated: LiteLLM's budget, a number, or an object whose members had other names in older versions.
    """
    named = stated if isinstance(stated, Mapping) else {"budget_limit": stated}
    most = number(named.get("budget_limit", named.get("max_budget")))
    if most is None:
        note(f"the budget for {model} cannot be read")
        return []
    duration = named.get("time_period", named.get("budget_duration"))
    return [{"money": [_budget(max(0.0, most), duration, 0.0, note)], "models": [model]}]


def _kept(section: dict[str, Any], note: Note) -> dict[str, Any]:
    """Return a section without the limits that our settings cannot express; `note` gets each of them. One
    such limit would make the whole entry invalid. {} = no limit is left.
    """
    found = dict(section)
    models = {"models": found.pop("models")} if "models" in found else {}
    for resource in list(found):
        if stated_bounds({resource: found[resource]})[1]:
            note(f"a limit of {resource} cannot be kept: {found.pop(resource)}")
    return {**found, **models} if found else {}


def _budget(budget: float, stated: Any, spent: float, note: Note) -> str:
    duration = str(stated or "").strip().lower()
    if not duration:
        if spent:
            note(f"of its {budget:g} USD, {spent:g} are spent; the rest is its budget")
        return f"{max(0.0, budget - spent):.9f} USD"
    window = _WINDOWS.get(duration)
    if window is None:
        window = "month"
        if days := _days(duration):
            budget = budget * 30.4375 / days
        note(f"a budget for {duration} became {budget:.2f} USD a month")
    return f"{budget:.9f} USD/{window}"


def _days(duration: str) -> float:
    found = _DURATION.fullmatch(duration)
    if found is None:
        return 0.0
    seconds = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "mo": 2629800.0}
    return int(found[1]) * seconds[found[2]] / 86400


def json_of(stated: Any) -> Any:
    """Return a JSON value. A text is decoded as JSON, because dumps have texts; any other value is returned
    as it is. None = the text is not JSON, or the value is null.
    """
    if not isinstance(stated, str):
        return stated
    try:
        return msgspec.json.decode(stated)
    except UNDECODABLE:
        return None


def texts_of(stated: Any) -> list[str]:
    """Return a list of texts that is stated as a list (by PostgreSQL's client), as JSON, in PostgreSQL's own
    form (`{a,"b c"}`), or with commas; [] = any other value.
    """
    if isinstance(stated, str) and stated.startswith("{"):
        found = re.findall(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)', stated)
        return [re.sub(r"\\(.)", r"\1", quoted) or plain for quoted, plain in found]
    value = json_of(stated)
    if value is None and isinstance(stated, str):
        value = [text for one in stated.split(",") if (text := one.strip())]  # an empty list would permit all
    return [str(one) for one in value] if isinstance(value, list | tuple) else []


def number(stated: Any) -> float | None:
    """Return a finite number, which a dump may have as text; None = the value is not such a number."""
    try:
        found = None if stated in (None, "") or isinstance(stated, bool) else float(stated)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if found is not None and math.isfinite(found) else None
