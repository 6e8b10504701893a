"""The messages between the gateway and its model process: MessagePack values in length-prefixed frames.

A frame is four bytes (the number of bytes that follow, big-endian) and one message. The gateway numbers its
requests, and each message of an answer has the number of its request (`id`). The process answers a `Generate`
with `Started Delta* Done`, any other job with one message, and an `Inspect` with a `Report`. The other orders
(`Cancel`, `Pause`, `Resume`, `Unload`) get no answer. A `Failed` may end an answer at any point. The answer
to a cancelled request may end without a last message.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from dragoman.errors import DragomanError

MAX_FRAME = 64 * 1024 * 1024
"""The most bytes of one frame, without its four length bytes. A longer frame is never written."""
DEFAULT_CONTEXT = 4096
"""The default context of a model, in tokens; less if the model was trained for a smaller context."""
QUEUE = 16
"""The default number of requests that may wait while a model process runs another request."""
EngineName: TypeAlias = Literal["llama", "minilm", "hibari", "whisper"]
"""The name of an engine. Each engine has its own process, so that a long chat does not delay embeddings."""


class Message(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The base class of all messages and of the values in them."""


class Options(Message, frozen=True):
    """How one model file is run. If one file is used with different options, it is loaded several times.

    path: the file. context: the most tokens of prompt and answer together; None = `DEFAULT_CONTEXT`, or the
    number that the model was trained for if that is less. A larger context than the model was trained for
    (4,096 tokens if the file does not state it) makes loading fail. threads: 0 = one for each usable physical
    core; used only for chat and transcription. gpu_layers: how many layers run on the GPU, if the engine
    supports a GPU; negative = all. context and gpu_layers are used only for chat. engine: the engine that
    runs the model.
    """

    path: str
    context: int | None = None
    threads: int = 0
    gpu_layers: int = 0
    engine: EngineName = "llama"


class Invocation(Message, frozen=True):
    """A tool call in an earlier message of the conversation. arguments: as JSON text, which may be invalid.
    id: None = the call has no id.
    """

    name: str
    arguments: str
    id: str | None = None


class PromptTurn(Message, frozen=True):
    """One message of the conversation, as plain text. calls: the tool calls in the message. name, id: for a
    message with the role "tool", the name of the tool and the id of the call; None = unknown. Both are None
    for any other role.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str = ""
    calls: tuple[Invocation, ...] = ()
    name: str | None = None
    id: str | None = None


class ToolSpec(Message, frozen=True):
    """A tool that the model may call. parameters: a JSON Schema as JSON text, because MessagePack has no
    integers of more than 64 bits; None = the tool has no parameters.
    """

    name: str
    description: str | None = None
    parameters: str | None = None


class Draw(Message, frozen=True):
    """How the next token is sampled. The defaults are llama.cpp's.

    temperature: 0 = take the likeliest token; then top_k, top_p, min_p and seed have no effect. top_k: only
    the `top_k` likeliest tokens may be taken; 0 = all. top_p: only the likeliest tokens whose probabilities
    together reach `top_p` may be taken; 1 = all. min_p: only tokens with at least this share of the likeliest
    token's probability may be taken; 0 = all. seed: None = random. repetition, frequency, presence: penalties
    for tokens that are among the last `window` tokens of the answer; tokens of the prompt are not counted.
    bias: pairs (token id, value that is added to the token's logit). top_logprobs: how many of the likeliest
    tokens to report with each token of the answer, with their log probabilities; 0 = report the log
    probability of the token itself only, None = report no log probabilities.
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

    turns: the messages. limit: the most tokens of the answer, None = no limit but the context; a number below
    1 counts as 1. stop: sequences that end the answer and are not part of it. grammar: a grammar in GBNF that
    the answer must follow, None = any text.

    All jobs have the fields keep_alive and client. keep_alive: seconds for which the model stays in memory
    after the job, unless a later job or an `Unload` changes that; 0 = it does not stay, negative = for ever.
    client: the name of the client that sent the request; a full queue refuses jobs of clients with many
    waiting jobs first.
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


class Count(Message, frozen=True, tag="count"):
    """The job to count the tokens of the prompt that the model would read if a `Generate` had the same turns
    and tools.
    """

    id: int
    options: Options
    turns: tuple[PromptTurn, ...]
    tools: tuple[ToolSpec, ...] = ()
    keep_alive: float = 300.0
    client: str = ""


class Embed(Message, frozen=True, tag="embed"):
    """The job to embed texts. A text that is too long for the model is cut. dimensions: how many of the
    floats that the model computes are in each vector, which is scaled to length 1; None = all.
    """

    id: int
    options: Options
    texts: tuple[str, ...]
    dimensions: int | None = None
    keep_alive: float = 300.0
    client: str = ""


class Speak(Message, frozen=True, tag="speak"):
    """The job to speak a text. output: the audio format, a key of `sound.KINDS` ("mp3", "wav", …). speed: 1 =
    normal.
    """

    id: int
    options: Options
    text: str
    output: str
    speed: float = 1.0
    keep_alive: float = 300.0
    client: str = ""


class Transcribe(Message, frozen=True, tag="transcribe"):
    """The job to transcribe a recording. data: the audio file. prompt: text that counts as spoken before the
    recording, None = none. temperature: None = begin with 0, and raise the temperature while the words make
    no sense. words: True = also report the time of each word.
    """

    id: int
    options: Options
    data: bytes
    prompt: str | None = None
    temperature: float | None = None
    words: bool = False
    keep_alive: float = 300.0
    client: str = ""


Job: TypeAlias = Generate | Count | Embed | Speak | Transcribe
"""A request to a model. Its answer ends with an `End`, unless the job is cancelled."""


class Cancel(Message, frozen=True, tag="cancel"):
    """Cancel the request with this `id`. If it waits, it leaves the queue. If it runs, it ends at the next
    place where its engine looks for a cancellation; a `Count` is still answered.
    """

    id: int


class Pause(Message, frozen=True, tag="pause"):
    """Compute no further part of the answer to the request with this `id` after the next message at the
    latest, until a `Resume` or a `Cancel`. Meanwhile, no other job runs and no model is freed, but orders are
    still read. Nothing changes if the request with this `id` does not run.
    """

    id: int


class Resume(Message, frozen=True, tag="resume"):
    """Continue the answer that a `Pause` has stopped."""

    id: int


class Unload(Message, frozen=True, tag="unload"):
    """Free each model that was loaded from `path`, as soon as the model is idle. If a job still waits for the
    model, the model is not freed, and the keep_alive of this job counts.
    """

    path: str


class Inspect(Message, frozen=True, tag="inspect"):
    """Ask for a `Report` with the same `id`."""

    id: int


Order: TypeAlias = Job | Cancel | Pause | Resume | Unload | Inspect


class TokenProb(Message, frozen=True):
    """A token with its log probability. id: the token's number. piece: the token's bytes; b"" for a control
    token. logprob: the log probability before temperature and other sampling settings are applied. top: the
    likeliest tokens at the same position, each with an empty `top`; () = none requested.
    """

    id: int
    piece: bytes
    logprob: float
    top: tuple[TokenProb, ...] = ()


class Timings(Message, frozen=True):
    """How many seconds the parts of a `Generate` took. queued: waiting in the queue. load: loading the model;
    nearly 0 if it was in memory. prompt: computing the prompt, until the first token of the answer. answer:
    from this token to the end of the answer. The times of a `Pause` are included.
    """

    queued: float = 0.0
    load: float = 0.0
    prompt: float = 0.0
    answer: float = 0.0


class Started(Message, frozen=True, tag="started"):
    """The first message of a chat answer that has not failed before: the model begins to compute the prompt.
    prompt_tokens: the number of tokens in the prompt, counted by the model's tokenizer.
    """

    id: int
    prompt_tokens: int


class Delta(Message, frozen=True, tag="delta"):
    """More text of a chat answer. logprobs: the log probabilities of the tokens whose text is complete with
    this delta; () if there are no such tokens, or if log probabilities were not requested. A token that a
    stop sequence has cut is reported in the last delta, whose text may be empty.
    """

    id: int
    text: str
    logprobs: tuple[TokenProb, ...] = ()


Finish: TypeAlias = Literal["stop", "sequence", "length", "context"]
"""Why a chat answer ended: the model ended its turn (`stop`); a stop sequence came (`sequence`); the
request's limit was reached (`length`); the context is full (`context`).
"""


class Done(Message, frozen=True, tag="done"):
    """The last message of a complete chat answer. tokens: the number of tokens that the model wrote,
    including those of a stop sequence, which is not in the text. sequence: the stop sequence that ended the
    answer, None = none did.
    """

    id: int
    finish: Finish
    tokens: int
    sequence: str | None = None
    timings: Timings = Timings()


class Counted(Message, frozen=True, tag="counted"):
    """The number of tokens in the prompt for a conversation, including the tokens that the chat template
    adds.
    """

    id: int
    tokens: int


class Embedded(Message, frozen=True, tag="embedded"):
    """The vectors of the texts, in their order, as little-endian 32-bit floats. tokens: the number of tokens
    that the model read, of all texts together. cut: the indices of the texts that were cut because they are
    too long.
    """

    id: int
    vectors: tuple[bytes, ...]
    tokens: int
    cut: tuple[int, ...] = ()


class Spoken(Message, frozen=True, tag="spoken"):
    """The audio, in the requested format. rate: samples per second."""

    id: int
    data: bytes
    rate: int


class Span(Message, frozen=True):
    """A word or a segment of a transcript. start, end: seconds from the beginning of the recording. detail:
    further values of a segment (`avg_logprob`, …); None for a word.
    """

    text: str
    start: float
    end: float
    detail: dict[str, Any] | None = None


class Transcribed(Message, frozen=True, tag="transcribed"):
    """The transcript. duration: the duration of the recording in seconds. words: the time of each word; None
    = not requested.
    """

    id: int
    text: str
    duration: float
    segments: tuple[Span, ...] = ()
    words: tuple[Span, ...] | None = None


FailureKind: TypeAlias = Literal["overloaded", "context_length", "invalid", "model", "crashed", "internal"]
"""Why a request failed: too many requests wait (`overloaded`); the prompt leaves no room for an answer in the
context (`context_length`); the model cannot take the request, or a message is too large (`invalid`); the
model cannot be loaded, or a library that the job needs is not installed (`model`); the process died
(`crashed`); any other error (`internal`).
"""


class Failed(Message, frozen=True, tag="failed"):
    """The request with this `id` has failed, before or during its answer. message: a sentence for the client;
    the gateway adds the full stop.
    """

    id: int
    kind: FailureKind
    message: str


class Loaded(Message, frozen=True):
    """A model in memory. context: the most tokens in its context (of prompt and answer together, if it writes
    text); None = it has no such limit (speech, transcription). idle: seconds since its last answer, None = it
    is working. expires: seconds until its memory is freed if no request comes, None = never. While the model
    works, expires is counted from the end of the job before, or from loading.
    """

    options: Options
    context: int | None
    idle: float | None = None
    expires: float | None = None


class Report(Message, frozen=True, tag="report"):
    """The loaded models and the queue. waiting: the number of waiting jobs. running: the id of the running
    job, None = no job runs. resident: the bytes of the process in physical memory, None = unknown.
    """

    id: int
    models: tuple[Loaded, ...] = ()
    waiting: int = 0
    running: int | None = None
    resident: int | None = None


End: TypeAlias = Done | Counted | Embedded | Spoken | Transcribed | Failed
"""The last message of an answer."""

Event: TypeAlias = Started | Delta | End
Reply: TypeAlias = Event | Report

_ENCODER = msgspec.msgpack.Encoder()

order = msgspec.msgpack.Decoder[Order](Order).decode
"""Decodes the body of a frame (without its length bytes) from the gateway. Raises msgspec.DecodeError,
UnicodeDecodeError or RecursionError for an invalid message.
"""
answer = msgspec.msgpack.Decoder[Reply](Reply).decode
"""Decodes the body of a frame (without its length bytes) from the model process. Raises as `order` does."""


class FrameTooLarge(DragomanError):
    """Raised for a message of more than `MAX_FRAME` bytes."""


def frame(message: Order | Reply) -> bytes:
    """Return the message as one frame. Raises FrameTooLarge for more than `MAX_FRAME` bytes,
    UnicodeEncodeError for a text with a lone surrogate.
    """
    body = _ENCODER.encode(message)
    if len(body) > MAX_FRAME:
        raise FrameTooLarge(f"a message of more than {MAX_FRAME >> 20} MiB")
    return len(body).to_bytes(4, "big") + body


def length(head: bytes) -> int:
    """Return the number of bytes that follow the first four bytes of a frame. head: these four bytes. Raises
    ValueError if the number is larger than `MAX_FRAME`.
    """
    size = int.from_bytes(head, "big")
    if size > MAX_FRAME:
        raise ValueError(f"a frame of {size} bytes: the model process is out of step")
    return size
