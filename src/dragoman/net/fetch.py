"""Downloads the files that a request names by URL, for providers that accept only bytes.

Every address is checked by `egress`, on every redirect. There is no cache, and no header with a credential is
sent. A file whose type is known must have the kind that the request states: a web page is not accepted as an
image. `Bounds` has limits for one call and for the whole gateway, because a few bytes of a request can name
gigabytes on slow servers.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import msgspec
from yarl import URL

from dragoman import ir
from dragoman.capacity.shares import Shares
from dragoman.errors import RequestFailed
from dragoman.net.connected import CONNECTED
from dragoman.net.egress import EgressRefused, GuardedResolver, ends_in_a_number
from dragoman.net.failures import Failure
from dragoman.net.resolver import CLIENT, Resolver, Unresolved
from dragoman.wire.sniff import media_type

if TYPE_CHECKING:
    import aiohttp

    from dragoman.net.download import Downloads

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOPS = 3
_BEGINNING = 64
"""How many bytes at the beginning of a file are used to recognise its type."""
_RETRY = 5.0
"""The seconds in the header retry-after when a limit of the whole gateway is reached."""
_SAYS_NOTHING = frozenset({"", "application/octet-stream", "binary/octet-stream"})
_FITTING = {
    "image": ("image/",),
    "audio": ("audio/", "video/mp4", "video/webm", "video/ogg", "application/ogg"),
    "video": ("video/", "application/mp4"),
}
"""The prefixes of the media types that are accepted for each kind of file. Video containers often contain
only audio.
"""

Keep: TypeAlias = Callable[[ir.Media], bool]
"""A function that decides whether a medium is left as it is: True = it is not downloaded, because the
provider itself reads its URL.
"""


class Bounds(NamedTuple):
    """The limits for downloads.

    For one call of `Fetcher.inline`, `read` or `try_read`. addresses: how many URLs (a repeated URL counts
    each time). at_once: how many downloads run at a time. each: the bytes of one file; together: the bytes of
    all files, both after decompression. seconds: the time for all files, None = no limit.

    For the whole gateway. reads: how many downloads run at a time; one client may use a quarter of them
    (rounded down), but at least one. wait: for how many seconds a download waits until it may start, None =
    no limit. space: how many downloaded bytes may be in memory until their exchanges end; one client may use
    half of them. `Claim.take` states the exceptions from `space`.
    """

    addresses: int = 20
    at_once: int = 5
    each: int = 20 * 1024 * 1024
    together: int = 64 * 1024 * 1024
    seconds: float | None = 30.0
    reads: int = 64
    wait: float | None = 10.0
    space: int = 256_000_000


DEFAULT_BOUNDS = Bounds()


class Room(msgspec.Struct):
    """Counts the downloaded bytes of all exchanges. size: the most bytes. held: the bytes that are counted
    now. by_client: the same, by client.
    """

    size: int
    held: int = 0
    by_client: dict[str, int] = {}


class Claim:
    """Counts the downloaded bytes of one exchange until `close`. held: the bytes that are counted now."""

    __slots__ = ("_room", "client", "held")

    def __init__(self, room: Room, client: str) -> None:
        self._room = room
        self.client = client
        self.held = 0

    def take(self, size: int) -> None:
        """Count `size` more bytes. Raises RequestFailed (`fetch_busy`), and counts nothing, in two cases. 1.
        The bytes of all exchanges would exceed the room's size, and another exchange has bytes. 2. The bytes
        of this client's exchanges would exceed half of the room's size, and another exchange of the client
        has bytes.
        """
        room = self._room
        theirs = room.by_client.get(self.client, 0)
        crowded = room.held + size > room.size and room.held > self.held
        if crowded or (theirs + size > room.size // 2 and theirs > self.held):
            raise _busy("the space for files fetched for requests is used up")
        self.held += size
        room.held += size
        room.by_client[self.client] = theirs + size

    def close(self) -> None:
        """Set the count of this exchange back to 0. The claim may be used again."""
        room, held = self._room, self.held
        if not held:
            return
        self.held = 0
        room.held -= held
        room.by_client[self.client] -= held
        if not room.by_client[self.client]:
            del room.by_client[self.client]


class Fetcher:
    """Downloads files for the requests of one gateway. allow: host names, IP addresses and networks that URLs
    may lead to although they are not public. bounds: the limits for downloads. resolver: looks up host names;
    None = a new one.
    """

    def __init__(
        self,
        allow: tuple[str, ...] = (),
        bounds: Bounds = DEFAULT_BOUNDS,
        resolver: Resolver | None = None,
    ) -> None:
        self._guard = GuardedResolver(allow, resolver)
        self._bounds = bounds
        self._room = Room(bounds.space)
        self._reads = Shares(bounds.reads, max(1, bounds.reads // 4))
        self._downloads: Downloads | None = None

    def claim(self, client: str) -> Claim:
        """Return a new Claim for the downloads of one exchange of this client. The caller closes it."""
        return Claim(self._room, client)

    async def inline(
        self,
        request: ir.Request,
        keep: Keep | None,
        claim: Claim,
        fetched: dict[int, ir.Media] | None = None,
    ) -> ir.Request:
        """Return a copy of the request in which bytes replace the URLs of the media that `to_fetch` returns.
        A medium for which `keep` returns True stays unchanged. If there are no URLs to replace, the request
        itself is returned.

        keep: None = all media are downloaded. claim: counts the downloaded bytes. fetched: the results of
        earlier calls for this request, {`id()` of a medium: its copy with bytes}; these media are not
        downloaded again. The dict is changed: afterwards it has the media of the returned copy and no others.
        None = nothing was downloaded earlier.

        Raises RequestFailed as `read` does.
        """
        named = to_fetch(request, keep)
        known = {} if fetched is None else fetched
        new = [one for one in named if id(one[0]) not in known]
        read = await self.read(new, claim) if new else []
        known |= {id(media): got for (media, _), got in zip(new, read, strict=True)}
        needed = {id(media): known[id(media)] for media, _ in named}
        known.clear()
        known |= needed
        if not named:
            return request
        found = iter([needed[id(media)] for media, _ in named])
        return msgspec.structs.replace(
            request,
            messages=tuple(
                msgspec.structs.replace(message, blocks=_replaced(message.blocks, found, keep))
                for message in request.messages
            ),
        )

    async def try_read(self, named: Sequence[tuple[ir.Media, str]], claim: Claim) -> list[ir.Media]:
        """Download media, and return copies with bytes in place of URLs, in the order of `named`. A medium is
        returned unchanged if its download fails or would exceed a limit. named: (medium, its place in the
        IR); the place is not used. claim: counts the downloaded bytes.
        """
        read = [media for media, _ in named]

        async def attempt(index: int, media: ir.Media) -> None:
            async with gate:
                with suppress(RequestFailed):
                    read[index] = await self._inlined(media, budget)

        bounds = self._bounds
        gate, budget = asyncio.Semaphore(bounds.at_once), _Budget(bounds, claim)
        with suppress(TimeoutError):
            async with asyncio.timeout(bounds.seconds), asyncio.TaskGroup() as group:
                for index, media in enumerate(read[: bounds.addresses]):
                    group.create_task(attempt(index, media))
        return read

    async def close(self) -> None:
        if self._downloads is not None:
            await self._downloads.close()

    async def read(self, named: Sequence[tuple[ir.Media, str]], claim: Claim) -> list[ir.Media]:
        """Download media, and return copies with bytes in place of URLs, in the order of `named`. named:
        (medium with a URL, its place in the IR). claim: counts the downloaded bytes.

        Raises RequestFailed if one file cannot be downloaded, or a limit is reached. The fault blames the
        gateway if it is a limit of the whole gateway, otherwise the client; then its param is the place of
        the medium, unless there are too many URLs or the time for all files is over.
        """
        bounds = self._bounds
        if len(named) > bounds.addresses:
            raise _refused(
                f"The request contains {len(named)} URLs of files; the gateway fetches at most "
                f"{bounds.addresses}."
            )
        gate = asyncio.Semaphore(bounds.at_once)
        budget = _Budget(bounds, claim)

        async def one(media: ir.Media, place: str) -> ir.Media:
            async with gate:
                try:
                    return await self._inlined(media, budget)
                except RequestFailed as failed:
                    if failed.fault.blame != "client":
                        raise
                    raise RequestFailed(failed.fault.changed(param=place)) from failed

        try:
            async with asyncio.timeout(bounds.seconds), asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(*found)) for found in named]
        except TimeoutError:
            raise _unfetched("did not respond in time") from None
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None  # the first error; it has cancelled the other downloads
        return [task.result() for task in tasks]

    async def _inlined(self, media: ir.Media, budget: _Budget) -> ir.Media:
        client = budget.client
        CLIENT.set(client)  # in the task of this one download
        CONNECTED.set(_nothing)  # else its connection would count as one to the provider
        await self._turn(client)
        try:
            data, kind = await self._hops(URL(media.url or ""), budget)
        except Unresolved as error:
            raise _unresolved(error) from error
        except (Failure, EgressRefused, ValueError, OSError) as error:
            cause: Any = error if isinstance(error, EgressRefused) else error.__cause__
            if isinstance(cause, EgressRefused):
                raise _unfetched("is not a public address") from None
            raise _unfetched("could not be fetched") from error
        finally:
            self._reads.give_back(client)
        told = _type(media, bytes(data[:_BEGINNING]), kind)
        encoded = base64.b64encode(data).decode()
        return msgspec.structs.replace(media, url=None, data=encoded, mime=media.mime or told)

    async def _turn(self, client: str) -> None:
        try:
            async with asyncio.timeout(self._bounds.wait):
                await self._reads.take(client)
        except TimeoutError:
            raise _busy("too many URLs are being fetched at the same time") from None

    async def _hops(self, url: URL, budget: _Budget) -> tuple[bytearray, str | None]:
        downloads = await self._opened()
        for _ in range(_HOPS + 1):
            self._permit(url)
            async with downloads.get(url) as response:
                if response.status in _REDIRECTS and (location := response.headers.get("location")):
                    url = url.join(URL(location))
                    continue
                return await budget.read(response), response.headers.get("content-type")
        raise _unfetched("redirects too many times")

    async def _opened(self) -> Downloads:
        if self._downloads is None:
            # aiohttp is a fifth of what a start imports, and most gateways download nothing. A thread imports
            # it, because that takes a tenth of a second.
            module = await asyncio.to_thread(import_module, "dragoman.net.download")
            if self._downloads is None:  # no other download has opened it meanwhile
                self._downloads = module.Downloads(self._guard)
        return self._downloads

    def _permit(self, url: URL) -> None:
        """Raise RequestFailed if the URL is not an http or https URL, contains a user name or a password, or
        has an IP address as its host that is not permitted. Names that some systems read as an IP address
        (`127.1`) are refused too. The resolver checks all other names later.
        """
        if url.scheme not in {"http", "https"} or not url.host:
            raise _unfetched("is not an http or https URL")
        if url.user is not None or url.password is not None:
            raise _unfetched("contains a user name or a password")
        try:
            permitted = self._guard.permits(url.host, url.host)
        except ValueError:
            # A name: the resolver checks it. But some systems read `127.1` as an IP address.
            permitted = not ends_in_a_number(url.host)
        if not permitted:
            raise _unfetched("is not a public address")


def _nothing() -> None:
    """Do nothing: the function in `CONNECTED` for downloads."""


class _Budget:
    """Reads the downloads of one call of `Fetcher.read` or `try_read`, and counts how many bytes this call
    may still download. claim: counts the same bytes for the limits of the whole gateway.
    """

    def __init__(self, bounds: Bounds, claim: Claim) -> None:
        self._bounds = bounds
        self._claim = claim
        self._left = bounds.together
        self.client = claim.client

    async def read(self, response: aiohttp.ClientResponse) -> bytearray:
        if response.status != 200:
            raise _unfetched(f"answered with status {response.status}")
        data = bytearray()
        async for chunk in response.content.iter_any():
            data += chunk
            self._left -= len(chunk)
            if len(data) > self._bounds.each:
                raise _unfetched(f"is larger than {self._bounds.each} bytes")
            if self._left < 0:
                raise _refused(
                    "The files at the URLs in the request are larger than "
                    f"{self._bounds.together} bytes in total."
                )
            self._claim.take(len(chunk))
            await asyncio.sleep(0)  # bytes that have arrived are read and decompressed without any wait
        return data


def _type(media: ir.Media, data: bytes, header: str | None) -> str | None:
    """Return the media type of a file: that of its first bytes (`data`) or of its content-type (`header`);
    None = both are unknown. Raises RequestFailed if at least one type is known, and none fits the kind of
    `media`.
    """
    stated: str | None = (header or "").partition(";")[0].strip().lower()
    if stated in _SAYS_NOTHING:
        stated = None
    seen = media_type(data)
    ordered = (seen, stated) if seen is not None and seen.startswith("image/") else (stated, seen)
    told = [mime for mime in ordered if mime is not None]
    fitting = next((mime for mime in told if _fits(media.kind, mime)), None)
    if told and fitting is None:
        raise _unfetched(f"is of the type {told[0]}, not a supported {media.kind} type")
    return fitting


def _fits(kind: str, mime: str) -> bool:
    if kind == "document":
        return not mime.startswith(("image/", "audio/", "video/"))
    return mime.startswith(_FITTING[kind])


def _wanted(block: ir.Block, keep: Keep | None) -> bool:
    return isinstance(block, ir.Media) and bool(block.url) and not (keep is not None and keep(block))


def to_fetch(request: ir.Request, keep: Keep | None) -> list[tuple[ir.Media, str]]:
    """Return the media in the messages of a request that `Fetcher.inline` downloads, each with its place in
    the IR. keep: returns whether a medium keeps its URL; None = all media are downloaded.
    """
    named: list[tuple[ir.Media, str]] = []
    if ir.Media in ir.kinds(request):
        for index, message in enumerate(request.messages):
            named += _named(message.blocks, f"messages[{index}].blocks", keep)
    return named


def _named(blocks: Sequence[ir.Block], where: str, keep: Keep | None) -> Iterator[tuple[ir.Media, str]]:
    """Yield (medium, place) for each medium to download, in order, also for media within documents and within
    the results of the client's tools. keep: returns True for a medium that keeps its URL; None = all media
    are downloaded. where: the place of `blocks` in the IR.
    """
    for index, block in enumerate(blocks):
        if isinstance(block, ir.Media) and _wanted(block, keep):
            yield block, f"{where}[{index}]"
        else:
            field, inner = _inner(block)
            yield from _named(inner, f"{where}[{index}].{field}", keep)


def _replaced(
    blocks: Sequence[ir.Block], found: Iterator[ir.Media], keep: Keep | None
) -> tuple[ir.Block, ...]:
    """Return a copy of the blocks in which the items of `found` replace the blocks that `_named` yields, in
    order.
    """
    return tuple([_replaced_one(block, found, keep) for block in blocks])


def _replaced_one(block: ir.Block, found: Iterator[ir.Media], keep: Keep | None) -> ir.Block:
    if _wanted(block, keep):
        return next(found)
    field, inner = _inner(block)
    return msgspec.structs.replace(block, **{field: _replaced(inner, found, keep)}) if inner else block


def _inner(block: ir.Block) -> tuple[str, tuple[ir.Block, ...]]:
    """Return (field, blocks): the name of the field in which a block contains other blocks, and these blocks;
    () = it contains none. The result of a provider's own tool gives (), because its blocks are web pages and
    not media of the client.
    """
    if isinstance(block, ir.ToolResult):
        return "content", block.content if block.by == "client" else ()
    return "blocks", (block.blocks or ()) if isinstance(block, ir.Media) else ()


def _unfetched(what: str) -> RequestFailed:
    return _refused(f"A URL in the request {what}.")


def _refused(message: str) -> RequestFailed:
    return RequestFailed(ir.Fault("invalid_request", message, code="invalid_image_url"))


def _unresolved(error: Unresolved) -> RequestFailed:
    if error.busy:
        return _busy("too many host names are being looked up at the same time")
    fault = ir.Fault(
        "invalid_request",
        "The host name of a URL in the request could not be looked up (DNS) in time.",
        code="name_resolution_timeout",
    )
    return RequestFailed(fault)


def _busy(why: str) -> RequestFailed:
    fault = ir.Fault(
        "overloaded",
        f"The gateway cannot fetch the URLs in the request at the moment: {why}. Try again later.",
        code="fetch_busy",
        retry_after=_RETRY,
        blame="gateway",
    )
    return RequestFailed(fault)
