"""Settings of what a provider may answer at most, so that a broken or hostile one harms nobody else."""

from __future__ import annotations

from typing import Annotated

from dragoman.config.about import about
from dragoman.config.scalars import Duration, Size
from dragoman.config.section import Section


class Answers(Section, frozen=True):
    """What a provider's answer may be at most. Beyond it the attempt fails: the next candidate is asked."""

    max_size: Annotated[
        Size,
        about(
            "The largest answer that is read whole, decompressed. What is streamed through has no such bound."
        ),
    ] = Size(128_000_000)
    max_values: Annotated[
        int,
        about(
            "How many values the JSON of a whole answer may hold. Outside of log probabilities the bound "
            "is an eighth of this, in one event of a stream a quarter, and in a relayed answer two and a "
            "half times as many. A token with twenty alternatives has 170 values.",
            unit="values",
            ge=1000,
        ),
    ] = 800_000
    max_numbers: Annotated[
        int,
        about(
            "The same for an answer to an embeddings request; 2,048 vectors of 3,072 numbers are 6,300,000.",
            unit="values",
            ge=1000,
        ),
    ] = 8_000_000
    max_event: Annotated[Size, about("One event of a stream. An image comes as one event, in base64.")] = (
        Size(64 * 1024 * 1024)
    )
    max_opening: Annotated[
        Size,
        about(
            "What a stream may send before its first content. It is held until then; Responses streams "
            "repeat instructions and tools there."
        ),
    ] = Size(16_000_000)
    max_stream: Annotated[
        Size,
        about("A whole stream, if it is translated. A relayed stream is not held, so it has no such bound."),
    ] = Size(256 * 1024 * 1024)
    max_blocks: Annotated[
        int,
        about(
            "How many blocks (texts, reasoning, calls, images), citations and candidates a translated "
            "answer may have.",
            unit="blocks",
            ge=100,
        ),
    ] = 10_000
    max_silence: Annotated[
        Duration | None,
        about(
            "How long a provider may send only pings, comments and the like: until the first content of a "
            "stream or the end of a whole answer, and between two events of a stream. 0 = no limit.",
            default="three times `timeouts.first_byte`",
        ),
    ] = None
