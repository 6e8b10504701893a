"""Counts the tokens of a prompt. Text is counted with a vocabulary if the extra `tokens` is installed, up to
`MOST` characters of a request; other text is estimated from its bytes. JSON is counted as its text. Media are
estimated, except those whose content is text.

The tokens around each message follow OpenAI's documentation, and agree with recorded requests of plain text:
https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, assert_never

import msgspec

from dragoman import ir
from dragoman.tokens.vocabulary import CEILING, Vocabulary, by_bytes, vocabulary

PER_MESSAGE: Final = 3
"""The number of special tokens around a message. The role is one more token."""
PER_NAME: Final = 1
PER_CALL: Final = 4
"""The number of special tokens around a tool call, a tool result or a tool."""
SMALL_PICTURE: Final = 85
"""The tokens of a picture with `detail: low`: https://developers.openai.com/api/docs/guides/images-vision."""
LARGE_PICTURE: Final = 1600
"""The tokens of a picture of the largest size that vendors do not scale down: 1,600 at Anthropic
(https://platform.claude.com/docs/en/build-with-claude/vision), 1,445 with OpenAI's `detail: high`. Some small
models of OpenAI count a picture many times as much, because its price is that of a large model.
"""
MINUTE: Final = 1920
"""The tokens of a sound of unknown length: one minute with 32 tokens per second.
https://ai.google.dev/gemini-api/docs/tokens
"""
FILM: Final = 15_780
"""The tokens of a video of unknown length: one minute with 263 tokens per second."""
PAGE: Final = 1500
"""The tokens of one page, and the least for a document that is counted by its bytes:
https://platform.claude.com/docs/en/build-with-claude/pdf-support
"""
BYTES_PER_SOUND: Final = 500
"""How many bytes of audio or video count as one token: audio of 128 kbit/s with 32 tokens per second."""
BYTES_PER_DOCUMENT: Final = 40
"""How many bytes of a document count as one token: a page of text in a PDF has about 60 kB."""
MOST: Final = 2_000_000
"""The most characters of one request that are counted with a vocabulary, in about 0.1 s. The text that
exceeds this number, and all texts after it, are estimated from their bytes.
"""


class Count(msgspec.Struct, frozen=True):
    """The number of tokens of a whole prompt. exact: True = the prompt is text alone, and all of it was
    counted with the model's public vocabulary. False = the number counts as an estimate.
    """

    tokens: int
    exact: bool


def count(request: ir.Request, model: str | None) -> Count:
    """Return the number of tokens of a request, and whether the number is exact. Instructions, messages,
    tools and the schema of the answer are counted. model: the provider's name for the model, None = unknown:
    then the number is an estimate.
    """
    counter = Counter(model)
    return Count(counter.whole(request), counter.exact)


def count_most(request: ir.Request, model: str | None) -> int:
    """Return the number of tokens to reserve for a request: the number of `count`, except that each picture
    without `detail: low` counts at least `LARGE_PICTURE` tokens. model: the provider's name for the model,
    None = unknown. The real number may be larger.
    """
    words = vocabulary(model)
    return Counter(model, words._replace(picture=max(words.picture, LARGE_PICTURE))).whole(request)


def ceiling(request: ir.Request) -> int:
    """Return a number that the tokens of a request hardly exceed for any model, if it has no media: each byte
    of text counts as a token. Media are only estimated, so for a request with media the real number may be
    larger.
    """
    return Counter(None, CEILING).whole(request)


class Counter:
    """Counts the parts of one request. When the texts have more than `MOST` characters together, the text
    that exceeds this number, and each text after it, is estimated as a whole from its bytes. So each request
    needs a new counter. With `CEILING` there is no such limit.
    """

    __slots__ = ("_left", "_vocabulary", "exact")

    def __init__(self, model: str | None, words: Vocabulary | None = None) -> None:
        """Make a counter for one request. model: the provider's name for the model, None = unknown. words:
        the vocabulary to count with, None = the vocabulary for `model`.
        """
        self._vocabulary = words or vocabulary(model)
        self._left = MOST
        self.exact = self._vocabulary.own
        """True = everything so far was text, counted with the model's public vocabulary. False = a part was
        something else or was estimated, or no public vocabulary of the model is available.
        """

    def whole(self, request: ir.Request) -> int:
        """Return the tokens of the whole request."""
        return self.frame(request) + sum(map(self.message, request.messages))

    def frame(self, request: ir.Request) -> int:
        """Return the tokens of a request without its messages: the special tokens at the start of the answer,
        `system` with the special tokens of a message, the tools, and the schema of the answer.
        """
        tokens = self._vocabulary.priming
        if request.system:
            tokens += PER_MESSAGE + 1 + self.blocks(request.system)
        if request.tools:
            tokens += self._vocabulary.tools + sum(map(self._tool, request.tools))
        if request.output is not None and request.output.schema is not None:
            tokens += self._json(request.output.schema)
        return tokens

    def message(self, message: ir.Message) -> int:
        """Return the tokens of one message, including its role, its name and the special tokens around it."""
        tokens = PER_MESSAGE + 1 + self.blocks(message.blocks)
        if message.name is not None:
            tokens += PER_NAME + self._text(message.name)
        return tokens

    def blocks(self, blocks: Iterable[ir.Block]) -> int:
        """Return the tokens of some blocks, without the special tokens around the message. Those around tool
        calls and tool results are included.
        """
        return sum(map(self._block, blocks))

    def _text(self, text: str) -> int:
        self._left -= len(text)
        if self._left < 0 and self._vocabulary is not CEILING:
            self.exact = False
            return by_bytes(text)
        return self._vocabulary.weigh(text)

    def _json(self, value: Any) -> int:
        self.exact = False
        return self._text(msgspec.json.encode(value).decode())

    def _tool(self, tool: ir.Tool) -> int:
        if isinstance(tool, ir.ProviderTool):
            return self._json(tool.value)
        tokens = PER_CALL + self._text(tool.name) + self._text(tool.description or "")
        return tokens + self._json(tool.parameters or tool.format or {})

    def _block(self, block: ir.Block) -> int:
        if isinstance(block, ir.Text):
            return self._text(block.text)
        self.exact = False
        match block:
            case ir.Refusal() | ir.Thinking():  # a seal is no part of the prompt
                return self._text(block.text)
            case ir.ToolCall():
                return PER_CALL + self._text(block.name) + self._text(block.arguments)
            case ir.ToolResult():
                return PER_CALL + self.blocks(block.content)
            case ir.Media():
                return self._media(block)
            case ir.Json() | ir.Native():
                return self._json(block.value)
            case _:
                assert_never(block)

    def _media(self, media: ir.Media) -> int:
        if media.text is not None:
            return self._text(media.text)
        if media.blocks is not None:
            return self.blocks(media.blocks)
        held = len(media.data or "") * 3 // 4
        if media.kind == "image":
            return SMALL_PICTURE if media.detail == "low" else self._vocabulary.picture
        if media.kind == "audio":
            return held // BYTES_PER_SOUND if held else MINUTE
        if media.kind == "video":
            return held // BYTES_PER_SOUND if held else FILM
        return max(PAGE, held // BYTES_PER_DOCUMENT)
