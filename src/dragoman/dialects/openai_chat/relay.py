"""The relay for OpenAI's chat: the `ChatRelay` that all chat dialects share, with OpenAI's errors and token
counts.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from dragoman.dialects.chat.relay import ChatRelay, Words
from dragoman.dialects.openai.errors import fault_of
from dragoman.dialects.openai.usage import decode_usage, encode_usage, read_usage
from dragoman.dialects.quirks import STANDARD

RELAY: Final = ChatRelay(
    Words(
        partial(decode_usage, quirks=STANDARD),
        fault_of,
        "obfuscation",
        asks=True,
        encode_usage=encode_usage,
        read_usage=partial(read_usage, quirks=STANDARD),
    )
)
