"""The codec and the relay of endpoints that count the tokens of a prompt.

The request is a chat request: the chat codec checks, decodes and encodes it, and a function of the dialect
(`Reduce`) makes the endpoint's body of it. The IR of the response is one number. If a provider states further
numbers (for each kind of medium), only clients of the provider's protocol get them, because their response is
relayed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from dragoman import ir
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
from dragoman.errors import WireError
from dragoman.wire.json import decode_object, encode, encode_head


class Reduce(Protocol):
    """A function that makes the counting endpoint's body of a chat request's body, and leaves out members
    that the endpoint does not accept. body: is not changed; its values are decoded or, in a relay, JSON
    bytes. model: the provider's name for the model; None = unknown.
    """

    def __call__(self, body: Mapping[str, Any], model: str | None, /) -> dict[str, Any]: ...


def counting(
    *,
    path: str,
    member: str,
    reduce: Reduce,
    told: Callable[[int], dict[str, Any]],
    check: Callable[[WireRequest], None],
    brief: Callable[[WireRequest], ir.Request],
    decode_request: Callable[[WireRequest], ir.Request],
    encode_request: Callable[[ir.Request, Target], WireRequest],
    locate: Callable[[str], str],
    maps: frozenset[str],
) -> OperationCodec[ir.Request, ir.TokenCount]:
    """Make the codec of one dialect for counting tokens.

    path: the path of the endpoint. member: the member of a response that holds the number. reduce: makes the
    endpoint's body of a chat body. told: makes the body of a response from the number. maps: the members of a
    request that have a field in the IR. check, brief, decode_request, encode_request, locate: `check`,
    `brief`, `decode`, `encode` and `locate` of the dialect's `RequestCodec` for chat.
    """

    def sent(wire: WireRequest) -> WireRequest:
        model = wire.params.get("model")
        return msgspec.structs.replace(wire, operation="count", path=path, body=reduce(wire.body, model))

    def encode_response(response: ir.TokenCount, _: OperationReply[ir.Request]) -> Payload:
        return Payload(encode(told(response.tokens)))

    return OperationCodec(
        relay=CountRelay(path, member, reduce),
        client=ClientSide(
            check=check,
            model=lambda wire: brief(wire).model,
            decode=decode_request,
            encode=encode_response,
            locate=lambda _, where: locate(where),
            members=maps,
        ),
        provider=ProviderSide(
            paths=(path,),
            encode=encode_request,
            finish=sent,
            decode=lambda answer, _: ir.TokenCount(counted(answer, member)),
        ),
    )


def counted(answer: Payload, member: str) -> int:
    """Return the number in the member `member` of a response. Raises WireError if the response is not a JSON
    object, or if the member is missing or is not an integer >= 0.
    """
    tokens = decode_object(answer.data).get(member)
    if type(tokens) is not int or tokens < 0:
        raise WireError("expected a number of tokens", member)
    return tokens


class CountRelay(WholeAnswerRelay):
    """Relays the body that `reduce` makes of a request's body, and relays the response unchanged. path: the
    path of the endpoint. member: the member of a response that holds the number.
    """

    def __init__(self, path: str, member: str, reduce: Reduce) -> None:
        self._path = path
        self._member = member
        self._reduce = reduce

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        return Outgoing(self._path, encode_head(self._reduce({**head, **edits}, edits.get("model"))))

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """Return (the upstream's response, unchanged; None, because counting has no usage). wire, model: are
        not used. Raises WireError if the response has no number.
        """
        counted(answer, self._member)
        return answer, None
