"""The dialects that Dragoman speaks. A new one is one module and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dragoman.dialects.anthropic import DIALECT as anthropic
from dragoman.dialects.anthropic.block_decoder import decode_block, decode_content
from dragoman.dialects.anthropic.check import check_block
from dragoman.dialects.cursor import Blocks, Cursor
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.gemini import DIALECT as gemini
from dragoman.dialects.mistral import DIALECT as mistral
from dragoman.dialects.ollama import DIALECT as ollama
from dragoman.dialects.openai_chat import DIALECT as openai_chat
from dragoman.dialects.openai_completions import DIALECT as openai_completions
from dragoman.dialects.openai_responses import DIALECT as openai_responses

DIALECTS: dict[str, Dialect] = {
    dialect.name: dialect
    for dialect in (openai_chat, openai_responses, anthropic, gemini, mistral, ollama, openai_completions)
}
"""By name, in the order that documentation shows them."""

CURSOR: Final = Cursor(openai_chat, openai_responses, Blocks(check_block, decode_block, decode_content))
READINGS: Final[dict[str, Callable[[Mapping[str, Any]], Dialect | None]]] = {openai_chat.name: CURSOR.reading}
"""By the name of a face, what else a body may be that it refuses: the face that understands it, None = it is
simply wrong.
"""
