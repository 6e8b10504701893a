"""Decodes and encodes POST /moderations in OpenAI's form.

Specification: https://platform.openai.com/docs/api-reference/moderations. A list of texts gets one result for
each text; a list of parts (texts and images) is one input with one result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.check import check_image
from dragoman.dialects.leftovers import lose_members
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.operation import ListRelay, model_of, refuse_failure, usage_of
from dragoman.dialects.openai.terms import NAME, leftovers, restore
from dragoman.dialects.operation import ClientSide, OperationCodec, OperationReply, Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import a_string, an_object, empty_array, missing, not_one_of, require, wrong_type
from dragoman.errors import WireError
from dragoman.wire.dataurl import from_url
from dragoman.wire.json import UNDECODABLE, decode_object, encode

PATH: Final = "/moderations"
MAPS: Final = frozenset({"model", "input"})
_PARTS: Final = ("text", "image_url")
_TEXT: Final = frozenset({"type", "text"})
_IMAGE: Final = frozenset({"type", "image_url"})
_IMAGE_URL: Final = frozenset({"url", "detail"})


class _Result(msgspec.Struct):
    categories: dict[str, bool | None]
    category_scores: dict[str, float]
    flagged: bool | None = None
    category_applied_input_types: dict[str, tuple[str, ...]] | None = None


class _Answer(msgspec.Struct):
    results: list[_Result]
    model: str | None = None
    id: str | None = None
    usage: Any = None


_read: Final = msgspec.json.Decoder(_Answer).decode


# --- Requests ----------------------------------------------------------------------------------


def check(request: WireRequest) -> None:
    """Raise WireError, with the JSON path of the value, for the first mistake that is found."""
    body = request.body
    if (value := body.get("input")) is None:
        missing("input")
    if body.get("model") is not None:
        a_string(body["model"], "model")
    if type(value) is str:
        return
    if type(value) is not list:
        wrong_type("input", "a string or an array", value)
    if not value:
        empty_array("input")
    rule = a_string if type(value[0]) is str else _part
    for index, item in enumerate(value):
        rule(item, f"input[{index}]")


def _part(part: Any, path: str) -> None:
    an_object(part, path)
    require(part, "type", a_string, path)
    if part["type"] == "text":
        require(part, "text", a_string, path)
    elif part["type"] == "image_url":
        check_image(part, path)
    else:
        not_one_of(f"{path}.type", part["type"], _PARTS)


def decode_request(wire: WireRequest) -> ir.ModerationRequest:
    """Return the decoded request. wire: a request that `check` has accepted."""
    value = wire.body["input"]
    form = None
    if isinstance(value, str):
        inputs: tuple[tuple[ir.Text | ir.Media, ...], ...] = ((ir.Text(value),),)
        form = "one"
    elif isinstance(value[0], str):
        inputs = tuple((ir.Text(text),) for text in value)
    else:
        inputs = (tuple(map(_block, value)),)
        form = "parts"
    return ir.ModerationRequest(NAME, model_of(wire), inputs, form, leftovers(wire.body, MAPS))


def _block(part: Mapping[str, Any]) -> ir.Text | ir.Media:
    if part["type"] == "text":
        return ir.Text(part["text"], extra=leftovers(part, _TEXT))
    image = part["image_url"]
    mime, data, url = from_url(image["url"])
    extra = ir.merge(leftovers(part, _IMAGE), leftovers(image, _IMAGE_URL, "image_url"))
    return ir.Media("image", mime, data, url, detail=image.get("detail"), extra=extra)


def encode_request(request: ir.ModerationRequest, target: Target) -> WireRequest:
    """Return the request in this dialect. Raises WireError if an input of several parts, or with an image, is
    not the only input: OpenAI reads a list of parts as one input.
    """
    inputs = request.inputs
    value: Any
    if request.form == "parts" or any(not plain(blocks) for blocks in inputs):
        if len(inputs) != 1:
            message = "An input with several parts must be the only input."
            raise WireError(message, "inputs[1]", "unsupported_value")
        (blocks,) = inputs
        value = [_written(block, target.report, f"inputs[0][{place}]") for place, block in enumerate(blocks)]
    else:
        texts = [text_of(blocks) for blocks in inputs]
        value = texts[0] if request.form == "one" else texts
    body: dict[str, Any] = {"input": value}
    model = target.model if target.model is not None else request.model
    if model is not None:
        body = {"model": model, **body}
    restore(body, request.extra, target.report, "")
    return WireRequest("moderation", body, path=PATH)


def plain(blocks: tuple[ir.Text | ir.Media, ...]) -> bool:
    """Whether an input consists of exactly one text. blocks: the parts of the input."""
    return len(blocks) == 1 and isinstance(blocks[0], ir.Text)


def text_of(blocks: tuple[ir.Text | ir.Media, ...]) -> str:
    """Return the text of an input for which `plain` is true. blocks: the parts of the input."""
    block = blocks[0]
    assert isinstance(block, ir.Text)
    return block.text


def _written(block: ir.Text | ir.Media, report: Report, where: str) -> dict[str, Any]:
    part: dict[str, Any]
    if isinstance(block, ir.Text):
        part = {"type": "text", "text": block.text}
    else:
        url = block.url if block.data is None else f"data:{block.mime or ''};base64,{block.data}"
        part = {"type": "image_url", "image_url": {"url": url}}
        if block.detail is not None:
            part["image_url"]["detail"] = block.detail
    restore(part, block.extra, report, where)
    return part


def locate(request: ir.ModerationRequest, where: str) -> str:
    """Return the JSON path, in the client's request, for the IR path `where`. `inputs[1]` has the path
    `$.input[1]`. If the client wrote a list of parts, which is one input, `inputs[0][1]` has the path
    `$.input[1]`; if it wrote a single text, all inputs have the path `$.input`.
    """
    if where.startswith("inputs["):
        if request.form == "one":
            return "$.input"
        prefix = "inputs[0]" if request.form == "parts" else "inputs"  # all parts are one input
        return f"$.input{where.removeprefix(prefix)}"
    return "$." + {"inputs": "input"}.get(where, where)


# --- Answers -----------------------------------------------------------------------------------


def decode_response(answered: Payload, request: ir.ModerationRequest) -> ir.ModerationResponse:
    """Decode a response. Raises RequestFailed for an error with status 200, WireError for any other invalid
    body, and if `results` does not have one result for each input of `request`.

    A result without `flagged` (Mistral's) is flagged if any category applies.
    """
    try:
        answer = _read(answered.data)
    except UNDECODABLE as error:
        refuse_failure(decode_object(answered.data), "results")
        raise WireError(str(error)) from error
    if len(answer.results) != len(request.inputs):
        raise WireError(f"expected {len(request.inputs)} results, got {len(answer.results)}")
    judgements = tuple(map(_judgement, answer.results))
    return ir.ModerationResponse(judgements, answer.model, answer.id, usage_of(answer.usage))


def _judgement(result: _Result) -> ir.Judgement:
    flagged = any(result.categories.values()) if result.flagged is None else result.flagged
    return ir.Judgement(
        flagged, result.categories, result.category_scores, result.category_applied_input_types
    )


def encode_response(response: ir.ModerationResponse, reply: OperationReply[ir.ModerationRequest]) -> Payload:
    """Return the response body for the client. Categories keep the provider's names. A response without an
    id gets one. The usage is not written, because OpenAI's form has none.
    """
    results: list[dict[str, Any]] = []
    for judgement in response.judgements:
        result: dict[str, Any] = {
            "flagged": judgement.flagged,
            "categories": judgement.categories,
            "category_scores": judgement.scores,
        }
        if judgement.kinds is not None:
            result["category_applied_input_types"] = judgement.kinds
        results.append(result)
    id_ = response.id or f"modr-{reply.id}"
    return Payload(encode({"id": id_, "model": reply.model or response.model, "results": results}))


def only_texts(request: ir.ModerationRequest, report: Report) -> tuple[str, ...]:
    """Return each input as one text, for providers that moderate only text. Several text parts of one input
    are joined by line breaks, and this is reported as a change. Leftovers of parts are reported as lost.
    Raises WireError for an image.
    """
    texts: list[str] = []
    for index, blocks in enumerate(request.inputs):
        lines: list[str] = []
        for place, block in enumerate(blocks):
            where = f"inputs[{index}][{place}]"
            if isinstance(block, ir.Media):
                raise WireError("This provider moderates only text.", where, "unsupported_modality")
            for dialect, members in (block.extra or {}).items():
                lose_members(members, report, where, dialect)
            lines.append(block.text)
        if len(lines) > 1:
            report.change(f"inputs[{index}]", f"input[{index}]", "its text parts are joined by line breaks")
        texts.append("\n".join(lines))
    return tuple(texts)


MODERATION: Final = OperationCodec(
    relay=ListRelay(PATH, "results"),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=encode_response,
        locate=locate,
        members=MAPS,
    ),
    provider=ProviderSide(paths=(PATH,), encode=encode_request, decode=decode_response),
)
