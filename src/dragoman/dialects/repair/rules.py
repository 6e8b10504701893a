"""The rules of a protocol for the history (the messages) of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from dragoman import ir
from dragoman.ir.blocks import Value

CUT_OFF: Final = "The call was never answered: it was cancelled or its result was lost."


class Why(NamedTuple):
    """How a repair is reported. to: JSON path of the repaired value in the encoded body, where `{at}` stands
    for the index of the encoded message and `{part}` for that of its part. reason: the change's or loss's.
    """

    to: str
    reason: str


_SILENT: Final = Why("", "")


def anything(_: ir.Block) -> bool:
    """Always True: the default of a rule that selects blocks."""
    return True


class Rules(Value, frozen=True, kw_only=True):
    """The rules of a protocol for a history. A `Why` is how a repair is reported; None = no such repair.

    dialect: the protocol's name. order: "turns" = roles alternate, and the results of a turn come first;
    "messages" = each result is a message directly after its call; "items" = any order, results after calls.
    says: whether the protocol writes anything for a block.

    fit: turns a call's id into one that the protocol accepts. mint: the pattern of the id for a call
    without an id, None = the call needs no id. The pattern may use the {index} of the message, the {position}
    among the turn's calls, the number of {known} calls so far and of {minted} ids. ids: "unique" = no two
    calls share an id; "shared" = one result answers all calls with an id. renamed: an id was changed.

    patient: a result may come later than in the message after its call. named: a result states the name of
    its call; "missing" = only if the client stated no name. in_order: results have the order of the calls.
    absent: the text of the result for a call without a result, None = the call needs none (reported as
    `added`). needs: the calls that must have a result. orphans: how a result without its call is written
    (reported as `orphaned`): "words" = as text of the user; "error" = the request is refused; "kept" = as a
    result; "any" = so, and no call is looked up. words: the text before the content of such a result, with
    the tool's {name}; {text} stands for the texts in the content.

    moves: whether this medium of this assistant's message moves to the user (reported as `moved`). takes_out:
    whether this medium of a result does. transcribed: audio of the assistant is sent as its transcript.

    bridge: a message "OK" of the assistant is added between a tool's result and the user. tagged: system text
    after the first message becomes tagged text of the user. between: some models accept system text between
    the user and the assistant (`Facts.mid_system`). opened: a message of the user is put first. opens: what
    needs this: "assistant" = a first message of the assistant; "calls" = only one with calls; an empty
    history always needs it. asked: the last system message becomes the user's when there are only system
    messages. continued: a last message of the user asks the model to continue.
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
