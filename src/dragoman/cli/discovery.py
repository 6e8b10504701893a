"""Finds model servers (Ollama, LM Studio, vLLM, llama.cpp) on this machine by their default ports, and makes
the settings that use them.

A server that answers like Dragoman is ignored, and callers leave out the gateway's own port, so that no
gateway becomes its own provider.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from dragoman.providers.catalog import CATALOG
from dragoman.providers.patterns import WILDCARD

if TYPE_CHECKING:
    import aiohttp

    from dragoman.config.load import Loaded
    from dragoman.routing.table import Table

PATIENCE: Final = 0.15
"""The time limit for all requests together, in seconds, if `find` is given no other."""
_LARGEST: Final = 4_000_000
_PLAIN: Final = {"accept-encoding": "identity"}
_NAME: Final = re.compile(r"[\x21-\x7e]{1,128}")
_MOST: Final = 1000
"""The most models of one server that are used."""
_OURS: Final = "x-dragoman-overhead-ms"
"""A header that Dragoman adds to its responses to such requests."""
_LOOPBACK: Final = "127.0.0.1"


class Server(NamedTuple):
    """A model server that was found. vendor: the name of its row in `providers.catalog` ("ollama"). url: its
    origin ("http://127.0.0.1:11434"). models: its model names, at most `_MOST`; names with blanks, with
    characters outside ASCII, or of more than 128 characters are left out.
    """

    vendor: str
    url: str
    models: tuple[str, ...]

    @property
    def words(self) -> str:
        """The server in words for people: its product, URL and number of models ("Ollama at http://… (2
        models)").
        """
        many = f"{len(self.models)} model{'s' * (len(self.models) != 1)}"
        return f"{CATALOG[self.vendor].title} at {self.url} ({many})"


Read: TypeAlias = Callable[[Any], tuple[Any, ...] | None]


class Place(NamedTuple):
    """The default address of a vendor's server on this machine.

    vendor: the name of its row in `providers.catalog`. path: the path to request. read: returns the model
    names in the decoded JSON of the response, or None if another server has answered. It may raise
    LookupError or TypeError for an unexpected response.
    """

    vendor: str
    port: int
    path: str
    read: Read


def _ollama(body: Any) -> tuple[Any, ...] | None:
    return tuple(model["name"] for model in body["models"])


def _lmstudio(body: Any) -> tuple[Any, ...] | None:
    """Return the models in LM Studio's list, except those for embeddings; None = it is not such a list.
    https://lmstudio.ai/docs/developer/rest/endpoints
    """
    chats = [model["id"] for model in body["data"] if model["type"] != "embeddings"]
    return tuple(chats) if body["object"] == "list" else None


def _owned(owner: str) -> Read:
    """Return a function that reads model lists in OpenAI's form. The function returns None if the list is
    empty, or if a model in it does not belong to `owner`, because then another server has answered.
    """

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
    _default("ollama", "/api/tags", _ollama),  # https://docs.ollama.com/api/tags
    _default("lmstudio", "/api/v0/models", _lmstudio),
    # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
    _default("vllm", "/v1/models", _owned("vllm")),
    # https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
    _default("llamacpp", "/v1/models", _owned("llamacpp")),
)


async def find(
    places: Iterable[Place] = PLACES, *, but: Collection[int] = (), patience: float = PATIENCE
) -> tuple[Server, ...]:
    """Return the servers at `places` that answer as expected within `patience` seconds, in the order of
    `places`. A server that answers like Dragoman is left out. but: ports that are not called.
    """
    import aiohttp

    called = [place for place in places if place.port not in but]
    timeout = aiohttp.ClientTimeout(total=patience)
    # A compressed response is not decompressed, because its size would have no bound.
    async with aiohttp.ClientSession(
        timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), headers=_PLAIN, auto_decompress=False
    ) as session:
        found = await asyncio.gather(*(_ask(session, place) for place in called))
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
    except (aiohttp.ClientError, OSError, LookupError, RecursionError, TypeError, ValueError):
        return None
    if models is None or not all(isinstance(name, str) for name in models):
        return None
    return Server(place.vendor, origin, tuple(filter(_NAME.fullmatch, models))[:_MOST])


class Search:
    """A search for model servers at the default places (`PLACES`), in a separate thread. The thread starts
    when the object is created. but: ports that are not called.
    """

    def __init__(self, *, but: Collection[int] = ()) -> None:
        self.found: tuple[Server, ...] = ()
        """The servers that were found; () until the search has ended."""
        self._thread = threading.Thread(target=self._run, args=(but,), name="discovery", daemon=True)
        self._thread.start()

    def _run(self, but: Collection[int]) -> None:
        self.found = asyncio.run(find(but=but))

    def wait(self) -> None:
        """Wait until the search has ended, which takes about `PATIENCE` seconds at most, counted from when
        the client for HTTP is loaded.
        """
        self._thread.join()


def settings(found: Iterable[Server], loaded: Loaded) -> dict[str, Any]:
    """Return the settings that make a gateway use these servers, as `overrides` for `load`: {"providers": …,
    "models": …}; {} = there is nothing to add. found: the servers. loaded: the configuration without them.

    Each server becomes a provider, unless a configured provider has its name or an enabled one its address.
    Each model of such a server can be asked by its own name, without the provider's name before it, unless
    that name already has a meaning: any program on this machine could claim such a name. A name with a `*`
    can be asked only with the provider's name before it, because a model `*5` of the configuration is a
    pattern.
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
            free = WILDCARD not in name and name not in taken and name not in models
            if free and means(name) is None:
                models[name] = {"use": f"{server.vendor}/{name}"}
    return {name: value for name, value in (("providers", providers), ("models", models)) if value}


def _providers_alone(loaded: Loaded) -> Table:
    """Return the routing table of a configuration with the providers of `loaded`, but without its models,
    aliases and default models. These may refer to the servers that were found, which are not configured yet.
    """
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
