"""Servers of models that run on this machine: found where each of them listens by default, and told apart.

Only loopback is asked, one short question to each address, all at once, without credentials. Whoever answers
like Dragoman is left alone, and so is our own port, so that no gateway becomes its own provider. Nothing is
used because it was found: that is the operator's word (`discover: true`).
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from dragoman.providers.catalog import CATALOG

if TYPE_CHECKING:
    import aiohttp

    from dragoman.config.load import Loaded
    from dragoman.routing.route import Table

PATIENCE: Final = 0.15
"""Seconds for all the answers together."""
_LARGEST: Final = 4_000_000
_PLAIN: Final = {"accept-encoding": "identity"}
_NAME: Final = re.compile(r"[\x21-\x7e]{1,128}")
_MOST: Final = 1000
"""Models of one server."""
_OURS: Final = "x-dragoman-overhead-ms"
"""A header of every answer of a gateway."""
_LOOPBACK: Final = "127.0.0.1"


class Server(NamedTuple):
    """A server that answers. vendor: its row of the catalogue. url: its origin. models: what it has."""

    vendor: str
    url: str
    models: tuple[str, ...]

    @property
    def words(self) -> str:
        """What it is and where, for people."""
        many = f"{len(self.models)} model{'s' * (len(self.models) != 1)}"
        return f"{CATALOG[self.vendor].title} at {self.url} ({many})"


Read: TypeAlias = Callable[[Any], tuple[Any, ...] | None]


class Place(NamedTuple):
    """Where a vendor's server may be found. path: what is asked there. read: the names of its models from the
    answer, as far as they are names, None where it is somebody else's. It may raise what a value of another
    shape raises.
    """

    vendor: str
    port: int
    path: str
    read: Read


def _ollama(body: Any) -> tuple[Any, ...] | None:
    """https://docs.ollama.com/api/tags"""
    return tuple(model["name"] for model in body["models"])


def _lmstudio(body: Any) -> tuple[Any, ...] | None:
    """https://lmstudio.ai/docs/developer/rest/endpoints; other servers have nothing at its path."""
    chats = [model["id"] for model in body["data"] if model["type"] != "embeddings"]
    return tuple(chats) if body["object"] == "list" else None


def _owned(owner: str) -> Read:
    """A list in OpenAI's form, of models that all belong to this owner."""

    def read(body: Any) -> tuple[Any, ...] | None:
        models = body["data"]
        whole = models and all(model["owned_by"] == owner for model in models)
        return tuple(model["id"] for model in models) if whole else None

    return read


def _default(vendor: str, path: str, read: Read) -> Place:
    port = urlsplit(CATALOG[vendor].base_url).port
    assert port is not None
    return Place(vendor, port, path, read)


PLACES: Final = (
    _default("ollama", "/api/tags", _ollama),
    _default("lmstudio", "/api/v0/models", _lmstudio),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    _default("vllm", "/v1/models", _owned("vllm")),
    # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    _default("llamacpp", "/v1/models", _owned("llamacpp")),
)


async def find(
    places: Iterable[Place] = PLACES, *, but: Collection[int] = (), patience: float = PATIENCE
) -> tuple[Server, ...]:
    """The servers that answer within `patience` seconds. but: ports that are not asked."""
    import aiohttp

    asked = [place for place in places if place.port not in but]
    timeout = aiohttp.ClientTimeout(total=patience)
    # What comes compressed all the same is not unpacked: it may be large beyond any bound.
    async with aiohttp.ClientSession(
        timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), headers=_PLAIN, auto_decompress=False
    ) as session:
        found = await asyncio.gather(*(_ask(session, place) for place in asked))
    return tuple(server for server in found if server is not None)


async def _ask(session: aiohttp.ClientSession, place: Place) -> Server | None:
    import aiohttp
    import msgspec

    origin = f"http://{_LOOPBACK}:{place.port}"
    try:
        async with session.get(origin + place.path, allow_redirects=False) as response:
            if response.status != 200 or _OURS in response.headers:
                return None
            data = b""
            async for chunk in response.content.iter_any():
                data += chunk
                if len(data) > _LARGEST:
                    return None
        models = place.read(msgspec.json.decode(data))
    except (aiohttp.ClientError, OSError, LookupError, RecursionError, TypeError):
        return None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if models is None or not all(isinstance(name, str) for name in models):
        return None
    return Server(place.vendor, origin, tuple(filter(_NAME.fullmatch, models))[:_MOST])


class Search:
    """A search that runs beside the start of a gateway, which never waits for it."""

    def __init__(self, *, but: Collection[int] = ()) -> None:
        self._found: tuple[Server, ...] = ()
        self._thread = threading.Thread(target=self._run, args=(but,), name="discovery", daemon=True)
        self._thread.start()

    def _run(self, but: Collection[int]) -> None:
        self._found = asyncio.run(find(but=but))

    @property
    def found(self) -> tuple[Server, ...]:
        """What has been found by now."""
        return self._found

    def wait(self) -> None:
        """Wait until it has ended, which it does within its patience."""
        self._thread.join()


def settings(found: Iterable[Server], loaded: Loaded) -> dict[str, Any]:
    """What is to be set so that these servers are used, by path, for `load`: a provider for each, and its
    models under their own names. What the configuration has already stays as it is, and so does a name that
    means a model of its providers: any program of this machine may say that it has one.
    """
    config = loaded.config
    named = config.providers.named
    known = {_place(account.base_url) for account in loaded.providers.values()}
    taken = {*config.models, *config.aliases}
    means = _providers_alone(loaded).find
    providers: dict[str, Any] = {}
    models: dict[str, Any] = {}
    for server in found:
        if server.vendor in named or _place(server.url) in known:
            continue
        providers[server.vendor] = {"base_url": server.url}
        for name in server.models:
            if name not in taken and name not in models and means(name) is None:
                models[name] = {"use": f"{server.vendor}/{name}"}
    return {name: value for name, value in (("providers", providers), ("models", models)) if value}


def _providers_alone(loaded: Loaded) -> Table:
    """The names that the providers of a configuration answer to; its own may rest on what is found."""
    import msgspec

    from dragoman.assembly.names import naming

    config = msgspec.structs.replace(
        loaded.config, models={}, aliases={}, default_model=None, default_models={}
    )
    return naming(msgspec.structs.replace(loaded, config=config)).table


def _place(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    host = _LOOPBACK if parts.hostname in {"localhost", "::1"} else parts.hostname
    return host, parts.port
