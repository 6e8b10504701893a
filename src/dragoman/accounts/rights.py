"""What a key may use: never more than its user, its team and its tenant may use. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec

from dragoman.accounts.caller import ANYTHING, Permits
from dragoman.accounts.grants import Grants, granted
from dragoman.accounts.limits import Limit, Subject
from dragoman.state.directory import Permitted

LimitsOf: TypeAlias = Callable[[Any, str, Subject], tuple[Limit, ...]]
"""Makes the limits of an entry from its member `limits`, the name of its owner, and what the owner is."""
Groups: TypeAlias = Mapping[str, Iterable[str]]


class Rights(NamedTuple):
    """What a key may use; the fields are as in `Caller`. disabled: the entry that disables the key ("team
    research"); None = the key is enabled.
    """

    models: Grants | None = None
    may: Permits = ANYTHING
    tags: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    disabled: str | None = None


ALL = Rights()


class Owner(NamedTuple):
    """The owner of an entry. kind: `key`, `user`, `team` or `tenant`."""

    kind: Subject
    name: str


def narrowed(rights: Rights, owner: Owner, entry: Permitted, groups: Groups, limits_of: LimitsOf) -> Rights:
    """These rights, narrowed by what the entry of `owner` permits. groups: of model names. Tags and limits
    are added.
    """
    may = rights.may
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
        rights.limits if entry.limits is None else (*rights.limits, *limits_of(entry.limits, *owner[::-1])),
        rights.disabled or (f"{owner.kind} {owner.name}" if entry.disabled else None),
    )


def within_regions(rights: Rights, regions: Mapping[str, str]) -> Rights:
    """These rights, with only the providers that are in the allowed regions. regions: of providers by name; a
    provider that it lacks is in none.
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
