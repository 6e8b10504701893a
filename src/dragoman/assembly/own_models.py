"""Keeps the providers and model names that a gateway has beside its configuration: models that a program
registers before the start, and names that clients create while the gateway runs.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping

import msgspec

from dragoman.assembly.names import Names, headers_of
from dragoman.config.settings import Config
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.routing.route import Model, Route
from dragoman.upstreams.upstream import Upstream

log = logging.getLogger("dragoman.assembly.own_models")


class OwnModels:
    """The providers and names that one gateway has beside its configuration.

    upstreams: upstreams made in code, by the provider's name. models: the models that were registered. made:
    {name that was created while the gateway runs: its route}.
    """

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self.upstreams = dict(upstreams)
        self.models: list[Model] = []
        self.made: dict[str, Route] = {}

    def register(
        self,
        name: str,
        provider: str | Upstream,
        rewrite: str | None,
        *,
        facts: Facts = UNKNOWN,
        preferred_api: str | None = None,
    ) -> None:
        """Add a model: see `Core.register`."""
        if not isinstance(provider, str):
            self.upstreams[provider.name] = provider
            provider = provider.name
        self.models.append(Model(name, (f"{provider}/{rewrite or name}",), facts, api=preferred_api))

    def make(self, name: str, route: Route | None, created: float) -> None:
        """Create a name: see `Core.make`. created: Unix seconds."""
        if route is None:
            del self.made[name]
        else:
            self.made[name] = msgspec.structs.replace(route, asked=name, created=int(created))

    def renew(self, before: Config, after: Config, upstreams: Mapping[str, Upstream]) -> None:
        """Change the created names for a new configuration (see `made_under`). upstreams: the new ones."""
        self.made = made_under(self.made, before, after, upstreams)

    def joined(self, names: Names) -> Names:
        """Return the names of a configuration together with the created names."""
        return msgspec.structs.replace(names, table=names.table.also(dict(self.made)))


def made_under(
    made: Mapping[str, Route], before: Config, after: Config, providers: Container[str]
) -> dict[str, Route]:
    """Return the routes of names that were created at run time, changed for a new configuration. Headers that
    a model has in both configurations get their new values. Deployments of providers that are not in
    `providers` are removed. A name without any deployment left is removed, too, and the log says so.

    made: {name: route}. before, after: the old and the new configuration. providers: the names of the new
    upstreams.
    """
    fresh = {
        name: {header: value for header, value in headers_of(other).items() if header in headers_of(model)}
        for name, model in before.models.items()
        if (other := after.models.get(name)) is not None and other.headers
    }
    stay: dict[str, Route] = {}
    for name, route in made.items():
        left = tuple(one for one in route.deployments if one.provider in providers)
        if left:
            stay[name] = msgspec.structs.replace(route, deployments=left).with_headers(fresh)
        else:
            log.warning("the model %s, created while the gateway runs, is gone with its provider", name)
    return stay
