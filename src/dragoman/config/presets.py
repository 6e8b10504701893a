"""Ready-made settings by name, as data: what lies below the operator's own file, entry by entry.

A preset is a configuration like any other and can say nothing that a file cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # Alibaba's commercial models under their own names, owned by `qwen`.
        "qwen": {
            "providers": {"qwen": {"catalog": "dashscope"}},
            "models": {name: f"qwen/{name}" for name in ("qwen3-max", "qwen-max", "qwen-plus", "qwen-turbo")},
        },
    }
)
