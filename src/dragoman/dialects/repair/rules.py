"""What a protocol asks of a history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from dragoman import ir
from dragoman.ir.blocks import Value

CUT_OFF: Final = "The call was never answered: it was cancelled or its result was lost."


class Why(NamedTuple):
    """How a repair is reported: where its outcome stands in the body that is written, and the reason.

    to: may name `{at}`, the index of the message that is written, and `{part}`, the index in it.
    """

    to: str
    reason: str


_SILENT: Final = Why("", "")


def anything(_: ir.Block) -> bool:
    """Every block."""
    return True


class Rules(Value, frozen=True, kw_only=True):
    """What a protocol asks of a history.

    dialect: the protocol's name. order: "turns" = roles alternate, and the results of a turn come first;
    "messages" = each result is a message right after its call; "items" = any order, results after the calls.
    says: whether a block leaves anything in a message of this protocol.

    fit: gives the id of a call in the form that the protocol accepts. mint: the pattern of an id for a call
    without one, None = it needs none. The pattern may name the {index} of the message, the {position} among
    the turn's calls, the {known} calls so far and the {minted} ids. ids: "unique" = no two calls share an id;
    "shared" = one result answers all calls of an id. renamed: why an id was changed, where ids are unique.

    patient: a call waits for its result beyond the next message. named: a result states the name of its
    call; "missing" = only where the client stated none. in_order: results stand in the order of the calls.
    absent: the text of the result for a call without one, None = the call may stay without. needs: which
    calls must have a result. orphans: what becomes of a result without its call: "words" = text of the
    user's; "any" = its call is not looked for. words: the text before the content of such a result, with its
    {name}; with {text} the content's own text stands in it.

    moves: which media of an assistant's message move to the user. takes_out: which media of a result do.
    transcribed: why sound of the assistant's is sent as its transcript, None = it is not.

    bridge: why the assistant says "OK" between a tool's result and the user, None = it need not.
    tagged: why system text in the middle becomes tagged text of the user's, None = it may stand there.
    between: some models accept system text between the user and the assistant (`Facts.mid_system`).
    opened: why the user is made to begin, None = anybody may. opens: what the user must come before: any
    message of the assistant's, one with calls, or the end of an empty history. asked: why the last system
    message becomes the user's, where nobody else speaks. continued: why the user asks for more at the end.
    """

    dialect: str
    order: Literal["turns", "messages", "items"]
    says: Callable[[ir.Block], bool] = anything

    fit: Callable[[str], str] = str
    mint: str | None = None
    ids: Literal["unique", "shared", "any"] = "any"
    renamed: Why = _SILENT
    patient: bool = False
    named: Literal["missing", "always"] | None = None
    in_order: bool = False

    absent: str | None = None
    added: Why = _SILENT
    needs: Callable[[ir.ToolCall], bool] = anything
    orphans: Literal["words", "error", "kept", "any"] = "error"
    words: str = ""
    orphaned: Why = _SILENT

    moves: Callable[[ir.Media, ir.Message], bool] | None = None
    moved: Why = _SILENT
    takes_out: Callable[[ir.Media], bool] | None = None
    taken_out: Why = _SILENT
    transcribed: Why | None = None

    bridge: Why | None = None
    tagged: Why | None = None
    between: bool = False
    opened: Why | None = None
    opens: Literal["assistant", "calls", "empty"] = "empty"
    asked: Why | None = None
    continued: Why | None = None
