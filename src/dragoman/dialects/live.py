"""Realtime sessions over WebSockets in one protocol: addresses, messages and errors.

A session is relayed between a client and a provider of the same protocol. A `Talk` reads each message, to
replace model names and to find the usage.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from dragoman import ir

Message: TypeAlias = str | bytes
"""A WebSocket message: text, or binary."""


TRANSCRIBING = "transcription"
"""The value of `intent` in the query of a handshake that opens a session which only transcribes."""


class Used(msgspec.Struct, frozen=True):
    """An amount of work to be paid, as the provider states it or, for a transcript, as the gateway estimates
    it. usage: tokens; None = no tokens are known. units: other amounts, by their names in `ir.units`. model:
    the provider's name of the model that did this work, if it is not the session's model, such as the model
    that transcribes the client's speech; None = the session's model. transcript: True = the work is a
    transcript of the sound that the client has sent; an estimated usage counts only the transcript's text.
    """

    usage: ir.Usage | None = None
    units: Mapping[str, int] = {}
    model: str | None = None
    transcript: bool = False


class Spoken(msgspec.Struct, frozen=True):
    """A client's message as it was read. message: the message for the provider. sound: milliseconds of sound
    in the message that a model transcribes. by: the provider's name of this model, as `Used.model`. commits:
    True = the message ends the client's sound, so that all of it is transcribed.
    """

    message: Message
    sound: float = 0.0
    by: str | None = None
    commits: bool = False


class Heard(msgspec.Struct, frozen=True):
    """A provider's message as it was read. message: the message for the client. begins: True = the model
    begins or continues a reply. ends: True = the running reply is over. owed: True = the running reply is
    over, but a later message may state its usage. used: the amounts that the message states as billed. fault:
    the error that the message tells; None = the message is not an error. reply: the provider's id of the
    reply that the message is a part of; None = the message names no reply. transcriber: the provider's name
    of the model that transcribes the client's speech from now on; None = the message does not name one.
    speech: "heard" = the provider hears the client speak, or tells a part of a transcript that is not
    finished; "failed" = a transcript has failed; None = neither. answers: messages that the provider must get
    before any other one of the client.
    """

    message: Message
    begins: bool = False
    ends: bool = False
    owed: bool = False
    used: tuple[Used, ...] = ()
    fault: ir.Fault | None = None
    reply: str | None = None
    transcriber: str | None = None
    speech: Literal["heard", "failed"] | None = None
    answers: tuple[Message, ...] = ()


class Names(msgspec.Struct, frozen=True):
    """The names of one session's model. upstream: the provider's name. shown: the name in messages to the
    client; None = the provider's name. allowed: the names by which the client may call the model.
    transcribes: True = the session only transcribes, and this is the model that does it. unnamed: True = the
    URL of such a session does not name the model to the provider, so a message must.
    """

    upstream: str
    shown: str | None
    allowed: frozenset[str]
    transcribes: bool = False
    unnamed: bool = False


class Talk(Protocol):
    """One session with one provider: reads and edits the messages in both directions."""

    def opening(self) -> Sequence[Message]:
        """Return the messages that must be sent to the provider before it sends its first message. Raises
        WireError if the client's first message, which is one of them, must not be sent to the provider.
        """

    def said(self, message: Message) -> Spoken:
        """Read a client's message, and return it in the form for the provider with the sound in it. Raises
        WireError if the message must not be sent to the provider.
        """

    def heard(self, message: Message) -> Heard:
        """Read a provider's message, and return it in the form for the client with the facts that it states.
        Raises WireError for a malformed message; messages of types that are not read may be passed on.
        """


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """The realtime sessions of a protocol.

    paths: the gateway's paths at which clients open sessions. address: makes the URL of a provider's sessions
    from (the provider's base URL; the query of all its URLs with its `?`, or ""); `{model}` in the URL stands
    for the model's name, if the URL names it. It returns None if the provider has no such sessions. talk:
    begins a session; its second argument is the client's first message if that message names the model,
    otherwise None. model: reads the model's name out of a client's first message, and raises WireError if it
    names none; None = the query of the handshake names the model. closed: returns the fault for the code and
    the reason with which a provider closed a session that had not begun. error: returns the message that
    tells a client about a fault; it returns None if the protocol has no such message, and then the reason is
    sent in the close frame. fatal: True = a message that `Talk.said` refuses ends the session.

    transcribing: makes the URL, which does not name the model, of sessions that only transcribe; used for
    providers that refuse a URL with a model there (the quirk `transcribes_unnamed`). None = the protocol has
    no sessions that only transcribe. transcriber: as `model`, for the first message of a session that only
    transcribes, if the query of the handshake names no model.
    """

    paths: tuple[str, ...]
    address: Callable[[str, str], str | None]
    talk: Callable[[Names, Message | None], Talk]
    model: Callable[[Message], str] | None = None
    closed: Callable[[int, str], ir.Fault]
    error: Callable[[ir.Fault], str | None] = lambda _: None
    fatal: bool = False
    transcribing: Callable[[str, str], str] | None = None
    transcriber: Callable[[Message], str] | None = None


def closing(code: int, reason: str) -> ir.Fault:
    """Return the fault for a provider that closes a session before it sends its first message. Its kind is
    "overloaded" for the code 1013, "invalid_request" (the client is to blame) for the codes in `_REFUSALS`,
    and "upstream" for all others. code, reason: as in the provider's close frame; the reason may be "".

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
"""The close codes by which a server refuses a message that it has received."""
