"""Finds the tool call to which a fragment of a streamed tool call belongs."""

from __future__ import annotations

from typing import Any

from dragoman.dialects.bounds import MOST_CALLS, refuse_more


class Call:
    """A tool call while it streams. id, name: the id of the call (that of its first fragment) and the name of
    its tool, None = not stated. first: the first fragment of the call, a JSON object; a decoder may add
    members to it. block: the index of the call's block in the IR; -1 before the block opens. pieces: the
    parts of the arguments that came before the tool's name.
    """

    __slots__ = ("block", "first", "id", "name", "pieces")

    def __init__(self, first: dict[str, Any], name: str | None = None) -> None:
        self.id: str | None = first.get("id") or None
        self.name = name
        self.first = first
        self.block = -1
        self.pieces: list[str] = []

    def begins_anew(self, call_id: str | None, name: str | None) -> bool:
        """Whether a fragment that was found to belong to this call starts another call instead: it has a name
        and another id. If one of the ids is missing, it does so only if this call has a name already, and
        either the names differ or both ids are missing. call_id, name: those of the fragment; None = it
        states none.
        """
        if name is None:
            return False
        if call_id is not None and self.id is not None:
            return call_id != self.id
        return self.name is not None and (name != self.name or call_id is self.id)


def call_of(calls: dict[Any, Call], wire: dict[str, Any], inner: dict[str, Any]) -> Call:
    """Return the call to which a fragment of a tool call belongs; a new call is added to `calls`. A call
    without a name gets the name in the fragment. calls: the calls so far, by an index, an id or a key of
    their own. wire: the fragment, an entry of `tool_calls`. inner: the object `function` in the fragment.

    The call is found by the fragment's index or id; without both, it is the latest call. Some vendors give
    every call the index 0, so a fragment may still start a new call (`Call.begins_anew`). Raises WireError
    for more than `MOST_CALLS` calls.
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
        calls[call.id or object()] = calls.pop(key)  # later fragments find this call by its id
    made = calls[object() if key is None else key] = Call(wire, name)
    return made
