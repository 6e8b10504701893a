"""The relay for the completions API: the relay of the chat family, for choices that have `text` instead of a
message.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.chat.relay import ChatRelay, ChatStreamRelay, Words
from dragoman.dialects.openai.errors import fault_of
from dragoman.dialects.openai_completions.usage import decode_usage, encode_usage
from dragoman.dialects.reply import Reply

_WORDS: Final = Words(decode_usage, fault_of, "obfuscation", asks=True, encode_usage=encode_usage)


class CompletionsRelay(ChatRelay):
    """Relays completions requests and responses."""

    def __init__(self) -> None:
        super().__init__(_WORDS)

    def stream(self, reply: Reply) -> CompletionsStreamRelay:
        return CompletionsStreamRelay(reply, _WORDS)


class CompletionsStreamRelay(ChatStreamRelay):
    """Relays the frames (the data of the events) of one completions stream. A `text` in a choice counts as
    content, too.
    """

    def _see(self, chunk: dict[str, Any]) -> bool:
        shown = super()._see(chunk)
        self.content = self.content or any(choice.get("text") for choice in chunk.get("choices") or ())
        return shown
