"""The base class of the encoders of streams, which write the IR's events as bytes of one protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Final

from dragoman import ir
from dragoman.dialects.loss import Report

_METHODS: Final[dict[type, str]] = {
    ir.Start: "_start",
    ir.Open: "_open",
    ir.TextDelta: "_text",
    ir.ArgsDelta: "_arguments",
    ir.ThinkDelta: "_think",
    ir.RefusalDelta: "_refuse",
    ir.SealDelta: "_seal",
    ir.MediaDelta: "_media",
    ir.Cite: "_cite",
    ir.Close: "_close",
    ir.Finish: "_finish",
    ir.Tally: "_tally",
    ir.More: "_more",
    ir.Raw: "_raw",
    ir.End: "_end",
    ir.Error: "_error",
    ir.Ping: "_ping",
}
"""Class of an event -> the name of the method that writes the event."""


class EventEncoder:
    """The base class of the encoders of streams. `_table` is made for each subclass: class of an event -> the
    subclass's method that writes the event; the method is not bound, so it is called with the encoder and the
    event. The definition of a subclass without one of the methods in `_METHODS` raises AttributeError.
    """

    __slots__ = ()
    _table: ClassVar[dict[type, Callable[..., bytes]]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._table = {event: getattr(cls, method) for event, method in _METHODS.items()}


def lose_event(event: ir.Raw, report: Report) -> bytes:
    """Report an event of another protocol as lost, once for each protocol. Returns b"", which is what is
    written of it.
    """
    report.lose("events", f"this protocol has no such event of {event.dialect}", "hint")
    return b""
