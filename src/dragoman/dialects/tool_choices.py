"""What becomes of a request's tool choice in a protocol that cannot write it: the tools that it does not
allow are left out, and without tools the choice itself is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman import ir
from dragoman.dialects.loss import Report

_NO_TOOLS = "the request has no tools"


def allowed_names(
    choice: ir.ToolChoice | None, report: Report, place: str = "tools"
) -> frozenset[str] | None:
    """Return the names of the tools to send, if the choice allows only some tools and leaves it to the model
    which of them it calls; this is reported as a change. None = all tools are sent. place: the body's member
    with the tools.
    """
    if choice is None or choice.mode not in {"auto", "any"} or not choice.names:
        return None
    report.change("tool_choice", place, "only the allowed tools are sent")
    return frozenset(choice.names)


def lose_choice(
    request: ir.Request, report: Report, restore: Callable[[dict[str, Any], ir.Extra, Report, str], None]
) -> None:
    """Report what a request without tools says of them: a choice that asks for a call, or the leftovers of
    another choice, and a ban on parallel calls. restore: `Leftovers.restore` of the dialect that is written.
    """
    choice = request.tool_choice
    if choice is not None and choice.mode not in {"auto", "none"}:
        report.lose("tool_choice", _NO_TOOLS, "hint")
    elif choice is not None:
        restore({}, choice.extra, report, "tool_choice")
    if request.parallel is False:
        report.lose("parallel", _NO_TOOLS, "hint")
