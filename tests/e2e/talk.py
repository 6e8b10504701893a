"""Conversations of several turns, taken from the history that a recorded request holds.

The history of a request is all that was said before it: what a user wrote, and what the provider answered,
signatures included. A `Talk` holds it apart, so that a test can have it once more through a gateway: the
client asks in the chat protocol, the provider answers as it did, and the last request shows what came back.
A `Voice` knows how one protocol writes answers, and what of them must return.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.part_decoder import SKIP_SIGNATURE
from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target
from dragoman.dialects.table import DIALECTS
from dragoman.testing import corpus
from dragoman.testing.case import Case
from dragoman.testing.provider import Answer, Streamed, Whole

Wire = dict[str, Any]
Told = list[tuple[Any, ...]]
"""What of one answer must be in the next request, in order: (kind, content, seal or None)."""


class Voice(msgspec.Struct, frozen=True):
    """One protocol.

    said: the blocks of one assistant's message of a request. role: what that is called. messages: the
    body's member that holds the history. whole, frames: an answer with these blocks; blocks: those of a whole
    answer. told: what must return of blocks.
    """

    dialect: str
    role: str
    messages: str
    said: Callable[[Wire], list[Wire]]
    whole: Callable[[list[Wire]], Wire]
    frames: Callable[[list[Wire]], list[Any]]
    blocks: Callable[[Wire], list[Wire]]
    told: Callable[[list[Wire]], Told]

    def answers(self, body: Wire) -> list[list[Wire]]:
        """The blocks of the answers in a request's history; neighbours are one answer."""
        found: list[list[Wire]] = []
        before = ""
        for message in body[self.messages]:
            role = message.get("role", "user")
            if role == self.role:
                if before != role:
                    found.append([])
                found[-1] += self.said(message)
            before = role
        return found

    def returned(self, body: Wire) -> list[Told]:
        """What a request brings of each answer in its history."""
        return [self.told(blocks) for blocks in self.answers(body)]


class Said(msgspec.Struct, frozen=True):
    """One answer of a provider: its blocks, and how it was recorded, where it was."""

    blocks: list[Wire]
    recorded: corpus.Response | None = None


class Talk(msgspec.Struct, frozen=True):
    """One conversation, in the chat protocol. messages: of the assistant's, only their places tell. wishes:
    what else every request says (tools, how much to think).
    """

    id: str
    model: str
    messages: list[Wire]
    wishes: Wire
    answers: list[Said]


def talks(folder: Path, voice: Voice, *apis: str) -> Iterator[Talk]:
    """The conversations of all recorded requests whose history holds something that must return: what is
    sealed, and what the provider's own tools did.
    """
    exchanges = [one for one in corpus.read(folder, *apis) if one.request is not None]
    answered = {
        seals: one.response
        for one in exchanges
        if one.response is not None and (seals := _seals(one.response.sse or one.response.raw.decode()))
    }
    for exchange in exchanges:
        body = exchange.request.body if exchange.request is not None else None
        if exchange.response is not None and exchange.response.status >= 400:
            continue
        if not isinstance(body, dict) or voice.messages not in body:
            continue
        answers = [Said(blocks, answered.get(_seals(json.dumps(blocks)))) for blocks in voice.answers(body)]
        told = [one for answer in answers for one in voice.told(answer.blocks)]
        if not any(kind == "native" or seal for kind, _, seal in told):
            continue
        request = _joined(Case(exchange, DIALECTS[voice.dialect], ()).request)
        chat = DIALECTS["openai_chat"].request.encode(request, Target(Report("openai_chat"))).body
        wishes: Wire = {key: chat[key] for key in ("tools", "reasoning_effort") if key in chat}
        yield Talk(exchange.id, exchange.model or "m", chat["messages"], wishes, answers)


_SEAL = re.compile(r'"(?:thoughtSignature|thought_signature|signature|data)" ?: ?"([\w+/=-]{24,})"')


def _seals(text: str) -> frozenset[str]:
    """The signatures in a text, in one alphabet: recorded clients wrote some of them in that of URLs."""
    return frozenset(_standard(seal) for seal in _SEAL.findall(text))


def _standard(seal: str) -> str:
    """A signature in the alphabet that providers write."""
    return seal.replace("-", "+").replace("_", "/").rstrip("=")


def _joined(request: ir.Request) -> ir.Request:
    """The request with assistant messages that follow each other as one."""
    messages: list[ir.Message] = []
    for message in request.messages:
        if messages and message.role == messages[-1].role == "assistant":
            blocks = (*messages[-1].blocks, *message.blocks)
            messages[-1] = msgspec.structs.replace(messages[-1], blocks=blocks)
        else:
            messages.append(msgspec.structs.replace(message, blocks=_sayable(message.blocks)))
    return msgspec.structs.replace(request, messages=tuple(messages))


def _sayable(blocks: Iterable[ir.Block]) -> tuple[ir.Block, ...]:
    """Blocks without media, some of which only their own provider can read; what is asked matters little."""
    return tuple(
        ir.Text("(a picture)")
        if isinstance(block, ir.Media)
        else msgspec.structs.replace(block, content=_sayable(block.content))
        if isinstance(block, ir.ToolResult)
        else block
        for block in blocks
    )


def _merged(told: Iterable[tuple[Any, ...]]) -> Told:
    """Texts that no signature holds apart as one, without those that say nothing."""
    merged: Told = []
    for kind, content, seal in told:
        if kind == "text" and seal is None:
            if merged and merged[-1][0] == "text" and merged[-1][2] is None:
                merged[-1] = ("text", merged[-1][1] + content, None)
                continue
            if not content:
                continue
        merged.append((kind, content, seal))
    return merged


# --- Anthropic -----------------------------------------------------------------------------------


def _anthropic_said(message: Wire) -> list[Wire]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _anthropic_told(blocks: list[Wire]) -> Told:
    def tell(block: Wire) -> tuple[Any, ...]:
        kind = block["type"]
        if kind == "thinking":
            return ("thinking", block["thinking"], block["signature"])
        if kind == "redacted_thinking":
            return ("redacted", None, block["data"])
        if kind == "tool_use":
            return ("call", (block["name"], block["input"]), None)
        return ("text", block["text"], None) if kind == "text" else ("native", _stated(block), None)

    return _merged(tell(block) for block in blocks)


def _stated(value: Any) -> Any:
    """A value without members that are null, which say nothing."""
    if isinstance(value, dict):
        return {key: _stated(inner) for key, inner in value.items() if inner is not None}
    return [_stated(inner) for inner in value] if isinstance(value, list) else value


def _anthropic_about(blocks: list[Wire]) -> Wire:
    calls = any(block["type"] == "tool_use" for block in blocks)
    return {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}


_ANTHROPIC: Wire = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}


def _anthropic_whole(blocks: list[Wire]) -> Wire:
    usage = {"input_tokens": 1, "output_tokens": 1}
    return {**_ANTHROPIC, "content": blocks, **_anthropic_about(blocks), "usage": usage}


def _anthropic_frames(blocks: list[Wire]) -> list[Any]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    start = {**_ANTHROPIC, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    frames: list[Any] = [{"type": "message_start", "message": start}]
    for index, block in enumerate(blocks):
        begun, deltas = _anthropic_deltas(block)
        frames.append({"type": "content_block_start", "index": index, "content_block": begun})
        frames += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        frames.append({"type": "content_block_stop", "index": index})
    end = {"type": "message_delta", "delta": _anthropic_about(blocks), "usage": {"output_tokens": 1}}
    return [*frames, end, {"type": "message_stop"}]


def _anthropic_deltas(block: Wire) -> tuple[Wire, list[Wire]]:
    kind = block["type"]
    if kind == "text":
        return {"type": kind, "text": ""}, [
            {"type": "text_delta", "text": piece} for piece in _halves(block["text"])
        ]
    if kind == "thinking":
        deltas: list[Wire] = [
            {"type": "thinking_delta", "thinking": piece} for piece in _halves(block["thinking"])
        ]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": kind, "thinking": "", "signature": ""}, deltas
    if kind.endswith("tool_use"):
        pieces = _halves(json.dumps(block["input"]))
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": one} for one in pieces]
    return block, []


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


ANTHROPIC = Voice(
    "anthropic",
    "assistant",
    "messages",
    _anthropic_said,
    _anthropic_whole,
    _anthropic_frames,
    _anthropic_said,
    _anthropic_told,
)

# --- Gemini --------------------------------------------------------------------------------------

_CAMEL = {
    "function_call": "functionCall",
    "thought_signature": "thoughtSignature",
    "inline_data": "inlineData",
    "executable_code": "executableCode",
    "code_execution_result": "codeExecutionResult",
    "tool_call": "toolCall",
    "tool_response": "toolResponse",
    "tool_type": "toolType",
}


_STANDS_IN = frozenset({SKIP_SIGNATURE, b64encode(SKIP_SIGNATURE.encode()).decode()})
"""What clients put in the place of a signature of calls that the model did not make; it need not return."""


def _gemini_said(message: Wire) -> list[Wire]:
    return [{_CAMEL.get(key, key): value for key, value in part.items()} for part in message["parts"]]


def _gemini_told(parts: list[Wire]) -> Told:
    def tell(part: Wire) -> tuple[Any, ...] | None:
        seal = part.get("thoughtSignature")
        if seal in _STANDS_IN:
            seal = None
        if "functionCall" in part:
            return ("call", (part["functionCall"]["name"], part["functionCall"].get("args") or {}), seal)
        if part.get("thought"):
            return ("thinking", part.get("text", ""), seal) if seal else None
        if "text" in part:
            return ("text", part["text"], seal)
        if "inlineData" in part:  # the client keeps pictures, in another form
            return None
        [(kind, value)] = [(key, value) for key, value in part.items() if key != "thoughtSignature"]
        return ("native", (kind, {_CAMEL.get(key, key): inner for key, inner in value.items()}), seal)

    return _merged(told for part in parts if (told := tell(part)) is not None)


def _gemini_answer(parts: list[Wire], *, done: bool) -> Wire:
    candidate: Wire = {"content": {"role": "model", "parts": parts}, "index": 0}
    if done:
        candidate["finishReason"] = "STOP"
    usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"}


def _gemini_whole(parts: list[Wire]) -> Wire:
    return _gemini_answer(parts, done=True)


def _gemini_blocks(answer: Wire) -> list[Wire]:
    return _gemini_said(answer["candidates"][0]["content"])


def _gemini_frames(parts: list[Wire]) -> list[Any]:
    return [_gemini_answer([part], done=place == len(parts)) for place, part in enumerate(parts, 1)]


GEMINI = Voice(
    "gemini",
    "model",
    "contents",
    _gemini_said,
    _gemini_whole,
    _gemini_frames,
    _gemini_blocks,
    _gemini_told,
)

# --- Chat, where the vendor wants its reasoning back -----------------------------------------------


def _chat_said(message: Wire) -> list[Wire]:
    return [message]


def _chat_told(messages: list[Wire]) -> Told:
    [message] = messages
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    told: Told = [("text", message.get("content") or "", None), *(("call", call, None) for call in calls)]
    if calls and (reasoning := message.get("reasoning_content")):
        told.insert(0, ("thinking", "", reasoning))
    return _merged(told)


def _chat_reason(message: Wire) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


_CHAT: Wire = {"id": "1", "created": 1, "model": "m"}


def _chat_whole(messages: list[Wire]) -> Wire:
    choice = {"index": 0, "message": messages[0], "finish_reason": _chat_reason(messages[0])}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {**_CHAT, "object": "chat.completion", "choices": [choice], "usage": usage}


def _chat_frames(messages: list[Wire]) -> list[Any]:
    [message] = messages
    deltas: list[Wire] = [{"role": "assistant", "content": ""}]
    for member in ("reasoning_content", "content"):
        deltas += [{member: piece} for piece in _halves(message.get(member) or "")]
    for index, call in enumerate(message.get("tool_calls") or ()):
        deltas.append({"tool_calls": [{"index": index, **call}]})
    choices: list[Wire] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": _chat_reason(message)})
    return [
        *({**_CHAT, "object": "chat.completion.chunk", "choices": [one]} for one in choices),
        "data: [DONE]\n\n",
    ]


def _chat_blocks(answer: Wire) -> list[Wire]:
    return [answer["choices"][0]["message"]]


CHAT = Voice(
    "openai_chat",
    "assistant",
    "messages",
    _chat_said,
    _chat_whole,
    _chat_frames,
    _chat_blocks,
    _chat_told,
)


def answer(voice: Voice, said: Said, *, stream: bool) -> tuple[Answer, Told]:
    """A provider's answer, as it was recorded where it was in this form; and what of it must return."""
    told = voice.told(said.blocks)
    recorded = said.recorded or corpus.Response()
    if stream:
        if recorded.sse is not None:
            written = {_standard(seal): seal for seal in _SEAL.findall(recorded.sse)}
            told = [(kind, content, seal and written[_standard(seal)]) for kind, content, seal in told]
            return Streamed([recorded.sse]), told
        line_end = "\r\n" if voice is GEMINI else "\n"
        return Streamed(voice.frames(said.blocks), named=voice is ANTHROPIC, line_end=line_end), told
    if isinstance(recorded.body, dict):  # some clients have moved a signature to another part
        return Whole(recorded.body), voice.told(voice.blocks(recorded.body))
    return Whole(voice.whole(said.blocks)), told
