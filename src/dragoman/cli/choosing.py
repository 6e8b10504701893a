"""Chooses the model for `dragoman test` if the user names none: a configured one, a free one, or any."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from dragoman.config.load import Loaded

_FREE: Final = ("local", "simulate")
"""The built-in providers, whose models run on the gateway's own machine and cost nothing."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_OTHER_WORK: Final = re.compile(
    r"embed|whisper|transcri|rerank|moderation|tts|speech|dall-e|image|imagen|veo|sora|realtime|audio|ocr",
    re.IGNORECASE,
)
"""A model whose name contains one of these words is assumed not to chat."""


class Choice(NamedTuple):
    """The model to ask. why: the reason for the choice, in words. free: True = it seems to run on the
    gateway's machine, so that its answers should cost nothing; False = they may cost something.
    """

    model: str
    why: str
    free: bool = False


def choice(listed: Sequence[Mapping[str, Any]], found: Loaded | None = None) -> Choice | None:
    """Choose a model by the first of these rules that finds one; None = none does.

      1. the configuration's `default_model`
      2. the first model of the configuration whose name and deployments do not look like another operation
         than chat; else the first such alias, by its own name and the name that it leads to. Patterns and
         names in `default_models` do not count
      3. the first free model of the list
      4. the first model of the list

    Rules 1 and 2 need a name that the list has, unless the list is empty. Rules 3 and 4 consider only the
    models whose names do not look like another operation, if there are any. listed: the entries of the
    server's model list; each has an `id`. found: the gateway's configuration, None = unknown; then only rules
    3 and 4 apply.
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
    """Yield (name, where it is configured, in words) of the `default_model`, then of the models and aliases
    that may chat according to their names, except those in `default_models` and patterns.
    """
    config = found.config
    where = "the configuration" if found.file is None else found.file.name
    if config.default_model is not None:
        yield config.default_model, f"the default_model of {where}"
    others = frozenset(config.default_models.values())
    for name, model in config.models.items():
        uses = [target.use for target in model.targets]
        if name not in others and "*" not in name and all(map(_may_chat, (name, *uses))):
            yield name, f"a model of {where}"
    for name, alias in config.aliases.items():
        if name != "*" and name not in others and _may_chat(name) and _may_chat(alias.route):
            yield name, f"an alias of {where}"


def _may_chat(name: str) -> bool:
    from dragoman.upstreams.local.weights import may_chat

    return may_chat(name.removesuffix(":latest")) and _OTHER_WORK.search(name) is None


def _is_free(name: str, owner: object, found: Loaded | None) -> bool:
    """Whether a model probably runs on the gateway's machine: all its deployments are of `local` or
    `simulate`, or of providers without keys whose address is this machine. If the configuration is unknown
    (`found` is None): whether `owner` (`owned_by` in the list) or the name's prefix is `local` or `simulate`.
    """
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
