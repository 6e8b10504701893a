"""Splits an embedding request with more inputs or tokens than a provider accepts, and joins the responses.

It also checks a response against its request (`one_each`, `lose_length`), and estimates the usage if a
provider states none (`estimated`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.operation import OperationReply
from dragoman.errors import RequestFailed, WireError
from dragoman.tokens import Counter
from dragoman.tokens.vocabulary import size
from dragoman.wire.json import UNDECODABLE, decode_object
from dragoman.wire.vectors import WIDTH

_FILLED: Final = 0.75
"""The share of a provider's token limit that a batch may fill if its tokens are only estimated."""

_Split = Callable[[ir.EmbedRequest, str], Iterator[tuple[int, ir.EmbedRequest]]]


def batches(most_inputs: int, most_tokens: int | None = None) -> _Split:
    """Make a function for `ProviderSide.split`. The function takes a request and the model's name, and splits
    the request into batches of at most `most_inputs` inputs and `most_tokens` tokens (None = any number). It
    yields (index of the batch's first input, the batch as a request). A request that needs no split is
    yielded unchanged. A single input with more tokens than the limit becomes a batch of its own.
    """

    def parts(request: ir.EmbedRequest, model: str) -> Iterator[tuple[int, ir.EmbedRequest]]:
        inputs = request.inputs
        most, weights = _weighed(inputs, most_tokens, model)
        start = held = 0
        for place, weight in enumerate(weights):
            full = place - start == most_inputs or (held + weight > most and place > start)
            if full:
                yield start, msgspec.structs.replace(request, inputs=inputs[start:place])
                start, held = place, 0
            held += weight
        yield start, msgspec.structs.replace(request, inputs=inputs[start:]) if start else request

    return parts


class OneOrSeveral(Protocol):
    """The body of a response with one vector or with several. Both are None if it has none."""

    embedding: Any
    embeddings: Any


_Body = TypeVar("_Body", bound=OneOrSeveral)


def vectors_in(
    body: bytes, read: Callable[[bytes], _Body], fault_of: Callable[[dict[str, Any]], ir.Fault]
) -> _Body:
    """Return the decoded body of a response. read: decodes it. fault_of: decodes an error. Raises
    RequestFailed for an object with `error` and without vectors, WireError for any other body that has no
    vectors or that `read` refuses.
    """
    try:
        answer = read(body)
    except UNDECODABLE as error:
        raise WireError(str(error)) from error
    if answer.embedding is None and answer.embeddings is None:
        written = decode_object(body)
        if "error" in written:
            raise RequestFailed(fault_of(written))
        raise WireError("expected an array", "embeddings")
    return answer


def one_each(response: ir.EmbedResponse, request: ir.EmbedRequest) -> ir.EmbedResponse:
    """Return the response unchanged. Raises WireError unless the response has as many vectors as the request
    has inputs.
    """
    vectors, inputs = len(response.vectors), len(request.inputs)
    if vectors != inputs:
        raise WireError(f"expected {inputs} embeddings, got {vectors}")
    return response


def lose_length(response: ir.EmbedResponse, reply: OperationReply[ir.EmbedRequest]) -> None:
    """Report a loss in `reply.report` if the client requested a number of dimensions, and the first vector
    has another number of dimensions. Nothing is reported for a response without vectors or with an empty
    first vector.
    """
    wished = reply.request.dimensions
    length = len(response.vectors[0]) // WIDTH if response.vectors else 0
    if wished is not None and length not in {0, wished}:
        reply.report.lose("dimensions", f"the model's embeddings have {length} dimensions")


def _weighed(inputs: Sequence[ir.Input], most: int | None, model: str) -> tuple[float, Sequence[int]]:
    """Return (token limit of a batch, tokens of each input). If `most`, the provider's token limit, is None,
    or if all inputs together surely keep it, nothing is counted: the results are all 0. The limit is only
    `_FILLED` of `most` if the tokens can only be estimated. model: decides the vocabulary.
    """
    if most is None or sum(map(_ceiling, inputs)) <= most:
        return 0, [0] * len(inputs)
    counter = Counter(model)
    weights = [_tokens(item, counter) for item in inputs]
    return (most if counter.exact else most * _FILLED), weights


def _ceiling(item: ir.Input) -> int:
    return len(item.ids) if isinstance(item, ir.Tokens) else sum(map(size, _texts(item)))


def _tokens(item: ir.Input, counter: Counter) -> int:
    return len(item.ids) if isinstance(item, ir.Tokens) else counter.blocks(map(ir.Text, _texts(item)))


def _texts(item: str | ir.Parts) -> tuple[str, ...]:
    return (item,) if isinstance(item, str) else item.texts


def estimated(request: ir.EmbedRequest, model: str) -> ir.Usage:
    """Return an estimated usage of an embedding request. The gateway counts the tokens of texts with the
    vocabulary of `model`; an input of token ids has as many tokens as ids.
    """
    counter = Counter(model)
    return ir.Usage(input=sum(_tokens(item, counter) for item in request.inputs), estimated=True)


def joined(answers: Sequence[ir.EmbedResponse], request: ir.EmbedRequest, model: str) -> ir.EmbedResponse:
    """Join the responses to all batches of a request: the id and the model of the first response, the vectors
    of all in order, and the sums of input tokens and of the counts in the details. If a response states no
    usage, the usage of the whole request is estimated instead, with the vocabulary of `model`.
    """
    usages = [answer.usage for answer in answers]
    told = [usage.input_total for usage in usages if usage is not None]
    if len(told) < len(usages):
        usage = estimated(request, model)
    else:
        guessed = any(one is not None and one.estimated for one in usages)
        usage = ir.Usage(input=sum(told), detail=_together(usages) or None, estimated=guessed)
    return ir.EmbedResponse(
        tuple(vector for answer in answers for vector in answer.vectors),
        model=answers[0].model,
        usage=usage,
        id=answers[0].id,
    )


def _together(usages: Iterable[ir.Usage | None]) -> dict[str, int]:
    """Return the sums of the counts in `Usage.detail` of all these usages: name -> sum. A usage that is None
    or has no details adds nothing.
    """
    found: dict[str, int] = {}
    for usage in usages:
        for name, count in ((usage and usage.detail) or {}).items():
            found[name] = found.get(name, 0) + count
    return found
