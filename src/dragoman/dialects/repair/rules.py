"""The rules of a protocol for the history (the messages) of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from dragoman import ir
from dragoman.ir.blocks import Value

CUT_OFF: Final = "The call was never answered: it was cancelled or its result was lost."


class Why(NamedTuple):
    """How a repair is reported: as a change or addition, for this reason. to: JSON path of the result in the
    encoded body, where `{at}` stands for the index of the encoded message and `{part}` for that of its part.
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

    fit: turns a call's id into one that the protocol accepts. mint: the pattern of the id for a call without
    an id, None = the call needs no id. Its words: {index} of the turn's first message and {position} of the
    call in the turn ("messages"); {known}: the number of ids so far ("unique"); {minted}: that of made ids,
    with this one. ids: "unique" = no two calls share an id; "shared" = one result answers all calls with an
    id; "any" = calls with an id have a result each. renamed: an id was changed (told only for "unique").

    patient: a result may come late or never ("messages"). named: the call's name is written into its result;
    "missing" = only if the client stated no name. in_order: results have the order of the calls ("turns").
    absent: the text of the result that is added for a call without one (reported as `added`). needs: the
    calls that must have a result ("items"). orphans: how a result without its call is written: "words" = as
    text of the user (reported as `orphaned`); "error" = the request is refused; "kept" = as a result
    ("messages"); "any" = so, and no call is looked up. words: the text before the content of such a result,
    with the tool's {name}; {text} = the content's plain texts, which move there.

    moves: whether this medium of this assistant's message moves to the user (reported as `moved`). takes_out:
    whether this medium of a result does (as `moved`, with "turns" as `taken_out`); None = none does.
    transcribed: a medium of the assistant with a transcript is sent as this.

    bridge: the assistant says "OK" between a result and what the user or the system says ("messages").
    tagged: system text becomes tagged text of the user: after the first message ("turns"); after the
    assistant, with media or at the end ("messages"). between: system text between the user and the assistant
    stays where the model accepts it (`Facts.mid_system`; "turns"). opened: a message of the user is put
    first, if nothing else is written; in "turns" also before a first message of the assistant, or only before
    one with calls, as `opens` says. asked: the last system message becomes the user's when there are only
    system messages ("messages"). continued: at the end the user asks to continue, if the assistant has spoken
    last and the model has no prefill ("turns").
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
