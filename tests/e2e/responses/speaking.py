"""What may answer behind the Responses API: fake providers that do what the user says, and our own models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dragoman.testing.provider import Answer, Script, Seen
from tests.e2e import calls, stubs
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.sent import Sent
from tests.e2e.strict import JUDGES, held
from tests.e2e.stubs import Said

DIALECTS: dict[str, Callable[[Said], Script]] = {**stubs.DIALECTS, "openai_responses": openai_responses}
MODELS = {**calls.MODELS, "openai_responses": "up/gpt-5"}

WEATHER: dict[str, Any] = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
CALL = ("call_1", "get_weather", '{"city":"Paris"}')
SEAL = "c2VhbCBvZiB0aGUgcHJvdmlkZXI="


class Models(msgspec.Struct, frozen=True):
    """The names to ask for, by what they are to do. echoes: the text is the user's last. bound: of tokens."""

    text: str
    tools: str = ""
    slow: str = ""
    echoes: bool = True
    bound: dict[str, Any] = {}

    @property
    def calling(self) -> str:
        return self.tools or self.text

    @property
    def slowly(self) -> str:
        return self.slow or self.text


UPSTREAMS = {
    "simulate": Models("simulate/echo", "simulate/tools", "simulate/lorem:40+rate:20"),
    "local": Models("local/smollm2:135m", echoes=False, bound={"max_output_tokens": 16}),
}
"""What answers by itself."""


def speaking(dialect: str) -> Script:
    """A provider that does what the last user message says, and says it again."""

    def answer(seen: Seen) -> Answer:
        sent = Sent(dialect, seen)
        prompt = [texts for role, texts in sent.turns if role == "user" and texts][-1][-1]
        said = Said(prompt)
        if prompt.startswith("slow"):
            said = Said(prompt, pause=0.1)
        elif prompt.startswith("think"):
            said = Said(prompt, thought="Let me think.", seal=SEAL, reasoning_tokens=3)
        elif prompt.startswith("Weather"):
            said = Said("It is sunny.") if sent.results else Said("", (CALL,), thought="Hm.", seal=SEAL)
        elif prompt == "A city.":
            said = Said('{"name": "Paris", "people": 2100000}')
        script = DIALECTS[dialect](said)
        assert callable(script)
        return script(seen)

    return held(dialect, answer) if dialect in JUDGES else answer


def told(sent: Sent) -> list[str]:
    """The messages of a request as "role: text", without the empty texts that seals may hang on."""
    return [f"{role}: {' '.join(filter(None, texts))}" for role, texts in sent.turns if any(texts)]
