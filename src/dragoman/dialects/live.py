"""Realtime sessions over WebSockets, as one protocol has them: addresses, messages and errors.

A session is relayed between two sides of the same protocol. A `Talk` reads each message, to replace model
names and to find out what was used. It changes nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import msgspec

from dragoman import ir

Message: TypeAlias = str | bytes
"""A WebSocket message: text, or binary."""


class Used(msgspec.Struct, frozen=True):
    """What a provider states that it has billed. usage: tokens, None = none are stated. units: other amounts,
    by the names in `ir.units`. model: the provider's name of another model that has done the work, such as
    the one that transcribes the client's speech; None = the model of the session.
    """

    usage: ir.Usage | None = None
    units: Mapping[str, int] = {}
    model: str | None = None


class Heard(msgspec.Struct, frozen=True):
    """A provider's message. message: as the client reads it. begins: the model begins a reply, or goes on
    with it. ends: the running reply is over. used: what was billed. fault: the message is an error.
    """

    message: Message
    begins: bool = False
    ends: bool = False
    used: tuple[Used, ...] = ()
    fault: ir.Fault | None = None


class Names(msgspec.Struct, frozen=True):
    """The names of one session's model. upstream: the provider's. shown: the name that the client reads; None
    = the provider's. allowed: the names by which the client may call it.
    """

    upstream: str
    shown: str | None
    allowed: frozenset[str]


class Talk(Protocol):
    """One session with one provider."""

    def opening(self) -> Sequence[Message]:
        """The messages that have to be sent to the provider before it says anything."""

    def said(self, message: Message) -> Message:
        """A client's message, as the provider gets it. Raises WireError if the provider must not get it."""

    def heard(self, message: Message) -> Heard:
        """A provider's message."""

    def error(self, fault: ir.Fault) -> str | None:
        """The message that tells the client of a failure; None = the protocol has none, so the reason stands
        in the close frame.
        """


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """The realtime sessions of a protocol. paths: where clients open them. address: the provider's URL with
    `{model}`, from its base URL and the query of all its URLs; None = the provider has no such sessions.
    talk: begins a session; its second argument is the first message, if that names the model. model: reads
    the model's name in a client's first message and raises WireError if there is none; None = the query of
    the handshake names the model. closed: the fault that a close code and its reason mean. fatal: whether a
    message that `Talk.said` refuses ends the session.
    """

    paths: tuple[str, ...]
    address: Callable[[str, str], str | None]
    talk: Callable[[Names, Message | None], Talk]
    model: Callable[[Message], str] | None = None
    closed: Callable[[int, str], ir.Fault]
    fatal: bool = False


def closing(code: int, reason: str) -> ir.Fault:
    """The fault of a provider that closes a session before the session has begun, for all protocols.

    The codes are those of RFC 6455, section 7.4.1, and of https://www.iana.org/assignments/websocket.
    """
    text = f"The provider closed the realtime session with code {code}{': ' if reason else '.'}{reason}"
    if code == _TRY_AGAIN:
        return ir.Fault("overloaded", text, blame="upstream")
    if code in _REFUSALS:
        return ir.Fault("invalid_request", text, "session_refused")
    return ir.Fault("upstream", text, "session_closed", blame="upstream")


_TRY_AGAIN = 1013
_REFUSALS = frozenset({1003, 1007, 1008, 1009})
"""The codes with which a server refuses what it has read."""
