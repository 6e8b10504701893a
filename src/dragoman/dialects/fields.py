"""States how a dialect handles each field of a request, so that no encoder silently forgets a field.

Every dialect lists the fields of `ir.Request` and of the settings in it (`PLACES`), except those in `_DONE`,
in one `Fields` object: either the function that handles a field, or the reason why the protocol has no member
for the field. A dialect that does not list a field cannot be imported (docs/decisions/0025-member-rows.md).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from operator import attrgetter
from typing import Any, Final, TypeAlias

from dragoman import ir
from dragoman.dialects.loss import Report

STATE: Final[Mapping[str, str]] = {
    "previous": "this protocol does not store responses",
    "conversation": "this protocol does not store conversations",
    "background": "this protocol has no background mode",
}
"""Fields that only a server that stores state can obey -> the loss reason in a protocol whose servers store
none."""
ANSWERS_ONLY: Final[Mapping[str, str]] = {
    **STATE,
    "store": "this protocol does not store responses",
    "moderation": "this protocol has no moderation like OpenAI's",
    "user": "this protocol has no end user id",
    "safety_identifier": "this protocol has no end user id",
}
"""Fields that a protocol lacks if it has only prompts and answers -> the loss reason."""

_SETTINGS: Final[Mapping[str, ir.Value]] = {
    "": ir.Request("", None),
    "sampling": ir.Sampling(),
    "output": ir.Output(),
    "reasoning": ir.Reasoning(),
    "cache": ir.Caching(),
}
"""Name of a request's field with a group of settings -> the empty group; "" -> the empty request itself."""
_FORMS: Final = frozenset({"dialect", "form", "forms", "extra"})
"""Fields that record how a dialect wrote a request, not what the request asks for."""
PLACES: Final = tuple(
    f"{holder}.{field}" if holder else field
    for holder, settings in _SETTINGS.items()
    for field in settings.__struct_fields__
    if field not in _FORMS and field not in _SETTINGS
)
"""Every field of `ir.Request` and of its groups of settings, except `_FORMS`: `max_output`, `sampling.seed`.
"""
_DONE: Final = frozenset({"truncation"})
"""Fields that the gateway handles before it encodes a request (`shorten`), so a dialect need not list them.
"""


class Fields:
    """How one dialect handles the fields of a request.

    handled: function -> the names of the fields that the function handles: it writes, adapts, reports or
    refuses their values. lost: name of a field for which the protocol has no member -> the loss reason that a
    client reads. In `lost`, the name of a group of settings (`reasoning`) stands for all fields of the group.
    The attribute `handled` is the list of the handled fields, without the functions.

    Raises TypeError if a field of `PLACES` that is not in `_DONE` is missing, if a name is stated twice, or
    if a name is neither a field in `PLACES` nor, in `lost`, a group. A field of a lost group may be handled.
    """

    __slots__ = ("_lost", "handled")

    def __init__(
        self,
        dialect: str,
        *,
        handled: Mapping[Callable[..., object], Collection[str]],
        lost: Mapping[str, str],
    ) -> None:
        self.handled: Final = [place for places in handled.values() for place in places]
        stated = [*self.handled, *lost]
        whole = lost.keys() & _SETTINGS.keys()
        known = {place for place in PLACES if place in stated or _holder(place) in whole}
        twice = {place for place in stated if stated.count(place) > 1}
        for wrong, words in (
            (set(PLACES) - known - _DONE, "states nothing of"),
            (set(stated).difference(PLACES, whole), "states what no request has:"),
            (twice, "states two things of"),
        ):
            if wrong:
                raise TypeError(f"the dialect {dialect} {words} {', '.join(sorted(wrong))}")
        self._lost: Final = {
            holder: _lost(empty, {place: why for place, why in lost.items() if _holder(place) == holder})
            for holder, empty in _SETTINGS.items()
        }

    def lose(
        self, settings: ir.Value, report: Report, holder: str = "", *, written: Collection[str] = ()
    ) -> None:
        """Report each field in `lost` whose value in `settings` is neither None nor the field's default. An
        empty, zero or false value of a field in `_NEUTRAL` asks for nothing, so it is not reported, either.

        settings: a request, or one group of settings of a request. holder: the name of the request's field
        with this group; "" = `settings` is the request. written: names of fields, without the group's name
        (`seed`), that are not reported, because this server has a member for them.
        """
        values_of, nothing, fields = self._lost[holder]
        values = values_of(settings)
        if values == nothing:
            return
        for (field, place, reason), value, default in zip(fields, values, nothing, strict=False):
            if value is None or value == default or field in written:
                continue
            if value or place not in _NEUTRAL:
                report.lose(place, reason)


_Lost: TypeAlias = tuple[
    Callable[[ir.Value], tuple[Any, ...]], tuple[Any, ...], tuple[tuple[str, str, str], ...]
]
"""The lost fields of one group of settings: (a function that returns their values, their default values, for
each field (name, IR path, loss reason))."""


def _lost(empty: ir.Value, reasons: Mapping[str, str]) -> _Lost:
    names = [place.rpartition(".")[2] for place in reasons]
    values = attrgetter(*names, "__class__", "__class__")  # a single name would give no tuple
    return values, values(empty), tuple(zip(names, reasons, reasons.values(), strict=True))


def within(holder: str, fields: str) -> tuple[str, ...]:
    """Return the full names of some fields in one group of settings: `within("cache", "key ttl")` is
    ("cache.key", "cache.ttl").
    """
    return tuple(f"{holder}.{field}" for field in fields.split())


def _holder(place: str) -> str:
    return place.rpartition(".")[0]


_NEUTRAL: Final = frozenset(
    {
        *("user", "safety_identifier", "metadata", "tools", "store", "prediction", "moderation"),
        *("previous", "conversation", "background"),
        *within("sampling", "frequency_penalty presence_penalty stop logprobs logit_bias"),
        *within("output", "schema name description strict modalities audio verbosity"),
    }
)
"""Fields whose zero, false or empty value asks for nothing, so such a value is not reported as lost. In every
other field, such a value has a meaning: `temperature: 0`."""
