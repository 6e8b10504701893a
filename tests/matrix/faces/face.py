"""What a face of the matrix is: a protocol that clients speak to us, and its official client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, TypeAlias

import msgspec

from tests.matrix.asked import Fields
from tests.matrix.heard import Heard
from tests.matrix.permitted import Refused

Way: TypeAlias = Literal["whole", "streamed", "socket"]
Ask: TypeAlias = Callable[[Any, Fields], Awaitable[Heard | Refused]]
PATIENCE = 60  # seconds, for a real model on a busy machine


class Face(msgspec.Struct, frozen=True):
    """One protocol that clients speak to us.

    opened: its client for a gateway, by the origin of that. fields: what it asks for each feature; one that
    its protocol has no words for is not here but in `refusals.toml`, as absent. ways: how it is asked.
    limit: where its bound of an answer stands. streamed: members that streams alone have, by feature.
    means: what it asks for instead of a feature, as `native.py` names it.
    """

    name: str
    title: str
    opened: Callable[[str], AbstractAsyncContextManager[Any]]
    fields: dict[str, Fields]
    ways: dict[Way, Ask]
    limit: tuple[str, ...]
    streamed: dict[str, Fields] = {}
    means: dict[str, str] = {}

    def asked(self, feature: str, model: str, way: Way, most: int | None) -> Fields:
        """The arguments of the client's call. most: tokens of the answer, None = as the feature says."""
        fields: Fields = {"model": model, **self.fields[feature]}
        if way != "whole":
            fields |= self.streamed.get(feature, {})
        return fields if most is None else _with(fields, self.limit, most)


def _with(fields: Fields, path: tuple[str, ...], value: Any) -> Fields:
    """A copy that has this value at this place."""
    first, *rest = path
    return {**fields, first: _with(fields.get(first) or {}, tuple(rest), value) if rest else value}
