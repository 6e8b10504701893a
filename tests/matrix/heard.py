"""What the official client was told through any face, whole or in pieces, as one value."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any

import msgspec


class Choice(msgspec.Struct):
    """One candidate. calls: id, name, arguments. tokens: with the number of alternatives of each.

    pieces: in how many the text came. finish: "stop", "length", "tool_calls".
    """

    text: str = ""
    pieces: int = 0
    reasoning: str = ""
    calls: list[list[str]] = []
    images: list[str] = []
    sound: bytes = b""
    transcript: str = ""
    tokens: list[tuple[str, int]] = []
    finish: str | None = None

    def say(self, text: str | None) -> None:
        """More of its text."""
        self.text += text or ""
        self.pieces += bool(text)


class Spent(msgspec.Struct, frozen=True):
    """The usage, in tokens. cached: a part of input; thought: of output."""

    input: int
    cached: int
    output: int
    thought: int
    total: int


class Heard(msgspec.Struct):
    """A whole answer: its candidates and its usage. id: by which it can be continued, where there is one.

    lost: whether something of the request was.
    """

    choices: list[Choice]
    usage: Spent | None
    id: str = ""
    lost: bool = False

    @property
    def first(self) -> Choice:
        return self.choices[0]


# Chat ---------------------------------------------------------------------------------------------


def chat(completion: Any) -> Heard:
    """What a chat completion says."""
    choices = []
    for stated in completion.choices:
        choice = Choice(finish=stated.finish_reason)
        _add(choice, stated.message)
        _count(choice, stated.logprobs)
        choices.append(choice)
    return Heard(choices, _spent(completion.usage))


def chat_chunks(chunks: Sequence[Any]) -> Heard:
    """What the chunks of a chat completion say together."""
    choices: dict[int, Choice] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.usage or usage
        for stated in chunk.choices:
            choice = choices.setdefault(stated.index, Choice())
            _add(choice, stated.delta)
            _count(choice, stated.logprobs)
            choice.finish = stated.finish_reason or choice.finish
    return Heard([choices[index] for index in sorted(choices)], _spent(usage))


def _add(choice: Choice, told: Any) -> None:
    """More of a candidate: a message, or a delta."""
    choice.say(told.content)
    extra = told.model_extra or {}
    choice.reasoning += extra.get("reasoning_content") or extra.get("reasoning") or ""
    choice.images += [image["image_url"]["url"] for image in extra.get("images") or ()]
    for place, call in enumerate(told.tool_calls or ()):
        index = getattr(call, "index", place)
        if index == len(choice.calls):
            choice.calls.append([call.id, call.function.name, ""])
        choice.calls[index][2] += call.function.arguments or ""
    audio = told.audio.model_dump() if getattr(told, "audio", None) else extra.get("audio")
    if audio:
        choice.sound += b64decode(audio.get("data") or "")
        choice.transcript += audio.get("transcript") or ""


def _count(choice: Choice, logprobs: Any) -> None:
    for token in (logprobs.content if logprobs else None) or ():
        choice.tokens.append((token.token, len(token.top_logprobs)))


def _spent(usage: Any) -> Spent | None:
    if usage is None:
        return None
    read, said = usage.prompt_tokens_details, usage.completion_tokens_details
    return Spent(
        input=usage.prompt_tokens,
        cached=(read.cached_tokens or 0) if read else 0,
        output=usage.completion_tokens,
        thought=(said.reasoning_tokens or 0) if said else 0,
        total=usage.total_tokens,
    )


# Completions --------------------------------------------------------------------------------------


def completion(told: Any) -> Heard:
    """What a legacy completion says."""
    return completion_chunks([told])


def completion_chunks(chunks: Sequence[Any]) -> Heard:
    """What the chunks of a legacy completion say together."""
    choices: dict[int, Choice] = {}
    usage = None
    for chunk in chunks:
        usage = chunk.usage or usage
        for stated in chunk.choices:
            choice = choices.setdefault(stated.index, Choice())
            choice.say(stated.text)
            choice.finish = stated.finish_reason or choice.finish
            if logprobs := stated.logprobs:
                choice.tokens += zip(logprobs.tokens, map(len, logprobs.top_logprobs), strict=True)
    return Heard([choices[index] for index in sorted(choices)], _spent(usage))


# Responses ----------------------------------------------------------------------------------------

ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})
_FINISHES = {"completed": "stop", "incomplete": "length"}


def response(told: Any) -> Heard:
    """What a response says."""
    choice = Choice(finish=_FINISHES[told.status])
    for item in told.output:
        if item.type == "message":
            for part in item.content:
                choice.say(part.text)
                choice.tokens += [(token.token, len(token.top_logprobs)) for token in part.logprobs or ()]
        elif item.type == "reasoning":
            choice.reasoning += "".join(part.text for part in (*item.summary, *(item.content or ())))
        elif item.type == "function_call":
            choice.calls.append([item.call_id, item.name, item.arguments])
    if choice.calls and choice.finish == "stop":
        choice.finish = "tool_calls"
    usage = told.usage
    spent = Spent(
        input=usage.input_tokens,
        cached=usage.input_tokens_details.cached_tokens,
        output=usage.output_tokens,
        thought=usage.output_tokens_details.reasoning_tokens,
        total=usage.total_tokens,
    )
    return Heard([choice], spent, told.id)


def response_events(events: Sequence[Any]) -> Heard:
    """What the last event says, which must be what the others say together."""
    heard = response(events[-1].response)
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(pieces) == heard.first.text
    arguments = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
    assert "".join(arguments) == "".join(call[2] for call in heard.first.calls)
    heard.first.pieces = len(pieces)
    return heard
