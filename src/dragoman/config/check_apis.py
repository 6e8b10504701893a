"""Warns of a vendor's models that cannot be called, because a provider's `apis` leaves out their protocol."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.config.misfit import Misfit
from dragoman.config.settings import Provider as Settings
from dragoman.providers.provider import Provider


def unspoken(settings: Settings, account: Provider) -> Iterator[Misfit]:
    """Yield a warning for each protocol in the vendor's row of the catalogue that `apis` leaves out, if the
    account's first protocol excludes models of that protocol and no other listed protocol has them. Each
    `place` is relative to the provider. Nothing is yielded if `apis` is not set, or if the provider has no
    such row.
    """
    if settings.apis is None:
        return
    first, *further = account.apis
    excluded = {one[1:] for one in first.models or () if one.startswith("!")}
    offered = {pattern for api in further for pattern in api.models or ()}
    for name, row in (account.vendor.also if account.vendor else {}).items():
        missing = [pattern for pattern in row.models or () if pattern in excluded - offered]
        if missing and all(api.dialect != name for api in account.apis):
            said = f"the vendor has {', '.join(missing)} only in {name}, which is not among its protocols"
            yield Misfit("apis", said, f"add {name}", odd=True)
