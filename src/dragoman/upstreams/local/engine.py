"""The interface between the model process and an inference library.

A chat engine yields raw tokens; characters, stop sequences, limits and counting are handled outside. One
thread uses an engine; only `cancel` may be called from any thread.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import msgspec

from dragoman.errors import DragomanError
from dragoman.seams.extras import make_target
from dragoman.upstreams.local import protocol


class EngineRefused(DragomanError):
    """Ends a request without an answer, because of it or because the engine cannot be used. kind: why."""

    def __init__(self, kind: protocol.FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: protocol.FailureKind = kind
        self.message = message


def library(name: str, extra: str) -> Any:
    """A module of an inference library. Raises EngineRefused("model") if the extra is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing_engine(extra, error) from error


def missing_engine(extra: str, error: ImportError) -> EngineRefused:
    """The error for a model whose engine is not installed. extra: Dragoman's extra that installs it."""
    how = make_target(extra) or f"an installation with the extra {extra}"
    return EngineRefused(
        "model", f"the engine of this model is not installed; install it with {how} ({error})"
    )


class Token(msgspec.Struct, gc=False):
    """One token of an answer. piece: its bytes, maybe a part of a character. prob: None = not requested."""

    piece: bytes
    prob: protocol.TokenProb | None = None


class Resident(Protocol):
    """A model in memory."""

    @property
    def context(self) -> int | None:
        """The most tokens that it reads and writes; None = it does not work with tokens."""

    def cancel(self) -> None:
        """Interrupt the computation, if possible. The `cancelled` that it got must return True already."""

    def close(self) -> None:
        """Free the memory. The model cannot be used afterwards."""


class Model(Resident, Protocol):
    """One loaded chat model with its context."""

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""

    @property
    def takes_tools(self) -> bool:
        """Whether its chat template itself formats tools and calls."""

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """The prompt for a conversation, up to where the assistant's turn begins.

        messages, tools: with the keys of OpenAI's chat API, as chat templates expect. Raises
        EngineRefused("invalid") with the template's own message if the template rejects them.
        """

    def tokenize(self, prompt: str) -> list[int]:
        """The tokens of a rendered prompt, special tokens included."""

    def generate(
        self, prompt: Sequence[int], draw: protocol.Draw, grammar: str | None, cancelled: Callable[[], bool]
    ) -> Iterator[Token]:
        """Read the prompt, then yield tokens until the model ends its turn or `cancelled` is true. The prompt
        must leave room in the context; the caller stops when the context is full. grammar: GBNF, None = any
        text.
        """


class Embedder(Resident, Protocol):
    """An embedding model."""

    def answer(self, order: protocol.Embed, cancelled: Callable[[], bool]) -> protocol.Embedded | None:
        """The embedding vectors; None once `cancelled` is true."""


class Speaker(Resident, Protocol):
    """A text-to-speech model."""

    def answer(self, order: protocol.Speak, cancelled: Callable[[], bool]) -> protocol.Spoken | None:
        """The audio; None once `cancelled` is true. Raises EngineRefused: unspeakable text, no encoder."""


class Transcriber(Resident, Protocol):
    """A speech-to-text model."""

    def answer(
        self, order: protocol.Transcribe, cancelled: Callable[[], bool]
    ) -> protocol.Transcribed | None:
        """The transcript; None once `cancelled` is true. Raises EngineRefused, "invalid" for a bad file."""


AnyModel: TypeAlias = Model | Embedder | Speaker | Transcriber


class Engine(Protocol):
    """Loads models of one kind."""

    def load(self, options: protocol.Options) -> AnyModel:
        """Load one model. Raises EngineRefused("model") if the file cannot be used."""
