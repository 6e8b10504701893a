"""Gemini's generateContent and streamGenerateContent.

A signature stands on the first call; without calls on the text, in a stream on an empty text at the end.
Streams come in frames that end with CRLF, each with the usage so far.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole
from tests.e2e.answers.said import Said, halves, pieces

STOPS = {"end": "STOP", "sequence": "STOP", "length": "MAX_TOKENS", "filter": "SAFETY"}
PCM = "audio/L16;codec=pcm;rate=24000"


def gemini(said: Said) -> Script:
    """The answer as Gemini gives it, whole or streamed as the path asks."""

    def answer(seen: Seen) -> Answer:
        speaks = _Speaks(said, seen.body.get("generationConfig") or {})
        return speaks.stream() if ":streamGenerateContent" in seen.path else speaks.whole()

    return answer


class _Speaks:
    def __init__(self, said: Said, config: dict[str, Any]) -> None:
        self.said = said
        self.config = config
        self.about = {"modelVersion": "gemini-2.5-flash", "responseId": "resp-up"}
        thinking = config.get("thinkingConfig", {})
        shown = thinking.get("includeThoughts") or thinking.get(
            "include_thoughts"
        )  # as Google's client writes
        self.thought = said.thought if shown else ""

    def usage(self, *, done: bool = True) -> dict[str, Any]:
        said = self.said
        visible = said.output_tokens - said.reasoning_tokens if done else 1
        usage: dict[str, Any] = {
            "promptTokenCount": said.input_tokens,
            "candidatesTokenCount": visible,
            "totalTokenCount": said.input_tokens + visible + said.reasoning_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": said.input_tokens}],
        }
        if said.reasoning_tokens:
            usage["thoughtsTokenCount"] = said.reasoning_tokens
        if said.cached_tokens:
            usage["cachedContentTokenCount"] = said.cached_tokens
        return usage

    def logprobs(self, text: str) -> dict[str, Any]:
        if not self.config.get("responseLogprobs") or not text:
            return {}
        chosen = [{"token": piece, "tokenId": 7, "logProbability": -0.25} for piece in pieces(text)]
        result: dict[str, Any] = {"chosenCandidates": chosen}
        if others := self.config.get("logprobs"):
            result["topCandidates"] = [
                {
                    "candidates": [
                        one,
                        *(_other(one, n) for n in range(1, others)),
                    ]
                }
                for one in chosen
            ]
        return {"logprobsResult": result, "avgLogprobs": -0.25}

    def calls(self) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        for place, (id_, name, arguments) in enumerate(self.said.calls):
            call = {"name": name, "args": json.loads(arguments), **({"id": id_} if id_ else {})}
            seal = {"thoughtSignature": self.said.seal} if self.said.seal and place == 0 else {}
            parts.append({"functionCall": call, **seal})
        return parts

    # Whole ----------------------------------------------------------------------------------------

    def whole(self) -> Whole:
        candidates = [
            {
                "content": self.content(self.parts(text)),
                "finishReason": STOPS[self.said.stop],
                "index": index,
                **self.logprobs(text),
            }
            for index, text in enumerate(self.said.texts(self.config.get("candidateCount")))
        ]
        return Whole({"candidates": candidates, "usageMetadata": self.usage(), **self.about})

    def content(self, parts: list[dict[str, Any]]) -> dict[str, Any]:
        return {"parts": parts, "role": "model"} if parts else {}

    def parts(self, text: str) -> list[dict[str, Any]]:
        said = self.said
        parts: list[dict[str, Any]] = [{"text": self.thought, "thought": True}] if self.thought else []
        if text:
            seal = {"thoughtSignature": said.seal} if said.seal and not said.calls else {}
            parts.append({"text": text, **seal})
        parts += [_inline("image/png", image) for image in said.images]
        if said.sound:
            parts.append(_inline(PCM, said.sound))
        return parts + self.calls()

    # Streamed -------------------------------------------------------------------------------------

    def stream(self) -> Streamed:
        said = self.said
        frames: list[dict[str, Any]] = []
        texts = said.texts(self.config.get("candidateCount"))
        for index, text in enumerate(texts):
            frames += [self.chunk(index, [{"text": p, "thought": True}]) for p in pieces(self.thought)]
            frames += [self.chunk(index, [{"text": p}], **self.logprobs(p)) for p in pieces(text)]
            frames += [self.chunk(index, [_inline("image/png", image)]) for image in said.images]
            frames += [self.chunk(index, [_inline(PCM, half)]) for half in halves(said.sound)]
            frames += [self.chunk(index, [call]) for call in self.calls()]
        if not said.die:
            seal = {"thoughtSignature": said.seal} if said.seal and not said.calls else {}
            for index in range(len(texts)):
                last = self.chunk(index, [{"text": "", **seal}], finishReason=STOPS[said.stop])
                frames.append({**last, "usageMetadata": self.usage()})
        return Streamed(frames, line_end="\r\n", pause=said.pause, die=said.die)

    def chunk(self, index: int, parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        candidate = {"content": self.content(parts), "index": index, **more}
        return {"candidates": [candidate], "usageMetadata": self.usage(done=False), **self.about}


def _inline(mime: str, data: bytes) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime, "data": b64encode(data).decode()}}


def _other(token: dict[str, Any], number: int) -> dict[str, Any]:
    """What could have stood in a token's place."""
    return {
        "token": f"{token['token']}{number}",
        "tokenId": token["tokenId"] + number,
        "logProbability": -2.0 - number,
    }
