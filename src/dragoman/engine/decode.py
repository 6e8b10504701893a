"""The stage `decode`: reads the body of a client's request, and checks it against the client's protocol. If a
single member is wrong, the error names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.capacity.heavy import MEDIUM, Steps
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.end_users import MEMBERS, of_body
from dragoman.dialects.forms import texts
from dragoman.dialects.gateway_members import Taken, bounded, concerns_gateway, stated, take
from dragoman.dialects.loss import Change, Loss
from dragoman.dialects.named_models import LONGEST, Named, within
from dragoman.dialects.quirks import EVERYTHING
from dragoman.dialects.request import PROMPTED, WireRequest
from dragoman.dialects.table import READINGS
from dragoman.engine.asked import Asked, Inbound, Said, Wishes, blamed
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.wire.json import (
    FIRST_MEASURED,
    SHARE_OF_TEXT,
    decode_counted,
    decode_measured,
    refuse_case_variants,
    refuse_many_values,
)
from dragoman.wire.outline import outline


async def decode(exchange: Exchange, inbound: Inbound, steps: Steps, *, always_usage: bool) -> Asked:
    """Return the decoded request; of a body of at least `MEDIUM` bytes, its `inbound` has no copy. Records in
    the exchange what the request states (model, tags, end user, …). always_usage: True = the stream of a chat
    ends with its usage, also if the client did not request the usage. Raises RequestFailed if the request is
    invalid, or if no memory is left for the values of a body of at least `MEDIUM` bytes.
    """
    size = len(inbound.body)
    if size < MEDIUM:
        return decode_small(exchange, inbound, steps, always_usage=always_usage)
    exchange.phase = "decode"
    wished = inbound.wished
    tag(exchange, wished.tags)
    # What is not measured yet is hardly more than its texts, as a rule, and decoded at once even if it is
    # not.
    first = inbound.reading or (size if size >= FIRST_MEASURED else size // SHARE_OF_TEXT)
    try:
        asked, extra = await steps.run(
            first, _read, exchange, inbound, wished, steps, always_usage=always_usage
        )
    except WireError as error:
        raise RequestFailed(blamed(error)) from error
    if extra:
        inbound.room.take(extra)
    # Only `Asked.said` has the body from here on, so that it can be freed.
    return msgspec.structs.replace(asked, inbound=msgspec.structs.replace(inbound, body=b""))


def decode_small(exchange: Exchange, inbound: Inbound, steps: Steps, *, always_usage: bool) -> Asked:
    """Return the decoded request, and record in the exchange what it states, as `decode` does, but at once:
    only for a body of less than `MEDIUM` bytes. Raises RequestFailed if the request is invalid.
    """
    exchange.phase = "decode"
    wished = inbound.wished
    if wished.tags:
        tag(exchange, wished.tags)
    try:
        return _read(exchange, inbound, wished, steps, always_usage=always_usage)[0]
    except WireError as error:
        raise RequestFailed(blamed(error)) from error


def _read(
    exchange: Exchange, inbound: Inbound, wished: Wishes, steps: Steps, *, always_usage: bool
) -> tuple[Asked, int]:
    """Decode the body and check it. Records in the exchange the model, and what the gateway itself uses of
    the body (tags, the end user, the service tier, …). Returns (the request, the bytes of memory that its
    values take in addition to those that the server has counted for the body). Raises WireError for an
    invalid body.
    """
    face, raw, turn, operation = inbound.face, inbound.body, inbound.turn, inbound.operation
    head: dict[str, msgspec.Raw] | None = None
    count, extra, reading = 0, 0, len(raw)
    if inbound.fields:
        body, head = texts(inbound.fields), {}
    else:
        if inbound.reading or reading >= FIRST_MEASURED:
            refuse_many_values(raw, inbound.max_values)
            body, count = decode_counted(raw, inbound.max_depth)
            reading = inbound.reading or reading
        else:
            body, count, extra, reading = decode_measured(raw, inbound.max_depth, inbound.max_values)
        if turn is not None:
            if turn.concerns(body):
                head = outline(raw, body, count)  # it may be read outside of a step
            else:
                turn = None
    codec = face.operations.get(operation)
    others: tuple[Named, ...] = ()
    members = (face.request if codec is None else codec.client).members
    if concerns_gateway(body):
        head = outline(raw, body, count) if head is None else head
        others = _keep(exchange, take(body, head, face.name, members), body, inbound.params)
    if not body.keys() <= members:
        refuse_case_variants(body, members)
    _note(exchange, wished, body)
    wire = WireRequest(
        operation,
        body,
        path=inbound.path,
        params={**inbound.params},
        headers={**wished.passed},
        fields=inbound.fields,
        preceded=turn is not None and turn.precedes,
    )
    beyond, prompts = None, operation in PROMPTED
    try:
        if codec is None:
            try:
                face.request.check(wire)
            except WireError as refused:
                face, beyond = _beyond(face, wire, refused)
            brief = face.request.brief(wire)
            model, streamed = brief.model, brief.stream
            if always_usage:
                brief = msgspec.structs.replace(brief, stream_usage=True)
        else:
            codec.client.check(wire)
            brief = face.request.brief(wire) if prompts else _NO_CHAT
            model, streamed = codec.client.model(wire), codec.client.streams(wire)
        refuse_unsafe(model)
    except WireError:
        exchange.asked = _stated_model(wire)
        raise
    exchange.asked, exchange.streamed = model, streamed
    asked = Asked(
        exchange,
        inbound,
        wished,
        face,
        Said(wire, head, raw, member_count=count),
        steps,
        len(raw),
        reading,
        reading < MEDIUM,
        turn,
        codec,
        prompts,
        brief,
        model,
        streamed,
        beyond=beyond,
        others=others,
        inner=within(body, members),
    )
    return asked, extra


def _beyond(face: Dialect, wire: WireRequest, refused: WireError) -> tuple[Dialect, WireError | None]:
    """Read a chat request that its own protocol `face` has refused with the error `refused`. Returns (the
    protocol in which the body is written, the error if only servers that accept more than the protocol's
    author may get it, else None). Raises WireError if nobody accepts the request.
    """
    reading = READINGS.get(face.name)
    if (other := None if reading is None else reading(wire.body)) is not None:
        refuse_case_variants(wire.body, other.request.members)
        other.request.check(wire)
        return other, None
    if face.request.widen is None:
        raise refused
    face.check_widely(wire, EVERYTHING)
    return face, refused


def _stated_model(wire: WireRequest) -> str | None:
    """Return the model name in a refused request; None = it has none, or the name is not a string."""
    name = wire.params.get("model") or wire.body.get("model")
    return name if isinstance(name, str) else None


_LONGEST_TIER: Final = 32
_NO_CHAT: Final = ir.Request("", None)


def refuse_unsafe(model: str | None) -> None:
    """Raise WireError for a model name that is unsafe in headers and logs: too long, or not printable. None =
    the request names no model; then nothing is raised.
    """
    if isinstance(model, str) and (len(model) > LONGEST or not model.isprintable()):
        text = f"Invalid 'model': expected at most {LONGEST} printable characters."
        raise WireError(text, "model", "invalid_value")


def _note(exchange: Exchange, wished: Wishes, body: Mapping[str, Any]) -> None:
    """Record the end user that the headers name or, if they name none, the body; and the service tier that
    the body names, cut to 32 characters.
    """
    if (end_user := wished.end_user) is not None:
        exchange.end_user = end_user
    elif exchange.metadata or not MEMBERS.isdisjoint(body):
        exchange.end_user = of_body(body, exchange.metadata)
    if isinstance(tier := body.get("service_tier") or body.get("serviceTier"), str):
        exchange.tier = tier[:_LONGEST_TIER]


def tag(exchange: Exchange, headers: tuple[str, ...]) -> None:
    """Add the tags in these values of headers, each a list with commas, to the tags of the exchange. Tags
    that are too long, or too many, are left out, and recorded as a loss.
    """
    for listed in headers:
        exchange.tags, losses = bounded((*exchange.tags, *stated(listed)))
        _take(exchange, losses, ())


def _keep(
    exchange: Exchange, kept: Taken, body: dict[str, Any], params: Mapping[str, str]
) -> tuple[Named, ...]:
    """Record in the exchange what was taken out of the body for the gateway (`kept`). Returns the other
    models that the body lists, each once, without the request's own model. If the request names no model
    otherwise, the first of the list becomes its model, and is put into `body`. params: the parameters of the
    path, which may name the model.
    """
    exchange.tags, losses = bounded((*exchange.tags, *kept.tags))
    exchange.metadata = kept.metadata
    _take(exchange, kept.losses + losses, kept.changes)
    if not (others := kept.models):
        return ()
    model = params.get("model") or body.get("model")
    if model is None or model == "":
        model = body["model"] = others[0].model
    if not isinstance(model, str):
        return others  # the protocol's check refuses the request
    named = {one.model: one for one in reversed(others)}
    named.pop(model, None)
    return tuple(one for one in others if named.get(one.model) is one)


def _take(exchange: Exchange, losses: tuple[Loss, ...], changes: tuple[Change, ...]) -> None:
    before_losses, before_changes = exchange.taken
    new = tuple(loss for loss in losses if loss not in before_losses)
    exchange.taken = (before_losses + new, before_changes + changes)
    exchange.account((), ())
