"""`dragoman providers list --known`: lists every known vendor, its protocols, and how much of them was
tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dragoman.cli.terminal import Terminal
from dragoman.engine.operate import NAMES
from dragoman.providers.catalog import CATALOG
from dragoman.providers.grade import UNTRIED, grades
from dragoman.providers.provider import Provider
from dragoman.providers.vendor import Vendor


def operations(vendor: Vendor) -> list[str]:
    """Return the operations (chat counts as one) for which the vendor has endpoints that the gateway can ask,
    by their names for people.
    """
    counts = vendor.quirks.counts or any(row.quirks.counts for row in vendor.also.values())
    served = {*vendor.serves, "count"} if counts else {*vendor.serves}
    titles = {"chat": "chat", **NAMES, "realtime": "realtime sessions"}
    return [title for one, title in titles.items() if one in served]


def tell(terminal: Terminal, providers: Iterable[Provider]) -> None:
    """Print every known vendor, with the names of those of `providers` that use it. providers: the enabled
    providers.
    """
    configured: dict[str, list[str]] = {}
    for provider in providers:
        if provider.vendor is not None:
            configured.setdefault(provider.vendor.name, []).append(provider.name)
    if terminal.as_json:
        terminal.result([_in_json(vendor, configured) for vendor in CATALOG.values()])
        return
    graded = grades()
    terminal.table(
        ("vendor", "grade", "configured", "key", "read", "protocols", "operations"),
        [
            (
                vendor.name,
                str(graded.get(vendor.name, UNTRIED)),
                " ".join(configured.get(vendor.name, ())) or None,
                vendor.keys[0] if vendor.keys else None,
                vendor.read,
                " ".join((vendor.dialect, *vendor.also)),
                ", ".join(operations(vendor)),
            )
            for vendor in CATALOG.values()
        ],
        wraps=True,
    )


def _in_json(vendor: Vendor, configured: Mapping[str, list[str]]) -> dict[str, Any]:
    grade = grades().get(vendor.name, UNTRIED)
    return {
        "name": vendor.name,
        "title": vendor.title,
        "dialects": [vendor.dialect, *vendor.also],
        "operations": operations(vendor),
        "base_url": vendor.base_url,
        "keys": list(vendor.keys),
        "configured": configured.get(vendor.name, []),
        "grade": {name: getattr(grade, name) for name in grade.__struct_fields__},
        "untried": grade == UNTRIED,
        "page": vendor.page,
        "read": vendor.read,
    }
