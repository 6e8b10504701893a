"""Settings for limits: how much a key, a tenant, a model, … may use in which time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final

from dragoman.accounts.limits import Limit, Subject, UnknownPrice
from dragoman.config.quotas import Budget, Quota
from dragoman.config.scalars import Share
from dragoman.config.section import Section, about
from dragoman.state.counters import Resource

RESOURCES: Final[tuple[Resource, ...]] = ("requests", "tokens", "input_tokens", "output_tokens", "money")
"""The resources that are counted in windows of time."""


class Bounds(Section, frozen=True):
    """How much may be used in which time.

    A window of time begins at a full second, minute or hour, at midnight (UTC), on Monday, or on the
    first day of a month. A budget for all time has no such beginning.
    """

    requests: Annotated[tuple[Quota, ...], about(default="any number")] = ()
    """How many requests: `60/min`, `5/s`, `100/5min`, `1000/day`, or a list of several."""
    tokens: Annotated[tuple[Quota, ...], about(default="any number")] = ()
    """How many tokens of input and output together: `200k/min`, `2M/day`."""
    input_tokens: Annotated[tuple[Quota, ...], about(default="any number")] = ()
    """How many tokens of input, cached ones included."""
    output_tokens: Annotated[tuple[Quota, ...], about(default="any number")] = ()
    """How many tokens of output, reasoning included."""
    money: Annotated[tuple[Budget, ...], about(default="any amount")] = ()
    """How much the requests may cost: `50 USD/month`, `5 USD/day`; `100 USD` for all time."""
    concurrency: Annotated[int | None, about(unit="requests", default="any number", ge=0)] = None
    """How many requests run at once. Further ones get 429; models and providers have a `concurrency` of their
    own, which lets requests wait."""
    models: Annotated[tuple[str, ...], about(default="all")] = ()
    """The limit counts only requests for these models: names that clients send, or names of the models for
    which these stand; `*` matches any text."""
    soft: bool = False
    """Whether a request that exceeds the limit is answered nevertheless, with a warning."""
    warn_at: Annotated[Share | None, about(default="no warning")] = None
    """The share of the limit from which on answers carry a warning (`X-Dragoman-Warning`), and the log and
    the alerts have one for each window: `80%`."""
    unknown_price: UnknownPrice = "allow"
    """What a limit on `money` does with a request that may be answered by a model without a known price:
    `allow` counts it as 0, `refuse` refuses it."""

    def limits(self, name: str, subject: Subject, only: Iterable[str] | None = None) -> tuple[Limit, ...]:
        """Return the limits that this section states: one for each quota or budget, and one for `concurrency`
        if it is set. () = the section states none.

        name: the name of the limits, under which operators see them and their counters are stored. subject:
        what the limits count separately (each key, each model, …). only: the names of the subjects that the
        limits are for, or patterns with `*`; None = all.
        """
        names = None if only is None else frozenset(only)
        stated = [
            (resource, quota.most, quota.window, quota.every)
            for resource in RESOURCES
            for quota in getattr(self, resource)
        ]
        if self.concurrency is not None:
            stated.append(("concurrency", self.concurrency, None, 1))
        return tuple(
            Limit(
                name,
                resource,
                most,
                window,
                subject,
                every=every,
                only=names,
                models=frozenset(self.models) or None,
                hard=not self.soft,
                warn_at=None if self.warn_at is None else float(self.warn_at),
                unknown_price=self.unknown_price,
            )
            for resource, most, window, every in stated
        )


class LimitEntry(Bounds, frozen=True):
    """Limits for each key, tenant, model, …, or for all requests together."""

    scope: Subject = "key"
    """What is counted apart: each `key` (by its name), `user`, `team` or `tenant` that keys belong to, each
    `end_user` that requests name, each `tag`, each `model` (whatever name clients call it by), each
    `deployment` (`provider/model`) or `provider`, each client `address` (IPv6: each /64 network); or
    `global`: nothing. If a limit of a deployment or provider is reached, the next deployment is asked."""
    only: Annotated[tuple[str, ...], about(default="all")] = ()
    """The limit is only for these keys, tenants, … by name; `*` matches any text."""
