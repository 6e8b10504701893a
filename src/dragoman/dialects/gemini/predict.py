"""Embeddings of Vertex AI: `:predict` for most models, `:embedContent` for the newest models. Providers are
asked at both endpoints. Of clients, this module handles only requests to `:predict`.

https://cloud.google.com/vertex-ai/docs/generative-ai/embeddings/get-text-embeddings (read in 2026-11), in the
form of the recordings of :predict and of the client google-genai 3.4.0 (`_EmbedContentConfig_to_vertex`). A
request to :predict has the inputs as `instances`, each with its task and title, and the common options as
`parameters`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.batching import batches, joined, one_each
from dragoman.dialects.gemini.errors import fault_of
from dragoman.dialects.gemini.terms import NAME, leftovers
from dragoman.dialects.inputs import text_of
from dragoman.dialects.leftovers import lose_members
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import a_boolean, a_string, an_object, empty_array, integer, missing, objects
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import UNDECODABLE, decode_object
from dragoman.wire.vectors import from_floats, to_floats

PATH: Final = "/models/{model}:predict"
CONTENT_PATH: Final = "/models/{model}:embedContent"
_MOST_INPUTS, _MOST_TOKENS = 250, 20_000
"""The most inputs and tokens in one request of :predict, as the page says."""
_split = batches(_MOST_INPUTS, _MOST_TOKENS)


def by_content(model: str | None) -> bool:
    """Whether the endpoint of a model is :embedContent, which takes one input; otherwise it is :predict. The
    model's name decides. model: the provider's name for the model; None gives False.
    """
    name = (model or "").rpartition("/")[2]
    return ("gemini" in name or "maas" in name) and not name.startswith(_OLD)


_OLD: Final = ("gemini-embedding-001", "gemini-embedding-exp")


def parts_of(item: ir.Input, index: int, model: str | None, report: Report, to: str) -> list[dict[str, str]]:
    """Return an input as parts: one `{"text": …}` for each of its texts. Raises WireError for token ids that
    cannot be converted to text. index: the input's position in the request. model: the requested model's
    name, which decides the vocabulary of token ids; None = unknown, so that token ids are refused. report:
    gets the change if token ids are converted, and a loss if incomplete characters at the ends are left out.
    to: the JSON path of the input's first text in the encoded body, for this report.
    """
    if isinstance(item, ir.Tokens):
        item = text_of(item, index, model, report, to)
    texts: Sequence[str] = (item,) if isinstance(item, str) else item.texts
    return [{"text": text} for text in texts]


def encode_request(request: ir.EmbedRequest, target: Target) -> WireRequest:
    """Encode the request for the endpoint of its model (`by_content`), and report losses. All leftovers are
    lost. For :embedContent, only the first input is written, so the caller gives a request with one input
    (`split`). For :predict, the texts of one input are joined by line breaks, which is reported as a change.
    Raises WireError for an input of token ids that cannot be converted to text.
    """
    model = target.model if target.model is not None else request.model
    predicts = not by_content(model)
    if request.user is not None:
        target.report.lose("user", "Vertex AI has no end user id for embeddings", "hint")
    inputs: list[list[dict[str, str]]] = []
    for index, item in enumerate(request.inputs):
        to = f"instances[{index}].content" if predicts else "content.parts[0].text"
        inputs.append(parts_of(item, index, request.model, target.report, to))
        if predicts and len(inputs[-1]) > 1:
            target.report.change(f"inputs[{index}]", to, "its text parts are joined by line breaks")
    task = None if request.task is None else request.task.upper()
    options: dict[str, Any] = {}
    if request.dimensions is not None:
        options["outputDimensionality"] = request.dimensions
    if request.truncate is not None:
        options["autoTruncate"] = request.truncate
    for dialect, members in (request.extra or {}).items():
        lose_members(members, target.report, "", dialect)
    params = {} if model is None else {"model": model}
    if not predicts:
        stated = {"taskType": task, "title": request.title, **options}
        config = {key: value for key, value in stated.items() if value is not None}
        body: dict[str, Any] = {"content": {"role": "user", "parts": inputs[0]}}
        if config:
            body["embedContentConfig"] = config
        return WireRequest("embed", body, path=CONTENT_PATH, params=params)
    each = {"task_type": task, "title": request.title}
    own = {key: value for key, value in each.items() if value is not None}
    body = {
        "instances": [{"content": "\n".join(part["text"] for part in parts), **own} for parts in inputs],
        **({"parameters": options} if options else {}),
    }
    return WireRequest("embed", body, path=PATH, params=params)


def split(request: ir.EmbedRequest, model: str) -> Iterator[tuple[int, ir.EmbedRequest]]:
    """Yield parts of the request, each as (index of its first input, request). Each part has one input, if
    the model's name has "gemini" or "maas" in it. Otherwise a part has at most `_MOST_INPUTS` (250) inputs
    and, if it has more than one, at most `_MOST_TOKENS` (20,000) tokens. model: the upstream's name for the
    model.
    """
    if "gemini" not in model and "maas" not in model:
        yield from _split(request, model)
        return
    for index, item in enumerate(request.inputs):
        yield index, msgspec.structs.replace(request, inputs=(item,))


# --- As clients write it -----------------------------------------------------------------------


def check(request: WireRequest) -> None:
    """Raise WireError for the first mistake in a request to :predict for embeddings of texts."""
    instances = request.body.get("instances")
    if instances is None:
        missing("instances")
    objects(instances, "instances")
    if not instances:
        empty_array("instances")
    for index, one in enumerate(instances):
        within = f"instances[{index}]"
        if one.get("content") is None:
            missing(f"{within}.content")
        for key in ("content", "task_type", "title"):
            if one.get(key) is not None:
                a_string(one[key], f"{within}.{key}")
    parameters = request.body.get("parameters")
    if parameters is None:
        return
    an_object(parameters, "parameters")
    for key, rule in (("outputDimensionality", integer(1)), ("autoTruncate", a_boolean)):
        if parameters.get(key) is not None:
            rule(parameters[key], f"parameters.{key}")


def decode_request(wire: WireRequest) -> ir.EmbedRequest:
    """Decode a request that has passed `check`. Raises WireError for instances whose members beside `content`
    differ, because the IR has each option only once.
    """
    instances = wire.body["instances"]
    first = {key: value for key, value in instances[0].items() if key != "content"}
    for index, one in enumerate(instances):
        if {key: value for key, value in one.items() if key != "content"} != first:
            message = "Only Vertex AI itself accepts instances with different options."
            raise WireError(message, f"instances[{index}]", "unsupported_value")
    parameters = wire.body.get("parameters") or {}
    task = first.get("task_type")
    return ir.EmbedRequest(
        NAME,
        wire.params.get("model"),
        tuple(one["content"] for one in instances),
        dimensions=parameters.get("outputDimensionality"),
        task=None if task is None else task.lower(),
        title=first.get("title"),
        truncate=parameters.get("autoTruncate"),
        form=FORM,
        extra=ir.merge(
            ir.merge(leftovers(wire.body, _TOP), leftovers(parameters, _PARAMETERS, "parameters")),
            leftovers(first, _INSTANCE, "instances[0]"),
        ),
    )


FORM: Final = "predict"
"""The `form` of a request that a client sent to :predict."""
_TOP: Final = frozenset({"instances", "parameters"})
_PARAMETERS: Final = frozenset({"outputDimensionality", "autoTruncate"})
_INSTANCE: Final = frozenset({"content", "task_type", "title"})


def locate(where: str) -> str:
    """Return the JSON path in the client's request for an IR path (`where`). An option that all instances
    repeat gets its path in the first instance.
    """
    if where.startswith("inputs["):
        return f"$.instances{where.removeprefix('inputs')}.content"
    names = {
        "dimensions": "parameters.outputDimensionality",
        "truncate": "parameters.autoTruncate",
        "task": "instances[0].task_type",
        "title": "instances[0].title",
    }
    return f"$.{names.get(where, where)}"


def encode_response(response: ir.EmbedResponse) -> dict[str, Any]:
    """Return the body of a response of :predict. The usage is written only if there is one vector, because
    the usage counts all inputs together, and the body has a separate count for each vector. An estimated
    usage is left out.
    """
    usage, alone = response.usage, len(response.vectors) == 1
    known = alone and usage is not None and not usage.estimated
    statistics: dict[str, Any] = {"truncated": False}
    if known and usage is not None:
        statistics["token_count"] = usage.input_total
    return {
        "predictions": [
            {"embeddings": {"values": to_floats(vector), "statistics": statistics}}
            for vector in response.vectors
        ]
    }


# --- Answers -----------------------------------------------------------------------------------


class _Counted(msgspec.Struct):
    token_count: float | None = None


class _Vector(msgspec.Struct):
    values: list[float]
    statistics: _Counted | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Vector


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None


class _Answer(msgspec.Struct, rename="camel"):
    predictions: list[_Prediction] | None = None
    embedding: _Vector | None = None
    usage_metadata: _Usage | None = None


_read: Final = msgspec.json.Decoder(_Answer).decode


def decode_response(answered: Payload, request: ir.EmbedRequest) -> ir.EmbedResponse:
    """Decode a response of either endpoint. The usage is the sum of the counts of all vectors; None = at
    least one vector has no count. Raises RequestFailed for an error object. Raises WireError for any other
    body without embeddings, and if the number of vectors is not the number of inputs.
    """
    try:
        answer = _read(answered.data)
    except UNDECODABLE as error:
        raise WireError(str(error)) from error
    if answer.embedding is not None:
        found, usage = [answer.embedding], answer.usage_metadata
        counts = [None if usage is None else usage.prompt_token_count]
    elif answer.predictions is not None:
        found = [one.embeddings for one in answer.predictions]
        counts = [_tokens(one.statistics) for one in found]
    else:
        written = decode_object(answered.data)
        if "error" in written:
            raise RequestFailed(fault_of(written))
        raise WireError("expected an array", "predictions")
    known = [count for count in counts if count is not None]
    vectors = tuple(from_floats(vector.values) for vector in found)
    total = ir.Usage(input=sum(known)) if known and len(known) == len(counts) else None
    return one_each(ir.EmbedResponse(vectors, usage=total), request)


def _tokens(counted: _Counted | None) -> int | None:
    return None if counted is None or counted.token_count is None else int(counted.token_count)


PREDICTED: Final = ProviderSide(
    paths=(PATH, CONTENT_PATH),
    encode=encode_request,
    decode=decode_response,
    split=split,
    join=joined,
)
"""The provider side of embeddings at Vertex AI."""
