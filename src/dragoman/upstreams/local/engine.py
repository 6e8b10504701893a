"""What runs weights: the little that the model process needs of an inference library.

A chat engine yields raw tokens; characters, stop sequences, limits and counting are decided above it, the
same for every engine. An engine is used by one thread, except `cancel`, which any thread may call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from dragoman.errors import DragomanError
from dragoman.seams.extras import make_target
from dragoman.upstreams.local.protocol import (
    Draw,
    Embed,
    Embedded,
    FailureKind,
    Options,
    Speak,
    Spoken,
    TokenProb,
    Transcribe,
    Transcribed,
)


class EngineRefused(DragomanError):
    """A request that ends without an answer; `kind` says whose matter it is."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.message = message


def missing_engine(extra: str, error: ImportError) -> EngineRefused:
    """The refusal of a model whose engine is not installed."""
    how = make_target(extra) or f"an installation with the extra {extra}"
    return EngineRefused(
        "model", f"the engine of this model is not installed; install it with {how} ({error})"
    )


class Token:
    """One token of an answer. piece: its bytes, perhaps a part of a character; prob: when asked for."""

    __slots__ = ("piece", "prob")

    def __init__(self, piece: bytes, prob: TokenProb | None = None) -> None:
        self.piece = piece
        self.prob = prob


class Resident(Protocol):
    """A model in memory."""

    @property
    def context(self) -> int | None:
        """Tokens that it reads, and writes, at most; None = it reads none."""
        ...

    def cancel(self) -> None:
        """Interrupt the running work in the middle of a computation, once `cancelled` is true."""
        ...

    def close(self) -> None:
        """Free the memory. The model is of no use afterwards."""
        ...


class Model(Resident, Protocol):
    """One loaded chat model with its context."""

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together."""
        ...

    @property
    def takes_tools(self) -> bool:
        """Whether its chat template says itself how tools are declared and called."""
        ...

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        """The prompt for a conversation, ending where the assistant's turn begins.

        messages and tools have the keys that chat templates expect (those of OpenAI's chat API).
        Raises EngineRefused("invalid") with the template's own words when it refuses them.
        """
        ...

    def tokenize(self, prompt: str) -> list[int]:
        """The tokens of a rendered prompt, its special tokens included."""
        ...

    def generate(
        self, prompt: Sequence[int], draw: Draw, grammar: str | None, cancelled: Callable[[], bool]
    ) -> Iterator[Token]:
        """Read the prompt, then yield tokens until the model ends its turn or `cancelled` is true.

        The prompt must leave room in the context, and the caller must stop when it is full.
        """
        ...


class Embedder(Resident, Protocol):
    """A model of vectors."""

    def answer(self, order: Embed, cancelled: Callable[[], bool]) -> Embedded | None:
        """The vectors; None once `cancelled` is true."""
        ...


class Speaker(Resident, Protocol):
    """A voice."""

    def answer(self, order: Speak, cancelled: Callable[[], bool]) -> Spoken | None:
        """The sound; None once `cancelled` is true. Raises EngineRefused("invalid") for what has none."""
        ...


class Transcriber(Resident, Protocol):
    """A model that writes down what is said."""

    def answer(self, order: Transcribe, cancelled: Callable[[], bool]) -> Transcribed | None:
        """The words; None once `cancelled` is true. Raises EngineRefused("invalid") for what is no sound."""
        ...


AnyModel: TypeAlias = Model | Embedder | Speaker | Transcriber


class Engine(Protocol):
    """Loads models of one kind."""

    def load(self, options: Options) -> AnyModel:
        """Load one model. Raises EngineRefused("model") when the file cannot be used."""
        ...
