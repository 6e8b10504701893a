"""An engine that says what it is told to, for tests of everything above an engine."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dragoman.upstreams.local.engine import EngineRefused, Token
from dragoman.upstreams.local.protocol import Draw, Options, TokenProb


class ScriptedModel:
    """Says `pieces`, whatever it is asked; one token of a prompt is one word.

    strict: it refuses system messages and neighbours of one role, as some chat templates do. gate: when
    given, every token waits for it.
    """

    def __init__(
        self,
        pieces: Sequence[bytes],
        *,
        context: int = 1000,
        takes_tools: bool = False,
        strict: bool = False,
        gate: threading.Semaphore | None = None,
    ) -> None:
        self.context = context
        self.takes_tools = takes_tools
        self.pieces = pieces
        self.strict = strict
        self.gate = gate
        self.prompts: list[str] = []
        self.closed = False
        self.interrupted = 0
        self.computed = 0

    def render(self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()) -> str:
        roles = [message["role"] for message in messages]
        if self.strict and ("system" in roles or any(a == b for a, b in itertools.pairwise(roles))):
            raise EngineRefused("invalid", "roles must alternate")
        said = "".join(f"<{message['role']}>{message['content']}\n" for message in messages)
        declared = "".join(f"<tool>{tool['function']['name']}\n" for tool in tools)
        return f"{declared}{said}<assistant>"

    def tokenize(self, prompt: str) -> list[int]:
        self.prompts.append(prompt)
        return list(range(len(prompt.split())))

    def generate(
        self, prompt: Sequence[int], draw: Draw, grammar: str | None, cancelled: Callable[[], bool]
    ) -> Iterator[Token]:
        for number, piece in enumerate(self.pieces):
            if self.gate is not None:
                self.gate.acquire()
            if cancelled():
                return
            self.computed += 1
            prob = None if draw.top_logprobs is None else TokenProb(number, piece, -1.0)
            yield Token(piece, prob)

    def cancel(self) -> None:
        self.interrupted += 1
        if self.gate is not None:
            self.gate.release()

    def close(self) -> None:
        self.closed = True


class ScriptedEngine:
    """Loads scripted models by path; a path that has no script cannot be loaded."""

    def __init__(self, scripts: Mapping[str, Callable[[], ScriptedModel]]) -> None:
        self.scripts = scripts
        self.loaded: list[ScriptedModel] = []

    def load(self, options: Options) -> ScriptedModel:
        if options.path not in self.scripts:
            raise EngineRefused("model", f"{options.path} cannot be loaded")
        self.loaded.append(self.scripts[options.path]())
        return self.loaded[-1]
