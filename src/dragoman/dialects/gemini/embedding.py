"""Gemini's embeddings, both directions: embedContent (one input) and batchEmbedContents (up to 100 inputs).

Specification: https://ai.google.dev/api/embeddings, read in the form of the client google-genai 3.4.0. Each
request in a batch repeats the model and every option. Only the newest models state usage. The module
`predict` handles requests of clients to Vertex AI's `:predict`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.batching import batches, joined, lose_length, one_each, vectors_in
from dragoman.dialects.gemini import predict
from dragoman.dialects.gemini.enums import TASKS, in_words
from dragoman.dialects.gemini.errors import fault_of
from dragoman.dialects.gemini.predict import PREDICTED, parts_of
from dragoman.dialects.gemini.terms import NAME, camel, full_name, leftovers, listed, restore, spelled
from dragoman.dialects.gemini.usage import INPUT, by_modality, modalities
from dragoman.dialects.leftovers import lose_members
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import (
    ClientSide,
    OperationCodec,
    OperationReply,
    Outgoing,
    Payload,
    ProviderSide,
)
from dragoman.dialects.relaying import WholeAnswerRelay
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import a_string, an_object, empty_array, integer, missing, objects, wrong_type
from dragoman.errors import WireError
from dragoman.wire.json import decode_head, encode, encode_head
from dragoman.wire.vectors import from_floats, to_floats

PATH: Final = "/models/{model}:embedContent"
BATCH_PATH: Final = "/models/{model}:batchEmbedContents"
MOST_INPUTS: Final = 100
"""The most inputs in one batch. Source: the API's error in https://github.com/geldata/gel/issues/9032"""
_OPTIONS: Final = frozenset({"model", "content", "taskType", "title", "outputDimensionality"})
_CONFIG: Final = "embedContentConfig"
"""The member of a request whose object holds the options for newer models."""
_UNSPECIFIED: Final = "TASK_TYPE_UNSPECIFIED"


class _Vector(msgspec.Struct):
    values: list[float]


class _Usage(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    prompt_token_details: Any = None


class _Answer(msgspec.Struct, rename="camel"):
    embedding: _Vector | None = None
    embeddings: list[_Vector] | None = None
    usage_metadata: _Usage | None = None


_read: Final = msgspec.json.Decoder(_Answer).decode


# --- Requests ----------------------------------------------------------------------------------


def check(request: WireRequest) -> None:
    """Raise WireError for the first mistake in a request for one embedding, for a batch, or to `:predict`."""
    if request.path == PATH:
        _check(request.body, "")
        return
    if request.path == predict.PATH:
        predict.check(request)
        return
    requests = request.body.get("requests")
    if requests is None:
        missing("requests")
    objects(requests, "requests")
    if not requests:
        empty_array("requests")
    for index, one in enumerate(requests):
        _check(one, f"requests[{index}].")


def _check(written: dict[str, Any], within: str) -> None:
    body = spelled(written)
    content = body.get("content")
    if content is None:
        missing(f"{within}content")
    an_object(content, f"{within}content")
    parts = content.get("parts")
    if parts is None:
        missing(f"{within}content.parts")
    if not isinstance(parts, list | dict):
        wrong_type(f"{within}content.parts", "an array", parts)
    if not parts:
        empty_array(f"{within}content.parts")
    for index, part in enumerate(listed(parts)):
        an_object(part, f"{within}content.parts[{index}]")
        if part.get("text") is not None:
            a_string(part["text"], f"{within}content.parts[{index}].text")
    if (config := body.get(_CONFIG)) is not None:
        an_object(config, f"{within}{_CONFIG}")
        _check_options(spelled(config), f"{within}{_CONFIG}.")
    _check_options(body, within)


def _check_options(options: Mapping[str, Any], within: str) -> None:
    if (task := options.get("taskType")) is not None:
        a_string(in_words(task, TASKS), within + "taskType")
    for key, rule in (("title", a_string), ("outputDimensionality", integer(1))):
        if (value := options.get(key)) is not None:
            rule(value, within + key)


def model_of(wire: WireRequest) -> str | None:
    """Return the requested model, from the path; None = the path states none."""
    return wire.params.get("model")


def decode_request(wire: WireRequest) -> ir.EmbedRequest:
    """Decode a request that has passed `check`; a request to `:predict` is decoded by `predict`. Raises
    WireError for a part without text, because the IR has only texts, and for a batch whose requests state
    different options.
    """
    if wire.path == predict.PATH:
        return predict.decode_request(wire)
    one = wire.path == PATH
    written = [spelled(body) for body in ([wire.body] if one else wire.body["requests"])]
    options = [_options(body) for body in written]
    for index, other in enumerate(options):
        if other != options[0]:
            message = "Only Gemini itself accepts a batch of requests with different options."
            raise WireError(message, f"requests[{index}]", "unsupported_value")
    stated = options[0]
    extra = leftovers(stated, _OPTIONS)
    if not one:
        extra = ir.merge(extra, leftovers(wire.body, _BATCH, _BESIDE))
    for index, body in enumerate(written):
        extra = ir.merge(extra, _beside(body["content"], "content" if one else f"requests[{index}].content"))
    task = in_words(stated.get("taskType"), TASKS)
    return ir.EmbedRequest(
        NAME,
        model_of(wire),
        tuple(
            _input(body["content"], "content" if one else f"requests[{index}].content")
            for index, body in enumerate(written)
        ),
        dimensions=stated.get("outputDimensionality"),
        task=None if task is None or task == _UNSPECIFIED else task.lower(),
        title=stated.get("title"),
        form=_form(wire.body if one else wire.body["requests"][0], one=one),
        extra=extra,
    )


def _form(written: dict[str, Any], *, one: bool) -> str | None:
    """Return the words of `EmbedRequest.form`, each separated by a space; None = no word. "one" = the request
    is not a batch. Any other word is the path of an option in its request, if this is not the option's usual
    name: `embedContentConfig.taskType`, `task_type`. written: the first request, as the client wrote it.
    """
    paths = [key for key in written if camel(key) != _CONFIG]
    for key, config in written.items():
        if camel(key) == _CONFIG:
            paths += [f"{key}.{inner}" for inner in config or ()]
    words = ["one"] if one else []
    words += [path for path in paths if camel(path) != path or "." in path]
    return " ".join(words) or None


def _is_one(request: ir.EmbedRequest) -> bool:
    return request.form is not None and request.form.split(" ", 1)[0] == "one"


def _options(body: dict[str, Any]) -> dict[str, Any]:
    """Return the options of one request that are not null. An option stands in `embedContentConfig` or beside
    `content`; if an option stands in both places, the value in `embedContentConfig` counts.
    """
    stated = (body, spelled(body.get(_CONFIG) or {}))
    return {
        key: value
        for members in stated
        for key, value in members.items()
        if value is not None and key not in {"model", "content", _CONFIG}
    }


def _input(content: Mapping[str, Any], where: str) -> ir.Input:
    parts = listed(content["parts"])
    for index, part in enumerate(parts):
        if part.get("text") is None:
            message = "Only Gemini itself creates embeddings of anything but text."
            raise WireError(message, f"{where}.parts[{index}]", "unsupported_value")
    texts = tuple(part["text"] for part in parts)
    return texts[0] if len(texts) == 1 else ir.Parts(texts)


def _beside(content: Mapping[str, Any], where: str) -> ir.Extra:
    """Return the members of a content except its texts and its `role`, as leftovers named by their paths in
    the request. where: the path of the content.
    """
    extra = leftovers(content, _CONTENT, where)
    for index, part in enumerate(listed(content["parts"])):
        extra = ir.merge(extra, leftovers(part, _TEXT, f"{where}.parts[{index}]"))
    return extra


_BATCH: Final = frozenset({"requests", "model"})
_BESIDE: Final = "batch"
"""The first part of the names of leftovers that stand beside the requests of a batch."""
_CONTENT: Final = frozenset({"parts", "role"})
_TEXT: Final = frozenset({"text"})


def encode_request(request: ir.EmbedRequest, target: Target) -> WireRequest:
    """Encode the request, always as a batch. Losses and changes are reported to `target.report`. Raises
    WireError for an input of token ids that cannot be converted to text.
    """
    model = target.model if target.model is not None else request.model
    options: dict[str, Any] = {}
    if request.task is not None:
        options["taskType"] = request.task.upper()
    if request.title is not None:
        options["title"] = request.title
    if request.dimensions is not None:
        options["outputDimensionality"] = request.dimensions
    if request.user is not None:
        target.report.lose("user", "the Gemini API has no end user id", "hint")
    if request.truncate is False:
        target.report.lose("truncate", "this provider truncates an input that is too long", "quality")
    beside = _write_leftovers(options, request, target.report)
    requests = []
    for index, item in enumerate(request.inputs):
        to = f"requests[{index}].content.parts[0].text"
        parts = parts_of(item, index, request.model, target.report, to)
        requests.append({"model": full_name(model), "content": {"parts": parts}, **options})
    params = {} if model is None else {"model": model}
    return WireRequest("embed", {"requests": requests, **beside}, path=BATCH_PATH, params=params)


def _write_leftovers(options: dict[str, Any], request: ir.EmbedRequest, report: Report) -> dict[str, Any]:
    """Write into `options` the leftovers of this dialect that are options, and return the leftovers that
    stand beside `requests` in the body of a batch (member -> value).

    Reported as lost are the leftovers of other dialects, those inside a content, and all leftovers of a
    request to `:predict`.
    """
    extra = request.extra or {}
    own = extra.get(NAME, {})
    kept = {} if request.form == predict.FORM else {key: own[key] for key in own if "." not in key}
    restore(options, {**extra, NAME: kept}, report, "")
    beside = {key: value for key, value in own.items() if key.startswith(f"{_BESIDE}.")}
    lost = {key: value for key, value in own.items() if key not in kept and key not in beside}
    lose_members(lost, report, "", NAME)
    return {key.removeprefix(f"{_BESIDE}."): value for key, value in beside.items()}


def locate(request: ir.EmbedRequest, where: str) -> str:
    """Return the JSON path in the client's request for an IR path (`where`). In a batch, an option gets its
    path in the first request.
    """
    if request.form == predict.FORM:
        return predict.locate(where)
    if where.startswith("inputs["):
        where = "content" if _is_one(request) else f"requests{where.removeprefix('inputs')}.content"
        return "$." + where
    if where.startswith("requests["):
        return "$." + where
    if where.startswith(f"{_BESIDE}."):
        return "$." + where.removeprefix(f"{_BESIDE}.")
    where = {"dimensions": "outputDimensionality", "task": "taskType"}.get(where, where)
    for path in reversed((request.form or "").split()):  # an option in embedContentConfig counts first
        if camel(path.rpartition(".")[2]) == where:
            where = path
            break
    return f"$.{where}" if _is_one(request) else f"$.requests[0].{where}"


# --- Answers -----------------------------------------------------------------------------------


def decode_response(answered: Payload, request: ir.EmbedRequest) -> ir.EmbedResponse:
    """Decode an answer. Raises RequestFailed for an object with `error` and without embeddings. Raises
    WireError for any other body without embeddings in the API's form, and if the number of vectors is not the
    number of inputs.
    """
    answer = vectors_in(answered.data, _read, fault_of)
    found = (answer.embedding,) if answer.embedding is not None else answer.embeddings or ()
    vectors = tuple(from_floats(vector.values) for vector in found)
    return one_each(ir.EmbedResponse(vectors, usage=_usage(answer)), request)


def _usage(answer: _Answer) -> ir.Usage | None:
    stated = answer.usage_metadata
    if stated is None or stated.prompt_token_count is None:
        return None
    return ir.Usage(stated.prompt_token_count, detail=by_modality(stated.prompt_token_details, INPUT))


def encode_response(response: ir.EmbedResponse, reply: OperationReply[ir.EmbedRequest]) -> Payload:
    """Encode the vectors in the form of the client's request: one vector, a batch, or the answer of
    `:predict`. An estimated usage is left out. If the client requested a number of dimensions and the vectors
    have another one, a loss is reported to `reply.report`.
    """
    lose_length(response, reply)
    if reply.request.form == predict.FORM:
        return Payload(encode(predict.encode_response(response)))
    vectors = [{"values": to_floats(vector)} for vector in response.vectors]
    body: dict[str, Any] = {"embedding": vectors[0]} if _is_one(reply.request) else {"embeddings": vectors}
    if (usage := response.usage) is not None and not usage.estimated:
        count = usage.input_total
        told: dict[str, Any] = {"promptTokenCount": count, "totalTokenCount": count}
        if usage.detail and (kinds := modalities(usage.detail, INPUT)):
            told["promptTokenDetails"] = kinds
        body["usageMetadata"] = told
    return Payload(encode(body))


class GeminiEmbeddingRelay(WholeAnswerRelay):
    """Relays requests and answers. A request for one vector is sent to the provider as a batch, too."""

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        """Return the batch for the provider; a request for one vector becomes a batch of one. head: the
        client's body, name of a member -> JSON. edits: name of a member -> new value, with `model` in all
        cases. `model` is written into each entry of `requests`; other members are written beside `requests`.
        """
        further = dict(edits)
        model = full_name(further.pop("model"))
        one = wire.path == PATH
        requests = [head] if one else msgspec.json.decode(head["requests"], type=_Heads)
        named = [{**each, "model": model} for each in requests]
        return Outgoing(BATCH_PATH, encode({**({} if one else head), "requests": named, **further}))

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """Return (the client's answer, its usage); None as the usage = not stated. If the client requested
        one vector, its answer has one vector instead of a batch. model: not used.

        Raises RequestFailed for an object with `error` and without embeddings. Raises WireError for any other
        body without embeddings in the API's form, and for a batch of none or several vectors if the client
        requested one vector.
        """
        told = vectors_in(answer.data, _read, fault_of)
        usage = _usage(told)
        if wire.path != PATH or told.embedding is not None:
            return answer, usage
        head: dict[str, Any] = decode_head(answer.data)
        vectors = msgspec.json.decode(head.pop("embeddings"), type=list[msgspec.Raw])
        if len(vectors) != 1:
            raise WireError(f"expected 1 embedding, got {len(vectors)}", "embeddings")
        head["embedding"] = vectors[0]
        return Payload(encode_head(head)), usage


_Heads = list[dict[str, msgspec.Raw]]

_KEYS: Final = ("model", "content", "task_type", "title", "output_dimensionality", "embed_content_config")

EMBEDDING: Final = OperationCodec(
    relay=GeminiEmbeddingRelay(),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=encode_response,
        locate=locate,
        members=frozenset({"requests", "instances", "parameters", *_KEYS, *map(camel, _KEYS)}),
    ),
    provider=ProviderSide(
        paths=(BATCH_PATH,),
        encode=encode_request,
        decode=decode_response,
        split=batches(MOST_INPUTS),
        join=joined,
        suited=lambda quirks: PREDICTED if quirks.vertex_operations else None,
    ),
    relays=lambda wire, quirks, _: wire.path != predict.PATH and not quirks.vertex_operations,
)
