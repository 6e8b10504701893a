"""Calls in a stream: which call a fragment belongs to."""

from __future__ import annotations

from typing import Any

from dragoman.dialects.bounds import MOST_CALLS, refuse_more


class Call:
    """One call: its id, its name, its block (-1 until it is opened), and fragments from before its name."""

    __slots__ = ("block", "first", "id", "name", "pieces")

    def __init__(self, first: dict[str, Any], name: str | None = None) -> None:
        self.id: str | None = first.get("id") or None
        self.name = name
        self.first = first
        self.block = -1
        self.pieces: list[str] = []

    def begins_anew(self, call_id: str | None, name: str | None) -> bool:
        """Whether a fragment at this call's position, with this id and this name, is of another call."""
        if name is None:
            return False
        if call_id is not None and self.id is not None:
            return call_id != self.id
        return self.name is not None and (name != self.name or call_id is self.id)


def call_of(calls: dict[Any, Call], wire: dict[str, Any], inner: dict[str, Any]) -> Call:
    """The call that a fragment belongs to; a new one is added to `calls`.

    Its position tells it, but some vendors leave that out, or give every call the position 0. So a fragment
    with a name begins a new call where its id or its name is another one, or where neither of them has an id.
    What follows at one position belongs to the call that came there last.
    """
    call_id, name = wire.get("id") or None, inner.get("name") or None
    key = wire.get("index", call_id)
    if type(key) is not int and type(key) is not str:
        key = None
    call = calls.get(key)
    if call is None and key is None and calls:
        call = next(reversed(calls.values()))
    if call is not None and call_id is not None and call.id != call_id:
        call = calls.get(call_id, call)
    if call is not None and not call.begins_anew(call_id, name):
        call.name = call.name or name
        return call
    refuse_more(len(calls), MOST_CALLS, "calls")
    if call is not None and calls.get(key) is call:
        calls[call.id or object()] = calls.pop(key)  # its own fragments still find it by its id
    made = calls[object() if key is None else key] = Call(wire, name)
    return made
