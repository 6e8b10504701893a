"""Leftovers: wire members without an IR field. A decoder puts them into `extra`, under its dialect's name. An
encoder of that dialect writes them back, one of a related dialect some; others report them as lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from dragoman.dialects.counterparts import why_lost
from dragoman.dialects.loss import MOST, Report
from dragoman.dialects.severity import of_member
from dragoman.ir import Extra


class Leftovers:
    """Collects and writes back the leftover members of one dialect.

    dialect: its name. nulls: True = members with null are collected, too. whole: True = a leftover inside an
    object that the encoder did not write creates this object again, False = its name is written with the dot.
    """

    __slots__ = ("_dialect", "_nulls", "_whole")

    def __init__(self, dialect: str, *, nulls: bool = False, whole: bool = False) -> None:
        self._dialect = dialect
        self._nulls = nulls
        self._whole = whole

    def of(self, wire: Mapping[str, Any], known: frozenset[str], within: str = "") -> Extra:
        """The members of a wire object that are not `known`, as the `extra` of an IR struct; None = none.

        within: the object is inside this member (`function`) of the struct's own object; the leftovers are
        then named `function.NAME`.
        """
        if wire.keys() <= known:
            return None
        before = within + "." if within else ""
        nulls = self._nulls
        rest = {
            before + key: value
            for key, value in wire.items()
            if key not in known and (nulls or value is not None)
        }
        return {self._dialect: rest} if rest else None

    def restore(self, out: dict[str, Any], extra: Extra, report: Report, where: str) -> None:
        """Write the leftovers in `extra` of this dialect, and the `SHARED` ones of a related one, into the
        encoded object `out`; report the others as lost.

        where: the IR path of the struct that has this `extra`; "" = the request or the response itself.
        """
        for dialect, members in (extra or {}).items():
            if dialect != self._dialect:
                same = self._same(dialect, members) if ".blocks[" not in where else {}
                out.update(same)
                rest = {key: value for key, value in members.items() if key not in same} if same else members
                lose_members(rest, report, where, dialect)
                continue
            for key, value in members.items():
                holder, dot, member = key.partition(".")
                if dot and isinstance(inner := out.get(holder), dict):
                    _put(inner, member, value, report, f"{where}.{key}" if where else key)
                elif dot and self._whole:
                    out[holder] = {member: value}
                else:
                    _put(out, key, value, report, f"{where}.{key}" if where else key)

    def _same(self, dialect: str, members: Mapping[str, Any]) -> dict[str, Any]:
        if KIN.get(self._dialect) != dialect:
            return {}
        return {key: value for key, value in members.items() if key in SHARED}


KIN: Final = {"openai_chat": "openai_completions", "openai_completions": "openai_chat"}
"""Dialect -> the related dialect whose responses have the `SHARED` members, too."""
SHARED: Final = frozenset({"system_fingerprint", "prompt_filter_results", "content_filter_results"})
"""The members of responses that related dialects have in common: OpenAI's, and Azure's."""


def _put(out: dict[str, Any], key: str, value: Any, report: Report, place: str) -> None:
    """Write a leftover into `out`; report it as lost if `out` has a value of another type there, except null,
    "" and members in `_FILLED`. place: the IR path for the report.
    """
    written = out.get(key)
    kinds = {type(written), type(value)}
    if written is None or written == "" or len(kinds) == 1 or kinds == _NUMBERS or key in _FILLED:
        out[key] = value
    else:
        report.lose(place, "its value has the wrong type", "hint")


_NUMBERS: Final = {int, float}
_FILLED: Final = frozenset(
    {"id", "model", "created", "created_at", "responseId", "modelVersion", "createTime"}
)
"""Members that an encoder of responses fills in itself. A leftover of any type replaces the value."""


def lose_members(members: Mapping[str, Any], report: Report, where: str, dialect: str) -> None:
    """Report leftovers of another dialect (`dialect`) as lost, except null. where: IR path of their struct.

    Losses in a response are hints, because no client asked for these members.
    """
    asked = report.direction == "request"
    for key, value in islice(members.items(), 2 * MOST):  # a report lists no more
        if value is not None:
            place = f"{where}.{key}" if where else key
            if asked:
                reason = why_lost(dialect, key, report.dialect, top=not where)
                report.lose(place, reason, of_member(dialect, key))
            else:
                report.lose(place, f"this field of {dialect} responses is not translated", "hint")
