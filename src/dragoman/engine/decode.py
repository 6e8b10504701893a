"""The stage `decode`: checks a client's bytes against its protocol. Errors name the wrong member, if any."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.capacity.heavy import MEDIUM, Steps
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.forms import texts
from dragoman.dialects.gateway_members import HEADERS, Taken, bounded, concerns_gateway, stated, take
from dragoman.dialects.loss import Change, Loss
from dragoman.dialects.operation import AnyOperationCodec
from dragoman.dialects.quirks import EVERYTHING
from dragoman.dialects.request import PROMPTED, WireRequest
from dragoman.dialects.table import READINGS
from dragoman.engine.asked import Asked, Inbound, Said, blamed
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.wire.json import decode_both, refuse_case_variants, refuse_many_values

_LONGEST_MODEL: Final = 256


async def decode(exchange: Exchange, inbound: Inbound, steps: Steps, *, always_usage: bool) -> Asked:
    """Decode the request, and note what it states in the exchange. Raises RequestFailed if it is invalid."""
    exchange.phase = "decode"
    for name in HEADERS:
        if (tags := inbound.headers.get(name)) is not None:
            _tag(exchange, tags)
    reading = _Reading(exchange, inbound)
    weight = len(inbound.body)
    try:
        if weight < MEDIUM:
            reading.read(always_usage=always_usage)
        else:
            await steps.run(weight, reading.read, always_usage=always_usage)
    except WireError as error:
        exchange.asked = reading.stated_model
        raise RequestFailed(blamed(error)) from error
    exchange.asked, exchange.streamed = reading.model, reading.streamed
    wire = reading.wire
    assert wire is not None
    return Asked(
        exchange,
        inbound,
        reading.face,
        Said(wire, reading.head, inbound.body),
        steps,
        weight,
        weight < MEDIUM,
        inbound.turn,
        reading.codec,
        reading.prompts,
        reading.brief,
        reading.model,
        reading.streamed,
        beyond=reading.beyond,
    )


class _Reading:
    """Decodes one request's body. The attributes hold the results, as in `Asked`."""

    def __init__(self, exchange: Exchange, inbound: Inbound) -> None:
        self._exchange = exchange
        self._inbound = inbound
        self.face: Dialect = inbound.face
        self.codec: AnyOperationCodec | None = None
        self.prompts = inbound.operation in PROMPTED
        self.head: dict[str, msgspec.Raw] = {}
        self.wire: WireRequest | None = None
        self.brief = _NO_CHAT
        self.model: str | None = None
        self.streamed = False
        self.beyond: WireError | None = None

    @property
    def stated_model(self) -> str | None:
        """The model name in a request that was refused; None = there is no name, or it cannot be read."""
        name = None if self.wire is None else self.wire.params.get("model") or self.wire.body.get("model")
        return name if isinstance(name, str) else None

    def read(self, *, always_usage: bool) -> None:
        """Check the body, set the attributes. always_usage: a chat asks for its usage. Raises WireError."""
        inbound = self._inbound
        if inbound.fields:
            body = texts(inbound.fields)
        else:
            refuse_many_values(inbound.body, inbound.max_values)
            body, self.head = decode_both(inbound.body, inbound.max_depth)
        self.codec = codec = self.face.operations.get(inbound.operation)
        client = self.face.request if codec is None else codec.client
        if concerns_gateway(body):
            _keep(self._exchange, take(body, self.head, self.face.name, client.members))
        if not body.keys() <= client.members:
            refuse_case_variants(body, client.members)
        self.wire = WireRequest(
            inbound.operation,
            body,
            path=inbound.path,
            params=dict(inbound.params),
            headers=_passed(self.face, inbound),
            fields=inbound.fields,
            preceded=inbound.turn is not None and inbound.turn.precedes,
        )
        try:
            client.check(self.wire)
        except WireError as refused:
            if codec is not None:
                raise
            self._reread(refused)
        if self.prompts:
            self.brief = self.face.request.brief(self.wire)
        if codec is None:
            self.model, self.streamed = self.brief.model, self.brief.stream
            if always_usage:
                self.brief = msgspec.structs.replace(self.brief, stream_usage=True)
        else:
            self.model, self.streamed = codec.client.model(self.wire), codec.client.streams(self.wire)
        _check_model(self.model)

    def _reread(self, refused: WireError) -> None:
        """Check a body that the face refuses with `refused` once more: in the protocol that `READINGS` finds
        in it, or else as a request for servers that accept more than the protocol's author. Sets `face` or
        `beyond`. Raises WireError.
        """
        assert self.wire is not None
        reading = READINGS.get(self.face.name)
        if (face := None if reading is None else reading(self.wire.body)) is not None:
            self.face = face
            refuse_case_variants(self.wire.body, face.request.members)
            face.request.check(self.wire)
            return
        if self.face.request.widen is None:
            raise refused
        self.face.check_widely(self.wire, EVERYTHING)
        self.beyond = refused


_NO_CHAT: Final = ir.Request("", None)


def _passed(face: Dialect, inbound: Inbound) -> dict[str, str]:
    get = inbound.headers.get
    return {name: value for name in face.headers.request if (value := get(name)) is not None}


def _check_model(model: Any) -> None:
    """Raise WireError for a model name that is unsafe in headers and logs: too long, or not printable."""
    if isinstance(model, str) and (len(model) > _LONGEST_MODEL or not model.isprintable()):
        raise WireError(
            f"Invalid 'model': expected at most {_LONGEST_MODEL} printable characters.",
            "model",
            "invalid_value",
        )


def _tag(exchange: Exchange, listed: str) -> None:
    exchange.tags, losses = bounded((*exchange.tags, *stated(listed)))
    _take(exchange, losses, ())


def _keep(exchange: Exchange, kept: Taken) -> None:
    """Record the tags, metadata, losses and changes of the members for the gateway, taken out of the body."""
    exchange.tags, losses = bounded((*exchange.tags, *kept.tags))
    exchange.metadata = kept.metadata
    _take(exchange, kept.losses + losses, kept.changes)


def _take(exchange: Exchange, losses: tuple[Loss, ...], changes: tuple[Change, ...]) -> None:
    before_losses, before_changes = exchange.taken
    new = tuple(loss for loss in losses if loss not in before_losses)
    exchange.taken = (before_losses + new, before_changes + changes)
    exchange.account((), ())
