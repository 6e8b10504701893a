"""What the simulator is told to do: by its model's name, or by a line in the last user message. Pure.

    echo   lorem:50+think   tools:2   fail:429:3   wait:1+rate:20+die:5

Behaviours are joined by `+`, their arguments by `:`. A line `simulate: fail:503` in the last user text is
added to what the model's name says.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from dragoman import ir


class Plan(msgspec.Struct, frozen=True):
    """How to behave. None = not told.

    kind: drawn words or the user's own. length: tokens of drawn text. calls: tool calls to make.
    thinks, refuses: a thought first; a refusal instead. wait: seconds before the first token. rate:
    tokens a second. status, retry_after: the HTTP status to fail with, and seconds. die, silence: after how
    many pieces to break off, or to say nothing more.
    """

    kind: Literal["lorem", "echo"] = "lorem"
    length: int | None = None
    calls: int = 0
    thinks: bool = False
    refuses: bool = False
    wait: float | None = None
    rate: float | None = None
    status: int | None = None
    retry_after: float | None = None
    die: int | None = None
    silence: int | None = None


_STATUSES: Final = (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 504, 529)
_LIMIT: Final = 100_000
_LONGEST: Final = 500
"""Characters of all behaviours together."""


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= _LIMIT:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number <= _LIMIT:
        raise ValueError
    return number


def _rate(text: str) -> float:
    if not (number := _seconds(text)):
        raise ValueError
    return number


def _status(text: str) -> int:
    if (number := int(text)) not in _STATUSES:
        raise ValueError
    return number


class _Behaviour(msgspec.Struct, frozen=True):
    """What one word sets: fixed values, and the fields that its arguments fill, optional from `needs` on."""

    sets: dict[str, Any] = {}
    takes: tuple[tuple[str, Callable[[str], Any]], ...] = ()
    needs: int = 0


_BEHAVIOURS: Final = {
    "echo": _Behaviour({"kind": "echo"}),
    "lorem": _Behaviour({"kind": "lorem"}, (("length", _count),)),
    "tools": _Behaviour({"calls": 1}, (("calls", _count),)),
    "think": _Behaviour({"thinks": True}),
    "refuse": _Behaviour({"refuses": True}),
    "slow": _Behaviour({"wait": 2.0, "rate": 5.0}),
    "wait": _Behaviour({}, (("wait", _seconds),), 1),
    "rate": _Behaviour({}, (("rate", _rate),), 1),
    "fail": _Behaviour({"status": 500}, (("status", _status), ("retry_after", _seconds))),
    "die": _Behaviour({"die": 5}, (("die", _count),)),
    "silence": _Behaviour({"silence": 0}, (("silence", _count),)),
}

MODELS: Final = ("echo", "lorem", "slow", "think", "tools")
"""The names to show in a list of models; any other combination answers too."""


def plan(told: str, base: Plan | None = None) -> Plan:
    """The behaviours as one plan, added to `base`. Raises ValueError with a sentence for a person."""
    if len(told) > _LONGEST:
        raise ValueError(f"The simulator's instructions can have at most {_LONGEST} characters.")
    changes: dict[str, Any] = {}
    for part in told.split("+"):
        name, *arguments = part.strip().split(":")
        behaviour = _BEHAVIOURS.get(name)
        if behaviour is None:
            near = difflib.get_close_matches(name[:40], _BEHAVIOURS, n=1) or list(_BEHAVIOURS)
            raise ValueError(f"The simulator has no behaviour {name[:40]!r}. Try {' or '.join(near)}.")
        if not behaviour.needs <= len(arguments) <= len(behaviour.takes):
            wanted = "".join(f":{field}" for field, _ in behaviour.takes)
            raise ValueError(f"Write the simulator's behaviour {name!r} like this: {name + wanted!r}.")
        changes |= behaviour.sets
        for (field, read), argument in zip(behaviour.takes, arguments, strict=False):
            try:
                changes[field] = read(argument)
            except ValueError:
                message = f"{argument[:40]!r} is not a valid {field} for the simulator's behaviour {name!r}."
                raise ValueError(message) from None
    return msgspec.structs.replace(base or Plan(), **changes)


_LINE: Final = re.compile(r"^[ \t]*simulate:[ \t]*(\S[^\n]*)\n?", re.MULTILINE)
"""It never looks twice at a character, however many blanks a line has."""


def told(model: str, request: ir.Request) -> tuple[Plan, str]:
    """The plan for a request, and the last user message's text without the line that tells one.

    A line that is no plan is text like any other. Raises ValueError when the model's name is none.
    """
    made = plan(model)
    said = last_said(request)
    line = _LINE.search(said) if "simulate:" in said else None
    if line is None:
        return made, said
    try:
        made = plan(line[1].rstrip(" \t"), made)
    except ValueError:
        return made, said
    return made, said[: line.start()] + said[line.end() :]


def last_said(request: ir.Request) -> str:
    """The text of the last user message that has any."""
    for message in reversed(request.messages):
        if message.role == "user":
            texts = [block.text for block in message.blocks if isinstance(block, ir.Text)]
            if texts:
                return "\n".join(texts)
    return ""
