"""Passes requests for `/providers/NAME/PATH` on to the server of the provider NAME, without interpreting
them.

The operator lists the methods and paths that are allowed (`providers.NAME.paths`). A request goes only to the
server in the provider's base URL; no redirect is followed. It is sent with the key that the client's tenant
has brought for this provider; without such a key, with the client's own credential if the provider is
configured for clients' credentials; otherwise with the gateway's. Bodies of requests and of successful
answers pass piece by piece. A successful answer is read only to find the usage that it states, and to hide
the account's keys in it: some servers have an endpoint that returns the key (`GET /v1/user` of ElevenLabs).
The body of an error is read first, up to a limit, and then sent. In place of a redirect, or of a 401 or 403
to the gateway's or the tenant's credential, the client gets an error of the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from dragoman import ir
from dragoman.accounts.caller import NO_PROVIDER
from dragoman.accounts.held import holds_key
from dragoman.accounts.keys import passed_on
from dragoman.assembly.core import Core
from dragoman.dialects.access import OF_LIMITS
from dragoman.dialects.gateway_members import HEADERS
from dragoman.dialects.stated_usage import Answer as StatedUsage
from dragoman.dialects.table import DEFAULT
from dragoman.engine.meter import Meter, metered
from dragoman.engine.report import LITELLMS_COST
from dragoman.engine.sole import end_failed, enter_unmeasured
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.net.connected import CONNECTED
from dragoman.net.transport import Answer
from dragoman.providers.auth import credential_headers
from dragoman.providers.paths import METHODS, BadPath, query, spelled
from dragoman.server.client import HttpClient, Streaming
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest
from dragoman.server.passthrough import LIMITED
from dragoman.server.sending import ClientBody, sent_on, with_credential
from dragoman.upstreams.account import Account
from dragoman.upstreams.answers import read_refusal
from dragoman.upstreams.passage import Passage
from dragoman.wire.headers import members
from dragoman.wire.hidden import Hider
from dragoman.wire.inert import inert_headers

ROOT: Final = "/providers/"
OPERATION: Final = "pass_through"
"""The operation in usage records and in the permissions of keys."""
_ANY: Final = "application/octet-stream"
_EVENTS: Final = "text/event-stream"
_BODILESS: Final = frozenset({204, 205})


class _Call(NamedTuple):
    """One call to a provider. passage: sends it to the provider, with this call's credential. target: the
    path and query. record: the record of this attempt. meter: accounts for the call; None = nothing is
    accounted for.
    """

    passage: Passage
    target: str
    record: AttemptRecord
    meter: Meter | None


class ProviderPathsApi:
    """The endpoint of all listed paths of all providers, at one gateway."""

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield one endpoint for all providers and paths, because the paths that are listed may change while
        the gateway runs.
        """
        handlers = {
            method: Handler(self._pass, takes_body="" if method == "GET" else "parts") for method in METHODS
        }
        yield Endpoint(f"{ROOT}{{path}}", DEFAULT, handlers, slashes=True, faceless=True)

    async def _pass(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        """Pass a request on to the provider, and the answer (also an error, see `_refused`) back to the
        client; record the call in `exchange`. Raises RequestFailed if the request is refused before it is
        sent, if the client's body is refused, or if no usable answer comes; ClientGone if the client
        disconnects while it sends the body.
        """
        name, path = _named(request)
        passage = self._listing(name)
        if passage is not None:
            exchange.face = passage.dialect.name  # so errors have the form that this client can read
        secret = partial(holds_key, knows=self._gateway.client_keys.knows)
        target = _target(passage, name, exchange.method, path, request.search, secret=secret)
        assert passage is not None
        self._admit(passage, request)
        passage = with_credential(self._gateway, passage, request)
        account, seams = passage.account, self._gateway.seams
        record = AttemptRecord(
            f"{exchange.id}-1",
            f"{name}/{OPERATION}",
            account.tail,
            "relay",
            seams.monotonic(),
            key_id=account.id,
            own=account.own,
        )
        if exchange.method != "POST":
            record.units = {}  # nothing is billed for looking, unless the provider says so
        meter = metered(self._gateway.engine.runtime.accounting, exchange, seams, operation=OPERATION)
        try:
            if meter is not None:
                await enter_unmeasured(meter, record)
            exchange.attempts.append(record)
            exchange.phase, exchange.mode, exchange.answered = "connect", "relay", record.deployment
            self._count_when_sent(exchange)
            await self._relay(request, exchange, client, _Call(passage, target, record, meter))
            exchange.phase = "done"
        except RequestFailed as failed:
            end_failed(meter, exchange, failed, gone=client.gone)
            raise
        finally:
            if meter is not None:
                meter.close(gone=client.gone)

    def _listing(self, name: str) -> Passage | None:
        """Return the provider of this name; None = there is none, or no paths are listed for it."""
        passage = self._gateway.running.passages.get(name)
        return passage if passage is not None and passage.paths else None

    @staticmethod
    def _admit(passage: Passage, request: HttpRequest) -> None:
        """Raise RequestFailed (403) if the client may not use the provider, its protocol or the operation
        `pass_through`, or if the client is limited to some models: the gateway does not know which model a
        path uses.
        """
        caller = request.caller
        refused = caller.may_speak(passage.dialect.name) or caller.may.bars(OPERATION)
        if refused is None and caller.may.providers is not None and passage.name not in caller.may.providers:
            refused = NO_PROVIDER
        if refused is None and caller.models is not None:
            refused = LIMITED
        if refused is not None:
            raise RequestFailed(refused)

    def _count_when_sent(self, exchange: Exchange) -> None:
        seams, metrics = self._gateway.seams, self._gateway.observers.metrics

        def connected() -> None:
            exchange.connected(seams.monotonic)
            if metrics is not None:
                metrics.sent(exchange.answered)

        CONNECTED.set(connected)

    async def _relay(self, request: HttpRequest, exchange: Exchange, client: HttpClient, call: _Call) -> None:
        """Send the request to the provider, and the answer to the client. Complete `call.record`. Raises
        RequestFailed if no answer comes, if it breaks off, or if it may not be sent to the client
        (`_refused`), with the account's secrets hidden; RequestFailed or ClientGone if the client's body
        could not be read to its end.
        """
        passage, record, now = call.passage, call.record, self._gateway.seams.monotonic
        body = ClientBody(request)
        try:
            sent = sent_on(self._gateway, _sent(request.headers), request.caller)
            answer = await passage.send_as_is(exchange.method, call.target, sent, body.flow)
            record.status, record.answered = answer.status, now()
            try:
                exchange.waited += now() - record.started
                if 200 <= answer.status < 300:
                    record.first = exchange.first = now()
                    exchange.phase = "stream"
                    await self._flow(answer, exchange, client, call)
                else:
                    await self._refused(answer, exchange, client, call)
            finally:
                answer.close()
        except RequestFailed as failed:
            if body.failure is not None:  # the client's body broke off: not the provider's fault
                raise body.failure from failed
            record.fault = fault = passage.account.discreet(failed.fault)
            record.classify(passage.account.source)
            raise RequestFailed(fault) from failed
        finally:
            record.ended = now()

    async def _flow(self, answer: Answer, exchange: Exchange, client: HttpClient, call: _Call) -> None:
        """Send a successful answer (status 200 to 299) to the client as it arrives, with the account's keys
        hidden. For a status in `_BODILESS` only the headers are sent. The call is accounted for before the
        end of the answer is sent. Raises RequestFailed if the provider's answer breaks off.
        """
        kind = answer.headers.get("content-type", _ANY)
        if answer.status in _BODILESS:
            _settle(call, answer.status)
            await client.empty(answer.status, self._headers(answer, call, whole=True))
            return
        usage, hider = StatedUsage(kind), Hider(_keys(call.passage.account))
        exchange.streamed = kind.startswith(_EVENTS)
        client.streaming = Streaming(kind.encode("latin-1", "replace"))
        # A decoded body has another length. The length stated beside chunks cannot be trusted.
        other = "content-encoding" in answer.headers or "transfer-encoding" in answer.headers
        await client.begin(answer.status, self._headers(answer, call, whole=other))
        try:
            while chunk := await answer.chunk():
                usage.feed(chunk)
                if passing := hider.feed(chunk):
                    await client.write(passing)
        finally:
            _note(usage, exchange, call.record)
        _settle(call, answer.status)
        await client.end(hider.rest())

    async def _refused(self, answer: Answer, exchange: Exchange, client: HttpClient, call: _Call) -> None:
        """Send a provider's error to the client with the provider's status and the beginning of its body, in
        which the account's secrets are hidden (`read_refusal`). Raises RequestFailed instead, and sends
        nothing, for a status outside 400 to 599; for 401 and 403, unless the client sent its own credential
        for the provider (it cannot correct another one); and if the body breaks off.
        """
        passage, account = call.passage, call.passage.account
        if not 400 <= answer.status <= 599 or (answer.status in {401, 403} and not account.lent):
            raise await passage.refused(answer)
        body = await read_refusal(answer, account.redaction())
        fault = account.discreet(passage.dialect.errors.decode(answer.status, answer.headers, body))
        call.record.fault = exchange.fault = fault
        call.record.classify(account.source)
        kind = (b"content-type", answer.headers.get("content-type", _ANY).encode("latin-1", "replace"))
        _settle(call, answer.status)
        await client.answer(answer.status, [kind, *self._headers(answer, call, whole=True)], body)

    def _headers(self, answer: Answer, call: _Call, *, whole: bool) -> list[tuple[bytes, bytes]]:
        """Return the headers for the client, without content-type, which callers send themselves: the
        provider's headers that are passed on, headers that keep browsers from running the answer as a page,
        the provider's name, and those about the client's limits and the cost (`Meter.headers`). Headers of
        the provider that contain a secret of the account are left out. For headers in `_PLACES` see there.
        whole: True = the provider's content-length is left out.
        """
        passage = call.passage
        before = f"{self._gateway.config.server.base_path.rstrip('/')}{ROOT}{quote(passage.name, safe='')}"
        secrets = [one for one in passage.account.secrets if len(one) >= _SHORTEST_SECRET]
        dropped = _of_connection(answer.headers)
        hidden: tuple[str, ...] = _NEVER_ANSWERED
        if call.meter is not None and call.meter.applied is not None:
            hidden = (*hidden, *OF_LIMITS)  # the client gets those of its limits here
        passed: list[tuple[bytes, bytes]] = []
        for name, stated in answer.headers.items():
            name, value = name.lower(), stated  # noqa: PLW2901
            if name in _PLACES:
                value = passage.below_origin(stated, before) or ""
            kept = name not in dropped and name not in _NOT_ANSWERED and not name.startswith(hidden)
            if kept and value and not any(secret in value for secret in secrets):
                passed.append((name.encode(), value.encode("latin-1", "replace")))
        length = answer.headers.get("content-length", "")
        if not whole and length.isascii() and length.isdigit():
            passed.append((b"content-length", length.encode()))
        kind, named = answer.headers.get("content-type", _ANY), answer.headers.get("content-disposition")
        passed += inert_headers(kind, named)
        passed.append((b"x-dragoman-deployment", passage.name.encode("latin-1", "replace")))
        return passed if call.meter is None else call.meter.headers(passed)


def _named(request: HttpRequest) -> tuple[str, str]:
    """Return the provider's name, decoded, and the path after the name: percent-encoded, with a slash at its
    beginning; "" = the URL ends with the name. The path is as the client encoded it; if that is not known,
    the decoded path is encoded again.
    """
    decoded, raw = request.params["path"], request.raw.decode("latin-1")
    found = quote(decoded, safe="/:;")
    place = raw.find(ROOT)
    while place >= 0:
        rest = raw[place + len(ROOT) :]
        if unquote(rest).rstrip("/") == decoded:
            found = rest
            break
        place = raw.find(ROOT, place + 1)
    name, slash, path = found.partition("/")
    return unquote(name), slash + path


def _target(
    passage: Passage | None,
    name: str,
    method: str,
    path: str,
    search: str,
    *,
    secret: Callable[[str], bool],
) -> str:
    """Return the path and query for the provider. passage: None = no paths of a provider with this name are
    listed. path: from `_named`. search: the query. secret: returns whether a text holds a key of this
    gateway; fields of the query with such a key are left out. Raises RequestFailed: 404 for a provider or
    path that is not listed, 405 for a method that is not listed for the path, 400 for a path or query that
    cannot be sent (for example, the path contains a key of this gateway).
    """
    if passage is None:
        text = f"No paths of a provider {name[:64]!r} are listed here (setting providers.NAME.paths)."
        raise RequestFailed(ir.Fault("not_found", text, "unknown_url"))
    try:
        found, passed = spelled(path), query(search, secret)
        if any(secret(segment) for segment in found.segments):
            raise BadPath("a segment holds a key of this gateway")
    except BadPath as error:
        text = f"The path below {ROOT}{name} is not sent to the provider: {error}."
        raise RequestFailed(ir.Fault("invalid_request", text, "invalid_path")) from None
    if not passage.paths.allows(method, found.segments):
        if methods := passage.paths.methods(found.segments):
            text = f"This path of {name} takes {', '.join(methods)}, not {method}."
            raise RequestFailed(ir.Fault("method_not_allowed", text, "method_not_allowed"))
        text = f"This path of {name} is not listed (setting providers.{name}.paths): {found.text[:200]}"
        raise RequestFailed(ir.Fault("not_found", text, "unknown_url"))
    return f"{found.text}?{passed}" if passed else found.text


def _note(usage: StatedUsage, exchange: Exchange, record: AttemptRecord) -> None:
    """Write what an answer has stated so far into the records: the usage, the units, and the model. The model
    is written only if usage or units are stated, too.
    """
    stated = usage.stated()
    if stated.usage is not None:
        record.usage = exchange.usage = stated.usage
    if stated.units is not None:
        record.units = stated.units
    if stated.model is not None and (stated.usage is not None or stated.units is not None):
        provider = record.deployment.partition("/")[0]
        record.deployment = exchange.answered = f"{provider}/{stated.model}"


def _settle(call: _Call, status: int) -> None:
    if call.meter is not None:
        call.meter.close(status)


def _keys(account: Account) -> list[str]:
    """Return the account's keys: those of its secrets that are in headers for credentials. Other secrets, in
    headers that an operator has configured, are not returned, because such values may occur in any answer.
    """
    values = [account.headers[name] for name in credential_headers() if name in account.headers]
    return [secret for secret in account.secrets if any(secret in value for value in values)]


def _sent(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the client's headers that are sent to the provider. Left out are, for example, credentials,
    cookies, headers that proxies add, and headers that would choose another method, path or account there.
    """
    dropped = _of_connection(headers)
    return {name: value for name, value in headers.items() if name not in dropped and _is_sent(name)}


def _is_sent(name: str) -> bool:
    if name in _NOT_SENT or name.startswith(_NEVER_SENT) or name.endswith("authorization"):
        return False
    return name not in credential_headers() and not passed_on({name: ""})


def _of_connection(headers: Mapping[str, str]) -> frozenset[str]:
    """Return the lower-case names of the headers that are valid for one connection only (RFC 9110, section
    7.6.1): `_HOP_BY_HOP`, and the names in the header `connection`. headers: with lower-case names.
    """
    return _HOP_BY_HOP.union(members(headers.get("connection", "")))


_HOP_BY_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
        *("proxy-authenticate", "proxy-authorization", "http2-settings"),
    }
)
_NOT_SENT: Final = frozenset(
    {
        *("host", "content-length", "expect", "accept-encoding", "user-agent", "origin", "referer", "cookie"),
        *("x-http-method", "x-http-method-override", "x-method-override", "x-original-method"),
        *("x-original-url", "x-rewrite-url", "x-auth-token", "x-access-token"),
        *("openai-organization", "openai-project", "x-goog-user-project", "chatgpt-account-id"),
        *HEADERS,
    }
)
_NEVER_SENT: Final = ("x-dragoman-", "x-litellm-", "sec-", "proxy-", "access-control-", "x-amz-")
_NOT_ANSWERED: Final = frozenset(
    {
        *(
            "content-type",
            "content-length",
            "content-encoding",
            "content-disposition",
            "date",
            "server",
            "via",
        ),
        *("set-cookie", "set-cookie2", "alt-svc", "strict-transport-security", "public-key-pins"),
        *("www-authenticate", "x-content-type-options", "content-security-policy", "x-frame-options"),
        *("x-request-id", "clear-site-data", "refresh", "service-worker-allowed", "report-to", "nel"),
        LITELLMS_COST.decode(),  # the client gets the cost that is known here, not another gateway's
    }
)
_NEVER_ANSWERED: Final = ("x-dragoman-", "access-control-", "cross-origin-", "sec-")
_PLACES: Final = frozenset({"location", "content-location", "operation-location", "azure-asyncoperation"})
"""Headers with a URL. `_headers` makes a URL of the provider's server a path of this gateway, and leaves a
header with another URL out.
"""
_SHORTEST_SECRET: Final = 8
"""The fewest characters of a secret for which `_headers` leaves a header out. Many words contain a shorter
secret, such as the value "eu" of a configured header.
"""
