"""Requests that are sent to a provider as they are, with the provider's credential, and not interpreted.

The first credential is always used, because files that belong to one key may be invisible to another. Only
one attempt is made: a streamed body is gone after it, and files and jobs belong to one provider only.
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
    """Sends requests about files and jobs to one provider.

    base_url: the beginning of the URLs of these requests. query: what every URL has to state
    ("?api-version=2024-10-21"), "" = nothing. account: the credential. resources: the kinds of
    objects that requests may be about. ids: `minted` = clients use only ids of the gateway; `upstream` = also
    the provider's, for objects that no client of the gateway owns. yields: names of headers for which the
    client's value is used instead of the account's. origin: of the provider's server (`https://host`); paths:
    those of this server that clients may call as they are.
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
        """Use another account from now on. The secrets of the old account are still hidden in what clients
        read.
        """
        self.account = account.succeeding(self.account)

    def using(self, account: Account) -> Passage:
        """A copy that calls with another account, over the same connections."""
        other = copy(self)
        other.account = account
        return other

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Flow | None
    ) -> Answer:
        """Call the provider and return its answer, which the caller must close. Raises RequestFailed if no
        answer comes.

        target: a path below `base_url` with its query, percent-encoded. headers: the client's headers that
        may be passed on; the account's headers replace those of the same name, except those in `yields`.
        """
        query = f"&{self._query[1:]}" if self._query and "?" in target else self._query
        return await self._send(method, self._base_url + target + query, headers, body)

    async def send_as_is(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Flow | None
    ) -> Answer:
        """As `send`, but target is a path from the root of the provider's server, with its query, which
        `providers.paths` has read. So nothing is called but this server.
        """
        return await self._send(method, self._origin + target, headers, body)

    def below_origin(self, url: str, before: str) -> str | None:
        """A URL at the provider's server as a path of this gateway, which begins with `before`; None = it
        leads elsewhere.
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
        """The error for an answer whose status is not one of success; the account's secrets are hidden in it.
        For a status outside of 400 to 599, the error only names the status. For 401 and 403 it blames the
        gateway, because the client cannot correct the gateway's credential, unless it is the client's own.
        Raises RequestFailed if the answer breaks off.
        """
        if not 400 <= answer.status <= 599:
            return unexpected(self.name, answer.status)
        fault = self.dialect.errors.decode(answer.status, answer.headers, await read_refusal(answer))
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
