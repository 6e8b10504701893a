"""Converts LiteLLM's access groups of models into our `groups`. Pure.

https://docs.litellm.ai/docs/proxy/model_access_groups
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def access_groups(entries: Sequence[Any], is_offered: Callable[[str], bool]) -> dict[str, list[str]]:
    """Return {access group: the names of its offered models, which may be patterns}. Groups without such
    models, or without a name, are left out. entries: LiteLLM's `model_list`. is_offered: whether the
    converted configuration has this name.
    """
    found: dict[str, dict[str, None]] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or not isinstance(name := entry.get("model_name"), str):
            continue
        if not is_offered(name):
            continue
        info = entry.get("model_info")
        stated = info.get("access_groups") if isinstance(info, Mapping) else None
        for group in stated if isinstance(stated, list) else ():
            if str(group):
                found.setdefault(str(group), {})[name] = None
    return {group: list(names) for group, names in found.items()}
