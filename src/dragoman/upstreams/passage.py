"""Passes requests to a provider without translating them: requests about files and jobs, and requests to the
paths that the operator lists in `providers.NAME.paths`. The account's headers, with its credential, replace
the client's headers of the same name, except the headers that `Passage` has in `yields`.

Of several configured credentials, the first is used, because files that belong to one key may be invisible to
another. Only one attempt is made: a streamed body cannot be sent again, and files and jobs exist at one
provider only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from typing import Final, Literal

from multidict import CIMultiDict
from yarl import URL

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.resources import Resource
from dragoman.errors import RequestFailed
from dragoman.net.client import Flow, Head
from dragoman.net.transport import Answer, Transport
from dragoman.providers.paths import Paths
from dragoman.routing.outcome import own_refused
from dragoman.routing.route import Timers
from dragoman.upstreams import hops
from dragoman.upstreams.account import Account
from dragoman.upstreams.answers import read_refusal, unexpected
from dragoman.version import __version__

NO_PATHS: Final = Paths()


class Passage:
    """Sends requests to one provider: about files and jobs, and to the paths that the operator lists for this
    provider.

    name: the provider's name. dialect: the provider's protocol, which decodes its errors. base_url: the
    beginning of the URLs of requests about files and jobs. query: the query that each of these URLs needs
    ("?api-version=2024-10-21"), "" = none. account: the credential. timers: how long to wait for an answer.
    resources: the kinds of objects that requests may be about. ids: `minted` = clients can use only ids that
    the gateway has made; `upstream` = clients can also use the provider's ids, of objects that no client of
    the gateway owns. yields: names of headers, in lower case, for which the client's value is used instead of
    the account's. origin: scheme and host of the provider's server (`https://host`). paths: the paths on this
    server that the operator lists; clients may call them, and the gateway does not know their meaning.
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        transport: Transport,
        *,
        base_url: str,
        query: str = "",
        account: Account,
        timers: Timers,
        resources: Collection[Resource],
        ids: Literal["minted", "upstream"] = "minted",
        yields: Collection[str] = (),
        origin: str = "",
        paths: Paths = NO_PATHS,
    ) -> None:
        self.name = name
        self.dialect = dialect
        self.account = account
        self.resources = frozenset(resources)
        self.ids = ids
        self._transport = transport
        self._base_url = base_url
        self._query = query
        self._timers = timers
        self._yields = frozenset(yields)
        self.paths = paths
        self._origin = origin

    def renew(self, account: Account) -> None:
        """Use another account from now on. The secrets of the old account are still hidden in errors for
        clients, within the limit of `Account.succeeding`.
        """
        self.account = account.succeeding(self.account)

    def using(self, account: Account) -> Passage:
        """Return a copy that calls the provider with another account, over the same connections."""
        other = copy(self)
        other.account = account
        return other

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Flow | None
    ) -> Answer:
        """Call the provider and return its answer, which the caller must close. An answer with an error
        status is returned, too. Raises RequestFailed if no answer comes, if the credential has expired and
        cannot be renewed, or if the credential must sign each request.

        target: a path below `base_url` with its query, percent-encoded. headers: the client's headers that
        may be passed on, with names in lower case. The account's headers, and the gateway's
        `accept-encoding`, `user-agent` and hop count, replace headers of the same name, except those in
        `yields`. body: None = no body.
        """
        query = f"&{self._query[1:]}" if self._query and "?" in target else self._query
        return await self._send(method, self._base_url + target + query, headers, body)

    async def send_as_is(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Flow | None
    ) -> Answer:
        """Call the provider as `send` does, with the same headers and errors, but `target` is a path from the
        root of the provider's server, with its query, to which nothing is added. The caller must have checked
        `target` with `providers.paths`, so that no other server is called. body: None = no body.
        """
        return await self._send(method, self._origin + target, headers, body)

    def below_origin(self, url: str, before: str) -> str | None:
        """Return a URL of the provider's server as a path of this gateway: `before`, followed by the URL's
        path and query. A URL that is only a path ("/v1/files") counts as one of the provider's server. None =
        the URL leads to another server or spells this server in another way than `origin` (capital letters, a
        port), has no path, or has a path that begins with `//`.
        """
        rest = url.removeprefix(self._origin)
        return before + rest if rest.startswith("/") and not rest.startswith("//") else None

    async def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Flow | None
    ) -> Answer:
        if self.account.renewal is not None:
            lease = await self.account.renewal.credential.current()
            if lease.sign is not None:
                raise RequestFailed(_UNSIGNABLE)
        prepared = CIMultiDict(
            {
                "accept": "*/*",
                **{name: value for name, value in headers.items() if name not in self.account.headers},
                "accept-encoding": "identity",
                "user-agent": f"dragoman/{__version__}",
                hops.HEADER: str(hops.passed() + 1),
                **self.account.headers,
                **{name: value for name, value in headers.items() if name in self._yields},
            }
        )
        return await self._transport.send(Head(method, URL(url, encoded=True), prepared), body, self._timers)

    async def refused(self, answer: Answer) -> RequestFailed:
        """Return (not raise) the error for an answer whose status is not a success; the account's secrets are
        hidden in it. For a status outside 400 to 599, the error only names the status. Raises RequestFailed
        if the connection breaks, or if no bytes come within the idle time.

        For 401 and 403, the error says that the provider has refused the gateway's credential or the
        tenant's, and does not repeat the provider's error. If the client has sent its own credential, the
        error is the provider's, also for 401 and 403.
        """
        if not 400 <= answer.status <= 599:
            return unexpected(self.name, answer.status)
        body = await read_refusal(answer, self.account.redaction())
        fault = self.dialect.errors.decode(answer.status, answer.headers, body)
        if answer.status in {401, 403} and not self.account.lent:
            return RequestFailed(own_refused(self.name) if self.account.own else _REFUSED)
        return RequestFailed(self.account.discreet(fault))


_UNSIGNABLE: Final = ir.Fault(
    "not_implemented",
    "The provider's access key signs whole bodies, and those of passed paths stream.",
    code="not_implemented",
    blame="gateway",
)
_REFUSED: Final = ir.Fault(
    "upstream",
    "The provider refused the gateway's API key for this request.",
    code="upstream_credential_refused",
    blame="gateway",
)
