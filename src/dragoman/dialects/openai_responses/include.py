"""`include`: what an answer shall hold beside its words. Pure.

Where its provider stores nothing, a model's thoughts come back sealed, because the next request must bring
them; a model that does not reason answers 400 to the word that asks for them ("Encrypted content is not
supported with this model"). https://platform.openai.com/docs/guides/reasoning#encrypted-reasoning-items
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from dragoman.dialects.facts import Facts
from dragoman.dialects.openai_responses.terms import ENCRYPTED
from dragoman.dialects.quirks import Quirks


def included(asked: Iterable[str], facts: Facts, *, stored: bool) -> list[str]:
    """The words to send for those that were asked for. stored: whether the provider keeps the answer."""
    words = list(asked)
    others = [word for word in words if word != ENCRYPTED]
    sealed = facts.reasoning is not False and (not stored or len(others) < len(words))
    return [ENCRYPTED, *others] if sealed else others


def stateless(body: Mapping[str, Any], facts: Facts, quirks: Quirks) -> dict[str, Any]:
    """The edits by which a relayed request is stored nowhere but here: `store`, and `include` with it.

    body: the request as its client wrote it. A member that the vendor refuses is removed.
    """
    words = included(body.get("include") or (), facts, stored=False)
    edits = {"store": False, "include": words or msgspec.UNSET}
    return {key: msgspec.UNSET if key in quirks.refuses else value for key, value in edits.items()}
