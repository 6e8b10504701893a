"""What the gateway and its model process say to each other: values in length-prefixed MessagePack frames.

A frame is four bytes (length of the rest, big-endian) and one message. Each side names a request by an
integer that the gateway counts up; answers carry it. The process answers every `Generate` with
`Started Delta* Done`, or with one `Failed` at any point, and a cancelled one with nothing more.

Nothing here does IO or loads a model. MessagePack: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of one frame at most; a longer one means that the two sides lost step."""

DEFAULT_CONTEXT = 4096
"""Tokens of a model's context where nobody states it, or fewer where it was trained for fewer."""


class Message(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The root of everything that travels between the two processes."""


class Options(Message, frozen=True):
    """How one weights file is run. Two different Options are two loaded models.

    path: the GGUF file. context: tokens of prompt and answer together, None = `DEFAULT_CONTEXT`.
    threads: 0 = one for each physical core that this process may use. gpu_layers: layers to put on the
    GPU, where the engine was built for one; negative = all.
    """

    path: str
    context: int | None = None
    threads: int = 0
    gpu_layers: int = 0


class Invocation(Message, frozen=True):
    """A tool call in the history. arguments: the JSON text that the model wrote."""

    name: str
    arguments: str
    id: str | None = None


class Turn(Message, frozen=True):
    """One message of the conversation, as plain text. A "tool" turn is a result: name and id of its call."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    calls: tuple[Invocation, ...] = ()
    name: str | None = None
    id: str | None = None


class ToolSpec(Message, frozen=True):
    """A tool that the model may call. parameters: a JSON Schema, None = it takes none."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Draw(Message, frozen=True):
    """How the next token is drawn; the defaults are llama.cpp's own.

    temperature 0 takes the likeliest token. seed: None = a random one. repetition, frequency, presence:
    penalties over the last `window` tokens. bias: added to the logits of token ids. top_logprobs: report
    each token's log probability and those of this many alternatives, None = report none.
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repetition: float = 1.0
    frequency: float = 0.0
    presence: float = 0.0
    window: int = 64
    seed: int | None = None
    bias: tuple[tuple[int, float], ...] = ()
    top_logprobs: int | None = None


class Generate(Message, frozen=True, tag="generate"):
    """Answer a conversation.

    limit: tokens of the answer, None = until the context is full. stop: sequences that end the answer
    and are not part of it. grammar: a GBNF grammar that the answer must follow. keep_alive: seconds that
    the model stays in memory afterwards; 0 = not at all, negative = for ever.
    """

    id: int
    options: Options
    turns: tuple[Turn, ...]
    tools: tuple[ToolSpec, ...] = ()
    draw: Draw = Draw()
    limit: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    keep_alive: float = 300.0


class Cancel(Message, frozen=True, tag="cancel"):
    """Forget request `id`, whether it waits or runs."""

    id: int


class Unload(Message, frozen=True, tag="unload"):
    """Free every model loaded from `path`, as soon as it is idle."""

    path: str


class Inspect(Message, frozen=True, tag="inspect"):
    """Report what is loaded."""

    id: int


Order: TypeAlias = Generate | Cancel | Unload | Inspect


class TokenProb(Message, frozen=True):
    """A token and its log probability under the model itself, before any sampling setting changed it."""

    id: int
    piece: bytes
    logprob: float
    top: tuple[TokenProb, ...] = ()


class Timings(Message, frozen=True):
    """Seconds: waiting in the queue, loading the model, reading the prompt, writing the answer."""

    queued: float = 0.0
    load: float = 0.0
    prompt: float = 0.0
    answer: float = 0.0


class Started(Message, frozen=True, tag="started"):
    """The model begins to read the prompt. prompt_tokens: by its own tokenizer."""

    id: int
    prompt_tokens: int


class Delta(Message, frozen=True, tag="delta"):
    """More text. logprobs: of the tokens that are complete with this text, when they were asked for."""

    id: int
    text: str
    logprobs: tuple[TokenProb, ...] = ()


Finish: TypeAlias = Literal["stop", "sequence", "length", "context"]
"""The model ended its turn, a stop sequence came, the request's limit is reached, the context is full."""


class Done(Message, frozen=True, tag="done"):
    """The answer is complete. tokens: how many were written, a cut-off stop sequence included.

    sequence: the stop sequence that ended it.
    """

    id: int
    finish: Finish
    tokens: int
    sequence: str | None = None
    timings: Timings = Timings()


FailureKind: TypeAlias = Literal["overloaded", "context_length", "invalid", "model", "crashed", "internal"]
"""The queue is full, the prompt is longer than the context, the request cannot be put to this model, the
model cannot be loaded, the process died, a mistake of ours."""


class Failed(Message, frozen=True, tag="failed"):
    """Request `id` has ended without an answer, or in the middle of one."""

    id: int
    kind: FailureKind
    message: str


class Loaded(Message, frozen=True):
    """A model in memory.

    idle: seconds since its last answer ended, None while it works. expires: seconds until it is freed if
    nobody asks it, None = never.
    """

    options: Options
    context: int
    idle: float | None = None
    expires: float | None = None


class Report(Message, frozen=True, tag="report"):
    """What is loaded, what waits. resident: bytes of physical memory, None where the system does not say."""

    id: int
    models: tuple[Loaded, ...] = ()
    waiting: int = 0
    running: int | None = None
    resident: int | None = None


Event: TypeAlias = Started | Delta | Done | Failed
Answer: TypeAlias = Started | Delta | Done | Failed | Report

_ENCODER = msgspec.msgpack.Encoder()
_ORDER: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
_ANSWER: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Order | Answer) -> bytes:
    """The message as one frame."""
    body = _ENCODER.encode(message)
    return len(body).to_bytes(4, "big") + body


def length(head: bytes) -> int:
    """How many bytes follow these first four. Raises ValueError when that cannot be a frame of ours."""
    size = int.from_bytes(head, "big")
    if size > MAX_FRAME:
        raise ValueError(f"a frame of {size} bytes: the two sides have lost step")
    return size


def order(body: bytes) -> Order:
    """A frame's body as what the gateway asks."""
    return _ORDER.decode(body)


def answer(body: bytes) -> Answer:
    """A frame's body as what the process answers."""
    return _ANSWER.decode(body)
