"""The endpoints of Ollama's protocol: they ask a model, list models, and manage model names.

https://docs.ollama.com/api, read at ollama/ollama fb307609 (server/routes.go). The paths for accounts in
Ollama's cloud are not supported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from dragoman.assembly.core import Core
from dragoman.dialects.ollama import DIALECT
from dragoman.dialects.ollama.embedding import EMBEDDING
from dragoman.server.chat import ChatApi
from dragoman.server.endpoint import Endpoint, Handler, below
from dragoman.server.ollama.asking import Asking
from dragoman.server.ollama.listing import Listing
from dragoman.server.ollama.managing import Managing


class OllamaApi:
    """The endpoints of Ollama's protocol at one gateway."""

    def __init__(self, gateway: Core, chat: ChatApi) -> None:
        self._asking = Asking(gateway, chat.inbound)
        self._managing = Managing(gateway)
        self._listing = Listing(gateway)

    def endpoints(self) -> Iterator[Endpoint]:
        return below(DIALECT, self._paths())

    def _paths(self) -> Iterator[tuple[str, Mapping[str, Handler]]]:
        asking, listing, managing = self._asking, self._listing, self._managing
        shown = {"tags": listing.tags, "ps": listing.loaded}
        for name, run in {**shown, "version": listing.version, "status": listing.status}.items():
            yield f"/api/{name}", {"GET": Handler(run)}
        for name, posted in (
            ("chat", asking.chat),
            ("generate", asking.generate),
            ("show", listing.show),
            ("copy", managing.copy),
            ("create", managing.create),
            ("pull", managing.pull),
            ("push", managing.push),
        ):
            yield f"/api/{name}", {"POST": Handler(posted, takes_body="any")}
        for path in EMBEDDING.provider.paths:
            yield path, {"POST": Handler(partial(asking.embed, path), takes_body="any")}
        yield "/api/delete", {"DELETE": Handler(managing.delete, takes_body="any")}
        yield "/api/blobs/{digest}", {"HEAD": Handler(managing.blob), "POST": Handler(managing.take_blob)}
