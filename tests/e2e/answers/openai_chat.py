"""OpenAI's chat API, which never shows its thoughts, with the member by which OpenRouter shows images."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole
from tests.e2e.answers.said import Said, halves, pieces
from tests.e2e.media import wav

STOPS = {"end": "stop", "sequence": "stop", "length": "length", "filter": "content_filter"}
EXPIRES = 1_800_000_000


def openai_chat(said: Said) -> Script:
    """The answer as OpenAI's chat API gives it, whole or streamed as the request asks."""

    def answer(seen: Seen) -> Answer:
        speaks = _Speaks(said, seen.body)
        return speaks.stream() if seen.body.get("stream") else speaks.whole()

    return answer


class _Speaks:
    def __init__(self, said: Said, body: dict[str, Any]) -> None:
        self.said = said
        self.body = body
        self.head = {"id": "chatcmpl-up", "created": 1_700_000_000, "model": "gpt-4o-2024-08-06"}
        self.stop = "tool_calls" if said.calls else STOPS[said.stop]
        named = [tool.get(tool["type"]) or {} for tool in body.get("tools") or ()]
        kinds = [tool["type"] for tool in body.get("tools") or ()]
        self.free = {tool.get("name") for tool, kind in zip(named, kinds, strict=True) if kind == "custom"}

    def usage(self) -> dict[str, Any]:
        said = self.said
        usage: dict[str, Any] = {
            "prompt_tokens": said.input_tokens,
            "completion_tokens": said.output_tokens,
            "total_tokens": said.input_tokens + said.output_tokens,
        }
        if said.cached_tokens:
            usage["prompt_tokens_details"] = {"cached_tokens": said.cached_tokens}
        if said.reasoning_tokens:
            usage["completion_tokens_details"] = {"reasoning_tokens": said.reasoning_tokens}
        return usage

    def logprobs(self, text: str) -> dict[str, Any] | None:
        if not self.body.get("logprobs"):
            return None
        others = self.body.get("top_logprobs") or 0
        return {"content": [_token(piece, others) for piece in pieces(text)], "refusal": None}

    # Whole ----------------------------------------------------------------------------------------

    def whole(self) -> Whole:
        choices = [
            {
                "index": index,
                "message": self.message(text),
                "logprobs": self.logprobs(text),
                "finish_reason": self.stop,
            }
            for index, text in enumerate(self.said.texts(self.body.get("n")))
        ]
        return Whole({**self.head, "object": "chat.completion", "choices": choices, "usage": self.usage()})

    def message(self, text: str) -> dict[str, Any]:
        said = self.said
        message: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
        if said.calls:
            message["tool_calls"] = [
                {**({"id": i} if i else {}), **self.call(name, arguments)}
                for i, name, arguments in said.calls
            ]
        if said.images:
            message["images"] = [_image(image) for image in said.images]
        if said.sound:
            wanted = (self.body.get("audio") or {}).get("format")
            data = b64encode(wav(said.sound) if wanted == "wav" else said.sound).decode()
            about = {"id": "audio_up", "expires_at": EXPIRES, "transcript": said.transcript}
            message["audio"] = {**about, "data": data}
        return message

    def call(self, name: str, text: str) -> dict[str, Any]:
        """A call: of a free-text tool, the text as it is."""
        if name in self.free:
            return {"type": "custom", "custom": {"name": name, "input": text}}
        return {"type": "function", "function": {"name": name, "arguments": text}}

    # Streamed -------------------------------------------------------------------------------------

    def stream(self) -> Streamed:
        said = self.said
        texts = said.texts(self.body.get("n"))
        frames: list[Any] = []
        for index, text in enumerate(texts):
            frames += self.choice(index, text)
        if said.die:
            return Streamed(frames, pause=said.pause, die=True)
        frames += [self.delta({}, index, self.stop) for index in range(len(texts))]
        if (self.body.get("stream_options") or {}).get("include_usage"):
            frames.append(
                {**self.head, "object": "chat.completion.chunk", "choices": [], "usage": self.usage()}
            )
        return Streamed([*frames, b"data: [DONE]\n\n"], pause=said.pause)

    def delta(
        self, content: dict[str, Any], index: int = 0, finish: str | None = None, logprobs: Any = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": content, "logprobs": logprobs, "finish_reason": finish}
        return {**self.head, "object": "chat.completion.chunk", "choices": [choice]}

    def choice(self, index: int, text: str) -> list[Any]:
        said = self.said
        frames = [self.delta({"role": "assistant", "content": "", "refusal": None}, index)]
        frames += [
            self.delta({"content": piece}, index, logprobs=self.logprobs(piece)) for piece in pieces(text)
        ]
        for place, (id_, name, arguments) in enumerate(said.calls):
            head = {"index": place, **({"id": id_} if id_ else {})}
            frames.append(self.delta({"tool_calls": [{**head, **self.call(name, "")}]}, index))
            member, text = ("custom", "input") if name in self.free else ("function", "arguments")
            frames += [
                self.delta({"tool_calls": [{"index": place, member: {text: piece}}]}, index)
                for piece in pieces(arguments)
            ]
        for place, image in enumerate(said.images):
            frames.append(self.delta({"images": [{**_image(image), "index": place}]}, index))
        return frames + self.speech(index)

    def speech(self, index: int) -> list[Any]:
        said = self.said
        if not said.sound:
            return []
        parts: list[dict[str, Any]] = [{"transcript": piece} for piece in pieces(said.transcript)]
        parts += [{"data": b64encode(half).decode()} for half in halves(said.sound)]
        parts.append({"expires_at": EXPIRES})
        return [self.delta({"audio": {"id": "audio_up", **part}}, index) for part in parts]


def _token(piece: str, others: int) -> dict[str, Any]:
    token = {"token": piece, "logprob": -0.25, "bytes": list(piece.encode())}
    top = [token, *({**token, "token": f"{piece}{n}", "logprob": -2.0 - n} for n in range(1, others))]
    return {**token, "top_logprobs": top[:others]}


def _image(image: bytes) -> dict[str, Any]:
    return {
        "type": "image_url",
        "image_url": {"url": f"data:image/png;base64,{b64encode(image).decode()}"},
    }
