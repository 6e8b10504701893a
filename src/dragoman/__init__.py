"""Dragoman: an AI gateway that interprets between any client and any model.

As a library, the whole gateway is one object:

    from dragoman import Gateway
    app.mount("/ai", Gateway().asgi())

Each name but `__version__` is imported when it is first used, so that importing this package loads no server
and no model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from dragoman.version import __version__

if TYPE_CHECKING:
    from dragoman import ir
    from dragoman.config.load import Loaded, load
    from dragoman.config.settings import Config
    from dragoman.dialects.facts import Facts
    from dragoman.errors import CallFailed, ConfigError, DragomanError, RequestFailed, WireError
    from dragoman.exchange import Exchange
    from dragoman.gateway import Gateway
    from dragoman.hooks import EndedByHook, HookFailed
    from dragoman.upstreams.upstream import Call, Upstream

__all__ = [
    "Call",
    "CallFailed",
    "Config",
    "ConfigError",
    "DragomanError",
    "EndedByHook",
    "Exchange",
    "Facts",
    "Gateway",
    "HookFailed",
    "Loaded",
    "RequestFailed",
    "Upstream",
    "WireError",
    "__version__",
    "ir",
    "load",
]

_NAMES = {
    "config.load": ("Loaded", "load"),
    "config.settings": ("Config",),
    "dialects.facts": ("Facts",),
    "errors": ("CallFailed", "ConfigError", "DragomanError", "RequestFailed", "WireError"),
    "exchange": ("Exchange",),
    "gateway": ("Gateway",),
    "hooks": ("EndedByHook", "HookFailed"),
    "upstreams.upstream": ("Call", "Upstream"),
}
_HOMES = {name: f"dragoman.{module}" for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Return the value of a public name, which is imported from its module at the first use. Raises
    AttributeError for any other name.
    """
    if name == "ir":
        return importlib.import_module("dragoman.ir")
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module 'dragoman' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
