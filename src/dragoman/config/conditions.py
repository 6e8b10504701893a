"""The settings that state which requests a deployment is for."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from dragoman.config.scalars import DialectName
from dragoman.config.section import Section, about

OperationName: TypeAlias = Literal[
    "chat", "embed", "image", "speech", "transcription", "moderation", "rerank", "realtime"
]
"""The operations that conditions can name. The count of a prompt's tokens is part of `chat`."""


class When(Section, frozen=True):
    """The requests that a deployment is for.

    Every stated condition must hold for a request; otherwise the deployment is left out for this request, as
    if the model did not have this deployment. For a condition that is `true` or `false`: `true` = only
    requests that need this, `false` = only requests that do not.
    """

    tools: Annotated[bool | None, about(default="either")] = None
    """Whether the request has tools."""
    images: Annotated[bool | None, about(default="either")] = None
    """Whether the prompt contains images, or the answer is to contain some."""
    audio: Annotated[bool | None, about(default="either")] = None
    """Whether the prompt contains audio, or the answer is to be spoken."""
    documents: Annotated[bool | None, about(default="either")] = None
    """Whether the prompt contains documents (PDF)."""
    structured: Annotated[bool | None, about(default="either")] = None
    """Whether the answer is to follow a JSON schema."""
    reasoning: Annotated[bool | None, about(default="either")] = None
    """Whether the request asks for reasoning, by an effort or a budget."""
    stream: Annotated[bool | None, about(default="either")] = None
    """Whether the answer is streamed. Requests that only count a prompt fulfil both values."""
    input_over: Annotated[int | None, about(unit="tokens", default="any", ge=0)] = None
    """The prompt has more tokens than this, as the gateway counts or estimates them."""
    input_up_to: Annotated[int | None, about(unit="tokens", default="any", ge=1)] = None
    """The prompt has at most so many tokens."""
    clients: Annotated[tuple[str, ...], about(default="all")] = ()
    """The client is one of these, by the names of client keys (`auth.keys[].name`); `*` matches any text."""
    tags: Annotated[tuple[str, ...], about(default="any")] = ()
    """The request has at least one of these tags (the header `X-Dragoman-Tags`, or `tags` in the body); `*`
    matches any text. Clients choose their tags freely."""
    without_tags: Annotated[tuple[str, ...], about(default="none")] = ()
    """The request has none of these tags; `*` matches any text, so `["*"]` means requests without tags."""
    headers: Annotated[dict[str, str], about(default="any")] = {}
    """The request has these headers with these values, by name; `*` in a value matches any text. Clients
    choose their headers freely."""
    protocols: Annotated[tuple[DialectName, ...], about(default="all")] = ()
    """The client speaks one of these protocols."""
    operations: Annotated[tuple[OperationName, ...], about(default="all")] = ()
    """The request asks for one of these. Other operations than `chat` have no tools, images and so on, no
    stream, and a prompt of 0 tokens."""
