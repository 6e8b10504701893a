"""Encodes a chat request for its upstream.

The steps, in order: download the media that the provider does not read by URL; remove the seals of other
providers and restore the seals of this one; remove the oldest messages if the prompt is too long and the
request allows this; remove members for other providers; emulate what the upstream lacks; encode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.addressed import added, addressed
from dragoman.dialects.emulate import Emulation, emulate, tagged
from dragoman.dialects.estimate import EstimateUsage
from dragoman.dialects.pieces import Joined, joined, may_be_joined
from dragoman.dialects.shorten import shortened
from dragoman.dialects.unknown import in_words
from dragoman.engine.asked import Asked, blamed
from dragoman.engine.attempt import Attempt
from dragoman.engine.places import Locate, located, locator
from dragoman.errors import RequestFailed, WireError
from dragoman.upstreams.answering import Answering
from dragoman.upstreams.several import Question, Several
from dragoman.upstreams.upstream import Call

_STREAM: Final = {"stream": True}
_USAGE: Final = "stream_options.include_usage"
_FOR_THE_RECORD: Final = "requested for the gateway's own records; the client does not receive it"


class Wording(msgspec.Struct, frozen=True):
    """The request for the upstream. request: in the IR, with emulations; if there are several questions, the
    request that has all of them, without emulations. call: contains the encoded request, unless the upstream
    takes requests in the IR or gets several questions. backend: the upstream, or an object that sends it
    several questions one after another (`Several`). counted: at most one step, which estimates the usage of
    an answer that states none; () = no estimate is wanted, or there are several questions. emulation: can
    undo in the answer what was emulated in the request; None = there are several questions. alone: True = one
    question is sent; False = several questions, and no seals are stored.
    """

    request: ir.Request
    call: Call
    backend: Answering
    counted: Sequence[EstimateUsage] = ()
    emulation: Emulation | None = None
    alone: bool = True


async def worded(attempt: Attempt) -> Wording:
    """Return the request in the form for the attempt's upstream, encoded unless the upstream takes requests
    in the IR. The losses and changes of this are recorded in the exchange. Raises RequestFailed if the
    request cannot be decoded, if media cannot be downloaded, if the upstream's protocol cannot express the
    request, or if strict mode forbids its losses.
    """
    asked, seals = attempt.asked, attempt.seals
    decoded = asked.request
    plain = asked.light and ir.only_text(decoded)
    if not plain:
        inlined = await attempt.media.inline(asked, attempt.backend)
        if inlined is not decoded:
            asked = asked.with_request(inlined)

    if asked.light or not (asked.sealed or may_be_joined(asked.request)):
        pieces = _readable(asked, attempt)
    else:
        pieces = await asked.step(_readable, asked, attempt)
    request = pieces.request
    if seals is not None and not asked.sealless:
        request = await seals.restored(request, attempt.scope, attempt.call.report)

    words = _Words(attempt, partial(_locate, attempt, pieces), plain=plain and request is pieces.request)
    return words.put(request) if asked.light else await asked.step(words.put, request)


def _readable(asked: Asked, attempt: Attempt) -> Joined:
    return joined(asked.readable(attempt.deployment.provider, attempt.call.report))


def _locate(attempt: Attempt, pieces: Joined, where: str) -> str:
    """Return the path in the client's body for a place in the request that `_Words` encodes."""
    # The locator refers to the client's body, so nothing may hold it while the answer streams.
    inner = pieces.located(locator(attempt.asked))
    return (inner if attempt.seals is None else attempt.seals.located(inner))(where)


class _Words:
    """Encodes one request. locate: turns a place in the IR into a path in the client's body. plain: True =
    the request is `ir.only_text`, so that most emulations need not be looked for.
    """

    def __init__(self, attempt: Attempt, locate: Locate, *, plain: bool) -> None:
        self._attempt = attempt
        self._locate = locate
        self._plain = plain
        self._call = call = attempt.call
        if attempt.backend.dialect is None:
            # No bound method of `self`: the call would refer to the object that holds it, and only the
            # garbage collector would free the exchange.
            self._call = msgspec.structs.replace(call, ready=partial(attempt.note_losses, locate))

    def put(self, request: ir.Request) -> Wording:
        """Return the request in the form for the upstream, with its emulations. Raises RequestFailed if it
        cannot be translated (the kind `untranslatable`) or if strict mode forbids its losses.
        """
        attempt, backend = self._attempt, self._attempt.backend
        try:
            if parts := self._questions(request):
                several = Several(backend, [self._question(part) for part in parts])
                wording = Wording(request, self._call, several, alone=False)
            else:
                emulation, call = self._written(request)
                counted = self._counted(emulation.request)
                wording = Wording(emulation.request, call, backend, counted, emulation)
        except WireError as error:
            # Another deployment may support it. If none does, the client gets this place.
            report = attempt.call.report
            fault = located(attempt.asked, blamed(error), lambda where: self._locate(report.placed(where)))
            raise RequestFailed(fault.changed(kind="untranslatable")) from error
        attempt.note_losses(self._locate)
        return wording

    def _questions(self, request: ir.Request) -> Sequence[ir.Request]:
        """Return the questions of a request with several prompts, if the upstream uses another protocol than
        the client: such an upstream gets one prompt at a time. () = the request is one question. Raises
        WireError for a request that only servers of the client's protocol understand.
        """
        attempt, codec = self._attempt, self._attempt.asked.face.request
        if attempt.same_protocol:
            return ()
        if codec.questions is not None and (parts := codec.questions(request)):
            return parts
        if codec.check_portable is not None:
            codec.check_portable(attempt.asked.wire)
        return ()

    def _written(self, request: ir.Request) -> tuple[Emulation, Call]:
        """Return one question with its emulations, and the call for it; the call contains the encoded
        question, unless the upstream takes requests in the IR. Raises WireError if it cannot be encoded.
        """
        attempt, call, deployment = self._attempt, self._call, self._attempt.deployment
        dialect = attempt.backend.dialect
        window = deployment.room or deployment.facts.context
        if not self._plain and (dialect is None or dialect.name != request.dialect):
            request = in_words(request)
        request, told = self._addressed(shortened(request, window, deployment.model, call.report))
        emulation = self._emulate(request)
        call = attempt.backend.written(emulation.request, call)
        if told and call.encoded is not None and dialect is not None:
            call.encoded.body = added(
                call.encoded.body,
                told,
                dialect.request.members,
                client=attempt.asked.face.request.members,
                configured=call.body or {},
                spelling=dialect.spelling,
            )
        return emulation, call

    def _question(self, request: ir.Request) -> Question:
        emulation, call = self._written(request)
        return Question(emulation.request, call, next(iter(self._counted(emulation.request)), None))

    def _addressed(self, request: ir.Request) -> tuple[ir.Request, Mapping[str, dict[str, Any]]]:
        """Return the request without the members that are named after a provider or a protocol, and those
        members that are for this provider (the two results of `addressed`).
        """
        if request.extra is None:
            return request, {}
        attempt = self._attempt
        names, others = attempt.addressees(attempt.asked.face.request.members)
        return addressed(request, names, others, attempt.call.report)

    def _counted(self, request: ir.Request) -> Sequence[EstimateUsage]:
        """Return the one step that adds an estimated usage to an answer without one; () = no step, because
        the client wants no usage in its stream. request: with its emulations; its tokens are counted if the
        answer states none.
        """
        asked = self._attempt.asked
        if asked.streamed and not asked.brief.stream_usage:
            return ()
        return (EstimateUsage(request, self._attempt.deployment.model),)

    def _emulate(self, request: ir.Request) -> Emulation:
        backend, call = self._attempt.backend, self._call
        dialect = backend.dialect if backend.quirks.stream_options else None
        if request.stream and not request.stream_usage and dialect is not None:
            # The exchange's record needs it. The client's encoder decides whether the client gets it.
            if dialect.relay.ask_usage(_STREAM):
                if request.stream_usage is False:
                    call.report.change("stream_usage", _USAGE, _FOR_THE_RECORD)
                else:
                    call.report.add(_USAGE, _FOR_THE_RECORD)
            request = msgspec.structs.replace(request, stream_usage=True)
        if self._plain and tagged(call.facts, backend.quirks) is None:
            return Emulation(request)
        return emulate(request, backend.native, call.facts, backend.quirks, call.report)
