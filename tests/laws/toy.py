"""A protocol that nobody speaks, as somebody would write it who adds one: `POST /toy/say`.

    {"model", "said": [{"who", "words"}], "most", "live"}
    → {"id", "model", "words", "why", "cost": {"in", "out"}}
    → or, when `live` is true, events: {"open": {"id", "model"}} · {"words"} … · {"why", "cost"}
    → or {"wrong", "kind"}

It holds texts and nothing else. `TOY` is all that the gateway has to know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

import msgspec

from dragoman import ir
from dragoman.dialects.access import Face, Headers, Keys, Paths, Probe
from dragoman.dialects.dialect import Abilities, Dialect, ErrorCodec, RequestCodec, ResponseCodec, StreamCodec
from dragoman.dialects.failure import blame_of, kind_of_status, read_body, retry_after, retry_headers
from dragoman.dialects.fields import Fields, within
from dragoman.dialects.leftovers import lose_members
from dragoman.dialects.loss import Report
from dragoman.dialects.plain import plain_text
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.reply import Reply
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_boolean,
    a_string,
    an_object,
    check_members,
    integer,
    list_of,
    one_of,
    require,
)
from dragoman.errors import RequestFailed, WireError
from dragoman.ir.response import Reason
from dragoman.wire.json import decode_head, decode_object, encode, encode_head
from dragoman.wire.sse import data

NAME: Final = "toy"


def _turn(value: Any, path: str) -> None:
    an_object(value, path)
    require(value, "who", one_of("system", "user", "assistant"), path)
    require(value, "words", a_string, path)


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "said": list_of(_turn, empty=False),
    "most": integer(1),
    "live": a_boolean,
}
_PLACES: Final = {"max_output": "$.most", "model": "$.model", "stream": "$.live"}
_WORDS: Final = re.compile(r"messages\[(\d+)\](\.blocks\[0\](\.text)?)?")
_REASON: Final = "the toy protocol has no such member"


# --- Requests ------------------------------------------------------------------------------------


def check(request: WireRequest) -> None:
    """Raises WireError for the first mistake."""
    check_members(request.body, _RULES, "model", "said")
    for member in request.body.keys() - _RULES.keys():
        raise WireError(f"`{member}` is not known", member, "unknown_parameter")


def brief(wire: WireRequest) -> ir.Request:
    """The request without what was said."""
    live = bool(wire.body.get("live"))
    return ir.Request(NAME, wire.body.get("model"), stream=live, max_output=wire.body.get("most"))


def decode_request(wire: WireRequest) -> ir.Request:
    """A checked request in the IR."""
    said = (ir.Message(one["who"], (ir.Text(one["words"]),)) for one in wire.body["said"])
    return msgspec.structs.replace(brief(wire), messages=tuple(said))


def encode_request(request: ir.Request, target: Target) -> WireRequest:
    """The request for an upstream; whatever is no text is named as lost."""
    report = target.report
    said = [{"who": "system", "words": _text(request.system, report, "system")}] if request.system else []
    for place, message in enumerate(request.messages):
        who = "system" if message.role == "developer" else message.role
        where = f"messages[{place}]"
        said.append({"who": who, "words": _text(message.blocks, report, f"{where}.blocks")})
        for field in ("name", "cache", "extra"):
            if getattr(message, field) is not None:
                report.lose(f"{where}.{field}", _REASON)
    _FIELDS.lose(request, report)
    _FIELDS.lose(request.sampling, report, "sampling")
    for dialect, members in (request.extra or {}).items():
        lose_members(members, report, "", dialect)
    body: dict[str, Any] = {"model": target.model or request.model, "said": said}
    if request.max_output is not None:
        body["most"] = request.max_output
    if request.stream:
        body["live"] = True
    return WireRequest("chat", body, path=TOY.paths.chat)


def _text(blocks: tuple[ir.Block, ...], report: Report, where: str) -> str:
    return "".join(plain_text(block, report, f"{where}[{at}]") for at, block in enumerate(blocks))


_FIELDS: Final = Fields(
    NAME,
    handled={encode_request: ("model", "messages", "system", "max_output", "stream", "stream_usage")},
    lost=dict.fromkeys(
        (
            *("tools", "tool_choice", "parallel", "output", "reasoning", "cache", "user"),
            *("safety_identifier", "metadata", "tier", "store", "prediction", "moderation"),
            *("previous", "conversation", "background"),
            *within("sampling", "temperature top_p top_k min_p seed frequency_penalty presence_penalty"),
            *within("sampling", "repetition_penalty stop n logprobs top_logprobs logit_bias"),
        ),
        _REASON,
    ),
)


def locate(where: str) -> str:
    """A place in IR terms, as a JSON path of a request."""
    if (found := _WORDS.match(where)) is not None:
        return f"$.said[{found[1]}].words" if found[2] else f"$.said[{found[1]}]"
    return _PLACES.get(where, "$.said")


# --- Answers -------------------------------------------------------------------------------------


def decode_response(body: dict[str, Any], _: Quirks) -> ir.Response:
    """A whole answer. Raises WireError for what is none, RequestFailed for an error."""
    if "wrong" in body:
        raise RequestFailed(decode_error(502, {}, encode(body)))
    answer = _read(_Answer, body)
    candidate = ir.Candidate((ir.Text(answer.words),), ir.Stop(_why(answer.why)))
    return ir.Response(
        NAME, answer.id or None, answer.model or None, candidates=(candidate,), usage=_usage(answer.cost)
    )


class _Cost(msgspec.Struct):
    input: int = msgspec.field(name="in")
    output: int = msgspec.field(name="out")


class _Answer(msgspec.Struct):
    id: str
    model: str
    words: str
    why: str
    cost: _Cost


def _read(kind: Any, value: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise WireError(f"the answer cannot be read: {error}") from None


def _why(word: str) -> Any:
    return word if word in get_args(Reason) else "other"


def _usage(cost: _Cost) -> ir.Usage:
    return ir.Usage(input=max(0, cost.input), output=max(0, cost.output))


def _cost(usage: ir.Usage | None) -> dict[str, int]:
    return {"in": usage.input_total or 0, "out": usage.output_total or 0} if usage else {"in": 0, "out": 0}


def encode_response(response: ir.Response, reply: Reply) -> dict[str, Any]:
    """The body for a client. Raises RequestFailed for an answer that failed."""
    if response.error is not None:
        raise RequestFailed(response.error)
    for candidate in response.candidates[1:]:
        reply.report.lose(f"candidates[{candidate.index}]", "an answer has one candidate")
    first = response.candidates[0] if response.candidates else ir.Candidate()
    return {
        "id": response.id or reply.id,
        "model": reply.model or response.model or "",
        "words": _text(first.blocks, reply.report, "candidates[0].blocks"),
        "why": first.stop.reason if first.stop else "other",
        "cost": _cost(response.usage),
    }


# --- Streams -------------------------------------------------------------------------------------

_BROKEN: Final = ir.Fault("upstream", "The stream broke off.", code="stream_broken", blame="upstream")


class Decoder:
    """Reads one stream."""

    def __init__(self, _: Quirks) -> None:
        self._state = "before"

    def feed(self, frame: bytes) -> list[ir.Event]:
        """The events of one frame. Raises WireError for what is none."""
        if self._state == "over":
            return []
        value = decode_object(frame)
        if "wrong" in value:
            self._state = "over"
            return [ir.Error(decode_error(502, {}, frame))]
        if "open" in value and self._state == "before":
            self._state = "open"
            head = _read(dict[str, str], value["open"])
            return [
                ir.Start(NAME, head.get("id") or None, head.get("model") or None),
                ir.Open(0, ir.Text("")),
            ]
        if self._state != "open":
            raise WireError("a stream begins with `open`")
        if "why" in value:
            why, cost = _why(_read(str, value["why"])), _read(_Cost, value.get("cost"))
            self._state = "over"
            return [ir.Close(0), ir.Finish(ir.Stop(why)), ir.Tally(_usage(cost)), ir.End()]
        return [ir.TextDelta(0, _read(str, value.get("words")))]

    def close(self) -> list[ir.Event]:
        """An error, where the stream has not ended."""
        return [] if self._state == "over" else [ir.Error(_BROKEN)]


class Encoder:
    """Writes one stream."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._why = "other"
        self._usage: ir.Usage | None = None
        self._texts: set[int] = set()

    def feed(self, event: ir.Event) -> bytes:
        """The bytes for one event."""
        reply = self._reply
        match event:
            case ir.Start():
                self._usage = event.usage
                model = reply.model or event.model or ""
                return _frame({"open": {"id": event.id or reply.id, "model": model}})
            case ir.Open(candidate=0):
                where = f"candidates[0].blocks[{event.index}]"
                if isinstance(event.block, ir.Text):
                    self._texts.add(event.index)
                words = plain_text(event.block, reply.report, where)
                return _frame({"words": words}) if words else b""
            case ir.TextDelta(candidate=0) if event.index in self._texts:
                return _frame({"words": event.text})
            case ir.Cite(candidate=0):
                reply.report.lose(f"candidates[0].blocks[{event.index}].citations", _REASON)
            case ir.Open():
                reply.report.lose(f"candidates[{event.candidate}]", "an answer has one candidate")
            case ir.Finish(candidate=0):
                self._why = event.stop.reason if event.stop else "other"
            case ir.Tally():
                self._usage = event.usage
            case ir.Error() | ir.End(error=ir.Fault()):
                fault = event.fault if isinstance(event, ir.Error) else event.error
                assert fault is not None
                return _frame(_wrong(fault))
            case ir.End():
                return _frame({"why": self._why, "cost": _cost(self._usage)})
            case _:
                pass
        return b""


def _frame(value: dict[str, Any]) -> bytes:
    return data(encode(value))


# --- Errors --------------------------------------------------------------------------------------


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ir.Fault:
    """The fault of an error answer."""
    try:
        said = decode_object(body)
    except WireError:
        said = {}
    stated = said.get("kind")
    kind = stated if isinstance(stated, str) and stated in ir.STATUS else kind_of_status(status)
    text = said.get("wrong")
    message = text if isinstance(text, str) and text else read_body(body, f"Status {status}.").message
    wait = retry_after(headers)
    return ir.Fault(kind, message, status=status, retry_after=wait, blame=blame_of(kind))


def encode_error(fault: ir.Fault, _: str | None) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an error answer."""
    return ir.STATUS[fault.kind], retry_headers(fault), encode(_wrong(fault))


def _wrong(fault: ir.Fault) -> dict[str, Any]:
    return {"wrong": fault.message, "kind": fault.kind}


# --- The same protocol on both sides -------------------------------------------------------------


class Relay:
    """Passes requests and answers with named edits."""

    def request(self, head: dict[str, Any], edits: Mapping[str, Any]) -> bytes:
        """The body to send."""
        edited = {**head, **edits}
        return encode_head({name: value for name, value in edited.items() if value is not msgspec.UNSET})

    def ask_usage(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing: every answer states its cost."""
        return {}

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """The body for the client."""
        usage = decode_response(decode_object(body), Quirks()).usage
        return (
            body if reply.model is None else encode_head({**decode_head(body), "model": reply.model})
        ), usage

    def tier(self, body: bytes) -> str | None:
        """None: there are no tiers."""
        return None

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        """The body as it is: every answer states its cost."""
        return body

    def stream(self, reply: Reply) -> StreamRelay:
        """A relay for one stream."""
        return StreamRelay(reply)


class StreamRelay:
    """Passes one stream, and reads it beside."""

    def __init__(self, reply: Reply) -> None:
        self.content = self.done = False
        self.usage: ir.Usage | None = None
        self.estimate: Callable[[], ir.Usage] | None = None
        self._decoder = Decoder(Quirks())
        self._model = reply.model

    def feed(self, frame: bytes) -> bytes:
        """The bytes for one frame."""
        for event in self._decoder.feed(frame):
            if isinstance(event, ir.Error):
                raise RequestFailed(event.fault)
            self.content = self.content or isinstance(event, ir.TextDelta)
            self.done = self.done or isinstance(event, ir.End)
            if isinstance(event, ir.Tally):
                self.usage = event.usage
        value = decode_object(frame)
        if self._model is not None and "open" in value:
            value["open"]["model"] = self._model
            return _frame(value)
        return data(frame)

    def close(self) -> bytes:
        """Nothing. Raises RequestFailed when the stream has broken off."""
        if not self.done:
            raise RequestFailed(_BROKEN)
        return b""


TOY: Final = Dialect(
    name=NAME,
    title="Toy",
    spec="tests/laws/toy.py",
    version="1",
    paths=Paths(chat="/say", base="/toy"),
    request=RequestCodec(
        check=check,
        decode=decode_request,
        encode=encode_request,
        brief=brief,
        fields=_FIELDS,
        members=frozenset(_RULES),
        locate=locate,
    ),
    response=ResponseCodec(decode=decode_response, encode=encode_response, id_prefix="toy_"),
    stream=StreamCodec(decoder=Decoder, encoder=Encoder, content_type="text/event-stream"),
    errors=ErrorCodec(decode=decode_error, encode=encode_error),
    relay=Relay(),
    headers=Headers(required={"toy-version": "1"}),
    keys=Keys(scheme="x-api-key", headers=("x-toy-key",)),
    face=Face(roots=("/toy",), alone=("/toy/",)),
    probe=Probe(called="the toy protocol", question="said"),
    abilities=Abilities(features=frozenset()),
)
