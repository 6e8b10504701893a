"""Finds the tool call to which a fragment of a streamed tool call belongs."""

from __future__ import annotations

from typing import Any

from dragoman.dialects.bounds import MOST_CALLS, refuse_more


class Call:
    """A tool call while it streams. id, name: the id of the call and the name of its tool, None = not stated
    yet. The id is that of the first fragment. first: the first fragment of the call, a JSON object; a decoder
    may add to it the members of the fragment with the tool's name. block: the index of the call's block in
    the IR; -1 before the block opens. pieces: the parts of the arguments that came before the tool's name.
    """

    __slots__ = ("block", "first", "id", "name", "pieces")

    def __init__(self, first: dict[str, Any], name: str | None = None) -> None:
        self.id: str | None = first.get("id") or None
        self.name = name
        self.first = first
        self.block = -1
        self.pieces: list[str] = []

    def begins_anew(self, call_id: str | None, name: str | None) -> bool:
        """Whether a fragment that was found to belong to this call starts another call instead. call_id,
        name: the fragment's id and tool name; None = the fragment states none.

        A fragment without a name does not start another call. If the fragment and this call both have an id,
        it starts another call if the ids differ. Otherwise it does so if this call has a name already, and
        either the names differ or both ids are missing.
        """
        if name is None:
            return False
        if call_id is not None and self.id is not None:
            return call_id != self.id
        return self.name is not None and (name != self.name or call_id is self.id)


def call_of(calls: dict[Any, Call], wire: dict[str, Any], inner: dict[str, Any]) -> Call:
    """Return the call to which a fragment of a tool call belongs. calls: the calls so far, by an index, an id
    or a key of their own; a new call is added. wire: the fragment, an entry of `tool_calls`. inner:
    the object `function` in the fragment. A call without a name gets the name in the fragment.

    The call is found by the fragment's index, or by its id if it has no member `index`. Without both, and for
    an index that is neither an integer nor a text, it is the latest call. If the found call does not have the
    fragment's id, the call that `calls` holds under this id is taken instead, if there is one. If no call is
    found, a new one is made.

    Some vendors give every call the index 0. Therefore a fragment with a tool name starts a new call if its
    id is not the id of the found call. If one of these ids is missing, it starts a new call only if the found
    call has a name already, and either the names differ or both ids are missing. Raises WireError for more
    than `MOST_CALLS` calls.
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
