"""The interface between the model process and an inference library (an engine).

A chat engine yields raw tokens. Its caller turns them into characters, finds stop sequences, enforces limits
and counts. One thread uses an engine; only `cancel` may be called from any thread.
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
    """Raised if a job cannot be done, because of the request, or because the engine or its model cannot be
    used. kind: the reason, a `protocol.FailureKind` such as "invalid" or "model". message: a sentence for the
    client, without a full stop at its end.
    """

    def __init__(self, kind: protocol.FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: protocol.FailureKind = kind
        self.message = message


def library(name: str, extra: str) -> Any:
    """Import a module of an inference library and return it. Raises EngineRefused("model") if the import
    raises ImportError, usually because the module is not installed. name: the module. extra: Dragoman's extra
    that installs it.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing_engine(extra, error) from error


def missing_engine(extra: str, error: ImportError) -> EngineRefused:
    """Return (not raise) the error for a model whose engine is not installed. extra: Dragoman's extra that
    installs the engine. error: the failed import, whose text is shown, too.
    """
    how = make_target(extra) or f"an installation with the extra {extra}"
    return EngineRefused(
        "model", f"the engine of this model is not installed; install it with {how} ({error})"
    )


class Token(msgspec.Struct, gc=False):
    """One token of an answer. piece: the token's bytes, which may be only a part of a character. prob: the
    token's log probability, None = not requested.
    """

    piece: bytes
    prob: protocol.TokenProb | None = None


class Resident(Protocol):
    """A model in memory."""

    @property
    def context(self) -> int | None:
        """The most tokens that the model can work with at once; None = it does not work with tokens."""

    def cancel(self) -> None:
        """Interrupt the running computation, if the engine can do that. Before this call, the caller makes
        the computation's function `cancelled` return True.
        """

    def close(self) -> None:
        """Free the memory. The model cannot be used afterwards."""


class Model(Resident, Protocol):
    """One loaded chat model, with its context (the memory for the tokens that it works on)."""

    @property
    def context(self) -> int:
        """The most tokens of prompt and answer together."""

    @property
    def takes_tools(self) -> bool:
        """Whether the model's chat template can format tools and calls itself."""

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """Return the prompt text for a conversation. It ends where the assistant's message begins.

        messages, tools: with the keys of OpenAI's chat API, as chat templates expect. Raises
        EngineRefused("invalid") with the template's own message if the template rejects them.
        """

    def tokenize(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt text, including the special tokens. prompt: what `render` returned,
        perhaps with the beginning of the assistant's message added.
        """

    def generate(
        self, prompt: Sequence[int], draw: protocol.Draw, grammar: str | None, cancelled: Callable[[], bool]
    ) -> Iterator[Token]:
        """Read the prompt, then yield tokens until the model ends its answer or `cancelled` returns True. The
        token by which the model ends its answer is not yielded. The prompt must be shorter than the context.
        The caller must stop when the context is full. draw: the sampling. grammar: GBNF, None = any text.
        """


class Embedder(Resident, Protocol):
    """A loaded embedding model."""

    def answer(self, order: protocol.Embed, cancelled: Callable[[], bool]) -> protocol.Embedded | None:
        """Return the embedding vectors; None if `cancelled` returned True before all were made."""


class Speaker(Resident, Protocol):
    """A loaded text-to-speech model."""

    def answer(self, order: protocol.Speak, cancelled: Callable[[], bool]) -> protocol.Spoken | None:
        """Return the audio; None if `cancelled` returned True before it was complete. Raises EngineRefused:
        "invalid" for a text that cannot be spoken, "model" if no encoder for the audio format is installed.
        """


class Transcriber(Resident, Protocol):
    """A loaded speech-to-text model."""

    def answer(
        self, order: protocol.Transcribe, cancelled: Callable[[], bool]
    ) -> protocol.Transcribed | None:
        """Return the transcript; None if `cancelled` returned True before it was complete. Raises
        EngineRefused: "invalid" for a recording that cannot be used, "model" if no decoder is installed.
        """


AnyModel: TypeAlias = Model | Embedder | Speaker | Transcriber


class Engine(Protocol):
    """Loads models of one kind."""

    def load(self, options: protocol.Options) -> AnyModel:
        """Load one model and return it. Raises EngineRefused("model") if the file cannot be used, or not with
        these options.
        """
