"""Ollama's protocol over HTTP: asking a model, listing models, and managing names.

https://docs.ollama.com/api, read at ollama/ollama fb307609 (server/routes.go). Its clients do not always
state the content type of their bodies, and write the same name in several ways. Paths for accounts in
Ollama's cloud are not served.

Files: asking · listing · managing · naming (names) · bodies (members and lines).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from dragoman.dialects.dialect import Dialect
from dragoman.dialects.ollama.embedding import EMBEDDING
from dragoman.engine.asked import Inbound
from dragoman.server.endpoint import Handler, HttpRequest
from dragoman.server.ollama.asking import Asking
from dragoman.server.ollama.listing import Listing, expects_text
from dragoman.server.ollama.managing import Managing

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

__all__ = ["NAME", "PREFIX", "OllamaApi", "expects_text"]

NAME: Final = "ollama"
PREFIX: Final = "/api/"
"""The prefix of paths that only this protocol uses."""


class OllamaApi:
    """The protocol's paths at one gateway. inbound: turns an HTTP request into one for the engine."""

    def __init__(self, gateway: Core, inbound: Callable[[Dialect, HttpRequest], Inbound]) -> None:
        self._asking = Asking(gateway, inbound)
        self._managing = Managing(gateway)
        self.listing = Listing(gateway)

    def paths(self) -> Iterator[tuple[str, Mapping[str, Handler]]]:
        """Each path with its methods."""
        asking, listing, managing = self._asking, self.listing, self._managing
        for name, run in (("tags", listing.tags), ("ps", listing.loaded)):
            yield PREFIX + name, {"GET": Handler(run)}
        for name, run in (("version", listing.version), ("status", listing.status)):
            yield PREFIX + name, {"GET": Handler(run)}
        for name, posted in (
            ("chat", asking.chat),
            ("generate", asking.generate),
            ("show", listing.show),
            ("copy", managing.copy),
            ("create", managing.create),
            ("pull", managing.pull),
            ("push", managing.push),
        ):
            yield PREFIX + name, {"POST": Handler(posted, takes_body="any")}
        for path in EMBEDDING.provider.paths:
            yield path, {"POST": Handler(partial(asking.embed, path), takes_body="any")}
        yield f"{PREFIX}delete", {"DELETE": Handler(managing.delete, takes_body="any")}
        blobs = {"HEAD": Handler(managing.blob), "POST": Handler(managing.take_blob)}
        yield f"{PREFIX}blobs/{{digest}}", blobs
