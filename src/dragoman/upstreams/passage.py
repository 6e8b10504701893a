"""Requests that are sent to a provider as they are, with its credential, and not interpreted.

The first credential is always used, because files of one key may be invisible to another. Only one attempt is
made: a streamed body is gone after it, and files and jobs belong to one provider only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from multidict import CIMultiDict
from yarl import URL

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.resources import Resource
from dragoman.errors import RequestFailed
from dragoman.net.client import Flow, Head
from dragoman.net.transport import Answer, Transport
from dragoman.routing.route import Timers
from dragoman.upstreams import hops
from dragoman.upstreams.answers import read_refusal, unexpected
from dragoman.upstreams.wire import Account
from dragoman.version import __version__


class Passage:
    """Sends requests about files and jobs to one provider.

    base_url: the beginning of their URLs. account: the credential. resources: the kinds of objects that may
    be asked for. yields: names of headers in which a client's value replaces the account's.
    """

    def __init__(
        self,
        name: str,
        dialect: Dialect,
        transport: Transport,
        *,
        base_url: str,
        account: Account,
        timers: Timers,
        resources: Collection[Resource],
        yields: Collection[str] = (),
    ) -> None:
        self.name = name
        self.dialect = dialect
        self.account = account
        self.resources = frozenset(resources)
        self._transport = transport
        self._base_url = base_url
        self._timers = timers
        self._yields = frozenset(yields)

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Flow | None
    ) -> Answer:
        """Call the provider; the caller closes the answer. Raises RequestFailed if there is none.

        target: a path below `base_url` with its query, escaped. headers: the client's that may pass; the
        account's override them, except those in `yields`.
        """
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
        url = URL(self._base_url + target, encoded=True)
        return await self._transport.send(Head(method, url, prepared), body, self._timers)

    async def refused(self, answer: Answer) -> RequestFailed:
        """The error in an answer without success, without the account's secrets; outside of 400 to 599 it
        only names the status. 401 and 403 are an error of the gateway, because the client cannot correct its
        credential. Raises RequestFailed if the answer breaks off.
        """
        if not 400 <= answer.status <= 599:
            return unexpected(self.name, answer.status)
        fault = self.dialect.errors.decode(answer.status, answer.headers, await read_refusal(answer))
        if answer.status in {401, 403}:
            return RequestFailed(_REFUSED)
        return RequestFailed(self.account.discreet(fault))


_REFUSED: Final = ir.Fault(
    "upstream",
    "The provider refused the gateway's API key for this request.",
    code="upstream_credential_refused",
    blame="gateway",
)
