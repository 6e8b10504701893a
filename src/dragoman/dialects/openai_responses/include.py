"""The member `include` of a request, which asks for additional content in the answer.

If the provider is to store nothing, the gateway asks for encrypted reasoning, unless the model is known to
have no reasoning, because the next request must send the reasoning back. A model without reasoning refuses
this with 400 ("Encrypted content is not supported with this model").
https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Change
from dragoman.dialects.openai_responses.terms import ENCRYPTED
from dragoman.dialects.quirks import Quirks

_WHY_STORE: Final = "responses are stored only by the gateway"
_WHY_SEALED: Final = "reasoning that the provider does not store must be returned encrypted"
_WHY_NOT: Final = "the provider rejects this for a model without reasoning"


def included(asked: Iterable[str], facts: Facts, *, stored: bool) -> list[str]:
    """Return the values of `include` to send: first the value for encrypted reasoning, if the provider does
    not store the response (`stored` is False) or `asked` has this value, unless the model is known to have no
    reasoning (`facts`); then the other values in `asked`.
    """
    words = list(asked)
    others = [word for word in words if word != ENCRYPTED]
    sealed = facts.reasoning is not False and (not stored or len(others) < len(words))
    return [ENCRYPTED, *others] if sealed else others


def stateless(
    body: Mapping[str, Any], facts: Facts, quirks: Quirks
) -> tuple[dict[str, Any], tuple[Change, ...]]:
    """Return (edits, changes to report) for a relayed request. The edits make the request ask the provider to
    store nothing, as far as the vendor accepts `store`: {member: new value} for `store` and `include`, where
    `msgspec.UNSET` removes a member that the vendor refuses, or an empty `include`. body: the request as its
    client wrote it.
    """
    asked: list[str] = body.get("include") or []
    words = included(asked, facts, stored=False)
    edits = {"store": False, "include": words or msgspec.UNSET}
    edits |= dict.fromkeys(edits.keys() & quirks.refuses, msgspec.UNSET)
    changes: list[Change] = []
    if body.get("store") is not False:
        _name(changes, "store", body, edits, _WHY_STORE)
    if sorted(words) != sorted(asked):
        _name(changes, "include", body, edits, _WHY_SEALED if ENCRYPTED in words else _WHY_NOT)
    return edits, tuple(changes)


def _name(
    changes: list[Change], member: str, body: Mapping[str, Any], edits: Mapping[str, Any], why: str
) -> None:
    """Add the Change for the edit of one member to `changes`. Nothing is added if the edit only removes a
    member that is missing or empty in the request. why: the reason in the Change. edits: member -> new value,
    or `msgspec.UNSET` to remove the member.
    """
    place = f"$.{member}"
    path, to = place if body.get(member) else None, "" if edits[member] is msgspec.UNSET else place
    if path is not None or to:
        changes.append(Change(path, to, why))
