"""OpenAI's legacy completions: text alone, with its probabilities where they were asked for."""

from __future__ import annotations

from typing import Any

from dragoman.testing.provider import Answer, Script, Seen, Streamed, Whole
from tests.e2e.answers.said import Said, pieces

_STOPS = {"end": "stop", "sequence": "stop", "length": "length", "filter": "content_filter"}
_HEAD = {"id": "cmpl-up", "object": "text_completion", "created": 1_700_000_000}


def openai_completions(said: Said) -> Script:
    """The answer as OpenAI's completions API gives it, whole or streamed as the request asks."""

    def answer(seen: Seen) -> Answer:
        speaks = _Speaks(said, seen.body)
        return speaks.stream() if seen.body.get("stream") else speaks.whole()

    return answer


class _Speaks:
    def __init__(self, said: Said, body: dict[str, Any]) -> None:
        self.said = said
        self.body = body
        self.head = {**_HEAD, "model": body["model"]}
        self.stop = _STOPS[said.stop]
        self.texts = said.texts(body.get("n"))

    def whole(self) -> Whole:
        choices = [self.choice(index, text, 0, self.stop) for index, text in enumerate(self.texts)]
        return Whole({**self.head, "choices": choices, "usage": self.usage()})

    def stream(self) -> Streamed:
        said = self.said
        frames: list[Any] = []
        for index, text in enumerate(self.texts):
            start = 0
            for piece in pieces(text):
                frames.append({**self.head, "choices": [self.choice(index, piece, start, None)]})
                start += len(piece)
        if said.die:
            return Streamed(frames, pause=said.pause, die=True)
        frames += [
            {**self.head, "choices": [self.choice(index, "", len(text), self.stop)]}
            for index, text in enumerate(self.texts)
        ]
        if (self.body.get("stream_options") or {}).get("include_usage"):
            frames.append({**self.head, "choices": [], "usage": self.usage()})
        return Streamed([*frames, b"data: [DONE]\n\n"], pause=said.pause)

    def usage(self) -> dict[str, Any]:
        said = self.said
        total = said.input_tokens + said.output_tokens
        return {
            "prompt_tokens": said.input_tokens,
            "completion_tokens": said.output_tokens,
            "total_tokens": total,
        }

    def choice(self, index: int, text: str, start: int, finish: str | None) -> dict[str, Any]:
        """One candidate or a part of it. start: the place of its text in the whole."""
        logprobs = self.logprobs(text, start)
        return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": finish}

    def logprobs(self, text: str, start: int) -> dict[str, Any] | None:
        others = self.body.get("logprobs")
        if others is None or not text:
            return None
        tokens = pieces(text)
        offsets = [start + sum(map(len, tokens[:place])) for place in range(len(tokens))]
        return {
            "tokens": tokens,
            "token_logprobs": [-0.25] * len(tokens),
            "top_logprobs": [_top(token, others) for token in tokens],
            "text_offset": offsets,
        }


def _top(token: str, others: int) -> dict[str, float]:
    """A token and what could have stood in its place, as many as were asked for."""
    return dict([(token, -0.25), *((f"{token}{n}", -2.0 - n) for n in range(1, others))][:others])
