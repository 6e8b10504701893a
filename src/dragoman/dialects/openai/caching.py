"""Decodes and encodes prompt cache settings. Chat Completions and Responses have the same members for
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.leftovers import Leftovers

CACHING: Final = frozenset({"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"})
_OPTIONS: Final = frozenset({"mode", "ttl"})


def decode_caching(body: Mapping[str, Any], leftovers: Leftovers) -> ir.Caching | None:
    """Return the prompt cache settings in a request body; None = it states none. leftovers: collects the
    leftovers of the body's dialect, here the unknown members of `prompt_cache_options`.
    """
    options = body.get("prompt_cache_options") or {}
    cache = ir.Caching(
        body.get("prompt_cache_key"),
        options.get("mode"),
        options.get("ttl"),
        body.get("prompt_cache_retention"),
        extra=leftovers.of(options, _OPTIONS, "prompt_cache_options"),
    )
    return None if cache == ir.Caching() else cache


def encode_caching(body: dict[str, Any], cache: ir.Caching, draft: Draft, leftovers: Leftovers) -> None:
    """Write prompt cache settings into a request body (`body`). A mode and a lifetime (`ttl`) are written
    only for a request that came in the body's dialect (`draft.own`), a mark of the whole request never. What
    is not written is reported as lost. leftovers: writes the leftovers of the body's dialect.
    """
    if cache.key is not None:
        body["prompt_cache_key"] = cache.key
    options = {key: value for key, value in (("mode", cache.mode), ("ttl", cache.ttl)) if value is not None}
    if options and not draft.own:
        draft.report.lose("cache", "the provider has no prompt cache settings")
    elif options or (draft.own and cache.extra is not None):
        body["prompt_cache_options"] = options
    if cache.retention is not None:
        body["prompt_cache_retention"] = cache.retention
    if cache.mark is not None:
        draft.report.lose("cache.mark", "the provider has no cache breakpoints")
    if cache.extra is not None:
        leftovers.restore(body, cache.extra, draft.report, "cache")
