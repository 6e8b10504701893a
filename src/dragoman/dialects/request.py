"""A request as its protocol writes it, the operation that the request asks for, and the target of an
encoder.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.wire.multipart import Form

Operation = Literal[
    "chat",
    "count",
    "embed",
    "image",
    "speech",
    "transcription",
    "moderation",
    "rerank",
    "models",
    "realtime",
]
"""What a request asks for. "count" counts the tokens of a chat request's prompt; "models" lists models;
"realtime" opens a session over a WebSocket. All but "chat", "models" and "realtime" have an `OperationCodec`.
"""

PROMPTED: Final[frozenset[Operation]] = frozenset({"chat", "count"})
"""The operations whose request is a chat request, which is checked, decoded and changed like one."""


class WireRequest(msgspec.Struct):
    """A request in the form of its dialect, from a client or for a provider, without the server's address and
    the API key.

    path: one of the dialect's paths, with the names of `params` in braces
    ("/models/{model}:generateContent"). params: the values for these names. query: the query parameters of
    the URL. headers: only headers that the protocol defines (betas, versions), with lower-case names. body:
    the decoded JSON object; for a form, the form's texts (`forms.texts`: name -> text or list of texts).
    fields: the form itself; empty for JSON.

    continued: (index of the first, number) of the messages, in the decoded request, that the gateway has
    added (a stored conversation, an alias's opening messages); (0, 0) = none. written: the body as the client
    wrote it; None = `body` is that. preceded: True = tool results in this request may answer calls in earlier
    messages of a session, which the request does not repeat.

    file: a file that is sent as the complete body; None = the body is JSON or a form. Only requests for
    providers may have it.
    """

    operation: Operation
    body: dict[str, Any]
    method: str = "POST"
    path: str = ""
    params: dict[str, str] = {}
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    continued: tuple[int, int] = (0, 0)
    written: dict[str, Any] | None = None
    fields: Form = ()
    preceded: bool = False
    file: ir.File | None = None


MADE: Final = "made"
"""The `form` of an output or of reasoning settings that the gateway, not the client, has put into a request.
It is not the form of any dialect, so encoders write them like those of another dialect. For every other field
it is the value in `Request.forms` under the field's name: `tier`, `sampling.temperature`."""
LEFT_OUT: Final = "default"
"""The value in `Request.forms`, under a field's name, for a field that the client left out: its value is the
default that the client's protocol states."""


def is_default(wish: ir.Reasoning | None) -> bool:
    """Whether reasoning settings have the form `MADE`. False for settings that a client stated, for the
    defaults of a client of chat, and for None (the request has no reasoning settings).
    """
    return wish is not None and wish.form == MADE


def states(request: ir.Request, dialect: str, field: str) -> bool:
    """Whether the value of a request's field is in the words of this dialect: its client stated it, or nobody
    did. False = the client speaks another dialect, or the value is a default of the configuration, in chat's
    words. field: for example `tier`, `sampling.temperature`.
    """
    return request.dialect == dialect and (request.forms or {}).get(field) != MADE


class Target(msgspec.Struct, frozen=True):
    """The target of an encoder. report: gets the losses and changes. model: the upstream's name for the
    model; None = unknown. base: the model's own name, if `model` does not show it (for example, if `model`
    names an application inference profile); None = `model` is the model's own name. quirks: those of the
    vendor. facts: those of the model.
    """

    report: Report
    model: str | None = None
    quirks: Quirks = STANDARD
    facts: Facts = UNKNOWN
    base: str | None = None
