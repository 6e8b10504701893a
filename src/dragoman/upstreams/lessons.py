"""Remembers what a provider's refusals have taught about its models: in which dialects a model is available,
in which dialects it can use tools while it thinks, and whether it can return encrypted thinking.
"""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.routing.apis import Lesson, lesson_of
from dragoman.routing.outcome import refuses_sealing

_MOST: Final = 1024
"""The most models in each of the two memories of a `Lessons` object. Another model first empties this memory.
"""


class Lessons:
    """What is known of the models of one provider in one dialect. thoughtless: the models that cannot return
    encrypted thinking. They count as models that do not think.
    """

    def __init__(self) -> None:
        self._of: dict[str, Lesson] = {}
        self.thoughtless: set[str] = set()

    def of(self, model: str) -> Lesson | None:
        """Return what the latest refusal says about a model in this dialect: "never" = the model is not
        available, "tools" = it cannot use tools while it thinks; None = no refusal was learnt.
        """
        return self._of.get(model)

    def learns(self, model: str, fault: ir.Fault) -> bool:
        """Return whether a failure says that the model is not available in this dialect, or cannot use tools
        while it thinks. If so, remember it in place of what was known; a repeated failure returns True again.
        """
        lesson = lesson_of(fault)
        if lesson is None:
            return False
        if len(self._of) >= _MOST and model not in self._of:
            self._of.clear()
        self._of[model] = lesson
        return True

    def learns_thoughtless(self, model: str, fault: ir.Fault) -> bool:
        """Return whether a failure says that the model cannot return encrypted thinking. If so, remember it;
        a repeated failure returns True again.
        """
        if not refuses_sealing(fault):
            return False
        if len(self.thoughtless) >= _MOST and model not in self.thoughtless:
            self.thoughtless.clear()
        self.thoughtless.add(model)
        return True
