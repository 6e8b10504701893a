"""Makes unique ids for the calls of a client's tools in a response that have no id, or the id of an earlier
call.

Some upstreams identify a call only by its position (Gemini on Vertex AI, small servers), and some give two
calls of one answer the same id. Clients link results to calls by id, and the gateway finds the seal of a call
by the call's id, so each call of a client's tool needs an id that no other call has. The id is made from a
random token of the exchange, so it cannot be guessed. A call gets the same id whether the response is
streamed or whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from dragoman import ir

_DIGITS = 24
"""How many characters of the token an id has: 96 bits. With them, the id stays below the 40 characters that
some providers allow."""


class Identify:
    """A step that gives ids to tool calls of one response: to calls of the client's tools that have no id, or
    the id of an earlier call. A new id is `call_TOKEN_INDEX`, or `call_TOKEN_CANDIDATE_INDEX` in a candidate
    other than the first. token: a random text of letters and digits; an id has its first `_DIGITS`
    characters. takes: the kinds of events that may change.
    """

    __slots__ = ("_given", "_prefix", "_taken")
    takes: Final = frozenset({ir.Open, ir.Close})

    def __init__(self, token: str) -> None:
        self._prefix = f"call_{token[:_DIGITS]}"
        self._taken: set[str] = set()
        self._given: dict[tuple[int, int], str] = {}

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        """Return the event, alone in a sequence. If it states a call that gets a new id (an Open, or a Close
        with the whole call), it is a copy with this id; otherwise it is the same event.
        """
        if isinstance(event, ir.Open):
            named = self._named(event.block, event.candidate, event.index)
            return (event if named is event.block else msgspec.structs.replace(event, block=named),)
        if isinstance(event, ir.Close) and isinstance(event.block, ir.ToolCall) and self._given:
            given = self._given.get((event.candidate, event.index))
            if given is not None:
                return (msgspec.structs.replace(event, block=msgspec.structs.replace(event.block, id=given)),)
        return (event,)

    def whole(self, response: ir.Response) -> ir.Response:
        """Return the response with a unique id in every call of a client's tool: ids that are missing or
        repeated are replaced. Calls in OpenAI's older form (`function_call`) have no ids and stay unchanged,
        and so do calls that the client does not run. The result is the same object if no id is replaced.
        """
        changed = False
        candidates: list[ir.Candidate] = []
        for candidate in response.candidates:
            blocks = tuple(
                [self._named(block, candidate.index, index) for index, block in enumerate(candidate.blocks)]
            )
            if any(new is not old for new, old in zip(blocks, candidate.blocks, strict=True)):
                changed = True
                candidate = msgspec.structs.replace(candidate, blocks=blocks)  # noqa: PLW2901
            candidates.append(candidate)
        return msgspec.structs.replace(response, candidates=tuple(candidates)) if changed else response

    def _named(self, block: ir.Block, candidate: int, index: int) -> ir.Block:
        if not isinstance(block, ir.ToolCall):
            return block
        if block.id and block.id not in self._taken:
            self._taken.add(block.id)
            return block
        if block.by != "client" or block.kind == "legacy":  # results of these calls do not need ids
            return block
        place = f"{candidate}_{index}" if candidate else str(index)
        given = self._given[candidate, index] = f"{self._prefix}_{place}"
        return msgspec.structs.replace(block, id=given)
