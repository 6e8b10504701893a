"""Limits for the responses of a provider. They protect clients from a broken or hostile provider."""

from __future__ import annotations

from typing import Annotated

from dragoman.config.scalars import Duration, Size
from dragoman.config.section import Section, about


class Answers(Section, frozen=True):
    """Limits for a provider's responses. If a response exceeds one of them, the attempt fails."""

    max_size: Size = Size(128_000_000)
    """The largest response that is read as a whole, after decompression. Relayed streams have no such limit.
    """
    max_values: Annotated[int, about(unit="values", ge=1000)] = 800_000
    """How many JSON values a response that is not streamed may hold. Outside of log probabilities the limit
    is an eighth of this number; in one event of a translated stream it is a quarter; in a relayed response it
    is two and a half times this number. Log probabilities of one token with twenty alternatives take 170
    values."""
    max_numbers: Annotated[int, about(unit="values", ge=1000)] = 8_000_000
    """How many JSON values the response to an embeddings request may hold: 2,048 embeddings of 3,072 numbers
    are 6,300,000 values."""
    max_event: Size = Size(64 * 1024 * 1024)
    """The largest single event of a stream. An image arrives as one event, in base64."""
    max_opening: Size = Size(16_000_000)
    """How much a stream may send before its first content. The gateway buffers these events until the content
    starts. Responses streams repeat the instructions and the tools in them."""
    max_stream: Size = Size(256 * 1024 * 1024)
    """The largest stream that is translated, in total. A relayed stream is not buffered and has no such
    limit."""
    max_blocks: Annotated[int, about(unit="blocks", ge=100)] = 10_000
    """How many content blocks (text, reasoning, tool calls, images), citations and candidates a translated
    response may hold."""
    max_silence: Annotated[Duration | None, about(default="three times `timeouts.first_byte`")] = None
    """How long a provider may send nothing but pings, comments and blanks: before the first content of a
    stream, before the end of a response that is not streamed, and between two stream events. 0 = no limit."""
