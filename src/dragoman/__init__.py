"""Dragoman: an AI gateway that interprets between any client and any model.

As a library, the whole gateway is one object:

    from dragoman import Gateway
    app.mount("/ai", Gateway().asgi())

Names are loaded when they are first used, so that importing this package loads no server and no model.
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

_HOMES = {
    "Call": "dragoman.upstreams.upstream",
    "CallFailed": "dragoman.errors",
    "Config": "dragoman.config.settings",
    "ConfigError": "dragoman.errors",
    "DragomanError": "dragoman.errors",
    "EndedByHook": "dragoman.hooks",
    "Exchange": "dragoman.exchange",
    "Facts": "dragoman.dialects.facts",
    "Gateway": "dragoman.gateway",
    "HookFailed": "dragoman.hooks",
    "Loaded": "dragoman.config.load",
    "RequestFailed": "dragoman.errors",
    "Upstream": "dragoman.upstreams.upstream",
    "WireError": "dragoman.errors",
    "load": "dragoman.config.load",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name == "ir":
        return importlib.import_module("dragoman.ir")
    if (home := _HOMES.get(name)) is None:
        raise AttributeError(f"module 'dragoman' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names of this package."""
    return __all__
