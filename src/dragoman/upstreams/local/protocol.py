"""What the gateway and its model process say to each other: values in length-prefixed MessagePack frames.

A frame is four bytes (length of the rest, big-endian) and one message. Each side names a request by an
integer that the gateway counts up; answers carry it. The process answers every `Generate` with
`Started Delta* Done`, every other piece of work with one answer, any of them with one `Failed` at any point,
and a cancelled one with nothing more.

Nothing here does IO or loads a model. MessagePack: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from dragoman.errors import DragomanError

MAX_FRAME = 64 * 1024 * 1024
"""Bytes of one frame at most. None longer is written, so that one means that the two sides lost step."""

DEFAULT_CONTEXT = 4096
"""Tokens of a model's context where nobody states it, or fewer where it was trained for fewer."""

EngineName: TypeAlias = Literal["llama", "minilm", "hibari", "whisper"]
"""What runs a model. Each engine has a process of its own, so that a long answer holds up no vectors."""


class Message(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The root of everything that travels between the two processes."""


class Options(Message, frozen=True):
    """How one weights file is run. Two different Options are two loaded models.

    path: the file. context: tokens of prompt and answer together, None = `DEFAULT_CONTEXT`.
    threads: 0 = one for each physical core that this process may use. gpu_layers: layers to put on the
    GPU, where the engine was built for one; negative = all. context and gpu_layers are for chat models.
    """

    path: str
    context: int | None = None
    threads: int = 0
    gpu_layers: int = 0
    engine: EngineName = "llama"


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
    the model stays in memory afterwards; 0 = not at all, negative = for ever. client: who asks, as in every
    job; of the client with most jobs in the queue the last one makes room.
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
    client: str = ""


class Embed(Message, frozen=True, tag="embed"):
    """Vectors of texts. dimensions: numbers of each, None = as many as the model gives."""

    id: int
    options: Options
    texts: tuple[str, ...]
    dimensions: int | None = None
    keep_alive: float = 300.0
    client: str = ""


class Speak(Message, frozen=True, tag="speak"):
    """A text to be spoken. output: the sound's format, a key of `sound.KINDS`. speed: 1 is usual."""

    id: int
    options: Options
    text: str
    output: str
    speed: float = 1.0
    keep_alive: float = 300.0
    client: str = ""


class Transcribe(Message, frozen=True, tag="transcribe"):
    """A recording to be written down. prompt: how the words go on. temperature: None = rising from 0 until
    the words make sense. words: whether the time of each word is wanted.
    """

    id: int
    options: Options
    data: bytes
    prompt: str | None = None
    temperature: float | None = None
    words: bool = False
    keep_alive: float = 300.0
    client: str = ""


Job: TypeAlias = Generate | Embed | Speak | Transcribe
"""Work for a model."""


class Cancel(Message, frozen=True, tag="cancel"):
    """Forget request `id`, whether it waits or runs."""

    id: int


class Unload(Message, frozen=True, tag="unload"):
    """Free every model loaded from `path`, as soon as it is idle."""

    path: str


class Inspect(Message, frozen=True, tag="inspect"):
    """Report what is loaded."""

    id: int


Order: TypeAlias = Job | Cancel | Unload | Inspect


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


class Embedded(Message, frozen=True, tag="embedded"):
    """The vectors, each as little-endian 32-bit floats. tokens: how many were read. cut: the
    places of texts that are longer than the model reads.
    """

    id: int
    vectors: tuple[bytes, ...]
    tokens: int
    cut: tuple[int, ...] = ()


class Spoken(Message, frozen=True, tag="spoken"):
    """The sound, in the format that was asked for. rate: samples a second."""

    id: int
    data: bytes
    rate: int


class Span(Message, frozen=True):
    """A word or a stretch of speech; seconds from the beginning. detail: see `ir.Segment`."""

    text: str
    start: float
    end: float
    detail: dict[str, Any] | None = None


class Transcribed(Message, frozen=True, tag="transcribed"):
    """What was said. duration: of the recording, seconds. words: None = they were not asked for."""

    id: int
    text: str
    duration: float
    segments: tuple[Span, ...] = ()
    words: tuple[Span, ...] | None = None


FailureKind: TypeAlias = Literal["overloaded", "context_length", "invalid", "model", "crashed", "internal"]
"""The queue is full, the prompt is longer than the context, the request cannot be put to this model, the
model cannot be loaded, the process died, a mistake of ours."""


class Failed(Message, frozen=True, tag="failed"):
    """Request `id` has ended without an answer, or in the middle of one."""

    id: int
    kind: FailureKind
    message: str


class Loaded(Message, frozen=True):
    """A model in memory. context: None for one that reads no tokens.

    idle: seconds since its last answer ended, None while it works. expires: seconds until it is freed if
    nobody asks it, None = never.
    """

    options: Options
    context: int | None
    idle: float | None = None
    expires: float | None = None


class Report(Message, frozen=True, tag="report"):
    """What is loaded, what waits. resident: bytes of physical memory, None where the system does not say."""

    id: int
    models: tuple[Loaded, ...] = ()
    waiting: int = 0
    running: int | None = None
    resident: int | None = None


End: TypeAlias = Done | Embedded | Spoken | Transcribed | Failed
"""After one of these comes nothing more."""

Event: TypeAlias = Started | Delta | End
Answer: TypeAlias = Event | Report

_ENCODER = msgspec.msgpack.Encoder()
_ORDER: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
_ANSWER: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


class FrameTooLarge(DragomanError):
    """What a message says is more than one frame may hold."""


def frame(message: Order | Answer) -> bytes:
    """The message as one frame. Raises FrameTooLarge."""
    body = _ENCODER.encode(message)
    if len(body) > MAX_FRAME:
        raise FrameTooLarge(f"a message of more than {MAX_FRAME >> 20} MiB")
    return len(body).to_bytes(4, "big") + body


def length(head: bytes) -> int:
    """How many bytes follow these first four. Raises ValueError when that cannot be a frame of ours."""
    size = int.from_bytes(head, "big")
    if size > MAX_FRAME:
        raise ValueError(f"a frame of {size} bytes: the model process is out of step")
    return size


def order(body: bytes) -> Order:
    """A frame's body as what the gateway asks."""
    return _ORDER.decode(body)


def answer(body: bytes) -> Answer:
    """A frame's body as what the process answers."""
    return _ANSWER.decode(body)
