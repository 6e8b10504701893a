"""The table of all dialects (`DIALECTS`), the table of the vendors' own APIs (`SERVICES`), and functions that
search all dialects. In this module, a new dialect needs an import and an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from dragoman.dialects.access import Face
from dragoman.dialects.anthropic import DIALECT as anthropic
from dragoman.dialects.anthropic.block_decoder import decode_block, decode_content
from dragoman.dialects.anthropic.check import check_block
from dragoman.dialects.bedrock import DIALECT as bedrock
from dragoman.dialects.cohere import DIALECT as cohere
from dragoman.dialects.cursor import Blocks, Cursor
from dragoman.dialects.deepgram import SERVICE as deepgram
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.elevenlabs import SERVICE as elevenlabs
from dragoman.dialects.gemini import DIALECT as gemini
from dragoman.dialects.mistral import DIALECT as mistral
from dragoman.dialects.ollama import DIALECT as ollama
from dragoman.dialects.openai_chat import DIALECT as openai_chat
from dragoman.dialects.openai_completions import DIALECT as openai_completions
from dragoman.dialects.openai_responses import DIALECT as openai_responses
from dragoman.dialects.service import Service
from dragoman.dialects.xai import SERVICE as xai

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        *(openai_chat, openai_responses, anthropic, gemini, mistral, cohere, bedrock, ollama),
        openai_completions,
    )
}
"""Name -> dialect."""

SERVICES: Final[dict[str, Service]] = {service.name: service for service in (deepgram, elevenlabs, xai)}
"""Name -> a vendor's own API for operations beside chat."""

CURSOR: Final = Cursor(openai_chat, openai_responses, Blocks(check_block, decode_block, decode_content))


@contextmanager
def registered(dialect: Dialect) -> Iterator[None]:
    """Add one more dialect to `DIALECTS` until the `with` block ends. A gateway that shall have the dialect
    must be made and must run inside of the block. Raises ValueError if `DIALECTS` has a dialect of this name.
    """
    if dialect.name in DIALECTS:
        raise ValueError(f"the protocol {dialect.name} is spoken already")
    DIALECTS[dialect.name] = dialect
    try:
        yield
    finally:
        del DIALECTS[dialect.name]


DEFAULT: Final = openai_chat
"""The dialect where none is stated: of the gateway's own paths (such as `/admin/usage`), of a path of several
dialects if a request's headers show none of them, and of a provider outside of the catalogue."""


def faces() -> list[tuple[Dialect, Face]]:
    """Return the dialects that the gateway serves to clients, each with its face."""
    return [(dialect, dialect.face) for dialect in DIALECTS.values() if dialect.face is not None]


def key_headers() -> tuple[str, ...]:
    """Return the names of all headers, beside `authorization`, in which the clients of some dialect send
    their gateway key (`x-api-key`), each name once, in lower case.
    """
    return tuple(dict.fromkeys(name for dialect in DIALECTS.values() for name in dialect.keys.headers))


READINGS: Final[dict[str, Callable[[Mapping[str, Any]], Dialect | None]]] = {openai_chat.name: CURSOR.reading}
"""Name of a client's dialect -> a function that gets a body which the dialect's `check` refuses, and returns
the dialect as which the body may be read instead; None = the body has no such other form."""
