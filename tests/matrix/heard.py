"""What the official client was told, whole or in pieces, as one value."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import msgspec


class Choice(msgspec.Struct):
    """One candidate. calls: id, name, arguments. tokens: with the number of alternatives of each."""

    text: str = ""
    pieces: int = 0
    reasoning: str = ""
    calls: list[list[str]] = []
    images: list[str] = []
    sound: bytes = b""
    transcript: str = ""
    tokens: list[tuple[str, int]] = []
    finish: str | None = None

    def add(self, told: Any) -> None:
        """More of it: a message, or a delta."""
        self.text += told.content or ""
        self.pieces += bool(told.content)
        extra = told.model_extra or {}
        self.reasoning += extra.get("reasoning_content") or extra.get("reasoning") or ""
        self.images += [image["image_url"]["url"] for image in extra.get("images") or ()]
        for place, call in enumerate(told.tool_calls or ()):
            index = getattr(call, "index", place)
            if index == len(self.calls):
                self.calls.append([call.id, call.function.name, ""])
            self.calls[index][2] += call.function.arguments or ""
        audio = told.audio.model_dump() if getattr(told, "audio", None) else extra.get("audio")
        if audio:
            self.sound += b64decode(audio.get("data") or "")
            self.transcript += audio.get("transcript") or ""

    def count(self, logprobs: Any) -> None:
        """Log probabilities of more of it."""
        for token in (logprobs.content if logprobs else None) or ():
            self.tokens.append((token.token, len(token.top_logprobs)))


class Heard(msgspec.Struct):
    """A whole answer: its candidates and its usage."""

    choices: list[Choice]
    usage: Any

    @property
    def first(self) -> Choice:
        return self.choices[0]


def whole(completion: Any) -> Heard:
    """What a completion says."""
    choices = []
    for stated in completion.choices:
        choice = Choice()
        choice.add(stated.message)
        choice.count(stated.logprobs)
        choice.finish = stated.finish_reason
        choices.append(choice)
    return Heard(choices, completion.usage)


def streamed(chunks: Sequence[Any]) -> Heard:
    """What the chunks of a stream say together."""
    choices: dict[int, Choice] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.usage or usage
        for stated in chunk.choices:
            choice = choices.setdefault(stated.index, Choice())
            choice.add(stated.delta)
            choice.count(stated.logprobs)
            choice.finish = stated.finish_reason or choice.finish
    return Heard([choices[index] for index in sorted(choices)], usage)
