"""Undoes an emulation in a response: turns the upstream's response into the response that the client asked
for.

`emulate` decides what is requested from the upstream in another form. A `Restorer` reverses this, event by
event. It holds text back while the meaning of the text is not yet clear (for example the first characters of
an object, or half an escape). Its events obey `ir.GRAMMAR`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal, Protocol, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.facts import TagMode
from dragoman.dialects.json_extent import JsonExtent
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.answer import TextCalls
from dragoman.dialects.prompted.reading import CallReader

replace = msgspec.structs.replace

Named: TypeAlias = tuple[str | None, str]
"""A tool: (namespace, name). None as the namespace = the tool has none."""


class Undo(msgspec.Struct, frozen=True):
    """The emulations in one request that must be undone in its response. A tool's name is a pair (namespace,
    name), except in `answer`.

    answer: the name of the tool whose arguments are the client's answer; None = there is no such tool.
    member: the JSON member of these arguments that holds the answer; None = the whole arguments are the
    answer. custom: functions, by their names at the target, that the client declared as free-text tools.
    names: the name of each renamed tool at the target -> the client's name. builtin: functions, by their
    names at the target, that replace tools which the client's protocol defines. told: True = JSON was
    requested only by an instruction, so the model may put it into a code fence. reader: makes the reader of
    the calls that the model writes into its text; None = the model writes no calls into its text. thoughts:
    how the reasoning at the beginning of the answer's text is marked (`TagMode`); None = the text has no
    reasoning. single: True = the model may write only one call into its texts.
    """

    answer: str | None = None
    member: str | None = None
    custom: frozenset[Named] = frozenset()
    names: Mapping[Named, Named] = msgspec.field(default_factory=dict)
    told: bool = False
    builtin: frozenset[Named] = frozenset()
    reader: Callable[[], CallReader] | None = None
    thoughts: TagMode | None = None
    single: bool = False


class Restorer:
    """A step that undoes the emulations in one response. The response is given either complete (`whole`), or
    event by event (`feed`). undo: the emulations. report: gets the losses of the response.
    """

    __slots__ = ("_answered", "_called", "_open", "_texts", "_undo", "takes")

    def __init__(self, undo: Undo, report: Report) -> None:
        self._undo = undo
        divides = undo.reader is not None or undo.thoughts is not None
        self._texts = TextCalls(undo.reader, undo.thoughts, report, single=undo.single) if divides else None
        reads_text = undo.told or undo.custom or undo.answer is not None
        self.takes = _TAKEN if reads_text else _TAKEN - _CONTINUING
        """The kinds of events to feed. Deltas are not fed if no emulation changes texts or arguments."""
        if self._texts is not None:
            self.takes = _DIVIDED
        self._open: dict[tuple[int, int], _EmulatedCall | _Unfenced] = {}
        self._answered: set[int] = set()
        self._called: set[int] = set()

    def feed(self, event: ir.Event) -> list[ir.Event]:
        """Return the events for the client in place of this event of the upstream; [] = the client gets
        nothing for this event, for example because its text is held back.
        """
        if self._texts is None:
            return self._restored(event)
        return [one for called in self._texts.feed(event) for one in self._restored(called)]

    def _restored(self, event: ir.Event) -> list[ir.Event]:
        take = _TAKE.get(type(event))
        return [event] if take is None else take(self, event)

    def whole(self, response: ir.Response) -> ir.Response:
        """Return the response for the client in place of this whole response of the upstream."""
        return ir.fold(event for one in ir.unfold(response) for event in self.feed(one))

    def _begin(self, event: ir.Open) -> list[ir.Event]:
        call, undo = event.block, self._undo
        if undo.told and isinstance(call, ir.Text):
            text = self._open[event.candidate, event.index] = _Unfenced()
            return text.begin(event, call)
        if not isinstance(call, ir.ToolCall) or call.by != "client":
            return [event]
        if call.name == undo.answer:
            self._answered.add(event.candidate)
            seen = _EmulatedCall(_answer, _reader(undo.member), ir.TextDelta)
        else:
            self._called.add(event.candidate)
            if (call.namespace, call.name) not in undo.custom:
                return [replace(event, block=self._renamed(call))]
            seen = _EmulatedCall(self._custom, _INPUT, ir.ArgsDelta)
        self._open[event.candidate, event.index] = seen
        return seen.begin(event, call)

    def _more(self, event: ir.ArgsDelta | ir.TextDelta) -> list[ir.Event]:
        seen = self._open.get((event.candidate, event.index))
        return [event] if seen is None else seen.more(event, event.text)

    def _end(self, event: ir.Close) -> list[ir.Event]:
        seen = self._open.pop((event.candidate, event.index), None)
        if seen is not None:
            return seen.end(event)
        if isinstance(event.block, ir.ToolCall) and event.block.by == "client":
            return [replace(event, block=self._renamed(event.block))]
        return [event]

    def _broken_off(self, event: ir.Error) -> list[ir.Event]:
        """Return the text that is held back of all open blocks, and then the error, which ends the answer."""
        held = [one for place, seen in self._open.items() if (one := seen.broken_off(*place)) is not None]
        self._open.clear()
        return [*held, event]

    def _finish(self, event: ir.Finish) -> list[ir.Event]:
        """Return the event that ends a candidate, as a list. The stop reason "tool" becomes "end" if the
        candidate has called only the tool that holds the client's answer.
        """
        answered = event.candidate in self._answered and event.candidate not in self._called
        if answered and event.stop is not None and event.stop.reason == "tool":
            return [replace(event, stop=ir.Stop("end"))]
        return [event]

    def _renamed(self, call: ir.ToolCall) -> ir.ToolCall:
        theirs = (call.namespace, call.name)
        if theirs in self._undo.builtin:
            call = replace(call, kind="builtin")
        ours = self._undo.names.get(theirs)
        return call if ours is None else replace(call, namespace=ours[0], name=ours[1])

    def _custom(self, call: ir.ToolCall, text: str) -> ir.Block:
        return replace(self._renamed(call), kind="custom", arguments=text)


_TAKE: dict[type, Callable[[Restorer, Any], list[ir.Event]]] = {
    ir.Open: Restorer._begin,
    ir.ArgsDelta: Restorer._more,
    ir.TextDelta: Restorer._more,
    ir.Close: Restorer._end,
    ir.Finish: Restorer._finish,
    ir.Error: Restorer._broken_off,
}
_TAKEN: Final = frozenset(_TAKE)
_CONTINUING: Final = frozenset({ir.ArgsDelta, ir.TextDelta})
_DIVIDED: Final = frozenset({*ir.CONTENT, ir.Finish, ir.Raw, ir.End, ir.Error})
"""The events to feed if a text may be divided into several blocks: those that name a block or candidate,
because the block numbers in them change, and those that end the answer, because text may be held back.
"""


class ArgumentsReader(Protocol):
    """Turns the arguments of an emulated call, piece by piece, into the text that the client gets."""

    def feed(self, text: str) -> str:
        """Return the client's text for the next piece of the arguments; "" = nothing can be returned now."""

    def close(self, *, cut: bool = False) -> str:
        """Return the rest of the client's text, after the last piece. cut: True = an error ends the answer,
        so the arguments may be incomplete.
        """


class _EmulatedCall:
    """An open call of the upstream that the client gets as another block: as text, or as a call of a
    free-text tool. make: makes this block from the call and the text that the client gets. reader: makes the
    reader of the call's arguments. delta: makes an event from (block index, text, candidate index).
    """

    __slots__ = ("_delta", "_make", "_new", "_reader")

    def __init__(
        self,
        make: Callable[[ir.ToolCall, str], ir.Block],
        reader: Callable[[], ArgumentsReader],
        delta: Callable[[int, str, int], ir.Event],
    ) -> None:
        self._make = make
        self._new = reader
        self._reader = reader()
        self._delta = delta

    def begin(self, event: ir.Open, call: ir.ToolCall) -> list[ir.Event]:
        opened = replace(event, block=self._make(call, ""))
        return [opened, *self.more(event, call.arguments)]

    def more(self, event: ir.Open | ir.ArgsDelta | ir.TextDelta, text: str) -> list[ir.Event]:
        seen = self._reader.feed(text)
        return [self._delta(event.index, seen, event.candidate)] if seen else []

    def end(self, event: ir.Close) -> list[ir.Event]:
        block = event.block
        if isinstance(block, ir.ToolCall):  # the final block replaces the deltas: convert it
            reader = self._new()
            block = self._make(block, reader.feed(block.arguments) + reader.close())
        closed = replace(event, block=block)
        owed = self._reader.close()
        return [self._delta(event.index, owed, event.candidate), closed] if owed else [closed]

    def broken_off(self, candidate: int, index: int) -> ir.Event | None:
        """Return the event with the text that is held back, when an error ends the answer; None = no text
        is.
        """
        owed = self._reader.close(cut=True)
        return self._delta(index, owed, candidate) if owed else None


class _Unfenced:
    """An open text block of the upstream. The client gets the text without the code fence around it."""

    __slots__ = ("_fence",)

    def __init__(self) -> None:
        self._fence = Fence()

    def begin(self, event: ir.Open, block: ir.Text) -> list[ir.Event]:
        seen = self._fence.feed(block.text)
        return [event if seen == block.text else replace(event, block=replace(block, text=seen))]

    def more(self, event: ir.ArgsDelta | ir.TextDelta, text: str) -> list[ir.Event]:
        seen = self._fence.feed(text)
        if seen == text:
            return [event]
        # The log probabilities are kept although the text of some of their tokens is removed.
        return [replace(event, text=seen)] if seen or getattr(event, "logprobs", None) else []

    def end(self, event: ir.Close) -> list[ir.Event]:
        owed = self._fence.close()
        if isinstance(event.block, ir.Text):  # the final block replaces the deltas
            fence = Fence()
            text = fence.feed(event.block.text) + fence.close()
            event = replace(event, block=replace(event.block, text=text))
        return [ir.TextDelta(event.index, owed, event.candidate), event] if owed else [event]

    def broken_off(self, candidate: int, index: int) -> ir.Event | None:
        """Return the event with the text that is held back, when an error ends the answer; None = no text
        is.
        """
        owed = self._fence.close()
        return ir.TextDelta(index, owed, candidate) if owed else None


def _answer(call: ir.ToolCall, text: str) -> ir.Block:
    return ir.Text(text, sealed=call.sealed)


class Fence:
    """Removes, piece by piece, a Markdown code fence (three backticks, without a language or with `json`)
    around a whole text, and white space beside its lines. If the closing backticks are missing, or words
    follow them, the opening line is still removed. A fence after other words stays.

    Models put JSON into a fence although they are told not to
    (https://github.com/openai/codex-plugin-cc/pull/583).
    """

    __slots__ = ("_held", "_state")

    def __init__(self) -> None:
        self._state: Literal["new", "inside", "plain"] = "new"
        self._held = ""

    def feed(self, text: str) -> str:
        """Take the next piece, and return the text that is certainly not part of a fence. The rest is held
        back.
        """
        if self._state == "plain":
            return text
        text, self._held = self._held + text, ""
        if self._state == "new":
            opening = _OPENING.match(text)
            if opening is None:
                if _MAY_OPEN.fullmatch(text):
                    self._held, text = text, ""
                else:
                    self._state = "plain"
                return text
            self._state = "inside"
            text = text[opening.end() :]
        bare = text.rstrip()
        inner = bare.rstrip("`")
        last = len(inner.rstrip() if len(bare) - len(inner) <= len("```") else bare)
        self._held = text[last:]
        return text[:last]

    def close(self) -> str:
        """Return the text that is still held back, after the last piece; "" if it is the end of the fence, or
        white space inside the fence.
        """
        return "" if self._state == "inside" and self._held.strip() in {"", "```"} else self._held


# White space is limited, because text that may become a fence is held back and matched again for each piece.
_OPENING: Final = re.compile(r"\s{0,256}```(?:json)?[ \t]{0,16}\r?\n", re.IGNORECASE)
_MAY_OPEN: Final = re.compile(r"\s{0,256}(?:`{0,3}|```(?:j|js|jso|json)?[ \t]{0,16}\r?)", re.IGNORECASE)


class WholeObject:
    """An `ArgumentsReader` that passes all arguments unchanged. If the model wrote no arguments, and no error
    ends the answer, the client gets `{}`.
    """

    __slots__ = ("_empty",)

    def __init__(self) -> None:
        self._empty = True

    def feed(self, text: str) -> str:
        self._empty = self._empty and not text
        return text

    def close(self, *, cut: bool = False) -> str:
        return "{}" if self._empty and not cut else ""


class ValueMember:
    """An `ArgumentsReader` for arguments that are an object with only the JSON member `name`. The client gets
    the JSON text of the member's value as it comes, with any text after it but for the closing brace of the
    object at the very end. Arguments that do not begin with this member pass unchanged; if they are only
    white space or an opening brace, the client gets "".
    """

    __slots__ = ("_begun", "_extent", "_head", "_held")

    def __init__(self, name: str) -> None:
        self._head = _Head(f"{{{json.dumps(name)}:")
        self._extent = JsonExtent()
        self._extent.feed("{")
        self._begun = False
        self._held = ""

    def feed(self, text: str) -> str:
        """Take the next piece, and return the text that can be passed on. A last brace is held back, because
        it may be the end of the object around the value.
        """
        text = self._head.feed(text)
        if self._head.state != "past":
            return text
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        self._extent.feed(text)
        text = self._held + text
        last = text.rfind("}")
        if last < 0 or text[last + 1 :].strip():
            self._held = ""
            return text
        self._held = text[last:]
        return text[:last]

    def close(self, *, cut: bool = False) -> str:
        """Return the rest of the client's text, after the last piece. A last brace is part of it if the
        object around the value has not ended. `cut` changes nothing.
        """
        return self._head.close() if self._extent.ended() else self._held or self._head.close()


class StringMember:
    """An `ArgumentsReader` for arguments that are an object with only the JSON member `name`, a string. The
    client gets the decoded string, without any text after it. An escape that JSON does not have stays as it
    is written; a surrogate without its other half becomes U+FFFD. Arguments that begin in another way pass
    unchanged, but an empty object, white space or an opening brace gives "".
    """

    __slots__ = ("_all_empty", "_done", "_head", "_held")

    def __init__(self, name: str) -> None:
        self._head = _Head(f'{{{json.dumps(name)}:"')
        self._held = ""
        self._done = False
        self._all_empty = True  # whether no text was returned of arguments that begin in another way

    def feed(self, text: str) -> str:
        """Take the next piece, and return the characters of the string that are complete. If the arguments
        begin in another way, return their text; but an empty object is held back, because it may be all of
        them.
        """
        text = self._held + self._head.feed(text)
        self._held = ""
        if self._head.state != "past":
            if self._all_empty and _NO_MEMBER.fullmatch(text):
                self._held, text = text, ""
            self._all_empty = self._all_empty and not text
            return text
        pieces: list[str] = []
        while text and not self._done:
            characters = _CHARACTERS.match(text)
            end = characters.end() if characters else 0
            pieces.append(_unescaped(text[:end]))
            text = text[end:]
            if text.startswith('"'):
                self._done = True
            elif _HALF.fullmatch(text):
                self._held, text = text, ""
            else:  # an escape that JSON does not have
                pieces.append(text[:2])
                text = text[2:]
        return "".join(pieces)

    def close(self, *, cut: bool = False) -> str:
        """Return the rest of the client's text, after the last piece. Of the string, this is U+FFFD for the
        first half of a surrogate pair, otherwise "": half of an escape is dropped. If the arguments end
        within the expected beginning (`{"in`), this is their whole text, but "" for white space or an opening
        brace. If they began in another way, it is "", because `feed` has returned all of them.
        `cut` changes nothing.
        """
        return "\ufffd" if _HIGH.match(self._held) else self._head.close()


_CHARACTERS: Final = re.compile(
    r"""(?:
      [^"\\]+
    | \\["\\/bfnrt]
    | \\u(?![dD][89abAB])[0-9a-fA-F]{4}                   # no high surrogate
    | \\u[dD][89abAB][0-9a-fA-F]{2}                       # a high surrogate
      (?:
        \\u[dD][c-fC-F][0-9a-fA-F]{2}                     # and its other half
      | (?=[^\\]|\\[^u]|\\u(?:[^dD]|[dD](?:[^c-fC-F]|[c-fC-F][0-9a-fA-F]?[^0-9a-fA-F])))
      )
    )+""",
    re.VERBOSE | re.DOTALL,
)
"""Matches characters and escapes of a JSON string. A high surrogate is matched alone only if the text after
it shows that it has no other half.
"""
# White space is limited, because the object is held back and matched again for each piece.
_NO_MEMBER: Final = re.compile(r"\s{0,256}\{\s{0,256}\}\s{0,256}")
_HIGH: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}")
_HALF: Final = re.compile(
    r"(?:\\(?:u(?:[0-9a-fA-F]{0,3}|[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u[0-9a-fA-F]{0,3})?)?)?)?)?"
)
"""Matches the beginning of an escape, which more text may complete."""


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    plain = json.loads(f'"{text}"', strict=False)
    assert isinstance(plain, str)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _reader(member: str | None) -> Callable[[], ArgumentsReader]:
    return WholeObject if member is None else partial(ValueMember, member)


INPUT: Final = "input"
"""The only parameter of a function that replaces a free-text tool. It holds the tool's input."""
_INPUT: Final = partial(StringMember, INPUT)


class _Head:
    """Skips the expected beginning of an object, for example `{"input":"`, with any white space between its
    tokens. state: "in" = the text so far may be this beginning; "past" = the beginning is complete; "other" =
    the text begins in another way.
    """

    __slots__ = ("_expected", "_place", "_seen", "state")

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._place = 0
        self._seen = ""
        self.state = "in"

    def feed(self, text: str) -> str:
        """Take the next piece, and return the text that follows the beginning; "" while the beginning is not
        complete. If the text begins in another way, all of it is returned.
        """
        if self.state != "in":
            return text
        between = (0, 1, self._expected.index(":"), len(self._expected) - 1)
        for at, character in enumerate(text):
            if character == self._expected[self._place]:
                self._place += 1
                if self._place == len(self._expected):
                    self.state = "past"
                    return text[at + 1 :]
            elif not (character.isspace() and self._place in between):
                self.state = "other"
                return self._seen + text
        self._seen += text
        return ""

    def close(self) -> str:
        """Return the text that is still held back; "" if it is only white space or an opening brace."""
        return "" if self.state != "in" or self._seen.strip() in {"", "{"} else self._seen
