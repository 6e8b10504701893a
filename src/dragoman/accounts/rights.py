"""Computes what a key may use: never more than its user, its team and its tenant may use. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from dragoman.accounts.caller import ANYTHING, Permits
from dragoman.accounts.grants import Grants, granted
from dragoman.accounts.limits import Limit, Subject
from dragoman.state.directory import Permitted

LimitsOf: TypeAlias = Callable[[Any, str, Subject], tuple[Limit, ...]]
"""Makes limits from the field `limits` of an entry, the name of the entry's owner, and the kind of the owner.
Raises UnreadableLimits.
"""
Groups: TypeAlias = Mapping[str, Iterable[str]]


class UnreadableLimits(ValueError):
    """A part of the stored `limits` of an entry cannot be read, for example because another version has
    written it. The text names the part and says what is wrong with it.
    """


class Owner(NamedTuple):
    """The key, user, team or tenant that an entry describes. kind: `key`, `user`, `team` or `tenant`. name:
    its name.
    """

    kind: Subject
    name: str


class Rights(NamedTuple):
    """What a key may use. models: the allowed model names, None = all. may: what else it may use. tags: the
    tags that each of its requests gets. limits: those of the key, its user, its team and its tenant.
    disabled: why the key is disabled: whose entry disables it, such as "team research" or "tenant acme (which
    is gone)"; None = the key is enabled. unreadable: (whose limits cannot be read, the text of
    UnreadableLimits); then `limits` is incomplete, and the key must be refused. None = all can be read.
    """

    models: Grants | None = None
    may: Permits = ANYTHING
    tags: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    disabled: str | None = None
    unreadable: tuple[Owner, str] | None = None


ALL = Rights()


def narrowed(rights: Rights, owner: Owner, entry: Permitted, groups: Groups, limits_of: LimitsOf) -> Rights:
    """Return `rights`, narrowed to what `entry` permits, too; a field of the entry that is None permits
    everything. The entry's tags and limits are added to those of `rights`. If both are disabled, `disabled`
    is that of `rights`; and so is `unreadable`, if the limits of both cannot be read. owner: whose entry it
    is. groups: {name of a group: model names and patterns}. limits_of: makes the entry's limits.
    """
    may, limits, unreadable = rights.may, rights.limits, rights.unreadable
    if entry.limits is not None:
        try:
            limits = (*limits, *limits_of(entry.limits, owner.name, owner.kind))
        except UnreadableLimits as failed:
            unreadable = unreadable or (owner, str(failed))
    return Rights(
        granted(entry.models, groups, rights.models),
        Permits(
            _both(may.faces, entry.faces),
            _both(may.operations, entry.operations),
            granted(entry.providers, within=may.providers),
            _both(may.regions, entry.regions),
        )
        if (entry.faces, entry.operations, entry.providers, entry.regions) != _UNSTATED
        else may,
        tuple(dict.fromkeys((*rights.tags, *entry.tags))),
        limits,
        rights.disabled or (f"{owner.kind} {owner.name}" if entry.disabled else None),
        unreadable,
    )


def within_regions(rights: Rights, regions: Mapping[str, str]) -> Rights:
    """Return `rights`, with only those allowed providers that are in an allowed region (`may.regions`).
    regions: {name of a provider: its region}; a provider that is missing here is in no region, so it is not
    allowed. If all regions are allowed, the result is `rights` itself.
    """
    allowed = rights.may.regions
    if allowed is None:
        return rights
    inside = Grants((name for name, region in regions.items() if region in allowed), rights.may.providers)
    return rights._replace(may=msgspec.structs.replace(rights.may, providers=inside))


_UNSTATED = (None, None, None, None)


def _both(one: frozenset[str] | None, other: tuple[str, ...] | None) -> frozenset[str] | None:
    if other is None:
        return one
    return frozenset(other) if one is None else one.intersection(other)
