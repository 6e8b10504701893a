"""Which model `dragoman test` asks, where nobody says: what the operator means by it, then what is free."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from dragoman.config.load import Loaded

_FREE: Final = ("local", "simulate")
"""Providers that answer on the gateway's own machine."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_OTHER_WORK: Final = re.compile(
    r"embed|whisper|transcri|rerank|moderation|tts|speech|dall-e|image|imagen|veo|sora|realtime|audio|ocr",
    re.IGNORECASE,
)
"""In the names of models that do not chat."""


class Choice(NamedTuple):
    """A model to ask. why: whose choice it is, in words. free: whether its answers cost nothing."""

    model: str
    why: str
    free: bool = False


def choice(listed: Sequence[Mapping[str, Any]], found: Loaded | None = None) -> Choice | None:
    """The model to ask: `default_model`, then what the configuration names, then what is free, then the first
    that is listed.

    listed: the entries of the model list that the key sees. found: the gateway's configuration, None where it
    is not known.
    """
    owners = {str(row["id"]): row.get("owned_by") for row in listed}
    for name, why in _named(found) if found is not None else ():
        if name in owners or not owners:
            return Choice(name, why, _is_free(name, owners.get(name), found))
    names = [name for name in owners if _may_chat(name)] or list(owners)
    for name in names:
        if _is_free(name, owners[name], found):
            return Choice(name, "which the gateway runs itself", free=True)
    return Choice(names[0], "the first of the list") if names else None


def _named(found: Loaded) -> Iterator[tuple[str, str]]:
    """The names that a configuration states, with where it does."""
    config = found.config
    where = "the configuration" if found.file is None else found.file.name
    if config.default_model is not None:
        yield config.default_model, f"the default_model of {where}"
    others = frozenset(config.default_models.values())
    for name, model in config.models.items():
        uses = [target.use for target in model.targets]
        if name not in others and all(map(_may_chat, (name, *uses))):
            yield name, f"a model of {where}"
    for name, alias in config.aliases.items():
        if name != "*" and name not in others and _may_chat(name) and _may_chat(alias.route):
            yield name, f"an alias of {where}"


def _may_chat(name: str) -> bool:
    from dragoman.upstreams.local.weights import may_chat

    return may_chat(name.removesuffix(":latest")) and _OTHER_WORK.search(name) is None


def _is_free(name: str, owner: object, found: Loaded | None) -> bool:
    """Whether a model answers on its gateway's own machine, as far as that is known."""
    if found is None:
        return owner in _FREE or name.startswith(tuple(f"{one}/" for one in _FREE))
    config = found.config
    for _ in range(len(config.aliases)):
        alias = config.aliases.get(name)
        name = name if alias is None else alias.route
    uses = [target.use for target in config.models[name].targets] if name in config.models else [name]
    providers = [use.partition("/")[0] for use in uses]
    return all(_runs_here(provider, found) for provider in providers)


def _runs_here(provider: str, found: Loaded) -> bool:
    account = found.providers.get(provider)
    if account is None:
        return provider in _FREE
    return urlsplit(account.base_url).hostname in _LOOPBACK and not account.credentials
