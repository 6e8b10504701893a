"""What a row of the table of chat fields is: a client's value, and what becomes of it at each upstream.

A row is a claim. It was written from the protocols' own pages before any code was asked, and the test holds
the code to the whole of it: what is written, what is lost and how badly, and that nothing else happens.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.severity import Severity

UPSTREAMS = ("openai_chat", "anthropic", "gemini", "mistral", "local", "simulate")
"""The columns, in the page's order: the names of dialects, and the upstreams that are no wire protocol."""

HELLO = {"role": "user", "content": "Ask get_weather about Oslo."}
"""What is asked where a row says nothing else. It names a tool, so that the simulator calls it."""


class Outcome(msgspec.Struct, frozen=True):
    """What becomes of a row's value at one upstream.

    kind: "mapped" (said in the upstream's own words), "emulated" (asked for in another way, and named as a
    change), "lost" (named as a loss), "refused" (HTTP 400) or "nothing" (nothing has to be said).
    writes: JSON paths in the upstream's request with their values (`...`: any). losses: JSON paths in the
    client's request, with severity. code, param: of the 400. note: for the reader of the page. model: the
    simulator's.
    """

    kind: Literal["mapped", "emulated", "lost", "refused", "nothing"]
    writes: dict[str, Any] = {}
    losses: dict[str, Severity] = {}
    code: str | None = None
    param: str | None = None
    note: str = ""
    model: str = "lorem"


class Row(msgspec.Struct, frozen=True):
    """One value of one member.

    field: the member's JSON path, with the kind of an element in brackets; label: the value, or what is said
    about it. says: the members of the client's request that are under test; given: those that it needs beside
    them. facts: what is known of the model, where the row is about that.
    """

    field: str
    label: str
    says: dict[str, Any]
    outcomes: dict[str, Outcome]
    given: dict[str, Any]
    facts: Facts

    @property
    def body(self) -> dict[str, Any]:
        """The whole request."""
        return {"model": "m", "messages": [HELLO], **self.given, **self.says}

    @property
    def bare(self) -> dict[str, Any]:
        """The same request without what is under test."""
        return {"model": "m", "messages": [HELLO], **self.given}


SAME = Outcome("mapped", note="as it is")
"""Written at the same place with the same value: the body is the client's own."""
NOTHING = Outcome("nothing")


def to(writes: dict[str, Any], note: str = "", *, model: str = "lorem") -> Outcome:
    """Said in the upstream's own words."""
    return Outcome("mapped", writes, note=note, model=model)


def emulated(note: str, writes: dict[str, Any], losses: dict[str, Severity] | None = None) -> Outcome:
    """Asked for in another way."""
    return Outcome("emulated", writes, losses or {}, note=note)


def lost(severity: Severity, *paths: str, note: str = "", writes: dict[str, Any] | None = None) -> Outcome:
    """Not carried, or not the whole of it. paths: where, the row's own member if none is given."""
    return Outcome("lost", writes or {}, dict.fromkeys(paths or ("",), severity), note=note)


def refused(code: str | None, param: str) -> Outcome:
    """HTTP 400."""
    return Outcome("refused", code=code, param=param)


def nothing(note: str) -> Outcome:
    """Nothing has to be said: it is so anyway, or done by the gateway."""
    return Outcome("nothing", note=note)


def row(
    field: str,
    says: dict[str, Any],
    anthropic: Outcome,
    gemini: Outcome,
    mistral: Outcome,
    local: Outcome,
    simulate: Outcome = NOTHING,
    *,
    chat: Outcome = SAME,
    label: str = "",
    given: dict[str, Any] | None = None,
    facts: Facts = UNKNOWN,
) -> Row:
    """A row whose outcomes differ."""
    outcomes = dict(zip(UPSTREAMS, (chat, anthropic, gemini, mistral, local, simulate), strict=True))
    here = _KIND.sub("", field)
    for upstream, outcome in outcomes.items():
        losses = {f"$.{path or here}": severity for path, severity in outcome.losses.items()}
        outcomes[upstream] = msgspec.structs.replace(outcome, losses=losses)
    return Row(field, label, says, outcomes, given or {}, facts)


_KIND = re.compile(r"\[[^\]]*\]")


def mistake(field: str, says: dict[str, Any], label: str, code: str | None, param: str, **given: Any) -> Row:
    """A row that every upstream refuses, because the client's request breaks its own protocol."""
    return Row(field, label, says, dict.fromkeys(UPSTREAMS, refused(code, param)), given, UNKNOWN)
