"""The catalogue: all known vendors by name, and a hint for people who ask for a model whose vendor is not
configured. The rows are in `providers.vendors`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dragoman.providers.vendor import Vendor
from dragoman.providers.vendors.authors import AUTHORS
from dragoman.providers.vendors.clouds import CLOUDS
from dragoman.providers.vendors.hosts import HOSTS
from dragoman.providers.vendors.own_machine import OWN_MACHINE
from dragoman.providers.vendors.search import SEARCH
from dragoman.providers.vendors.sound import SOUND

CATALOG: Final[Mapping[str, Vendor]] = MappingProxyType(
    {vendor.name: vendor for vendor in (*AUTHORS, *HOSTS, *CLOUDS, *SEARCH, *SOUND, *OWN_MACHINE)}
)
"""All known vendors by name, in the order in which the documentation lists them."""


def unconfigured(model: str, providers: Mapping[str, str | None]) -> str | None:
    """Return a hint for a person who asked for an unknown model; None = there is no hint, for example because
    no vendor in the catalogue has such a model, or a provider has its vendor's name.

    If the model's vendor is not configured, the hint names the environment variable or setting that adds it.
    If the vendor is configured under another name, the hint for `vendor/model` names that provider; a bare
    name gets no hint then.

    model: `vendor/model`, with the vendor's name in the catalogue, or a bare name. The vendor of a bare name
    is the first one in the catalogue whose patterns fit. providers: the configured providers, {name: name of
    the vendor in the catalogue, or None}.
    """
    name, slash, rest = model.partition("/")
    vendor = CATALOG.get(name) if slash else next((v for v in CATALOG.values() if v.owns(model)), None)
    if vendor is None or vendor.name in providers:
        return None
    named = [provider for provider, row in providers.items() if row == vendor.name]
    if named:
        return f"{vendor.name} is configured as {named[0]}: write {named[0]}/{rest}" if slash else None
    way = f"set {vendor.keys[0]}" if vendor.keys else f"write providers.{vendor.name}"
    if vendor.account and vendor.base_var:
        way = f"set {vendor.base_var} and {vendor.keys[0]}"
    return f"{vendor.name} is not configured: {way}"
