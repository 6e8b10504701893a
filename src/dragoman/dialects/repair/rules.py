"""The rules of a protocol for the history (the messages) of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from dragoman import ir
from dragoman.ir.blocks import Value

CUT_OFF: Final = "The call was never answered: it was cancelled or its result was lost."


class Why(NamedTuple):
    """How a repair is reported: as a change or addition, with this reason. to: the JSON path of the repaired
    value in the encoded body; `{at}` in it stands for the index of the encoded message, and `{part}` for the
    index of a part in this message (only in `Rules.moved`).
    """

    to: str
    reason: str


_SILENT: Final = Why("", "")


def anything(_: ir.Block) -> bool:
    """Return True for every block: the default of a rule that selects blocks."""
    return True


class Rules(Value, frozen=True, kw_only=True):
    """The rules of a protocol for a history.

    A rule of the type `Why` says how a repair is reported. If its default is None, it also switches the
    repair on: None = this repair is never made (`tagged` and `opened` state exceptions). A name in brackets,
    such as ("turns"), means that a rule is only used for this `order`.

    - dialect: the protocol's name.
    - order: "turns" = user and assistant alternate, and results come first in the turn after their calls;
      "messages" = each result is a message directly after its call; "items" = any order, but a result comes
      after its call.
    - says: whether the protocol writes anything for a block. A message without such blocks counts as empty.

    Calls:

    - fit: turns a call's id into an id that the protocol accepts.
    - mint: the pattern of the id for a call that has none; None = the call needs none. The pattern may have
      {index} of the first message and {position} of the call in the turn ("messages"), {known} = how many ids
      there are so far (for "unique" ids), {minted} = how many ids were made, including this one.
    - ids: "unique" = no two calls may share an id; "shared" = one result answers all calls before it with its
      id; "any" = calls with the same id have a result each.
    - renamed: an id was changed (only reported for "unique").

    Results:

    - patient: True = a result may come late or never ("messages").
    - named: results state the name of the call's tool: "always", or "missing" = only if the client stated no
      name; None = they need no name.
    - in_order: True = results have the order of the calls ("turns").
    - absent: the text of the result that is added for a call without one; None = an empty text. The addition
      is reported as `added`.
    - needs: whether a call must have a result ("items").
    - orphans: what happens to a result without its call: "words" = it becomes text of the user, reported as
      `orphaned`; "error" = the request is refused; "kept" = it stays a result ("messages"); "any" = it stays
      a result, and the calls of results are never looked up.
    - words: the text that is put before the content of such a result. It may have the tool's {name}, and
      {text} = the plain texts of the content, which then move there.

    Media:

    - moves: whether this medium of this message of the assistant moves to the user, reported as `moved`; None
      = no medium does.
    - takes_out: whether this medium of a result moves to the user, reported with "messages" as `moved`, and
      with "turns" as `taken_out`; None = no medium does. Not used with "items".
    - transcribed: a medium of the assistant that has a transcript is replaced by the transcript.

    The order of the turns:

    - bridge: the assistant says "OK" between a result and a message of the user or the system ("messages").
    - tagged: system text becomes text of the user with a tag around it. With "turns" this is all system text
      after the beginning, unless `between` keeps it; None = it is not reported. With "messages" it is system
      text after the assistant, with media, or at the end. Not used with "items".
    - between: True = system text between the user and the assistant stays, if the model accepts it
      (`Facts.mid_system`) ("turns").
    - opened: a message of the user is added, if nothing else is written (with "turns": nothing but system
      turns at the beginning). With "turns", this rule must be stated, and the message is also put before the
      assistant's first turn, if no turn of the user comes before: `opens` = "assistant" means always, "calls"
      only if that turn has calls. "empty" = the order is not "turns". Not used with "items".
    - asked: if there are only system messages, the last of them becomes the user's ("messages").
    - continued: at the end the user asks the model to continue, if the assistant has spoken last and the
      model (`Facts.prefill`) cannot continue its message ("turns", where the rule must be stated).
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
