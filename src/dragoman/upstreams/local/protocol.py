"""The messages between the gateway and its model process: MessagePack values in length-prefixed frames.

A frame is four bytes (the length of the rest, big-endian) and one message. The gateway numbers its requests,
and answers carry the number. The process answers a `Generate` with `Started Delta* Done`, any other job with
one message; a `Failed` may end each of them at any point. A cancelled request may get no last message.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from dragoman.errors import DragomanError

MAX_FRAME = 64 * 1024 * 1024
"""The most bytes of one frame, its length excluded. Longer ones are never written."""
DEFAULT_CONTEXT = 4096
"""The default context of a model in tokens, unless the model was trained for fewer."""
QUEUE = 16
"""The default number of requests that may wait for the running one of a model process."""
EngineName: TypeAlias = Literal["llama", "minilm", "hibari", "whisper"]
"""An engine. Each has its own process, so that a long chat does not delay embeddings."""


class Message(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The base of all messages and of the values in them."""


class Options(Message, frozen=True):
    """How one model file is run. Different options are different loaded models.

    path: the file. context: tokens of prompt and answer together, None = `DEFAULT_CONTEXT`, or the model's if
    less. threads: 0 = one for each usable physical core; only for chat and transcription. gpu_layers: layers
    on the GPU, if the engine supports one; negative = all. context and gpu_layers are only for chat.
    """

    path: str
    context: int | None = None
    threads: int = 0
    gpu_layers: int = 0
    engine: EngineName = "llama"


class Invocation(Message, frozen=True):
    """A tool call in the history. arguments: the JSON text as the model wrote it."""

    name: str
    arguments: str
    id: str | None = None


class PromptTurn(Message, frozen=True):
    """One message of the conversation, as plain text. name, id: of the call, if the role is "tool"."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    calls: tuple[Invocation, ...] = ()
    name: str | None = None
    id: str | None = None


class ToolSpec(Message, frozen=True):
    """A tool that the model may call. parameters: a JSON Schema, None = the tool takes none."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Draw(Message, frozen=True):
    """How the next token is sampled. The defaults are llama.cpp's own.

    temperature: 0 = always the likeliest token. seed: None = random. repetition, frequency, presence:
    penalties for tokens among the last `window`. bias: (token id, value added to its logit). top_logprobs:
    report the log probability of each token and of so many alternatives, None = report none.
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
    """The job to answer a conversation.

    limit: tokens of the answer, None = until the context is full. stop: sequences that end the answer and are
    cut off. grammar: GBNF that the answer must follow. In every job, keep_alive: seconds that the model stays
    in memory after it; 0 = not at all, negative = for ever; client: whose request it is; if the queue is
    full, the last job of the client with the most waiting jobs is refused.
    """

    id: int
    options: Options
    turns: tuple[PromptTurn, ...]
    tools: tuple[ToolSpec, ...] = ()
    draw: Draw = Draw()
    limit: int | None = None
    stop: tuple[str, ...] = ()
    grammar: str | None = None
    keep_alive: float = 300.0
    client: str = ""


class Embed(Message, frozen=True, tag="embed"):
    """The job to embed texts. dimensions: numbers of each vector, None = all that the model has."""

    id: int
    options: Options
    texts: tuple[str, ...]
    dimensions: int | None = None
    keep_alive: float = 300.0
    client: str = ""


class Speak(Message, frozen=True, tag="speak"):
    """The job to speak a text. output: the audio format, a key of `sound.KINDS`. speed: 1 = normal."""

    id: int
    options: Options
    text: str
    output: str
    speed: float = 1.0
    keep_alive: float = 300.0
    client: str = ""


class Transcribe(Message, frozen=True, tag="transcribe"):
    """The job to transcribe a recording. prompt: text that precedes its words. temperature: None = from 0
    upwards, until the words make sense. words: True = also report the time of each word.
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
"""A request to a model. Its answer ends with an `End`."""


class Cancel(Message, frozen=True, tag="cancel"):
    """Cancel request `id`, waiting or running."""

    id: int


class Unload(Message, frozen=True, tag="unload"):
    """Free every model loaded from `path`, as soon as it is idle."""

    path: str


class Inspect(Message, frozen=True, tag="inspect"):
    """Ask for a `Report`."""

    id: int


Order: TypeAlias = Job | Cancel | Unload | Inspect


class TokenProb(Message, frozen=True):
    """A token, its bytes, its log probability before any sampling parameter; top: the likeliest there."""

    id: int
    piece: bytes
    logprob: float
    top: tuple[TokenProb, ...] = ()


class Timings(Message, frozen=True):
    """Seconds: waiting in the queue, loading the model, computing the prompt, writing the answer."""

    queued: float = 0.0
    load: float = 0.0
    prompt: float = 0.0
    answer: float = 0.0


class Started(Message, frozen=True, tag="started"):
    """The model begins to compute the prompt of so many tokens, counted by its tokenizer."""

    id: int
    prompt_tokens: int


class Delta(Message, frozen=True, tag="delta"):
    """More text. logprobs: those of the tokens that this text completes; empty if not requested."""

    id: int
    text: str
    logprobs: tuple[TokenProb, ...] = ()


Finish: TypeAlias = Literal["stop", "sequence", "length", "context"]
"""The model ended its turn; a stop sequence came; the request's limit is reached; the context is full."""


class Done(Message, frozen=True, tag="done"):
    """A chat answer is complete. tokens: how many were written, a stop sequence that was cut off included.
    sequence: the stop sequence that ended it, None = none did.
    """

    id: int
    finish: Finish
    tokens: int
    sequence: str | None = None
    timings: Timings = Timings()


class Embedded(Message, frozen=True, tag="embedded"):
    """The vectors of the texts, as little-endian 32-bit floats. tokens: how many were read. cut: the indexes
    of texts that are longer than the model's context.
    """

    id: int
    vectors: tuple[bytes, ...]
    tokens: int
    cut: tuple[int, ...] = ()


class Spoken(Message, frozen=True, tag="spoken"):
    """The audio in the requested format. rate: samples a second."""

    id: int
    data: bytes
    rate: int


class Span(Message, frozen=True):
    """A word or a segment. start, end: in seconds. detail: a segment's other values (`avg_logprob`, …)."""

    text: str
    start: float
    end: float
    detail: dict[str, Any] | None = None


class Transcribed(Message, frozen=True, tag="transcribed"):
    """The transcript. duration: of the recording, in seconds. words: None = not requested."""

    id: int
    text: str
    duration: float
    segments: tuple[Span, ...] = ()
    words: tuple[Span, ...] | None = None


FailureKind: TypeAlias = Literal["overloaded", "context_length", "invalid", "model", "crashed", "internal"]
"""The queue is full; the prompt is longer than the context; the model cannot take the request; the model
cannot be loaded; the process died; an error in our own code.
"""


class Failed(Message, frozen=True, tag="failed"):
    """Request `id` has failed, before or during its answer. message: for the client, without a full stop."""

    id: int
    kind: FailureKind
    message: str


class Loaded(Message, frozen=True):
    """A model in memory. context: tokens, None for a model that reads no tokens. idle: seconds since its last
    answer, None = it is working. expires: seconds until it is freed if it gets no request, None = never.
    """

    options: Options
    context: int | None
    idle: float | None = None
    expires: float | None = None


class Report(Message, frozen=True, tag="report"):
    """The loaded models and the queue. running: that job's id. resident: bytes in memory, None = unknown."""

    id: int
    models: tuple[Loaded, ...] = ()
    waiting: int = 0
    running: int | None = None
    resident: int | None = None


End: TypeAlias = Done | Embedded | Spoken | Transcribed | Failed
"""The last message of an answer."""

Event: TypeAlias = Started | Delta | End
Reply: TypeAlias = Event | Report

_ENCODER = msgspec.msgpack.Encoder()

order = msgspec.msgpack.Decoder[Order](Order).decode
"""Decodes a frame's body from the gateway, without its length. Raises msgspec.DecodeError."""
answer = msgspec.msgpack.Decoder[Reply](Reply).decode
"""Decodes a frame's body from the model process, without its length. Raises msgspec.DecodeError."""


class FrameTooLarge(DragomanError):
    """A message has more than `MAX_FRAME` bytes."""


def frame(message: Order | Reply) -> bytes:
    """The message as one frame. Raises FrameTooLarge."""
    body = _ENCODER.encode(message)
    if len(body) > MAX_FRAME:
        raise FrameTooLarge(f"a message of more than {MAX_FRAME >> 20} MiB")
    return len(body).to_bytes(4, "big") + body


def length(head: bytes) -> int:
    """The number of bytes after a frame's first four, `head`. Raises ValueError above `MAX_FRAME`."""
    size = int.from_bytes(head, "big")
    if size > MAX_FRAME:
        raise ValueError(f"a frame of {size} bytes: the model process is out of step")
    return size
