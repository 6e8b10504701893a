"""Checks that a provider whose protocols are listed (`apis`) has one for each of its models."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.config.misfit import Misfit
from dragoman.config.settings import Provider as Settings
from dragoman.providers.provider import Provider


def unspoken(settings: Settings, account: Provider) -> Iterator[Misfit]:
    """Yield a warning for each protocol of the catalogue that `apis` leaves out, if the vendor has some
    models only in this protocol. Each `place` is relative to the provider.
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
