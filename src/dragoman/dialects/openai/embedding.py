"""Decodes and encodes POST /embeddings, as OpenAI and its compatible vendors use it.

Specification: https://platform.openai.com/docs/api-reference/embeddings. OpenAI's own clients request base64
by default, but also accept lists of numbers. A vendor without `encoding_format` answers with lists; its
answer is then rewritten in the requested encoding.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.batching import batches, joined, lose_length, one_each
from dragoman.dialects.chat.check import check_texts
from dragoman.dialects.inputs import texts_of
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.operation import model_of, refuse_failure, usage_of, usage_value
from dragoman.dialects.openai.terms import NAME, leftovers, restore
from dragoman.dialects.operation import (
    ClientSide,
    OperationCodec,
    OperationReply,
    Outgoing,
    Payload,
    ProviderSide,
)
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.relaying import WholeAnswerRelay
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import Rule, a_string, check_members, integer, one_of
from dragoman.errors import WireError
from dragoman.tokens import reads_tokens
from dragoman.wire.json import UNDECODABLE, decode_head, decode_object, encode, encode_head
from dragoman.wire.vectors import from_base64, from_floats, to_base64, to_floats

PATH: Final = "/embeddings"
MOST_INPUTS: Final = 2048
"""Inputs that OpenAI accepts in one request: https://platform.openai.com/docs/api-reference/embeddings"""
MOST_TOKENS: Final = 300_000
MAPS: Final = frozenset({"model", "input", "dimensions", "encoding_format", "user"})
_IN_LISTS: Final = re.compile(rb'"embedding"\s*:\s*\[')
_HEAD: Final = 1024
"""How many bytes of `data` are searched for the beginning of the first vector."""


class _Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Vector]
    model: str | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    id: str | None = None


_read: Final = msgspec.json.Decoder(_Answer).decode


# --- Requests ----------------------------------------------------------------------------------


def check(request: WireRequest) -> None:
    """Raise WireError, with the JSON path of the value, for the first mistake that is found."""
    check_members(request.body, _RULES, "input")


def check_input(value: Any, path: str) -> None:
    """Raise WireError unless the value is a text (which may be empty), a list of texts, a list of token ids
    (integers >= 0), or a list of lists of token ids. Lists must not be empty. path: the value's JSON path.
    """
    check_texts(value, path, 0)


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "input": check_input,
    "dimensions": integer(1),
    "encoding_format": one_of("float", "base64"),
    "user": a_string,
}


def decode_input(value: Any) -> tuple[tuple[ir.Input, ...], str | None]:
    """Return (the inputs, form) of a value of `input` that `check_input` has accepted. The form is "one" if
    the value was a single input (a text or a list of token ids), and None if it was a list of inputs.
    """
    if isinstance(value, str):
        return (value,), "one"
    if isinstance(value[0], int):
        return (ir.Tokens(tuple(value)),), "one"
    return tuple(item if isinstance(item, str) else ir.Tokens(tuple(item)) for item in value), None


def encode_input(request: ir.EmbedRequest, model: str | None, report: Report) -> Any:
    """Return the value of `input` for the upstream. Inputs that are token ids are converted to texts, which
    is reported, unless the upstream's model may get them (`tokens.reads_tokens`). model: the upstream's
    model; None = unknown.

    Raises WireError for a text beside token ids that stay token ids, and for token ids that cannot be
    converted.
    """
    own = reads_tokens(model, request.model)
    if own and any(isinstance(item, ir.Tokens) for item in request.inputs):
        ids = [_ids(item, index) for index, item in enumerate(request.inputs)]
        return ids[0] if request.form == "one" else ids
    texts = texts_of(request, report)
    return texts[0] if request.form == "one" else texts


def _ids(item: ir.Input, index: int) -> list[int]:
    if not isinstance(item, ir.Tokens):
        raise WireError("strings and tokens cannot be mixed", f"inputs[{index}]", "unsupported_value")
    return list(item.ids)


def decode_request(wire: WireRequest) -> ir.EmbedRequest:
    """Return the decoded request. wire: a request that `check` has accepted."""
    body = wire.body
    inputs, form = decode_input(body["input"])
    return ir.EmbedRequest(
        NAME,
        model_of(wire),
        inputs,
        dimensions=body.get("dimensions"),
        encoding=body.get("encoding_format"),
        user=body.get("user"),
        form=form,
        extra=leftovers(body, MAPS),
    )


def encode_request(request: ir.EmbedRequest, target: Target) -> WireRequest:
    """Return the request in this dialect. For clients of other dialects it requests lists of numbers. Losses
    are reported. Raises WireError for token ids that cannot be sent (`encode_input`).
    """
    model = target.model if target.model is not None else request.model
    body: dict[str, Any] = {"model": model, "input": encode_input(request, model, target.report)}
    encoding = request.encoding if request.dialect == NAME else "float"
    stated = (("dimensions", request.dimensions), ("encoding_format", encoding), ("user", request.user))
    body.update((key, value) for key, value in stated if value is not None)
    lose_purpose(request, target.report)
    lose_cutting(request, target.report)
    restore(body, request.extra, target.report, "")
    return WireRequest("embed", body, path=PATH)


def passes(wire: WireRequest, _: Quirks, model: str) -> bool:
    """Whether the inputs of the request can be sent unchanged to a vendor's model (`model`): they are texts,
    or token ids that need no conversion (`tokens.reads_tokens`).
    """
    inputs = wire.body["input"]
    is_text = isinstance(inputs, str) or isinstance(inputs[0], str)
    return is_text or reads_tokens(model, model_of(wire))


def lose_cutting(request: ir.EmbedRequest, report: Report) -> None:
    """Report `truncate` as lost if it is true: servers of this family do not cut inputs that are too long,
    but reject them.
    """
    if request.truncate:
        report.lose("truncate", "this provider rejects an input that is too long", "hint")


def lose_purpose(request: ir.EmbedRequest, report: Report) -> None:
    """Report the task and the title of embeddings as lost, if they are stated: this family has no parameters
    for them.
    """
    if request.task is not None:
        report.lose("task", "this provider has no parameter for the task of embeddings", "quality")
    if request.title is not None:
        report.lose("title", "this provider has no parameter for titles", "quality")


def locate(request: ir.EmbedRequest, where: str) -> str:
    """Return the JSON path, in the client's request, for the IR path `where`: `$.input[1]` for `inputs[1]`,
    or `$.input` if the client wrote a single input.
    """
    if where.startswith("inputs["):
        return "$.input" if request.form == "one" else f"$.input{where.removeprefix('inputs')}"
    return "$." + _PLACES.get(where, where)


_PLACES: Final = {"inputs": "input", "encoding": "encoding_format"}


# --- Answers -----------------------------------------------------------------------------------


def decode_response(answered: Payload, request: ir.EmbedRequest) -> ir.EmbedResponse:
    """Decode a response. Raises RequestFailed for an error with status 200, WireError for an invalid body,
    and for a response that does not have one vector for each input of `request`. Unreadable usage is
    ignored.
    """
    try:
        answer = _read(answered.data)
    except UNDECODABLE as error:
        refuse_failure(decode_object(answered.data), "data")
        raise WireError(str(error)) from error
    vectors = answer.data
    if all(vector.index is not None for vector in vectors):
        vectors = sorted(vectors, key=lambda vector: vector.index or 0)
    written = (vector.embedding for vector in vectors)
    response = ir.EmbedResponse(
        tuple(from_base64(one) if isinstance(one, str) else from_floats(one) for one in written),
        model=answer.model,
        usage=usage_of(usage_value(answer.usage)),
        id=answer.id,
    )
    return one_each(response, request)


def encode_response(response: ir.EmbedResponse, reply: OperationReply[ir.EmbedRequest]) -> Payload:
    """Return the response body for the client. Vectors are base64 if the client asked for that, otherwise
    lists of numbers. If the first vector does not have the requested number of dimensions, a loss is
    reported.
    """
    lose_length(response, reply)
    write = to_base64 if reply.request.encoding == "base64" else to_floats
    body: dict[str, Any] = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": write(vector)}
            for index, vector in enumerate(response.vectors)
        ],
        "model": reply.model or response.model or reply.request.model,
    }
    if response.id is not None:  # OpenAI has no id, but clients of vendors with an id require it
        body["id"] = response.id
    if response.usage is not None:
        tokens = response.usage.input_total
        body["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
    return Payload(encode(body))


class EmbeddingRelay(WholeAnswerRelay):
    """Relays embedding requests and responses of this dialect; vectors keep their encoding."""

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        return Outgoing(PATH, encode_head({**head, **edits}))

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """Return (the response for the client, its usage). The usage is None if it is missing or unreadable.
        Returns None in place of both if the client asked for an encoding and the first vector does not seem
        to have it; then the response must be translated.

        model: the model's name for the client; None = the name stays unchanged. Raises RequestFailed for an
        error with status 200, WireError if the body is not a JSON object or `data` is not an array.
        """
        head = decode_head(answer.data)
        if "data" not in head:
            refuse_failure(decode_object(answer.data), "data")
        if not (data := bytes(head.get("data", b""))).startswith(b"["):
            raise WireError("expected an array", "data")
        wished = wire.body.get("encoding_format")
        if wished is not None and (wished == "base64") is (_IN_LISTS.search(data, 0, _HEAD) is not None):
            return None
        usage = usage_of(usage_value(head.get("usage", b"null")))
        if model is not None and "model" in head:
            answer = Payload(encode_head({**head, "model": model}))
        return answer, usage


EMBEDDING: Final = OperationCodec(
    relay=EmbeddingRelay(),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=encode_response,
        locate=locate,
        members=MAPS,
    ),
    provider=ProviderSide(
        paths=(PATH,),
        encode=encode_request,
        decode=decode_response,
        split=batches(MOST_INPUTS, MOST_TOKENS),
        join=joined,
    ),
    relays=passes,
)
