"""Merges JSON objects of requests: members that the configuration adds to a body, for example. Pure.

Some protocols accept two spellings of a member's name: the JSON form of protocol buffers accepts `topK` and
`top_k`. `Spelling` finds the one that a body uses, so that no member is sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec


class Spelling(msgspec.Struct, frozen=True):
    """The names of members in a protocol that accepts several spellings of them. form: returns the same text
    for all spellings of one name. free: members (as `form` returns them) in whose objects the client chooses
    the names, so that these have one spelling only, at any depth.
    """

    form: Callable[[str], str]
    free: frozenset[str] = frozenset()

    def alike(self, members: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        """Return a copy of `members` in which each name has the spelling that `body` uses for it, also in
        objects inside of objects. A name that `body` does not use stays as it is. If `body` uses several
        spellings, its last one counts; if `members` does, their values are merged (`deep_merge`).
        """
        names = {self.form(name): name for name in body}
        found: dict[str, Any] = {}
        for stated, value in members.items():
            form = self.form(stated)
            name = names.setdefault(form, stated)
            if isinstance(value, dict):
                before = _object(found.get(name))
                if form not in self.free:
                    value = self.alike(value, {**_object(body.get(name)), **before})  # noqa: PLW2901
                value = deep_merge(before, value)  # noqa: PLW2901 - other spellings merged
            found[name] = value
        return found


def merged(
    body: Mapping[str, Any], members: Mapping[str, Any], spelling: Spelling | None = None
) -> dict[str, Any]:
    """Return a copy of a body with `members` merged into it (`deep_merge`), in the spelling that the body
    uses. spelling: of the body's protocol; None = each name has one spelling.
    """
    return deep_merge(body, members if spelling is None else spelling.alike(members, body))


def deep_merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two JSON objects into a new one; the arguments are not changed. If both have a key, two objects
    under it are merged in the same way; otherwise the value in `over` is used.
    """
    whole = dict(under)
    for key, value in over.items():
        below = whole.get(key)
        whole[key] = (
            deep_merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return whole


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
