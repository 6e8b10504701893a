"""Ollama's protocol over HTTP: asking a model, what there is, and names that are made here.

https://docs.ollama.com/api, read at ollama/ollama fb307609 (server/routes.go). Its clients do not say of what
kind their bodies are, and write names in several ways. What belongs to accounts in Ollama's cloud is not
here.

Files: asking · listing · managing · naming (names) · bodies (members and lines).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from dragoman.dialects.dialect import Dialect
from dragoman.dialects.ollama.embedding import EMBEDDING
from dragoman.engine.work import Inbound
from dragoman.server.endpoint import Call, Handler
from dragoman.server.ollama.asking import Asking
from dragoman.server.ollama.listing import Listing, expects_text
from dragoman.server.ollama.managing import Managing

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

__all__ = ["NAME", "PREFIX", "OllamaApi", "expects_text"]

NAME: Final = "ollama"
PREFIX: Final = "/api/"
"""Where only this protocol is served."""


class OllamaApi:
    """The protocol's paths at one gateway. inbound: a call of a face as the engine takes it."""

    def __init__(self, gateway: Core, inbound: Callable[[Dialect, Call], Inbound]) -> None:
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
