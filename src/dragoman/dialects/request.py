"""A request in its protocol's form, the operation that it asks for, and the target that it is encoded for."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.wire.multipart import Form

Operation = Literal[
    "chat", "count", "embed", "image", "speech", "transcription", "moderation", "rerank", "models"
]
"""What an endpoint does. "chat" has codecs of its own. "count" counts the tokens of a chat request's prompt,
"models" lists models. The others have one request and one answer each, see `OperationCodec`."""

PROMPTED: Final[frozenset[Operation]] = frozenset({"chat", "count"})
"""The operations whose request is a chat request, and passes the stages of chat."""


class WireRequest(msgspec.Struct):
    """A request in its dialect's form, without origin and credentials.

    path: one of the dialect's paths, with the names of `params` in braces
    ("/models/{model}:generateContent"). params: the values for these names. headers: lower-case names, only
    headers of the protocol (betas, versions). body: the decoded JSON object; for a form its texts: a string
    for each name, or a list when the name ends in `[]` or repeats. fields: the form itself, if there is one.
    continued: the index and the number of the messages that the gateway put in, because the request
    continues a stored answer; written: the body as the client wrote it, before that. preceded: a session may
    hold earlier messages, with the calls that the results of this request answer.
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


class Target(msgspec.Struct, frozen=True):
    """The target of a request: the upstream's model name, its facts, the vendor's quirks, and the report."""

    report: Report
    model: str | None = None
    quirks: Quirks = STANDARD
    facts: Facts = UNKNOWN
