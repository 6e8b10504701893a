"""Checks whether the conditions of a deployment (`when`) can hold, and whether their names are known."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from dragoman.accounts.caller import ANYONE, EVERYBODY, KEYLESS
from dragoman.accounts.grants import WILDCARD, Grants
from dragoman.config.check_headers import HEADER
from dragoman.config.conditions import When
from dragoman.config.decode import suggest
from dragoman.config.misfit import Misfit
from dragoman.config.settings import Config, Deployment, Model
from dragoman.providers.auth import credential_headers

_REFUSING: Final = ("tools", "images", "audio", "documents")
"""The capabilities whose absence makes the gateway not send a model the requests that need them."""


def client_names(config: Config) -> frozenset[str]:
    """Return the names of the clients that are known here: those of the configured client keys (not of keys
    made at run time), and those of clients without a key.
    """
    named = {key.client for key in config.auth.keys}
    keyless = {f"{KEYLESS}{face}" for face in config.server.keyless_faces}
    return frozenset(named | keyless | {ANYONE.name, EVERYBODY.name})


def impossible(model: Model, clients: Collection[str]) -> Iterator[Misfit]:
    """Yield the mistakes in the conditions (`when`) of a model's deployments. Each `place` is relative to the
    model. clients: the known names of clients (`client_names`).
    """
    for index, deployment in enumerate(model.deployments):
        if deployment.when != When():
            for place, message, hint, odd in _of(deployment, model, clients):
                yield Misfit(f"deployments[{index}].when.{place}", message, hint, odd)


def _of(deployment: Deployment, model: Model, clients: Collection[str]) -> Iterator[Misfit]:
    when = deployment.when
    if when.input_over is not None:
        if when.input_up_to is not None and when.input_up_to <= when.input_over:
            yield Misfit("input_up_to", f"no prompt has more than {when.input_over} tokens and so few")
        window = deployment.context_window or model.context_window
        if window is not None and window <= when.input_over:
            yield Misfit("input_over", f"such a prompt does not fit into its context window ({window})")
    able = deployment.supports or model.supports
    for name in _REFUSING:
        general = getattr(model.supports, name)
        stated = general if (own := getattr(able, name)) is None else own
        if getattr(when, name) and stated is False:
            yield Misfit(name, f"contradicts `supports: {{{name}: false}}`")
    yield from _names(when, clients)
    for name in when.headers:
        if not HEADER.match(name):
            yield Misfit("headers", f"`{name}` is not a valid header name")
        elif name.lower() in credential_headers():
            yield Misfit("headers", f"{name} holds the client's key", "use `clients`: names of client keys")


def _names(when: When, clients: Collection[str]) -> Iterator[Misfit]:
    """Yield the mistakes in `clients`, `tags` and `operations`: a name that fits none of `clients` (a
    warning), a tag in `tags` that `without_tags` excludes, and conditions that no request of the listed
    operations can meet.
    """
    for name in when.clients:
        matched = Grants([name])
        if not any(client in matched for client in clients):
            hint = None if WILDCARD in name else suggest(name, clients)
            said = f"no key of `auth.keys` has the name {name}: only a key that is made at run time can match"
            yield Misfit("clients", said, hint, odd=True)
    for tag in when.tags:
        if tag in Grants(when.without_tags):
            yield Misfit("tags", f"`without_tags` excludes {tag}")
    if when.operations and "chat" not in when.operations:
        prompted = ("tools", "images", "audio", "documents", "structured", "reasoning", "stream")
        for name in prompted:
            if getattr(when, name):
                yield Misfit("operations", f"only a chat can have `{name}: true`")
        if when.input_over is not None:
            yield Misfit("operations", "only a chat has a prompt that is counted (`input_over`)")
