"""Stores and finds responses of the Responses API, and finds items and conversations. If the store fails,
`Keeping.save` returns False, and all other functions here that use the store raise RequestFailed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from dragoman import ir
from dragoman.capacity.heavy import HeavySteps
from dragoman.config.lasting import Responses as Settings
from dragoman.errors import RequestFailed
from dragoman.seams.clock import Seams
from dragoman.state.store import (
    UNSETTLED,
    HistoryTooLarge,
    Item,
    Store,
    StoredResponse,
    StoreFailed,
    StoreFull,
)
from dragoman.turns.items import Wire, decode

log = logging.getLogger("dragoman.turns")
_T = TypeVar("_T")


class Piece(msgspec.Struct, frozen=True):
    """Some of the earlier items that a request continues: the input and output of one response, or all items
    of a conversation. deployment: the deployment (`provider/model`) that gave the output; None = not known,
    as for the items of a conversation.
    """

    items: Sequence[Item]
    deployment: str | None = None

    @property
    def provider(self) -> str | None:
        """The name of the provider whose seals these items may contain; None = not known."""
        return None if self.deployment is None else self.deployment.partition("/")[0]


class Keeping:
    """The stored responses, items and conversations of one gateway.

    largest: the most bytes of a request with everything that it continues and refers to. reached: called when
    a limit is exceeded, with the limit's name and a text such as `"by CLIENT: …"`. heavy: runs steps on large
    stored content; None = a new HeavySteps. retains: whether the configuration wants responses to be stored
    at all (`settings.retain`).
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        seams: Seams,
        *,
        largest: int = 64_000_000,
        reached: Callable[[str, str], None] = lambda _bound, _detail: None,
        heavy: HeavySteps | None = None,
    ) -> None:
        self.store = store
        self.seams = seams
        self.largest = largest
        self.most = int(settings.max_size)
        """The most bytes of a response that is stored, or added to a conversation."""
        self.reached = reached
        self.retains = settings.retain
        self.heavy = heavy or HeavySteps()
        self.held = 0
        """The bytes of the responses that all WebSockets together remember (`turn.Connection`)."""
        self._ttl = float(settings.ttl)

    def expires(self) -> float | None:
        """Return when a response that is stored now expires, in Unix seconds; None = never."""
        return self.seams.now() + self._ttl if self._ttl else None

    async def save(self, response: StoredResponse) -> bool:
        """Store a new response. Return False if that failed. If there is no space, `reached` is called; any
        other failure is logged.
        """
        try:
            await self.store.responses.save(response)
        except StoreFull as full:
            self.reached("responses_full", f"by {response.tenant}: {response.id} is not stored: {full}")
            return False
        except StoreFailed as error:
            log.error("the response %s could not be stored: %s", response.id, error)  # noqa: TRY400 - see `reachable`
            return False
        return True

    async def history(self, tenant: str, id_: str) -> Sequence[Piece]:
        """Return the items of a response's turn and of all turns before it: one Piece for each turn, the
        oldest first. Extend the expiry times of all these responses, because a new response will continue
        them.

        Raises RequestFailed: 404 if the response, or one of those before it, does not exist for this client;
        409 if the response has not ended; 413 if the history is too large; 503 if the store fails.
        """
        found = await reachable(self.store.responses.history(tenant, id_, expires=self.expires()))
        if not found:
            raise RequestFailed(previous_missing(id_))
        if found[-1].status in UNSETTLED:
            text = f"The response {id_[:128]!r} has not finished yet, so it cannot be continued."
            fault = ir.Fault("conflict", text, "response_not_finished", "previous_response_id")
            raise RequestFailed(fault)
        return [Piece((*one.input, *one.output), one.deployment) for one in found]

    async def conversation(self, tenant: str, id_: str) -> Sequence[Item]:
        """Return the items of a conversation, the oldest first. Raises RequestFailed: 404 if this client has
        no such conversation, 413 if it is too large, 503 if the store fails.
        """
        items = await reachable(self.store.conversations.items(tenant, id_))
        if items is None:
            raise RequestFailed(conversation_missing(id_))
        return items

    async def items(self, tenant: str, ids: Sequence[str]) -> Mapping[str, Wire]:
        """Return the stored items with these ids, decoded, by id; unknown ids are missing.

        ids: each id as often as its item will be inserted into the request. Raises RequestFailed: 413 if all
        inserted items together are larger than `largest`; 503 if the store fails.
        """
        if not ids:
            return {}
        found = await reachable(self.store.responses.items(tenant, frozenset(ids)))
        if sum([len(found.get(id_, b"")) for id_ in ids]) > self.largest:
            raise RequestFailed(TOO_LARGE)
        return {id_: decode(body) for id_, body in found.items()}

    async def get(self, tenant: str, id_: str) -> StoredResponse:
        """Return one stored response. Raises RequestFailed: 404 if this client has no such response, 503 if
        the store fails.
        """
        found = await reachable(self.store.responses.get(tenant, id_))
        if found is None:
            raise RequestFailed(missing(id_))
        return found

    async def delete(self, tenant: str, id_: str) -> None:
        """Delete a stored response. Raises RequestFailed: 404 if this client has no such response, 503 if the
        store fails.
        """
        if not await reachable(self.store.responses.delete(tenant, id_)):
            raise RequestFailed(missing(id_))


async def reachable(operation: Awaitable[_T]) -> _T:
    """Wait for a store operation, and return its result. Raises RequestFailed instead of StoreFailed:
    413 if the requested data are too large, 503 if there is no space or the store failed. Only a failed
    store is logged.
    """
    try:
        return await operation
    except HistoryTooLarge as error:
        raise RequestFailed(TOO_LARGE) from error
    except StoreFull as error:
        raise RequestFailed(NO_ROOM) from error
    except StoreFailed as error:
        # No traceback: a locked database fails for every request, and must not fill the log.
        log.error("the store failed: %s", error)  # noqa: TRY400
        raise RequestFailed(UNREACHABLE) from error


def shown(response: StoredResponse) -> dict[str, Any]:
    """Return a stored response as the response object that the client reads. Its output items stay
    raw JSON.
    """
    return {**decode(response.body), "output": [msgspec.Raw(item.body) for item in response.output]}


def written(response: StoredResponse) -> bytes:
    """Return a stored response as JSON for the client: the stored object and its output items, copied without
    decoding.
    """
    output = b",".join([item.body for item in response.output])
    return b'%b,"output":[%b]}' % (response.body[:-1], output)


def missing(id_: str) -> ir.Fault:
    """Return the fault (404) for a stored response that does not exist or belongs to another client."""
    return ir.Fault("not_found", f"Response with id {id_[:128]!r} not found.", "response_not_found")


def previous_missing(id_: str) -> ir.Fault:
    """Return the fault (404) for a `previous_response_id` that names no response of this client."""
    text = f"Previous response with id {id_[:128]!r} not found."
    return ir.Fault("not_found", text, "previous_response_not_found", "previous_response_id")


def conversation_missing(id_: str, param: str | None = "conversation") -> ir.Fault:
    """Return the fault (404) for a conversation that this client does not have. param: the field that names
    the conversation; None = no field, the path names it.
    """
    text = f"Conversation with id {id_[:128]!r} not found."
    return ir.Fault("not_found", text, "conversation_not_found", param)


TOO_LARGE: Final = ir.Fault(
    "too_large",
    "This request, together with the stored responses and items that it refers to, is larger "
    "than the limit for one request.",
    "request_too_large",
    "input",
)
NO_ROOM: Final = ir.Fault(
    "unavailable",
    "The response cannot be stored: it is too large, or the store is full of running "
    "responses. Send 'store': false, or try again later.",
    "insufficient_storage",
    retry_after=10.0,
    blame="gateway",
)
UNREACHABLE: Final = ir.Fault(
    "unavailable",
    "The database of the gateway is not available at the moment. Try again later.",
    "store_unavailable",
    blame="gateway",
)
