r"""Anthropic's legacy text completions, POST /v1/complete, as a separate face over Messages.

    {model, prompt: "\n\nHuman: …\n\nAssistant:", max_tokens_to_sample}
    → {type: "completion", id, completion, stop_reason, stop, model, log_id}

Models are asked in Messages or another protocol, and every answer is translated: of the model's answer, the
client gets only the text, the model's name, and the stop reason and sequence.
https://platform.claude.com/docs/en/api/completions
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from dragoman import ir
from dragoman.dialects.anthropic import DIALECT as MESSAGES
from dragoman.dialects.anthropic.check import Metadata, explained
from dragoman.dialects.anthropic.errors import error_body
from dragoman.dialects.anthropic.terms import NAME
from dragoman.dialects.loss import Report
from dragoman.dialects.plain import lose_citations, plain_text
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import WireRequest
from dragoman.errors import RequestFailed, WireError

_HUMAN: Final = "\n\nHuman:"
_ASSISTANT: Final = "\n\nAssistant:"
_TURN: Final = re.compile(r"(?:\A\s*|\n\n)(Human|Assistant):")
_ROLES: Final = {"Human": "user", "Assistant": "assistant"}
_ODD: Final = "invalid_value"
_SHARED: Final = ("model", "stop_sequences", "temperature", "top_p", "top_k", "metadata", "stream")
"""Request members that Messages also has. They are copied unchanged, unless they are null."""
_WHERE: Final = "candidates[0]"
"""The IR path of the only candidate that the client gets."""
_EXPRESSIBLE: Final = frozenset({"end", "sequence", "length", "context"})
"""The stop reasons of the IR that `stop_reason` can express."""
_encode: Final = msgspec.json.Encoder().encode


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    prompt: Annotated[str, Meta(min_length=1)]
    max_tokens_to_sample: Annotated[int, Meta(ge=1)]
    model: str | None = None
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    metadata: Metadata | None = None
    stream: bool | None = None


# --- Requests ----------------------------------------------------------------------------------


def check(request: WireRequest) -> None:
    """Raise WireError for the first mistake in a request, also for an unknown member of the body. Its path is
    the JSON path of the mistake, without `$.`; "" for an unknown member.
    """
    try:
        prompt = msgspec.convert(request.body, _Request).prompt
    except msgspec.ValidationError as error:
        raise explained(str(error)) from None
    turns = _turns(prompt)[1]
    if not turns or turns[0][0] != "user":
        raise WireError(
            f'must start with a "{_shown(_HUMAN)}" turn after an optional system prompt', "prompt", _ODD
        )
    if turns[-1][0] != "assistant":
        raise WireError(f'must end with an "{_shown(_ASSISTANT)}" turn', "prompt", _ODD)
    try:
        MESSAGES.request.check(WireRequest("chat", _as_messages(request.body)))
    except WireError as error:
        raise WireError(error.message, locate(error.path).removeprefix("$."), error.code) from None


def _shown(turn: str) -> str:
    return turn.replace("\n", "\\n")


def decode_request(wire: WireRequest) -> ir.Request:
    """Decode a request that has passed `check`. It is decoded like the equivalent request for Messages."""
    return MESSAGES.request.decode(WireRequest("chat", _as_messages(wire.body)))


def brief(wire: WireRequest) -> ir.Request:
    """Return an IR request with only the model and `stream`, which decide the route and the form of the
    answer.
    """
    return ir.Request(NAME, wire.body.get("model"), stream=wire.body.get("stream") is True)


def _as_messages(body: dict[str, Any]) -> dict[str, Any]:
    """Return the body of the equivalent request for Messages. The text of the prompt before the
    first turn ("Human:" or "Assistant:", see `_turns`) becomes the system prompt. Neighbouring
    turns of one role become one message, with an empty line between their texts. Then the last
    message, whichever role it has, is left out if its text is empty.
    """
    system, turns = _turns(body["prompt"])
    messages: list[dict[str, str]] = []
    for role, text in turns:
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += "\n\n" + text
        else:
            messages.append({"role": role, "content": text})
    if not messages[-1]["content"]:
        messages.pop()  # the answer does not begin with given text
    asked = {key: body[key] for key in _SHARED if body.get(key) is not None}
    if system:
        asked["system"] = system
    return {**asked, "max_tokens": body["max_tokens_to_sample"], "messages": messages}


def _turns(prompt: str) -> tuple[str, list[tuple[str, str]]]:
    """Split a prompt at each "Human:" and "Assistant:" that stands at its beginning (behind white space, if
    there is some) or after an empty line. Returns (the text before the first of them, [(role in Messages,
    text after it)]), without white space around the texts.
    """
    before, *found = _TURN.split(prompt)
    turns = zip(found[::2], found[1::2], strict=True)
    return before.strip(), [(_ROLES[name], text.strip()) for name, text in turns]


def locate(where: str) -> str:
    """Return the JSON path in the client's request for `where`, which is a path in the IR or a path in the
    body that `_as_messages` returns.
    """
    if where.startswith(("messages", "system")):
        return "$.prompt"
    if where in {"max_output", "max_tokens"}:
        return "$.max_tokens_to_sample"
    return MESSAGES.request.locate(where)


# --- Answers -----------------------------------------------------------------------------------


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """Encode the first candidate as a `completion` object: its texts and refusals become one text. Other
    blocks, citations and what `stop_reason` cannot express are reported as lost; the usage and the other
    candidates are left out without a report. Raises RequestFailed if the response has an `error`.
    """
    if response.error is not None:
        raise RequestFailed(response.error)
    first = response.candidates[0] if response.candidates else ir.Candidate(())
    blocks = enumerate(first.blocks)
    text = "".join([plain_text(block, reply.report, f"{_WHERE}.blocks[{at}]") for at, block in blocks])
    stop = first.stop or ir.Stop("end")
    _lose_stop(stop, reply.report)
    return _completion(text, stop, response.model, reply)


def _completion(text: str, stop: ir.Stop | None, model: str | None, reply: Reply) -> dict[str, Any]:
    """Return a `completion` object: a whole answer, or a piece of a stream. text: its text. stop: None = the
    object states no stop reason. model: the upstream's name for the model, which is written unless the
    gateway must show another name (`reply.model`); None = the name in the request is written instead.
    """
    ended = stop is not None
    cut = stop is not None and stop.reason in {"length", "context"}
    sequence = (stop.sequence if stop is not None else None) or _HUMAN
    return {
        "type": "completion",
        "id": reply.id,
        "completion": text,
        "stop_reason": ("max_tokens" if cut else "stop_sequence") if ended else None,
        "model": reply.model or model or reply.request.model or "",
        "stop": sequence if ended and not cut else None,
        "log_id": reply.id,
    }


def _lose_stop(stop: ir.Stop | None, report: Report) -> None:
    if stop is None:
        return
    if stop.reason not in _EXPRESSIBLE:
        report.lose(f"{_WHERE}.stop.reason", f"`stop_reason` has no value for {stop.reason!r}", "quality")
    if stop.detail is not None:
        report.lose(f"{_WHERE}.stop.detail", "the Messages API has no such field", "hint")


class CompleteEncoder:
    """Encodes the IR events of one answer to a client's stream. Each piece of text or refusal of the first
    candidate that is not empty is sent as an event when it comes. An event without text states the stop
    reason; an error is an event, too, and ends the stream. A ping is sent as a ping. The candidate's other
    blocks and its citations are reported as lost.
    """

    __slots__ = ("_model", "_over", "_reply")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._model: str | None = None
        self._over = False

    def feed(self, event: ir.Event) -> bytes:
        """Return the bytes for one IR event; b"" = nothing is sent for it. Nothing is sent after an error."""
        write = _WRITE.get(type(event))
        return b"" if write is None or self._over else write(self, event)

    def _start(self, event: ir.Start) -> bytes:
        self._model = event.model
        return b""

    def _open(self, event: ir.Open) -> bytes:
        if event.candidate:
            return b""
        return self._say(plain_text(event.block, self._reply.report, f"{_WHERE}.blocks[{event.index}]"))

    def _delta(self, event: ir.TextDelta | ir.RefusalDelta) -> bytes:
        return self._say(event.text) if event.candidate == 0 else b""

    def _cite(self, event: ir.Cite) -> bytes:
        if event.candidate == 0:
            lose_citations(self._reply.report, f"{_WHERE}.blocks[{event.index}]")
        return b""

    def _say(self, text: str) -> bytes:
        return self._event(_completion(text, None, self._model, self._reply)) if text else b""

    def _finish(self, event: ir.Finish) -> bytes:
        if event.candidate:
            return b""
        stop = event.stop or ir.Stop("end")
        _lose_stop(stop, self._reply.report)
        return self._event(_completion("", stop, self._model, self._reply))

    def _end(self, event: ir.End) -> bytes:
        return b"" if event.error is None else self._error(ir.Error(event.error))

    def _error(self, event: ir.Error) -> bytes:
        self._over = True
        return self._event(error_body(event.fault))

    def _ping(self, event: ir.Ping) -> bytes:
        return MESSAGES.stream.ping

    def _event(self, body: dict[str, Any]) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (body["type"].encode(), _encode(body))


_WRITE: Final[dict[type, Callable[[CompleteEncoder, Any], bytes]]] = {
    ir.Start: CompleteEncoder._start,
    ir.Open: CompleteEncoder._open,
    ir.TextDelta: CompleteEncoder._delta,
    ir.RefusalDelta: CompleteEncoder._delta,
    ir.Cite: CompleteEncoder._cite,
    ir.Finish: CompleteEncoder._finish,
    ir.End: CompleteEncoder._end,
    ir.Error: CompleteEncoder._error,
    ir.Ping: CompleteEncoder._ping,
}

FACE: Final = msgspec.structs.replace(
    MESSAGES,
    title="Anthropic Text Completions",
    spec="https://platform.claude.com/docs/en/api/completions",
    request=msgspec.structs.replace(
        MESSAGES.request,
        check=check,
        decode=decode_request,
        brief=brief,
        locate=locate,
        locate_in=None,
        members=frozenset(_Request.__struct_fields__),
        check_portable=None,
    ),
    response=msgspec.structs.replace(MESSAGES.response, encode=encode_response, id_prefix="compl_"),
    stream=msgspec.structs.replace(MESSAGES.stream, encoder=CompleteEncoder),
    opaque=msgspec.structs.replace(MESSAGES.opaque, foreign=()),
    operations={},
)
"""The dialect for clients of POST /v1/complete: Messages, with this API's requests and answers."""
