"""Repairs the history (the messages) of a chat request, so that it follows the rules of the target's
protocol: the protocol of the provider that gets the request.

A client's history follows the rules of the client's protocol. A history that was cut off or cancelled may
break even these rules. The target states its own rules (`Rules`):

    roles     user and assistant must alternate, or only the messages of one answer are joined, or none are
    ids       a call without an id gets one if it needs one; an id that would be refused is changed
    results   come first in the user's turn, or each directly after its call, or anywhere after it;
              a call that needs a result and has none gets one;
              a result without a call becomes text of the user, or is refused, or stays
    media     move to the user if a result or the assistant's message cannot hold them
    ends      the user may have to send the first message, and the last

The same history, rules and facts always give the same turns, because prompt caches compare prompts. Pure. The
encoder of the target writes the turns in order, and reports the repairs that each turn notes.
"""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.repair.alternating import Alternating
from dragoman.dialects.repair.calls import Repair
from dragoman.dialects.repair.items import Items
from dragoman.dialects.repair.kept import kept
from dragoman.dialects.repair.messages import Messages
from dragoman.dialects.repair.rules import Rules
from dragoman.dialects.repair.turn import Turn

_ORDERS: Final[dict[str, type[Repair]]] = {"turns": Alternating, "messages": Messages, "items": Items}


def repaired(request: ir.Request, rules: Rules, facts: Facts = UNKNOWN) -> list[Turn]:
    """Return the repaired history of a request, as the turns that the encoder of the target writes. The first
    turn is the top-level system text (`Request.system`), if there is any, except with the order "items".

    rules: those of the target's protocol. facts: of the model. Raises WireError for a tool result without its
    call, if the target refuses such results (`orphans` = "error").
    """
    turns = kept(request, rules)
    return _ORDERS[rules.order](request, rules, facts).turns if turns is None else turns
