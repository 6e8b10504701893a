"""A request in a protocol's own terms, what is asked for in it, and what it is encoded for."""

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
"""What an endpoint does. "chat" is what models are mostly asked for, and has codecs of its own. "count" tells
the tokens of a chat request's prompt, "models" lists models. The others are one request and one answer each,
see `OperationCodec`."""

PROMPTED: Final[frozenset[Operation]] = frozenset({"chat", "count"})
"""The operations whose request is one of chat, and becomes what chat's stages make of it."""


class WireRequest(msgspec.Struct):
    """A request in a dialect's own terms, without origin and credentials.

    operation: what is asked for. path: one of the dialect's `paths` or `stream_paths`, with the names of
    `params` in braces ("/models/{model}:generateContent"). params: what the path holds (a model).
    headers: lower-case names, only those that carry meaning (betas, versions). body: the decoded JSON object;
    of a form its texts: a string for each name, or a list of them where the name ends in `[]` or repeats.
    fields: the form itself, where the body is one.
    continued: the place and the number of the messages that its client did not write, because it continues
    something; written: the body then as the client wrote it. preceded: a session may go before it, and
    hold the calls that its results answer.
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
    """What a request is encoded for: the upstream's model name, its facts, the vendor's quirks, a report."""

    report: Report
    model: str | None = None
    quirks: Quirks = STANDARD
    facts: Facts = UNKNOWN
