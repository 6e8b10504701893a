"""Passes requests for files, batches, fine-tuning jobs and similar objects (resources) through to a provider.

In JSON bodies, the ids of objects are translated, and other clients' objects are removed from lists
(`server.owned`). The contents of files pass as they are. `dialects.resources` lists the paths and methods
that pass; this module lists the headers. A client key that is limited to some models, or to operations
without `pass_through`, may at most use files and uploads (`_FREE`): a batch can name any model and any
operation.

A request goes to the provider that has the first object which the request names. If the request names no
object, it goes to the provider that the header `X-Dragoman-Provider` names. Without this header, it goes to
the only provider that has the resource, speaks the client's protocol and may be used by the client; if there
are several, the request is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from dragoman import ir
from dragoman.accounts.caller import NO_PROVIDER
from dragoman.assembly.core import Core
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.object_ids import AFTER, AMONG, BEFORE, IDS, Ids, places
from dragoman.dialects.resources import PATHS, Resource
from dragoman.dialects.table import DEFAULT, DIALECTS, faces
from dragoman.engine.meter import Meter, metered
from dragoman.engine.sole import end_failed, enter_alone, enter_unmeasured
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.net.client import Flow
from dragoman.net.connected import CONNECTED
from dragoman.net.transport import Answer
from dragoman.server.bodies import stated_size, too_large
from dragoman.server.client import HttpClient, Streaming
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.server.owned import Known, Ownership, Stated, missing
from dragoman.server.passed_lists import gather
from dragoman.server.sending import ClientBody, pairs_of, sent_on, with_credential, without_field
from dragoman.upstreams.answers import read_bounded
from dragoman.upstreams.form import is_success
from dragoman.upstreams.passage import Passage
from dragoman.wire.inert import inert_headers
from dragoman.wire.json import TOO_LARGE, decode_object, encode, refuse_many_values

CHOICE: Final = "x-dragoman-provider"
ID: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.:-]{0,255}")
"""Matches the id of a resource; no such id can lead to another path."""
_SENT: Final = frozenset(
    {
        *("accept", "content-encoding", "content-type", "idempotency-key", "range", "x-client-request-id"),
        *("anthropic-beta", "anthropic-version", "openai-beta"),
        *("x-goog-upload-protocol", "x-goog-upload-command", "x-goog-upload-offset"),
        *(
            "x-goog-upload-header-content-length",
            "x-goog-upload-header-content-type",
            "x-goog-upload-file-name",
        ),
    }
)
"""The names of the client's headers that are sent to the provider, if they hold no key of this gateway."""
_ANSWERED: Final = frozenset({"accept-ranges", "content-range", "etag", "last-modified"})
"""The provider's headers that are passed on in every protocol. Each protocol has more (`dialect.headers`)."""
_ANY: Final = "application/octet-stream"
_FORMS: Final = ("multipart/", "application/x-www-form-urlencoded")
_BODILESS: Final = frozenset({204, 205})
MOST_EDITED: Final = 16_000_000
"""The most bytes of a JSON answer in which ids are translated. Such an answer is read completely first. 1000
batches are 1 MB.
"""
_MOST_VALUES: Final = 1_000_000
"""The most JSON values of a body in which ids are translated, unless `server.max_values` is larger. A batch
has a few for each of its requests.
"""
_RESULTS: Final = re.compile(r"https?://[^/]+.*?(/v1/messages/batches/[^/]+/results)")
"""Matches the address of an Anthropic batch's results. Only its path from `/v1` on is sent to the client, so
that the address leads to this gateway: official clients call it with their key of this gateway.
"""

_FREE: Final[frozenset[Resource]] = frozenset({"files", "uploads", "google_files"})
"""The resources whose objects cost nothing. Keys that are limited to some models, or to operations without
`pass_through`, can use no other resources (see `_able`): a batch can name any model.
"""


class Asked(NamedTuple):
    """A request in which the provider's ids have replaced the client's ids. ids: the places of ids on this
    path. target: the path and query for the provider. known: the client's objects that the request names.
    body: sent in place of the client's body; None = the client's body is sent as it comes in.
    """

    ids: Ids
    target: str
    known: Known
    body: bytes | None


class Call(NamedTuple):
    """One call to a provider. passage: the provider. asked: the request. sent: the client's headers that are
    passed on. record: the record of this attempt. meter: accounts for the call; None = nothing is accounted
    for. prefix: how the addresses of uploads begin when clients call the gateway; "" = this resource has no
    such addresses.
    """

    passage: Passage
    asked: Asked
    sent: Mapping[str, str]
    record: AttemptRecord
    meter: Meter | None
    prefix: str = ""

    @property
    def owns(self) -> bool:
        """The value of `new` for `Ownership.show`: True = the client becomes the owner of the objects in the
        answer that have no owner. False only if clients may use the provider's ids, the path has an id, and
        the request names no object that the client owns.
        """
        asked = self.asked
        return self.passage.ids == "minted" or not asked.ids.params or bool(asked.known.objects)

    def close(self, status: int) -> None:
        """Account for the call; to be called before the last bytes of the answer are sent. status: that of
        the answer.
        """
        if self.meter is not None:
            self.meter.close(status)


class PassThroughApi:
    """The endpoints of the resources that are passed through to providers, at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield an endpoint for each path of each resource. A path that several protocols have, such as
        `/v1/files`, is yielded once, with `shared` set.
        """
        known: set[str] = set()
        for dialect, face in faces():
            for resource in sorted(_offered(dialect)):
                others = [other for one, other in faces() if resource in _offered(one)]
                shared = not face.client_headers and any(other.client_headers for other in others)
                for path, methods in PATHS.get(resource, {}).items():
                    run = partial(self._pass, resource=resource, path=path, face=dialect)
                    handlers = {
                        method: Handler(run, takes_body="parts" if method == "POST" else "")
                        for method in methods
                    }
                    for template in dict.fromkeys(root + path for root in face.roots):
                        if template not in known:
                            known.add(template)
                            yield Endpoint(template, dialect, handlers, shared=shared)

    async def delete_model(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Delete a fine-tuned model at the provider that has it. The path names the model, with or without
        the provider's name before it. Raises RequestFailed: 403 for a model whose name is not that of a
        fine-tuned model (`ft:…`), or 404 if there is no such model; and the errors of `_pass`.
        """
        name = request.params["model"]
        exchange.asked = name
        first, _, rest = name.partition("/")
        model = rest if first in self._gateway.running.passages else name
        if not _TUNED.match(model):
            self._gateway.engine.table.entry(name, request.caller)  # raises for an unknown model
            text = f"The model {name[:128]!r} cannot be deleted: only fine-tuned models can be."
            raise RequestFailed(ir.Fault("permission", text, "model_not_deletable", "model"))
        headers = {**request.headers, CHOICE: first} if model != name else request.headers
        request = msgspec.structs.replace(request, params={"model": model}, headers=headers)
        path = "/models/{model}"
        await self._pass(request, exchange, client, resource="fine_tuning", path=path, face=DEFAULT)

    async def pass_file(
        self, path: str, request: HttpRequest, exchange: Exchange, client: HttpClient
    ) -> None:
        """Pass a request for files through to the provider, in Anthropic's protocol if the headers are those
        of its clients, else in OpenAI's. path: the template of the path without the root, such as
        `/files/{id}`. Raises RequestFailed if no provider passes files through for this client, or it is not
        clear which; for an id that the client may not use; and for the provider's error.
        """
        await self._pass(request, exchange, client, resource="files", path=path, face=DEFAULT)

    async def _pass(
        self,
        request: HttpRequest,
        exchange: Exchange,
        client: HttpClient,
        *,
        resource: Resource,
        path: str,
        face: Dialect,
    ) -> None:
        """Pass a request for a resource through to the provider, and the answer back to the client; record
        the call in `exchange`. path: the template without the root. face: the protocol of the path; another
        protocol with this resource is used if the headers are those of its clients. Raises RequestFailed as
        `_able`, `_asked` and `_pass_to` do, and ClientGone if the client disconnects while it sends the body.
        """
        told = (one for one, where in faces() if resource in _offered(one) and where.serves(request.headers))
        able = self._able(resource, request, _form(next(told, face)))
        passage, asked = await self._asked(path, resource, request, able, exchange)
        await self._pass_to(resource, passage, asked, request, exchange=exchange, client=client)

    async def _pass_to(
        self,
        resource: Resource,
        passage: Passage,
        asked: Asked,
        request: HttpRequest,
        *,
        exchange: Exchange,
        client: HttpClient,
    ) -> None:
        """Choose the credential, call the provider, pass the answer back to the client, and account for the
        call. passage: the provider. Raises RequestFailed if there is no usable credential, or the provider is
        disabled (`with_credential`); if a limit of the client is reached; and as `_relay` does.
        """
        passage = with_credential(self._gateway, passage, request)
        now = self._gateway.seams.monotonic
        account = passage.account
        record = AttemptRecord(
            f"{exchange.id}-1",
            f"{passage.name}/{resource}",
            account.tail,
            "relay",
            now(),
            key_id=account.id,
            own=account.own,
        )
        free = exchange.method != "POST" or resource in _FREE
        if free:
            record.units = {}
        gateway = self._gateway
        meter = metered(gateway.engine.runtime.accounting, exchange, gateway.seams, operation="passthrough")
        try:
            if meter is not None:
                # What is made may use models. What is there may be changed and ended with no budget left.
                measured = free or asked.ids.params
                await (enter_alone if measured else enter_unmeasured)(meter, record)
            exchange.attempts.append(record)
            exchange.phase, exchange.mode, exchange.answered = "connect", "relay", record.deployment
            CONNECTED.set(self._connected(exchange))
            stated = {name: request.headers[name] for name in _SENT if name in request.headers}
            sent = sent_on(self._gateway, stated, request.caller)
            call = Call(passage, asked, sent, record, meter, self._prefix(request))
            await self._relay(request, exchange, client, call)
            exchange.phase = "done"
        except RequestFailed as failed:
            end_failed(meter, exchange, failed, gone=client.gone)
            raise
        finally:
            if meter is not None:
                meter.close(gone=client.gone)

    def _prefix(self, request: HttpRequest) -> str:
        """Return the value of `Call.prefix` for this request. Subclasses with uploads override this."""
        return ""

    async def _send(
        self, passage: Passage, method: str, target: str, call: Call, body: bytes | Flow | None
    ) -> Answer:
        return await passage.send(method, target, call.sent, body)

    async def _relay(self, request: HttpRequest, exchange: Exchange, client: HttpClient, call: Call) -> None:
        """Send the request to the provider, and the answer to the client. If this fails because the client's
        body could not be read to its end, raises that error (RequestFailed or ClientGone). Otherwise raises
        RequestFailed: for the provider's error, in which ids are translated for the client and other words
        that look like ids are hidden; for an answer that `_answer` cannot read; or with status 503, if the
        store of owners fails.
        """
        passage, record, now = call.passage, call.record, self._gateway.seams.monotonic
        if _uploads(call.asked.ids, request) and request.parts is not None:
            parts = without_field(request.parts, call.asked.ids.forms)
            request = msgspec.structs.replace(request, parts=parts)
        body = ClientBody(request, call.asked.body)
        try:
            answer = await self._send(passage, exchange.method, call.asked.target, call, body.flow)
            record.status, record.answered = answer.status, now()
            try:
                if not is_success(answer):
                    raise await passage.refused(answer)
                exchange.waited += now() - record.started
                record.first = exchange.first = now()
                exchange.phase = "stream"
                await self._answer(exchange.method, client, call, answer)
            finally:
                answer.close()
        except RequestFailed as failed:
            if body.failure is not None:  # the client's body broke off: not the provider's fault
                raise body.failure from failed
            fault = await self._ownership.fault(failed.fault, call.asked.known, passage)
            record.fault = fault
            record.classify(passage.account.source)
            raise RequestFailed(fault) from failed
        finally:
            record.ended = now()

    async def _answer(self, method: str, client: HttpClient, call: Call, answer: Answer) -> None:
        """Send a provider's answer, which is a success, to the client. JSON gets the ids that clients use, if
        the path has places of ids in answers (`Ids.answer`); other contents pass as they come in. For the
        method DELETE, the object is removed from the store of owners. Raises RequestFailed for JSON that
        cannot be read or has more than `MOST_EDITED` bytes, and if `_listed` or the store of owners fails.
        """
        passage, asked = call.passage, call.asked
        json = answer.headers.get("content-type", "").startswith("application/json")
        if answer.status in _BODILESS or asked.ids.answer is None or not json:
            if method == "DELETE":
                await self._forget(call)
            named = answer.headers.get("content-disposition", "")
            if named:
                named = await self._ownership.text(named, asked.known, passage, hide=False)
            if answer.status in _BODILESS:
                headers = headers_of(answer, call, named, whole=True)
                call.close(answer.status)
                await client.empty(answer.status, headers)
            else:
                # A decoded body has another length. The length stated beside chunks cannot be trusted.
                other = "content-encoding" in answer.headers or "transfer-encoding" in answer.headers
                await flow(answer, client, headers_of(answer, call, named, whole=other), call.close)
            return
        value = decoded(await read_bounded(answer, MOST_EDITED, passage.name), passage)
        if asked.ids.filtered and method == "GET" and isinstance(value.get("data"), list):
            value = await self._listed(value, call)
        elif isinstance(entries := value.get("data"), list):
            await self._show(entries, value, call, new=call.owns)
        else:
            await self._show([value], {}, call, new=call.owns)
        if method == "DELETE":
            await self._forget(call)
        headers = headers_of(answer, call, whole=True)
        call.close(answer.status)
        await client.answer(answer.status, headers, encode(value))

    async def _listed(self, first: dict[str, Any], call: Call) -> dict[str, Any]:
        """Return the client's page of a provider's list, with the ids that clients use; if the client can own
        nothing in this list, an empty page. first: the provider's answer to the client's query. Raises
        RequestFailed if too many pages have no objects of the client (`gather`), or if the call for a further
        page fails.
        """
        passage, asked = call.passage, call.asked
        kind = asked.ids.listed
        assert kind is not None

        async def page(target: str) -> dict[str, Any]:
            answer = await self._send(passage, "GET", target, call, None)
            try:
                if not is_success(answer):
                    raise await passage.refused(answer)
                return decoded(await read_bounded(answer, MOST_EDITED, passage.name), passage)
            finally:
                answer.close()

        async def own(entries: Sequence[Any]) -> list[Any]:
            return await self._ownership.filtered(entries, asked.known, passage)

        if await self._ownership.has_any(asked.known, passage, kind):
            value = await gather(first, asked.target, page, own)
        else:
            value = {**first, "data": [], "has_more": False}
            if "total" in value:
                value["total"] = 0
        await self._show(value["data"], value, call, new=False)
        return value

    async def _show(self, entries: Sequence[Any], page: dict[str, Any], call: Call, *, new: bool) -> None:
        """Write the ids that clients use into objects of an answer, and remove the provider's server from
        addresses of results. entries: the objects, which are changed. page: the list's JSON object, whose
        `first_id` and `last_id` are set to those of `entries`, unless they are missing or null; {} = the
        answer is not a list. new: as in `Ownership.show`.
        """
        await self._ownership.show(entries, call.asked.ids, call.asked.known, call.passage, new=new)
        for entry in entries:
            for place in places(entry, "results_url"):
                place.write(_RESULTS.sub(r"\1", place.text))
        ids = [place.text for entry in entries for place in places(entry, "id")]
        for name, id_ in (("first_id", ids[:1]), ("last_id", ids[-1:])):
            if page.get(name) is not None:
                page[name] = id_[0] if id_ else None

    async def _forget(self, call: Call) -> None:
        """Remove the object that the provider has deleted from the store of owners: the last one that the
        path names. Do nothing if the path has a placeholder `file`: the file has only left a vector store.
        """
        params = call.asked.ids.params
        if "file" not in params:
            *_, name = params
            last = [id_ for id_, row in call.asked.known.objects.items() if row.kind == params[name]]
            for id_ in last[-1:]:
                await self._ownership.forget(id_, call.asked.known)

    @property
    def _ownership(self) -> Ownership:
        return Ownership(self._gateway.engine.runtime.store.owned, self._gateway.seams)

    async def _asked(
        self,
        path: str,
        resource: Resource,
        request: HttpRequest,
        able: Mapping[str, Passage],
        exchange: Exchange,
    ) -> tuple[Passage, Asked]:
        """Return the provider for a request, and the request with the provider's ids. The client's body is
        read here if bodies on this path may contain ids. path: the template without the root. able: from
        `_able`. Raises RequestFailed: 404 for an id that the client may not use; and as `_chosen`, `_whole`
        and `_value` do.
        """
        ids = IDS[path]
        params, pairs = dict(request.params), pairs_of(self._gateway, request)
        stated = [Stated(params[name], kind, name) for name, kind in ids.params.items()]
        for one in stated:
            if not ID.fullmatch(one.text):
                raise RequestFailed(missing(one))
        if ids.listed is not None:
            stated += [Stated(text, ids.listed, name) for name, text in pairs if text and name in _CURSORS]
        body, value = None, None
        if (
            ids.body
            and exchange.method == "POST"
            and request.parts is not None
            and not _uploads(ids, request)
        ):
            body = await self._whole(request)
            value = await self._value(body, ids, request)
        if value is not None:
            found = [(place, kind) for at, kind in ids.body.items() for place in places(value, at)]
            stated += [Stated(place.text, kind, place.path, place.write) for place, kind in found]
        ownership = self._ownership
        known = await ownership.named(request.caller.name, stated)
        passage = self._chosen(resource, request, able, known)
        await ownership.admit(stated, known, passage)
        if value is not None:
            body = encode(value)  # in any case: of a repeated member only the checked one is sent
        for name, text in params.items():
            params[name] = quote(known.upstream(text), safe="")
        pairs = [(name, known.upstream(text) if name in _CURSORS else text) for name, text in pairs]
        return passage, Asked(ids, target_of(path, params, pairs), known, body)

    async def _whole(self, request: HttpRequest) -> bytes:
        """Read the client's body and return it, because its ids may have to be translated. Raises
        RequestFailed: 413 for a body of more than `server.max_body` bytes, 400 for a compressed body or a
        form (ids in it cannot be translated), and the errors of reading.
        """
        if request.headers.get("content-type", "").strip().lower().startswith(_FORMS):
            text = "A body that may name objects must be JSON (content-type: application/json)."
            raise RequestFailed(ir.Fault("invalid_request", text, "invalid_request", "content-type"))
        limit = self._gateway.config.server.max_body
        if (stated_size(request.headers.get("content-length")) or 0) > limit:
            raise RequestFailed(too_large(limit))
        if request.headers.get("content-encoding", "identity") != "identity":
            text = "A body that names objects must not be compressed here."
            raise RequestFailed(ir.Fault("invalid_request", text, "invalid_request", "content-encoding"))
        parts, size = list[bytes](), 0
        assert request.parts is not None
        async for part in request.parts:
            size += len(part)
            if size > limit:
                raise RequestFailed(too_large(limit))
            request.room.take(len(part))
            parts.append(part)
        return b"".join(parts)

    async def _value(self, body: bytes, ids: Ids, request: HttpRequest) -> dict[str, Any] | None:
        """Return a JSON body, decoded; None = the body has no field that could name an object, and is not
        decoded. Raises RequestFailed: 400 for invalid JSON, 413 for too many values.
        """
        names = {at.rpartition(".")[2].removesuffix("[]").encode() for at in ids.body}
        hidden = b"\\u00" in body or b"\0" in body  # an escape, or UTF-16, which is refused
        if not hidden and not any(b'"%b"' % name in body for name in names):
            return None
        settings = self._gateway.config.server

        def read() -> dict[str, Any]:
            refuse_many_values(body, max(settings.max_values, _MOST_VALUES))
            return decode_object(body, settings.max_depth)

        try:
            return await self._gateway.heavy.run(len(body), request.caller.name, read)
        except WireError as error:
            of: ir.Kind = "too_large" if error.code == TOO_LARGE else "invalid_request"
            raise RequestFailed(ir.Fault(of, error.message, error.code, error.path or None)) from error

    def _connected(self, exchange: Exchange) -> Callable[[], None]:
        """Return a function to be called just before the request is sent to the provider. It records the time
        in `exchange`, and counts the request in the metrics.
        """

        def connected() -> None:
            exchange.connected(self._gateway.seams.monotonic)
            if (metrics := self._gateway.observers.metrics) is not None:
                metrics.sent(exchange.answered)

        return connected

    def _able(self, resource: Resource, request: HttpRequest, form: str) -> Mapping[str, Passage]:
        """Return the providers that have a resource in the protocol `form` (from `_form`) and that the client
        may use, by name; at least one. For a key that is limited to some models, only providers at which
        clients cannot use the provider's own ids. Raises RequestFailed: 403 if the client's key may not use
        the resource, or may not use any provider that has it in this protocol; 501 if no provider has it.
        """
        if resource not in _FREE and (barred := request.caller.may.bars("pass_through")) is not None:
            raise RequestFailed(barred)
        able = {
            name: passage
            for name, passage in self._gateway.running.passages.items()
            if resource in passage.resources and _form(passage.dialect) == form
        }
        if request.caller.models is not None:
            free = {name: passage for name, passage in able.items() if passage.ids == "minted"}
            if resource not in _FREE or (able and not free):
                raise RequestFailed(LIMITED)
            able = free
        granted = request.caller.may.providers
        if granted is not None and able:
            able = {name: passage for name, passage in able.items() if name in granted}
            if not able:
                raise RequestFailed(NO_PROVIDER)
        if not able:
            text = (
                f"No provider is configured to pass {resource!r} through for this protocol (setting "
                "providers.NAME.passthrough)."
            )
            raise RequestFailed(ir.Fault("not_implemented", text, "not_implemented", blame="gateway"))
        return able

    def _chosen(
        self, resource: Resource, request: HttpRequest, able: Mapping[str, Passage], known: Known
    ) -> Passage:
        """Return the provider to which the request goes: the one that has the first object in `known`. If
        `known` is empty, it is the provider that the header `X-Dragoman-Provider` names, or without this
        header the only one in `able`. Raises RequestFailed: 404 if the object's provider is not in `able`;
        400 if the header names a provider that is not in `able`, or if the header is missing and `able` has
        several.
        """
        wished = known.provider
        if wished is None:
            wished = request.headers.get(CHOICE)
            if wished is None and len(able) == 1:
                wished = next(iter(able))
            if wished not in able:
                said = "Several providers offer"
                if wished is not None:
                    said = f"{wished[:64]!r} is not one of the providers that offer"
                text = f"{said} {resource!r}: choose one of {', '.join(able)} in the header {CHOICE}."
                raise RequestFailed(ir.Fault("invalid_request", text, "unknown_provider", CHOICE))
        elif wished not in able:
            first = next(iter(known.objects))
            text = f"The provider of {first!r} is no longer available to this client."
            raise RequestFailed(ir.Fault("not_found", text, "not_found"))
        return able[wished]


def _offered(face: Dialect) -> frozenset[Resource]:
    """Return the resources that the paths of a protocol offer. OpenAI's paths also offer the resources of
    those providers' protocols in which the gateway does not serve clients, such as Mistral's.
    """
    if face is not DEFAULT:
        return face.resources
    return face.resources.union(*(one.resources for one in DIALECTS.values() if one.face is None))


def _form(dialect: Dialect) -> str:
    """Return the name of the protocol of clients in which a provider's resources are served: `dialect`
    itself, if its clients are recognised by their headers; otherwise OpenAI's.
    """
    return dialect.name if dialect.face is not None and dialect.face.client_headers else DEFAULT.name


async def flow(
    answer: Answer, client: HttpClient, headers: list[tuple[bytes, bytes]], closing: Callable[[int], None]
) -> None:
    """Send an answer to the client as it arrives. headers: those for the client. closing: called with the
    answer's status after the last chunk, before the end of the answer is sent.
    """
    client.streaming = Streaming(answer.headers.get("content-type", _ANY).encode("latin-1", "replace"))
    await client.begin(answer.status, headers)
    while chunk := await answer.chunk():
        await client.write(chunk)
    closing(answer.status)
    await client.end()


def headers_of(answer: Answer, call: Call, named: str = "", *, whole: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers for the client: the provider's headers that are passed on, headers that keep
    browsers from running the answer as a page, the provider's name, and those about the client's limits and
    the cost (`Meter.headers`). If limits of this gateway apply, they replace the provider's. named: the value
    of content-disposition, with the ids that clients use; "" = none. whole: True = the provider's
    content-length is left out.
    """
    passage, meter = call.passage, call.meter
    passed = [
        (name.encode(), answer.headers[name].encode("latin-1", "replace"))
        for name in _ANSWERED
        if name in answer.headers
    ]
    length = answer.headers.get("content-length", "")
    if not whole and length.isascii() and length.isdigit():
        passed.append((b"content-length", length.encode()))
    kind = answer.headers.get("content-type", _ANY)
    passed += inert_headers(kind, named or None)
    deployment = (b"x-dragoman-deployment", passage.name.encode("latin-1", "replace"))
    limited = meter is not None and meter.applied is not None
    passed += passage.dialect.headers.passed(answer.headers, limits=not limited)
    passed.append(deployment)
    return passed if meter is None else meter.headers(passed)


def _uploads(ids: Ids, request: HttpRequest) -> bool:
    """Whether the body is a multipart form, on a path that takes JSON or such a form (`Ids.forms`). Ids in a
    form are not translated.
    """
    return bool(ids.forms) and request.headers.get("content-type", "").strip().lower().startswith(_FORMS[0])


def decoded(body: bytes, passage: Passage) -> dict[str, Any]:
    """Return a provider's JSON answer, decoded. Raises RequestFailed, with the provider as the cause, if
    `body` is not one JSON object, or has too many levels or values (`decode_object`).
    """
    try:
        return decode_object(body)
    except WireError as error:
        text = f"{passage.name} sent an answer that cannot be read: {error.message}"
        raise RequestFailed(ir.Fault("upstream", text, error.code, blame="upstream")) from error


def target_of(path: str, params: Mapping[str, str], pairs: Sequence[tuple[str, str]]) -> str:
    """Return the path and query for the provider. path: a template. params: the values of its placeholders,
    percent-encoded. pairs: the fields of the query, decoded.
    """
    for name, value in params.items():
        path = path.replace(f"{{{name}}}", value)
    return f"{path}?{urlencode(pairs)}" if pairs else path


_CURSORS: Final = frozenset({*AFTER, *AMONG, *BEFORE})
_TUNED: Final = re.compile(r"ft:|[^:]+:ft-")
"""Matches names of fine-tuned models, also in OpenAI's old form (`davinci:ft-acme-2023-01-01`)."""
LIMITED: Final = ir.Fault(
    "permission",
    "This API key is limited to some models, so it cannot use files, batches and other "
    "resources of a provider's account.",
    "key_limited_to_models",
)
