"""Turns the messages that a model process sends for one candidate (alternative answer) into IR events, in the
order of `ir.GRAMMAR`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from dragoman import ir
from dragoman.upstreams.local.calls import Begun, ForcedCall, chosen_calls, may_be_call
from dragoman.upstreams.local.protocol import Delta, Done, TokenProb


class CandidateDecoder:
    """Turns the model's messages for one candidate (alternative answer) into events. candidate: the index of
    the candidate. new_id: returns the id for a call.

    forced: True = a grammar makes the complete text a tool call; then `chosen` is empty. chosen: the names of
    the tools that the model may call by its own choice. While the text from its beginning may still become a
    call by the model's own choice, `feed` returns no events.
    """

    def __init__(
        self, candidate: int, *, forced: bool, chosen: Collection[str], new_id: Callable[[], str]
    ) -> None:
        self._candidate = candidate
        self._forced = ForcedCall() if forced else None
        self._chosen = chosen
        self._new_id = new_id
        self._held: list[Delta] | None = [] if chosen else None
        self._blocks = 0
        self._open = False
        self._called = False

    def feed(self, delta: Delta) -> list[ir.Event]:
        """Return the events for more text; [] = none yet, for example while the text may still become a tool
        call.
        """
        if self._forced is not None:
            return self._dictated(self._forced.feed(delta.text))
        if self._held is None:
            return self._prose([delta])
        self._held.append(delta)
        if may_be_call("".join(held.text for held in self._held)):
            return []
        released, self._held = self._held, None
        return self._prose(released)

    def finish(self, done: Done) -> list[ir.Event]:
        """Return the last events: those for text that was held back because it might have become a tool call,
        the `ir.Close` of the open block, and `ir.Finish`. Held text becomes calls if it consists of calls and
        the model ended the answer itself (`done.finish` is "stop"), else text. An answer without text and
        calls gets one empty text block.
        """
        whole = done.finish == "stop"
        events: list[ir.Event] = []
        if self._forced is not None:
            rest = self._forced.close(whole=whole)
            # A forced call that was cut off before its tool's name is shown as text.
            cut = rest and not self._forced.begun
            events += self._prose([Delta(done.id, rest)]) if cut else self._dictated([rest] if rest else [])
        if self._held is not None:
            text = "".join(held.text for held in self._held)
            calls = chosen_calls(text, self._chosen) if whole else []
            for name, arguments in calls:
                events += [*self._dictated([Begun(name), arguments]), *self._end()]
            events += [] if calls else self._prose(self._held)
        if not self._blocks and not events:
            events += self._begin(ir.Text(""))
        return [*events, *self._end(), ir.Finish(self._stop(done), self._candidate)]

    def _prose(self, deltas: Sequence[Delta]) -> list[ir.Event]:
        events = [] if self._open or not deltas else self._begin(ir.Text(""))
        for delta in deltas:
            probs = tuple(_logprob(prob) for prob in delta.logprobs) or None
            events.append(ir.TextDelta(self._blocks - 1, delta.text, self._candidate, probs))
        return events

    def _dictated(self, parts: Sequence[Begun | str]) -> list[ir.Event]:
        events: list[ir.Event] = []
        for part in parts:
            if isinstance(part, Begun):
                self._called = True
                events += self._begin(ir.ToolCall(self._new_id(), part.name))
            else:
                events.append(ir.ArgsDelta(self._blocks - 1, part, self._candidate))
        return events

    def _begin(self, block: ir.Block) -> list[ir.Event]:
        self._blocks += 1
        self._open = True
        return [ir.Open(self._blocks - 1, block, self._candidate)]

    def _end(self) -> list[ir.Event]:
        if not self._open:
            return []
        self._open = False
        return [ir.Close(self._blocks - 1, None, self._candidate)]

    def _stop(self, done: Done) -> ir.Stop:
        if done.finish != "stop":
            return ir.Stop(done.finish, sequence=done.sequence)
        return ir.Stop("tool" if self._called else "end")


def _logprob(prob: TokenProb) -> ir.Logprob:
    return ir.Logprob(
        prob.piece.decode("utf-8", "replace"),
        prob.logprob,
        tuple(prob.piece),
        tuple(_logprob(other) for other in prob.top),
        prob.id,
    )
