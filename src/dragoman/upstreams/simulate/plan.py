"""The simulator's instructions. They are in the model's name, and for a chat also in a line of the last user
message with text. Pure.

    echo   lorem:50+think   tools:2   fail:429:3   wait:1+rate:20+die:5

`+` joins behaviours, `:` separates the arguments of a behaviour. A line like `simulate: fail:503` is added
to the instructions in the model's name, and wins over them. Only the first such line counts. An invalid line
is ordinary text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from dragoman import ir


class Plan(msgspec.Struct, frozen=True):
    """The simulator's instructions for one request. None = no instruction, if nothing else is said.

    kind: "lorem" = answer with random words, "echo" = with the user's own text; a schema for the answer, or
    tool results, decide the text instead. length: the number of tokens of the random text; without an
    instruction, 24 to 71. calls: the number of tool calls to make, 0 = as the tool choice and the user's text
    say. thinks: begin with thinking. refuses: refuse instead of answering. wait: seconds before the first
    token. rate: tokens per second. status: the HTTP status to fail with. retry_after: the seconds that this
    failure asks the client to wait; None = 1 for 429, 503 and 529, nothing for others. die: the number of
    tokens after which a longer answer ends with an error. silence: the number of tokens after which nothing
    more of a longer answer is sent.
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
"""The most characters of all behaviours together."""


def _seconds(text: str) -> float:
    if not 0 <= (number := float(text)) <= _LIMIT:
        raise ValueError
    return number


def _count(text: str) -> int:
    _seconds(text)
    return int(text)


def _rate(text: str) -> float:
    if not (number := _seconds(text)):
        raise ValueError
    return number


def _status(text: str) -> int:
    if (number := int(text)) not in _STATUSES:
        raise ValueError
    return number


class _Behaviour(msgspec.Struct, frozen=True):
    """One behaviour that a user can name. sets: {field of the plan: value that the behaviour gives it}.
    takes: for each possible argument, in order, the field that the argument sets and the function that reads
    the argument. needs: the number of required arguments.
    """

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
"""The model names in the model list, one behaviour each. Any other behaviour or combination of behaviours is
a model name, too.
"""


def plan(told: str, base: Plan | None = None) -> Plan:
    """Return the plan for instructions in a text (`lorem:50+think`). told: this text. base: the plan whose
    fields the instructions replace, None = the default plan. Raises ValueError, with a text for users, if the
    instructions are invalid.
    """
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
"""Matches an instruction line; group 1 is its behaviours. It reads each character once, even if there are
many blanks.
"""


def told(named: Plan, request: ir.Request) -> tuple[Plan, str]:
    """Return (the plan for a chat request, the text of the last user message with text). The first line
    `simulate: …` in this text, if valid, replaces fields of the plan, and is removed from the text; an
    invalid line is ordinary text. named: the plan for the model's name.
    """
    said = last_said(request)
    line = _LINE.search(said) if "simulate:" in said else None
    if line is None:
        return named, said
    try:
        made = plan(line[1].rstrip(" \t"), named)
    except ValueError:
        return named, said
    return made, said[: line.start()] + said[line.end() :]


def last_said(request: ir.Request) -> str:
    """Return the text of the last user message that has text; "" if no user message has text."""
    for message in reversed(request.messages):
        if message.role == "user":
            texts = [block.text for block in message.blocks if isinstance(block, ir.Text)]
            if texts:
                return "\n".join(texts)
    return ""
